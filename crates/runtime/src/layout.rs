//! Where a task lives on disk. The directory is the truth: an engine that starts knows of running
//! tasks what it finds here, and nothing else.
//!
//! `<home>/tasks/<task id>/<container>/` holds `spec.json` (what to run), `shim.pid` and `pid`
//! (process ids with start times), `health`, `failed` or `exit` (how it went), `stopping` (it was
//! asked to stop, so its restart policy is off), `output.log`, and `work`, its working directory.
//! Everything else in `<home>/tasks/<task id>/` is files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use neargate_core::container_health::CheckSchedule;
use neargate_core::id::TaskId;
use neargate_core::input::{ContainerHealth, Exit};
use neargate_core::task_definition::{LogDelivery, LogMultiline};
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::process::Identity;
use crate::sandbox::{Sandbox, stop_signal};

/// Everything the shim needs to know. Durations are real milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ContainerSpec {
    pub(crate) task: TaskId,
    pub(crate) container: String,
    pub(crate) argv: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// Soft and hard limit of open files.
    pub(crate) nofile: Option<(u64, u64)>,
    pub(crate) health_check: Option<HealthCheckSpec>,
    pub(crate) restart: Option<RestartSpec>,
    /// Datagram socket of the engine.
    pub(crate) socket: PathBuf,
    /// Environment variables whose values the shim is told on its standard input, as one JSON
    /// object, when it starts: secrets are not written down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) secret_names: Vec<String>,
    /// Absent: output goes to a file of the container's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<LogSpec>,
    /// Absent: a plain process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sandbox: Option<Sandbox>,
}

impl ContainerSpec {
    /// What asks the container to stop.
    pub(crate) fn stop_signal(&self) -> Signal {
        stop_signal(self.sandbox.as_ref().and_then(|sandbox| sandbox.stop_signal.as_deref()))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HealthCheckSpec {
    pub(crate) argv: Vec<String>,
    pub(crate) timeout_ms: u64,
    pub(crate) schedule: CheckSchedule,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RestartSpec {
    pub(crate) ignored_exit_codes: Vec<i32>,
    pub(crate) attempt_period_ms: u64,
}

/// Where a container's output goes (ECS-TD-21).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogSpec {
    /// Directory of the log store.
    pub(crate) root: PathBuf,
    pub(crate) group: String,
    pub(crate) stream: String,
    #[serde(default)]
    pub(crate) delivery: LogDelivery,
    #[serde(default)]
    pub(crate) multiline: Option<LogMultiline>,
}

/// What a task directory says of itself, for people who look into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TaskSpec {
    pub(crate) task: TaskId,
    pub(crate) cluster: String,
    pub(crate) service: Option<String>,
    pub(crate) revision: String,
    pub(crate) zone: String,
    pub(crate) address: std::net::Ipv4Addr,
    pub(crate) capacity_provider: String,
}

/// Paths below the home directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    home: PathBuf,
}

impl Layout {
    pub(crate) fn new(home: PathBuf) -> Self {
        Self { home }
    }

    pub(crate) fn tasks(&self) -> PathBuf {
        self.home.join("tasks")
    }

    /// Where outputs of released tasks are kept for a while.
    pub(crate) fn logs(&self) -> PathBuf {
        self.home.join("logs")
    }

    /// The log store, for what goes to log groups.
    pub(crate) fn log_store(&self) -> PathBuf {
        self.home.join("log-groups")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.home.join("images.json")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home.join("runtime.sock")
    }

    pub(crate) fn task(&self, task: TaskId) -> PathBuf {
        self.tasks().join(task.to_string())
    }

    pub(crate) fn container(&self, task: TaskId, container: &str) -> ContainerDir {
        ContainerDir(self.task(task).join(container))
    }

    /// The kept output of a container whose task is released.
    pub(crate) fn kept_log(&self, task: TaskId, container: &str) -> PathBuf {
        self.logs().join(format!("{task}.{container}.log"))
    }

    /// Ids of the tasks that have a directory.
    pub(crate) fn task_ids(&self) -> Vec<TaskId> {
        names_in(&self.tasks()).iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// Names of the containers that have a directory.
    pub(crate) fn containers_of(&self, task: TaskId) -> Vec<String> {
        let dir = self.task(task);
        names_in(&dir).into_iter().filter(|name| dir.join(name).is_dir()).collect()
    }
}

/// A name that is one path component of its own (ECS allows letters, digits, `-` and `_`).
pub(crate) fn is_container_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// One container's directory.
#[derive(Clone, Debug)]
pub(crate) struct ContainerDir(PathBuf);

impl ContainerDir {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn spec(&self) -> PathBuf {
        self.0.join("spec.json")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("output.log")
    }

    /// The pipe to the log stream.
    pub(crate) fn fifo(&self) -> PathBuf {
        self.0.join("output")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Where the root of a sandboxed container is mounted, seen by its shim only.
    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// Where the task's own file system is mounted, if it has one; seen by its shim only.
    pub(crate) fn storage(&self) -> PathBuf {
        self.0.join("storage")
    }

    /// What was asked for and could not be had; written by the shim, one sentence each.
    pub(crate) fn read_warnings(&self) -> Vec<String> {
        read_json(&self.0.join("warnings")).unwrap_or_default()
    }

    pub(crate) fn write_warnings(&self, warnings: &[String]) -> io::Result<()> {
        write_json(&self.0.join("warnings"), &warnings)
    }

    pub(crate) fn stopping(&self) -> PathBuf {
        self.0.join("stopping")
    }

    pub(crate) fn shim_pid(&self) -> PathBuf {
        self.0.join("shim.pid")
    }

    fn pid(&self) -> PathBuf {
        self.0.join("pid")
    }

    /// Creates the directory with its spec; `work` exists before the spec does.
    pub(crate) fn create(&self, spec: &ContainerSpec) -> io::Result<()> {
        fs::create_dir_all(self.work())?;
        write_json(&self.spec(), spec)
    }

    pub(crate) fn read_spec(&self) -> io::Result<ContainerSpec> {
        Ok(serde_json::from_slice(&fs::read(self.spec())?)?)
    }

    pub(crate) fn read_shim(&self) -> Option<Identity> {
        fs::read_to_string(self.shim_pid()).ok()?.parse().ok()
    }

    /// The container's process; of the last run when it was restarted.
    pub(crate) fn read_process(&self) -> Option<Identity> {
        fs::read_to_string(self.pid()).ok()?.parse().ok()
    }

    pub(crate) fn write_process(&self, process: Identity) -> io::Result<()> {
        write_atomically(&self.pid(), process.to_string().as_bytes())
    }

    pub(crate) fn read_health(&self) -> ContainerHealth {
        read_json(&self.0.join("health")).unwrap_or(ContainerHealth::Unknown)
    }

    pub(crate) fn write_health(&self, health: ContainerHealth) -> io::Result<()> {
        write_json(&self.0.join("health"), &health)
    }

    pub(crate) fn read_exit(&self) -> Option<Exit> {
        read_json(&self.0.join("exit"))
    }

    /// Durable: of all that is here, only this cannot be found out again.
    pub(crate) fn write_exit(&self, exit: Exit) -> io::Result<()> {
        write_durably(&self.0.join("exit"), &serde_json::to_vec(&exit)?)
    }

    /// Why the container could not be started.
    pub(crate) fn read_failure(&self) -> Option<String> {
        fs::read_to_string(self.0.join("failed")).ok()
    }

    pub(crate) fn write_failure(&self, reason: &str) -> io::Result<()> {
        write_atomically(&self.0.join("failed"), reason.as_bytes())
    }
}

/// Longest path a Unix socket address holds everywhere, with its final zero.
const MAX_SOCKET_PATH: usize = 100;

/// The same socket by a path short enough for a socket address. Valid while the file is open.
pub(crate) fn short_path(socket: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let (Some(parent), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if socket.as_os_str().len() < MAX_SOCKET_PATH {
        return Ok((socket.to_owned(), None));
    }
    let parent = File::open(parent)?;
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&parent);
    Ok((PathBuf::from(format!("/proc/self/fd/{descriptor}")).join(name), Some(parent)))
}

fn names_in(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    write_atomically(path, &serde_json::to_vec(value)?)
}

/// Readers see the old content or the new, never a part.
fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, bytes)?;
    fs::rename(temporary, path)
}

/// As [`write_atomically`], and the content survives a power cut once this returns.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(temporary, path)?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
