//! Log groups: their names, retention and tags.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};

use crate::error::{Error, io_error};
use crate::files;
use crate::name;
use crate::retention::check_retention;
use crate::store::LogStore;
use crate::token::{decode_name, encode_name};

/// Most entries of one page of a listing (CWL-GRP-5).
pub const PAGE_ITEMS_MAX: usize = 50;

/// A part of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in order.
    pub items: Vec<T>,
    /// Where the next page starts; `None` when this is the last.
    pub next_token: Option<String>,
}

/// A log group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its name.
    pub name: String,
    /// When it was created, milliseconds since 1970.
    pub created_ms: i64,
    /// How many days events are kept; `None` for ever (CWL-GRP-2).
    pub retention_days: Option<u32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What `group.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupFile {
    created_ms: i64,
    pub(crate) retention_days: Option<u32>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Events before this time have expired, although they may still be in a segment.
    #[serde(default)]
    pub(crate) expired_before_ms: i64,
}

/// Which groups to list (DescribeLogGroups).
#[derive(Clone, Copy, Debug, Default)]
pub struct ListGroups<'a> {
    /// Only names that start like this.
    pub prefix: Option<&'a str>,
    /// Only names that contain this, in either case.
    pub pattern: Option<&'a str>,
    /// Entries in a page, 1 to 50; 50 unless given.
    pub limit: Option<usize>,
    /// Where to go on.
    pub token: Option<&'a str>,
}

impl LogStore {
    fn group_file(&self, group: &str) -> Result<PathBuf, Error> {
        name::check_group(group)?;
        Ok(files::group_dir(&self.root, group).join("group.json"))
    }

    pub(crate) fn read_group(&self, group: &str) -> Result<GroupFile, Error> {
        let path = self.group_file(group)?;
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NoSuchGroup { group: group.to_owned() });
            }
            Err(e) => return Err(io_error("read", &path)(e)),
        };
        serde_json::from_slice(&bytes).map_err(io_error("understand", &path))
    }

    /// Changes what is kept of a group, one change at a time.
    pub(crate) fn change_group(
        &self,
        group: &str,
        change: impl FnOnce(&mut GroupFile),
    ) -> Result<(), Error> {
        // The mutex guards a file that is replaced as a whole.
        let _one_at_a_time = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = self.read_group(group)?;
        change(&mut file);
        let path = self.group_file(group)?;
        let bytes = serde_json::to_vec(&file).map_err(io_error("write", &path))?;
        files::replace_file(&path, &bytes)
    }

    /// Creates a group; it is durable when this returns.
    ///
    /// # Errors
    /// [`Error::GroupExists`], a bad name or retention, [`Error::Io`].
    pub fn create_group(
        &self,
        group: &str,
        retention_days: Option<u32>,
        tags: BTreeMap<String, String>,
        now_ms: i64,
    ) -> Result<(), Error> {
        retention_days.map_or(Ok(()), check_retention)?;
        let path = self.group_file(group)?;
        let dir = files::streams_dir(&files::group_dir(&self.root, group));
        fs::create_dir_all(&dir).map_err(io_error("create", &dir))?;
        let file = GroupFile { created_ms: now_ms, retention_days, tags, expired_before_ms: 0 };
        let bytes = serde_json::to_vec(&file).map_err(io_error("write", &path))?;
        if !files::create_file(&path, &bytes)? {
            return Err(Error::GroupExists { group: group.to_owned() });
        }
        let groups = files::groups_dir(&self.root);
        let above = path.ancestors().skip(2).take_while(|above| above.starts_with(&groups));
        above.into_iter().try_for_each(files::sync_dir)
    }

    /// The group.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], [`Error::Io`].
    pub fn group_info(&self, group: &str) -> Result<GroupInfo, Error> {
        let GroupFile { created_ms, retention_days, tags, .. } = self.read_group(group)?;
        Ok(GroupInfo { name: group.to_owned(), created_ms, retention_days, tags })
    }

    /// Lists groups in the order of their names.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`], [`Error::InvalidToken`], [`Error::Io`].
    pub fn groups(&self, list: &ListGroups<'_>) -> Result<Page<GroupInfo>, Error> {
        if list.prefix.is_some() && list.pattern.is_some() {
            let problem = "a log group name prefix and a pattern exclude each other";
            return Err(Error::InvalidRequest { problem });
        }
        let pattern = list.pattern.map(str::to_ascii_lowercase);
        let after = list.token.map(decode_name).transpose()?;
        let mut names = self.group_names()?;
        names.retain(|name| {
            list.prefix.is_none_or(|prefix| name.starts_with(prefix))
                && pattern.as_ref().is_none_or(|p| name.to_ascii_lowercase().contains(p))
                && after.as_ref().is_none_or(|after| name > after)
        });
        let page = page_of(names, list.limit, |name| encode_name(name))?;
        let mut items = Vec::new();
        for name in page.items {
            match self.group_info(&name) {
                Ok(info) => items.push(info),
                // Deleted since it was listed.
                Err(Error::NoSuchGroup { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Page { items, next_token: page.next_token })
    }

    /// Names of all groups, in order.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn group_names(&self) -> Result<Vec<String>, Error> {
        files::names_in(&files::groups_dir(&self.root), "group.json")
    }

    /// Sets how many days events are kept; `None` for ever.
    ///
    /// # Errors
    /// [`Error::InvalidRetention`], [`Error::NoSuchGroup`], [`Error::Io`].
    pub fn put_retention(&self, group: &str, days: Option<u32>) -> Result<(), Error> {
        days.map_or(Ok(()), check_retention)?;
        self.change_group(group, |file| file.retention_days = days)
    }

    /// Adds tags, replacing those with the same key, and takes others away.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], [`Error::Io`].
    pub fn change_tags(
        &self,
        group: &str,
        add: BTreeMap<String, String>,
        remove: &[&str],
    ) -> Result<(), Error> {
        self.change_group(group, |file| {
            file.tags.extend(add);
            file.tags.retain(|key, _| !remove.contains(&key.as_str()));
        })
    }

    /// Deletes a group with all its streams.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], [`Error::Io`].
    pub fn delete_group(&self, group: &str) -> Result<(), Error> {
        self.group_info(group)?;
        self.delete_dir(&files::group_dir(&self.root, group))
    }
}

/// The first entries, and a token made of the last one when there are more.
pub(crate) fn page_of<T>(
    mut items: Vec<T>,
    limit: Option<usize>,
    token: impl Fn(&T) -> String,
) -> Result<Page<T>, Error> {
    let limit = limit.unwrap_or(PAGE_ITEMS_MAX);
    if !(1..=PAGE_ITEMS_MAX).contains(&limit) {
        return Err(Error::InvalidRequest { problem: "the limit of a listing is 1 to 50" });
    }
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next_token = items.last().filter(|_| has_more).map(token);
    Ok(Page { items, next_token })
}
