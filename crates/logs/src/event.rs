//! What readers get: log events, and notices that lines were dropped.

use std::borrow::Cow;
use std::sync::Arc;

/// What CloudWatch counts for an event besides its message, in bytes (CWL-PUT-1).
pub const EVENT_OVERHEAD_BYTES: usize = 26;

/// One log event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// When it happened, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// When the store took it, milliseconds since 1970.
    pub ingestion_ms: i64,
    /// Its place in the order of writing in its stream, counted from 1. Unique in the stream.
    pub sequence: u64,
    /// The message, byte for byte as written.
    pub message: Vec<u8>,
}

impl LogEvent {
    /// The message as text; what is not UTF-8 shows as U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.message)
    }
}

/// A log event, and the stream it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvent {
    /// The stream's name.
    pub stream: Arc<str>,
    /// The event.
    pub event: LogEvent,
}

impl StreamEvent {
    /// An id as FilterLogEvents gives it: 56 digits, unique in the group.
    #[must_use]
    pub fn event_id(&self) -> String {
        // FNV-1a; only spread matters here.
        let hash = self.stream.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let LogEvent { timestamp_ms, sequence, .. } = self.event;
        format!("{:016}{sequence:020}{hash:020}", timestamp_ms.max(0))
    }
}

/// How many lines were dropped because the buffer was full or the disk was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Lines, counted as events.
    pub lines: u64,
    /// Bytes of these lines.
    pub bytes: u64,
}

impl Dropped {
    /// Adds one line of that many bytes.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.lines += 1;
        self.bytes += bytes as u64;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.bytes += other.bytes;
    }
}

/// A place in a stream where lines were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropNotice {
    /// When the stream could be written again, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// What is missing before this place.
    pub dropped: Dropped,
}
