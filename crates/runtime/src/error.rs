//! What can go wrong with the runtime itself. What goes wrong with one task is an observation.

use std::io;
use std::path::PathBuf;

/// Why the runtime could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    /// A file of ours is not what we wrote.
    #[error("{} is not readable as what it should hold; restore it, or remove it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// Containers have nothing to stand on here.
    #[error("could not prepare this home for containers: {problem}")]
    Ground {
        /// Why, with its causes.
        problem: String,
    },
    /// The system refused what every runtime needs (threads, event queues).
    #[error("could not {action}")]
    System {
        /// What was being done.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}
