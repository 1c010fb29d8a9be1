//! The bytes of S3 objects at rest: files in one directory.
//!
//! A piece is written once, under an id that nothing else ever has, and belongs to the one record
//! that names it: who commits a record without the piece removes it, and what a crash left between
//! the piece and its record is removed at the next start ([`ObjectStore::retain`]). A copy is a
//! piece of its own that shares its blocks with the first. So no piece is counted, and none can be
//! taken away under a record that was just made.

#![forbid(unsafe_code)]

mod digest;

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use digest::{Algorithm, Md5, digest};

/// End of the names of files that are being written.
const UNFINISHED: &str = ".new";
/// Copied at a time.
const BUFFER: usize = 1 << 20;

/// The directory.
#[derive(Debug)]
pub struct ObjectStore {
    directory: PathBuf,
    given: AtomicU64,
    random: RandomState,
}

/// A piece that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is called.
    pub id: String,
    /// Its bytes.
    pub size: u64,
    /// MD5 of them.
    pub md5: [u8; 16],
}

impl ObjectStore {
    /// The store in that directory, which is made if need be, for this user only.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(directory: &Path) -> io::Result<ObjectStore> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        Ok(ObjectStore {
            directory: directory.to_owned(),
            given: AtomicU64::new(0),
            random: RandomState::new(),
        })
    }

    /// An id that no piece has.
    fn id(&self) -> String {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_nanos());
        format!("{now:016x}-{:016x}", self.random.hash_one((number, now)))
    }

    /// Where a piece is.
    #[must_use]
    pub fn path(&self, id: &str) -> PathBuf {
        self.directory.join(id)
    }

    /// Writes a new piece; durable when it returns.
    fn write(
        &self,
        fill: impl FnOnce(&mut File) -> io::Result<(u64, [u8; 16])>,
    ) -> io::Result<Piece> {
        let id = self.id();
        let (path, unfinished) = (self.path(&id), self.path(&format!("{id}{UNFINISHED}")));
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
        let written = fill(&mut file)
            .and_then(|filled| file.sync_all().map(|()| filled))
            .and_then(|filled| fs::rename(&unfinished, &path).map(|()| filled))
            .and_then(|filled| self.sync().map(|()| filled));
        match written {
            Ok((size, md5)) => Ok(Piece { id, size, md5 }),
            Err(error) => {
                let _nobody_needs_it = fs::remove_file(&unfinished);
                let _nobody_needs_it = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    /// Keeps these bytes.
    ///
    /// # Errors
    /// They cannot be written; nothing of them is left then.
    pub fn keep(&self, bytes: &[u8]) -> io::Result<Piece> {
        self.write(|file| {
            file.write_all(bytes)?;
            Ok((bytes.len() as u64, Md5::of(bytes)))
        })
    }

    /// Keeps parts of pieces, `(id, first byte, how many)`, as one new piece.
    ///
    /// # Errors
    /// One of them is gone or shorter, or the new one cannot be written.
    pub fn gather(&self, parts: &[(&str, u64, u64)]) -> io::Result<Piece> {
        self.write(|file| {
            let (mut md5, mut size) = (Md5::default(), 0);
            let mut buffer = vec![0; BUFFER];
            for (id, offset, length) in parts {
                let mut from = File::open(self.path(id))?;
                from.seek(SeekFrom::Start(*offset))?;
                let mut from = from.take(*length);
                loop {
                    let read = from.read(&mut buffer)?;
                    if read == 0 {
                        break;
                    }
                    md5.update(&buffer[..read]);
                    file.write_all(&buffer[..read])?;
                    size += read as u64;
                }
                if from.limit() > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Ok((size, md5.finish()))
        })
    }

    /// The same bytes under another id. They are not read.
    ///
    /// # Errors
    /// The piece is gone.
    pub fn copy(&self, id: &str) -> io::Result<String> {
        let copy = self.id();
        fs::hard_link(self.path(id), self.path(&copy))?;
        self.sync()?;
        Ok(copy)
    }

    /// Frees pieces that no record names any more. One that is gone already is as good.
    pub fn remove<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        for id in ids {
            // What cannot be removed now is found at the next start.
            let _left_behind = fs::remove_file(self.path(id));
        }
    }

    /// Frees every piece but the needed ones; how many it were.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn retain(&self, is_needed: impl Fn(&str) -> bool) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            if !name.to_str().is_some_and(&is_needed) {
                fs::remove_file(self.directory.join(&name))?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, ObjectStore) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let store = ObjectStore::open(&dir.path().join("objects")).expect("made");
        (dir, store)
    }

    #[test]
    fn pieces_are_kept_copied_gathered_and_freed() {
        let (_dir, store) = store();
        let hello = store.keep(b"hello, world").expect("kept");
        assert_eq!(hello.size, 12);
        assert_eq!(hello.md5, Md5::of(b"hello, world"));
        let copy = store.copy(&hello.id).expect("copied");
        store.remove([hello.id.as_str()]);
        assert!(!store.path(&hello.id).exists());
        assert_eq!(fs::read(store.path(&copy)).expect("outlives the first"), b"hello, world");
        let parts = [(copy.as_str(), 7, 5), (copy.as_str(), 5, 2), (copy.as_str(), 0, 5)];
        let gathered = store.gather(&parts).expect("gathered");
        assert_eq!(fs::read(store.path(&gathered.id)).expect("there"), b"world, hello");
        assert_eq!((gathered.size, gathered.md5), (12, Md5::of(b"world, hello")));
    }

    #[test]
    fn what_cannot_be_gathered_leaves_nothing() {
        let (_dir, store) = store();
        let piece = store.keep(b"12345").expect("kept");
        let id = piece.id.as_str();
        assert!(store.gather(&[(id, 0, 5), (id, 3, 3)]).is_err(), "too short");
        assert!(store.gather(&[("none", 0, 1)]).is_err());
        assert!(store.copy("none").is_err());
        assert_eq!(store.retain(|id| id == piece.id).expect("read"), 0);
    }

    #[test]
    fn a_start_frees_what_no_record_names() {
        let (_dir, store) = store();
        let (one, two) = (store.keep(b"1").expect("kept"), store.keep(b"2").expect("kept"));
        fs::write(store.path("half.new"), b"").expect("written");
        assert_eq!(store.retain(|id| id == two.id).expect("read"), 2);
        assert!(!store.path(&one.id).exists() && store.path(&two.id).exists());
    }
}
