//! Stores, layers and layouts for tests.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use neargate_images::{Digest, Image, ImageStore, ImportOptions, Limits, Select};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A store in a directory of its own.
pub(crate) struct Rig {
    pub(crate) store: ImageStore,
    pub(crate) directory: TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let store = ImageStore::open_with(directory.path().join("store"), limits).expect("opened");
        Self { store, directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Imports an image of these layers (plain archives) and resolves it.
    pub(crate) fn image(&self, name: &str, layers: &[Vec<u8>]) -> Result<Image, String> {
        let layout = Layout::new(&self.path(&format!("layout-{name}")));
        layout.image("v1", layers);
        let options = options(name);
        self.store.import_layout(&layout.path, &options).map_err(|error| error.chain())?;
        self.store.resolve(&format!("{name}:v1")).map_err(|error| error.to_string())
    }

    /// The only layer's directory of an image with this one layer, or why there is none.
    pub(crate) fn layer(&self, name: &str, layer: Vec<u8>) -> Result<PathBuf, String> {
        self.image(name, &[layer]).map(|image| image.layers[0].clone())
    }
}

pub(crate) fn options(repository: &str) -> ImportOptions {
    ImportOptions { repository: repository.to_owned(), tag: None, select: Select::Only }
}

/// The root's rights are needed; says so where they are missing.
pub(crate) fn require_root() {
    let status = fs::read_to_string("/proc/self/status").expect("own status");
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    assert!(is_root, "this test makes devices, owners and trusted attributes: run it as root");
}

/// What an entry of a test's layer is.
pub(crate) enum Node<'a> {
    Dir,
    File(&'a [u8]),
    Symlink(&'a str),
    HardLink(&'a str),
    CharDevice,
    Fifo,
}

/// An archive of entries, in this order, with names that no careful writer would write.
pub(crate) fn tar(entries: &[(&str, Node<'_>)]) -> Vec<u8> {
    let mut builder = Tar::default();
    for (name, node) in entries {
        builder = builder.add(name, 0o755, 0, node);
    }
    builder.finish()
}

/// Builds archives with everything that can be said of an entry.
#[derive(Default)]
pub(crate) struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    pub(crate) fn add(mut self, name: &str, mode: u32, owner: u64, node: &Node<'_>) -> Self {
        let mut header = tar::Header::new_gnu();
        let (kind, link, data) = match node {
            Node::Dir => (tar::EntryType::Directory, "", &b""[..]),
            Node::File(data) => (tar::EntryType::Regular, "", *data),
            Node::Symlink(link) => (tar::EntryType::Symlink, *link, &b""[..]),
            Node::HardLink(link) => (tar::EntryType::Link, *link, &b""[..]),
            Node::CharDevice => (tar::EntryType::Char, "", &b""[..]),
            Node::Fifo => (tar::EntryType::Fifo, "", &b""[..]),
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(1_000_000_000);
        header.set_size(data.len() as u64);
        let raw = header.as_mut_bytes();
        raw[..name.len()].copy_from_slice(name.as_bytes());
        raw[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.raw(header.as_bytes(), data);
        self
    }

    /// Records for the entry after this.
    pub(crate) fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length += 1;
            }
            data.extend(format!("{length} {key}=").as_bytes());
            data.extend(*value);
            data.push(b'\n');
        }
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.raw(header.as_bytes(), &data);
        self
    }

    pub(crate) fn raw(&mut self, header: &[u8; 512], data: &[u8]) {
        self.bytes.extend(header);
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend([0; 1024]);
        self.bytes
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

/// An OCI layout that tests write as they like.
pub(crate) struct Layout {
    pub(crate) path: PathBuf,
}

impl Layout {
    pub(crate) fn new(path: &Path) -> Self {
        fs::create_dir_all(path.join("blobs/sha256")).expect("made");
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("written");
        Self { path: path.to_owned() }
    }

    /// Writes a blob; its descriptor.
    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.blob_path(digest), bytes).expect("written");
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    pub(crate) fn blob_path(&self, digest: Digest) -> PathBuf {
        self.path.join("blobs/sha256").join(digest.hex())
    }

    pub(crate) fn json(&self, media_type: &str, value: &Value) -> Value {
        self.blob(media_type, value.to_string().as_bytes())
    }

    /// A manifest for a platform, with layers that are given as (media type, blob, diff id).
    pub(crate) fn manifest(&self, architecture: &str, layers: &[(&str, Vec<u8>, Digest)]) -> Value {
        let diff_ids: Vec<_> = layers.iter().map(|(_, _, diff_id)| diff_id).collect();
        let config = self.json(
            CONFIG,
            &json!({
                "architecture": architecture,
                "os": "linux",
                "config": { "Cmd": ["/hello"], "Env": ["A=1"] },
                "rootfs": { "type": "layers", "diff_ids": diff_ids },
            }),
        );
        let layers: Vec<_> = layers.iter().map(|(kind, blob, _)| self.blob(kind, blob)).collect();
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        self.json(MANIFEST, &manifest)
    }

    /// An index of images for several platforms.
    pub(crate) fn index(&self, members: &[(&str, Value)]) -> Value {
        let members: Vec<_> = members
            .iter()
            .map(|(architecture, member)| {
                let mut member = member.clone();
                member["platform"] = json!({ "architecture": architecture, "os": "linux" });
                member
            })
            .collect();
        self.json(INDEX, &json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": members }))
    }

    /// Writes `index.json` with images by name.
    pub(crate) fn names(&self, images: &[(&str, Value)]) {
        let manifests: Vec<_> = images
            .iter()
            .map(|(name, image)| {
                let mut image = image.clone();
                image["annotations"] =
                    json!(BTreeMap::from([("org.opencontainers.image.ref.name", name)]));
                image
            })
            .collect();
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.path.join("index.json"), index.to_string()).expect("written");
    }

    /// One image of plain layers for this machine.
    pub(crate) fn image(&self, name: &str, layers: &[Vec<u8>]) -> Value {
        let layers: Vec<_> =
            layers.iter().map(|layer| (LAYER, layer.clone(), Digest::of(layer))).collect();
        let manifest = self.manifest(host(), &layers);
        self.names(&[(name, manifest.clone())]);
        manifest
    }
}

/// This machine's processor, as images name it.
pub(crate) fn host() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// Digest of a descriptor.
pub(crate) fn digest(descriptor: &Value) -> Digest {
    descriptor["digest"].as_str().expect("digest").parse().expect("digest")
}

/// Every path below a directory with what is there: for comparisons.
pub(crate) fn listing(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).expect("listed") {
            let path = entry.expect("entry").path();
            let name = path.strip_prefix(directory).expect("below").display().to_string();
            let metadata = path.symlink_metadata().expect("metadata");
            if metadata.is_dir() {
                found.push(format!("{name}/"));
                left.push(path);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}
