//! Starting an edge that outlives the engine, and seeing one end.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock::monotonic;

/// How often a process is looked at that is to end.
const POLL: Duration = Duration::from_millis(2);
/// How much of its log is quoted when an edge has ended.
const LAST_WORDS: u64 = 400;

/// How to start an edge.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The binary.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Where its standard error goes.
    pub(crate) log: PathBuf,
}

/// An edge this engine has started.
pub(crate) struct EdgeProcess {
    child: Child,
    started: Instant,
    log: PathBuf,
    log_start: u64,
}

impl Launch {
    /// Starts one in a process group of its own, so that a Ctrl-C meant for the engine does not
    /// reach it.
    pub(crate) fn start(&self) -> io::Result<EdgeProcess> {
        let log: File = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.log)?;
        let log_start = log.metadata()?.len();
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()?;
        Ok(EdgeProcess { child, started: monotonic(), log: self.log.clone(), log_start })
    }
}

impl EdgeProcess {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }

    /// Waits until it has ended; ends it when it takes too long.
    pub(crate) fn wait(&mut self, timeout: Duration) {
        let began = monotonic();
        while self.ended().is_none() {
            if began.elapsed() > timeout {
                tracing::warn!(pid = self.pid(), "the edge does not end; killing it");
                return self.kill();
            }
            std::thread::sleep(POLL);
        }
    }

    /// The end of what it has written since it was started.
    pub(crate) fn last_words(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut log = File::open(&self.log)?;
            let end = log.seek(SeekFrom::End(0))?;
            let from = self.log_start.max(end.saturating_sub(LAST_WORDS));
            log.seek(SeekFrom::Start(from))?;
            let mut words = Vec::new();
            log.take(LAST_WORDS).read_to_end(&mut words)?;
            Ok(words)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).trim().to_owned()
    }
}

/// Waits until a process has ended that is not our child; ends it when it takes too long.
pub(crate) fn wait_for_exit(pid: u32, timeout: Duration) {
    let Ok(pid) = i32::try_from(pid).map(Pid::from_raw) else { return };
    let began = monotonic();
    while kill(pid, None).is_ok() && !is_zombie(pid) {
        if began.elapsed() > timeout {
            tracing::warn!(%pid, "the edge does not end; killing it");
            let _ended_already = kill(pid, Signal::SIGKILL);
            return;
        }
        std::thread::sleep(POLL);
    }
}

/// Ended, and only waiting for whoever started it to take notice.
fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
}
