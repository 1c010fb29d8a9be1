//! GetLogEvents: pages of one stream, in either direction (CWL-GET-1).

use crate::error::Error;
use crate::event::{EVENT_OVERHEAD_BYTES, LogEvent};
use crate::merge::{Direction, Key, Merge};
use crate::store::LogStore;
use crate::token::{EventToken, TIME_MS_MAX};

/// Most events of one page.
pub const PAGE_EVENTS_MAX: usize = 10_000;
/// Most bytes of one page, counting 26 for each event besides its message.
pub(crate) const PAGE_BYTES_MAX: usize = 1 << 20;

/// Which events to get.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetEvents<'a> {
    /// The group.
    pub group: &'a str,
    /// The stream.
    pub stream: &'a str,
    /// Only events from this time on, milliseconds since 1970.
    pub start_ms: Option<i64>,
    /// Only events before this time.
    pub end_ms: Option<i64>,
    /// Without a token: the earliest events, not the latest.
    pub from_head: bool,
    /// Most events to get, 1 to 10,000; 10,000 unless given.
    pub limit: Option<usize>,
    /// Where to go on; the token knows the direction.
    pub token: Option<&'a str>,
}

/// A page of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    /// The events in the order of their times.
    pub events: Vec<LogEvent>,
    /// Where later events go on. The same token as was given: there are none yet.
    pub next_forward_token: String,
    /// Where earlier events go on. The same token as was given: there are none.
    pub next_backward_token: String,
}

pub(crate) fn check_limit(limit: Option<usize>) -> Result<usize, Error> {
    let limit = limit.unwrap_or(PAGE_EVENTS_MAX);
    if (1..=PAGE_EVENTS_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Error::InvalidRequest { problem: "the limit of log events is 1 to 10000" })
}

impl LogStore {
    /// Gets a page of a stream's events.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], [`Error::NoSuchStream`], [`Error::InvalidRequest`],
    /// [`Error::InvalidToken`], [`Error::Io`].
    pub fn get_events(&self, get: &GetEvents<'_>) -> Result<EventPage, Error> {
        let limit = check_limit(get.limit)?;
        let floor = self.read_group(get.group)?.expired_before_ms;
        let source = self.source(get.group, get.stream)?;
        let start = get.start_ms.unwrap_or(0).max(floor).clamp(0, TIME_MS_MAX);
        let mut from = Key::at(start);
        let mut until = Key::at(get.end_ms.unwrap_or(i64::MAX));
        let token = get.token.map(EventToken::decode).transpose()?;
        let direction = match token {
            Some(EventToken::Forward(key)) => {
                from = from.max(key);
                Direction::Forward
            }
            Some(EventToken::Backward(key)) => {
                until = until.min(key);
                Direction::Backward
            }
            None if get.from_head => Direction::Forward,
            None => Direction::Backward,
        };
        let sources = [source];
        let mut merge = Merge::new(&sources, from, until, direction);
        let mut events = Vec::new();
        let mut bytes = 0;
        while events.len() < limit
            && let Some((_, event)) = merge.next()?
        {
            bytes += event.message.len() + EVENT_OVERHEAD_BYTES;
            if bytes > PAGE_BYTES_MAX && !events.is_empty() {
                break;
            }
            events.push(event);
        }
        if direction == Direction::Backward {
            events.reverse();
        }
        let here = match token {
            Some(EventToken::Forward(key) | EventToken::Backward(key)) => key,
            None => Key::at(start),
        };
        let key = |event: &LogEvent| Key {
            timestamp_ms: event.timestamp_ms,
            stream: 0,
            sequence: event.sequence,
        };
        let before = events.first().map_or(here, key);
        let after = events.last().map_or(here, |event| key(event).after());
        Ok(EventPage {
            events,
            next_forward_token: EventToken::Forward(after).encode(),
            next_backward_token: EventToken::Backward(before).encode(),
        })
    }
}
