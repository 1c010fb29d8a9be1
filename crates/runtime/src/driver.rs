//! The ways in which tasks are made real.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use neargate_vpc::Vpc;
use serde::{Deserialize, Serialize};

use crate::shim::Capabilities;

/// How tasks are made real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// Plain processes, each task on its own loopback address.
    #[default]
    Process,
    /// Containers in a network namespace of the platform, made by the shim itself.
    Container,
    /// The same, made by the program `runc`.
    Runc,
}

impl Driver {
    /// As the command line spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Driver::Process => "process",
            Driver::Container => "container",
            Driver::Runc => "runc",
        }
    }

    /// Whether tasks have a network of their own, images and limits.
    #[must_use]
    pub fn is_container(self) -> bool {
        self != Driver::Process
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A driver that works here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The driver.
    pub driver: Driver,
    /// What is missing, in one line; `None` when nothing is.
    pub missing: Option<String>,
}

/// The driver that is wanted, or the best that works on this machine, found out by trying with
/// `binary` (which has the subcommand `shim`) below `dir`.
///
/// # Errors
/// Why the wanted driver does not work, in one line.
pub fn choose(wanted: Option<Driver>, binary: &Path, dir: &Path) -> Result<Choice, String> {
    if wanted == Some(Driver::Process) {
        return Ok(Choice { driver: Driver::Process, missing: None });
    }
    let found = examine(binary, dir);
    let usable = |driver: Driver| -> Result<Choice, String> {
        let found = found.as_ref().map_err(Clone::clone)?;
        let backend = if driver == Driver::Runc { &found.runc } else { &found.libcontainer };
        if !backend.works {
            return Err(backend.reason.clone());
        }
        let limits = [&found.cpu_limit, &found.memory_limit, &found.pids_limit, &found.seccomp];
        let missing = limits.iter().filter(|limit| !limit.works);
        let missing: Vec<&str> = missing.map(|limit| limit.reason.as_str()).collect();
        Ok(Choice { driver, missing: (!missing.is_empty()).then(|| missing.join("; ")) })
    };
    match wanted {
        Some(driver) => usable(driver),
        None => Ok(usable(Driver::Container).or_else(|why| {
            usable(Driver::Runc).or(Err(why))
        }).unwrap_or_else(|why| Choice {
            driver: Driver::Process,
            missing: Some(format!(
                "tasks are plain processes on their own loopback addresses, without isolation and \
                 limits, because containers do not work here: {why}"
            )),
        })),
    }
}

/// What this machine can do for containers. The error is why they cannot run at all.
///
/// # Errors
/// The first thing that is missing, in one line.
pub fn examine(binary: &Path, dir: &Path) -> Result<Capabilities, String> {
    Vpc::probe().map_err(|missing| missing.to_string())?;
    let answer = Command::new(binary)
        .args(["shim", "probe"])
        .arg(dir)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start {} shim: {error}", binary.display()))?;
    serde_json::from_slice(&answer.stdout).map_err(|_| {
        let words = String::from_utf8_lossy(&answer.stderr);
        format!("the probe of this machine failed ({}) {}", answer.status, words.trim())
    })
}

/// The text names no driver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no driver; there are process, container and runc")]
pub struct UnknownDriver(String);

impl FromStr for Driver {
    type Err = UnknownDriver;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Driver::Process, Driver::Container, Driver::Runc];
        let found = all.into_iter().find(|driver| driver.as_str() == text);
        found.ok_or_else(|| UnknownDriver(text.to_owned()))
    }
}
