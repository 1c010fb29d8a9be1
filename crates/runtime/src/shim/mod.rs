//! The parent of one container: a process of its own, so that the container outlives the engine.
//!
//! It starts the container, runs its health check, restarts it if its policy says so, and writes
//! down how it ended. It takes no orders: the engine signals the container itself, and learns of
//! changes from the files here (a datagram says when to look; losing one is harmless, because an
//! engine that starts looks everywhere). One thread, no async runtime, no connection to keep.

mod check;
mod doorbell;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use neargate_core::input::{ContainerHealth, Exit};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal as Name};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus};

use self::check::HealthChecks;
use self::doorbell::Doorbell;
use crate::layout::{ContainerDir, ContainerSpec};
use crate::process::Identity;

/// How long the shim waits for the container's left-over processes to vanish after SIGKILL. Only
/// one that hangs in the kernel takes longer than an instant.
const LEFT_OVER_PATIENCE: Duration = Duration::from_secs(5);

/// Runs the container described in `dir` to its end. The whole body of `neargate shim <dir>`.
#[must_use]
pub fn main(dir: &Path) -> ExitCode {
    let dir = ContainerDir::at(dir);
    match run(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody reads what a shim prints. If even this cannot be written, its early end is
            // what the engine sees.
            let _seen_otherwise = dir.write_failure(&format!("CannotStartContainerError: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &ContainerDir) -> io::Result<()> {
    close_inherited();
    // Fails only for a group leader, which is out of reach of its terminal as well.
    let _own_session = rustix::process::setsid();
    std::env::set_current_dir("/")?;
    forget_ignored_signals()?;
    let signals = Signals::block()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;

    let Some(_lock) = claim(dir)? else { return Ok(()) };
    let spec = dir.read_spec()?;
    let mut doorbell = Doorbell::new(&spec);
    let clock = Clock(Instant::now());
    let mut container = match start(dir, &spec, &signals) {
        Ok(process) => process,
        Err(error) => {
            let reason = format!("CannotStartContainerError: {error}");
            dir.write_failure(&reason)?;
            doorbell.ring();
            return Ok(());
        }
    };
    doorbell.ring();

    let mut started_ms = clock.now_ms();
    let mut checks = spec.health_check.as_ref().map(|c| HealthChecks::new(c, started_ms));
    let mut told = ContainerHealth::Unknown;
    loop {
        // Before waiting: an end that came while signals were let through left no signal.
        while let Some((pid, status)) = ended_child() {
            if pid != container {
                if let Some(checks) = &mut checks {
                    checks.ended(pid, status, clock.now_ms());
                }
                continue;
            }
            kill_left_over(container);
            let exit = exit_of(status);
            let ran_ms = clock.now_ms().saturating_sub(started_ms);
            if !restarts(dir, &spec, exit, ran_ms) {
                dir.write_exit(exit)?;
                doorbell.ring();
                return Ok(());
            }
            match start(dir, &spec, &signals) {
                Ok(process) => container = process,
                Err(_) => {
                    dir.write_exit(exit)?;
                    doorbell.ring();
                    return Ok(());
                }
            }
            started_ms = clock.now_ms();
            checks = spec.health_check.as_ref().map(|c| HealthChecks::new(c, started_ms));
            doorbell.ring();
        }
        if let Some(checks) = &mut checks {
            checks.advance(&spec, dir, &signals, clock.now_ms());
            // One that cannot be written (a full disk) is tried again with the next check.
            if checks.health() != told && dir.write_health(checks.health()).is_ok() {
                told = checks.health();
                doorbell.ring();
            }
            if checks.may_have_ended() {
                continue;
            }
        }
        doorbell.ring_again();
        let due_ms = checks.as_ref().map(|checks| checks.next_ms());
        let wait_ms = due_ms.map(|due| due.saturating_sub(clock.now_ms()));
        signals.wait(doorbell.retry_ms().into_iter().chain(wait_ms).min())?;
    }
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
/// or was another, in which case there is nothing to do.
fn claim(dir: &ContainerDir) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(dir.shim_pid())?;
    if file.try_lock().is_err() || file.metadata()?.len() > 0 {
        return Ok(None);
    }
    let own = Identity::own().ok_or_else(|| io::Error::other("/proc is not readable"))?;
    file.write_all(own.to_string().as_bytes())?;
    Ok(Some(file))
}

/// Starts the container's process and writes down who it is.
fn start(dir: &ContainerDir, spec: &ContainerSpec, signals: &Signals) -> io::Result<Pid> {
    if let Some((soft, hard)) = spec.nofile {
        let limit = Rlimit { current: Some(soft), maximum: Some(hard) };
        rustix::process::setrlimit(Resource::Nofile, limit).map_err(|error| {
            let error = io::Error::from(error);
            io::Error::new(error.kind(), format!("setting nofile to {soft}:{hard}: {error}"))
        })?;
    }
    let output = OpenOptions::new().create(true).append(true).open(dir.log())?;
    let mut command = command(&spec.argv, spec, dir)?;
    // The file itself, not a pipe: with the shim gone, output goes on and nobody gets SIGPIPE.
    command.stdout(output.try_clone()?).stderr(output);
    let child = signals.let_through(|| command.spawn()).map_err(|error| {
        let program = spec.argv.first().map(String::as_str).unwrap_or_default();
        io::Error::new(error.kind(), format!("starting \"{program}\": {error}"))
    })?;
    let pid = Pid::from_child(&child);
    // A process that has ended already has no identity any more; its end is about to be seen.
    if let Some(identity) = Identity::of(pid)
        && let Err(error) = dir.write_process(identity)
    {
        // A container the engine cannot find must not run.
        kill_left_over(pid);
        return Err(error);
    }
    Ok(pid)
}

/// A process of the container, in a group of its own.
fn command(argv: &[String], spec: &ContainerSpec, dir: &ContainerDir) -> io::Result<Command> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| io::Error::other("there is no command to run"))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(&spec.environment)
        .current_dir(dir.work())
        .process_group(0)
        .stdin(Stdio::null());
    Ok(command)
}

/// ECS-TD-18: restarted unless told to stop, the code is ignored, or it ran too short.
fn restarts(dir: &ContainerDir, spec: &ContainerSpec, exit: Exit, ran_ms: u64) -> bool {
    spec.restart.as_ref().is_some_and(|policy| {
        ran_ms >= policy.attempt_period_ms
            && exit.code().is_none_or(|code| !policy.ignored_exit_codes.contains(&code))
            && !dir.stopping().exists()
    })
}

/// One child that has ended, without waiting.
fn ended_child() -> Option<(Pid, WaitStatus)> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if status.exited() || status.signaled() => {
                return Some((pid, status));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

fn exit_of(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// Ends and reaps every process the container left: its group, and what became ours because this
/// is the subreaper. As the end of a container's first process ends the container.
fn kill_left_over(container: Pid) {
    let _none = rustix::process::kill_process_group(container, Signal::KILL);
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

/// Milliseconds since the shim began.
struct Clock(Instant);

impl Clock {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
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

    /// Until a signal comes, or for so many milliseconds.
    fn wait(&self, timeout_ms: Option<u64>) -> io::Result<()> {
        let timeout = match timeout_ms {
            // Rounded up, so that what is waited for is due afterwards.
            Some(ms) => PollTimeout::try_from(ms.saturating_add(1)).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let mut descriptors = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        while let Ok(Some(_)) = self.descriptor.read_signal() {}
        Ok(())
    }
}
