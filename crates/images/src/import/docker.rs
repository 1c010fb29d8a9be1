//! What `docker save` wrote before it wrote OCI layouts: `manifest.json` names a configuration and
//! layers by file. It has no manifest, so one is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::source::Source;
use super::{Import, Select, is_named};
use crate::digest::Digest;
use crate::error::Error;
use crate::manifest::{
    ConfigFile, Descriptor, Document, Manifest, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, to_bytes,
};
use crate::repositories::MissingMembers;

/// One image of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default, deserialize_with = "null_is_none")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_none")]
    layers: Vec<String>,
}

fn null_is_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Import<'_> {
    pub(super) fn docker(&self, source: &mut dyn Source) -> Result<Digest, Error> {
        let limits = self.store.limits();
        let bytes = self.read(source, "manifest.json", limits.manifest_bytes)?;
        let all: Vec<Saved> = self.parse(&bytes, "manifest.json")?;
        let chosen = match &self.options.select {
            Select::Only => {
                if let [only] = &all[..] {
                    Some(only)
                } else {
                    None
                }
            }
            Select::Name(wanted) => {
                all.iter().find(|saved| saved.repo_tags.iter().any(|name| is_named(name, wanted)))
            }
            // The digest of a manifest that does not exist yet; of the configuration, it is what
            // `docker images` shows as the image's id.
            Select::Digest(digest) => all.iter().find(|saved| saved.config.contains(&digest.hex())),
        };
        let Some(saved) = chosen else {
            let names: Vec<_> = all.iter().flat_map(|saved| saved.repo_tags.clone()).collect();
            return Err(self.no_such_image(&names));
        };
        self.docker_image(source, saved)
    }

    fn docker_image(&self, source: &mut dyn Source, saved: &Saved) -> Result<Digest, Error> {
        let limits = self.store.limits();
        let blobs = self.store.blobs();
        let config = self.read(source, &saved.config, limits.config_bytes)?;
        let parsed: ConfigFile = self.parse(&config, &saved.config)?;
        if saved.layers.len() != parsed.rootfs.diff_ids.len() {
            let (layers, ids) = (saved.layers.len(), parsed.rootfs.diff_ids.len());
            return Err(self.problem(format!("{layers} layers, but {ids} diff ids")));
        }
        let mut layers = Vec::with_capacity(saved.layers.len());
        for name in &saved.layers {
            let Some((mut reader, length)) = source.open(name)? else {
                return Err(self.problem(format!("the layer {name} is not there")));
            };
            let mut head = Vec::with_capacity(4);
            std::io::Read::read_to_end(&mut std::io::Read::take(&mut reader, 4), &mut head)
                .map_err(Error::io("read", self.path))?;
            let media_type = match head[..] {
                [0x1f, 0x8b, ..] => format!("{OCI_LAYER}+gzip"),
                [0x28, 0xb5, 0x2f, 0xfd] => format!("{OCI_LAYER}+zstd"),
                _ => OCI_LAYER.to_owned(),
            };
            let whole = std::io::Read::chain(&head[..], reader);
            let (digest, size) = blobs.ingest(whole, None, limits.blob_bytes, name)?;
            if size != length {
                return Err(self.problem(format!("the layer {name} is cut short")));
            }
            layers.push(Descriptor::new(&media_type, digest, size));
        }
        let config = Descriptor::new(OCI_CONFIG, blobs.put(&config)?, config.len() as u64);
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        };
        let bytes = to_bytes(&manifest, "the manifest of an imported image")?;
        let tag = self.tag(saved.repo_tags.first().map(String::as_str));
        let document = Document::Manifest(manifest);
        let repository = &self.options.repository;
        self.store.record_kept(repository, Some(&tag), &bytes, &document, MissingMembers::Refused)
    }
}
