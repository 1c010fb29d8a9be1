//! What can go wrong, in words that say what was attempted and what would be right.

use std::io;
use std::path::{Path, PathBuf};

use crate::pattern::PatternError;

/// Why the log store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name breaks CloudWatch's rules for log groups (CWL-GRP-1).
    #[error(
        "'{name}' is not a log group name: {reason}; names have 1 to 512 of a-z A-Z 0-9 _ - / . # \
         and do not start with 'aws/'"
    )]
    InvalidGroupName {
        /// The name as given.
        name: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// The name breaks CloudWatch's rules for log streams (CWL-GRP-1).
    #[error(
        "'{name}' is not a log stream name: {reason}; names have 1 to 512 characters without ':' \
         and '*'"
    )]
    InvalidStreamName {
        /// The name as given.
        name: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// The group does not exist (ERR-LOG-1).
    #[error("The specified log group does not exist.")]
    NoSuchGroup {
        /// The group asked for.
        group: String,
    },
    /// The group exists already (ERR-LOG-1).
    #[error("The specified log group already exists")]
    GroupExists {
        /// The group to be created.
        group: String,
    },
    /// The stream does not exist (ERR-LOG-1).
    #[error("The specified log stream does not exist.")]
    NoSuchStream {
        /// The group it was looked for in.
        group: String,
        /// The stream asked for.
        stream: String,
    },
    /// The stream exists already (ERR-LOG-1).
    #[error("The specified log stream already exists")]
    StreamExists {
        /// The group it stands in.
        group: String,
        /// The stream to be created.
        stream: String,
    },
    /// Not one of the allowed numbers of days (CWL-GRP-2).
    #[error("a retention of {days} days is not possible; it is one of {}", allowed_days())]
    InvalidRetention {
        /// The number asked for.
        days: u32,
    },
    /// A page token that this store did not give out for this kind of request.
    #[error("The specified nextToken is invalid.")]
    InvalidToken {
        /// The token as given.
        token: String,
    },
    /// Parameters that exclude each other, or a number out of its range.
    #[error("{problem}")]
    InvalidRequest {
        /// What is wrong, as one sentence.
        problem: &'static str,
    },
    /// A batch of events that must not be taken as a whole.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A filter pattern that cannot be read.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A `awslogs-multiline-pattern` or `awslogs-datetime-format` that cannot be used.
    #[error("the multi-line pattern '{pattern}' cannot be used: {problem}")]
    InvalidMultiline {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process holds the stream in the middle of an append and does not go on: it is
    /// stopped (SIGSTOP) or hangs in the kernel.
    #[error(
        "{} is being written by another process that does not go on; end or continue that process",
        dir.display()
    )]
    Busy {
        /// The stream's directory.
        dir: PathBuf,
    },
    /// The system refused a file operation. When it was a full disk, the same call may be made
    /// again later.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Why a batch of events is refused as a whole (CWL-PUT-1, CWL-PUT-2, ERR-LOG-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// No event.
    #[error("a batch has at least one log event")]
    Empty,
    /// More than 10,000 events.
    #[error("a batch has at most 10000 log events; this one has {events}")]
    TooManyEvents {
        /// How many there are.
        events: usize,
    },
    /// More than 1 MiB, counting 26 bytes for each event besides its message.
    #[error("Upload too large: {bytes} bytes exceeds limit of 1048576")]
    TooLarge {
        /// The batch's size, counted that way.
        bytes: usize,
    },
    /// One event is larger than a batch may be.
    #[error("Log event too large: {bytes} bytes exceeds limit of 1048576")]
    EventTooLarge {
        /// Its place in the batch.
        index: usize,
        /// Its size, counting 26 bytes besides its message.
        bytes: usize,
    },
    /// An event without a message.
    #[error("log event {index} has an empty message; a message has at least one byte")]
    EmptyMessage {
        /// Its place in the batch.
        index: usize,
    },
    /// A time before 1970.
    #[error("log event {index} has a negative timestamp; it is milliseconds since 1970")]
    NegativeTimestamp {
        /// Its place in the batch.
        index: usize,
    },
    /// An event is older than the one before it.
    #[error("Log events in a single PutLogEvents request must be in chronological order.")]
    OutOfOrder {
        /// Its place in the batch.
        index: usize,
    },
    /// More than 24 hours between the first and the last.
    #[error(
        "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
    )]
    SpanTooLong,
}

fn allowed_days() -> String {
    let days: Vec<_> = crate::retention::RETENTION_DAYS.iter().map(u32::to_string).collect();
    days.join(", ")
}

/// Says what was being done to which file, for `map_err`.
pub(crate) fn io_error<E: Into<io::Error>>(
    action: &'static str,
    path: &Path,
) -> impl Fn(E) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path: path.clone(), source: source.into() }
}

impl Error {
    /// The disk, a quota or a file size limit is exhausted: the same call may work later.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    }

    /// The stream or its group has been deleted: writing to it will not work later either.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::NoSuchGroup { .. } | Self::NoSuchStream { .. })
    }
}
