//! Processes that a killed shim left in the middle of making a container.
//!
//! They are not the container yet: copies of the shim on their way into it, or the external runtime
//! and its helpers. Nobody wrote them down, and they would go on making control groups. A copy of
//! the shim still holds the shim's lock file; a runtime has the bundle's path on its command line;
//! and their children are theirs.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::layout::ContainerDir;

/// How long they are waited for after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);

/// Kills them and waits until they are gone. Only for a container whose shim is dead.
pub(super) fn kill(dir: &ContainerDir) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = find(dir);
        if found.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in found {
            let _ended = rustix::process::kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn find(dir: &ContainerDir) -> Vec<Pid> {
    let own = rustix::process::getpid().as_raw_pid();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let processes: Vec<(i32, i32)> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid| Some((pid, parent_of(pid)?)))
        .collect();
    let (lock, bundle) = (dir.shim_pid(), dir.path().join("bundle"));
    let mut found: BTreeSet<i32> = processes
        .iter()
        .map(|(pid, _)| *pid)
        .filter(|pid| holds(*pid, &lock) || runs_with(*pid, &bundle))
        .collect();
    loop {
        let children: Vec<i32> = processes
            .iter()
            .filter(|(pid, parent)| found.contains(parent) && !found.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if children.is_empty() {
            return found.into_iter().filter_map(Pid::from_raw).collect();
        }
        found.extend(children);
    }
}

/// Of a process that is not a zombie.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.next()?.parse().ok()
}

/// Open for writing, as only a shim and its copies have it: an engine that just reads it is nobody's
/// left-over.
fn holds(pid: i32, file: &Path) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors.flatten().any(|entry| {
        fs::read_link(entry.path()).is_ok_and(|open| open == file)
            // The link's own permissions are those the file was opened with.
            && fs::symlink_metadata(entry.path()).is_ok_and(|link| link.mode() & 0o200 != 0)
    })
}

fn runs_with(pid: i32, path: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let path = path.as_os_str().as_encoded_bytes();
    line.split(|byte| *byte == 0).any(|argument| argument == path)
}
