//! FilterLogEvents: events of many streams, interleaved by time, that match a pattern
//! (CWL-FLT-1, CWL-FLT-2).

use std::sync::Arc;

use crate::error::Error;
use crate::event::{EVENT_OVERHEAD_BYTES, StreamEvent};
use crate::get_events::{PAGE_BYTES_MAX, check_limit};
use crate::merge::{Direction, Key, Merge, Source};
use crate::pattern::FilterPattern;
use crate::store::LogStore;
use crate::token::FilterToken;

/// Most streams to name in one request.
const STREAMS_MAX: usize = 100;
/// How much one page reads at most before it comes back with what it has, in bytes.
const PAGE_READ_BYTES: u64 = 32 * 1024 * 1024;

/// Which events to look for.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilterEvents<'a> {
    /// The group.
    pub group: &'a str,
    /// Only these streams; all when empty.
    pub streams: &'a [&'a str],
    /// Only streams whose names start like this; excludes naming streams.
    pub prefix: Option<&'a str>,
    /// Only events from this time on, milliseconds since 1970.
    pub start_ms: Option<i64>,
    /// Only events up to this time, itself included.
    pub end_ms: Option<i64>,
    /// Only events that match; all without.
    pub pattern: Option<&'a FilterPattern>,
    /// Most events to get, 1 to 10,000; 10,000 unless given.
    pub limit: Option<usize>,
    /// Where to go on.
    pub token: Option<&'a str>,
}

/// A page of found events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterPage {
    /// The events in the order of their times. May be empty although more pages follow.
    pub events: Vec<StreamEvent>,
    /// Where to go on; `None` when everything has been searched.
    pub next_token: Option<String>,
}

impl LogStore {
    /// Looks for events in a group.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], [`Error::NoSuchStream`] for a named stream,
    /// [`Error::InvalidRequest`], [`Error::InvalidToken`], [`Error::Io`].
    pub fn filter_events(&self, filter: &FilterEvents<'_>) -> Result<FilterPage, Error> {
        self.filter_within(filter, PAGE_READ_BYTES)
    }

    fn filter_within(
        &self,
        filter: &FilterEvents<'_>,
        read_bytes: u64,
    ) -> Result<FilterPage, Error> {
        let limit = check_limit(filter.limit)?;
        let floor = self.read_group(filter.group)?.expired_before_ms;
        let token = filter.token.map(FilterToken::decode).transpose()?;
        let names = self.filtered_streams(filter)?;
        let mut sources: Vec<Source> = Vec::with_capacity(names.len());
        for name in &names {
            match self.source(filter.group, name) {
                Ok(source) => sources.push(source),
                Err(Error::NoSuchStream { .. }) if filter.streams.is_empty() => {}
                Err(e) => return Err(e),
            }
        }
        let start = Key::at(filter.start_ms.unwrap_or(0).max(floor));
        let from = token.map_or(start, |token| start.max(place_of(&token, &sources)));
        let until = Key::at(filter.end_ms.map_or(i64::MAX, |end| end.saturating_add(1)));
        let names: Vec<Arc<str>> = sources.iter().map(|s| s.dir.stream.as_str().into()).collect();
        let mut merge = Merge::new(&sources, from, until, Direction::Forward);
        let mut events = Vec::new();
        let mut bytes = 0;
        while let Some((key, event)) = merge.next()? {
            let stream = &names[key.stream as usize];
            if filter.pattern.is_none_or(|pattern| pattern.matches(&event.message)) {
                bytes += event.message.len() + EVENT_OVERHEAD_BYTES;
                events.push(StreamEvent { stream: Arc::clone(stream), event });
            }
            let is_full = events.len() >= limit || bytes >= PAGE_BYTES_MAX;
            if is_full || merge.bytes_read() > read_bytes {
                let token = FilterToken {
                    timestamp_ms: key.timestamp_ms,
                    sequence: key.sequence,
                    stream: stream.to_string(),
                };
                return Ok(FilterPage { events, next_token: Some(token.encode()) });
            }
        }
        Ok(FilterPage { events, next_token: None })
    }

    fn filtered_streams(&self, filter: &FilterEvents<'_>) -> Result<Vec<String>, Error> {
        if filter.streams.len() > STREAMS_MAX {
            let problem = "at most 100 log stream names can be given";
            return Err(Error::InvalidRequest { problem });
        }
        if !filter.streams.is_empty() && filter.prefix.is_some() {
            let problem = "log stream names and a log stream name prefix exclude each other";
            return Err(Error::InvalidRequest { problem });
        }
        if filter.streams.is_empty() {
            return self.stream_names(filter.group, filter.prefix.unwrap_or(""));
        }
        let mut names: Vec<String> = filter.streams.iter().map(|&name| name.to_owned()).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// The place right behind the token's event, among sources in the order of their names. The stream
/// may have been deleted since.
fn place_of(token: &FilterToken, sources: &[Source]) -> Key {
    let stream = sources.partition_point(|source| source.dir.stream < token.stream);
    let is_there = sources.get(stream).is_some_and(|source| source.dir.stream == token.stream);
    let key = Key {
        timestamp_ms: token.timestamp_ms,
        stream: u32::try_from(stream).unwrap_or(u32::MAX),
        sequence: if is_there { token.sequence } else { 0 },
    };
    if is_there { key.after() } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::StreamWriter;

    #[test]
    fn cwl_flt_1_a_page_may_be_empty_and_yet_not_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let store = LogStore::open(dir.path()).unwrap();
        store.create_group("g", None, Default::default(), 0).unwrap();
        let mut writer = StreamWriter::open(dir.path(), "g", "s", 0).unwrap();
        for i in 0..3000 {
            writer.push(i, i, format!("line {i} {}", "x".repeat(200)).as_bytes());
        }
        writer.commit(3000).unwrap();
        let pattern = FilterPattern::parse("2999").unwrap();
        let filter =
            FilterEvents { group: "g", pattern: Some(&pattern), ..FilterEvents::default() };
        let first = store.filter_within(&filter, 100_000).unwrap();
        assert_eq!(first.events, []);
        let mut token = first.next_token;
        let mut found = Vec::new();
        while let Some(here) = token {
            let next = FilterEvents { token: Some(&here), ..filter };
            let page = store.filter_within(&next, 100_000).unwrap();
            found.extend(page.events);
            token = page.next_token;
        }
        assert_eq!(found.len(), 1);

        // A time range costs the blocks it touches, not the stream.
        let late = FilterEvents { start_ms: Some(2990), ..filter };
        let page = store.filter_within(&late, 100_000).unwrap();
        assert_eq!((page.events.len(), page.next_token), (1, None));
        let early = FilterEvents { end_ms: Some(10), ..filter };
        let page = store.filter_within(&early, 100_000).unwrap();
        assert_eq!((page.events.len(), page.next_token), (0, None));
    }
}
