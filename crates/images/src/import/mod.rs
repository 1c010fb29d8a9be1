//! Images from files: an OCI layout (a directory or its tar archive) or what `docker save` writes.
//!
//! Both are untrusted like anything from outside: what they say of a blob is checked when the blob
//! is stored, and paths in them are names in them, nothing else.

mod archive;
mod docker;
mod layout;
mod source;

use std::path::Path;

use crate::digest::Digest;
use crate::error::Error;
use crate::import::archive::Archive;
use crate::import::source::{Directory, Source};
use crate::reference::ImageReference;
use crate::store::ImageStore;

/// Which image of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// The only one, or the only one for this machine.
    #[default]
    Only,
    /// The one with this tag, or this whole reference (`team/app:v1`).
    Name(String),
    /// The one with this manifest.
    Digest(Digest),
}

/// Where an imported image goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// The repository; made if there is none.
    pub repository: String,
    /// The tag; `None` for the one it has in the archive, or `latest`.
    pub tag: Option<String>,
    /// Which image.
    pub select: Select,
}

impl ImageStore {
    /// Takes an image from an OCI layout in a directory.
    ///
    /// # Errors
    /// When the directory holds no such image, or something of it is not what it says.
    pub fn import_layout(
        &self,
        directory: &Path,
        options: &ImportOptions,
    ) -> Result<Digest, Error> {
        let mut source = Directory::open(directory)?;
        self.import(&mut source, directory, options)
    }

    /// Takes an image from a tar archive: an OCI layout, or what `docker save` and `podman save`
    /// write. The archive may be compressed.
    ///
    /// # Errors
    /// When the archive holds no such image, or something of it is not what it says.
    pub fn import_archive(&self, archive: &Path, options: &ImportOptions) -> Result<Digest, Error> {
        self.check_writable()?;
        let mut source = Archive::open(archive, &self.staging(), self.limits())?;
        self.import(&mut source, archive, options)
    }

    fn import(
        &self,
        source: &mut dyn Source,
        path: &Path,
        options: &ImportOptions,
    ) -> Result<Digest, Error> {
        self.check_writable()?;
        let _kept = self.keep_content();
        let import = Import { store: self, path, options };
        self.ensure_repository(&options.repository)?;
        if source.has("index.json")? {
            return import.layout(source);
        }
        if source.has("manifest.json")? {
            return import.docker(source);
        }
        Err(import.problem(
            "it is neither an OCI layout (no index.json) nor written by `docker save` (no manifest.json)",
        ))
    }
}

/// One import.
struct Import<'a> {
    store: &'a ImageStore,
    path: &'a Path,
    options: &'a ImportOptions,
}

impl Import<'_> {
    fn problem(&self, problem: impl Into<String>) -> Error {
        Error::Import { path: self.path.to_owned(), problem: problem.into() }
    }

    /// A small file of the archive as a whole.
    fn read(&self, source: &mut dyn Source, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let Some((reader, _)) = source.open(name)? else {
            return Err(self.problem(format!("{name} is not there")));
        };
        let mut bytes = Vec::new();
        let read =
            std::io::Read::read_to_end(&mut std::io::Read::take(reader, limit + 1), &mut bytes);
        read.map_err(Error::io("read", self.path))?;
        if bytes.len() as u64 > limit {
            return Err(Error::TooLarge { what: name.to_owned(), limit });
        }
        Ok(bytes)
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, bytes: &[u8], name: &str) -> Result<T, Error> {
        serde_json::from_slice(bytes).map_err(|error| Error::Invalid {
            what: format!("{name} in {}", self.path.display()),
            problem: error.to_string(),
        })
    }

    /// The tag to use for an image that has this name in the archive.
    fn tag(&self, name: Option<&str>) -> String {
        let own = || tag_of(name?);
        self.options.tag.clone().or_else(own).unwrap_or_else(|| "latest".to_owned())
    }

    fn no_such_image(&self, names: &[String]) -> Error {
        let wanted = match &self.options.select {
            Select::Only => "it has several images; say which one".to_owned(),
            Select::Name(name) => format!("it has no image {name}"),
            Select::Digest(digest) => format!("it has no image {digest}"),
        };
        let has =
            if names.is_empty() { "images without names".to_owned() } else { names.join(", ") };
        self.problem(format!("{wanted}; it has {has}"))
    }
}

/// Whether a name in an archive (a tag or a reference) is the one asked for.
fn is_named(name: &str, wanted: &str) -> bool {
    let same_reference = || {
        let parsed = |text: &str| text.parse::<ImageReference>().ok();
        parsed(name).is_some_and(|name| Some(name) == parsed(wanted))
    };
    name == wanted || tag_of(name).is_some_and(|tag| tag == wanted) || same_reference()
}

/// The tag in a name that is a tag or a reference.
fn tag_of(name: &str) -> Option<String> {
    if crate::reference::is_tag(name) {
        return Some(name.to_owned());
    }
    name.parse::<ImageReference>().ok()?.tag
}
