//! Owners, extended attributes and times of what a layer makes.

use std::os::fd::BorrowedFd;

use rustix::fs::{Gid, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::{Unpacker, failed, refused};
use crate::error::LayerError;
use crate::tar::Entry;

/// More than any program has.
const MAX_XATTRS: usize = 64;

impl Unpacker {
    /// Gives an entry its owner. Without root's rights everything stays the caller's.
    pub(super) fn own(
        &self,
        entry: &Entry,
        chown: impl FnOnce(Uid, Gid) -> rustix::io::Result<()>,
    ) -> Result<(), LayerError> {
        // The largest number means "leave it as it is" to the system.
        let id = |id: u64| u32::try_from(id).ok().filter(|id| *id != u32::MAX);
        let (Some(uid), Some(gid)) = (id(entry.uid), id(entry.gid)) else {
            return Err(refused(entry, "its owner is no user id"));
        };
        if !self.is_root {
            return Ok(());
        }
        chown(Uid::from_raw(uid), Gid::from_raw(gid))
            .map_err(|error| failed("set the owner of", entry)(error.into()))
    }

    pub(super) fn xattrs(&self, entry: &Entry, file: BorrowedFd<'_>) -> Result<(), LayerError> {
        if entry.xattrs.len() > MAX_XATTRS {
            return Err(refused(entry, "it has more than 64 extended attributes"));
        }
        for (name, value) in &entry.xattrs {
            let is_capability = name == b"security.capability";
            let is_users = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
            if !is_capability && !is_users {
                continue;
            }
            match rustix::fs::fsetxattr(file, &name[..], value, XattrFlags::empty()) {
                // Not every file system has user attributes, and only root sets capabilities.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(error) => return Err(failed("set an attribute of", entry)(error.into())),
            }
        }
        Ok(())
    }
}

pub(super) fn times(entry: &Entry) -> Timestamps {
    let time = Timespec { tv_sec: i64::try_from(entry.mtime).unwrap_or(0), tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
