//! What a container uses, read at the moment somebody asks: from its control group where it has
//! one, else from its processes. Holds nothing and locks nothing, so it may be asked on any thread.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use neargate_core::id::TaskId;

use crate::cgroup::{Hierarchies, Usage as Counted};
use crate::layout::{Layout, is_container_name};
use crate::storage;

/// Clock ticks per second in /proc: the kernel's ABI, whatever it counts with inside.
const NS_PER_TICK: u64 = 10_000_000;
/// Processes of one plain-process container that are looked at.
const MOST_PROCESSES: usize = 1_024;
/// Files of one task that are looked at.
const MOST_FILES: usize = 200_000;
/// Unit of a file's block count, whatever the file system's own blocks are.
const BLOCK_BYTES: u64 = 512;

/// What a container uses. Counters grow from its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// Its parts spent in user and in kernel mode, where they are known.
    pub user_and_kernel_ns: Option<(u64, u64)>,
    /// CPU time that the whole machine had to give, idle included, in nanoseconds since its boot.
    pub system_cpu_ns: u64,
    /// CPUs of the machine.
    pub online_cpus: u32,
    /// How its CPU limit held it back; `None` where nothing limits it.
    pub throttling: Option<Throttling>,
    /// Memory in use, page cache included where that is known.
    pub memory_bytes: u64,
    /// The limit in force.
    pub memory_limit_bytes: Option<u64>,
    /// Part of the memory that could be given back at once.
    pub inactive_file_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Its network interfaces but loopback; `None` when it has no network of its own, so that
    /// nobody can say which traffic is its.
    pub interfaces: Option<Vec<Interface>>,
}

/// How a CPU limit held a container back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods in which it had to wait.
    pub periods: u64,
    /// How long in all, in nanoseconds.
    pub ns: u64,
}

/// What went through a network interface. All containers of a task share theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name inside the task.
    pub name: String,
    /// To the task.
    pub received: Traffic,
    /// From the task.
    pub sent: Traffic,
}

/// What went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Of them, broken ones.
    pub errors: u64,
    /// Of them, those there was no room for.
    pub dropped: u64,
}

/// Reads what the containers of a home use.
#[derive(Clone, Debug)]
pub struct Meter {
    layout: Layout,
}

impl Meter {
    /// For the containers below that home.
    #[must_use]
    pub fn new(home: &Path) -> Self {
        Self { layout: Layout::new(home.to_owned()) }
    }

    /// What a container uses; `None` when it does not run.
    #[must_use]
    pub fn usage(&self, task: TaskId, container: &str) -> Option<Usage> {
        if !is_container_name(container) {
            return None;
        }
        let dir = self.layout.container(task, container);
        let process = dir.read_process().filter(|process| process.is_alive())?;
        let pid = process.pid.as_raw_pid();
        let spec = dir.read_spec().ok()?;
        let group = spec.sandbox.and_then(|s| of_group(&s.container_cgroup(container)));
        let mut usage = group.unwrap_or_else(|| of_processes(pid));
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        (usage.system_cpu_ns, usage.online_cpus) = machine_cpu(&stat);
        usage.interfaces = has_own_network(pid)
            .then(|| fs::read_to_string(format!("/proc/{pid}/net/dev")).ok())
            .flatten()
            .map(|text| interfaces(&text));
        Some(usage)
    }

    /// What a task has on disk, its containers' output included, in bytes; `None` when it has
    /// nothing there, or so many files that counting them would take long.
    #[must_use]
    pub fn storage_bytes(&self, task: TaskId) -> Option<u64> {
        let directory = self.layout.task(task);
        let image = storage::image(&directory);
        let Ok(metadata) = fs::metadata(&image) else { return disk_usage(directory, None) };
        // The task's own file system knows what is on it, and only its containers see that.
        let pids = self.layout.containers_of(task).into_iter().filter_map(|name| {
            let process = self.layout.container(task, &name).read_process()?;
            process.is_alive().then(|| process.pid.as_raw_pid())
        });
        let written = pids.filter_map(storage::used_by).next();
        let written = written.unwrap_or(metadata.blocks() * BLOCK_BYTES);
        Some(disk_usage(directory, Some(&image))? + written)
    }
}

/// `None` where control groups cannot be had, so that nothing is counted there.
fn of_group(path: &str) -> Option<Usage> {
    let used = Hierarchies::read().ok()?.group(path).usage();
    if used == Counted::default() {
        return None;
    }
    Some(Usage {
        cpu_ns: used.cpu_us * 1_000,
        throttling: Some(Throttling {
            periods: used.throttled_periods,
            ns: used.throttled_us * 1_000,
        }),
        memory_bytes: used.memory_bytes,
        memory_limit_bytes: used.memory_limit_bytes,
        inactive_file_bytes: used.inactive_file_bytes,
        pids: used.pids,
        ..Usage::default()
    })
}

/// Of a process and all that descend from it. What a process waited for counts as its own.
fn of_processes(root: i32) -> Usage {
    let mut usage = Usage::default();
    let (mut user, mut kernel) = (0, 0);
    let mut waiting = vec![root];
    let mut seen = 0;
    while let Some(pid) = waiting.pop() {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
        // It may end while it is looked at.
        let (Ok(stat), Ok(status)) = (read("stat"), read("status")) else { continue };
        if let Some((in_user, in_kernel)) = process_ticks(&stat) {
            user += in_user * NS_PER_TICK;
            kernel += in_kernel * NS_PER_TICK;
        }
        usage.memory_bytes += status_number(&status, "VmRSS").unwrap_or(0) * 1024;
        usage.pids += status_number(&status, "Threads").unwrap_or(1);
        waiting.extend(children(pid));
        seen += 1;
        if seen == MOST_PROCESSES {
            break;
        }
    }
    usage.cpu_ns = user + kernel;
    usage.user_and_kernel_ns = Some((user, kernel));
    usage
}

fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let of_thread = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    of_thread.flat_map(|list| numbers(&list)).collect()
}

fn numbers(list: &str) -> Vec<i32> {
    list.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// User and kernel time of a process and of the children it waited for, from `/proc/<pid>/stat`.
fn process_ticks(stat: &str) -> Option<(u64, u64)> {
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let times: Vec<u64> =
        rest.split(' ').skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    let [user, kernel, waited_user, waited_kernel] = times.try_into().ok()?;
    Some((user + waited_user, kernel + waited_kernel))
}

/// A number of `/proc/<pid>/status`.
fn status_number(status: &str, field: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}

/// CPU time of all CPUs together in nanoseconds, and how many there are, from `/proc/stat`.
fn machine_cpu(stat: &str) -> (u64, u32) {
    let cpus = stat.lines().filter(|line| line.starts_with("cpu"));
    let (all, each): (Vec<&str>, Vec<&str>) = cpus.partition(|line| line.starts_with("cpu "));
    // Time of guests, which comes after, is in the first ones already.
    let fields = all.first().map_or("", |line| line).split_ascii_whitespace().skip(1).take(8);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    (ticks * NS_PER_TICK, u32::try_from(each.len()).unwrap_or(u32::MAX))
}

/// Whether the process is in another network namespace than this one.
fn has_own_network(pid: i32) -> bool {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    match (namespace("self"), namespace(&pid.to_string())) {
        (Some(own), Some(other)) => own != other,
        _ => false,
    }
}

/// The interfaces in a `net/dev` file, but loopback.
fn interfaces(text: &str) -> Vec<Interface> {
    let interface = |line: &str| {
        let (name, counters) = line.split_once(':')?;
        let counters: Vec<u64> =
            counters.split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect();
        let way = |first: usize| {
            let [bytes, packets, errors, dropped] =
                counters.get(first..first + 4)?.try_into().ok()?;
            Some(Traffic { bytes, packets, errors, dropped })
        };
        Some(Interface { name: name.trim().to_owned(), received: way(0)?, sent: way(8)? })
    };
    text.lines().filter_map(interface).filter(|interface| interface.name != "lo").collect()
}

/// Bytes on disk below a directory, which is not left by links, without one file.
fn disk_usage(directory: PathBuf, without: Option<&Path>) -> Option<u64> {
    let mut bytes = 0;
    let mut seen = 0;
    let mut waiting = vec![directory];
    while let Some(directory) = waiting.pop() {
        // One that goes away meanwhile uses nothing any more; but there must be the first.
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(_) if seen > 0 => continue,
            Err(_) => return None,
        };
        for entry in entries.flatten() {
            seen += 1;
            if seen > MOST_FILES {
                return None;
            }
            let Ok(metadata) = entry.metadata() else { continue };
            if without.is_some_and(|file| *file == entry.path()) {
                continue;
            }
            bytes += metadata.blocks() * BLOCK_BYTES;
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 150 50 20 5 20 0 3 0 999";
        assert_eq!(process_ticks(stat), Some((170, 55)));
        assert_eq!(process_ticks("7 (a) S 1"), None);
        let status = "Name:\tsh\nVmRSS:\t    1234 kB\nThreads:\t3\n";
        assert_eq!(status_number(status, "VmRSS"), Some(1234));
        assert_eq!(status_number(status, "Threads"), Some(3));
        assert_eq!(status_number(status, "Vm"), None);
        let machine = "cpu  1 2 3 4 5 6 7 8 9 9\ncpu0 1 1\ncpu1 1 1\nintr 5\n";
        assert_eq!(machine_cpu(machine), (36 * NS_PER_TICK, 2));
    }

    #[test]
    fn interfaces_are_read_without_loopback() {
        let text = "Inter-|   Receive          |  Transmit\n face |bytes packets\n    \
                    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  \
                    eth0:83705709 59279 1 2 0 0 0 0 638407 3962 3 4 0 0 0 0\n";
        let received = Traffic { bytes: 83_705_709, packets: 59_279, errors: 1, dropped: 2 };
        let sent = Traffic { bytes: 638_407, packets: 3_962, errors: 3, dropped: 4 };
        assert_eq!(interfaces(text), [Interface { name: "eth0".into(), received, sent }]);
    }

    #[test]
    fn a_process_is_measured_with_its_children() {
        let mut shell = std::process::Command::new("/bin/sh")
            .args(["-c", "sleep 60 & echo started; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let output = shell.stdout.take().expect("piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)
            .expect("it says so");
        let pid = i32::try_from(shell.id()).expect("a process id");
        let usage = of_processes(pid);
        for child in children(pid) {
            let child = rustix::process::Pid::from_raw(child).expect("a process id");
            let _gone = rustix::process::kill_process(child, rustix::process::Signal::KILL);
        }
        shell.wait().expect("it ends");
        assert_eq!(usage.pids, 2);
        assert!(usage.memory_bytes > 100_000, "{usage:?}");
        assert!(!has_own_network(pid));
        assert_eq!(
            of_processes(pid),
            Usage { user_and_kernel_ns: Some((0, 0)), ..Usage::default() }
        );
    }

    #[test]
    fn files_are_counted_once_and_links_are_not_followed() {
        let dir = tempfile::tempdir().expect("directory");
        fs::create_dir(dir.path().join("deep")).expect("made");
        fs::write(dir.path().join("deep/file"), vec![1; 100_000]).expect("written");
        std::os::unix::fs::symlink("/usr", dir.path().join("link")).expect("linked");
        let used = disk_usage(dir.path().to_owned(), None).expect("counted");
        assert!((100_000..200_000).contains(&used), "{used}");
        let file = dir.path().join("deep/file");
        let others = disk_usage(dir.path().to_owned(), Some(&file)).expect("counted");
        assert!(used - others >= 100_000, "{used} and {others} without it");
        assert_eq!(disk_usage(dir.path().join("none"), None), None);
    }
}
