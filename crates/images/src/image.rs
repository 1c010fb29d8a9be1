//! An image that is ready to be run, and how it is found.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use crate::digest::Digest;
use crate::error::{Error, PullCause, PullError};
use crate::manifest::{ConfigFile, Document, Index, Manifest, is_config, is_layer};
use crate::platform::Platform;
use crate::reference::ImageReference;
use crate::store::ImageStore;

/// Indexes of indexes are allowed to this depth.
const MAX_INDEX_DEPTH: usize = 3;

/// How an image asks to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// What is run, before the command.
    pub entrypoint: Vec<String>,
    /// The default command, or the entry point's arguments.
    pub cmd: Vec<String>,
    /// `NAME=value`, in order.
    pub env: Vec<String>,
    /// `user[:group]`, names or numbers; empty for root.
    pub user: String,
    /// Empty for `/`.
    pub working_dir: String,
    /// E.g. `SIGQUIT` or `3`; ECS uses it in SIGTERM's place (ECS-TASK-9).
    pub stop_signal: Option<String>,
    /// E.g. `8080/tcp`.
    pub exposed_ports: Vec<String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Paths that are to be volumes.
    pub volumes: Vec<String>,
}

/// An image whose layers are unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The manifest that is run, of this machine's platform.
    pub digest: Digest,
    /// What tag or digest stood for: an index's digest where the image has several platforms, the
    /// same as `digest` otherwise.
    pub reference_digest: Digest,
    /// The repository it was found in.
    pub repository: String,
    /// How it asks to be run.
    pub config: ImageConfig,
    /// Directories for overlayfs's `lowerdir`, lowest first (overlayfs wants the highest first).
    pub layers: Vec<PathBuf>,
    /// Whether the layers' marks need overlayfs's `userxattr` option.
    pub userxattr: bool,
}

impl ImageConfig {
    fn of(config: ConfigFile) -> Self {
        let execution = config.config;
        Self {
            entrypoint: execution.entrypoint,
            cmd: execution.cmd,
            env: execution.env,
            user: execution.user,
            working_dir: execution.working_dir,
            stop_signal: Some(execution.stop_signal).filter(|signal| !signal.is_empty()),
            exposed_ports: execution.exposed_ports.into_keys().collect(),
            labels: execution.labels,
            volumes: execution.volumes.into_keys().collect(),
        }
    }
}

impl ImageStore {
    /// The image behind a reference, its layers unpacked. The registry part of the reference may
    /// be left out or be any host's, unless the repository was put under that host's name.
    ///
    /// # Errors
    /// [`PullError`] prints what ECS would say (ECS-STOP-8).
    pub fn resolve(&self, reference: &str) -> Result<Image, PullError> {
        let pull_error = |cause| PullError::new(reference, cause);
        let parsed: ImageReference =
            reference.parse().map_err(|_| pull_error(PullCause::Reference))?;
        let (repository, digest) =
            self.find(&parsed).map_err(|why| pull_error(PullCause::NotFound(why)))?;
        self.resolve_digest(repository, digest)
            .map_err(|error| pull_error(PullCause::Error(Box::new(error))))
    }

    /// Repository and digest of a reference, or why there is none.
    fn find(&self, reference: &ImageReference) -> Result<(String, Digest), String> {
        let table = self.table();
        let with_host =
            reference.registry.as_ref().map(|host| format!("{host}/{}", reference.repository));
        let repository = with_host
            .and_then(|name| table.get(&name))
            .or_else(|| table.get(&reference.repository))
            .ok_or_else(|| format!("there is no repository {}", reference.repository))?;
        let digest = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => digest
                .parse()
                .ok()
                .filter(|digest| repository.manifests.contains_key(digest))
                .ok_or_else(|| format!("the repository has no image {digest}"))?,
            (None, Some(tag)) => *repository
                .tags
                .get(tag)
                .ok_or_else(|| format!("the repository has no tag {tag}"))?,
            (None, None) => return Err("it has neither tag nor digest".to_owned()),
        };
        Ok((repository.name.clone(), digest))
    }

    fn resolve_digest(&self, repository: String, reference_digest: Digest) -> Result<Image, Error> {
        let _kept = self.keep_content();
        let (digest, manifest) = self.manifest_for_host(reference_digest)?;
        let config = self.image_config(digest, &manifest)?;
        let mut layers = Vec::with_capacity(manifest.layers.len());
        let diff_ids = &config.rootfs.diff_ids;
        for (place, (layer, diff_id)) in manifest.layers.iter().zip(diff_ids).enumerate() {
            // Overlayfs does not take one directory twice. What is higher hides what is lower, so
            // only the highest of equal layers matters.
            let directory = self.unpacked_layer(layer, *diff_id)?;
            if !diff_ids[place + 1..].contains(diff_id) {
                layers.push(directory);
            }
        }
        Ok(Image {
            digest,
            reference_digest,
            repository,
            config: ImageConfig::of(config),
            layers,
            userxattr: self.uses_user_marks(),
        })
    }

    /// The manifest that runs on this machine: itself, or one of an index.
    fn manifest_for_host(&self, digest: Digest) -> Result<(Digest, Manifest), Error> {
        let mut digest = digest;
        for _ in 0..MAX_INDEX_DEPTH {
            match self.document(digest)? {
                Document::Manifest(manifest) => return Ok((digest, manifest)),
                Document::Index(index) => digest = choose(&index, &Platform::host())?,
            }
        }
        let problem = format!("indexes are nested deeper than {MAX_INDEX_DEPTH}");
        Err(Error::Invalid { what: format!("the index {digest}"), problem })
    }

    /// An image's configuration, checked against its manifest and this machine.
    fn image_config(&self, digest: Digest, manifest: &Manifest) -> Result<ConfigFile, Error> {
        let invalid = |problem| Error::Invalid { what: format!("the image {digest}"), problem };
        let media_type = &manifest.config.media_type;
        if !is_config(media_type) {
            return Err(invalid(format!(
                "it is an artifact ({media_type}), not a container image"
            )));
        }
        if let Some(layer) = manifest.layers.iter().find(|layer| !is_layer(&layer.media_type)) {
            let media_type = layer.media_type.clone();
            return Err(Error::LayerType { digest: layer.digest, media_type });
        }
        let limits = self.limits();
        if manifest.layers.len() > limits.layers {
            return Err(invalid(format!("it has more than {} layers", limits.layers)));
        }
        let bytes = self.blobs().read(&manifest.config, limits.config_bytes)?;
        let config: ConfigFile =
            serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            return Err(invalid(format!("{layers} layers, but {diff_ids} diff ids")));
        }
        let platform = Platform {
            architecture: config.architecture.clone(),
            os: config.os.clone(),
            variant: config.variant.clone(),
        };
        let host = Platform::host();
        if !platform.runs_on(&host) {
            let available = vec![platform.to_string()];
            return Err(Error::NoPlatform { wanted: host.to_string(), available });
        }
        Ok(config)
    }
}

/// The manifest of an index for a machine.
fn choose(index: &Index, host: &Platform) -> Result<Digest, Error> {
    let for_host = index.manifests.iter().find(|descriptor| {
        descriptor.platform.as_ref().is_some_and(|platform| platform.runs_on(host))
    });
    if let Some(descriptor) = for_host {
        return Ok(descriptor.digest);
    }
    // A single image without a platform says it in its configuration.
    if let [only] = &index.manifests[..]
        && only.platform.is_none()
    {
        return Ok(only.digest);
    }
    let mut seen = HashSet::new();
    let platforms = index.manifests.iter().filter_map(|descriptor| descriptor.platform.as_ref());
    let available = platforms
        // Attestations stand in indexes as unknown/unknown.
        .filter(|platform| platform.os != "unknown")
        .map(Platform::to_string)
        .filter(|platform| seen.insert(platform.clone()))
        .collect();
    Err(Error::NoPlatform { wanted: host.to_string(), available })
}
