//! Takes what a container writes from a pipe and appends it to a stream, line by line: the shim's
//! part of the `awslogs` driver (ECS-TD-21 to 23).
//!
//! A pump is driven from outside, because the shim has one poll loop for everything: poll
//! [`Pump::as_fd`] for reading while [`Pump::wants_read`] says so, wake up at
//! [`Pump::deadline_ms`], and call [`Pump::ready`] in both cases.
//!
//! A container that writes many single lines would wake the shim for each of them. After a small
//! read the pump therefore asks to be left alone for some milliseconds, so that lines come in
//! batches; after a large one it wants to read on at once.
//!
//! When the disk refuses, a blocking pump stops reading, and the container comes to wait at its full
//! pipe; nothing is lost. A non-blocking one reads on into its buffer, drops what does not fit, and
//! counts it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::error::Error;
use crate::event::Dropped;
use crate::line_splitter::LineSplitter;
use crate::multiline::{Joiner, Multiline};
use crate::record::HEADER_BYTES;
use crate::writer::{MESSAGE_BYTES_MAX, StreamWriter};

/// Buffer of a non-blocking pump unless `max-buffer-size` says otherwise, in bytes (ECS-TD-23).
pub const BUFFER_BYTES_DEFAULT: usize = 10 * 1024 * 1024;
/// One read, in bytes: what a pipe holds by default.
const READ_BYTES: usize = 64 * 1024;
/// A batch is written when it has this size, in bytes.
const BATCH_BYTES: usize = 256 * 1024;
/// Most that one call of `ready` reads, in bytes, so that the shim comes to its other work.
const READY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A read below this size is followed by a pause, in bytes.
const SMALL_READ_BYTES: usize = 16 * 1024;
/// How long the pause is, in milliseconds. A default pipe fills in this time at 3 MB/s; the pipe
/// usually is larger ([`PIPE_BYTES`]), and reads of that size are not followed by a pause.
const PAUSE_MS: i64 = 20;
/// How long after a failed write the next one is tried, in milliseconds.
const RETRY_MS: i64 = 250;
/// A clock set back by less than this must not change the order of lines, in milliseconds.
const CLOCK_STEP_MS_MAX: i64 = 5000;
/// Size asked for the pipe, in bytes: what a container may write while the shim waits for the disk.
const PIPE_BYTES: usize = 1024 * 1024;

/// What happens to lines while the disk refuses (`mode` of the awslogs driver).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryMode {
    /// The container waits.
    Blocking,
    /// Lines that do not fit in a buffer of this many bytes are dropped and counted.
    NonBlocking {
        /// `max-buffer-size`, in bytes.
        buffer_bytes: usize,
    },
}

impl Default for DeliveryMode {
    fn default() -> Self {
        Self::NonBlocking { buffer_bytes: BUFFER_BYTES_DEFAULT }
    }
}

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PumpState {
    /// Go on polling.
    Open,
    /// Nobody has the pipe open for writing any more. Call [`Pump::finish`].
    Ended,
}

/// Moves lines from a pipe to a stream.
#[derive(Debug)]
pub struct Pump {
    pipe: OwnedFd,
    writer: StreamWriter,
    mode: DeliveryMode,
    splitter: LineSplitter,
    joiner: Option<Joiner>,
    chunk: Vec<u8>,
    /// The time lines are stamped with; see [`CLOCK_STEP_MS_MAX`].
    last_ms: i64,
    /// No reading before the second, counted from the first.
    pause: Option<(i64, i64)>,
    retry_at_ms: Option<i64>,
    is_ended: bool,
}

impl Pump {
    /// A pump from `pipe`, which becomes non-blocking: give it an open file description of its own
    /// (its own `open` of the FIFO), never the one the container writes to.
    ///
    /// # Errors
    /// [`Error::Io`] when the descriptor cannot be made non-blocking.
    pub fn new(
        pipe: OwnedFd,
        writer: StreamWriter,
        mode: DeliveryMode,
        multiline: Option<Multiline>,
    ) -> Result<Self, Error> {
        fcntl_getfl(&pipe).and_then(|flags| fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)).map_err(
            |e| Error::Io {
                action: "make non-blocking",
                path: "the container's output pipe".into(),
                source: e.into(),
            },
        )?;
        // More room is welcome, not needed: what is read is no pipe, or the user's pipes have no
        // room left.
        let _ = rustix::pipe::fcntl_setpipe_size(&pipe, PIPE_BYTES);
        Ok(Self {
            pipe,
            writer,
            mode,
            splitter: LineSplitter::new(MESSAGE_BYTES_MAX),
            joiner: multiline.map(|multiline| Joiner::new(multiline, MESSAGE_BYTES_MAX)),
            chunk: vec![0; READ_BYTES],
            last_ms: 0,
            pause: None,
            retry_at_ms: None,
            is_ended: false,
        })
    }

    /// Whether to poll the descriptor for reading now. While not, there is a
    /// [`Self::deadline_ms`], or the pipe has ended.
    #[must_use]
    pub fn wants_read(&self, now_ms: i64) -> bool {
        let is_paused = self.pause.is_some_and(|(from, until)| (from..until).contains(&now_ms));
        let is_stuck = self.retry_at_ms.is_some() && self.mode == DeliveryMode::Blocking;
        !self.is_ended && !is_paused && !is_stuck
    }

    /// When to call [`Self::ready`] even if nothing can be read, milliseconds since 1970.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<i64> {
        let pause = self.pause.map(|(_, until)| until);
        let joiner = self.joiner.as_ref().and_then(Joiner::deadline_ms);
        [pause, joiner, self.retry_at_ms, self.writer.deadline_ms()].into_iter().flatten().min()
    }

    /// Reads what is there, writes it, and does whatever else is due.
    ///
    /// # Errors
    /// What the disk answered; for the log of the shim. Just go on calling: the pump tries again,
    /// and counts what it must drop.
    pub fn ready(&mut self, now_ms: i64) -> Result<PumpState, Error> {
        let wants_read = self.wants_read(now_ms);
        if wants_read {
            self.pause = None;
        }
        self.stamp(now_ms);
        let mut failure = self.write_if_due(now_ms).err();
        let mut total = 0;
        while wants_read && self.wants_read(now_ms) && total < READY_BYTES_MAX {
            let Some(bytes) = self.read_chunk(now_ms) else { break };
            total += bytes;
            if bytes < READ_BYTES {
                break;
            }
            if self.writer.pending_bytes() >= BATCH_BYTES && self.retry_at_ms.is_none() {
                failure = self.write(now_ms).err().or(failure);
            }
        }
        if wants_read && total < SMALL_READ_BYTES && total > 0 && !self.is_ended {
            self.pause = Some((now_ms, now_ms + PAUSE_MS));
        }
        let (writer, mode) = (&mut self.writer, self.mode);
        if let Some(joiner) = &mut self.joiner {
            let due_at = self.last_ms.max(now_ms);
            joiner.flush(Some(due_at), |at, event| take(writer, mode, at, now_ms, event));
        }
        if self.retry_at_ms.is_none() {
            failure = self.write(now_ms).err().or(failure);
        }
        failure = self.writer.tick(now_ms).err().or(failure);
        let state = if self.is_ended { PumpState::Ended } else { PumpState::Open };
        failure.map_or(Ok(state), Err)
    }

    fn stamp(&mut self, now_ms: i64) {
        let is_small_step = now_ms < self.last_ms && self.last_ms - now_ms < CLOCK_STEP_MS_MAX;
        if !is_small_step {
            self.last_ms = now_ms;
        }
    }

    /// Reads once and splits; `None` when there is nothing now.
    fn read_chunk(&mut self, now_ms: i64) -> Option<usize> {
        let bytes = loop {
            match rustix::io::read(&self.pipe, &mut self.chunk[..]) {
                Ok(0) => {
                    self.is_ended = true;
                    return None;
                }
                Ok(bytes) => break bytes,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return None,
                // A pipe that cannot be read is as good as ended.
                Err(_) => {
                    self.is_ended = true;
                    return None;
                }
            }
        };
        let Self { splitter, joiner, writer, chunk, mode, last_ms, .. } = self;
        let (mode, at) = (*mode, *last_ms);
        match joiner {
            None => splitter.feed(&chunk[..bytes], |line| take(writer, mode, at, now_ms, line)),
            Some(joiner) => splitter.feed(&chunk[..bytes], |line| {
                joiner.line(at, line, |at, event| take(writer, mode, at, now_ms, event));
            }),
        }
        Some(bytes)
    }

    fn write_if_due(&mut self, now_ms: i64) -> Result<(), Error> {
        // A clock that was set back far must not put the retry off for as long.
        let is_due = |at: i64| !(at - RETRY_MS..at).contains(&now_ms);
        if self.retry_at_ms.is_some_and(is_due) { self.write(now_ms) } else { Ok(()) }
    }

    fn write(&mut self, now_ms: i64) -> Result<(), Error> {
        let answer = self.writer.commit(now_ms);
        self.retry_at_ms = match &answer {
            Ok(()) => None,
            Err(error) => {
                if error.is_gone() {
                    // A deleted stream takes nothing any more; the container must not wait for it.
                    self.writer.discard();
                }
                Some(now_ms + RETRY_MS)
            }
        };
        if answer.as_ref().is_err_and(Error::is_gone) {
            self.retry_at_ms = None;
        }
        answer
    }

    /// Takes what is still in the pipe, hands out a last line without newline, and waits until
    /// everything would survive a power cut. What the disk refuses now is dropped and counted.
    ///
    /// # Errors
    /// What the disk answered.
    pub fn finish(&mut self, now_ms: i64) -> Result<(), Error> {
        self.stamp(now_ms);
        let mut failure = None;
        let mut left = PIPE_BYTES.max(READY_BYTES_MAX);
        // Bounded, because something the container left behind may still write.
        while let Some(bytes) = self.read_chunk(now_ms) {
            left = left.saturating_sub(bytes);
            if self.writer.pending_bytes() >= BATCH_BYTES
                && let Err(error) = self.writer.commit(now_ms)
            {
                failure = Some(error);
                self.writer.discard();
            }
            if left == 0 {
                break;
            }
        }
        let Self { splitter, joiner, writer, mode, last_ms, .. } = self;
        let (mode, at) = (*mode, *last_ms);
        match joiner {
            None => splitter.finish(|line| take(writer, mode, at, now_ms, line)),
            Some(joiner) => {
                splitter.finish(|line| {
                    joiner.line(at, line, |at, event| take(writer, mode, at, now_ms, event));
                });
                joiner.flush(None, |at, event| take(writer, mode, at, now_ms, event));
            }
        }
        let answer = self.writer.flush(now_ms);
        if answer.is_err() {
            self.writer.discard();
        }
        answer.and(failure.map_or(Ok(()), Err))
    }

    /// All that was ever dropped from this stream.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.writer.dropped()
    }
}

impl AsFd for Pump {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// Puts an event in the batch, or counts it when the buffer is full.
fn take(writer: &mut StreamWriter, mode: DeliveryMode, at_ms: i64, now_ms: i64, message: &[u8]) {
    if message.is_empty() {
        return;
    }
    if let DeliveryMode::NonBlocking { buffer_bytes } = mode {
        let needed = writer.pending_bytes() + HEADER_BYTES + message.len();
        // The batch of a healthy disk may pass by a tiny buffer: it is written at once.
        if needed > buffer_bytes.max(BATCH_BYTES + READ_BYTES) {
            writer.count_dropped(Dropped { lines: 1, bytes: message.len() as u64 });
            return;
        }
    }
    writer.push(at_ms, now_ms, message);
}
