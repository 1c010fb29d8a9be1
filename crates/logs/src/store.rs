//! The reading end: all groups and streams below one root.
//!
//! A store holds no file open between calls and no state of its own, except what it remembers of
//! segments that cannot change any more. Any number of stores, in any number of processes, may look
//! at the same root while shims write to it. Calls block for as long as the disk takes; there are
//! no timers and no threads.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::drop_counter::read_total;
use crate::error::{Error, io_error};
use crate::event::{DropNotice, Dropped};
use crate::files::{self, StreamDir};
use crate::index::{Block, notice};
use crate::merge::Source;
use crate::segment::{Summary, read_block, records_of, summarize};

/// How many blocks of segments are remembered; one takes 72 bytes.
const BLOCKS_MAX: usize = 200_000;

/// All groups and streams below one root.
#[derive(Debug)]
pub struct LogStore {
    pub(crate) root: PathBuf,
    /// Held while a group's file is read, changed and written.
    pub(crate) groups: Mutex<()>,
    known: Mutex<Known>,
}

/// What segments hold, as long as they do not change.
#[derive(Debug, Default)]
struct Known {
    segments: HashMap<PathBuf, (Identity, Arc<Summary>)>,
    blocks: usize,
}

/// Tells a file from itself after a change, and from another that took its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl LogStore {
    /// Opens the store, makes its root if it does not exist, and ends deletions that a crash
    /// interrupted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(root: &Path) -> Result<Self, Error> {
        let groups = files::groups_dir(root);
        fs::create_dir_all(&groups).map_err(io_error("create", &groups))?;
        let trash = files::trash_dir(root);
        fs::create_dir_all(&trash).map_err(io_error("create", &trash))?;
        // Only what is in it: another process may delete something at this moment.
        for doomed in fs::read_dir(&trash).map_err(io_error("list", &trash))? {
            let doomed = doomed.map_err(io_error("list", &trash))?.path();
            remove_all(&doomed)?;
        }
        Ok(Self { root: root.to_owned(), groups: Mutex::default(), known: Mutex::default() })
    }

    /// Takes a directory out of sight at once, then deletes it.
    pub(crate) fn delete_dir(&self, dir: &Path) -> Result<(), Error> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let trash = files::trash_dir(&self.root);
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let doomed = trash.join(format!("{}-{unique}", std::process::id()));
        fs::rename(dir, &doomed).map_err(io_error("delete", dir))?;
        if let Some(parent) = dir.parent() {
            files::sync_dir(parent)?;
            // A long name has directories above it; they go with the last of their names.
            for above in dir.ancestors().skip(1) {
                let is_piece = above.file_name().and_then(|n| n.to_str());
                if !is_piece.is_some_and(crate::name::goes_on) || fs::remove_dir(above).is_err() {
                    break;
                }
            }
        }
        remove_all(&doomed)
    }

    /// The stream as it is now; an error when it does not exist.
    pub(crate) fn source(&self, group: &str, stream: &str) -> Result<Source, Error> {
        let dir = self.stream_dir(group, stream)?;
        let mut segments = Vec::new();
        for first in dir.segments()? {
            segments.extend(self.summary(&dir, first)?);
        }
        Ok(Source { dir: Arc::new(dir), segments })
    }

    /// The stream's directory; an error when the stream or its group does not exist.
    pub(crate) fn stream_dir(&self, group: &str, stream: &str) -> Result<StreamDir, Error> {
        let dir = StreamDir::new(&self.root, group, stream)?;
        if dir.description().exists() {
            return Ok(dir);
        }
        self.group_info(group)?;
        Err(dir.no_such_stream())
    }

    /// What a segment holds; `None` when it has been deleted meanwhile.
    pub(crate) fn summary(
        &self,
        dir: &StreamDir,
        first: u64,
    ) -> Result<Option<Arc<Summary>>, Error> {
        let path = dir.segment(first);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_error("open", &path)(e)),
        };
        let identity = Identity::of(&file.metadata().map_err(io_error("read", &path))?);
        if let Some((known, summary)) = self.known().segments.get(&path)
            && *known == identity
        {
            return Ok(Some(Arc::clone(summary)));
        }
        // Grown since `identity` was taken or not: what is remembered is at least that.
        let summary = Arc::new(summarize(&file, dir, first)?);
        if summary.is_sealed {
            repair_index(dir, &summary);
        }
        let mut known = self.known();
        if known.blocks >= BLOCKS_MAX {
            *known = Known::default();
        }
        known.blocks += summary.blocks.len() + 1;
        let before = known.segments.insert(path, (identity, Arc::clone(&summary)));
        known.blocks -= before.map_or(0, |(_, summary)| summary.blocks.len() + 1);
        Ok(Some(summary))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing in it can be half changed by a panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that was ever dropped from a stream.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], [`Error::NoSuchStream`], [`Error::Io`].
    pub fn dropped(&self, group: &str, stream: &str) -> Result<Dropped, Error> {
        read_total(&self.stream_dir(group, stream)?.dropped())
    }

    /// Where lines were dropped, oldest first, as far as the stream still reaches back.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], [`Error::NoSuchStream`], [`Error::Io`].
    pub fn drop_notices(&self, group: &str, stream: &str) -> Result<Vec<DropNotice>, Error> {
        let source = self.source(group, stream)?;
        let mut notices = Vec::new();
        for segment in &source.segments {
            for block in segment.all_blocks().filter(|block| block.notices > 0) {
                let bytes = read_block(&source.dir, segment.first_sequence, block)?;
                records_of(&bytes.unwrap_or_default(), block, |_, record| {
                    notices.extend(notice(record));
                });
            }
        }
        Ok(notices)
    }
}

fn remove_all(doomed: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(doomed) {
        // Another store has ended what was interrupted.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        answer => answer.map_err(io_error("delete", doomed)),
    }
}

/// Writes the index of a sealed segment that lacks some of it, so that the segment is not read
/// again for it.
fn repair_index(dir: &StreamDir, summary: &Summary) {
    let told = summary.blocks.len() == summary.indexed;
    if told && summary.open.start == summary.open.end {
        return;
    }
    let entries: Vec<u8> = summary.all_blocks().flat_map(Block::encode).collect();
    // A help for later; without it the segment is read again.
    let _ = files::replace_file(&dir.index(summary.first_sequence), &entries);
}
