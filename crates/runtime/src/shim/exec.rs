//! `neargate shim exec DIR [--tty] -- COMMAND...`: a command in a running container, in the
//! foreground of whoever runs it.
//!
//! Standard input and output pass straight through; with `--tty` the command gets a terminal of its
//! own and this process carries bytes between the two. The command's exit code becomes this one's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, ExitStatus, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal as Name};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::{Pid, Signal};

use super::enter::{has_ended, spawn_inside};
use super::terminal::{Pair, Raw, copy_size};
use super::{own_program, sealed_program};
use crate::layout::{ContainerDir, ContainerSpec};
use crate::process::Identity;
use crate::rootfs;
use crate::users;

/// The container cannot be entered; as `docker exec` has it.
const NOT_RUNNING: u8 = 1;
/// What a terminal sends for the end of its input.
const END_OF_TRANSMISSION: u8 = 4;
/// Bytes carried at a time.
const CHUNK: usize = 16 * 1024;

/// The whole body of the command.
pub(super) fn main(dir: &Path, tty: bool, argv: &[String]) -> ExitCode {
    // Nothing of the caller's but its standard three is for the container.
    super::close_inherited();
    match run(&ContainerDir::at(dir), tty, argv) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            super::complain("exec", &error);
            ExitCode::from(NOT_RUNNING)
        }
    }
}

fn run(dir: &ContainerDir, tty: bool, argv: &[String]) -> io::Result<u8> {
    let spec = dir.read_spec().map_err(|error| {
        let message = format!("no container in {}: {error}", dir.path().display());
        io::Error::new(error.kind(), message)
    })?;
    let init = dir.read_process().filter(|init| init.is_alive()).ok_or_else(has_ended)?;
    let pair = if tty { Some(open_terminal(&spec, init)?) } else { None };
    let (program, inside) = match &spec.sandbox {
        Some(_) => (sealed_program(None)?, Some(init)),
        None => (own_program(), None),
    };

    let mut mask = SigSet::empty();
    for signal in
        [Name::SIGINT, Name::SIGQUIT, Name::SIGHUP, Name::SIGTERM, Name::SIGCHLD, Name::SIGWINCH]
    {
        mask.add(signal);
    }
    // From here on they are handed on; the command clears what it inherits of this.
    mask.thread_block()?;
    let child = spawn_inside(&program, dir, inside, argv, pair.is_some(), |command| {
        if let Some(pair) = &pair {
            copy_size(&pair.ours);
            command
                .stdin(Stdio::from(pair.theirs.try_clone()?))
                .stdout(Stdio::from(pair.theirs.try_clone()?))
                .stderr(Stdio::from(pair.theirs.try_clone()?));
        }
        command.spawn()
    })?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let status = match pair {
        Some(Pair { ours, theirs }) => {
            drop(theirs);
            let _raw = Raw::enter()?;
            attend(child, &signals, Some(&ours))?
        }
        None => attend(child, &signals, None)?,
    };
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

fn open_terminal(spec: &ContainerSpec, init: Identity) -> io::Result<Pair> {
    let pair = match &spec.sandbox {
        None => Pair::here(),
        Some(sandbox) => {
            let root = PathBuf::from(format!("/proc/{}/root", init.pid.as_raw_pid()));
            let passwd = rootfs::read_text(&root, "/etc/passwd");
            let group = rootfs::read_text(&root, "/etc/group");
            let user = users::resolve(sandbox.user.as_deref(), &passwd, &group)?;
            Pair::inside(&root, user.uid)
        }
    };
    pair.map_err(|error| io::Error::new(error.kind(), format!("opening a terminal: {error}")))
}

/// Carries bytes and signals until the command has ended.
fn attend(mut child: Child, signals: &SignalFd, ours: Option<&OwnedFd>) -> io::Result<ExitStatus> {
    let pid = Pid::from_child(&child);
    let mut input_open = ours.is_some();
    let mut output_open = ours.is_some();
    let mut ended = None;
    loop {
        if ended.is_none() {
            ended = child.try_wait()?;
        }
        if let Some(status) = ended
            && !output_open
        {
            return Ok(status);
        }
        let mut descriptors = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let nobody = rustix::stdio::stdin();
        let terminal = ours.map_or(nobody, |ours| ours.as_fd());
        if output_open {
            descriptors.push(PollFd::new(terminal, PollFlags::POLLIN));
        }
        if input_open {
            descriptors.push(PollFd::new(nobody, PollFlags::POLLIN));
        }
        // The command has ended; what it wrote is read without waiting for background processes
        // that still hold its terminal.
        let wait = if ended.is_some() { PollTimeout::ZERO } else { PollTimeout::NONE };
        match poll(&mut descriptors, wait) {
            Ok(0) if ended.is_some() => output_open = false,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = |index: usize| {
            descriptors.get(index).is_some_and(|d| d.revents().is_some_and(|r| !r.is_empty()))
        };
        let (signalled, output, input) =
            (ready(0), output_open && ready(1), input_open && ready(1 + usize::from(output_open)));
        if signalled {
            while let Ok(Some(signal)) = signals.read_signal() {
                hand_on(pid, signal.ssi_signo, ours, ended.is_some());
            }
        }
        if output {
            output_open = carry(terminal, rustix::stdio::stdout()).unwrap_or(false);
        }
        if input && !carry(nobody, terminal).unwrap_or(false) {
            input_open = false;
            let _hung_up = rustix::io::write(terminal, &[END_OF_TRANSMISSION]);
        }
    }
}

/// Moves what is there; `false` at the end.
fn carry(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<bool> {
    let mut buffer = [0_u8; CHUNK];
    let count = rustix::io::read(from, &mut buffer)?;
    let mut rest = &buffer[..count];
    while !rest.is_empty() {
        let written = rustix::io::write(to, rest)?;
        rest = &rest[written..];
    }
    Ok(count > 0)
}

fn hand_on(pid: Pid, signal: u32, ours: Option<&OwnedFd>, ended: bool) {
    let Ok(number) = i32::try_from(signal) else { return };
    if number == Name::SIGWINCH as i32 {
        if let Some(ours) = ours {
            copy_size(ours);
        }
        return;
    }
    // A terminal's own keys reach a command in the same group without our help; it is a request to
    // end this process that has to be handed on.
    let wanted = number == Name::SIGTERM as i32 || number == Name::SIGHUP as i32;
    if wanted
        && !ended
        && let Some(signal) = Signal::from_named_raw(number)
    {
        let _just_ended = rustix::process::kill_process(pid, signal);
    }
}
