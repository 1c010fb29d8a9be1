//! Where stdout and stderr of the container go: into a log stream, or into a file of its directory.
//!
//! On the way to a stream they pass one FIFO, which the container has open for reading and writing.
//! So with the shim gone it gets no SIGPIPE and loses nothing that fits in there, and the shim that
//! takes over finds it again by name.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use neargate_core::task_definition::{LogDelivery, LogMultiline};
use neargate_logs::{DeliveryMode, Multiline, Pump, StreamWriter};
use rustix::fs::OFlags;

use crate::layout::{ContainerDir, ContainerSpec, LogSpec};

/// Takes what the container writes.
pub(super) enum Output {
    /// As it comes.
    File(PathBuf),
    /// Line by line.
    Stream {
        /// Boxed, because it is large.
        pump: Box<Pump>,
        /// Open for the container, and here, so that the pump sees no end between two runs.
        fifo: File,
    },
}

impl Output {
    /// As the spec says. Finds again what an earlier shim made.
    pub(super) fn open(dir: &ContainerDir, spec: &ContainerSpec) -> io::Result<Self> {
        match &spec.log {
            None => Ok(Output::File(dir.log())),
            Some(log) => stream(&dir.fifo(), log).map_err(|error| {
                let place = format!("log stream {} of group {}", log.stream, log.group);
                io::Error::new(error.kind(), format!("opening {place}: {error}"))
            }),
        }
    }

    /// What the container gets as stdout and stderr.
    pub(super) fn writer(&self) -> io::Result<File> {
        match self {
            // In place of a pipe: with the shim gone, output goes on.
            Output::File(path) => OpenOptions::new().create(true).append(true).open(path),
            Output::Stream { fifo, .. } => fifo.try_clone(),
        }
    }

    /// To be polled for reading now.
    pub(super) fn readable(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Output::Stream { pump, .. } if pump.wants_read(wall_ms()) => Some(pump.as_fd()),
            _ => None,
        }
    }

    /// In how many milliseconds [`Self::carry`] has something to do in any case.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let Output::Stream { pump, .. } = self else { return None };
        pump.deadline_ms().map(|at| u64::try_from(at - wall_ms()).unwrap_or(0))
    }

    /// Moves what is there. A disk that refuses is tried again; what had to be dropped is counted.
    pub(super) fn carry(&mut self) {
        if let Output::Stream { pump, .. } = self
            && let Err(error) = pump.ready(wall_ms())
        {
            tracing::warn!(%error, "could not write the container's output");
        }
    }

    /// Takes the rest once the container has ended for good.
    pub(super) fn finish(self) {
        let Output::Stream { mut pump, fifo } = self else { return };
        drop(fifo);
        if let Err(error) = pump.finish(wall_ms()) {
            tracing::warn!(%error, "could not write the end of the container's output");
        }
    }
}

fn stream(path: &Path, log: &LogSpec) -> io::Result<Output> {
    match nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)) {
        Ok(()) => {}
        Err(nix::errno::Errno::EEXIST)
            if std::fs::symlink_metadata(path)?.file_type().is_fifo() => {}
        Err(error) => return Err(error.into()),
    }
    // First, so that the reading end has somebody to wait for.
    let fifo = OpenOptions::new().read(true).write(true).open(path)?;
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let reader = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    let writer =
        StreamWriter::open(&log.root, &log.group, &log.stream, wall_ms()).map_err(other)?;
    let mode = match log.delivery {
        LogDelivery::Blocking => DeliveryMode::Blocking,
        LogDelivery::NonBlocking { buffer_bytes } => DeliveryMode::NonBlocking {
            buffer_bytes: usize::try_from(buffer_bytes).unwrap_or(usize::MAX),
        },
    };
    let multiline = match &log.multiline {
        None => None,
        Some(LogMultiline::Pattern(pattern)) => Some(Multiline::pattern(pattern).map_err(other)?),
        Some(LogMultiline::DatetimeFormat(format)) => {
            Some(Multiline::datetime_format(format).map_err(other)?)
        }
    };
    let pump = Pump::new(OwnedFd::from(reader), writer, mode, multiline).map_err(other)?;
    Ok(Output::Stream { pump: Box::new(pump), fifo })
}

fn other(error: neargate_logs::Error) -> io::Error {
    io::Error::other(error)
}

/// Milliseconds since 1970, which is what log events are stamped with.
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
