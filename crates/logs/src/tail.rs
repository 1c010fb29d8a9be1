//! The end of a stream, where its writer appends: the newest segment and its index, open.
//!
//! Every function here wants the stream's append lock held.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::error::{Error, io_error};
use crate::files::{StreamDir, sync_dir};
use crate::index::{Block, ENTRY_BYTES};
use crate::record::{self, Kind, Record};
use crate::segment::{self, HEADER_BYTES, Summary, summarize};

/// The newest segment, open for appending.
#[derive(Debug)]
pub(crate) struct Tail {
    segment: File,
    /// Without one the index is rebuilt by whoever opens the stream next.
    index: Option<File>,
    pub(crate) first_sequence: u64,
    pub(crate) created_ms: i64,
    pub(crate) end: u64,
    open: Block,
}

impl Tail {
    /// Opens the newest segment, or makes the first one. What a writer left half written is cut
    /// off, what the index does not tell is added to it.
    pub(crate) fn open(dir: &StreamDir, now_ms: i64) -> Result<Self, Error> {
        if !dir.description().exists() {
            return Err(dir.no_such_stream());
        }
        let Some(&first) = dir.segments()?.last() else { return Self::create(dir, 1, now_ms) };
        let path = dir.segment(first);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        let summary = summarize(&file, dir, first)?;
        if summary.is_sealed {
            return Self::create(dir, summary.next_sequence(), now_ms);
        }
        let length = file.metadata().map_err(io_error("read", &path))?.len();
        if length > summary.end {
            file.set_len(summary.end).map_err(io_error("cut the torn end off", &path))?;
        }
        let Summary { created_ms, open, end, .. } = summary;
        let index = complete_index(dir, &summary);
        Ok(Self { segment: file, index, first_sequence: first, created_ms, end, open })
    }

    fn create(dir: &StreamDir, first: u64, now_ms: i64) -> Result<Self, Error> {
        let path = dir.segment(first);
        // Readers must not see a segment without a whole header.
        let new = path.with_extension("new");
        let mut segment = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&new)
            .map_err(io_error("create", &new))?;
        segment.write_all(&segment::header(first, now_ms)).map_err(io_error("write", &new))?;
        segment.sync_data().map_err(io_error("sync", &new))?;
        fs::rename(&new, &path).map_err(io_error("create", &path))?;
        sync_dir(&dir.path)?;
        Ok(Self {
            segment,
            index: open_index(dir, first, 0),
            first_sequence: first,
            created_ms: now_ms,
            end: HEADER_BYTES,
            open: Block::empty(HEADER_BYTES, first),
        })
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.open.next_sequence
    }

    /// Whether anything would be sealed.
    pub(crate) fn has_records(&self) -> bool {
        self.end > HEADER_BYTES
    }

    /// Whether the segment is as this writer left it: not deleted, not grown, not sealed.
    pub(crate) fn is_current(&self, dir: &StreamDir) -> Result<bool, Error> {
        let metadata =
            self.segment.metadata().map_err(io_error("read", &dir.segment(self.first_sequence)))?;
        Ok(metadata.nlink() > 0 && metadata.len() == self.end)
    }

    /// Appends whole records that carry the right sequences. Returns how many bytes are in the
    /// file, whole records only, and the system's answer when that is not all.
    pub(crate) fn append(&mut self, dir: &StreamDir, records: &[u8]) -> (usize, Result<(), Error>) {
        let path = dir.segment(self.first_sequence);
        let mut written = 0;
        let mut answer = Ok(());
        while written < records.len() {
            match self.segment.write_at(&records[written..], self.end + written as u64) {
                Ok(0) => {
                    answer = Err(io_error("append to", &path)(io::ErrorKind::WriteZero));
                    break;
                }
                Ok(n) => written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    answer = Err(io_error("append to", &path)(e));
                    break;
                }
            }
        }
        let (_, whole) = record::whole_records(&records[..written]);
        self.take_in(&records[..whole]);
        if whole < written {
            // Readers do not take a torn record; the next append would cut it off as well.
            let _ = self.segment.set_len(self.end);
        }
        (whole, answer)
    }

    fn take_in(&mut self, records: &[u8]) {
        let start = self.end;
        let mut complete = Vec::new();
        let mut open = self.open;
        record::scan(records, open.next_sequence, |at, bytes, record| {
            open.push(record, start + (at + bytes) as u64);
            if open.is_complete() {
                complete.extend_from_slice(&open.encode());
                open = open.following();
            }
        });
        self.open = open;
        self.end = start + records.len() as u64;
        self.write_index(&complete);
    }

    fn write_index(&mut self, entries: &[u8]) {
        if entries.is_empty() {
            return;
        }
        if let Some(index) = &mut self.index
            && index.write_all(entries).is_err()
        {
            // The index is a help; what it lacks is rebuilt when the stream is opened again.
            self.index = None;
        }
    }

    /// Seals this segment durably and begins the next one.
    pub(crate) fn rotate(&mut self, dir: &StreamDir, now_ms: i64) -> Result<(), Error> {
        let sequence = self.next_sequence();
        let seal = Record {
            kind: Kind::Seal,
            sequence,
            timestamp_ms: now_ms,
            ingestion_ms: now_ms,
            payload: &[],
        };
        let mut bytes = Vec::new();
        record::encode(&seal, &mut bytes);
        let path = dir.segment(self.first_sequence);
        self.segment.write_all_at(&bytes, self.end).map_err(io_error("seal", &path))?;
        self.segment.sync_data().map_err(io_error("sync", &path))?;
        if self.open.end > self.open.start {
            let last = self.open.encode();
            self.write_index(&last);
        }
        if let Some(index) = &self.index {
            // As above: a help, never the truth.
            let _ = index.sync_data();
        }
        *self = Self::create(dir, sequence, now_ms)?;
        Ok(())
    }

    /// Makes what was appended survive a power cut.
    pub(crate) fn sync(&self, dir: &StreamDir) -> Result<(), Error> {
        self.segment.sync_data().map_err(io_error("sync", &dir.segment(self.first_sequence)))
    }
}

fn open_index(dir: &StreamDir, first: u64, entries: usize) -> Option<File> {
    let file = OpenOptions::new().create(true).append(true).open(dir.index(first)).ok()?;
    file.set_len((entries * ENTRY_BYTES) as u64).ok()?;
    Some(file)
}

/// Makes the index file tell every complete block of the summary.
fn complete_index(dir: &StreamDir, summary: &Summary) -> Option<File> {
    let mut file = open_index(dir, summary.first_sequence, summary.indexed)?;
    let missing: Vec<u8> =
        summary.blocks[summary.indexed..].iter().flat_map(Block::encode).collect();
    file.write_all(&missing).ok()?;
    Some(file)
}
