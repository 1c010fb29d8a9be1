//! The sparse index of a segment: one entry for each block of about 64 KiB, so that a time range is
//! found without reading the whole segment. Pure: bytes in, bytes out.
//!
//! The index is a help, never the truth. Entries chain (each begins where the one before ends, and
//! carries a checksum); what is behind the first one that does not fit is rebuilt from the segment.

use crate::event::{DropNotice, Dropped, EVENT_OVERHEAD_BYTES};
use crate::record::{Kind, Record, u64_at};

/// Size from which a block is complete, in bytes.
pub(crate) const BLOCK_BYTES: u64 = 64 * 1024;
/// Bytes of an entry.
pub(crate) const ENTRY_BYTES: usize = 80;

/// A run of records in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it starts and ends in the segment's file.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Sequence of its first record, and of the one behind it.
    pub(crate) first_sequence: u64,
    pub(crate) next_sequence: u64,
    /// Of its events; meaningless without any.
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    pub(crate) last_ingestion_ms: i64,
    pub(crate) events: u32,
    /// Records that say lines were dropped.
    pub(crate) notices: u32,
    /// Bytes of its messages.
    pub(crate) message_bytes: u64,
}

impl Block {
    pub(crate) fn empty(start: u64, first_sequence: u64) -> Self {
        Self {
            start,
            end: start,
            first_sequence,
            next_sequence: first_sequence,
            min_ms: i64::MAX,
            max_ms: i64::MIN,
            last_ingestion_ms: i64::MIN,
            events: 0,
            notices: 0,
            message_bytes: 0,
        }
    }

    /// The block that follows this one, still without records.
    pub(crate) fn following(&self) -> Self {
        Self::empty(self.end, self.next_sequence)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.end - self.start >= BLOCK_BYTES
    }

    /// Takes in a record that ends at `end`.
    pub(crate) fn push(&mut self, record: &Record<'_>, end: u64) {
        self.end = end;
        self.next_sequence = record.sequence + 1;
        match record.kind {
            Kind::Event => {
                self.events += 1;
                self.message_bytes += record.payload.len() as u64;
                self.min_ms = self.min_ms.min(record.timestamp_ms);
                self.max_ms = self.max_ms.max(record.timestamp_ms);
                self.last_ingestion_ms = self.last_ingestion_ms.max(record.ingestion_ms);
            }
            Kind::Dropped => self.notices += 1,
            Kind::Seal => {}
        }
    }

    /// Size as CloudWatch counts it, in bytes.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.message_bytes + u64::from(self.events) * EVENT_OVERHEAD_BYTES as u64
    }

    pub(crate) fn encode(&self) -> [u8; ENTRY_BYTES] {
        let words = [
            self.start,
            self.end,
            self.first_sequence,
            self.next_sequence,
            self.min_ms as u64,
            self.max_ms as u64,
            self.last_ingestion_ms as u64,
            u64::from(self.events) << 32 | u64::from(self.notices),
            self.message_bytes,
        ];
        let mut bytes = [0; ENTRY_BYTES];
        for (i, word) in words.iter().enumerate() {
            bytes[8 * i..8 * i + 8].copy_from_slice(&word.to_le_bytes());
        }
        let crc = u64::from(crc32c::crc32c(&bytes[..72]));
        bytes[72..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != ENTRY_BYTES
            || u64_at(bytes, 72) != u64::from(crc32c::crc32c(&bytes[..72]))
        {
            return None;
        }
        let word = |i: usize| u64_at(bytes, 8 * i);
        Some(Self {
            start: word(0),
            end: word(1),
            first_sequence: word(2),
            next_sequence: word(3),
            min_ms: word(4) as i64,
            max_ms: word(5) as i64,
            last_ingestion_ms: word(6) as i64,
            events: (word(7) >> 32) as u32,
            notices: word(7) as u32,
            message_bytes: word(8),
        })
    }
}

/// The blocks that an index file's `bytes` tell of a segment of `length` bytes whose first record
/// starts at `start` with sequence `first`.
pub(crate) fn decode_chain(bytes: &[u8], start: u64, first: u64, length: u64) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
    for entry in bytes.chunks(ENTRY_BYTES) {
        let (at, sequence) =
            blocks.last().map_or((start, first), |block| (block.end, block.next_sequence));
        let fits = |block: &Block| {
            block.start == at
                && block.first_sequence == sequence
                && block.end > at
                && block.end <= length
        };
        let Some(block) = Block::decode(entry).filter(fits) else { break };
        blocks.push(block);
    }
    blocks
}

/// What a record of kind [`Kind::Dropped`] says.
pub(crate) fn notice(record: &Record<'_>) -> Option<DropNotice> {
    if record.kind != Kind::Dropped || record.payload.len() < 16 {
        return None;
    }
    let dropped = Dropped { lines: u64_at(record.payload, 0), bytes: u64_at(record.payload, 8) };
    Some(DropNotice { timestamp_ms: record.timestamp_ms, dropped })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(start: u64, first: u64) -> Block {
        let mut block = Block::empty(start, first);
        let record = Record {
            kind: Kind::Event,
            sequence: first,
            timestamp_ms: 10,
            ingestion_ms: 12,
            payload: b"hello",
        };
        block.push(&record, start + 37);
        block
    }

    #[test]
    fn a_chain_ends_where_an_entry_does_not_fit() {
        let one = block(32, 1);
        let two = block(one.end, one.next_sequence);
        let bytes = [one.encode(), two.encode(), two.encode()].concat();
        assert_eq!(decode_chain(&bytes, 32, 1, 1000), [one, two]);
        assert_eq!(decode_chain(&bytes[..100], 32, 1, 1000), [one], "cut short");
        assert_eq!(decode_chain(&bytes, 32, 1, 100), [one], "beyond the segment's end");
        assert_eq!(decode_chain(&bytes, 32, 2, 1000), [], "of another segment");
        let mut damaged = bytes;
        damaged[85] ^= 1;
        assert_eq!(decode_chain(&damaged, 32, 1, 1000), [one]);
    }

    #[test]
    fn stored_bytes_count_26_for_each_event() {
        assert_eq!(block(32, 1).stored_bytes(), 31);
    }
}
