//! Container images at rest, and the OCI distribution protocol over them.
//!
//! [`ImageStore`] keeps what registries keep (repositories, tags, manifests, blobs) and what a
//! container driver needs (layers, unpacked once, ready to be lower directories of an overlay).
//! Images come in from an OCI layout, from a `docker save` archive, from one executable file that is
//! packed with the shared libraries it needs, or over the network by [`registry`].
//!
//! On disk, below one root:
//!
//! - `blobs/sha256/<hex>`: layers, configurations and manifests, by what they contain;
//! - `repositories/<name>/_repository.json`: settings, tags and manifests of one repository;
//! - `layers/<hex of the diff id>/`: a layer's files, whiteouts as overlayfs wants them;
//! - `packed/`: which programs were packed into which layer, so that it is done once;
//! - `uploads/`, `staging/`: what is not finished; swept when the store is opened;
//! - `lock`: held while the store is open for writing; `boot`: when layers were unpacked.
//!
//! Everything gets its name by a rename after it is whole, so a process killed at any point leaves
//! an older state or a newer one, never a wrong one. A repository's record is durable when a call
//! returns, and so are the blobs of every image in it. Layers are not flushed: they can be made
//! again, and are after a restart of the machine.
//!
//! What comes from outside (layers, manifests, archives) is untrusted: digests and sizes are
//! verified, sizes are bounded by [`Limits`], and no path leaves the directory it belongs to.

#![forbid(unsafe_code)]

mod blobs;
mod decompress;
mod digest;
mod durable;
mod error;
mod garbage;
mod image;
mod import;
mod in_root;
mod lifecycle;
mod limits;
mod manifest;
mod pack;
mod platform;
mod reference;
pub mod registry;
mod remove_tree;
mod repositories;
mod repository;
mod repository_table;
mod store;
mod tar;
mod unpack;

pub use digest::{Digest, InvalidDigest};
pub use error::{Error, LayerError, PullError};
pub use garbage::Freed;
pub use image::{Image, ImageConfig};
pub use import::{ImportOptions, Select};
pub use lifecycle::{
    CountType, InvalidPolicy, LifecycleImage, LifecyclePolicy, LifecycleRule, TagSelection,
};
pub use limits::Limits;
pub use pack::{BinaryImage, PackError};
pub use reference::{ImageReference, InvalidReference};
pub use repository::{
    Encryption, ImageDetail, ImageFailure, ImageId, RepositoryDetail, RepositorySettings,
    TagMutability,
};
pub use store::ImageStore;
