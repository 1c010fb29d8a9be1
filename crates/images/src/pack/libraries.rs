//! Finds a program's shared libraries as the loader would, and says where in an image the loader
//! will find them again.
//!
//! In the image there is no `/etc/ld.so.cache` and the program stands elsewhere, so what was found by
//! the cache or beside the program goes to the C library's directory, which every loader searches.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::elf::{Linkage, linkage};
use super::{PackError, ld_cache};

/// Directories that loaders search without being told, for the C libraries and distributions there
/// are: Debian's, Red Hat's, and musl's.
const DEFAULT_DIRECTORIES: &[(&str, &[&str])] = &[
    (
        "amd64",
        &[
            "/lib/x86_64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu",
            "/lib64",
            "/usr/lib64",
            "/lib",
            "/usr/lib",
        ],
    ),
    (
        "arm64",
        &[
            "/lib/aarch64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/lib64",
            "/usr/lib64",
            "/lib",
            "/usr/lib",
        ],
    ),
];

/// Libraries that the GNU C library opens by name at run time: names of users and hosts, and what
/// ends threads.
const OPENED_LATER: &[&str] =
    &["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libgcc_s.so.1"];

/// Where things come from: the file system, or a test's.
pub(super) struct Loader {
    cache: HashMap<String, Vec<PathBuf>>,
    architecture: String,
    /// Where each library was found, by the name it is asked for.
    found: BTreeMap<String, Library>,
    /// The loader itself, by its path in image and host.
    interpreters: BTreeMap<String, PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Library {
    source: PathBuf,
    /// Its directory in the image; `None` for the C library's.
    directory: Option<String>,
}

/// The search path an object hands to what it loads.
#[derive(Clone)]
struct Requester {
    linkage: Rc<Linkage>,
    /// Directory of the object, for `$ORIGIN`.
    origin: PathBuf,
    /// Who loaded it; their RPATHs count for it too.
    parent: Option<Rc<Requester>>,
}

impl Loader {
    pub(super) const CACHE: &str = "/etc/ld.so.cache";

    pub(super) fn new(architecture: &str) -> Self {
        let cache = fs::read(Self::CACHE).map(|bytes| ld_cache::parse(&bytes)).unwrap_or_default();
        Self {
            cache,
            architecture: architecture.to_owned(),
            found: BTreeMap::new(),
            interpreters: BTreeMap::new(),
        }
    }

    /// Finds everything a program needs.
    pub(super) fn add_program(&mut self, path: &Path, linkage: Linkage) -> Result<(), PackError> {
        if let Some(interpreter) = &linkage.interpreter {
            self.interpreters.insert(interpreter.clone(), PathBuf::from(interpreter));
        }
        let is_dynamic = !linkage.needed.is_empty();
        let real = fs::canonicalize(path).map_err(PackError::io(path))?;
        let program = Rc::new(requester(&real, linkage, None));
        let mut left = vec![program.clone()];
        while let Some(requester) = left.pop() {
            for name in &requester.linkage.needed {
                if self.knows(name) {
                    continue;
                }
                let Some((library, linkage)) = self.find(name, &requester) else {
                    return Err(PackError::LibraryMissing {
                        path: path.to_owned(),
                        library: name.clone(),
                    });
                };
                let real =
                    fs::canonicalize(&library.source).map_err(PackError::io(&library.source))?;
                left.push(Rc::new(self::requester(&real, linkage, Some(requester.clone()))));
                self.found.insert(name.clone(), library);
            }
        }
        if is_dynamic && self.found.contains_key("libc.so.6") {
            for name in OPENED_LATER {
                if !self.knows(name)
                    && let Some((library, _)) = self.find(name, &program)
                {
                    self.found.insert((*name).to_owned(), library);
                }
            }
        }
        Ok(())
    }

    /// Whether a library is found already, or is the loader.
    fn knows(&self, name: &str) -> bool {
        self.found.contains_key(name)
            || self.interpreters.keys().any(|path| path.rsplit('/').next() == Some(name))
    }

    /// Everything found: path in the image (without its first slash) and file here.
    pub(super) fn files(&self) -> BTreeMap<String, PathBuf> {
        let fallback = match self.found.get("libc.so.6") {
            Some(Library { directory: Some(directory), .. }) => directory.clone(),
            _ => "/lib".to_owned(),
        };
        let libraries = self.found.iter().map(|(name, library)| {
            let directory = library.directory.as_ref().unwrap_or(&fallback);
            let file = name.rsplit('/').next().unwrap_or(name);
            (format!("{directory}/{file}"), library.source.clone())
        });
        let interpreters =
            self.interpreters.iter().map(|(path, source)| (path.clone(), source.clone()));
        libraries
            .chain(interpreters)
            .map(|(path, source)| (path.trim_start_matches('/').to_owned(), source))
            .collect()
    }

    fn find(&self, name: &str, requester: &Requester) -> Option<(Library, Linkage)> {
        self.candidates(name, requester).into_iter().find_map(|library| {
            let (linkage, _) = linkage(&library.source).ok()?;
            (linkage.architecture == self.architecture).then_some((library, linkage))
        })
    }

    /// Where a library may be, in the loader's order.
    fn candidates(&self, name: &str, requester: &Requester) -> Vec<Library> {
        if name.contains('/') {
            let (path, is_fixed) = expand(name, &requester.origin);
            let directory =
                path.parent().and_then(Path::to_str).filter(|_| is_fixed).map(str::to_owned);
            return vec![Library { source: path, directory }];
        }
        let mut directories = Vec::new();
        if requester.linkage.runpath.is_empty() {
            let mut loader = Some(requester);
            while let Some(by) = loader {
                if by.linkage.runpath.is_empty() {
                    directories
                        .extend(by.linkage.rpath.iter().map(|path| expand(path, &by.origin)));
                }
                loader = by.parent.as_deref();
            }
        }
        let runpath = requester.linkage.runpath.iter();
        directories.extend(runpath.map(|path| expand(path, &requester.origin)));
        let told = directories.into_iter().map(|(directory, is_fixed)| Library {
            source: directory.join(name),
            directory: directory.to_str().filter(|_| is_fixed).map(str::to_owned),
        });
        let by_default = self.default_directories();
        let cached = self.cache.get(name).into_iter().flatten().map(|path| {
            let directory = path.parent().and_then(Path::to_str);
            let kept = directory.filter(|directory| by_default.contains(directory));
            Library { source: path.clone(), directory: kept.map(str::to_owned) }
        });
        let default = by_default.iter().map(|directory| Library {
            source: Path::new(directory).join(name),
            directory: Some((*directory).to_owned()),
        });
        told.chain(cached).chain(default).collect()
    }

    fn default_directories(&self) -> &'static [&'static str] {
        DEFAULT_DIRECTORIES
            .iter()
            .find(|(architecture, _)| *architecture == self.architecture)
            .map_or(&["/lib", "/usr/lib"], |(_, directories)| directories)
    }
}

fn requester(real: &Path, linkage: Linkage, parent: Option<Rc<Requester>>) -> Requester {
    let origin = real.parent().unwrap_or(Path::new("/")).to_owned();
    Requester { linkage: Rc::new(linkage), origin, parent }
}

/// A search path with its tokens replaced, and whether it means the same place in an image: an
/// absolute path without tokens and without `..`.
fn expand(path: &str, origin: &Path) -> (PathBuf, bool) {
    let origin = origin.to_string_lossy();
    let lib = if cfg!(target_arch = "x86_64") { "lib64" } else { "lib" };
    let expanded = path
        .replace("${ORIGIN}", &origin)
        .replace("$ORIGIN", &origin)
        .replace("${LIB}", lib)
        .replace("$LIB", lib);
    let is_fixed = !path.contains('$')
        && path.starts_with('/')
        && path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    (PathBuf::from(expanded), is_fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_with_tokens_are_not_kept() {
        let origin = Path::new("/opt/app/bin");
        for (path, expanded, is_fixed) in [
            ("$ORIGIN/../lib", "/opt/app/bin/../lib", false),
            ("${ORIGIN}", "/opt/app/bin", false),
            ("/opt/x/lib", "/opt/x/lib", true),
            ("/opt/x/../lib", "/opt/x/../lib", false),
            ("relative", "relative", false),
        ] {
            assert_eq!(expand(path, origin), (PathBuf::from(expanded), is_fixed), "{path}");
        }
    }

    fn loader() -> Loader {
        Loader {
            cache: HashMap::from([(
                "libz.so.1".to_owned(),
                vec![PathBuf::from("/opt/z/libz.so.1")],
            )]),
            architecture: "amd64".to_owned(),
            found: BTreeMap::new(),
            interpreters: BTreeMap::new(),
        }
    }

    fn sources(name: &str, requester: &Requester) -> Vec<String> {
        let candidates = loader().candidates(name, requester);
        candidates.iter().take(4).map(|library| library.source.display().to_string()).collect()
    }

    #[test]
    fn the_loaders_order() {
        let linkage = |rpath: &[&str], runpath: &[&str]| {
            let texts = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
            Linkage { rpath: texts(rpath), runpath: texts(runpath), ..Linkage::default() }
        };
        let program =
            Rc::new(requester(Path::new("/app/bin/p"), linkage(&["$ORIGIN/lib"], &[]), None));
        assert_eq!(
            sources("libz.so.1", &program),
            [
                "/app/bin/lib/libz.so.1",
                "/opt/z/libz.so.1",
                "/lib/x86_64-linux-gnu/libz.so.1",
                "/usr/lib/x86_64-linux-gnu/libz.so.1"
            ]
        );
        // The program's RPATH counts for its libraries' libraries; a RUNPATH makes it void.
        let plain = requester(Path::new("/x/liba.so"), linkage(&[], &[]), Some(program.clone()));
        assert_eq!(sources("libz.so.1", &plain)[0], "/app/bin/lib/libz.so.1");
        let own = requester(Path::new("/x/liba.so"), linkage(&["/r"], &["/own"]), Some(program));
        assert_eq!(sources("libz.so.1", &own)[..2], ["/own/libz.so.1", "/opt/z/libz.so.1"]);
        assert_eq!(sources("/abs/liby.so", &own), ["/abs/liby.so"]);
    }

    #[test]
    fn what_no_loader_would_find_goes_to_the_c_library() {
        let mut loader = loader();
        let library = |source: &str, directory: Option<&str>| Library {
            source: PathBuf::from(source),
            directory: directory.map(str::to_owned),
        };
        loader.found.insert("libc.so.6".into(), library("/lib/g/libc.so.6", Some("/lib/g")));
        loader.found.insert("libz.so.1".into(), library("/opt/z/libz.so.1", None));
        let files = loader.files();
        assert_eq!(files["lib/g/libz.so.1"], Path::new("/opt/z/libz.so.1"));
        assert_eq!(files["lib/g/libc.so.6"], Path::new("/lib/g/libc.so.6"));
    }
}
