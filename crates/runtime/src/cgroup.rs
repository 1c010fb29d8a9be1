//! Control groups: limits for a task and for its containers, and what they used.
//!
//! Works on version 1, version 2, and both at once. A controller that is missing is no failure: the
//! limit is left out and told as a warning, because a container without a limit is what such a
//! machine can give. Everything here may be repeated, and begins from any state a killed process
//! left.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

/// Period of the CPU quota, as Docker and the kernel have it.
const PERIOD_US: u64 = 100_000;
/// What the kernel takes as the smallest quota.
const MIN_QUOTA_US: u64 = 1_000;
/// CPU units that are one virtual CPU (ECS-TD-3).
const UNITS_PER_CPU: u64 = 1_024;
const MIB: u64 = 1024 * 1024;
/// How long killed processes are waited for before their group is given up.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Limits of one group. What is absent is not limited there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    /// Hard ceiling in CPU units; 1024 are one CPU.
    pub(crate) cpu_quota: Option<u64>,
    /// Share against its siblings when CPU is short, in CPU units.
    pub(crate) cpu_share: Option<u64>,
    /// Hard ceiling; above it the kernel kills.
    pub(crate) memory_mib: Option<u64>,
    /// What it keeps when memory is short.
    pub(crate) memory_reservation_mib: Option<u64>,
    /// Most processes and threads.
    pub(crate) pids: Option<u64>,
}

/// What a group used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// CPU time in microseconds, since the group was made.
    pub(crate) cpu_us: u64,
    /// How often, and for how long, the quota held it back.
    pub(crate) throttled_periods: u64,
    pub(crate) throttled_us: u64,
    /// Memory in use, page cache included, and its ceiling.
    pub(crate) memory_bytes: u64,
    pub(crate) memory_limit_bytes: Option<u64>,
    /// Page cache that could be given back at once; `docker stats` leaves it out.
    pub(crate) inactive_file_bytes: u64,
    /// Processes and threads.
    pub(crate) pids: u64,
    /// Processes the kernel killed for memory.
    pub(crate) oom_kills: u64,
}

/// Where each controller of this machine is mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    /// Version 1: controller (or `name=...`) to mount point.
    v1: BTreeMap<String, PathBuf>,
    /// Version 2.
    v2: Option<PathBuf>,
}

impl Hierarchies {
    /// Of this process's mount namespace.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub(crate) fn read() -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string("/proc/self/mountinfo")?))
    }

    fn parse(mountinfo: &str) -> Self {
        let mut found = Self::default();
        for line in mountinfo.lines() {
            let Some((place, kind)) = line.split_once(" - ") else { continue };
            let Some(point) = place.split(' ').nth(4).map(PathBuf::from) else { continue };
            let mut kind = kind.split(' ');
            match (kind.next(), kind.nth(1)) {
                (Some("cgroup2"), _) => {
                    found.v2.get_or_insert(point);
                }
                (Some("cgroup"), Some(options)) => {
                    for controller in options.split(',').filter(|o| !matches!(*o, "rw" | "ro")) {
                        found.v1.entry(controller.to_owned()).or_insert_with(|| point.clone());
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Mount points of version 1, each once, as a container has them too.
    pub(crate) fn mounts_v1(&self) -> Vec<PathBuf> {
        let mut mounts: Vec<PathBuf> = self.v1.values().cloned().collect();
        mounts.sort();
        mounts.dedup();
        mounts.retain(|mount| mount.starts_with("/sys/fs/cgroup"));
        mounts
    }

    /// The group of this path, which begins with `/` and is the same in every hierarchy.
    pub(crate) fn group(&self, path: &str) -> Group {
        let relative = path.trim_start_matches('/');
        let mut v1: BTreeMap<String, PathBuf> = BTreeMap::new();
        for (controller, mount) in &self.v1 {
            v1.insert(controller.clone(), mount.join(relative));
        }
        let v2 = self.v2.as_ref().map(|mount| (mount.clone(), mount.join(relative)));
        Group { v1, v2 }
    }
}

/// One group in every hierarchy.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    v1: BTreeMap<String, PathBuf>,
    /// Mount point and directory.
    v2: Option<(PathBuf, PathBuf)>,
}

impl Group {
    /// Makes the group. With another process removing its parents at the same time, they are made
    /// again until it is there.
    ///
    /// # Errors
    /// When no hierarchy takes it.
    pub(crate) fn create(&self) -> io::Result<()> {
        let mut last = Err(io::Error::new(
            io::ErrorKind::NotFound,
            "no control groups are mounted below /sys/fs/cgroup",
        ));
        for dir in self.dirs() {
            let made = make(&dir);
            if last.is_err() {
                last = made;
            }
        }
        if let (Some(dir), Some(parent)) = (self.v1.get("cpuset"), self.parent_of("cpuset")) {
            inherit_cpuset(&parent, dir);
        }
        if let Some((mount, dir)) = &self.v2 {
            delegate(mount, dir);
        }
        last
    }

    fn parent_of(&self, controller: &str) -> Option<PathBuf> {
        self.v1.get(controller)?.parent().map(Path::to_owned)
    }

    /// Sets the limits. What could not be set is returned, one sentence each.
    pub(crate) fn limit(&self, limits: &Limits) -> Vec<String> {
        let mut missing = Vec::new();
        let mut set = |what: &str, v1: Option<(&str, &str, String)>, v2: Option<(&str, String)>| {
            let version_1 = v1.and_then(|(controller, file, value)| {
                Some((self.v1.get(controller)?.join(file), value))
            });
            let version_2 = v2.and_then(|(file, value)| {
                let file = self.v2.as_ref()?.1.join(file);
                file.exists().then_some((file, value))
            });
            let result = match version_1.or(version_2) {
                Some((file, value)) => fs::write(&file, &value).map_err(|error| {
                    format!("{what} is not limited: writing {value} to {}: {error}", file.display())
                }),
                None => Err(format!("{what} is not limited: its controller is not available")),
            };
            missing.extend(result.err());
        };
        if let Some(units) = limits.cpu_quota {
            let quota = (units * PERIOD_US / UNITS_PER_CPU).max(MIN_QUOTA_US);
            set(
                "CPU",
                Some(("cpu", "cpu.cfs_quota_us", quota.to_string())),
                Some(("cpu.max", format!("{quota} {PERIOD_US}"))),
            );
        }
        if let Some(units) = limits.cpu_share {
            // ECS gives a container without units the smallest share (ECS-TD-4).
            let shares = units.clamp(2, 262_144);
            let weight = 1 + ((shares - 2) * 9_999) / 262_142;
            set(
                "the share of CPU",
                Some(("cpu", "cpu.shares", shares.to_string())),
                Some(("cpu.weight", weight.to_string())),
            );
        }
        if let Some(mib) = limits.memory_mib {
            let bytes = (mib * MIB).to_string();
            set(
                "memory",
                Some(("memory", "memory.limit_in_bytes", bytes.clone())),
                Some(("memory.max", bytes.clone())),
            );
            self.forbid_swap(&bytes);
        }
        if let Some(mib) = limits.memory_reservation_mib {
            let bytes = (mib * MIB).to_string();
            set(
                "the memory reservation",
                Some(("memory", "memory.soft_limit_in_bytes", bytes.clone())),
                Some(("memory.low", bytes)),
            );
        }
        if let Some(pids) = limits.pids {
            set(
                "the number of processes",
                Some(("pids", "pids.max", pids.to_string())),
                Some(("pids.max", pids.to_string())),
            );
        }
        missing
    }

    /// Fargate has no swap. A kernel that does not account it has no such file, which is as good.
    fn forbid_swap(&self, limit: &str) {
        if let Some(dir) = self.v1.get("memory") {
            let _not_accounted = fs::write(dir.join("memory.memsw.limit_in_bytes"), limit);
        } else if let Some((_, dir)) = &self.v2 {
            let _not_accounted = fs::write(dir.join("memory.swap.max"), "0");
        }
    }

    /// What the group used; what cannot be read is 0.
    pub(crate) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        if let Some(dir) = self.v1.get("memory") {
            usage.memory_bytes = number(&dir.join("memory.usage_in_bytes")).unwrap_or(0);
            usage.memory_limit_bytes = number(&dir.join("memory.limit_in_bytes"))
                .filter(|bytes| *bytes < i64::MAX as u64 / 2);
            usage.inactive_file_bytes =
                field(&dir.join("memory.stat"), "total_inactive_file").unwrap_or(0);
            usage.oom_kills = field(&dir.join("memory.oom_control"), "oom_kill").unwrap_or(0);
        } else if let Some((_, dir)) = &self.v2 {
            usage.memory_bytes = number(&dir.join("memory.current")).unwrap_or(0);
            usage.memory_limit_bytes = number(&dir.join("memory.max"));
            usage.inactive_file_bytes =
                field(&dir.join("memory.stat"), "inactive_file").unwrap_or(0);
            usage.oom_kills = field(&dir.join("memory.events"), "oom_kill").unwrap_or(0);
        }
        if let Some(dir) = self.v1.get("cpuacct") {
            usage.cpu_us = number(&dir.join("cpuacct.usage")).unwrap_or(0) / 1_000;
        } else if let Some((_, dir)) = &self.v2 {
            usage.cpu_us = field(&dir.join("cpu.stat"), "usage_usec").unwrap_or(0);
        }
        if let Some(dir) = self.v1.get("cpu") {
            let stat = dir.join("cpu.stat");
            usage.throttled_periods = field(&stat, "nr_throttled").unwrap_or(0);
            usage.throttled_us = field(&stat, "throttled_time").unwrap_or(0) / 1_000;
        } else if let Some((_, dir)) = &self.v2 {
            let stat = dir.join("cpu.stat");
            usage.throttled_periods = field(&stat, "nr_throttled").unwrap_or(0);
            usage.throttled_us = field(&stat, "throttled_usec").unwrap_or(0);
        }
        let pids = self.v1.get("pids").or_else(|| self.v2.as_ref().map(|(_, dir)| dir));
        usage.pids = pids.and_then(|dir| number(&dir.join("pids.current"))).unwrap_or(0);
        usage
    }

    /// Moves this process into the group.
    ///
    /// # Errors
    /// When a hierarchy that has the group does not take the process.
    pub(crate) fn join(&self) -> io::Result<()> {
        for dir in self.dirs().into_iter().filter(|dir| dir.is_dir()) {
            fs::write(dir.join("cgroup.procs"), "0").map_err(|error| {
                io::Error::new(error.kind(), format!("joining {}: {error}", dir.display()))
            })?;
        }
        Ok(())
    }

    /// Ids of the processes in the group itself, not in groups below it.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let mut pids: Vec<i32> = self
            .dirs()
            .iter()
            .filter_map(|dir| fs::read_to_string(dir.join("cgroup.procs")).ok())
            .flat_map(|text| text.lines().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>())
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids.into_iter().filter_map(Pid::from_raw).collect()
    }

    /// Kills every process in the group and below, and waits until they are gone.
    pub(crate) fn kill(&self) {
        let deadline = Instant::now() + END_PATIENCE;
        loop {
            let mut left = self.processes();
            for dir in self.dirs() {
                for below in directories_in(&dir) {
                    left.extend(processes_below(&below));
                }
            }
            if left.is_empty() || Instant::now() > deadline {
                return;
            }
            for pid in left {
                let _ended = rustix::process::kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Removes the group and what is below it in every hierarchy; one with processes stays.
    ///
    /// # Errors
    /// The first refusal.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let mut result = Ok(());
        for dir in self.dirs() {
            if let Err(error) = remove_tree(&dir)
                && result.is_ok()
            {
                let message = format!("removing control group {}: {error}", dir.display());
                result = Err(io::Error::new(error.kind(), message));
            }
        }
        result
    }

    /// Removes the group where nothing is in it, and then its parents as far as nothing is in them.
    /// Whoever makes a group at the same time makes them again.
    pub(crate) fn remove_empty(&self) {
        for dir in self.dirs() {
            for dir in dir.ancestors() {
                if fs::remove_dir(dir).is_err_and(|e| e.kind() != io::ErrorKind::NotFound) {
                    break;
                }
            }
        }
    }

    fn dirs(&self) -> Vec<PathBuf> {
        let mut dirs: Vec<PathBuf> = self.v1.values().cloned().collect();
        dirs.extend(self.v2.as_ref().map(|(_, dir)| dir.clone()));
        dirs.sort();
        dirs.dedup();
        dirs
    }
}

/// Makes the directory with its parents, however often somebody removes them meanwhile.
fn make(dir: &Path) -> io::Result<()> {
    let mut attempts = 0;
    loop {
        match fs::create_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < 100 => {
                attempts += 1;
            }
            Err(error) => {
                let message = format!("making control group {}: {error}", dir.display());
                return Err(io::Error::new(error.kind(), message));
            }
            Ok(()) => return Ok(()),
        }
    }
}

/// In version 1 a new cpuset is empty and takes no process until it has CPUs and memory.
fn inherit_cpuset(parent: &Path, dir: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let filled = |dir: &Path| {
            fs::read_to_string(dir.join(file)).ok().filter(|value| !value.trim().is_empty())
        };
        if filled(dir).is_some() || !dir.join(file).exists() {
            continue;
        }
        if filled(parent).is_none()
            && let Some(above) = parent.parent()
        {
            inherit_cpuset(above, parent);
        }
        if let Some(value) = filled(parent) {
            let _seen_when_a_process_joins = fs::write(dir.join(file), value);
        }
    }
}

/// Hands every controller down the path, one at a time, because one refusal refuses all.
fn delegate(mount: &Path, dir: &Path) {
    let Ok(relative) = dir.strip_prefix(mount) else { return };
    let mut at = mount.to_owned();
    for part in relative.components() {
        let controllers = fs::read_to_string(at.join("cgroup.controllers")).unwrap_or_default();
        for controller in controllers.split_whitespace() {
            let _told_when_a_limit_is_set =
                fs::write(at.join("cgroup.subtree_control"), format!("+{controller}"));
        }
        at.push(part);
    }
}

fn directories_in(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            entry.file_type().ok()?.is_dir().then(|| entry.path())
        })
        .collect()
}

fn processes_below(dir: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<Pid> =
        text.lines().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw)).collect();
    for below in directories_in(dir) {
        pids.extend(processes_below(&below));
    }
    pids
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    for below in directories_in(dir) {
        remove_tree(&below)?;
    }
    let deadline = Instant::now() + END_PATIENCE;
    loop {
        match fs::remove_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // The kernel is still taking the last process apart; but a group with children or
            // living processes is not about to become empty.
            Err(error)
                if error.kind() == io::ErrorKind::ResourceBusy
                    && directories_in(dir).is_empty()
                    && processes_below(dir).is_empty()
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The value after `name` in a file of `name value` lines.
fn field(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn hierarchies_are_found_in_either_version() {
        let hybrid = Hierarchies::parse(HYBRID);
        let group = hybrid.group("/neargate/p/t");
        assert_eq!(
            group.v1.get("cpu"),
            Some(&PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/neargate/p/t"))
        );
        assert_eq!(group.v1.get("cpu"), group.v1.get("cpuacct"));
        assert!(group.v1.contains_key("name=systemd"));
        assert_eq!(group.dirs().len(), 4, "each directory once");
        let unified =
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        let unified = Hierarchies::parse(unified);
        assert_eq!(unified.v2.as_deref(), Some(Path::new("/sys/fs/cgroup")));
        assert!(unified.v1.is_empty());
        assert_eq!(Hierarchies::parse("nonsense\n"), Hierarchies::default());
    }

    /// As on a machine with version 2 only, with plain files in the kernel's place.
    #[test]
    fn limits_and_usage_in_version_2() {
        let root = tempfile::tempdir().expect("a directory");
        let hierarchies = Hierarchies { v1: BTreeMap::new(), v2: Some(root.path().to_owned()) };
        fs::write(root.path().join("cgroup.controllers"), "cpu memory\n").expect("written");
        let group = hierarchies.group("/neargate/t");
        group.create().expect("made");
        let dir = root.path().join("neargate/t");
        for file in ["cpu.max", "cpu.weight", "memory.max"] {
            fs::write(dir.join(file), "").expect("written");
        }
        let missing = group.limit(&Limits {
            cpu_quota: Some(256),
            cpu_share: Some(2),
            memory_mib: Some(512),
            memory_reservation_mib: None,
            pids: Some(100),
        });
        let read = |file: &str| fs::read_to_string(dir.join(file)).expect("read");
        assert_eq!(read("cpu.max"), "25000 100000");
        assert_eq!(read("cpu.weight"), "1");
        assert_eq!(read("memory.max"), "536870912");
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert!(missing[0].contains("number of processes"), "{missing:?}");
        fs::write(dir.join("memory.events"), "low 0\noom 3\noom_kill 2\n").expect("written");
        fs::write(dir.join("cpu.stat"), "usage_usec 7\nnr_throttled 4\nthrottled_usec 9\n")
            .expect("written");
        let usage = group.usage();
        assert_eq!((usage.oom_kills, usage.cpu_us, usage.throttled_periods), (2, 7, 4));
        assert_eq!(usage.memory_limit_bytes, Some(536_870_912));
    }

    #[test]
    fn without_control_groups_it_says_so() {
        let group = Hierarchies::default().group("/neargate/t");
        let error = group.create().expect_err("nowhere to make it");
        assert!(error.to_string().contains("no control groups"), "{error}");
        let missing = group.limit(&Limits { memory_mib: Some(1), ..Limits::default() });
        assert_eq!(missing, ["memory is not limited: its controller is not available"]);
        assert_eq!(group.usage(), Usage::default());
        group.remove().expect("nothing to remove");
    }
}
