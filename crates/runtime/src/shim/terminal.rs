//! The terminal of an exec: a pseudo terminal of the container's own, and this side's one in raw
//! mode meanwhile.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, Uid};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, Termios, Winsize};

/// The two ends of a pseudo terminal.
pub(super) struct Pair {
    pub(super) ours: OwnedFd,
    pub(super) theirs: OwnedFd,
}

impl Pair {
    /// Of this machine.
    pub(super) fn here() -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        Self::of(rustix::pty::openpt(flags)?)
    }

    /// Of the devpts that is mounted below `root`, so that the terminal has a name there.
    pub(super) fn inside(root: &Path, uid: u32) -> io::Result<Self> {
        let root = rustix::fs::open(
            root,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let ours = rustix::fs::openat2(
            &root,
            "dev/pts/ptmx",
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        )?;
        let pair = Self::of(ours)?;
        rustix::fs::fchown(&pair.theirs, Some(Uid::from_raw(uid)), None)?;
        Ok(pair)
    }

    /// A container's root may have put anything in the place of its terminals; this only a terminal
    /// answers.
    fn of(ours: OwnedFd) -> io::Result<Self> {
        rustix::pty::unlockpt(&ours)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, flags)?;
        Ok(Self { ours, theirs })
    }
}

/// This side's terminal, if there is one: raw as long as this lives.
pub(super) struct Raw {
    before: Option<Termios>,
}

impl Raw {
    pub(super) fn enter() -> io::Result<Self> {
        let stdin = rustix::stdio::stdin();
        let Ok(before) = rustix::termios::tcgetattr(stdin) else {
            return Ok(Self { before: None });
        };
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(stdin, OptionalActions::Flush, &raw)?;
        Ok(Self { before: Some(before) })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _it_is_gone =
                rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, before);
        }
    }
}

/// Gives the other side the size of this side's window.
pub(super) fn copy_size(to: impl AsFd) {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdin())
        .or_else(|_| rustix::termios::tcgetwinsize(rustix::stdio::stdout()));
    let size = size.unwrap_or(Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 });
    let _hung_up = rustix::termios::tcsetwinsize(to, size);
}
