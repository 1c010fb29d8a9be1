//! Deleted files: marked by names in archives, by devices and attributes for overlayfs.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, XattrFlags};

use super::{Unpacker, failed, refused};
use crate::error::LayerError;
use crate::in_root::{kind_of, open_child_directory};
use crate::tar::Entry;

/// How overlayfs's own marks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// `trusted.overlay.*`, what overlayfs reads by default; needs CAP_SYS_ADMIN.
    Trusted,
    /// `user.overlay.*`, read with the mount option `userxattr`.
    User,
}

impl Marks {
    fn opaque(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }

    /// What works in this directory.
    pub(crate) fn probe(directory: &Path) -> Self {
        let works = File::open(directory).is_ok_and(|directory| {
            let name = "trusted.overlay.neargate";
            let works = rustix::fs::fsetxattr(&directory, name, b"y", XattrFlags::empty()).is_ok();
            works && rustix::fs::fremovexattr(&directory, name).is_ok()
        });
        if works { Self::Trusted } else { Self::User }
    }
}

impl Unpacker {
    /// A directory that was marked as deleted and has new files: it is made, and hides what lower
    /// layers have in it.
    pub(super) fn make_over_whiteout(
        &mut self,
        entry: &Entry,
        parents: &[&[u8]],
    ) -> Result<(), LayerError> {
        for (place, name) in parents.iter().enumerate() {
            let above = self.root.existing_directory(&parents[..place]);
            let above = above.map_err(failed("open the directory of", entry))?;
            let kind = kind_of(above.as_fd(), name).map_err(failed("look at", entry))?;
            // No other character devices are made here.
            if kind == Some(FileType::CharacterDevice) {
                let made = rustix::fs::unlinkat(&above, *name, AtFlags::empty())
                    .and_then(|()| rustix::fs::mkdirat(&above, *name, Mode::from_raw_mode(0o755)));
                made.map_err(|error| failed("replace a directory above", entry)(error.into()))?;
                let made =
                    open_child_directory(above.as_fd(), name).map_err(failed("open", entry))?;
                return self.mark_opaque(entry, made.as_fd());
            }
        }
        Ok(())
    }

    /// `.wh.name`: whatever lower layers have of that name is gone.
    pub(super) fn whiteout(
        &mut self,
        entry: &Entry,
        parents: &[&[u8]],
        deleted: &[u8],
    ) -> Result<(), LayerError> {
        if deleted.is_empty() || deleted == b"." || deleted == b".." {
            return Err(refused(entry, "it marks a deleted file without a name"));
        }
        let parent = self.parent(entry, parents)?;
        match kind_of(parent, deleted).map_err(failed("look at", entry))? {
            None => {}
            // This layer has the name itself, which is for lower layers only: a file hides
            // what is below anyway, a directory has to be told.
            Some(FileType::Directory) => {
                let own = open_child_directory(parent, deleted).map_err(failed("open", entry))?;
                return self.mark_opaque(entry, own.as_fd());
            }
            Some(_) => return Ok(()),
        }
        let mode = Mode::from_raw_mode(0);
        rustix::fs::mknodat(parent, deleted, FileType::CharacterDevice, mode, 0).map_err(|error| {
            let action =
                "make the whiteout (a character device 0/0; without root it needs Linux 5.8) for";
            failed(action, entry)(error.into())
        })
    }

    pub(super) fn opaque(&mut self, entry: &Entry, parents: &[&[u8]]) -> Result<(), LayerError> {
        let directory = self.parent(entry, parents)?.try_clone_to_owned();
        let directory = directory.map_err(failed("open the directory of", entry))?;
        self.mark_opaque(entry, directory.as_fd())
    }

    pub(super) fn mark_opaque(
        &self,
        entry: &Entry,
        directory: BorrowedFd<'_>,
    ) -> Result<(), LayerError> {
        rustix::fs::fsetxattr(directory, self.marks.opaque(), b"y", XattrFlags::empty()).map_err(
            |error| {
                let action = match self.marks {
                    Marks::Trusted => "set trusted.overlay.opaque for",
                    Marks::User => {
                        "set user.overlay.opaque (the file system must have user attributes; \
                                trusted ones need root) for"
                    }
                };
                failed(action, entry)(error.into())
            },
        )
    }
}
