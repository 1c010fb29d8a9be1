//! Where on this machine the repositories of images come from.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub use neargate_images::{ImageReference, InvalidReference};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::layout::write_durably;

/// Path of a [`ImageSource::Binary`] that means the running Neargate binary itself.
pub const OWN_BINARY: &str = "neargate";

/// The repository of the stand-in service, which every machine has, with any tag: for clients that
/// describe their system in no `neargate.yaml`.
const STAND_IN: &str = "neargate/stand-in";

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
    /// An OCI layout (a directory or its archive) or what `docker save` wrote. Only containers can
    /// be made of it.
    File {
        /// Absolute path.
        path: String,
        /// The tags the repository has; `None` when it has every tag.
        #[serde(default)]
        tags: Option<Vec<String>>,
    },
}

impl ImageSource {
    fn tags(&self) -> Option<&[String]> {
        match self {
            ImageSource::Binary { tags, .. } | ImageSource::File { tags, .. } => tags.as_deref(),
        }
    }
}

/// Why an image cannot be had; its text follows `CannotPullContainerError: ` (ECS-STOP-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PullError(String);

impl fmt::Display for PullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CannotPullContainerError: {}", self.0)
    }
}

/// A program of this machine that an image is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// The executable.
    pub(crate) path: PathBuf,
    /// The image's default command.
    pub(crate) arguments: Vec<String>,
    /// Whether the task definition's command is for another image.
    pub(crate) fixed_arguments: bool,
}

/// Where an image's content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A program, to be run as it is or to be packed.
    Program(Program),
    /// An image in files.
    File(PathBuf),
    /// Nothing is said of its repository here: it can only have been pushed.
    Pushed,
}

/// An image that can be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pulled {
    /// What is run, before the command.
    pub(crate) entry_point: Vec<String>,
    /// The default command.
    pub(crate) command: Vec<String>,
    /// Whether the task definition's command is for another image.
    pub(crate) fixed_arguments: bool,
    /// `NAME=value`, in order.
    pub(crate) environment: Vec<String>,
    /// Absent is root.
    pub(crate) user: Option<String>,
    /// Absent is the root directory.
    pub(crate) working_directory: Option<String>,
    /// Absent is SIGTERM.
    pub(crate) stop_signal: Option<String>,
    /// Directories of its files, lowest first; none for a plain process.
    pub(crate) layers: Vec<PathBuf>,
    /// Its digest; none for a plain process.
    pub(crate) digest: Option<String>,
}

impl From<Program> for Pulled {
    fn from(program: Program) -> Self {
        Self {
            entry_point: vec![program.path.display().to_string()],
            command: program.arguments,
            fixed_arguments: program.fixed_arguments,
            ..Self::default()
        }
    }
}

fn not_found(image: &str, why: String) -> PullError {
    PullError(format!("failed to resolve reference \"{image}\": not found: {why}"))
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

    /// Where the image behind a reference comes from.
    pub(crate) fn origin(&self, image: &str, own_binary: &Path) -> Result<Origin, PullError> {
        let reference: ImageReference = image.parse().map_err(|_| {
            PullError(format!("invalid reference format: \"{image}\" is no image reference"))
        })?;
        let Some(source) = self.find(&reference) else {
            if reference.repository == STAND_IN {
                let path = own_binary.to_owned();
                let arguments = vec!["stand-in".to_owned()];
                return Ok(Origin::Program(Program { path, arguments, fixed_arguments: true }));
            }
            return Ok(Origin::Pushed);
        };
        if let (Some(tags), Some(tag)) = (source.tags(), &reference.tag)
            && !tags.contains(tag)
        {
            return Err(not_found(image, format!("the repository has no tag {tag}")));
        }
        let (path, arguments, fixed_arguments) = match source {
            ImageSource::File { path, .. } => return Ok(Origin::File(path.into())),
            ImageSource::Binary { path, arguments, fixed_arguments, .. } => {
                (path, arguments, *fixed_arguments)
            }
        };
        let path = if path == OWN_BINARY { own_binary } else { Path::new(path) };
        let usable =
            fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
        if !usable {
            let path = path.display();
            return Err(not_found(image, format!("its source {path} is not an executable file")));
        }
        let (path, arguments) = (path.to_owned(), arguments.clone());
        Ok(Origin::Program(Program { path, arguments, fixed_arguments }))
    }

    /// The program behind a reference, for whoever can run nothing else.
    pub(crate) fn program(&self, image: &str, own_binary: &Path) -> Result<Program, PullError> {
        match self.origin(image, own_binary)? {
            Origin::Program(program) => Ok(program),
            Origin::File(path) => Err(not_found(
                image,
                format!(
                    "{} is an image of a whole file system, and the process driver runs single \
                     programs only",
                    path.display()
                ),
            )),
            Origin::Pushed => Err(not_found(
                image,
                "no image source is given for its repository, and the process driver runs programs, \
                 not images that were pushed"
                    .to_owned(),
            )),
        }
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

    /// A client may run the stand-in although nobody named a source for it.
    #[test]
    fn the_stand_in_is_always_there() {
        let own = Path::new("/bin/sh");
        let program = catalog(&[]).program("neargate/stand-in:1", own).expect("known");
        assert_eq!((program.path.as_path(), program.fixed_arguments), (own, true));
        assert_eq!(program.arguments, ["stand-in"]);
        let named = catalog(&[("neargate/stand-in", None)]);
        let program = named.program("neargate/stand-in:1", own).expect("known");
        assert_eq!(program.arguments, ["neargate/stand-in"], "a source comes first");
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
            let resolved = catalog.program(image, own).ok();
            assert_eq!(resolved.map(|r| r.arguments[0].clone()).as_deref(), found, "{image}");
        }
    }

    /// ECS-STOP-8: the reason names the image as the user wrote it.
    #[test]
    fn ecs_stop_8_what_cannot_be_pulled_is_named() {
        let mut catalog = catalog(&[("api", Some(&["v1"])), ("own", None), ("gone", None)]);
        for (name, new) in [("own", OWN_BINARY), ("gone", "/bin")] {
            if let Some(ImageSource::Binary { path, .. }) = catalog.sources.get_mut(name) {
                *path = new.to_owned();
            }
        }
        let own = Path::new("/bin/sh");
        for (image, why) in [
            ("api:v2", "no tag v2"),
            ("r.io/nothing:v1", "no image source is given"),
            ("gone:1", "/bin is not an executable file"),
            ("Bad Name", "invalid reference"),
        ] {
            let error = catalog.program(image, own).expect_err(image).to_string();
            assert!(error.starts_with("CannotPullContainerError: "), "{error}");
            assert!(error.contains(&format!("\"{image}\"")) && error.contains(why), "{error}");
        }
        assert!(catalog.program("api:v1", own).is_ok());
        assert_eq!(catalog.program("own", own).expect("own binary").path, own);
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
