//! Packs one executable file as an image: the file, the shared libraries it needs, and the few
//! files without which C libraries do not know users, names or certificates.
//!
//! The same program gives the same digest: entries are sorted, times and owners are zero, and
//! nothing of the machine (paths, user names) goes in beyond the files' contents. The layer is not
//! compressed, because it is not going over a network before somebody pulls it.

mod contents;
mod elf;
mod ld_cache;
mod libraries;
mod stamp;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::blobs::Blobs;
use crate::digest::Digest;
use crate::error::Error;
use crate::manifest::{
    ConfigFile, Descriptor, Document, Execution, Manifest, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST,
    RootFs, to_bytes,
};
use crate::pack::contents::{Content, contents};
use crate::pack::stamp::Stamp;
use crate::remove_tree::unique_in;
use crate::repositories::MissingMembers;
use crate::store::ImageStore;
use crate::tar::TarWriter;

/// Increased when the same inputs give another layer, so that layers packed before are not used.
const FORMAT: u32 = 1;

/// A program that is to become an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BinaryImage {
    /// The executable: an ELF file, static or dynamic.
    pub program: PathBuf,
    /// Its name in the image, where that is to be another than its file name. It stands in
    /// `/usr/local/bin`.
    pub name: Option<String>,
    /// Arguments that always follow the program: the entry point is the program and these.
    pub entrypoint: Vec<String>,
    /// Arguments that a task definition's command replaces.
    pub cmd: Vec<String>,
    /// `NAME=value`; a PATH is added.
    pub env: Vec<String>,
    /// E.g. `8080/tcp`.
    pub exposed_ports: Vec<String>,
    /// `user[:group]`; empty for root.
    pub user: String,
    /// Empty for `/`.
    pub working_dir: String,
    /// E.g. `SIGINT`.
    pub stop_signal: Option<String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Further executables of this machine that the program or its health check calls, e.g.
    /// `/bin/sh`; each stands at its own path, with its libraries.
    pub programs: Vec<PathBuf>,
}

/// Why a program cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file cannot be read.
    #[error("could not read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is not one that can be run.
    #[error("{} is not an executable file (chmod +x?)", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a program of the kind that can be packed.
    #[error(
        "{} is no ELF program of a 64-bit machine ({problem}); a script needs an image with its interpreter",
        path.display()
    )]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// The program is for other machines.
    #[error("{} is a program for another processor ({machine})", path.display())]
    OtherMachine {
        /// The file.
        path: PathBuf,
        /// The processor.
        machine: String,
    },
    /// A library is not where the loader would look.
    #[error("{} needs the library {library}, which is not where the loader looks for it", path.display())]
    LibraryMissing {
        /// What needs it.
        path: PathBuf,
        /// Its name.
        library: String,
    },
    /// The path has no name that could stand in an image.
    #[error("{} has no file name that can stand in an image", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
}

impl PackError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// A layer that was packed before, and what it was made of.
#[derive(Debug, Serialize, Deserialize)]
struct Packed {
    format: u32,
    inputs: Vec<Stamp>,
    architecture: String,
    layer: Digest,
    size: u64,
}

impl ImageStore {
    /// Puts a program there as an image under a tag; the repository is made if there is none.
    /// Nothing is packed again as long as the program and its libraries are the same files. The image
    /// that had the tag before goes, unless it has another one; what it needs is freed by the next
    /// [`ImageStore::collect_garbage`], if no container runs from it.
    ///
    /// # Errors
    /// [`Error::Pack`] says which file or library is the matter.
    pub fn put_binary(
        &self,
        repository: &str,
        tag: &str,
        image: &BinaryImage,
    ) -> Result<Digest, Error> {
        self.check_writable()?;
        let _kept = self.keep_content();
        let pack_error = |source| Error::Pack { program: image.program.clone(), source };
        let name = name_in_image(image).map_err(pack_error)?;
        let layer = self.packed_layer(image, &name)?;
        let config = config(image, &name, &layer);
        let config = to_bytes(&config, "the configuration of a packed program")?;
        let config = Descriptor::new(OCI_CONFIG, self.blobs().put(&config)?, config.len() as u64);
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers: vec![Descriptor::new(OCI_LAYER, layer.layer, layer.size)],
            subject: None,
            annotations: BTreeMap::new(),
        };
        let bytes = to_bytes(&manifest, "the manifest of a packed program")?;
        self.ensure_repository(repository)?;
        let document = Document::Manifest(manifest);
        let before = self.table().required(repository)?.tags.get(tag).copied();
        let missing = MissingMembers::Refused;
        let digest = self.record_kept(repository, Some(tag), &bytes, &document, missing)?;
        if let Some(before) = before.filter(|before| *before != digest) {
            self.drop_untagged(repository, before)?;
        }
        Ok(digest)
    }

    /// Takes an image away that lost its last tag. Who builds and starts a program all day would
    /// otherwise fill the disk with what nobody can name any more.
    fn drop_untagged(&self, repository: &str, digest: Digest) -> Result<(), Error> {
        self.table().update(repository, |repository| {
            if !repository.tags.values().any(|tagged| *tagged == digest) {
                // Gone already, or part of an index.
                let _ = repository.remove(digest);
            }
            Ok(())
        })
    }

    /// The layer of a program, packed now unless it was before.
    fn packed_layer(&self, image: &BinaryImage, name: &str) -> Result<Packed, Error> {
        let note = self.packed().join(format!("{}.json", key(image, name).hex()));
        if let Some(packed) = self.packed_before(&note) {
            return Ok(packed);
        }
        let pack_error = |source| Error::Pack { program: image.program.clone(), source };
        let mut packing = contents(image, name).map_err(pack_error)?;
        let (layer, size) =
            write_layer(self.blobs(), &mut packing.contents).map_err(pack_error)??;
        let packed = Packed {
            format: FORMAT,
            inputs: packing.inputs,
            architecture: packing.architecture,
            layer,
            size,
        };
        let bytes = to_bytes(&packed, "the note of a packed program")?;
        // Not flushed: a note that is lost costs packing once more, and one that is cut short is none.
        let staged = unique_in(&self.staging());
        fs::write(&staged, &bytes)
            .and_then(|()| fs::rename(&staged, &note))
            .map_err(Error::io("write", note))?;
        Ok(packed)
    }

    /// What was packed before, if every file it was made of is still the same one.
    fn packed_before(&self, note: &Path) -> Option<Packed> {
        let packed: Packed = serde_json::from_slice(&fs::read(note).ok()?).ok()?;
        let is_same = packed.format == FORMAT
            && packed.inputs.iter().all(Stamp::holds)
            && self.blobs().size(packed.layer).is_ok_and(|size| size == Some(packed.size));
        is_same.then_some(packed)
    }
}

/// What decides on the layer besides the files' contents.
fn key(image: &BinaryImage, name: &str) -> Digest {
    let mut key = name.as_bytes().to_vec();
    for path in std::iter::once(&image.program).chain(&image.programs) {
        key.push(0);
        key.extend(path.as_os_str().as_encoded_bytes());
    }
    Digest::of(&key)
}

fn name_in_image(image: &BinaryImage) -> Result<String, PackError> {
    let name = match &image.name {
        Some(name) => Some(name.as_str()),
        None => image.program.file_name().and_then(|name| name.to_str()),
    };
    name.filter(|name| !name.is_empty() && name.len() <= 80 && !name.contains('/') && *name != "..")
        .map(str::to_owned)
        .ok_or_else(|| PackError::NoName { path: image.program.clone() })
}

fn config(image: &BinaryImage, name: &str, packed: &Packed) -> ConfigFile {
    let mut env = image.env.clone();
    if !env.iter().any(|variable| variable.starts_with("PATH=")) {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        env.insert(0, path.to_owned());
    }
    let program = format!("/{}/{name}", contents::PROGRAMS);
    let port = |port: &String| (port.clone(), serde_json::Value::Object(serde_json::Map::new()));
    ConfigFile {
        created: None,
        architecture: packed.architecture.clone(),
        os: "linux".to_owned(),
        variant: None,
        config: Execution {
            user: image.user.clone(),
            exposed_ports: image.exposed_ports.iter().map(port).collect(),
            env,
            entrypoint: std::iter::once(program).chain(image.entrypoint.iter().cloned()).collect(),
            cmd: image.cmd.clone(),
            volumes: BTreeMap::new(),
            working_dir: image.working_dir.clone(),
            labels: image.labels.clone(),
            stop_signal: image.stop_signal.clone().unwrap_or_default(),
        },
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![packed.layer] },
    }
}

/// Writes the archive; the inner error is the store's, the outer the program's.
fn write_layer(
    blobs: &Blobs,
    contents: &mut BTreeMap<String, Content>,
) -> Result<Result<(Digest, u64), Error>, PackError> {
    let incoming = match blobs.incoming() {
        Ok(incoming) => incoming,
        Err(error) => return Ok(Err(error)),
    };
    let mut archive = TarWriter::new(BufWriter::with_capacity(256 * 1024, incoming));
    for (path, content) in contents {
        match content {
            Content::Directory { mode } => {
                archive.directory(path, *mode).map_err(PackError::io(Path::new(path)))?
            }
            Content::Text { text } => {
                let written = archive.file(path, 0o644, text.len() as u64, text.as_bytes());
                written.map_err(PackError::io(Path::new(path)))?;
            }
            Content::File { source, file, size, mode } => {
                let written = archive.file(path, *mode, *size, &mut *file);
                written.map_err(PackError::io(source))?;
            }
        }
    }
    let what = "a packed program";
    let finished = archive
        .finish()
        .and_then(|writer| writer.into_inner().map_err(io::IntoInnerError::into_error));
    Ok(match finished {
        Ok(incoming) => incoming.finish(None, what),
        Err(error) => Err(Error::io("write", what)(error)),
    })
}

/// Opens a file that is to be packed.
fn open(path: &Path) -> Result<File, PackError> {
    File::open(path).map_err(PackError::io(path))
}
