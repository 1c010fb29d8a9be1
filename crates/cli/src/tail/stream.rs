//! The output of a container that goes to a log group.

use std::path::Path;

use anyhow::Context as _;
use neargate_logs::{Error, Follow, FollowFrom, Followed, Follower, GetEvents, LogStore};

/// Most events that are asked for from the end of a stream at once.
const PAGE: usize = 10_000;

/// A stream that is being written.
pub(crate) struct StreamTail {
    follower: Follower,
    /// Earlier events of the same millisecond are not shown.
    first_sequence: u64,
}

impl StreamTail {
    /// Begins with the last so many events (`None`: with the first); `None` when there is no such
    /// group.
    pub(super) fn open(
        root: &Path,
        group: &str,
        stream: &str,
        lines: Option<usize>,
    ) -> anyhow::Result<Option<Self>> {
        let what = || format!("cannot read stream {stream} of log group {group}");
        let store = LogStore::open(root).with_context(what)?;
        let (from, first_sequence) = match lines {
            None => (FollowFrom::Beginning, 0),
            Some(0) => (FollowFrom::Now, 0),
            Some(lines) => match last(&store, group, stream, lines) {
                Ok(Some((at_ms, sequence))) => (FollowFrom::Time(at_ms), sequence),
                // It has not begun.
                Ok(None) | Err(Error::NoSuchStream { .. }) => (FollowFrom::Beginning, 0),
                Err(Error::NoSuchGroup { .. }) => return Ok(None),
                Err(error) => return Err(error).with_context(what),
            },
        };
        let streams = [stream];
        let follow = Follow { group, streams: &streams, prefix: "" };
        match store.follow(&follow, from) {
            Ok(follower) => Ok(Some(Self { follower, first_sequence })),
            Err(Error::NoSuchGroup { .. }) => Ok(None),
            Err(error) => Err(error).with_context(what),
        }
    }

    /// What was written since the last call; lines that had to be dropped are told in their place.
    pub(super) fn new_lines(&mut self) -> anyhow::Result<Vec<String>> {
        let new = self.follower.take_new().context("cannot follow a log stream")?;
        let mut lines = Vec::new();
        for item in new {
            match item {
                Followed::Event(event) if event.event.sequence < self.first_sequence => {}
                Followed::Event(event) => {
                    lines.extend(event.event.text().lines().map(str::to_owned))
                }
                Followed::Dropped { notice, .. } => lines.push(format!(
                    "[{} lines were dropped here: the buffer was full]",
                    notice.dropped.lines
                )),
            }
        }
        Ok(lines)
    }
}

/// Time and number of the first of the last so many events.
fn last(
    store: &LogStore,
    group: &str,
    stream: &str,
    lines: usize,
) -> Result<Option<(i64, u64)>, Error> {
    let limit = Some(lines.min(PAGE));
    let get = GetEvents { group, stream, limit, ..GetEvents::default() };
    let page = store.get_events(&get)?;
    Ok(page.events.first().map(|event| (event.timestamp_ms, event.sequence)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use neargate_logs::StreamWriter;

    use super::*;

    #[test]
    fn the_last_events_then_whatever_comes() {
        let root = tempfile::tempdir().unwrap();
        let open = |lines| StreamTail::open(root.path(), "/ecs/web", "ecs/web/1", lines).unwrap();
        assert!(open(Some(1)).is_none(), "no such group yet");
        let store = LogStore::open(root.path()).unwrap();
        store.create_group("/ecs/web", None, BTreeMap::new(), 1).unwrap();
        let mut early = open(Some(5)).expect("a group without streams");
        let mut writer = StreamWriter::open(root.path(), "/ecs/web", "ecs/web/1", 1).unwrap();
        for line in ["one", "two", "three"] {
            writer.append(7, line.as_bytes()).unwrap();
        }
        assert_eq!(open(Some(2)).unwrap().new_lines().unwrap(), ["two", "three"]);
        assert_eq!(open(None).unwrap().new_lines().unwrap(), ["one", "two", "three"]);
        let mut later = open(Some(0)).unwrap();
        assert!(later.new_lines().unwrap().is_empty());
        writer.append(8, b"four").unwrap();
        assert_eq!(later.new_lines().unwrap(), ["four"]);
        let mut seen = Vec::new();
        while seen.len() < 4 {
            seen.extend(early.new_lines().unwrap());
        }
        assert_eq!(seen, ["one", "two", "three", "four"]);
    }
}
