//! Further processes in a running container: health checks, and `neargate exec`.
//!
//! Whichever runtime made the container, it is entered the same way: this program is started once
//! more, as a process of the container's PID namespace (only a child can become one), joins the
//! container's control group and its other namespaces, gives up what the container's processes have
//! not, and becomes the command. The environment is the container's own; its secrets, which are
//! written down nowhere, are read from its first process, as far as that has not overwritten them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::sync::Arc;

use nix::sched::{CloneFlags, setns};
use rustix::thread::{Gid, Uid};

use super::backend::set_open_files;
use super::workload::Workload;
use crate::capabilities;
use crate::cgroup::Hierarchies;
use crate::layout::{ContainerDir, ContainerSpec};
use crate::oci_spec;
use crate::process::Identity;
use crate::rootfs;
use crate::sandbox::Sandbox;
use crate::seccomp;
use crate::users;

/// As a shell: the command is there but cannot be run.
const CANNOT_RUN: u8 = 126;
/// As a shell: there is no such command.
const NOT_FOUND: u8 = 127;

/// Namespaces that are entered by the process itself, the one with the paths last.
const NAMESPACES: [(&str, CloneFlags); 5] = [
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("mnt", CloneFlags::CLONE_NEWNS),
];

/// Starts `program shim enter` so that it becomes `argv` inside the container; with no `init`, of a
/// plain process, there is nothing to be inside of. The caller spawns.
///
/// # Errors
/// When the container has ended, or the kernel refuses.
pub(super) fn spawn_inside(
    program: &Path,
    dir: &ContainerDir,
    init: Option<Identity>,
    argv: &[String],
    terminal: bool,
    spawn: impl FnOnce(&mut Command) -> io::Result<Child>,
) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(["shim", "enter"]).arg(dir.path());
    if terminal {
        command.arg("--terminal");
    }
    command.arg("--").args(argv);
    let Some(init) = init else { return spawn(&mut command) };
    let own = File::open("/proc/self/ns/pid")?;
    let theirs = File::open(format!("/proc/{}/ns/pid", init.pid.as_raw_pid()))
        .ok()
        .filter(|_| init.is_alive())
        .ok_or_else(has_ended)?;
    // Where children are born, and nothing else, changes for the moment.
    setns(&theirs, CloneFlags::CLONE_NEWPID)?;
    let child = spawn(&mut command);
    setns(&own, CloneFlags::CLONE_NEWPID)?;
    child
}

pub(super) fn has_ended() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the container is not running")
}

/// The body of `shim enter DIR [--terminal] -- COMMAND...`.
pub(super) fn main(dir: &Path, terminal: bool, argv: Vec<String>) -> ExitCode {
    let error = match become_command(&ContainerDir::at(dir), terminal, argv) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    super::complain("exec", &error);
    ExitCode::from(match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => CANNOT_RUN,
    })
}

enum Never {}

fn become_command(dir: &ContainerDir, terminal: bool, argv: Vec<String>) -> io::Result<Never> {
    forget_ignored_signals()?;
    nix::sys::signal::SigSet::empty().thread_set_mask()?;
    if terminal {
        rustix::process::setsid()?;
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
    }
    let spec = dir.read_spec()?;
    let init = dir.read_process().ok_or_else(has_ended)?;
    let process = PathBuf::from(format!("/proc/{}", init.pid.as_raw_pid()));
    let mut environment = environment_of(&program_of(&process, &spec))?;
    environment.retain(|name, _| spec.secret_names.contains(name));
    environment.extend(spec.environment.clone());
    if terminal {
        environment.entry("TERM".to_owned()).or_insert_with(|| "xterm".to_owned());
    }
    let Some(sandbox) = &spec.sandbox else {
        std::env::set_current_dir(dir.work())?;
        let (capabilities, seccomp) = Default::default();
        return Err(Workload { argv, environment, capabilities, seccomp }.exec());
    };
    let capabilities =
        capabilities::resolve(&sandbox.add_capabilities, &sandbox.drop_capabilities)?;
    let workload = Workload { argv, environment, capabilities, seccomp: seccomp::is_supported() };
    set_open_files(spec.nofile)?;
    let _the_callers = rustix::process::umask(super::CONTAINER_UMASK);
    join(&process, init, &spec, sandbox)?;
    Err(run_as_user(workload, sandbox)?)
}

/// What is ignored here would stay ignored in the command; what is caught goes back to its default.
/// Only those: any other is to end this process, before the command is there, as it would it.
fn forget_ignored_signals() -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let ignored = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok())
        .unwrap_or(0);
    for signal in 1..=64 {
        if ignored & (1 << (signal - 1)) != 0 {
            // Two belong to the C library, which does not give them away.
            let _kept = signal_hook::flag::register(signal, Arc::default());
        }
    }
    Ok(())
}

/// The process whose environment is the container's: with an init process, that one's child.
fn program_of(process: &Path, spec: &ContainerSpec) -> PathBuf {
    let of_init = || {
        let name = process.file_name()?;
        let children = fs::read_to_string(process.join("task").join(name).join("children")).ok()?;
        Some(Path::new("/proc").join(children.split_whitespace().next()?))
    };
    spec.sandbox
        .as_ref()
        .filter(|sandbox| sandbox.init_process)
        .and_then(|_| of_init())
        .unwrap_or_else(|| process.to_owned())
}

/// The environment of the container in this directory, if it runs.
pub(super) fn environment_of_container(dir: &ContainerDir) -> Option<BTreeMap<String, String>> {
    let init = dir.read_process().filter(|init| init.is_alive())?;
    let process = PathBuf::from(format!("/proc/{}", init.pid.as_raw_pid()));
    environment_of(&program_of(&process, &dir.read_spec().ok()?)).ok()
}

/// The environment a process was started with.
fn environment_of(process: &Path) -> io::Result<BTreeMap<String, String>> {
    let bytes = fs::read(process.join("environ")).map_err(|_| has_ended())?;
    Ok(bytes
        .split(|byte| *byte == 0)
        .filter_map(|entry| {
            let entry = String::from_utf8_lossy(entry);
            let (name, value) = entry.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect())
}

/// Joins control group and namespaces of a container that is certain to be the right one.
fn join(process: &Path, init: Identity, spec: &ContainerSpec, sandbox: &Sandbox) -> io::Result<()> {
    let namespaces = NAMESPACES
        .iter()
        .map(|(name, flag)| Ok((File::open(process.join("ns").join(name))?, *flag)))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|_| has_ended())?;
    // What was opened belongs to it, if it still lives.
    if !init.is_alive() {
        return Err(has_ended());
    }
    Hierarchies::read()?.group(&sandbox.container_cgroup(&spec.container)).join()?;
    for (namespace, flag) in &namespaces {
        setns(namespace.as_fd(), *flag)?;
    }
    if std::env::set_current_dir(&sandbox.working_directory).is_err() {
        std::env::set_current_dir("/")?;
    }
    Ok(())
}

/// The last steps, in the container already; returns why the command could not be run.
fn run_as_user(mut workload: Workload, sandbox: &Sandbox) -> io::Result<io::Error> {
    let root = Path::new("/");
    let user = users::resolve(
        sandbox.user.as_deref(),
        &rootfs::read_text(root, "/etc/passwd"),
        &rootfs::read_text(root, "/etc/group"),
    )?;
    workload.environment = oci_spec::environment(
        &workload.environment,
        &BTreeMap::new(),
        &sandbox.hostname,
        &user.home,
    );
    workload.confine()?;
    let groups: Vec<Gid> = user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    if let Err(error) = rustix::thread::set_thread_groups(&groups)
        && !(user.groups == [user.gid] && has_no_groups_to_give())
    {
        return Err(error.into());
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    workload.unprivileged(user.uid == 0)?;
    Ok(workload.exec())
}

/// In a user namespace that somebody made without privilege there is one user, and nobody may change
/// groups.
fn has_no_groups_to_give() -> bool {
    fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny")
}

/// Splits `DIR [FLAGS] -- COMMAND...`; `None` when it is not that.
pub(super) fn parse(arguments: &[OsString]) -> Option<(PathBuf, Vec<String>, Vec<String>)> {
    let (dir, rest) = arguments.split_first()?;
    let texts: Option<Vec<String>> =
        rest.iter().map(|argument| argument.to_str().map(str::to_owned)).collect();
    let texts = texts?;
    let split = texts.iter().position(|argument| argument == "--")?;
    let command = texts.get(split + 1..)?.to_vec();
    if command.is_empty() {
        return None;
    }
    Some((PathBuf::from(dir), texts.get(..split)?.to_vec(), command))
}
