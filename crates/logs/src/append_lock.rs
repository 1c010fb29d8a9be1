//! Keeps appends to one stream apart, between processes and within one.
//!
//! A lock is held for one append, not for the life of a writer: whoever comes next sees from the
//! segment's length whether somebody else wrote meanwhile. It is a POSIX record lock, because a
//! process that dies gives it back at once, even when a child forked from it lives on with copies
//! of its descriptors (the shim's container init is such a child).
//!
//! POSIX locks do not keep threads of one process apart, and closing any descriptor of the file
//! gives up the process's lock. Hence one mutex for the whole process, held while a lock is held
//! and while a lock file is closed. Appends are short.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::error::{Error, io_error};

static ONE_APPEND_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How often, and how far apart, a lock held by another process is tried again: 5 s in all.
const TRIES: u32 = 5000;
const BETWEEN_TRIES: Duration = Duration::from_millis(1);

/// The lock of one stream.
#[derive(Debug)]
pub(crate) struct AppendLock {
    file: Option<Arc<File>>,
    path: PathBuf,
}

/// While it lives, nobody else appends.
#[derive(Debug)]
pub(crate) struct Appending {
    /// Declared first, so that it is closed before the mutex is given back.
    file: Arc<File>,
    _alone_in_process: MutexGuard<'static, ()>,
}

fn alone_in_process() -> MutexGuard<'static, ()> {
    // The mutex guards no data that a panic could have left half changed.
    ONE_APPEND_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AppendLock {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(io_error("open", path))?;
        Ok(Self { file: Some(Arc::new(file)), path: path.to_owned() })
    }

    /// Waits until nobody else appends to the stream.
    pub(crate) fn acquire(&self) -> Result<Appending, Error> {
        let guard = alone_in_process();
        let Some(file) = self.file.clone() else { return Err(self.busy()) };
        for _ in 0..TRIES {
            match fcntl_lock(&*file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Appending { file, _alone_in_process: guard }),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {
                    std::thread::sleep(BETWEEN_TRIES);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(io_error("lock", &self.path)(io::Error::from(e))),
            }
        }
        Err(self.busy())
    }

    fn busy(&self) -> Error {
        Error::Busy { dir: self.path.parent().map(Path::to_owned).unwrap_or_default() }
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        // Cannot fail for a lock that is held; the process's end would give it back, too.
        let _ = fcntl_lock(&*self.file, FlockOperation::Unlock);
    }
}

impl Drop for AppendLock {
    fn drop(&mut self) {
        // While an append goes on, its end closes the file, before it gives the mutex back.
        if let Some(file) = self.file.take().and_then(Arc::into_inner) {
            let _alone = alone_in_process();
            drop(file);
        }
    }
}
