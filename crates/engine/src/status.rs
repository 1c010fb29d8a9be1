//! Who runs, and how.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use neargate_core::metadata;
use neargate_runtime::Driver;

use crate::api::{EdgeStatus, EngineStatus, Status};
use crate::options::AuthMode;

/// What does not change during a run.
#[derive(Clone, Debug)]
pub(crate) struct StatusParts {
    pub(crate) endpoint: String,
    pub(crate) pace: u32,
    pub(crate) home: String,
    pub(crate) dns: String,
    pub(crate) driver: Driver,
    pub(crate) driver_note: Option<String>,
    pub(crate) auth: AuthMode,
}

impl StatusParts {
    /// Where tasks ask about themselves: on their own network's address, if they have one.
    pub(crate) fn metadata_url(&self) -> &str {
        if self.driver.is_container() { metadata::BASE_URL } else { &self.endpoint }
    }

    /// The whole status.
    pub(crate) fn now(&self, edge_pid: Option<u32>) -> Status {
        Status {
            engine: EngineStatus {
                pid: std::process::id(),
                endpoint: self.endpoint.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                cpu_ms: cpu_ms(),
            },
            edge: EdgeStatus { pid: edge_pid },
            driver: self.driver.to_string(),
            driver_note: self.driver_note.clone(),
            auth: self.auth,
            pace: self.pace,
            home: self.home.clone(),
            dns: self.dns.clone(),
        }
    }
}

/// User and system CPU this process has used, in milliseconds.
fn cpu_ms() -> u64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return 0 };
    let used = usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds();
    u64::try_from(used).unwrap_or(0)
}
