//! Content by its digest, on disk.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::manifest::Descriptor;
use crate::remove_tree::{remove, unique_in};

const BUFFER: usize = 256 * 1024;

/// The directories of blobs and of what is to become one.
#[derive(Debug)]
pub(crate) struct Blobs {
    directory: PathBuf,
    staging: PathBuf,
}

/// What content was announced as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) digest: Digest,
    pub(crate) size: Option<u64>,
}

impl From<&Descriptor> for Expected {
    fn from(descriptor: &Descriptor) -> Self {
        Self { digest: descriptor.digest, size: Some(descriptor.size) }
    }
}

impl Blobs {
    pub(crate) fn new(root: &Path) -> Self {
        Self { directory: root.join("blobs/sha256"), staging: root.join("staging") }
    }

    /// Makes the directories.
    pub(crate) fn create(&self) -> Result<(), Error> {
        for directory in [&self.directory, &self.staging] {
            fs::create_dir_all(directory).map_err(Error::io("make the directory", directory))?;
        }
        Ok(())
    }

    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.directory.join(digest.hex())
    }

    /// Length of a blob that is there.
    pub(crate) fn size(&self, digest: Digest) -> Result<Option<u64>, Error> {
        let path = self.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("look at", path)(error)),
        }
    }

    /// Opens a blob; its length with it.
    pub(crate) fn open(&self, digest: Digest) -> Result<(File, u64), Error> {
        let path = self.path(digest);
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((length, file)) => Ok((file, length)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::BlobMissing { digest })
            }
            Err(error) => Err(Error::io("open", path)(error)),
        }
    }

    /// Opens what a descriptor names, if its length is what the descriptor says.
    pub(crate) fn open_described(&self, descriptor: &Descriptor) -> Result<File, Error> {
        let (file, found) = self.open(descriptor.digest)?;
        if found != descriptor.size {
            return Err(Error::SizeMismatch {
                what: format!("the blob {}", descriptor.digest),
                expected: descriptor.size,
                found,
            });
        }
        Ok(file)
    }

    /// A small blob as a whole.
    pub(crate) fn read(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, Error> {
        let file = self.open_described(descriptor)?;
        self.read_file(file, descriptor.digest, limit)
    }

    /// A small blob as a whole, whatever its length.
    pub(crate) fn read_any(&self, digest: Digest, limit: u64) -> Result<Vec<u8>, Error> {
        let (file, _) = self.open(digest)?;
        self.read_file(file, digest, limit)
    }

    fn read_file(&self, file: File, digest: Digest, limit: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        file.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(Error::io("read", self.path(digest)))?;
        if bytes.len() as u64 > limit {
            return Err(Error::TooLarge { what: format!("the blob {digest}"), limit });
        }
        let found = Digest::of(&bytes);
        if found != digest {
            let what = format!("the blob {}", self.path(digest).display());
            return Err(Error::DigestMismatch { what, expected: digest, found });
        }
        Ok(bytes)
    }

    /// Stores bytes.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let limit = bytes.len() as u64;
        self.ingest(bytes, None, limit, "a document").map(|(digest, _)| digest)
    }

    /// Stores what a reader gives. What was announced is checked.
    pub(crate) fn ingest(
        &self,
        mut reader: impl Read,
        expected: Option<Expected>,
        limit: u64,
        what: &str,
    ) -> Result<(Digest, u64), Error> {
        let mut incoming = self.incoming()?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("read", what)(error)),
            };
            incoming.write(&buffer[..count], limit, what)?;
        }
        incoming.finish(expected, what)
    }

    /// Something that is to become a blob.
    pub(crate) fn incoming(&self) -> Result<Incoming<'_>, Error> {
        let path = unique_in(&self.staging);
        let file = File::create_new(&path).map_err(Error::io("make", &path))?;
        Ok(Incoming { blobs: self, file, path, hasher: Hasher::default() })
    }

    /// Gives a finished file its name among the blobs. Its content is durable then, its name after
    /// [`Blobs::sync_names`].
    pub(crate) fn adopt(&self, file: &File, path: &Path, digest: Digest) -> Result<(), Error> {
        let target = self.path(digest);
        if self.size(digest)?.is_some() {
            remove(path).map_err(Error::io("remove", path))?;
            return self.touch(digest);
        }
        file.sync_data().map_err(Error::io("flush", path))?;
        fs::rename(path, &target).map_err(Error::io("rename", path))
    }

    /// Makes the names of all blobs durable: called before something durable refers to them.
    pub(crate) fn sync_names(&self) -> Result<(), Error> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(Error::io("flush", &self.directory))
    }

    /// Marks a blob as wanted now, so that it is not taken for a leftover before the manifest that
    /// needs it arrives.
    pub(crate) fn touch(&self, digest: Digest) -> Result<(), Error> {
        let path = self.path(digest);
        File::options()
            .append(true)
            .open(&path)
            .and_then(|file| file.set_modified(SystemTime::now()))
            .map_err(Error::io("touch", path))
    }

    /// Every blob with its length and when it was last wanted.
    pub(crate) fn all(&self) -> Result<Vec<(Digest, u64, SystemTime)>, Error> {
        let failed = || Error::io("list", &self.directory);
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let digest = entry.file_name().to_str().and_then(Digest::from_hex);
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("look at", entry.path())(error)),
            };
            if let Some(digest) = digest {
                let wanted = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                all.push((digest, metadata.len(), wanted));
            }
        }
        Ok(all)
    }
}

/// A file that is being written and will be a blob; removed when dropped before.
pub(crate) struct Incoming<'a> {
    blobs: &'a Blobs,
    file: File,
    path: PathBuf,
    hasher: Hasher,
}

impl Incoming<'_> {
    pub(crate) fn write(&mut self, bytes: &[u8], limit: u64, what: &str) -> Result<(), Error> {
        if self.hasher.length() + bytes.len() as u64 > limit {
            return Err(Error::TooLarge { what: what.to_owned(), limit });
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    /// Checks what came and makes it a blob.
    pub(crate) fn finish(
        self,
        expected: Option<Expected>,
        what: &str,
    ) -> Result<(Digest, u64), Error> {
        let (digest, length) = self.hasher.clone().finish();
        check(expected, digest, length, what)?;
        self.blobs.adopt(&self.file, &self.path, digest)?;
        Ok((digest, length))
    }
}

impl Write for Incoming<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        // Renamed away when it became a blob; a leftover is swept when the store is opened.
        let _ = remove(&self.path);
    }
}

/// Whether content is what it was announced as.
pub(crate) fn check(
    expected: Option<Expected>,
    found: Digest,
    length: u64,
    what: &str,
) -> Result<(), Error> {
    let Some(Expected { digest, size }) = expected else { return Ok(()) };
    if let Some(size) = size.filter(|size| *size != length) {
        return Err(Error::SizeMismatch { what: what.to_owned(), expected: size, found: length });
    }
    if digest != found {
        return Err(Error::DigestMismatch { what: what.to_owned(), expected: digest, found });
    }
    Ok(())
}
