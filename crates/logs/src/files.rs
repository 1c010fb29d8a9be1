//! Where groups, streams and segments lie below the store's root, and how small files are made
//! durable.
//!
//! ```text
//! groups/<name>/group.json                      the group: retention, tags
//! groups/<name>/streams/<name>/stream.json      the stream exists
//!                              <first sequence>.log   a segment: header, records
//!                              <first sequence>.idx   its sparse index
//!                              lock             held by whoever appends, while it does
//!                              dropped          how many lines were dropped in all
//! trash/                                        what is being deleted
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, io_error};
use crate::name;

/// A stream's files.
#[derive(Clone, Debug)]
pub(crate) struct StreamDir {
    pub(crate) group: String,
    pub(crate) stream: String,
    pub(crate) path: PathBuf,
}

pub(crate) fn groups_dir(root: &Path) -> PathBuf {
    root.join("groups")
}

pub(crate) fn group_dir(root: &Path, group: &str) -> PathBuf {
    groups_dir(root).join(name::encode(group))
}

pub(crate) fn streams_dir(group_dir: &Path) -> PathBuf {
    group_dir.join("streams")
}

pub(crate) fn trash_dir(root: &Path) -> PathBuf {
    root.join("trash")
}

impl StreamDir {
    /// Checks both names.
    pub(crate) fn new(root: &Path, group: &str, stream: &str) -> Result<Self, Error> {
        name::check_group(group)?;
        name::check_stream(stream)?;
        let path = streams_dir(&group_dir(root, group)).join(name::encode(stream));
        Ok(Self { group: group.to_owned(), stream: stream.to_owned(), path })
    }

    pub(crate) fn description(&self) -> PathBuf {
        self.path.join("stream.json")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    pub(crate) fn dropped(&self) -> PathBuf {
        self.path.join("dropped")
    }

    pub(crate) fn segment(&self, first_sequence: u64) -> PathBuf {
        self.path.join(format!("{first_sequence:020}.log"))
    }

    pub(crate) fn index(&self, first_sequence: u64) -> PathBuf {
        self.path.join(format!("{first_sequence:020}.idx"))
    }

    /// First sequences of the segments, oldest first. None when the stream does not exist.
    pub(crate) fn segments(&self) -> Result<Vec<u64>, Error> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io_error("list", &self.path)(e)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io_error("list", &self.path))?;
            let file_name = entry.file_name();
            let number = file_name.to_str().and_then(|n| n.strip_suffix(".log"));
            found.extend(number.and_then(|n| n.parse::<u64>().ok()));
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(crate) fn no_such_stream(&self) -> Error {
        Error::NoSuchStream { group: self.group.clone(), stream: self.stream.clone() }
    }
}

/// Names whose directory below `dir` holds a file called `marker`, in order.
pub(crate) fn names_in(dir: &Path, marker: &str) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let mut left = vec![(dir.to_owned(), String::new())];
    while let Some((dir, prefix)) = left.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(io_error("list", &dir)(e)),
        };
        for entry in entries {
            let entry = entry.map_err(io_error("list", &dir))?;
            let file_name = entry.file_name();
            let Some(piece) = file_name.to_str() else { continue };
            let encoded = format!("{prefix}{piece}");
            if name::goes_on(piece) {
                left.push((entry.path(), encoded));
            } else if entry.path().join(marker).exists() {
                names.extend(name::decode(&encoded));
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    let handle = File::open(dir).map_err(io_error("open", dir))?;
    handle.sync_all().map_err(io_error("sync", dir))
}

/// Makes `path` hold `bytes`, durably and at once: readers see the old file or the new one.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = write_beside(path, bytes)?;
    fs::rename(&new, path).map_err(io_error("replace", path))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes a new file `path` with `bytes`, durably and at once; `false` when it exists already.
pub(crate) fn create_file(path: &Path, bytes: &[u8]) -> Result<bool, Error> {
    let new = write_beside(path, bytes)?;
    // A link, because a rename would replace what another process made meanwhile.
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new).map_err(io_error("remove", &new))?;
    match linked {
        Ok(()) => path.parent().map_or(Ok(()), sync_dir).map(|()| true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(io_error("create", path)(e)),
    }
}

fn write_beside(path: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Unique among threads and processes; what a crash leaves behind has no meaning to readers.
    let unique = NEXT.fetch_add(1, Ordering::Relaxed);
    let new = path.with_extension(format!("{}-{unique}.new", std::process::id()));
    let written = File::create(&new)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    if let Err(e) = written {
        // What could not be written whole is worth nothing; a failure to remove it changes nothing.
        let _ = fs::remove_file(&new);
        return Err(io_error("write", &new)(e));
    }
    Ok(new)
}
