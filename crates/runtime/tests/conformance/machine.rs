//! What a platform has on the machine: to be the same before a task and after it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::rig::{Rig, wait_until};

/// Everything of a home's tasks that can be found on this machine, one line each: processes,
/// mounts, pinned namespaces, network interfaces, control groups, loop devices, files.
pub(crate) fn traces(rig: &Rig) -> BTreeSet<String> {
    let home = rig.home();
    let metadata = fs::metadata(home).expect("the home is there");
    let group = format!("{:x}-{:x}", metadata.dev(), metadata.ino());
    let mut found = BTreeSet::new();
    processes(home, &group, &mut found);
    let place = home.display().to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc");
    for line in mounts.lines().filter(|line| line.contains(&place)) {
        found.insert(format!("mount {}", line.split(' ').nth(4).unwrap_or(line)));
    }
    if let Some(namespace) = rig.runtime().namespace() {
        let links = neargate_vpc::netns::run_in(&namespace, || {
            fs::read_to_string("/proc/thread-self/net/dev").expect("/proc")
        });
        for line in links.expect("the platform's namespace").lines().skip(2) {
            found.insert(format!("link {}", line.split(':').next().unwrap_or(line).trim()));
        }
    }
    directories(Path::new("/sys/fs/cgroup"), &group, false, &mut found);
    found.extend(loop_devices(home).into_iter().map(|file| format!("loop device of {file}")));
    files(home, home, &mut found);
    found
}

/// Waits until the machine is as it was.
#[track_caller]
pub(crate) fn assert_as_before(rig: &Rig, before: &BTreeSet<String>) {
    let mut left = BTreeSet::new();
    for _ in 0..500 {
        let now = traces(rig);
        left = now.difference(before).cloned().collect();
        if left.is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{}: left behind: {left:#?}", rig.driver);
}

/// Waits until none of these processes is there, not even as a zombie.
#[track_caller]
pub(crate) fn assert_reaped(pids: &[i32]) {
    for pid in pids {
        wait_until(&format!("process {pid} is reaped"), || {
            !Path::new(&format!("/proc/{pid}")).exists()
        });
    }
}

/// Files of the home that are behind loop devices.
pub(crate) fn loop_devices(home: &Path) -> Vec<String> {
    let place = home.display().to_string();
    fs::read_dir("/sys/block")
        .expect("/sys")
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("loop/backing_file")).ok())
        .filter(|file| file.contains(&place))
        .collect()
}

fn processes(home: &Path, group: &str, found: &mut BTreeSet<String>) {
    let own = std::process::id().to_string();
    let text = home.display().to_string();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(pid) = entry.file_name().into_string() else { continue };
        if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let read = |file: &str| {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let inside = fs::read_link(entry.path().join("cwd")).is_ok_and(|at| at.starts_with(home));
        let line = read("cmdline").replace('\0', " ");
        if inside || line.contains(&text) || read("cgroup").contains(group) {
            found.insert(format!("process {pid}: {line}"));
        }
    }
}

fn directories(dir: &Path, name: &str, inside: bool, found: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())) {
        // The platform's own group goes with the platform.
        if inside {
            found.insert(format!("control group {}", entry.path().display()));
        }
        let inside = inside || entry.file_name() == name;
        directories(&entry.path(), name, inside, found);
    }
}

/// Images stay for the next task, and so does output.
fn files(home: &Path, dir: &Path, found: &mut BTreeSet<String>) {
    let kept = ["images", "logs", "log-groups"].map(|name| home.join(name));
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        found.insert(format!("file {}", path.display()));
        let is_dir = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
        if is_dir && !kept.contains(&path) {
            files(home, &path, found);
        }
    }
}

/// The files below a home that contain this text.
pub(crate) fn files_with(home: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file()
                && fs::read(&path).is_ok_and(|bytes| {
                    bytes.windows(text.len()).any(|window| window == text.as_bytes())
                })
            {
                found.push(path);
            }
        }
    }
    found
}
