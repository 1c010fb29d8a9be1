//! The documents of an image: index, manifest, configuration. OCI's and Docker's are the same but
//! for their media types.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;
use crate::error::Error;
use crate::platform::Platform;

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// What one document says of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(
        default,
        deserialize_with = "null_is_empty",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// One image for one platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
    #[serde(
        default,
        deserialize_with = "null_is_empty",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The images of one name for several platforms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
    #[serde(
        default,
        deserialize_with = "null_is_empty",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What a tag or digest stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Document {
    Manifest(Manifest),
    Index(Index),
}

impl Document {
    /// Reads a document. `announced` is the media type it came with, if any.
    pub(crate) fn parse(bytes: &[u8], announced: Option<&str>) -> Result<Self, String> {
        /// Only what tells the kinds apart. A document that could be read as both is refused: two
        /// readers of one digest must not see two images.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Outline {
            schema_version: Option<u32>,
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
            layers: Option<serde::de::IgnoredAny>,
            config: Option<serde::de::IgnoredAny>,
        }
        let outline: Outline = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if outline.schema_version != Some(2) {
            return Err("its schemaVersion is not 2".to_owned());
        }
        let media_type = match (announced, &outline.media_type) {
            (Some(announced), Some(own)) if announced != own => {
                return Err(format!("its mediaType is {own}, it was announced as {announced}"));
            }
            (announced, own) => announced.or(own.as_deref()),
        };
        let is_index = match media_type {
            Some(OCI_INDEX | DOCKER_LIST) => true,
            Some(OCI_MANIFEST | DOCKER_MANIFEST) => false,
            Some(other) => return Err(format!("its media type {other} is not supported")),
            None => outline.manifests.is_some(),
        };
        let has_others = if is_index {
            outline.config.is_some() || outline.layers.is_some()
        } else {
            outline.manifests.is_some()
        };
        if has_others {
            return Err("it has parts of an index and of a manifest, or is not of the kind its \
                        media type says"
                .to_owned());
        }
        let parsed = if is_index {
            serde_json::from_slice(bytes).map(Self::Index)
        } else {
            serde_json::from_slice(bytes).map(Self::Manifest)
        };
        parsed.map_err(|error| error.to_string())
    }

    /// The media type it is to be served as.
    pub(crate) fn media_type(&self) -> &str {
        match self {
            Self::Manifest(manifest) => manifest.media_type.as_deref().unwrap_or(OCI_MANIFEST),
            Self::Index(index) => index.media_type.as_deref().unwrap_or(OCI_INDEX),
        }
    }

    /// The image this one is about (a signature, an SBOM), whether that is there or not.
    pub(crate) fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Manifest(manifest) => manifest.subject.as_ref(),
            Self::Index(index) => index.subject.as_ref(),
        }
    }

    /// What kind of artifact it is, where it is not an image.
    pub(crate) fn artifact_type(&self) -> Option<&str> {
        match self {
            Self::Index(index) => index.artifact_type.as_deref(),
            Self::Manifest(manifest) => {
                let config = Some(manifest.config.media_type.as_str());
                manifest.artifact_type.as_deref().or(config)
            }
        }
    }

    pub(crate) fn annotations(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Manifest(manifest) => &manifest.annotations,
            Self::Index(index) => &index.annotations,
        }
    }

    /// The blobs it needs: configuration and layers, or the manifests of an index.
    pub(crate) fn needs(&self) -> Vec<&Descriptor> {
        match self {
            Self::Manifest(manifest) => {
                std::iter::once(&manifest.config).chain(&manifest.layers).collect()
            }
            Self::Index(index) => index.manifests.iter().collect(),
        }
    }
}

/// Whether content of this media type can be unpacked as a layer.
pub(crate) fn is_layer(media_type: &str) -> bool {
    let rest = media_type
        .strip_prefix(OCI_LAYER)
        .map(|rest| ("+", rest))
        .or_else(|| media_type.strip_prefix(DOCKER_LAYER).map(|rest| (".", rest)));
    let Some((separator, compression)) = rest else { return false };
    matches!(compression.strip_prefix(separator).unwrap_or(compression), "" | "gzip" | "zstd")
}

/// Whether content of this media type is an image's configuration.
pub(crate) fn is_config(media_type: &str) -> bool {
    matches!(media_type, OCI_CONFIG | DOCKER_CONFIG)
}

/// An image's configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConfigFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) architecture: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) config: Execution,
    pub(crate) rootfs: RootFs,
}

/// How the image is to be run. Writers in Go put `null` for what is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Execution {
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "String::is_empty")]
    pub(crate) user: String,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) exposed_ports: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub(crate) entrypoint: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub(crate) cmd: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) volumes: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "String::is_empty")]
    pub(crate) working_dir: String,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "String::is_empty")]
    pub(crate) stop_signal: String,
}

/// The layers' contents, lowest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RootFs {
    #[serde(rename = "type", default, deserialize_with = "null_is_empty")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) diff_ids: Vec<Digest>,
}

fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Bytes of a document of ours; the same value gives the same bytes.
pub(crate) fn to_bytes(document: &impl Serialize, what: &str) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(document)
        .map_err(|error| Error::Invalid { what: what.to_owned(), problem: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_apart_and_the_ambiguous_refused() {
        let digest = Digest::of(b"x");
        let descriptor = format!(r#"{{"mediaType":"{OCI_CONFIG}","digest":"{digest}","size":1}}"#);
        let manifest = format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":null}}"#);
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{descriptor}]}}"#);
        let is_index = |text: &str, media| {
            Document::parse(text.as_bytes(), media)
                .map(|document| matches!(document, Document::Index(_)))
        };
        assert_eq!(is_index(&manifest, None), Ok(false));
        assert_eq!(is_index(&manifest, Some(DOCKER_MANIFEST)), Ok(false));
        assert_eq!(is_index(&index, None), Ok(true));
        assert_eq!(is_index(&index, Some(OCI_INDEX)), Ok(true));
        let both = format!(r#"{{"schemaVersion":2,"config":{descriptor},"manifests":[]}}"#);
        let layers = r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
        let mixed = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[]}}"#);
        let old = r#"{"schemaVersion":1,"fsLayers":[]}"#;
        for (text, announced) in [
            (both.as_str(), None),
            (&both, Some(OCI_INDEX)),
            (layers, Some(OCI_INDEX)),
            (&mixed, Some(OCI_MANIFEST)),
            (&manifest, Some("text/plain")),
            (&manifest, Some(OCI_INDEX)),
            (old, None),
            ("[]", None),
            ("", None),
        ] {
            assert!(is_index(text, announced).is_err(), "{text} {announced:?}");
        }
    }

    #[test]
    fn layers_are_known_by_media_type() {
        for (media_type, known) in [
            (OCI_LAYER, true),
            ("application/vnd.oci.image.layer.v1.tar+gzip", true),
            ("application/vnd.oci.image.layer.v1.tar+zstd", true),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", true),
            ("application/vnd.oci.image.layer.nondistributable.v1.tar", false),
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", false),
            ("application/vnd.oci.image.layer.v1.tar+xz", false),
            ("application/vnd.in-toto+json", false),
        ] {
            assert_eq!(is_layer(media_type), known, "{media_type}");
        }
    }

    #[test]
    fn configurations_with_nulls_are_read() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"Env":null,"Cmd":["a"],"Volumes":null,
            "Healthcheck":{"Test":["NONE"]}},"rootfs":{"type":"layers","diff_ids":null},"history":[]}"#;
        let config: ConfigFile = serde_json::from_str(text).expect("read");
        assert_eq!(config.config.cmd, ["a"]);
        let none: ConfigFile =
            serde_json::from_str(r#"{"config":null,"rootfs":{}}"#).expect("read");
        assert_eq!(none.config, Execution::default());
    }
}
