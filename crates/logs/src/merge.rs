//! Events of one or many streams in the order of their times, forwards or backwards.
//!
//! Streams are written in the order of arrival, and PutLogEvents may bring events up to 14 days
//! old. So order is made here, from blocks: a block is opened when its earliest event may be the
//! next one, sorted, and merged with the others that are open. In a stream written in order one
//! block is open at a time, and no file stays open between two blocks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::error::Error;
use crate::event::LogEvent;
use crate::files::StreamDir;
use crate::index::Block;
use crate::record::{HEADER_BYTES, Kind};
use crate::segment::{Summary, read_block, records_of};

/// A place in the order of events: by time, then by stream (its number among the sources), then by
/// sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) timestamp_ms: i64,
    pub(crate) stream: u32,
    pub(crate) sequence: u64,
}

impl Key {
    /// Before every event of that time.
    pub(crate) fn at(timestamp_ms: i64) -> Self {
        Self { timestamp_ms, stream: 0, sequence: 0 }
    }

    /// Right behind this event.
    pub(crate) fn after(self) -> Self {
        Self { sequence: self.sequence + 1, ..self }
    }
}

/// A stream to read, as it was a moment ago.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) dir: Arc<StreamDir>,
    pub(crate) segments: Vec<Arc<Summary>>,
}

impl Source {
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.segments.iter().flat_map(|segment| segment.all_blocks())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

impl Direction {
    /// Turns the order round for going backwards.
    fn order(self, key: Key) -> Order {
        let Key { timestamp_ms, stream, sequence } = key;
        match self {
            Self::Forward => (timestamp_ms, stream, sequence),
            Self::Backward => (!timestamp_ms, !stream, !sequence),
        }
    }

    /// No event of the block comes before this time, in that order.
    fn bound(self, block: &Block) -> i64 {
        match self {
            Self::Forward => block.min_ms,
            Self::Backward => !block.max_ms,
        }
    }
}

/// A key, turned so that the next event has the least.
type Order = (i64, u32, u64);

#[derive(Debug)]
struct Entry {
    key: Key,
    ingestion_ms: i64,
    /// Where its message lies in the block's bytes.
    start: usize,
    end: usize,
}

#[derive(Debug)]
struct OpenBlock {
    bytes: Vec<u8>,
    /// The next one is the last.
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct WaitingBlock {
    bound: i64,
    source: u32,
    segment: u64,
    block: Block,
}

/// Hands out events one by one.
#[derive(Debug)]
pub(crate) struct Merge<'a> {
    sources: &'a [Source],
    from: Key,
    until: Key,
    direction: Direction,
    /// The next one to open is the last.
    waiting: Vec<WaitingBlock>,
    open: Vec<OpenBlock>,
    /// The next event of each open block, and the block's number.
    heap: BinaryHeap<Reverse<(Order, usize)>>,
    bytes_read: u64,
}

impl<'a> Merge<'a> {
    /// Events from `from` (included) to `until` (not included).
    pub(crate) fn new(sources: &'a [Source], from: Key, until: Key, direction: Direction) -> Self {
        let mut waiting = Vec::new();
        for (source, number) in sources.iter().zip(0..) {
            for segment in &source.segments {
                let touches = |block: &&Block| {
                    block.events > 0
                        && block.max_ms >= from.timestamp_ms
                        && block.min_ms <= until.timestamp_ms
                };
                waiting.extend(segment.all_blocks().filter(touches).map(|block| WaitingBlock {
                    bound: direction.bound(block),
                    source: number,
                    segment: segment.first_sequence,
                    block: *block,
                }));
            }
        }
        waiting.sort_by_key(|block| Reverse(block.bound));
        Self {
            sources,
            from,
            until,
            direction,
            waiting,
            open: Vec::new(),
            heap: BinaryHeap::new(),
            bytes_read: 0,
        }
    }

    /// How many bytes of segments it has read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Result<Option<(Key, LogEvent)>, Error> {
        loop {
            let next_ms = self.heap.peek().map(|Reverse(((time, ..), _))| *time);
            let must_open =
                self.waiting.last().is_some_and(|w| next_ms.is_none_or(|next| w.bound <= next));
            let Some(block) = self.waiting.pop_if(|_| must_open) else { break };
            self.open(&block)?;
        }
        let Some(Reverse((_, number))) = self.heap.pop() else { return Ok(None) };
        let block = &mut self.open[number];
        let Some(entry) = block.entries.pop() else { return Ok(None) };
        let event = LogEvent {
            timestamp_ms: entry.key.timestamp_ms,
            ingestion_ms: entry.ingestion_ms,
            sequence: entry.key.sequence,
            message: block.bytes[entry.start..entry.end].to_vec(),
        };
        match block.entries.last() {
            Some(following) => {
                self.heap.push(Reverse((self.direction.order(following.key), number)));
            }
            None => block.bytes = Vec::new(),
        }
        Ok(Some((entry.key, event)))
    }

    fn open(&mut self, waiting: &WaitingBlock) -> Result<(), Error> {
        let dir = &self.sources[waiting.source as usize].dir;
        // A block that has expired meanwhile has no events any more.
        let Some(bytes) = read_block(dir, waiting.segment, &waiting.block)? else { return Ok(()) };
        self.bytes_read += bytes.len() as u64;
        let mut entries = Vec::new();
        records_of(&bytes, &waiting.block, |at, record| {
            let key = Key {
                timestamp_ms: record.timestamp_ms,
                stream: waiting.source,
                sequence: record.sequence,
            };
            if record.kind == Kind::Event && (self.from..self.until).contains(&key) {
                let start = at + HEADER_BYTES;
                let end = start + record.payload.len();
                entries.push(Entry { key, ingestion_ms: record.ingestion_ms, start, end });
            }
        });
        let direction = self.direction;
        // Most blocks are in order already, which this sort passes over quickly.
        entries.sort_by_key(|entry| Reverse(direction.order(entry.key)));
        let Some(next) = entries.last() else { return Ok(()) };
        let order = direction.order(next.key);
        let number = self.open.iter().position(|block| block.entries.is_empty());
        let opened = OpenBlock { bytes, entries };
        let number = match number {
            Some(number) => {
                self.open[number] = opened;
                number
            }
            None => {
                self.open.push(opened);
                self.open.len() - 1
            }
        };
        self.heap.push(Reverse((order, number)));
        Ok(())
    }
}
