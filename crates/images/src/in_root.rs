//! File operations that cannot leave a directory.
//!
//! Paths are resolved by the kernel (`openat2`) with the directory as root: absolute symbolic
//! links and `..` in them stay below it, as they would for a process that has it as its root. The
//! last component of a path is never followed. Resolving by hand, by comparing strings, would have
//! to know every link that was made before.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// How deep directories may be nested. Deeper trees cannot be walked (or removed) with the number
/// of open files that processes have by default.
const MAX_DEPTH: usize = 200;

/// A directory that operations stay in.
pub(crate) struct InRoot {
    root: OwnedFd,
    /// The directory last asked for: entries of a layer come directory by directory. It cannot have
    /// been replaced since, because that begins with asking for the directory it is in.
    last: Option<(Vec<u8>, OwnedFd)>,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl InRoot {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let root = rustix::fs::openat(CWD, root, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        Ok(Self { root, last: None })
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens an existing directory, following links within the root.
    fn open_directory(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let plain = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let (opened, through_links) = match self.resolve(path, plain) {
            Err(Errno::LOOP) => {
                let following = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
                (self.resolve(path, following)?, true)
            }
            other => (other?, false),
        };
        let depth = if through_links {
            depth(&place_of(opened.as_fd())?).saturating_sub(depth(&place_of(self.root.as_fd())?))
        } else {
            depth(path)
        };
        if depth > MAX_DEPTH {
            return Err(io::Error::new(
                io::ErrorKind::InvalidFilename,
                format!("directories are nested deeper than {MAX_DEPTH}"),
            ));
        }
        Ok(opened)
    }

    fn resolve(&self, path: &[u8], flags: ResolveFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        // Renames elsewhere on the machine can make a lookup through `..` inconclusive.
        for _ in 0..1000 {
            match rustix::fs::openat2(&self.root, path, DIRECTORY, Mode::empty(), flags) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// The directory at a path, made (with its parents, mode 0755) where it is not there.
    pub(crate) fn directory(&mut self, components: &[&[u8]]) -> io::Result<BorrowedFd<'_>> {
        let path = components.join(&b'/');
        let cached = self.last.as_ref().is_some_and(|(known, _)| *known == path);
        if !cached {
            let opened = match self.open_directory(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !components.is_empty() => {
                    self.make_directories(components)?;
                    self.open_directory(&path)?
                }
                other => other?,
            };
            self.last = Some((path, opened));
        }
        // Just set, or found there.
        Ok(self.last.as_ref().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd()))
    }

    /// The directory at a path, which must be there.
    pub(crate) fn existing_directory(&self, components: &[&[u8]]) -> io::Result<OwnedFd> {
        self.open_directory(&components.join(&b'/'))
    }

    fn make_directories(&self, components: &[&[u8]]) -> io::Result<()> {
        let mut parent = self.open_directory(b"")?;
        for count in 1..=components.len() {
            let path = components[..count].join(&b'/');
            parent = match self.open_directory(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let mode = Mode::from_raw_mode(0o755);
                    rustix::fs::mkdirat(&parent, components[count - 1], mode)?;
                    // Not under the caller's umask.
                    let made = self.open_directory(&path)?;
                    rustix::fs::fchmod(&made, mode)?;
                    made
                }
                other => other?,
            };
        }
        Ok(())
    }

    /// Opens a regular file for reading; no component of its path may be a link.
    pub(crate) fn open_file(&self, path: &str) -> io::Result<std::fs::File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)?;
        Ok(file.into())
    }
}

/// Whether something has that name.
pub(crate) fn kind_of(
    parent: BorrowedFd<'_>,
    name: &[u8],
) -> io::Result<Option<rustix::fs::FileType>> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(rustix::fs::FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens a directory by its name alone, not following a link.
pub(crate) fn open_child_directory(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?)
}

/// The path of an open directory.
fn place_of(directory: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
    Ok(rustix::fs::readlink(link, Vec::new())?.into_bytes())
}

fn depth(path: &[u8]) -> usize {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).count()
}
