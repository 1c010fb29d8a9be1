//! Files by name, in a directory or an archive.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::in_root::InRoot;

/// A file's bytes, and how many they are.
pub(super) type Opened<'a> = (Box<dyn Read + 'a>, u64);

/// Something that has files by name.
pub(super) trait Source {
    /// Opens a file; its length with it. `None` where there is no such file.
    fn open(&mut self, name: &str) -> Result<Option<Opened<'_>>, Error>;

    /// Whether there is such a file.
    fn has(&mut self, name: &str) -> Result<bool, Error> {
        Ok(self.open(name)?.is_some())
    }
}

/// The files below a directory.
pub(super) struct Directory {
    root: InRoot,
    path: PathBuf,
}

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let root = InRoot::open(path).map_err(Error::io("open", path))?;
        Ok(Self { root, path: path.to_owned() })
    }
}

impl Source for Directory {
    fn open(&mut self, name: &str) -> Result<Option<Opened<'_>>, Error> {
        let opened = self.root.open_file(name).and_then(|file: File| {
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is not a regular file",
                ));
            }
            Ok((file, metadata.len()))
        });
        match opened {
            Ok((file, length)) => Ok(Some((Box::new(file), length))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", self.path.join(name))(error)),
        }
    }
}
