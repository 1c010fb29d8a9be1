//! The store itself: opening, appending, taking snapshots.

use std::path::Path;

use crate::disk::{Disk, DiskFile, RealDisk};
use crate::error::Error;
use crate::frame::{
    BadSnapshot, End, HEADER_LEN, Header, MAX_BATCH, VERSION, batch_len, check_segment_header,
    decode_batches, decode_snapshot, encode_batch, segment_header, snapshot_header,
};

/// A snapshot being written; never read.
const TEMPORARY: &str = "snapshot.tmp";
/// Number of the first segment of a store that has no snapshot yet.
const FIRST: u64 = 1;

/// What the store held when it was opened.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The newest snapshot.
    pub snapshot: Option<Vec<u8>>,
    /// Every entry appended after it, oldest first.
    pub entries: Vec<Vec<u8>>,
    /// Bytes of a write that a crash cut short, now cut off. They were never acknowledged.
    pub discarded_bytes: u64,
}

/// An open store. Dropping it releases the directory.
pub struct Store {
    disk: Box<dyn Disk>,
    segment: Segment,
    /// Bytes in segments before the current one that belong to the journal since the snapshot.
    earlier_bytes: u64,
}

/// The segment being written.
struct Segment {
    number: u64,
    file: Box<dyn DiskFile>,
    /// Durable and acknowledged up to here.
    end: u64,
    /// A failed write may have left bytes behind `end`.
    ragged: bool,
}

impl Store {
    /// Opens the store in `dir`, creating it if there is none, and reads what it holds.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has it open; [`Error::Damaged`], [`Error::Missing`]
    /// or [`Error::Version`] when acknowledged bytes cannot be read, in which case nothing is
    /// changed; [`Error::Io`] or [`Error::Full`] when a file operation fails.
    pub fn open(dir: &Path) -> Result<(Store, Recovered), Error> {
        Self::open_on(Box::new(RealDisk::open(dir)?))
    }

    pub(crate) fn open_on(disk: Box<dyn Disk>) -> Result<(Store, Recovered), Error> {
        let names = disk.list().map_err(|e| io(disk.as_ref(), "list the files around", "", e))?;
        let numbers = |prefix: &str| {
            let mut found: Vec<u64> =
                names.iter().filter_map(|n| n.strip_prefix(prefix)?.parse().ok()).collect();
            found.sort_unstable();
            found
        };
        let mut recovered = Recovered::default();
        let snapshot = numbers("snapshot-").last().copied();
        if let Some(number) = snapshot {
            recovered.snapshot = Some(read_snapshot(disk.as_ref(), number)?);
        }

        let first = snapshot.unwrap_or(FIRST);
        let mut segments: Vec<u64> =
            numbers("segment-").into_iter().filter(|number| *number >= first).collect();
        for (expected, number) in (first..).zip(&segments) {
            if *number != expected {
                return Err(Error::Missing { path: disk.path(&segment_name(expected)) });
            }
        }
        // The segment exists before the snapshot that starts with it.
        if snapshot.is_some() && segments.is_empty() {
            return Err(Error::Missing { path: disk.path(&segment_name(first)) });
        }

        let mut contents = Vec::with_capacity(segments.len());
        for number in &segments {
            let name = segment_name(*number);
            contents.push(disk.read(&name).map_err(|e| io(disk.as_ref(), "read", &name, e))?);
        }
        // A crash while a segment is being created leaves one that was never written to. The
        // first one of a snapshot is durable before the snapshot is.
        let mut unborn = None;
        if let (Some(number), Some(bytes)) = (segments.last().copied(), contents.last())
            && never_begun(bytes, number)
            && snapshot != Some(number)
        {
            unborn = Some(number);
            recovered.discarded_bytes += bytes.len() as u64;
            segments.pop();
            contents.pop();
        }

        let mut earlier_bytes = 0;
        let mut last_end = 0;
        for (index, (number, bytes)) in segments.iter().zip(&contents).enumerate() {
            let last = index + 1 == segments.len();
            last_end = read_segment(disk.as_ref(), *number, bytes, last, &mut recovered)?;
            if !last {
                earlier_bytes += last_end;
            }
        }

        // Everything is readable: from here on the directory is changed.
        if let Some(number) = unborn {
            let name = segment_name(number);
            disk.remove(&name).map_err(|e| io(disk.as_ref(), "remove", &name, e))?;
        }
        let segment = match segments.last() {
            None => Segment::create(disk.as_ref(), first)?,
            Some(number) => Segment::reopen(disk.as_ref(), *number, last_end)?,
        };
        let store = Store { disk, segment, earlier_bytes };
        store.remove_before(first);
        let _absent = store.disk.remove(TEMPORARY);
        Ok((store, recovered))
    }

    /// Appends entries, all or none, with one sync. They are durable when this returns `Ok`.
    ///
    /// # Errors
    /// After any error none of the entries is in the store, everything acknowledged before still
    /// is, and the call may be made again.
    pub fn append(&mut self, entries: &[Vec<u8>]) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let bytes = batch_len(entries);
        if bytes > MAX_BATCH {
            return Err(Error::TooLarge { bytes: bytes as u64, limit: MAX_BATCH as u64 });
        }
        self.segment.make_clean(self.disk.as_ref())?;
        let batch = encode_batch(self.segment.number, self.segment.end, entries);
        self.segment.append(self.disk.as_ref(), &batch)
    }

    /// Replaces everything before with `state`: the next opening gives it, and only entries
    /// appended from now on.
    ///
    /// # Errors
    /// After an error nothing is lost and the store goes on: it holds the old snapshot with all
    /// entries, or (when only the last sync failed) the new one.
    pub fn snapshot(&mut self, state: &[u8]) -> Result<(), Error> {
        let disk = self.disk.as_ref();
        let number = self.segment.number + 1;
        self.segment.make_clean(disk)?;
        if let Err(error) = write_snapshot(disk, number, state) {
            let _absent = disk.remove(TEMPORARY);
            return Err(error);
        }
        // Appends go to the new segment as soon as it exists: it continues the old segments as
        // well as the new snapshot, whichever of the two a crash leaves.
        let next = match Segment::create(disk, number) {
            Ok(next) => next,
            Err(error) => {
                let _absent = disk.remove(TEMPORARY);
                return Err(error);
            }
        };
        self.earlier_bytes += self.segment.end;
        self.segment = next;
        let name = snapshot_name(number);
        disk.rename(TEMPORARY, &name).map_err(|e| io(disk, "rename to", &name, e))?;
        disk.sync().map_err(|e| io(disk, "sync the directory of", &name, e))?;
        self.earlier_bytes = 0;
        self.remove_before(number);
        Ok(())
    }

    /// Bytes of journal since the last snapshot: what the next opening would have to replay.
    #[must_use]
    pub fn journal_bytes(&self) -> u64 {
        self.earlier_bytes + self.segment.end
    }

    /// Removes what a snapshot has made superfluous. What cannot be removed now is the next
    /// opening's or snapshot's to remove.
    fn remove_before(&self, first: u64) {
        for name in self.disk.list().unwrap_or_default() {
            let number = name.strip_prefix("segment-").or_else(|| name.strip_prefix("snapshot-"));
            if number.and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n < first) {
                let _left_for_later = self.disk.remove(&name);
            }
        }
    }
}

impl Segment {
    /// A new segment, durable with its name.
    fn create(disk: &dyn Disk, number: u64) -> Result<Self, Error> {
        let name = segment_name(number);
        let fail = |action, e| io(disk, action, &name, e);
        let mut file = disk.create(&name).map_err(|e| fail("create", e))?;
        let written = file
            .append(&segment_header(number))
            .and_then(|()| file.sync())
            .and_then(|()| disk.sync());
        if let Err(error) = written {
            // Emptied as well, so that it counts as never begun even if it cannot be removed.
            let _emptied = file.truncate(0).and_then(|()| file.sync());
            let _removed = disk.remove(&name);
            return Err(fail("create", error));
        }
        Ok(Self { number, file, end: HEADER_LEN as u64, ragged: false })
    }

    /// An existing one, cut to what was acknowledged.
    fn reopen(disk: &dyn Disk, number: u64, end: u64) -> Result<Self, Error> {
        let name = segment_name(number);
        let file = disk.open(&name).map_err(|e| io(disk, "open", &name, e))?;
        let mut segment = Self { number, file, end, ragged: true };
        segment.make_clean(disk)?;
        Ok(segment)
    }

    fn append(&mut self, disk: &dyn Disk, bytes: &[u8]) -> Result<(), Error> {
        let written = self.file.append(bytes).and_then(|()| self.file.sync());
        match written {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                let error = io(disk, "append to", &segment_name(self.number), error);
                self.ragged = true;
                // If this fails too, the next call begins with it.
                let _tried = self.make_clean(disk);
                Err(error)
            }
        }
    }

    /// Cuts off what a failed write may have left, durably, so that it cannot come back later as
    /// an entry whose writer was told that it failed.
    fn make_clean(&mut self, disk: &dyn Disk) -> Result<(), Error> {
        if self.ragged {
            let cut = self.file.truncate(self.end).and_then(|()| self.file.sync());
            cut.map_err(|e| io(disk, "cut", &segment_name(self.number), e))?;
            self.ragged = false;
        }
        Ok(())
    }
}

/// Whether a crash can have left this segment before anything was acknowledged in it.
fn never_begun(bytes: &[u8], number: u64) -> bool {
    bytes.len() <= HEADER_LEN && check_segment_header(bytes, number) == Header::Bad
}

/// Adds the entries of one segment; returns where its last good batch ends.
fn read_segment(
    disk: &dyn Disk,
    number: u64,
    bytes: &[u8],
    last: bool,
    recovered: &mut Recovered,
) -> Result<u64, Error> {
    let path = || disk.path(&segment_name(number));
    let damaged =
        |offset: usize, problem| Error::Damaged { path: path(), offset: offset as u64, problem };
    match check_segment_header(bytes, number) {
        Header::Good => {}
        Header::OtherVersion(found) => {
            return Err(Error::Version { path: path(), found, expected: VERSION });
        }
        Header::Bad => return Err(damaged(0, "its header is broken")),
    }
    match decode_batches(bytes, number, &mut recovered.entries) {
        End::Clean => Ok(bytes.len() as u64),
        End::Torn(offset) if last => {
            recovered.discarded_bytes += (bytes.len() - offset) as u64;
            Ok(offset as u64)
        }
        End::Torn(offset) => {
            Err(damaged(offset, "a batch is broken, although a later segment exists"))
        }
        End::Damaged(offset) => {
            Err(damaged(offset, "a batch is broken, although later ones are valid"))
        }
    }
}

fn read_snapshot(disk: &dyn Disk, number: u64) -> Result<Vec<u8>, Error> {
    let name = snapshot_name(number);
    let bytes = disk.read(&name).map_err(|e| io(disk, "read", &name, e))?;
    decode_snapshot(bytes, number).map_err(|bad| match bad {
        BadSnapshot::OtherVersion(found) => {
            Error::Version { path: disk.path(&name), found, expected: VERSION }
        }
        BadSnapshot::Damaged(problem, offset) => {
            Error::Damaged { path: disk.path(&name), offset: offset as u64, problem }
        }
    })
}

fn write_snapshot(disk: &dyn Disk, number: u64, state: &[u8]) -> Result<(), Error> {
    let write = || {
        let mut file = disk.create(TEMPORARY)?;
        file.append(&snapshot_header(number, state))?;
        file.append(state)?;
        file.sync()
    };
    write().map_err(|e| io(disk, "write", TEMPORARY, e))
}

fn segment_name(number: u64) -> String {
    format!("segment-{number:010}")
}

fn snapshot_name(number: u64) -> String {
    format!("snapshot-{number:010}")
}

fn io(disk: &dyn Disk, action: &'static str, name: &str, error: std::io::Error) -> Error {
    Error::io(action, disk.path(name), error)
}
