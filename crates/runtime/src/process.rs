//! Processes of other parents: who they are, whether they live, signals that cannot go astray.
//!
//! A process id alone names whoever has it now. With the start time it names one process for ever,
//! and a pidfd opened before that comparison makes the comparison hold.

use std::fmt;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::str::FromStr;

use neargate_core::id::TaskId;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal};

/// How long a killed process is waited for. Longer means that it hangs in the kernel.
const END_PATIENCE_MS: u16 = 5_000;

/// A process id with its start time in clock ticks since boot (`/proc/<pid>/stat`, field 22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: Pid,
    start_ticks: u64,
}

impl Identity {
    /// Of the process that has this id now; `None` when there is none, or only a zombie.
    pub(crate) fn of(pid: Pid) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
        let (state, start_ticks) = parse_stat(&stat)?;
        (!matches!(state, 'Z' | 'X')).then_some(Self { pid, start_ticks })
    }

    /// Of this process.
    pub(crate) fn own() -> Option<Self> {
        Self::of(rustix::process::getpid())
    }

    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid.as_raw_pid(), self.start_ticks)
    }
}

impl FromStr for Identity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pid, start_ticks) = text.trim().split_once(' ').ok_or(())?;
        let pid = pid.parse().ok().and_then(Pid::from_raw).ok_or(())?;
        Ok(Self { pid, start_ticks: start_ticks.parse().map_err(|_| ())? })
    }
}

/// State and start time from a line of `/proc/<pid>/stat`. The name, in parentheses, may hold
/// anything, parentheses and spaces too.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// A hold on one living process. Readable (in the sense of poll) once it has ended.
#[derive(Debug)]
pub(crate) struct Process {
    pidfd: OwnedFd,
    identity: Identity,
}

impl Process {
    /// `None` when that process has ended.
    pub(crate) fn open(identity: Identity) -> Option<Self> {
        let pidfd = rustix::process::pidfd_open(identity.pid, PidfdFlags::empty()).ok()?;
        identity.is_alive().then_some(Self { pidfd, identity })
    }

    /// To this process only. It may have ended meanwhile, which is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ended = rustix::process::pidfd_send_signal(&self.pidfd, signal);
    }

    /// Waits until it has ended; `false` when it has not after [`END_PATIENCE_MS`].
    pub(crate) fn wait_for_end(&self) -> bool {
        let mut descriptors = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        loop {
            match poll(&mut descriptors, PollTimeout::from(END_PATIENCE_MS)) {
                Err(nix::errno::Errno::EINTR) => {}
                result => return result.is_ok_and(|ready| ready > 0),
            }
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether it has ended, reaped or not.
    pub(crate) fn has_ended(&self) -> bool {
        let mut descriptors = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut descriptors, PollTimeout::ZERO), Ok(ready) if ready > 0)
    }

    /// SIGKILL to the process and its group.
    pub(crate) fn kill_group(&self) {
        // A group has no pidfd. Its id belongs to it as long as its leader lives.
        if self.identity.is_alive() {
            let _ended = rustix::process::kill_process_group(self.identity.pid, Signal::KILL);
        }
        self.signal(Signal::KILL);
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// SIGKILL to every process that carries the container's marks in its environment: what is left
/// when nobody who knew its process ids lives any more.
pub(crate) fn kill_marked(task: TaskId, container: &str) {
    let Ok(entries) = fs::read_dir("/proc") else { return };
    let marks = [format!("NEARGATE_TASK_ID={task}"), format!("NEARGATE_CONTAINER={container}")];
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|n| n.parse().ok()).and_then(Pid::from_raw);
        let Some(identity) = pid.and_then(Identity::of) else { continue };
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        let carries =
            |mark: &String| environment.split(|b| *b == 0).any(|entry| entry == mark.as_bytes());
        if marks.iter().all(carries)
            && let Some(process) = Process::open(identity)
        {
            process.signal(Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_parses_whatever_the_name_is() {
        let fields = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        for name in ["sh", "a b", "x) R 9 (y", ""] {
            assert_eq!(parse_stat(&format!("17 ({name}) {fields}")), Some(('S', 4242)), "{name}");
        }
        assert_eq!(parse_stat("17 (sh"), None);
    }

    #[test]
    fn an_identity_survives_text_and_does_not_match_a_later_process() {
        let own = Identity::own().expect("this process lives");
        assert_eq!(own.to_string().parse(), Ok(own));
        assert!(own.is_alive() && Process::open(own).is_some());
        let later = Identity { start_ticks: own.start_ticks + 1, ..own };
        assert!(!later.is_alive() && Process::open(later).is_none());
    }
}
