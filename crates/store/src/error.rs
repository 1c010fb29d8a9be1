//! What can go wrong, in words that name the file and what to do.

use std::io;
use std::path::PathBuf;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the store open.
    #[error("{} is in use by {}; stop it, or use another directory", dir.display(), holder(*pid))]
    InUse {
        /// The store's directory.
        dir: PathBuf,
        /// The process that holds it, when it has said so.
        pid: Option<u32>,
    },
    /// The disk is full. Nothing of what was being written remains; what was acknowledged before
    /// is safe, and the same call may be made again.
    #[error("the disk is full: could not {action} {}; free some space and try again", path.display())]
    Full {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused a file operation.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Acknowledged bytes are damaged.
    #[error(
        "{} is damaged at byte {offset}: {problem}; restore the directory from a copy, or move it \
         away to start empty",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What was found.
        problem: &'static str,
    },
    /// A file that must be there is not.
    #[error(
        "{} is missing, although files around it exist; restore the directory from a copy, or move \
         it away to start empty",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Written by another version of Neargate.
    #[error("{} has format version {found}, this version reads {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The entries of one call are too large together.
    #[error("a batch of {bytes} bytes is too large, at most {limit} bytes fit")]
    TooLarge {
        /// What was asked for.
        bytes: u64,
        /// What fits.
        limit: u64,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::Full { action, path, source }
            }
            _ => Error::Io { action, path, source },
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
