//! What goes into the layer of a packed program.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::elf::linkage;
use super::libraries::Loader;
use super::stamp::Stamp;
use super::{BinaryImage, PackError, open};
use crate::platform::Platform;

/// Where programs stand in an image.
pub(super) const PROGRAMS: &str = "usr/local/bin";

/// What C libraries ask for, in its smallest form.
const TEXTS: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n",
    ),
];

/// Directories that programs and runtimes take for granted.
const DIRECTORIES: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("var/tmp", 0o1777),
];

/// Where machines keep the certificates of the authorities they trust; the first one there is
/// goes to the first path.
const CERTIFICATES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// One path of the layer.
#[derive(Debug)]
pub(super) enum Content {
    Directory { mode: u32 },
    Text { text: &'static str },
    File { source: PathBuf, file: File, size: u64, mode: u32 },
}

/// Everything of a layer, and what it depends on.
#[derive(Debug)]
pub(super) struct Packing {
    /// By path in the image, without a first slash; a directory stands before what is in it.
    pub(super) contents: BTreeMap<String, Content>,
    pub(super) inputs: Vec<Stamp>,
    pub(super) architecture: String,
}

/// Gathers what a program needs.
pub(super) fn contents(image: &BinaryImage, name: &str) -> Result<Packing, PackError> {
    let mut packing = Packing {
        contents: BTreeMap::new(),
        inputs: Vec::new(),
        architecture: Platform::host().architecture,
    };
    let mut loader = Loader::new(&packing.architecture);
    packing.program(&mut loader, &image.program, &format!("{PROGRAMS}/{name}"))?;
    for program in &image.programs {
        let path = program.to_str().filter(|path| is_plain(path));
        let path = path.ok_or_else(|| PackError::NoName { path: program.clone() })?;
        packing.program(&mut loader, program, path.trim_start_matches('/'))?;
    }
    for (path, source) in loader.files() {
        packing.file(&path, &source, 0o755)?;
    }
    if let Some(certificates) = CERTIFICATES.iter().map(Path::new).find(|path| path.is_file()) {
        packing.file(CERTIFICATES[0].trim_start_matches('/'), certificates, 0o644)?;
    }
    for (path, text) in TEXTS {
        packing.add(path, Content::Text { text });
    }
    for (path, mode) in DIRECTORIES {
        packing.add(path, Content::Directory { mode: *mode });
    }
    // Where libraries are found depends on it.
    if let Ok(metadata) = fs::metadata(Loader::CACHE) {
        packing.inputs.push(Stamp::new(Path::new(Loader::CACHE), &metadata));
    }
    Ok(packing)
}

impl Packing {
    fn program(&mut self, loader: &mut Loader, path: &Path, target: &str) -> Result<(), PackError> {
        let metadata = fs::metadata(path).map_err(PackError::io(path))?;
        if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
            return Err(PackError::NotExecutable { path: path.to_owned() });
        }
        let (linkage, _) = linkage(path)?;
        if linkage.architecture != self.architecture {
            return Err(PackError::OtherMachine {
                path: path.to_owned(),
                machine: linkage.architecture,
            });
        }
        loader.add_program(path, linkage)?;
        self.file(target, path, 0o755)
    }

    fn file(&mut self, target: &str, source: &Path, mode: u32) -> Result<(), PackError> {
        let file = open(source)?;
        // Of the open file, so that what is packed is what is noted.
        let metadata = file.metadata().map_err(PackError::io(source))?;
        self.inputs.push(Stamp::new(source, &metadata));
        let content = Content::File { source: source.to_owned(), file, size: metadata.len(), mode };
        self.add(target, content);
        Ok(())
    }

    /// Adds a path and the directories it is in.
    fn add(&mut self, path: &str, content: Content) {
        for (slash, _) in path.match_indices('/') {
            let directory = path[..slash].to_owned();
            self.contents.entry(directory).or_insert(Content::Directory { mode: 0o755 });
        }
        self.contents.insert(path.to_owned(), content);
    }
}

/// An absolute path without anything that could lead elsewhere.
fn is_plain(path: &str) -> bool {
    path.starts_with('/') && path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."))
}
