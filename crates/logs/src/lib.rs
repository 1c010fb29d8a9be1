//! The log store behind CloudWatch Logs: groups of streams of log events, in files.
//!
//! A container's shim writes one stream ([`Pump`], [`StreamWriter`]); the engine, another process,
//! reads streams, lists groups and applies retention ([`LogStore`]). There is no daemon and no
//! shared memory between them, only files, so that each may be killed at any moment:
//!
//! - what a reader could see stays; a write that was cut short is recognised by its checksum, not
//!   shown, and cut off by the next writer;
//! - readers never wait for writers. Appends to one stream take turns, append by append.
//!
//! How records look is in `record.rs`, where files lie in `files.rs`, how time ranges are found in
//! `index.rs` and `merge.rs`. Times are arguments everywhere: milliseconds since 1970.

#![forbid(unsafe_code)]

mod append_lock;
mod drop_counter;
mod error;
mod event;
mod files;
mod filter_events;
mod follow;
mod get_events;
mod groups;
mod index;
mod line_splitter;
mod merge;
mod multiline;
mod name;
mod pattern;
mod pump;
mod put_events;
mod record;
mod retention;
mod segment;
mod store;
mod streams;
mod tail;
mod token;
mod utf8;
mod writer;

pub use error::{BatchError, Error};
pub use event::{DropNotice, Dropped, EVENT_OVERHEAD_BYTES, LogEvent, StreamEvent};
pub use filter_events::{FilterEvents, FilterPage};
pub use follow::{Follow, FollowFrom, Followed, Follower};
pub use get_events::{EventPage, GetEvents, PAGE_EVENTS_MAX};
pub use groups::{GroupInfo, ListGroups, PAGE_ITEMS_MAX, Page};
pub use multiline::Multiline;
pub use pattern::{FilterPattern, PatternError};
pub use pump::{BUFFER_BYTES_DEFAULT, DeliveryMode, Pump, PumpState};
pub use put_events::{PutEvent, PutOutcome, RejectedEvents};
pub use retention::{Expired, RETENTION_DAYS};
pub use store::LogStore;
pub use streams::{ListStreams, StreamInfo, StreamOrder};
pub use writer::{MESSAGE_BYTES_MAX, SegmentLimits, StreamWriter};
