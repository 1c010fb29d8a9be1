//! Log streams: creating, deleting, listing.

use std::cmp::Reverse;
use std::fs;

use serde::Deserialize;

use crate::append_lock::AppendLock;
use crate::error::Error;
use crate::files::{self, StreamDir};
use crate::groups::{Page, page_of};
use crate::index::Block;
use crate::store::LogStore;
use crate::token::{decode_name, encode_name};
use crate::writer::create_stream;

/// A log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its name.
    pub name: String,
    /// When it was created, milliseconds since 1970.
    pub created_ms: i64,
    /// Time of its earliest event, if it has any; likewise below.
    pub first_event_ms: Option<i64>,
    /// Time of its latest event.
    pub last_event_ms: Option<i64>,
    /// When its latest event was taken.
    pub last_ingestion_ms: Option<i64>,
    /// Bytes of its messages and 26 for each event, as CloudWatch counts.
    pub stored_bytes: u64,
    /// Sequence of its next event.
    pub next_sequence: u64,
}

/// How streams are ordered in a listing (CWL-GRP-5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamOrder {
    /// By name.
    #[default]
    Name,
    /// By the time of the latest event; excludes a prefix.
    LastEventTime,
}

/// Which streams to list (DescribeLogStreams).
#[derive(Clone, Copy, Debug, Default)]
pub struct ListStreams<'a> {
    /// The group.
    pub group: &'a str,
    /// Only names that start like this.
    pub prefix: Option<&'a str>,
    /// The order.
    pub order: StreamOrder,
    /// The other way round.
    pub is_descending: bool,
    /// Entries in a page, 1 to 50; 50 unless given.
    pub limit: Option<usize>,
    /// Where to go on.
    pub token: Option<&'a str>,
}

#[derive(Deserialize)]
struct StreamFile {
    created_ms: i64,
}

impl LogStore {
    /// Creates a stream.
    ///
    /// # Errors
    /// [`Error::StreamExists`], [`Error::NoSuchGroup`], a bad name, [`Error::Io`].
    pub fn create_stream(&self, group: &str, stream: &str, now_ms: i64) -> Result<(), Error> {
        let dir = StreamDir::new(&self.root, group, stream)?;
        if create_stream(&self.root, &dir, now_ms)? {
            return Ok(());
        }
        Err(Error::StreamExists { group: dir.group, stream: dir.stream })
    }

    /// Deletes a stream with its events. A writer that has it open gets [`Error::NoSuchStream`].
    ///
    /// # Errors
    /// [`Error::NoSuchStream`], [`Error::NoSuchGroup`], [`Error::Io`].
    pub fn delete_stream(&self, group: &str, stream: &str) -> Result<(), Error> {
        let dir = self.stream_dir(group, stream)?;
        let lock = AppendLock::open(&dir.lock())?;
        let _appending = lock.acquire()?;
        self.delete_dir(&dir.path)
    }

    /// Names of the group's streams that start like this, in order.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], [`Error::Io`].
    pub fn stream_names(&self, group: &str, prefix: &str) -> Result<Vec<String>, Error> {
        self.group_info(group)?;
        let dir = files::streams_dir(&files::group_dir(&self.root, group));
        let mut names = files::names_in(&dir, "stream.json")?;
        names.retain(|name| name.starts_with(prefix));
        Ok(names)
    }

    /// The stream.
    ///
    /// # Errors
    /// [`Error::NoSuchStream`], [`Error::NoSuchGroup`], [`Error::Io`].
    pub fn stream_info(&self, group: &str, stream: &str) -> Result<StreamInfo, Error> {
        let floor = self.read_group(group)?.expired_before_ms;
        self.stream_info_above(group, stream, floor)
    }

    fn stream_info_above(
        &self,
        group: &str,
        stream: &str,
        floor_ms: i64,
    ) -> Result<StreamInfo, Error> {
        let source = self.source(group, stream)?;
        let description = source.dir.description();
        let created = fs::read(&description)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<StreamFile>(&bytes).ok());
        let alive = |block: &&Block| block.events > 0 && block.max_ms >= floor_ms;
        let blocks: Vec<&Block> = source.blocks().filter(alive).collect();
        Ok(StreamInfo {
            name: stream.to_owned(),
            created_ms: created.map_or(0, |file| file.created_ms),
            first_event_ms: blocks.iter().map(|block| block.min_ms.max(floor_ms)).min(),
            last_event_ms: blocks.iter().map(|block| block.max_ms).max(),
            last_ingestion_ms: blocks.iter().map(|block| block.last_ingestion_ms).max(),
            stored_bytes: blocks.iter().map(|block| block.stored_bytes()).sum(),
            next_sequence: source.segments.last().map_or(1, |segment| segment.next_sequence()),
        })
    }

    /// Lists streams.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], [`Error::InvalidRequest`], [`Error::InvalidToken`], [`Error::Io`].
    pub fn streams(&self, list: &ListStreams<'_>) -> Result<Page<StreamInfo>, Error> {
        let floor = self.read_group(list.group)?.expired_before_ms;
        let names = self.stream_names(list.group, list.prefix.unwrap_or(""))?;
        match list.order {
            StreamOrder::Name => self.by_name(list, names, floor),
            StreamOrder::LastEventTime if list.prefix.is_some() => Err(Error::InvalidRequest {
                problem: "a log stream name prefix and an order by LastEventTime exclude each other",
            }),
            StreamOrder::LastEventTime => self.by_last_event(list, &names, floor),
        }
    }

    fn by_name(
        &self,
        list: &ListStreams<'_>,
        mut names: Vec<String>,
        floor: i64,
    ) -> Result<Page<StreamInfo>, Error> {
        let after = list.token.map(decode_name).transpose()?;
        if list.is_descending {
            names.reverse();
        }
        names.retain(|name| {
            after.as_ref().is_none_or(|after| (name > after) != list.is_descending && name != after)
        });
        let page = page_of(names, list.limit, |name| encode_name(name))?;
        let items = self.infos(list.group, &page.items, floor)?;
        Ok(Page { items, next_token: page.next_token })
    }

    fn by_last_event(
        &self,
        list: &ListStreams<'_>,
        names: &[String],
        floor: i64,
    ) -> Result<Page<StreamInfo>, Error> {
        let place = |info: &StreamInfo| (info.last_event_ms.unwrap_or(0), info.name.clone());
        let after = list.token.map(decode_name).transpose()?;
        let after = after.map(|text| -> Result<(i64, String), Error> {
            let invalid = || Error::InvalidToken { token: list.token.unwrap_or("").to_owned() };
            let (time, name) = text.split_once('/').ok_or_else(invalid)?;
            Ok((time.parse().map_err(|_| invalid())?, name.to_owned()))
        });
        let after = after.transpose()?;
        let mut infos = self.infos(list.group, names, floor)?;
        if list.is_descending {
            infos.sort_by_key(|info| Reverse(place(info)));
        } else {
            infos.sort_by_key(place);
        }
        infos.retain(|info| {
            let here = place(info);
            after
                .as_ref()
                .is_none_or(|after| (here > *after) != list.is_descending && here != *after)
        });
        page_of(infos, list.limit, |info| {
            let (time, name) = place(info);
            encode_name(&format!("{time}/{name}"))
        })
    }

    fn infos(&self, group: &str, names: &[String], floor: i64) -> Result<Vec<StreamInfo>, Error> {
        let mut infos = Vec::with_capacity(names.len());
        for name in names {
            match self.stream_info_above(group, name, floor) {
                Ok(info) => infos.push(info),
                // Deleted since it was listed.
                Err(Error::NoSuchStream { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(infos)
    }
}
