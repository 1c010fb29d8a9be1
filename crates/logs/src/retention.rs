//! Retention: what is older than its group's days goes away.
//!
//! Whole segments are deleted. Events of a segment that holds newer ones as well are hidden from
//! readers until the segment goes. A stream stays, empty, as in CloudWatch.

use std::fs;
use std::io;
use std::path::Path;

use crate::append_lock::AppendLock;
use crate::error::{Error, io_error};
use crate::files::{self, StreamDir};
use crate::index::Block;
use crate::segment::Summary;
use crate::store::LogStore;
use crate::tail::Tail;

/// The numbers of days a group can be kept (CWL-GRP-2).
pub const RETENTION_DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What [`LogStore::expire`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Segments deleted.
    pub segments: u64,
    /// Bytes of disk given back.
    pub bytes: u64,
}

pub(crate) fn check_retention(days: u32) -> Result<(), Error> {
    if RETENTION_DAYS.contains(&days) { Ok(()) } else { Err(Error::InvalidRetention { days }) }
}

/// Whether every event of a segment is older than that.
fn is_over(summary: &Summary, before_ms: i64) -> bool {
    let mut with_events = summary.all_blocks().filter(|block| block.events > 0).peekable();
    let newest = |block: &Block| block.max_ms < before_ms;
    with_events.peek().is_some() && with_events.all(newest)
}

impl LogStore {
    /// Applies the retention of all groups. Meant to be called about once an hour; the work is
    /// proportional to the number of segments.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Busy`]; what was done before stays done, and the next call goes on.
    pub fn expire(&self, now_ms: i64) -> Result<Expired, Error> {
        let mut expired = Expired::default();
        let mut failure = None;
        for group in files::names_in(&files::groups_dir(&self.root), "group.json")? {
            match self.expire_group(&group, now_ms, &mut expired) {
                // Deleted meanwhile.
                Ok(()) | Err(Error::NoSuchGroup { .. } | Error::NoSuchStream { .. }) => {}
                // One group's trouble must not keep the others' events.
                Err(e) => failure = Some(e),
            }
        }
        failure.map_or(Ok(expired), Err)
    }

    fn expire_group(&self, group: &str, now_ms: i64, expired: &mut Expired) -> Result<(), Error> {
        let file = self.read_group(group)?;
        let Some(days) = file.retention_days else { return Ok(()) };
        let before_ms = now_ms - i64::from(days) * DAY_MS;
        let mut remains = false;
        for stream in self.stream_names(group, "")? {
            let source = match self.source(group, &stream) {
                Ok(source) => source,
                Err(Error::NoSuchStream { .. }) => continue,
                Err(e) => return Err(e),
            };
            for segment in source.segments {
                if is_over(&segment, before_ms) {
                    expire_segment(&source.dir, &segment, before_ms, now_ms, expired)?;
                } else {
                    let old = |block: &Block| block.events > 0 && block.min_ms < before_ms;
                    remains |= segment.all_blocks().any(old);
                }
            }
        }
        if remains && file.expired_before_ms < before_ms {
            self.change_group(group, |file| {
                // Unless the retention was changed meanwhile.
                if file.retention_days == Some(days) {
                    file.expired_before_ms = before_ms;
                }
            })?;
        }
        Ok(())
    }
}

fn expire_segment(
    dir: &StreamDir,
    segment: &Summary,
    before_ms: i64,
    now_ms: i64,
    expired: &mut Expired,
) -> Result<(), Error> {
    if !segment.is_sealed {
        // Sealed first, so that a writer that has it open finds the next one, and sequences go on.
        let lock = AppendLock::open(&dir.lock())?;
        let _appending = lock.acquire()?;
        let mut tail = Tail::open(dir, now_ms)?;
        let path = dir.segment(segment.first_sequence);
        let is_same = tail.first_sequence == segment.first_sequence;
        let length = fs::metadata(&path).map_err(io_error("read", &path))?.len();
        if !is_same || length != segment.end {
            // Written to meanwhile: it is not over any more. The next call looks again.
            return Ok(());
        }
        tail.rotate(dir, now_ms)?;
    }
    debug_assert!(is_over(segment, before_ms), "only what is over is deleted");
    expired.segments += 1;
    for path in [dir.segment(segment.first_sequence), dir.index(segment.first_sequence)] {
        expired.bytes += remove(&path)?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<u64, Error> {
    let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
    match fs::remove_file(path) {
        Ok(()) => Ok(bytes),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(io_error("delete", path)(e)),
    }
}
