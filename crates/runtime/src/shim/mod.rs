//! The parent of one container: a process of its own, so that the container outlives the engine.
//!
//! It starts the container, runs its health check, restarts it if its policy says so, and writes
//! down how it ended. It takes no orders: the engine signals the container itself, and learns of
//! changes from the files here (a datagram says when to look; losing one is harmless, because an
//! engine that starts looks everywhere). One thread, no async runtime, no connection to keep.

mod backend;
mod check;
mod doorbell;
mod enter;
mod exec;
mod init;
mod leftover;
mod libcontainer;
mod output;
mod probe;
mod runc;
mod sandboxed;
mod supervise;
mod terminal;
mod workload;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal as Name};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::fs::{FlockOperation, Mode};
use rustix::mount::MountFlags;
use rustix::process::{Pid, Signal, WaitOptions};

pub use self::probe::{Capabilities, Works};

use self::backend::{Backend, PlainProcess};
use self::doorbell::Doorbell;
use self::sandboxed::Sandboxed;
use self::supervise::Supervisor;
use crate::layout::ContainerDir;
use crate::process::{Identity, kill_marked};
use crate::rootfs;

/// How long the shim waits for the container's left-over processes to vanish after SIGKILL. Only
/// one that hangs in the kernel takes longer than an instant.
const LEFT_OVER_PATIENCE: Duration = Duration::from_secs(5);
/// What containers begin with, as in Docker.
const CONTAINER_UMASK: Mode = Mode::WGRP.union(Mode::WOTH);
/// Bad usage.
const USAGE: u8 = 2;

/// What a shim does about its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Start it, once.
    Start,
    /// Take over one that lost its shim.
    Adopt,
}

/// The whole body of `neargate shim ...`, called before the program has started any thread:
///
/// - `DIR` runs the container described there to its end; with `--adopt` it takes over one that
///   runs without a shim. The values of secret environment variables come on stdin, as one JSON
///   object.
/// - `exec DIR [--tty] -- COMMAND...` runs a command in it, in the foreground.
/// - `probe [DIR]` finds out by trying what this machine can do, and prints it as JSON
///   ([`Capabilities`]). DIR is where it may try; it decides whether layers can be mounted.
#[must_use]
pub fn main(arguments: &[OsString]) -> ExitCode {
    let Some((first, rest)) = arguments.split_first() else { return usage() };
    match first.to_str() {
        Some("exec") => match enter::parse(rest) {
            Some((dir, flags, command)) if flags.iter().all(|flag| flag == "--tty") => {
                exec::main(&dir, !flags.is_empty(), &command)
            }
            _ => usage(),
        },
        // Only ever started by this program itself.
        Some("enter") => match enter::parse(rest) {
            Some((dir, flags, command)) => enter::main(&dir, !flags.is_empty(), command),
            None => usage(),
        },
        // Only ever started as the first process of a container.
        Some("init") => init::main(rest),
        Some("probe") => probe::main(rest.first().map(Path::new)),
        Some(flag) if flag.starts_with('-') => match (flag, rest) {
            ("--adopt", [dir]) => shim(dir, Task::Adopt, false),
            (SEALED, [dir]) => shim(dir, Task::Start, true),
            (SEALED, [adopt, dir]) if adopt == "--adopt" => shim(dir, Task::Adopt, true),
            _ => usage(),
        },
        _ => match rest {
            [] => shim(first, Task::Start, false),
            [adopt] if adopt == "--adopt" => shim(first, Task::Adopt, false),
            _ => usage(),
        },
    }
}

/// Ends and removes whatever a container still has on this machine outside of its directory, when
/// its shim is dead or about to be released. From any state, and as often as one likes.
pub(crate) fn clear(dir: &ContainerDir) {
    // Without a description no shim could start anything.
    let Ok(spec) = dir.read_spec() else { return };
    // What is not the container's process yet is found by what it has of the shim, and only
    // afterwards by what it has of the container: so it is not missed while it becomes that.
    leftover::kill(dir);
    match &spec.sandbox {
        Some(sandbox) => sandboxed::remove(sandbox, &spec.container, dir),
        None => kill_marked(spec.task, &spec.container),
    }
}

/// Says that this process already runs from a sealed program file.
const SEALED: &str = "--sealed";

#[expect(clippy::print_stderr, reason = "commands for people and their programs")]
fn usage() -> ExitCode {
    eprintln!(
        "usage: neargate shim [--adopt] DIR\n       neargate shim exec DIR [--tty] -- COMMAND...\n       \
         neargate shim probe [DIR]"
    );
    ExitCode::from(USAGE)
}

#[expect(clippy::print_stderr, reason = "the one who typed the command is to read it")]
fn complain(what: &str, error: &io::Error) {
    eprintln!("neargate {what}: {error}");
}

fn shim(dir: &OsString, task: Task, sealed: bool) -> ExitCode {
    let dir = ContainerDir::at(Path::new(dir));
    match run(&dir, task, sealed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody reads what a shim prints. If even this cannot be written, its early end is
            // what the engine sees. A container that runs has not failed to start.
            if task == Task::Start {
                let reason = format!("CannotStartContainerError: {error}");
                let _seen_otherwise = dir.write_failure(&reason);
            }
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &ContainerDir, task: Task, sealed: bool) -> io::Result<()> {
    close_inherited();
    let spec = dir.read_spec()?;
    if let Some(sandbox) = &spec.sandbox
        && !sealed
    {
        let program = sealed_program(sandbox.network.as_deref())?;
        let mut command = Command::new(&program);
        command.args(["shim", SEALED]);
        if task == Task::Adopt {
            command.arg("--adopt");
        }
        return Err(command.arg(dir.path()).exec());
    }
    // Fails only for a group leader, which is out of reach of its terminal as well.
    let _own_session = rustix::process::setsid();
    std::env::set_current_dir("/")?;
    forget_ignored_signals()?;
    let signals = Signals::block()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;

    if spec.sandbox.is_some() {
        let _of_whoever_started_the_engine = rustix::process::umask(CONTAINER_UMASK);
    }

    let Some(_lock) = claim(dir, task)? else { return Ok(()) };
    let secrets = match spec.secret_names.as_slice() {
        [] => BTreeMap::new(),
        names => read_secrets(names, dir, task)?,
    };
    let doorbell = Doorbell::new(&spec);
    match &spec.sandbox {
        Some(sandbox) => {
            let backend = Sandboxed::new(&spec, sandbox, dir, secrets, own_program());
            supervise(dir, &spec, Box::new(backend), task, signals, doorbell)
        }
        None => {
            let backend = PlainProcess { spec: &spec, dir, secrets, adopted: false };
            supervise(dir, &spec, Box::new(backend), task, signals, doorbell)
        }
    }
}

fn supervise(
    dir: &ContainerDir,
    spec: &crate::layout::ContainerSpec,
    backend: Box<dyn Backend + '_>,
    task: Task,
    signals: Signals,
    doorbell: Doorbell,
) -> io::Result<()> {
    let mut supervisor = Supervisor::new(dir, spec, backend, signals, doorbell);
    let begun = match task {
        Task::Start => supervisor.start()?,
        Task::Adopt => supervisor.adopt()?,
    };
    if begun { supervisor.run() } else { Ok(()) }
}

/// The values of secret environment variables: from stdin; when this shim takes over, and nobody
/// told it, from the container that has them.
fn read_secrets(
    names: &[String],
    dir: &ContainerDir,
    task: Task,
) -> io::Result<BTreeMap<String, String>> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let mut secrets: BTreeMap<String, String> = match text.trim() {
        "" => BTreeMap::new(),
        text => serde_json::from_str(text)?,
    };
    secrets.retain(|name, _| names.contains(name));
    if task == Task::Adopt
        && secrets.len() < names.len()
        && let Some(mut running) = enter::environment_of_container(dir)
    {
        running.retain(|name, _| names.contains(name));
        running.extend(secrets);
        return Ok(running);
    }
    match names.iter().find(|name| !secrets.contains_key(*name)) {
        Some(missing) if task == Task::Start => {
            Err(io::Error::other(format!("the value of secret {missing} was not handed over")))
        }
        _ => Ok(secrets),
    }
}

/// This program's file, also when it has been replaced by a newer one.
fn own_program() -> PathBuf {
    std::env::current_exe()
        .ok()
        .filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

/// Gives this process a mount namespace of its own in which its program file cannot be written to,
/// and returns the path to start it by.
///
/// A container's process is for a moment this program, before it becomes the container's. Whatever
/// then runs as root in the container can reach the file behind it through /proc; so it must not be
/// one that can be written to.
fn sealed_program(keep: Option<&Path>) -> io::Result<PathBuf> {
    rootfs::own_mount_namespace(keep).map_err(|error| {
        io::Error::new(error.kind(), format!("making a mount namespace: {error}"))
    })?;
    let program = own_program();
    rustix::mount::mount_bind(&program, &program)
        .and_then(|()| {
            rustix::mount::mount_remount(&program, MountFlags::BIND | MountFlags::RDONLY, c"")
        })
        .map_err(|error| {
            let error = io::Error::from(error);
            io::Error::new(
                error.kind(),
                format!("protecting {} from containers: {error}", program.display()),
            )
        })?;
    Ok(program)
}

/// Closes what whoever started the engine left open, such as the pipe of a terminal's command line:
/// held by a container, it would keep its reader waiting as long as the container runs. Called
/// before this process has opened anything itself.
fn close_inherited() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let descriptors: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2)
        .collect();
    for descriptor in descriptors {
        // The one the list was read through is closed already.
        let _closed = nix::unistd::close(descriptor);
    }
}

/// Makes this shim the container's only one, for as long as the file is open; `None` when there is
/// another, or there was one and this is not to take over, in which case there is nothing to do.
fn claim(dir: &ContainerDir, task: Task) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(dir.shim_pid())?;
    // A lock of this process's own: copies of it, as a container's first process is for a moment,
    // have the file but not the lock.
    let lock = FlockOperation::NonBlockingLockExclusive;
    if rustix::fs::fcntl_lock(&file, lock).is_err() {
        return Ok(None);
    }
    match task {
        Task::Start if file.metadata()?.len() > 0 => return Ok(None),
        Task::Start => {}
        Task::Adopt => leftover::kill(dir),
    }
    let own = Identity::own().ok_or_else(|| io::Error::other("/proc is not readable"))?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(own.to_string().as_bytes())?;
    Ok(Some(file))
}

/// Ends and reaps every child of this process, also those that became ours because this is the
/// subreaper.
fn end_children() {
    let deadline = Instant::now() + LEFT_OVER_PATIENCE;
    while Instant::now() < deadline {
        for child in children() {
            let _ended = rustix::process::kill_process(child, Signal::KILL);
        }
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            // No child left.
            Err(_) => return,
        }
    }
}

/// Every living child of this process.
fn children() -> Vec<Pid> {
    let own = rustix::process::getpid().as_raw_pid();
    let text = std::fs::read_to_string(format!("/proc/self/task/{own}/children"));
    text.unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw))
        .collect()
}

/// Whoever started the engine may have it ignore signals (`nohup`, a shell's `&`), and what is
/// ignored stays ignored over exec: such a container would not end on Ctrl-C of its own group or
/// reload on SIGHUP. What is caught goes back to the default on exec, so every signal is caught
/// for the moment; the shim itself blocks them and never sees a handler run.
fn forget_ignored_signals() -> io::Result<()> {
    let seen = Arc::new(AtomicBool::new(false));
    for signal in Name::iterator().map(|name| name as i32) {
        if !signal_hook::consts::FORBIDDEN.contains(&signal) {
            signal_hook::flag::register(signal, Arc::clone(&seen))?;
        }
    }
    Ok(())
}

/// The signals the shim does not die of. Blocked, and read from a descriptor: SIGCHLD says that a
/// child ended, the others say nothing to a shim.
struct Signals {
    mask: SigSet,
    descriptor: SignalFd,
}

impl Signals {
    fn block() -> io::Result<Self> {
        let mut mask = SigSet::empty();
        for signal in
            [Name::SIGCHLD, Name::SIGHUP, Name::SIGINT, Name::SIGQUIT, Name::SIGPIPE, Name::SIGTERM]
        {
            mask.add(signal);
        }
        mask.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let descriptor = SignalFd::with_flags(&mask, flags)?;
        Ok(Self { mask, descriptor })
    }

    /// Runs `spawn` with nothing blocked, because a child inherits what is. A SIGCHLD that comes
    /// meanwhile is lost: the caller looks for ended children before it waits again.
    fn let_through<T>(&self, spawn: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.mask.thread_unblock()?;
        let spawned = spawn();
        self.mask.thread_block()?;
        spawned
    }

    /// Until a signal comes, one of these can be read, or for so many milliseconds.
    fn wait(&self, others: &[BorrowedFd<'_>], timeout_ms: Option<u64>) -> io::Result<()> {
        let timeout = match timeout_ms {
            // Rounded up, so that what is waited for is due afterwards.
            Some(ms) => PollTimeout::try_from(ms.saturating_add(1)).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let all = std::iter::once(self.descriptor.as_fd()).chain(others.iter().copied());
        let mut descriptors: Vec<PollFd<'_>> =
            all.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN)).collect();
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        while let Ok(Some(_)) = self.descriptor.read_signal() {}
        Ok(())
    }
}
