//! A tar archive as files by name. It is read once to learn what is where.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::source::{Opened, Source};
use crate::decompress::decompressed;
use crate::digest::HashingReader;
use crate::error::Error;
use crate::limits::Limits;
use crate::remove_tree::{remove, unique_in};
use crate::tar::{Kind, TarReader};

/// `docker save` replaced equal layers by links; links to links to links are somebody's game.
const MAX_LINKS: usize = 8;

/// An archive whose files can be opened in any order.
pub(super) struct Archive {
    file: File,
    path: PathBuf,
    entries: HashMap<String, Place>,
    /// The plain copy of a compressed archive.
    temporary: Option<PathBuf>,
}

enum Place {
    Data { offset: u64, length: u64 },
    Link { target: String },
}

impl Archive {
    pub(super) fn open(path: &Path, staging: &Path, limits: &Limits) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let mut archive =
            Self { file, path: path.to_owned(), entries: HashMap::new(), temporary: None };
        if archive.is_compressed()? {
            archive.decompress(staging, limits)?;
        }
        file = archive.file.try_clone().map_err(Error::io("open", path))?;
        archive.entries = archive.list(file, limits)?;
        Ok(archive)
    }

    fn is_compressed(&mut self) -> Result<bool, Error> {
        let (_, compressed) = decompressed(&self.file).map_err(Error::io("read", &self.path))?;
        self.rewind()?;
        Ok(compressed)
    }

    fn rewind(&mut self) -> Result<(), Error> {
        self.file.rewind().map_err(Error::io("read", &self.path))
    }

    fn decompress(&mut self, staging: &Path, limits: &Limits) -> Result<(), Error> {
        let temporary = unique_in(staging);
        let plain = File::options().read(true).write(true).create_new(true).open(&temporary);
        let mut plain = plain.map_err(Error::io("make", &temporary))?;
        self.temporary = Some(temporary);
        let copied = decompressed(&self.file).and_then(|(reader, _)| {
            io::copy(&mut HashingReader::bounded(reader, limits.blob_bytes), &mut plain)
        });
        copied.map_err(Error::io("decompress", &self.path))?;
        self.file = plain;
        self.rewind()
    }

    fn list(&self, file: File, limits: &Limits) -> Result<HashMap<String, Place>, Error> {
        let mut entries = HashMap::new();
        let mut reader = TarReader::new(BufReader::with_capacity(256 * 1024, file));
        let failed = |error: io::Error| Error::io("read", &self.path)(error);
        while let Some(entry) = reader.next().map_err(|error| failed(error.into()))? {
            if entries.len() as u64 >= limits.layer_entries {
                return Err(Error::Import {
                    path: self.path.clone(),
                    problem: format!("it has more than {} entries", limits.layer_entries),
                });
            }
            let Ok(name) = String::from_utf8(entry.path) else { continue };
            let name = plain_name("", &name);
            let link = String::from_utf8_lossy(&entry.link);
            let place = match entry.kind {
                Kind::File => Place::Data { offset: reader.offset(), length: entry.size },
                Kind::Symlink => {
                    let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
                    Place::Link { target: plain_name(directory, &link) }
                }
                Kind::HardLink => Place::Link { target: plain_name("", &link) },
                Kind::Directory | Kind::Device | Kind::Fifo => continue,
            };
            entries.insert(name, place);
        }
        Ok(entries)
    }
}

impl Source for Archive {
    fn open(&mut self, name: &str) -> Result<Option<Opened<'_>>, Error> {
        let mut name = plain_name("", name);
        for _ in 0..MAX_LINKS {
            match self.entries.get(&name) {
                None => return Ok(None),
                Some(Place::Link { target }) => name = target.clone(),
                Some(Place::Data { offset, length }) => {
                    let failed = Error::io("read", &self.path);
                    self.file.seek(SeekFrom::Start(*offset)).map_err(failed)?;
                    return Ok(Some((Box::new((&self.file).take(*length)), *length)));
                }
            }
        }
        Ok(None)
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        // What stays after a crash is swept when the store is opened.
        if let Some(path) = &self.temporary {
            let _ = remove(path).or_else(|_| fs::remove_file(path));
        }
    }
}

/// A name in the archive without `.`, `..` and empty parts; it names nothing but an entry.
fn plain_name(directory: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let from = if name.starts_with('/') { "" } else { directory };
    for part in from.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn names_are_plain() {
        for (directory, name, plain) in [
            ("", "./index.json", "index.json"),
            ("", "blobs//sha256/./x", "blobs/sha256/x"),
            ("abc", "../def/layer.tar", "def/layer.tar"),
            ("abc", "/def/layer.tar", "def/layer.tar"),
            ("", "../../etc/passwd", "etc/passwd"),
        ] {
            assert_eq!(plain_name(directory, name), plain);
        }
    }
}
