//! Following streams as they are written: `logs -f`, `aws logs tail --follow`.
//!
//! A follower remembers for each stream how far it has read, in the order of writing. The kernel
//! (inotify) wakes it when something is appended, so that events arrive at once and waiting costs
//! nothing. Where the kernel has no watches left, it looks at intervals instead.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use crate::error::{Error, io_error};
use crate::event::{DropNotice, LogEvent, StreamEvent};
use crate::files::{self, StreamDir};
use crate::index::notice;
use crate::record::{self, Kind, Record, Scanned, scan, scan_part};
use crate::segment::{HEADER_BYTES, Summary, read_range};
use crate::store::LogStore;

/// Read from one stream at once, in bytes, unless a part does not end.
const PART_BYTES: u64 = 4 * 1024 * 1024;
/// How often to look for new streams even if the kernel said nothing.
const RESCAN: Duration = Duration::from_secs(1);
/// How often to look at all when the kernel cannot wake us.
const WITHOUT_WATCH: Duration = Duration::from_millis(25);

/// Where to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowFrom {
    /// With what is written from now on. Streams that appear later are read from their beginning.
    Now,
    /// With the oldest event.
    Beginning,
    /// With events from this time on, milliseconds since 1970.
    Time(i64),
}

/// What to follow.
#[derive(Clone, Debug, Default)]
pub struct Follow<'a> {
    /// The group.
    pub group: &'a str,
    /// Only these streams, which need not exist yet; all when empty.
    pub streams: &'a [&'a str],
    /// Only streams whose names start like this.
    pub prefix: &'a str,
}

/// Something new in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// An event.
    Event(StreamEvent),
    /// Lines are missing here.
    Dropped {
        /// The stream.
        stream: Arc<str>,
        /// How many, and when.
        notice: DropNotice,
    },
}

#[derive(Debug)]
struct Cursor {
    dir: StreamDir,
    name: Arc<str>,
    /// First sequence of the segment that is being read, when there is one.
    segment: Option<u64>,
    offset: u64,
    next_sequence: u64,
}

#[derive(Debug)]
struct Watches {
    inotify: OwnedFd,
    /// Which stream a watch is for; other watches are for the directories of streams.
    streams: HashMap<i32, String>,
}

/// Hands out what is new.
#[derive(Debug)]
pub struct Follower {
    root: PathBuf,
    group: String,
    only: BTreeSet<String>,
    prefix: String,
    from_ms: i64,
    cursors: BTreeMap<String, Cursor>,
    /// Streams that may have something new.
    changed: BTreeSet<String>,
    watches: Option<Watches>,
    rescan_at: Instant,
}

impl LogStore {
    /// Starts to follow streams of a group.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], [`Error::Io`].
    pub fn follow(&self, follow: &Follow<'_>, from: FollowFrom) -> Result<Follower, Error> {
        let floor = self.read_group(follow.group)?.expired_before_ms;
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok();
        let mut follower = Follower {
            root: self.root.clone(),
            group: follow.group.to_owned(),
            only: follow.streams.iter().map(|&name| name.to_owned()).collect(),
            prefix: follow.prefix.to_owned(),
            from_ms: if let FollowFrom::Time(ms) = from { ms.max(floor) } else { floor },
            cursors: BTreeMap::new(),
            changed: BTreeSet::new(),
            watches: inotify.map(|inotify| Watches { inotify, streams: HashMap::new() }),
            rescan_at: Instant::now(),
        };
        follower.find_streams()?;
        let names: Vec<String> = follower.cursors.keys().cloned().collect();
        for name in names {
            let place = match from {
                FollowFrom::Beginning => None,
                FollowFrom::Now => self.place(&follower.group, &name, i64::MAX)?,
                FollowFrom::Time(ms) => self.place(&follower.group, &name, ms)?,
            };
            if let (Some(place), Some(cursor)) = (place, follower.cursors.get_mut(&name)) {
                (cursor.segment, cursor.offset, cursor.next_sequence) = place;
            }
        }
        Ok(follower)
    }

    /// Where the first event of that time or later may be: segment, offset, sequence.
    fn place(
        &self,
        group: &str,
        stream: &str,
        from_ms: i64,
    ) -> Result<Option<(Option<u64>, u64, u64)>, Error> {
        let source = match self.source(group, stream) {
            Ok(source) => source,
            Err(Error::NoSuchStream { .. }) => return Ok(None),
            Err(e) => return Err(e),
        };
        for segment in &source.segments {
            if let Some(block) = segment.all_blocks().find(|block| block.max_ms >= from_ms) {
                let place = (Some(segment.first_sequence), block.start, block.first_sequence);
                return Ok(Some(place));
            }
        }
        let end = |s: &Arc<Summary>| (Some(s.first_sequence), s.end, s.next_sequence());
        Ok(source.segments.last().map(end))
    }
}

impl Follower {
    /// What is new since the last call, in the order of time as far as it is known. Does not wait;
    /// an empty answer means there is nothing now.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn take_new(&mut self) -> Result<Vec<Followed>, Error> {
        self.take_wake_ups();
        if Instant::now() >= self.rescan_at {
            self.find_streams()?;
        }
        let mut found: Vec<(i64, u64, Followed)> = Vec::new();
        let names: Vec<String> = if self.watches.is_some() {
            std::mem::take(&mut self.changed).into_iter().collect()
        } else {
            self.cursors.keys().cloned().collect()
        };
        for name in names {
            let Some(cursor) = self.cursors.get_mut(&name) else { continue };
            let from_ms = self.from_ms;
            let stream = Arc::clone(&cursor.name);
            let has_more = cursor.read(|record| {
                let item = match notice(record) {
                    Some(notice) => Followed::Dropped { stream: Arc::clone(&stream), notice },
                    None if record.kind == Kind::Event && record.timestamp_ms >= from_ms => {
                        Followed::Event(StreamEvent {
                            stream: Arc::clone(&stream),
                            event: LogEvent {
                                timestamp_ms: record.timestamp_ms,
                                ingestion_ms: record.ingestion_ms,
                                sequence: record.sequence,
                                message: record.payload.to_vec(),
                            },
                        })
                    }
                    None => return,
                };
                found.push((record.timestamp_ms, record.sequence, item));
            })?;
            if has_more {
                self.changed.insert(name);
            }
        }
        // Stable: within a stream and a millisecond the order of writing stays.
        found.sort_by_key(|(timestamp_ms, ..)| *timestamp_ms);
        Ok(found.into_iter().map(|(.., item)| item).collect())
    }

    /// Waits until something may be new, at most that long. `true` means: call [`Self::take_new`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn wait(&self, timeout: Duration) -> Result<bool, Error> {
        let Some(watches) = &self.watches else {
            std::thread::sleep(timeout.min(WITHOUT_WATCH));
            return Ok(true);
        };
        if !self.changed.is_empty() {
            return Ok(true);
        }
        let until_rescan = self.rescan_at.saturating_duration_since(Instant::now());
        let longest = timeout.min(until_rescan);
        let longest = Timespec::try_from(longest).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut fds = [PollFd::new(&watches.inotify, PollFlags::IN)];
        match poll(&mut fds, Some(&longest)) {
            Ok(ready) => Ok(ready > 0 || until_rescan <= timeout),
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(e) => Err(io_error("wait for", &self.root)(io::Error::from(e))),
        }
    }

    /// A descriptor that becomes readable when something may be new, for a poll loop or an
    /// executor. Call [`Self::take_new`] once a second besides, for streams that are new. `None` where
    /// the kernel has no watches left: then call it several times a second.
    #[must_use]
    pub fn wake_fd(&self) -> Option<BorrowedFd<'_>> {
        self.watches.as_ref().map(|watches| watches.inotify.as_fd())
    }

    /// Notes which streams the kernel says have changed.
    fn take_wake_ups(&mut self) {
        let Some(watches) = &mut self.watches else { return };
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut reader = inotify::Reader::new(&watches.inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                self.changed.extend(self.cursors.keys().cloned());
                self.rescan_at = Instant::now();
            } else if event.events().contains(ReadFlags::IGNORED) {
                // The directory is gone. A stream that is made anew starts anew.
                if let Some(name) = watches.streams.remove(&event.wd()) {
                    self.cursors.remove(&name);
                }
                self.rescan_at = Instant::now();
            } else if let Some(name) = watches.streams.get(&event.wd()) {
                self.changed.insert(name.clone());
            } else {
                self.rescan_at = Instant::now();
            }
        }
    }

    /// Takes up streams that are new, and lets go of those that are gone.
    fn find_streams(&mut self) -> Result<(), Error> {
        self.rescan_at = Instant::now() + RESCAN;
        let streams = files::streams_dir(&files::group_dir(&self.root, &self.group));
        let dir_flags = WatchFlags::CREATE | WatchFlags::MOVED_TO;
        if let Some(watches) = &self.watches {
            // Without it, streams are found at the next rescan.
            let _ = inotify::add_watch(&watches.inotify, &streams, dir_flags);
        }
        let names: BTreeSet<String> = files::names_in(&streams, "stream.json")?
            .into_iter()
            .filter(|name| name.starts_with(&self.prefix))
            .filter(|name| self.only.is_empty() || self.only.contains(name))
            .collect();
        self.cursors.retain(|name, _| names.contains(name));
        for name in names {
            if self.cursors.contains_key(&name) {
                continue;
            }
            let dir = StreamDir::new(&self.root, &self.group, &name)?;
            if let Some(watches) = &mut self.watches {
                let flags = dir_flags | WatchFlags::MODIFY;
                match inotify::add_watch(&watches.inotify, &dir.path, flags) {
                    Ok(watch) => {
                        watches.streams.insert(watch, name.clone());
                    }
                    Err(rustix::io::Errno::NOENT) => continue,
                    // No watches left: all streams are looked at by the clock.
                    Err(_) => self.watches = None,
                }
            }
            self.changed.insert(name.clone());
            let cursor = Cursor {
                dir,
                name: name.as_str().into(),
                segment: None,
                offset: HEADER_BYTES,
                next_sequence: 1,
            };
            self.cursors.insert(name, cursor);
        }
        Ok(())
    }
}

impl Cursor {
    /// Visits what is new; `true` when there is more.
    fn read(&mut self, mut visit: impl FnMut(&Record<'_>)) -> Result<bool, Error> {
        loop {
            let Some(segment) = self.segment else {
                let segments = self.dir.segments()?;
                // The one with the next event, or the oldest if that has expired.
                let at = segments.partition_point(|first| *first <= self.next_sequence);
                let Some(&first) = segments.get(at.saturating_sub(1)) else { return Ok(false) };
                self.segment = Some(first);
                self.offset = HEADER_BYTES;
                self.next_sequence = first;
                continue;
            };
            let path = self.dir.segment(segment);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    if self.dir.segments()?.is_empty() {
                        return Ok(false);
                    }
                    self.segment = None;
                    continue;
                }
                Err(e) => return Err(io_error("open", &path)(e)),
            };
            let length = file.metadata().map_err(io_error("read", &path))?.len();
            if length < self.offset && self.offset > HEADER_BYTES {
                // Another file with the same name: the stream was deleted and made anew.
                self.segment = None;
                self.next_sequence = 1;
                continue;
            }
            let rest = length.saturating_sub(self.offset);
            if rest == 0 {
                return Ok(false);
            }
            let scanned = self.read_part(&file, rest.min(PART_BYTES), rest, &mut visit)?;
            let scanned = match scanned {
                Some(scanned) => scanned,
                // Damage longer than a part: look behind it.
                None => self.read_part(&file, rest, rest, &mut visit)?.unwrap_or(Scanned {
                    end: 0,
                    next_sequence: self.next_sequence,
                    is_sealed: false,
                }),
            };
            self.offset += scanned.end as u64;
            self.next_sequence = scanned.next_sequence;
            if !scanned.is_sealed {
                // At the end, or before a record that is being written at this moment.
                return Ok(rest > PART_BYTES);
            }
            let next = self.dir.segments()?.into_iter().find(|first| *first > segment);
            // Sealed, but the next segment is not there yet: the seal is read again then.
            let Some(next) = next else {
                self.offset -= record::HEADER_BYTES as u64;
                return Ok(false);
            };
            self.segment = Some(next);
            self.offset = HEADER_BYTES;
            self.next_sequence = next;
        }
    }

    /// `None` when a part that is not the whole rest holds no record at all.
    fn read_part(
        &self,
        file: &File,
        length: u64,
        rest: u64,
        visit: &mut impl FnMut(&Record<'_>),
    ) -> Result<Option<Scanned>, Error> {
        let path = self.dir.path.as_path();
        let bytes = read_range(file, path, self.offset, length)?;
        let visit = |_: usize, _: usize, record: &Record<'_>| visit(record);
        if length == rest {
            return Ok(Some(scan(&bytes, self.next_sequence, visit)));
        }
        let scanned = scan_part(&bytes, self.next_sequence, visit);
        Ok((scanned.end > 0).then_some(scanned))
    }
}
