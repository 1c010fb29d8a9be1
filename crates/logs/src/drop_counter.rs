//! The file that counts what was dropped from a stream in all.
//!
//! It is written in place, because it must work on a full disk: its block is taken when the stream
//! is opened. 24 bytes within one page are written at once as far as a killed process goes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, io_error};
use crate::event::Dropped;
use crate::record::u64_at;

/// The counter, for its writer.
#[derive(Debug)]
pub(crate) struct DropCounter {
    file: File,
    path: PathBuf,
    total: Dropped,
    is_written: bool,
}

impl DropCounter {
    /// Goes on counting where the writer before left off.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(io_error("open", path))?;
        let total = read_total(path)?;
        // Only a new file is written here: another writer may count at this moment.
        let is_written = file.metadata().map_err(io_error("read", path))?.len() > 0;
        let mut counter = Self { file, path: path.to_owned(), total, is_written };
        counter.write()?;
        Ok(counter)
    }

    pub(crate) fn total(&self) -> Dropped {
        self.total
    }

    /// Counts; [`Self::write`] makes it last.
    pub(crate) fn add(&mut self, dropped: Dropped) {
        self.total.add(dropped);
        self.is_written = false;
    }

    /// Hands the count to the kernel, if it changed.
    pub(crate) fn write(&mut self) -> Result<(), Error> {
        if self.is_written {
            return Ok(());
        }
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.total.lines.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.total.bytes.to_le_bytes());
        let crc = u64::from(crc32c::crc32c(&bytes[..16]));
        bytes[16..].copy_from_slice(&crc.to_le_bytes());
        self.file.write_all_at(&bytes, 0).map_err(io_error("write", &self.path))?;
        self.is_written = true;
        Ok(())
    }
}

/// What a counter file says; zero without one, or with a damaged one.
pub(crate) fn read_total(path: &Path) -> Result<Dropped, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Dropped::default()),
        Err(e) => return Err(io_error("read", path)(e)),
    };
    if bytes.len() != 24 || u64_at(&bytes, 16) != u64::from(crc32c::crc32c(&bytes[..16])) {
        return Ok(Dropped::default());
    }
    Ok(Dropped { lines: u64_at(&bytes, 0), bytes: u64_at(&bytes, 8) })
}
