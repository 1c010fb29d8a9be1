//! What this machine can do, found out by doing it: `neargate shim probe`.
//!
//! Asking for privileges and kernel versions tells what ought to work. A container that was started
//! tells what does. It runs as a process of its own, because libcontainer clones whoever calls it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use rustix::process::Resource;
use serde::{Deserialize, Serialize};

use super::{own_program, runc};
use crate::cgroup::{Hierarchies, Limits};
use crate::rootfs;
use crate::seccomp;
use crate::storage;

/// How long a container that does nothing may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answer of `neargate shim probe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Containers made by Neargate itself.
    pub libcontainer: Works,
    /// Containers made by the program `runc`.
    pub runc: Works,
    /// Image layers are mounted; otherwise they are copied for each container.
    pub overlay: Works,
    /// A task cannot use more CPU than it was given.
    pub cpu_limit: Works,
    /// A task cannot use more memory than it was given.
    pub memory_limit: Works,
    /// A container cannot use up the machine's processes.
    pub pids_limit: Works,
    /// Dangerous system calls are refused.
    pub seccomp: Works,
    /// User namespaces can be made, which containers without root need.
    pub user_namespaces: Works,
    /// Writes beyond the `ephemeralStorage` that a task says are refused.
    pub storage_limit: Works,
    /// Most open files a container can be given.
    pub nofile_ceiling: u64,
}

/// Whether something works, and if not, why, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Works {
    /// It does.
    pub works: bool,
    /// Empty when it does.
    pub reason: String,
}

impl From<Result<(), String>> for Works {
    fn from(result: Result<(), String>) -> Self {
        let works = result.is_ok();
        Self { works, reason: result.err().unwrap_or_default() }
    }
}

/// The whole body of the command: tries below `dir`, or where temporary files go.
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) fn main(dir: Option<&Path>) -> ExitCode {
    let parent = dir.map_or_else(std::env::temp_dir, Path::to_owned);
    let place = parent.join(format!("neargate-probe-{}", std::process::id()));
    let mut capabilities = probe(&place);
    let _nothing_of_use = fs::remove_dir_all(&place);
    // Last of all: it changes who this process is.
    capabilities.user_namespaces = unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|error| format!("user namespaces cannot be made: {error}"))
        .into();
    match serde_json::to_string(&capabilities) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn probe(place: &Path) -> Capabilities {
    let libcontainer = try_container(&place.join("libcontainer"), "libcontainer".into());
    let runc = match runc::find(Path::new("runc")) {
        None => Err("the program runc is not installed (Debian: apt-get install runc)".to_owned()),
        Some(program) => try_container(&place.join("runc"), serde_json::json!({ "runc": program })),
    };
    let (cpu, memory, pids) = try_limits(&format!("/neargate/probe-{}", std::process::id()));
    let seccomp = if seccomp::is_supported() {
        Ok(())
    } else {
        Err("this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)".to_owned())
    };
    let nofile = rustix::process::getrlimit(Resource::Nofile);
    Capabilities {
        libcontainer: libcontainer.into(),
        runc: runc.into(),
        overlay: try_overlay(&place.join("overlay")).into(),
        cpu_limit: cpu.into(),
        memory_limit: memory.into(),
        pids_limit: pids.into(),
        seccomp: seccomp.into(),
        user_namespaces: Ok(()).into(),
        storage_limit: try_storage(&place.join("storage")).into(),
        nofile_ceiling: nofile.maximum.unwrap_or(u64::MAX),
    }
}

/// A whole container, through a shim, from an image with nothing in it. Its program cannot be
/// found, which only a container that was made can say.
fn try_container(dir: &Path, backend: serde_json::Value) -> Result<(), String> {
    let said = |what: &str, error: &io::Error| format!("{what} {}: {error}", dir.display());
    let layer = dir.join("layer");
    fs::create_dir_all(dir.join("work")).map_err(|error| said("making", &error))?;
    fs::create_dir_all(&layer).map_err(|error| said("making", &error))?;
    let spec = serde_json::json!({
        "task": "0".repeat(32), "container": "probe", "argv": ["/neargate-probe"],
        "environment": {}, "nofile": null, "health_check": null, "restart": null,
        "socket": dir.join("nobody.sock"),
        "sandbox": {
            "backend": backend, "layers": [layer], "hostname": "probe",
            "cgroup": format!("/neargate/probe-{}-container", std::process::id()),
        },
    });
    fs::write(dir.join("spec.json"), spec.to_string()).map_err(|error| said("writing", &error))?;
    let mut shim = Command::new(own_program())
        .arg("shim")
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("starting a shim: {error}"))?;
    let deadline = Instant::now() + PATIENCE;
    while matches!(shim.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            let _ended = shim.kill();
            let _reaped = shim.wait();
            return Err(format!("a container did not start within {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let reason = fs::read_to_string(dir.join("failed")).unwrap_or_default();
    if reason.contains("neargate-probe\"") {
        return Ok(());
    }
    let reason = reason.trim_start_matches("CannotStartContainerError: ");
    Err(match reason {
        "" => "the shim ended without a word".to_owned(),
        reason => reason.to_owned(),
    })
}

type Outcome = Result<(), String>;

/// CPU, memory, processes.
fn try_limits(path: &str) -> (Outcome, Outcome, Outcome) {
    let group = match Hierarchies::read() {
        Ok(hierarchies) => hierarchies.group(path),
        Err(error) => {
            let outcome = Err(format!("control groups are not readable: {error}"));
            return (outcome.clone(), outcome.clone(), outcome);
        }
    };
    let made = group.create();
    let set = |limits: Limits| match &made {
        Err(error) => Err(error.to_string()),
        Ok(()) => match group.limit(&limits).into_iter().next() {
            Some(missing) => Err(missing),
            None => Ok(()),
        },
    };
    let outcomes = (
        set(Limits { cpu_quota: Some(1024), ..Limits::default() }),
        set(Limits { memory_mib: Some(64), ..Limits::default() }),
        set(Limits { pids: Some(64), ..Limits::default() }),
    );
    group.remove_empty();
    outcomes
}

fn try_overlay(dir: &Path) -> Outcome {
    rootfs::own_mount_namespace(None)
        .map_err(|error| format!("mount namespaces cannot be made: {error}"))?;
    let layer = dir.join("layer");
    let made = fs::create_dir_all(&layer).and_then(|()| rootfs::prepare(&[layer], dir, dir));
    let outcome = match made {
        Ok(rootfs::Made::Overlay) => Ok(()),
        Ok(rootfs::Made::Copy(reason)) => {
            Err(format!("image layers are copied, because overlayfs cannot be used: {reason}"))
        }
        Err(error) => Err(format!("preparing an image in {}: {error}", dir.display())),
    };
    let _not_mounted =
        rustix::mount::unmount(dir.join("root"), rustix::mount::UnmountFlags::DETACH);
    outcome
}

/// A file system of a task's own, as small as ext4 can be.
fn try_storage(dir: &Path) -> Outcome {
    let mut outcome = rootfs::own_mount_namespace(None)
        .map_err(|error| format!("mount namespaces cannot be made: {error}"));
    if outcome.is_ok() {
        let point = dir.join("mounted");
        let mounted = fs::create_dir_all(dir).and_then(|()| storage::mount(dir, 4, &point));
        outcome = mounted.unwrap_or_else(|error| Err(error.to_string()));
        let _not_mounted = rustix::mount::unmount(&point, rustix::mount::UnmountFlags::DETACH);
    }
    outcome.map_err(|reason| {
        format!(
            "ephemeralStorage is not enforced, a container may fill the disk that the home \
             directory is on: {reason}"
        )
    })
}
