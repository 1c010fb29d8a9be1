//! Turns a layer's archive into a directory that overlayfs takes as a lower one.
//!
//! The archive is untrusted. Nothing is made outside the directory ([`InRoot`]); devices are left
//! out; of the extended attributes only those that programs need are kept, and none of overlayfs's
//! own, with which a layer could redirect names to other directories of the host.

mod attributes;
mod whiteouts;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

pub(crate) use whiteouts::Marks;

use attributes::times;

use crate::decompress::decompressed;
use crate::digest::{Digest, HashingReader};
use crate::error::LayerError;
use crate::in_root::{InRoot, kind_of, open_child_directory};
use crate::limits::Limits;
use crate::tar::{Entry, Kind, TarError, TarReader};

/// A deleted file is marked in archives by this prefix to its name.
const WHITEOUT: &[u8] = b".wh.";
/// A directory that hides everything below it in lower layers has a file of this name.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other names with this prefix are notes of AUFS to itself.
const AUFS: &[u8] = b".wh..wh.";
const BUFFER: usize = 128 * 1024;

/// Unpacks a layer's blob into an empty directory and checks that its content is `diff_id`.
/// `blob` is the digest the blob was stored under.
pub(crate) fn unpack(
    reader: impl Read,
    blob: Digest,
    diff_id: Digest,
    directory: &Path,
    marks: Marks,
    limits: &Limits,
) -> Result<(), LayerError> {
    let (plain, compressed) = decompressed(reader).map_err(LayerError::Unreadable)?;
    // What is not compressed has been hashed when it was stored.
    let plain = if compressed {
        HashingReader::new(plain, limits.layer_bytes)
    } else {
        HashingReader::bounded(plain, limits.layer_bytes)
    };
    let root = InRoot::open(directory).map_err(|source| LayerError::Io {
        action: "open the directory for",
        entry: ".".to_owned(),
        source,
    })?;
    let mut unpacker = Unpacker {
        root,
        marks,
        is_root: rustix::process::geteuid().is_root(),
        buffer: vec![0; BUFFER],
    };
    let mut archive = TarReader::new(plain);
    let mut entries = 0_u64;
    while let Some(entry) = archive.next().map_err(tar_error)? {
        entries += 1;
        if entries > limits.layer_entries {
            return Err(LayerError::TooMuch { what: "entries", limit: limits.layer_entries });
        }
        if entry.size > limits.layer_bytes {
            return Err(LayerError::TooMuch { what: "bytes, unpacked", limit: limits.layer_bytes });
        }
        unpacker.take(&entry, &mut archive)?;
    }
    // The digest covers what writers append after the end mark, too.
    let mut plain = archive.into_inner();
    io::copy(&mut plain, &mut io::sink()).map_err(LayerError::reading)?;
    let found = plain.finish().0.unwrap_or(blob);
    if found != diff_id {
        return Err(LayerError::WrongContent { expected: diff_id, found });
    }
    Ok(())
}

fn tar_error(error: TarError) -> LayerError {
    match error {
        TarError::Read(error) => LayerError::reading(error),
        TarError::Format { offset, problem } => LayerError::NotTar { offset, problem },
    }
}

struct Unpacker {
    root: InRoot,
    marks: Marks,
    is_root: bool,
    buffer: Vec<u8>,
}

/// Printable form of an entry's path.
fn shown(path: &[u8]) -> String {
    path.escape_ascii().to_string()
}

fn failed(action: &'static str, entry: &Entry) -> impl FnOnce(io::Error) -> LayerError {
    let entry = shown(&entry.path);
    move |source| LayerError::Io { action, entry, source }
}

fn refused(entry: &Entry, problem: &'static str) -> LayerError {
    LayerError::Refused { entry: shown(&entry.path), problem }
}

/// A path in components, from the layer's root. A leading slash means that root, as it does for
/// every other tool; `..` is in no layer a builder makes.
fn components<'a>(path: &'a [u8], entry: &Entry) -> Result<Vec<&'a [u8]>, LayerError> {
    if path.len() > 4095 || path.contains(&0) {
        return Err(refused(entry, "its path is longer than a path can be, or has a NUL in it"));
    }
    let parts: Vec<_> =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) {
        return Err(refused(entry, "`..` in its path could lead out of the layer"));
    }
    if parts.iter().any(|part| part.len() > 255) {
        return Err(refused(entry, "a part of its path is longer than 255 bytes"));
    }
    Ok(parts)
}

impl Unpacker {
    fn take(&mut self, entry: &Entry, data: &mut impl Read) -> Result<(), LayerError> {
        let path = components(&entry.path, entry)?;
        let Some((name, parents)) = path.split_last() else {
            // The layer's root itself.
            return match entry.kind {
                Kind::Directory => {
                    let root = self.root.root().try_clone_to_owned();
                    let root = root.map_err(failed("open", entry))?;
                    self.directory_metadata(entry, root.as_fd())
                }
                _ => Err(refused(entry, "the root of a layer is a directory")),
            };
        };
        if parents.iter().any(|part| part.starts_with(WHITEOUT)) {
            return Err(refused(entry, "it is below a name that marks a deleted file"));
        }
        if *name == OPAQUE {
            return self.opaque(entry, parents);
        }
        if name.starts_with(AUFS) {
            return Ok(());
        }
        if let Some(deleted) = name.strip_prefix(WHITEOUT) {
            return self.whiteout(entry, parents, deleted);
        }
        match entry.kind {
            Kind::Directory => self.directory(entry, parents, name),
            Kind::File => self.file(entry, parents, name, data),
            Kind::Symlink => self.symlink(entry, parents, name),
            Kind::HardLink => self.hard_link(entry, parents, name),
            Kind::Fifo => self.fifo(entry, parents, name),
            // Containers get their devices from the runtime, never from an image.
            Kind::Device => Ok(()),
        }
    }

    fn parent(&mut self, entry: &Entry, parents: &[&[u8]]) -> Result<BorrowedFd<'_>, LayerError> {
        let is_hidden = match self.root.directory(parents) {
            Ok(_) => false,
            Err(error) => error.kind() == io::ErrorKind::NotADirectory,
        };
        if is_hidden {
            self.make_over_whiteout(entry, parents)?;
        }
        self.root.directory(parents).map_err(failed("make the directory for", entry))
    }

    /// Makes room for an entry: a later one of the same name replaces an earlier one.
    fn make_room(
        &mut self,
        entry: &Entry,
        parents: &[&[u8]],
        name: &[u8],
    ) -> Result<(), LayerError> {
        let parent = self.parent(entry, parents)?;
        match kind_of(parent, name).map_err(failed("look at", entry))? {
            None => Ok(()),
            Some(FileType::Directory) => remove_directory(parent, name),
            Some(_) => {
                rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(io::Error::from)
            }
        }
        .map_err(failed("replace", entry))
    }

    fn directory(
        &mut self,
        entry: &Entry,
        parents: &[&[u8]],
        name: &[u8],
    ) -> Result<(), LayerError> {
        let parent = self.parent(entry, parents)?;
        let existing = kind_of(parent, name).map_err(failed("look at", entry))?;
        if existing != Some(FileType::Directory) {
            // A whiteout of the same name: this directory hides the one below it.
            let hides = existing == Some(FileType::CharacterDevice);
            self.make_room(entry, parents, name)?;
            let parent = self.parent(entry, parents)?;
            rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700))
                .map_err(|error| failed("make", entry)(error.into()))?;
            if hides {
                let made = open_child_directory(parent, name).map_err(failed("open", entry))?;
                self.mark_opaque(entry, made.as_fd())?;
            }
        }
        let parent = self.parent(entry, parents)?;
        let made = open_child_directory(parent, name).map_err(failed("open", entry))?;
        self.directory_metadata(entry, made.as_fd())
    }

    fn directory_metadata(
        &self,
        entry: &Entry,
        directory: BorrowedFd<'_>,
    ) -> Result<(), LayerError> {
        self.own(entry, |uid, gid| rustix::fs::fchown(directory, Some(uid), Some(gid)))?;
        // Without root's rights, a directory its owner cannot enter could not be filled.
        let mode = if self.is_root { entry.mode } else { entry.mode | 0o700 };
        rustix::fs::fchmod(directory, Mode::from_raw_mode(mode))
            .map_err(|error| failed("set the mode of", entry)(error.into()))?;
        self.xattrs(entry, directory)
    }

    fn file(
        &mut self,
        entry: &Entry,
        parents: &[&[u8]],
        name: &[u8],
        data: &mut impl Read,
    ) -> Result<(), LayerError> {
        self.make_room(entry, parents, name)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let parent = self.parent(entry, parents)?;
        let file = rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))
            .map_err(|error| failed("make", entry)(error.into()))?;
        let mut file = File::from(file);
        let mut rest = entry.size;
        while rest > 0 {
            let count = match data.read(&mut self.buffer) {
                Ok(0) => return Err(LayerError::Unreadable(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(LayerError::reading(error)),
            };
            io::Write::write_all(&mut file, &self.buffer[..count])
                .map_err(failed("write", entry))?;
            rest = rest.saturating_sub(count as u64);
        }
        self.own(entry, |uid, gid| rustix::fs::fchown(&file, Some(uid), Some(gid)))?;
        // After the owner: a change of owner takes setuid away.
        rustix::fs::fchmod(&file, Mode::from_raw_mode(entry.mode))
            .map_err(|error| failed("set the mode of", entry)(error.into()))?;
        self.xattrs(entry, file.as_fd())?;
        rustix::fs::futimens(&file, &times(entry))
            .map_err(|error| failed("set the time of", entry)(error.into()))
    }

    fn symlink(&mut self, entry: &Entry, parents: &[&[u8]], name: &[u8]) -> Result<(), LayerError> {
        if entry.link.is_empty() || entry.link.len() > 4095 || entry.link.contains(&0) {
            return Err(refused(entry, "what it links to is no path"));
        }
        self.make_room(entry, parents, name)?;
        let parent = self.parent(entry, parents)?.try_clone_to_owned();
        let parent = parent.map_err(failed("open the directory of", entry))?;
        rustix::fs::symlinkat(&entry.link[..], &parent, name)
            .map_err(|error| failed("make", entry)(error.into()))?;
        self.own(entry, |uid, gid| {
            rustix::fs::chownat(&parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        })?;
        rustix::fs::utimensat(&parent, name, &times(entry), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| failed("set the time of", entry)(error.into()))
    }

    fn hard_link(
        &mut self,
        entry: &Entry,
        parents: &[&[u8]],
        name: &[u8],
    ) -> Result<(), LayerError> {
        let target = components(&entry.link, entry)?;
        let Some((target_name, target_parents)) = target.split_last() else {
            return Err(refused(entry, "what it links to is no file"));
        };
        let target_parent = self.root.existing_directory(target_parents);
        let target_parent =
            target_parent.map_err(failed("find the target of the hard link", entry))?;
        match kind_of(target_parent.as_fd(), target_name).map_err(failed("look at", entry))? {
            Some(FileType::RegularFile | FileType::Symlink | FileType::Fifo) => {}
            Some(_) => return Err(refused(entry, "what it links to is no file")),
            None => return Err(refused(entry, "what it links to is not in the layer")),
        }
        if target == [parents, &[name]].concat() {
            return Ok(());
        }
        self.make_room(entry, parents, name)?;
        let parent = self.parent(entry, parents)?;
        rustix::fs::linkat(&target_parent, *target_name, parent, name, AtFlags::empty())
            .map_err(|error| failed("make the hard link", entry)(error.into()))
    }

    fn fifo(&mut self, entry: &Entry, parents: &[&[u8]], name: &[u8]) -> Result<(), LayerError> {
        self.make_room(entry, parents, name)?;
        let parent = self.parent(entry, parents)?.try_clone_to_owned();
        let parent = parent.map_err(failed("open the directory of", entry))?;
        let mode = Mode::from_raw_mode(entry.mode);
        rustix::fs::mknodat(&parent, name, FileType::Fifo, mode, 0)
            .map_err(|error| failed("make", entry)(error.into()))?;
        self.own(entry, |uid, gid| {
            rustix::fs::chownat(&parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        })?;
        // Not under the caller's umask.
        rustix::fs::chmodat(&parent, name, mode, AtFlags::empty())
            .map_err(|error| failed("set the mode of", entry)(error.into()))
    }
}

/// Removes a directory with everything in it, without leaving it. Its depth is bounded, since
/// [`InRoot`] makes no deep ones.
fn remove_directory(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    let directory = open_child_directory(parent, name)?;
    for entry in rustix::fs::Dir::read_from(&directory)? {
        let entry = entry?;
        let child = entry.file_name().to_bytes();
        if child == b"." || child == b".." {
            continue;
        }
        match kind_of(directory.as_fd(), child)? {
            Some(FileType::Directory) => remove_directory(directory.as_fd(), child)?,
            Some(_) => rustix::fs::unlinkat(&directory, child, AtFlags::empty())?,
            None => {}
        }
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}
