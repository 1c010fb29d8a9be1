//! Output that is being written, line by line, wherever it goes.

mod file;
mod stream;

use std::path::PathBuf;

use self::file::FileTail;
use self::stream::StreamTail;

/// Where a container's output goes.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Into a file.
    File(PathBuf),
    /// Into a stream of the log store.
    Stream {
        /// Directory of the store.
        store: PathBuf,
        /// Log group.
        group: String,
        /// Stream.
        stream: String,
    },
}

/// The end of an output, and whatever comes.
pub(crate) enum Tail {
    File(FileTail),
    Stream(Box<StreamTail>),
}

impl Tail {
    /// Begins with the last so many lines (`None`: with the first); `None` when there is nothing
    /// there yet.
    pub(crate) fn open(place: &Place, lines: Option<usize>) -> anyhow::Result<Option<Self>> {
        Ok(match place {
            Place::File(path) => FileTail::open(path, lines)?.map(Tail::File),
            Place::Stream { store, group, stream } => {
                StreamTail::open(store, group, stream, lines)?.map(|t| Tail::Stream(Box::new(t)))
            }
        })
    }

    /// The lines that were completed since the last call.
    pub(crate) fn new_lines(&mut self) -> anyhow::Result<Vec<String>> {
        match self {
            Tail::File(tail) => tail.new_lines(),
            Tail::Stream(tail) => tail.new_lines(),
        }
    }
}
