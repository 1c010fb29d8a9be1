//! A segment: a file with a header and records, and what its index says of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Error, io_error};
use crate::files::StreamDir;
use crate::index::{Block, decode_chain};
use crate::record::{Record, scan};

/// Bytes before the first record.
pub(crate) const HEADER_BYTES: u64 = 32;
const MAGIC: &[u8; 8] = b"NGLOG\0\0\x01";

/// The header of a segment made at that time.
pub(crate) fn header(first_sequence: u64, created_ms: i64) -> [u8; HEADER_BYTES as usize] {
    let mut bytes = [0; HEADER_BYTES as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&first_sequence.to_le_bytes());
    bytes[16..24].copy_from_slice(&created_ms.to_le_bytes());
    bytes
}

/// What a segment holds, block by block.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) first_sequence: u64,
    pub(crate) created_ms: i64,
    /// Complete blocks, which the index file tells or should tell.
    pub(crate) blocks: Vec<Block>,
    /// How many of them the index file tells.
    pub(crate) indexed: usize,
    /// The block that is not complete yet.
    pub(crate) open: Block,
    /// Where the next record goes, or where the segment's last one ends.
    pub(crate) end: u64,
    pub(crate) is_sealed: bool,
}

impl Summary {
    /// Every block with records in it.
    pub(crate) fn all_blocks(&self) -> impl Iterator<Item = &Block> {
        let open = (self.open.end > self.open.start).then_some(&self.open);
        self.blocks.iter().chain(open)
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.open.next_sequence
    }
}

/// Reads the index of an open segment, and from the segment itself what the index does not tell.
pub(crate) fn summarize(file: &File, dir: &StreamDir, first: u64) -> Result<Summary, Error> {
    let path = dir.segment(first);
    let length = file.metadata().map_err(io_error("read", &path))?.len();
    let created_ms = read_created(file, &path)?;
    let index = match std::fs::read(dir.index(first)) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(io_error("read", &dir.index(first))(e)),
    };
    let mut blocks = decode_chain(&index, HEADER_BYTES, first, length);
    let indexed = blocks.len();
    let mut open =
        blocks.last().map_or_else(|| Block::empty(HEADER_BYTES, first), Block::following);
    let start = open.start;
    let tail = read_range(file, &path, start, length.saturating_sub(start))?;
    let scanned = scan(&tail, open.next_sequence, |at, bytes, record| {
        open.push(record, start + (at + bytes) as u64);
        if open.is_complete() {
            blocks.push(open);
            open = open.following();
        }
    });
    Ok(Summary {
        first_sequence: first,
        created_ms,
        blocks,
        indexed,
        open,
        end: start + scanned.end as u64,
        is_sealed: scanned.is_sealed,
    })
}

fn read_created(file: &File, path: &Path) -> Result<i64, Error> {
    let bytes = read_range(file, path, 0, HEADER_BYTES)?;
    let Some(word) = bytes.get(16..24) else { return Ok(0) };
    Ok(crate::record::u64_at(word, 0) as i64)
}

/// Reads up to `length` bytes at `start`; fewer at the file's end.
pub(crate) fn read_range(
    file: &File,
    path: &Path,
    start: u64,
    length: u64,
) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], start + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(io_error("read", path)(e)),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Visits the records of a block. Nothing when the segment has been deleted meanwhile.
pub(crate) fn read_block(
    dir: &StreamDir,
    segment: u64,
    block: &Block,
) -> Result<Option<Vec<u8>>, Error> {
    let path = dir.segment(segment);
    match File::open(&path) {
        Ok(file) => read_range(&file, &path, block.start, block.end - block.start).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_error("open", &path)(e)),
    }
}

/// Visits the records of a block's bytes with their offsets in them.
pub(crate) fn records_of<'a>(
    bytes: &'a [u8],
    block: &Block,
    mut visit: impl FnMut(usize, &Record<'a>),
) {
    scan(bytes, block.first_sequence, |at, _, record| visit(at, record));
}
