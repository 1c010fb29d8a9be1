//! What a container of the `container` driver is made of, as the engine writes it down for the
//! shim: the part of a container's spec that plain processes have no use for.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::cgroup::Limits;

/// Everything a sandboxed container has beyond command, environment and health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sandbox {
    #[serde(default)]
    pub(crate) backend: BackendKind,
    /// Digest of the image, which must not be removed meanwhile.
    #[serde(default)]
    pub(crate) image: Option<String>,
    /// Directories of the image's unpacked layers, lowest first, absolute; with the whiteouts that
    /// overlayfs knows. Never written to.
    pub(crate) layers: Vec<PathBuf>,
    /// The task's network namespace, pinned at this path; absent is one with nothing in it.
    #[serde(default)]
    pub(crate) network: Option<PathBuf>,
    pub(crate) hostname: String,
    /// The task's control group, beginning with `/`; the container's is the one below with the
    /// container's name.
    pub(crate) cgroup: String,
    /// Of the whole task. The same in every container of it.
    #[serde(default)]
    pub(crate) task_limits: Limits,
    #[serde(default)]
    pub(crate) limits: Limits,
    /// `uid`, `name`, `uid:gid` or `name:group`, looked up in the image; absent is root.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// Made if it is missing.
    #[serde(default = "root")]
    pub(crate) working_directory: PathBuf,
    #[serde(default)]
    pub(crate) readonly_root: bool,
    /// A first process that reaps orphans and hands signals on (`initProcessEnabled`).
    #[serde(default)]
    pub(crate) init_process: bool,
    /// `linuxParameters.capabilities`, with or without `CAP_`.
    #[serde(default)]
    pub(crate) add_capabilities: Vec<String>,
    #[serde(default)]
    pub(crate) drop_capabilities: Vec<String>,
    /// The image's STOPSIGNAL, `SIGQUIT`, `QUIT` or `3`. The engine sends it; absent is SIGTERM.
    #[serde(default)]
    pub(crate) stop_signal: Option<String>,
    #[serde(default)]
    pub(crate) tmpfs: Vec<Tmpfs>,
    /// Size of /dev/shm; absent is 64.
    #[serde(default)]
    pub(crate) shm_mib: Option<u64>,
    /// Directories shared by the task's containers.
    #[serde(default)]
    pub(crate) binds: Vec<Bind>,
    /// How much the task's containers may write in all. The same in every container of it; absent
    /// is as much as the disk holds.
    #[serde(default)]
    pub(crate) storage_mib: Option<u64>,
}

/// Who makes the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BackendKind {
    /// The shim itself.
    #[default]
    Libcontainer,
    /// This external program.
    Runc(PathBuf),
}

/// A file system in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tmpfs {
    pub(crate) path: PathBuf,
    pub(crate) size_mib: u64,
    /// As `mount` takes them, e.g. `noexec`.
    #[serde(default)]
    pub(crate) options: Vec<String>,
}

/// A directory of the host inside the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    #[serde(default)]
    pub(crate) read_only: bool,
}

fn root() -> PathBuf {
    PathBuf::from("/")
}

impl Sandbox {
    /// The container's control group.
    pub(crate) fn container_cgroup(&self, container: &str) -> String {
        format!("{}/{container}", self.cgroup)
    }
}

/// The signal a STOPSIGNAL names; SIGTERM where it names none.
pub(crate) fn stop_signal(name: Option<&str>) -> Signal {
    let Some(name) = name else { return Signal::TERM };
    let number = name.parse().ok().or_else(|| {
        let short = name.to_ascii_uppercase();
        let short = short.strip_prefix("SIG").unwrap_or(&short);
        let known: nix::sys::signal::Signal = format!("SIG{short}").parse().ok()?;
        Some(known as i32)
    });
    number.and_then(Signal::from_named_raw).unwrap_or(Signal::TERM)
}

/// Files the engine writes into the container's directory, and what they replace inside.
pub(crate) fn files(dir: &Path) -> Vec<(PathBuf, &'static str)> {
    [("resolv.conf", "/etc/resolv.conf"), ("hosts", "/etc/hosts"), ("hostname", "/etc/hostname")]
        .into_iter()
        .map(|(name, target)| (dir.join(name), target))
        .filter(|(source, _)| source.is_file())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_signals_are_named_in_many_ways() {
        for (name, signal) in [
            (None, Signal::TERM),
            (Some("SIGQUIT"), Signal::QUIT),
            (Some("quit"), Signal::QUIT),
            (Some("3"), Signal::QUIT),
            (Some("USR1"), Signal::USR1),
            (Some("nonsense"), Signal::TERM),
        ] {
            assert_eq!(stop_signal(name), signal, "{name:?}");
        }
    }
}
