//! What can go wrong with images, in words that name the image, the place in it and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::digest::{Digest, LimitPassed};
use crate::lifecycle::InvalidPolicy;
use crate::pack::PackError;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the store open for writing.
    #[error("the image store {} is in use by another process; stop that one first", dir.display())]
    InUse {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The store was opened for reading.
    #[error("the image store {} was opened for reading only", dir.display())]
    ReadOnly {
        /// The store's directory.
        dir: PathBuf,
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
    /// A file of ours is not what we wrote.
    #[error("{} is not readable as what it should hold; restore it, or remove it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// Content is not what its name says.
    #[error("{what} has the digest {found}, not {expected}: it is damaged or was changed")]
    DigestMismatch {
        /// What was read.
        what: String,
        /// What it was announced as.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// Content has another size than its descriptor says.
    #[error("{what} has {found} bytes, not the {expected} its descriptor says")]
    SizeMismatch {
        /// What was read.
        what: String,
        /// What it was announced as.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// Content is larger than this store takes.
    #[error("{what} has more than the {limit} bytes allowed here")]
    TooLarge {
        /// What was read.
        what: String,
        /// Bytes allowed.
        limit: u64,
    },
    /// A blob that an image needs is not in the store.
    #[error("the blob {digest} is not there")]
    BlobMissing {
        /// The blob.
        digest: Digest,
    },
    /// A blob is part of an image that is still there.
    #[error("the blob {digest} is part of an image; delete the image first")]
    BlobNeeded {
        /// The blob.
        digest: Digest,
    },
    /// A manifest, index or configuration is not one.
    #[error("{what} is not valid: {problem}")]
    Invalid {
        /// Which document.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A layer is of a kind this store does not know.
    #[error("the layer {digest} has the media type {media_type}, which is not supported")]
    LayerType {
        /// The layer.
        digest: Digest,
        /// Its media type.
        media_type: String,
    },
    /// The image exists for other machines only.
    #[error(
        "image Manifest does not contain descriptor matching platform '{wanted}'; it has {}",
        list(available)
    )]
    NoPlatform {
        /// What this machine needs.
        wanted: String,
        /// What the image has.
        available: Vec<String>,
    },
    /// A layer cannot be unpacked.
    #[error("the layer {digest} cannot be unpacked")]
    Layer {
        /// The layer's blob.
        digest: Digest,
        /// Why.
        source: LayerError,
    },
    /// The name is not one a repository may have.
    #[error(
        "`{name}` is not a repository name: expected 2 to 256 lower-case letters, digits, `.`, `_`, `-` \
         and `/`, each part beginning and ending with a letter or digit"
    )]
    InvalidRepository {
        /// The name given.
        name: String,
    },
    /// The text is not a tag.
    #[error(
        "`{tag}` is not a tag: expected 1 to 128 letters, digits, `.`, `_`, `-`, not beginning with `.` or `-`"
    )]
    InvalidTag {
        /// The text given.
        tag: String,
    },
    /// There is no such repository (ERR-ECR-1).
    #[error("The repository with name '{name}' does not exist")]
    RepositoryNotFound {
        /// The repository.
        name: String,
    },
    /// There is such a repository already.
    #[error("The repository with name '{name}' already exists")]
    RepositoryExists {
        /// The repository.
        name: String,
    },
    /// The repository still holds images.
    #[error("The repository with name '{name}' cannot be deleted because it still contains images")]
    RepositoryNotEmpty {
        /// The repository.
        name: String,
    },
    /// The repository has no such image.
    #[error("The image with {id} does not exist within the repository with name '{repository}'")]
    ImageNotFound {
        /// The repository.
        repository: String,
        /// Tag or digest asked for.
        id: String,
    },
    /// The tag is taken, and the repository does not let tags move.
    #[error(
        "The image tag '{tag}' already exists in the '{repository}' repository and cannot be \
         overwritten because the tag is immutable."
    )]
    TagImmutable {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// The image is part of a multi-architecture image that is still there.
    #[error("The image {digest} is referenced by the manifest list {list}; delete that one first")]
    ReferencedByList {
        /// The image.
        digest: Digest,
        /// What refers to it.
        list: Digest,
    },
    /// A program cannot be made an image.
    #[error("could not pack {} as an image", program.display())]
    Pack {
        /// The program.
        program: PathBuf,
        /// Why.
        source: PackError,
    },
    /// An archive or layout does not hold what was asked for.
    #[error("{}: {problem}", path.display())]
    Import {
        /// The archive or directory.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The lifecycle policy is not one.
    #[error("invalid lifecycle policy: {0}")]
    Policy(#[from] InvalidPolicy),
}

impl Error {
    /// Gives a failed file operation its words.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// The error and its causes in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// What is wrong with a layer, with the entry it is wrong in.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The system refused to make or write a file of the layer.
    #[error("could not {action} `{entry}`")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The entry's path in the layer.
        entry: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The stream ends early or cannot be decompressed.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// The stream is no archive of the kind layers are.
    #[error("at byte {offset} it is no tar archive: {problem}")]
    NotTar {
        /// Where in the decompressed stream.
        offset: u64,
        /// What was found.
        problem: &'static str,
    },
    /// An entry would leave the layer, or is of a kind no layer may have.
    #[error("its entry `{entry}` is refused: {problem}")]
    Refused {
        /// The entry's path.
        entry: String,
        /// Why.
        problem: &'static str,
    },
    /// It has more of something than allowed.
    #[error("it has more than {limit} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// The unpacked content is not what the image's configuration says.
    #[error("its content has the diff id {found}, the image's configuration says {expected}")]
    WrongContent {
        /// From the configuration.
        expected: Digest,
        /// Computed.
        found: Digest,
    },
}

impl LayerError {
    /// A failed read of the layer's stream.
    pub(crate) fn reading(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<LimitPassed>()) {
            Some(LimitPassed(limit)) => Self::TooMuch { what: "bytes, unpacked", limit: *limit },
            None => Self::Unreadable(error),
        }
    }
}

/// Why a task cannot have its image, as ECS tells it (ECS-STOP-8).
#[derive(Debug)]
pub struct PullError {
    /// The image as the user wrote it.
    image: String,
    cause: PullCause,
}

/// What stands behind the words.
#[derive(Debug)]
pub(crate) enum PullCause {
    /// The text is no reference.
    Reference,
    /// Nothing of that name is there.
    NotFound(String),
    /// It is there, but cannot be had.
    Error(Box<Error>),
}

impl PullError {
    pub(crate) fn new(image: &str, cause: PullCause) -> Self {
        Self { image: image.to_owned(), cause }
    }

    /// Whether nothing of that name is in the store (as opposed to there, but unusable).
    pub fn is_not_found(&self) -> bool {
        matches!(self.cause, PullCause::NotFound(_))
    }
}

impl fmt::Display for PullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = &self.image;
        write!(f, "CannotPullContainerError: ")?;
        match &self.cause {
            PullCause::Reference => {
                write!(f, "invalid reference format: \"{image}\" is no image reference")
            }
            PullCause::NotFound(why) => {
                write!(f, "failed to resolve reference \"{image}\": not found: {why}")
            }
            PullCause::Error(error) if matches!(**error, Error::NoPlatform { .. }) => {
                write!(f, "{}: {image}", error.chain())
            }
            PullCause::Error(error) => {
                write!(f, "failed to pull image \"{image}\": {}", error.chain())
            }
        }
    }
}

impl std::error::Error for PullError {}
