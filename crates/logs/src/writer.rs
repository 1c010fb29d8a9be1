//! Appends to one stream.
//!
//! Records are collected by [`StreamWriter::push`] and handed to the kernel by
//! [`StreamWriter::commit`], one write for a whole batch. What commit has written is seen by readers
//! at once and survives the death of this process; it survives a power cut after the next sync,
//! which [`StreamWriter::tick`] makes at most once a second.
//!
//! Several writers of one stream, in one process or in many, take turns append by append. Meant is
//! one container's shim, and now and then a PutLogEvents of the engine.

use std::path::Path;

use crate::append_lock::{AppendLock, Appending};
use crate::drop_counter::DropCounter;
use crate::error::{Error, io_error};
use crate::event::{Dropped, EVENT_OVERHEAD_BYTES};
use crate::files::{self, StreamDir};
use crate::record::{self, Kind, PAYLOAD_BYTES_MAX, Record};
use crate::tail::Tail;
use crate::utf8;

/// How long what was appended may wait for its sync, in milliseconds.
const SYNC_INTERVAL_MS: i64 = 1000;
/// Longest message of one event, in bytes: 256 KiB less what CloudWatch counts for an event. Longer
/// lines become several events, as Docker's awslogs driver does it.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024 - EVENT_OVERHEAD_BYTES;
/// Memory kept between batches, in bytes.
const KEPT_BYTES: usize = 512 * 1024;

/// How large a stream's segments become. Retention deletes whole segments.
#[derive(Clone, Copy, Debug)]
pub struct SegmentLimits {
    /// A segment of this size is followed by a new one, in bytes.
    pub bytes: u64,
    /// A segment of this age is followed by a new one, in milliseconds.
    pub age_ms: i64,
}

impl Default for SegmentLimits {
    fn default() -> Self {
        Self { bytes: 16 * 1024 * 1024, age_ms: 24 * 60 * 60 * 1000 }
    }
}

/// The writing end of a stream.
///
/// Its descriptors are closed on exec. A child that is forked and does not exec must close them
/// itself, or they stay open as long as it lives; nothing else comes of it.
#[derive(Debug)]
pub struct StreamWriter {
    dir: StreamDir,
    limits: SegmentLimits,
    lock: AppendLock,
    tail: Tail,
    counter: DropCounter,
    /// Dropped, and not yet told by a record in the stream.
    untold: Dropped,
    /// Encoded records that are not written yet, with sequences from `first_pending` on.
    pending: Vec<u8>,
    pending_events: u64,
    first_pending: u64,
    /// Since when something waits for a sync.
    unsynced_since_ms: Option<i64>,
}

/// Makes the stream if it does not exist; `false` when it did. The group must exist.
pub(crate) fn create_stream(root: &Path, dir: &StreamDir, now_ms: i64) -> Result<bool, Error> {
    let group = files::group_dir(root, &dir.group);
    if !group.join("group.json").exists() {
        return Err(Error::NoSuchGroup { group: dir.group.clone() });
    }
    if dir.description().exists() {
        return Ok(false);
    }
    std::fs::create_dir_all(&dir.path).map_err(io_error("create", &dir.path))?;
    let description = format!("{{\"created_ms\":{now_ms}}}");
    let is_new = files::create_file(&dir.description(), description.as_bytes())?;
    // The directories above are as new as the stream; a power cut must not take them away.
    let streams = files::streams_dir(&group);
    for above in dir.path.ancestors().skip(1).take_while(|above| above.starts_with(&streams)) {
        files::sync_dir(above)?;
    }
    Ok(is_new)
}

impl StreamWriter {
    /// Opens a stream for writing, makes it if it does not exist, and cuts off what a writer that
    /// was killed left half written. The group must exist.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], a bad name, [`Error::Busy`], [`Error::Io`].
    pub fn open(root: &Path, group: &str, stream: &str, now_ms: i64) -> Result<Self, Error> {
        let dir = StreamDir::new(root, group, stream)?;
        create_stream(root, &dir, now_ms)?;
        Self::open_existing(dir, now_ms, SegmentLimits::default())
    }

    /// The same with other limits for segments.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        root: &Path,
        group: &str,
        stream: &str,
        now_ms: i64,
        limits: SegmentLimits,
    ) -> Result<Self, Error> {
        let dir = StreamDir::new(root, group, stream)?;
        create_stream(root, &dir, now_ms)?;
        Self::open_existing(dir, now_ms, limits)
    }

    pub(crate) fn open_existing(
        dir: StreamDir,
        now_ms: i64,
        limits: SegmentLimits,
    ) -> Result<Self, Error> {
        if !dir.description().exists() {
            return Err(dir.no_such_stream());
        }
        let lock = AppendLock::open(&dir.lock())?;
        let (tail, counter) = {
            let _appending = lock.acquire()?;
            (Tail::open(&dir, now_ms)?, DropCounter::open(&dir.dropped())?)
        };
        Ok(Self {
            dir,
            limits,
            lock,
            first_pending: tail.next_sequence(),
            tail,
            counter,
            untold: Dropped::default(),
            pending: Vec::new(),
            pending_events: 0,
            unsynced_since_ms: None,
        })
    }

    /// Adds an event to the batch: it happened at `timestamp_ms` and is taken now. A message longer
    /// than [`MESSAGE_BYTES_MAX`] becomes several events, cut between characters; an empty one
    /// becomes none, because CloudWatch has no empty events. Cannot fail: nothing is written yet.
    pub fn push(&mut self, timestamp_ms: i64, now_ms: i64, message: &[u8]) {
        let mut rest = message;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(utf8::cut(rest, MESSAGE_BYTES_MAX));
            self.push_whole(timestamp_ms, now_ms, piece);
            rest = after;
        }
    }

    /// The same without splitting; at most a mebibyte.
    pub(crate) fn push_whole(&mut self, timestamp_ms: i64, now_ms: i64, message: &[u8]) {
        let payload = &message[..message.len().min(PAYLOAD_BYTES_MAX)];
        let record = Record {
            kind: Kind::Event,
            sequence: self.first_pending + self.pending_events,
            timestamp_ms,
            ingestion_ms: now_ms,
            payload,
        };
        record::encode(&record, &mut self.pending);
        self.pending_events += 1;
    }

    /// Bytes of the batch, which are in memory only.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// Hands the batch to the kernel.
    ///
    /// # Errors
    /// [`Error::Io`], for example on a full disk: what could not be written stays in the batch, and
    /// the next call tries again; or give it up with [`Self::discard`]. [`Error::NoSuchStream`] when
    /// the stream has been deleted.
    pub fn commit(&mut self, now_ms: i64) -> Result<(), Error> {
        if self.pending.is_empty() && self.untold == Dropped::default() {
            return Ok(());
        }
        let answer = self.commit_locked(now_ms);
        if self.pending.is_empty() && self.pending.capacity() > KEPT_BYTES {
            self.pending = Vec::new();
        }
        answer
    }

    /// Takes the lock, and finds the end again if somebody else wrote, or deleted the stream and
    /// made it anew.
    fn lock_tail(&mut self, now_ms: i64) -> Result<Appending, Error> {
        let appending = self.lock.acquire()?;
        if self.tail.is_current(&self.dir)? {
            return Ok(appending);
        }
        drop(appending);
        if !self.dir.description().exists() {
            return Err(self.dir.no_such_stream());
        }
        // The lock and the counter are files of the stream; a new stream has new ones.
        self.lock = AppendLock::open(&self.dir.lock())?;
        let appending = self.lock.acquire()?;
        self.tail = Tail::open(&self.dir, now_ms)?;
        // A count that could not be written so far is told by the record in the stream.
        let _ = self.counter.write();
        self.counter = DropCounter::open(&self.dir.dropped())?;
        Ok(appending)
    }

    fn commit_locked(&mut self, now_ms: i64) -> Result<(), Error> {
        let _appending = self.lock_tail(now_ms)?;
        self.write_pending(now_ms)?;
        if self.untold != Dropped::default() {
            let payload =
                [self.untold.lines.to_le_bytes(), self.untold.bytes.to_le_bytes()].concat();
            let record = Record {
                kind: Kind::Dropped,
                sequence: self.tail.next_sequence(),
                timestamp_ms: now_ms,
                ingestion_ms: now_ms,
                payload: &payload,
            };
            record::encode(&record, &mut self.pending);
            self.first_pending = record.sequence;
            let written = self.write_pending(now_ms);
            // Told or not: a record that could not be written is not kept among the events.
            self.pending.clear();
            self.first_pending = self.tail.next_sequence();
            written?;
            self.untold = Dropped::default();
        }
        Ok(())
    }

    fn write_pending(&mut self, now_ms: i64) -> Result<(), Error> {
        let is_full = self.tail.end + self.pending.len() as u64 > self.limits.bytes;
        if is_full && self.tail.has_records() {
            self.tail.rotate(&self.dir, now_ms)?;
        }
        if self.first_pending != self.tail.next_sequence() {
            self.first_pending = self.tail.next_sequence();
            record::renumber(&mut self.pending, self.first_pending);
        }
        let before = self.tail.next_sequence();
        let (written, answer) = self.tail.append(&self.dir, &self.pending);
        if written > 0 {
            self.unsynced_since_ms.get_or_insert(now_ms);
        }
        self.pending.drain(..written);
        self.first_pending = self.tail.next_sequence();
        self.pending_events = self.pending_events.saturating_sub(self.first_pending - before);
        answer
    }

    /// Adds one event and hands it to the kernel.
    ///
    /// # Errors
    /// As [`Self::commit`], but what could not be written is dropped and counted, so that memory
    /// does not grow.
    pub fn append(&mut self, now_ms: i64, message: &[u8]) -> Result<(), Error> {
        self.push(now_ms, now_ms, message);
        let answer = self.commit(now_ms);
        if answer.is_err() {
            self.discard();
        }
        answer
    }

    /// Gives up what could not be written, and counts it as dropped.
    pub fn discard(&mut self) {
        let mut dropped = Dropped::default();
        record::scan(&self.pending, self.first_pending, |_, _, record| {
            dropped.count(record.payload.len());
        });
        self.pending = Vec::new();
        self.pending_events = 0;
        self.count_dropped(dropped);
        // On a disk that refuses even this, the next tick tries again.
        let _ = self.counter.write();
    }

    /// Counts lines that the caller dropped. A record in the stream tells of them at the next
    /// [`Self::commit`], the counter file at the next [`Self::tick`].
    pub fn count_dropped(&mut self, dropped: Dropped) {
        self.untold.add(dropped);
        self.counter.add(dropped);
    }

    /// All that was ever dropped from this stream.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.counter.total()
    }

    /// When [`Self::tick`] has something to do, milliseconds since 1970.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<i64> {
        self.unsynced_since_ms.map(|since| since + SYNC_INTERVAL_MS)
    }

    /// Does what is due: the counter file, and a sync a second after the oldest unsynced append.
    ///
    /// # Errors
    /// [`Error::Io`]; the next call tries again.
    pub fn tick(&mut self, now_ms: i64) -> Result<(), Error> {
        self.counter.write()?;
        let Some(since) = self.unsynced_since_ms else { return Ok(()) };
        // A clock that was set back must not put the sync off.
        if (since..since + SYNC_INTERVAL_MS).contains(&now_ms) {
            return Ok(());
        }
        self.unsynced_since_ms = Some(now_ms);
        self.tail.sync(&self.dir)?;
        self.unsynced_since_ms = None;
        if now_ms - self.tail.created_ms >= self.limits.age_ms && self.tail.has_records() {
            let _appending = self.lock.acquire()?;
            if self.tail.is_current(&self.dir)? {
                self.tail.rotate(&self.dir, now_ms)?;
            }
        }
        Ok(())
    }

    /// Hands the batch to the kernel and waits until everything would survive a power cut.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn flush(&mut self, now_ms: i64) -> Result<(), Error> {
        self.commit(now_ms)?;
        self.counter.write()?;
        self.tail.sync(&self.dir)?;
        self.unsynced_since_ms = None;
        Ok(())
    }

    /// The sequence the next event gets, if nobody else writes.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.first_pending + self.pending_events
    }
}
