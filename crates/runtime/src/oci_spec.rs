//! The container as an OCI runtime reads it (`config.json`). Pure.
//!
//! What only our own executor does is left out for libcontainer: environment, capabilities and
//! system call filter never pass through the file. Another runtime reads all of it, and gets it
//! from memory, because the environment may hold secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::seccomp;
use crate::users::User;

/// Size of /dev/shm unless the task definition says otherwise, as in Docker.
const SHM_MIB: u64 = 64;
/// Where programs are looked for when neither image nor task definition says.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Paths that tell of the host, or would change it; as Docker masks them.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What is known of the container once its root is there.
pub(crate) struct Container<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) root: &'a Path,
    /// Path of its control group; without one nothing is limited. That is so where control groups
    /// cannot be made, which is in user namespaces, and those may know one user only.
    pub(crate) cgroup: Option<&'a str>,
    pub(crate) user: &'a User,
    pub(crate) argv: &'a [String],
    pub(crate) nofile: Option<(u64, u64)>,
    /// Files of the host and what they replace.
    pub(crate) files: &'a [(PathBuf, &'static str)],
    /// Mounts below /sys/fs/cgroup, of version 1.
    pub(crate) cgroup_mounts: &'a [PathBuf],
}

/// What a runtime that does everything itself is told besides.
pub(crate) struct Complete<'a> {
    /// The container's command, or what starts it.
    pub(crate) argv: &'a [String],
    /// Files of the host that this needs, and where. Read-only.
    pub(crate) files: &'a [(PathBuf, PathBuf)],
    pub(crate) environment: &'a BTreeMap<String, String>,
    pub(crate) capabilities: &'a BTreeSet<String>,
    pub(crate) seccomp: bool,
}

/// The environment as the container's process gets it: what every program may count on is added.
pub(crate) fn environment(
    own: &BTreeMap<String, String>,
    secrets: &BTreeMap<String, String>,
    hostname: &str,
    home: &str,
) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> =
        [("PATH", DEFAULT_PATH), ("HOSTNAME", hostname), ("HOME", home)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    all.extend(own.iter().chain(secrets).map(|(name, value)| (name.clone(), value.clone())));
    all
}

/// The content of `config.json`.
pub(crate) fn config(container: &Container<'_>, complete: Option<&Complete<'_>>) -> Value {
    let sandbox = container.sandbox;
    let mut process = json!({
        "terminal": false,
        "user": {
            "uid": container.user.uid,
            "gid": container.user.gid,
            "additionalGids": container.user.groups,
        },
        "args": container.argv,
        "env": [],
        "cwd": sandbox.working_directory,
        "rlimits": [],
    });
    if let Some((soft, hard)) = container.nofile {
        process["rlimits"] = json!([{ "type": "RLIMIT_NOFILE", "soft": soft, "hard": hard }]);
    }
    let mut linux = json!({
        "namespaces": namespaces(sandbox),
        "maskedPaths": MASKED,
        "readonlyPaths": read_only(container),
    });
    let mut mounts = mounts(container);
    if let Some(cgroup) = container.cgroup {
        linux["cgroupsPath"] = json!(cgroup);
        linux["resources"] = json!({ "devices": [{ "allow": false, "access": "rwm" }] });
    }
    if let Some(complete) = complete {
        process["args"] = json!(complete.argv);
        mounts.extend(complete.files.iter().map(|(source, target)| {
            json!({
                "destination": target, "type": "bind", "source": source,
                "options": ["bind", "rprivate", "ro", "nosuid", "nodev"],
            })
        }));
        let environment: Vec<String> =
            complete.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        process["env"] = json!(environment);
        let names: Vec<String> =
            complete.capabilities.iter().map(|name| format!("CAP_{name}")).collect();
        let held = if container.user.uid == 0 { names.as_slice() } else { &[] };
        process["capabilities"] = json!({
            "bounding": names, "effective": held, "permitted": held,
        });
        if complete.seccomp {
            linux["seccomp"] = seccomp::oci_profile();
        }
    }
    json!({
        "ociVersion": "1.0.2",
        "process": process,
        "root": { "path": container.root, "readonly": sandbox.readonly_root },
        "hostname": sandbox.hostname,
        "mounts": mounts,
        "linux": linux,
    })
}

/// Control groups besides, which not every runtime makes read-only itself: a container could raise
/// its own limits there. What lies deeper comes first, because a later bind mount would hide it.
fn read_only(container: &Container<'_>) -> Vec<PathBuf> {
    let groups = container.cgroup_mounts.iter().cloned();
    groups
        .chain([PathBuf::from("/sys/fs/cgroup")])
        .chain(READ_ONLY.iter().map(PathBuf::from))
        .collect()
}

fn namespaces(sandbox: &Sandbox) -> Value {
    let mut namespaces: Vec<Value> = ["pid", "mount", "ipc", "uts", "cgroup"]
        .into_iter()
        .map(|kind| json!({ "type": kind }))
        .collect();
    namespaces.push(match &sandbox.network {
        Some(path) => json!({ "type": "network", "path": path }),
        None => json!({ "type": "network" }),
    });
    Value::Array(namespaces)
}

fn mounts(container: &Container<'_>) -> Vec<Value> {
    let mount = |target: &Path, kind: &str, source: &Path, options: &[&str]| json!({ "destination": target, "type": kind, "source": source, "options": options });
    let own = |target: &str, kind: &str, options: &[&str]| {
        mount(Path::new(target), kind, Path::new(kind), options)
    };
    let shm = format!("size={}m", container.sandbox.shm_mib.unwrap_or(SHM_MIB));
    let with_group = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    let terminals = match container.cgroup {
        Some(_) => &with_group[..],
        None => &with_group[..5],
    };
    let mut mounts = vec![
        own("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        own("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        own("/dev/pts", "devpts", terminals),
        own("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        own("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        own("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", &shm]),
    ];
    if container.cgroup.is_some() {
        let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
        mounts.insert(4, own("/sys/fs/cgroup", "cgroup", &options));
    }
    for (source, target) in container.files {
        mounts.push(mount(Path::new(target), "bind", source, &["rbind", "rprivate", "rw"]));
    }
    for bind in &container.sandbox.binds {
        let access = if bind.read_only { "ro" } else { "rw" };
        mounts.push(mount(&bind.target, "bind", &bind.source, &["rbind", "rprivate", access]));
    }
    for tmpfs in &container.sandbox.tmpfs {
        let size = format!("size={}m", tmpfs.size_mib);
        let mut options = vec!["nosuid", "nodev", size.as_str()];
        options.extend(tmpfs.options.iter().map(String::as_str));
        mounts.push(mount(&tmpfs.path, "tmpfs", Path::new("tmpfs"), &options));
    }
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_in_the_file_libcontainer_reads() {
        let sandbox: Sandbox = serde_json::from_value(json!({
            "layers": ["/layer"], "hostname": "h", "cgroup": "/neargate/p/t",
            "network": "/run/net", "tmpfs": [{ "path": "/scratch", "size_mib": 5 }],
        }))
        .expect("a sandbox");
        let user = User { uid: 7, gid: 8, groups: vec![9], home: "/".into() };
        let container = Container {
            sandbox: &sandbox,
            root: Path::new("/c/root"),
            cgroup: Some("/neargate/p/t/c"),
            user: &user,
            argv: &["run".to_owned()],
            nofile: Some((1024, 4096)),
            files: &[(PathBuf::from("/c/hosts"), "/etc/hosts")],
            cgroup_mounts: &[],
        };
        let secrets = BTreeMap::from([("PASSWORD".to_owned(), "hunter2".to_owned())]);
        let environment = environment(&BTreeMap::new(), &secrets, "h", "/");
        let plain = config(&container, None);
        assert!(!plain.to_string().contains("hunter2") && plain["process"]["env"] == json!([]));
        assert!(plain["process"].get("capabilities").is_none(), "the executor limits itself");
        let capabilities = BTreeSet::from(["KILL".to_owned()]);
        let complete = Complete {
            argv: &["init".to_owned(), "run".to_owned()],
            files: &[(PathBuf::from("/usr/bin/init"), PathBuf::from("/dev/init/init"))],
            environment: &environment,
            capabilities: &capabilities,
            seccomp: true,
        };
        let complete = config(&container, Some(&complete));
        assert!(complete["process"]["env"].to_string().contains("PASSWORD=hunter2"));
        assert_eq!(complete["process"]["capabilities"]["bounding"], json!(["CAP_KILL"]));
        assert_eq!(complete["process"]["capabilities"]["effective"], json!([]), "not for uid 7");
        assert_eq!(complete["mounts"].as_array().map(Vec::len), Some(10));
        assert_eq!(complete["linux"]["cgroupsPath"], "/neargate/p/t/c");
        let unlimited = config(&Container { cgroup: None, ..container }, None).to_string();
        assert!(!unlimited.contains("cgroupsPath") && !unlimited.contains("resources"));
        assert!(!unlimited.contains("gid=5") && plain.to_string().contains("gid=5"));
        assert_eq!(complete["mounts"][9]["destination"], "/dev/init/init");
        assert_eq!(complete["process"]["args"], json!(["init", "run"]));
    }
}
