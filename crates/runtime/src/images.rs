//! Image references, and where on this machine their repositories come from.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::layout::write_durably;

/// Path of a [`ImageSource::Binary`] that means the running Neargate binary itself.
pub const OWN_BINARY: &str = "neargate";

/// Where an image repository comes from on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageSource {
    /// One executable file, run as is. `neargate` means the running binary itself.
    Binary {
        /// Absolute path, or `neargate`.
        path: String,
        /// The image's default command, e.g. `["stand-in"]`: arguments after the path.
        arguments: Vec<String>,
        /// The arguments stay whatever the task definition says. Its entryPoint and command are
        /// meant for an image this one stands in for; they are handed over as NEARGATE_COMMAND.
        #[serde(default)]
        fixed_arguments: bool,
        /// The tags the repository has; `None` when it has every tag.
        #[serde(default)]
        tags: Option<Vec<String>>,
    },
}

/// `registry/repository:tag@digest`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    /// Host, with a port if any; `None` for Docker Hub's short names.
    pub registry: Option<String>,
    /// E.g. `broxiva/api`.
    pub repository: String,
    /// `latest` when neither tag nor digest is given.
    pub tag: Option<String>,
    /// E.g. `sha256:...`.
    pub digest: Option<String>,
}

/// Why an image cannot be had; its text follows `CannotPullContainerError: ` (ECS-STOP-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PullError(String);

impl fmt::Display for PullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CannotPullContainerError: {}", self.0)
    }
}

/// The text is not an image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an image reference: expected [registry/]repository[:tag][@digest]")]
pub struct InvalidReference(String);

impl std::str::FromStr for ImageReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidReference(text.to_owned());
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) if is_digest(digest) => (rest, Some(digest.to_owned())),
            Some(_) => return Err(invalid()),
            None => (text, None),
        };
        // A colon after the last slash starts the tag; one before it belongs to the registry.
        let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_start..].find(':') {
            Some(colon) => {
                let (name, tag) = rest.split_at(name_start + colon);
                (name, Some(tag[1..].to_owned()))
            }
            None => (rest, None),
        };
        let (registry, mut repository) = match name.split_once('/') {
            Some((host, path)) if is_host(host) => (Some(host.to_owned()), path),
            _ => (None, name),
        };
        if matches!(registry.as_deref(), None | Some("docker.io")) {
            repository = repository.strip_prefix("library/").unwrap_or(repository);
        }
        let registry = registry.filter(|host| host != "docker.io");
        if !repository.split('/').all(is_path_component) || !tag.as_deref().is_none_or(is_tag) {
            return Err(invalid());
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { registry, repository: repository.to_owned(), tag, digest })
    }
}

/// The first part of a name is a registry when it cannot be a repository's.
fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

fn is_path_component(part: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    part.bytes().all(|b| inside(b) || matches!(b, b'.' | b'_' | b'-'))
        && part.bytes().next().is_some_and(inside)
        && part.bytes().last().is_some_and(inside)
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty() && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// An image that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolvedImage {
    /// The executable.
    pub(crate) path: PathBuf,
    /// The image's default command.
    pub(crate) arguments: Vec<String>,
    /// Whether the task definition's command is for another image.
    pub(crate) fixed_arguments: bool,
}

/// Repositories by name, kept in one file.
#[derive(Debug)]
pub(crate) struct ImageCatalog {
    file: PathBuf,
    sources: BTreeMap<String, ImageSource>,
}

impl ImageCatalog {
    /// Reads the catalog; an absent file is an empty one.
    pub(crate) fn open(file: PathBuf) -> Result<Self, Error> {
        let sources = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| Error::Unreadable { path: file.clone(), source })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(Error::Io { action: "read", path: file, source }),
        };
        Ok(Self { file, sources })
    }

    pub(crate) fn sources(&self) -> &BTreeMap<String, ImageSource> {
        &self.sources
    }

    /// Adds or replaces sources by repository; durable when this returns.
    pub(crate) fn put(&mut self, new: BTreeMap<String, ImageSource>) -> Result<(), Error> {
        let mut sources = self.sources.clone();
        sources.extend(new);
        if sources == self.sources {
            return Ok(());
        }
        let bytes = serde_json::to_vec_pretty(&sources)
            .map_err(|source| Error::Unreadable { path: self.file.clone(), source })?;
        write_durably(&self.file, &bytes).map_err(|source| Error::Io {
            action: "write",
            path: self.file.clone(),
            source,
        })?;
        self.sources = sources;
        Ok(())
    }

    /// The runnable image behind a reference.
    pub(crate) fn resolve(
        &self,
        image: &str,
        own_binary: &Path,
    ) -> Result<ResolvedImage, PullError> {
        let not_found = |why: String| {
            PullError(format!("failed to resolve reference \"{image}\": not found: {why}"))
        };
        let reference: ImageReference = image.parse().map_err(|_| {
            PullError(format!("invalid reference format: \"{image}\" is no image reference"))
        })?;
        let source = self.find(&reference).ok_or_else(|| {
            not_found(format!("no image source is given for repository {}", reference.repository))
        })?;
        let ImageSource::Binary { path, arguments, fixed_arguments, tags } = source;
        if let (Some(tags), Some(tag)) = (tags, &reference.tag)
            && !tags.contains(tag)
        {
            return Err(not_found(format!("the repository has no tag {tag}")));
        }
        let path = if path == OWN_BINARY { own_binary } else { Path::new(path) };
        let usable =
            fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
        if !usable {
            let path = path.display();
            return Err(not_found(format!("its source {path} is not an executable file")));
        }
        Ok(ResolvedImage {
            path: path.to_owned(),
            arguments: arguments.clone(),
            fixed_arguments: *fixed_arguments,
        })
    }

    /// The source of a repository: by registry and repository, else by repository alone.
    fn find(&self, reference: &ImageReference) -> Option<&ImageSource> {
        if let Some(registry) = &reference.registry
            && let Some(source) = self.sources.get(&format!("{registry}/{}", reference.repository))
        {
            return Some(source);
        }
        self.sources.get(&reference.repository).or_else(|| {
            self.sources.iter().find_map(|(key, source)| {
                let known: ImageReference = key.parse().ok()?;
                let same_host = known.registry.is_none()
                    || reference.registry.is_none()
                    || known.registry == reference.registry;
                (known.repository == reference.repository && same_host).then_some(source)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_apart() {
        const ECR: &str = "000000000000.dkr.ecr.us-east-1.amazonaws.com";
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, registry, repository, tag, with_digest) in [
            (format!("{ECR}/broxiva/api:v1"), Some(ECR), "broxiva/api", Some("v1"), false),
            (format!("{ECR}/api@{digest}"), Some(ECR), "api", None, true),
            (format!("{ECR}/api:v2@{digest}"), Some(ECR), "api", Some("v2"), true),
            ("python:3.11-slim".into(), None, "python", Some("3.11-slim"), false),
            ("docker.io/library/nginx".into(), None, "nginx", Some("latest"), false),
            ("localhost:5000/a/b".into(), Some("localhost:5000"), "a/b", Some("latest"), false),
            ("team/app".into(), None, "team/app", Some("latest"), false),
        ] {
            let parsed: ImageReference = text.parse().expect(&text);
            assert_eq!(parsed.registry.as_deref(), registry, "{text}");
            assert_eq!(parsed.repository, repository, "{text}");
            assert_eq!(parsed.tag.as_deref(), tag, "{text}");
            assert_eq!(parsed.digest.is_some(), with_digest, "{text}");
        }
        for bad in ["", "UPPER/case", "a b", "a:", "a:-x", "a@sha256:xyz", "/a", "a/", "a//b"] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
    }

    fn catalog(sources: &[(&str, Option<&[&str]>)]) -> ImageCatalog {
        let sources = sources.iter().map(|(repository, tags)| {
            let source = ImageSource::Binary {
                path: "/bin/sh".into(),
                arguments: vec![(*repository).to_owned()],
                fixed_arguments: false,
                tags: tags.map(|tags| tags.iter().map(|t| (*t).to_owned()).collect()),
            };
            ((*repository).to_owned(), source)
        });
        ImageCatalog { file: PathBuf::from("unused"), sources: sources.collect() }
    }

    #[test]
    fn repositories_match_with_and_without_registry() {
        let catalog = catalog(&[("shop/api", None), ("r.example.com/web", None)]);
        let own = Path::new("/nowhere");
        for (image, found) in [
            ("shop/api:v1", Some("shop/api")),
            ("any.host.io/shop/api:v1", Some("shop/api")),
            ("r.example.com/web", Some("r.example.com/web")),
            ("web:3", Some("r.example.com/web")),
            ("other.example.com/web", None),
            ("api", None),
        ] {
            let resolved = catalog.resolve(image, own).ok();
            assert_eq!(resolved.map(|r| r.arguments[0].clone()).as_deref(), found, "{image}");
        }
    }

    /// ECS-STOP-8: the reason names the image as the user wrote it.
    #[test]
    fn ecs_stop_8_what_cannot_be_pulled_is_named() {
        let mut catalog = catalog(&[("api", Some(&["v1"])), ("own", None), ("gone", None)]);
        let ImageSource::Binary { path, .. } = catalog.sources.get_mut("own").expect("there");
        *path = OWN_BINARY.to_owned();
        let ImageSource::Binary { path, .. } = catalog.sources.get_mut("gone").expect("there");
        *path = "/bin".to_owned();
        let own = Path::new("/bin/sh");
        for (image, why) in [
            ("api:v2", "no tag v2"),
            ("r.io/nothing:v1", "repository nothing"),
            ("gone:1", "/bin is not an executable file"),
            ("Bad Name", "invalid reference"),
        ] {
            let error = catalog.resolve(image, own).expect_err(image).to_string();
            assert!(error.starts_with("CannotPullContainerError: "), "{error}");
            assert!(error.contains(&format!("\"{image}\"")) && error.contains(why), "{error}");
        }
        assert!(catalog.resolve("api:v1", own).is_ok());
        assert_eq!(catalog.resolve("own", own).expect("own binary").path, own);
    }

    #[test]
    fn the_catalog_outlives_the_process() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("images.json");
        let sources = catalog(&[("api", Some(&["v1"]))]).sources;
        let mut first = ImageCatalog::open(file.clone()).expect("empty");
        first.put(sources.clone()).expect("written");
        assert_eq!(ImageCatalog::open(file.clone()).expect("read").sources(), &sources);
        fs::write(&file, "{").expect("written");
        let error = ImageCatalog::open(file).expect_err("broken").to_string();
        assert!(error.contains("images.json"), "{error}");
    }
}
