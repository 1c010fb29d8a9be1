//! How an engine is to run.

use std::fmt;
use std::path::PathBuf;

use neargate_runtime::Driver;
use serde::{Deserialize, Serialize};

/// The port local AWS tools default to.
pub const DEFAULT_PORT: u16 = 4566;
/// The account local AWS tools take for granted.
pub const DEFAULT_ACCOUNT: &str = "000000000000";
/// The region unless another one is asked for.
pub const DEFAULT_REGION: &str = "us-east-1";

/// Who may send requests to the AWS endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Everybody on this machine, with any credentials.
    #[default]
    Any,
    /// Who signs with an access key of the home's file `credentials`, or as a task's role.
    Strict,
}

impl fmt::Display for AuthMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AuthMode::Any => "any",
            AuthMode::Strict => "strict",
        })
    }
}

/// How an engine is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// State directory; created if needed.
    pub home: PathBuf,
    /// Port of the AWS endpoint on 127.0.0.1; 0 lets the machine choose.
    pub port: u16,
    /// Platform seconds per real second, at least 1; `None` is what the tasks of the home were
    /// started with, or 1 when it has none.
    pub pace: Option<u32>,
    /// Twelve digits; `None` is the platform's own, or [`DEFAULT_ACCOUNT`] for a new one.
    pub account: Option<String>,
    /// `None` is the platform's own, or `default_region` for a new one.
    pub region: Option<String>,
    /// Region of a platform that is new or empty, unless `region` says otherwise.
    pub default_region: String,
    /// How tasks are made; `None` is how those of the home were, or the best this machine offers
    /// when it has none.
    pub driver: Option<Driver>,
    /// Who may send requests; `None` is as it was on this home last.
    pub auth: Option<AuthMode>,
    /// Serve `POST /_neargate/reset`.
    pub resettable: bool,
    /// The program with the subcommands `edge` and `shim`: the running binary itself.
    pub binary: PathBuf,
}

impl Options {
    /// Defaults: port 4566, nothing resettable.
    #[must_use]
    pub fn new(home: PathBuf, binary: PathBuf) -> Self {
        Self {
            home,
            port: DEFAULT_PORT,
            pace: None,
            driver: None,
            account: None,
            region: None,
            default_region: DEFAULT_REGION.to_owned(),
            auth: None,
            resettable: false,
            binary,
        }
    }
}
