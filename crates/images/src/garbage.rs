//! Freeing what no image needs any more.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, SystemTime};

use crate::digest::Digest;
use crate::error::Error;
use crate::manifest::{ConfigFile, Document};
use crate::remove_tree::{remove, unique_in};
use crate::repository::Repository;
use crate::store::ImageStore;

/// What a collection freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Blobs removed.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Unpacked layers removed.
    pub layers: usize,
}

/// What is needed.
#[derive(Default)]
struct Needed {
    blobs: BTreeSet<Digest>,
    diff_ids: BTreeSet<Digest>,
    visited: BTreeSet<Digest>,
}

impl ImageStore {
    /// Removes blobs and unpacked layers that belong to no image of a repository and to none in
    /// use. `in_use` are the digests ([`crate::Image::digest`]) of images that containers run
    /// from; the caller lists an image there before it can be deleted from its repository.
    /// Blobs wanted within `grace` stay: a push sends them before the manifest that needs them.
    ///
    /// # Errors
    /// When the disk refuses; what was freed until then is free.
    pub fn collect_garbage(
        &self,
        in_use: &BTreeSet<Digest>,
        grace: Duration,
    ) -> Result<Freed, Error> {
        self.check_writable()?;
        let mut freed = Freed::default();
        let mut trash = Vec::new();
        {
            let _gate = self.remove_content();
            let needed = self.needed(in_use);
            let now = SystemTime::now();
            for (digest, length, wanted) in self.blobs().all()? {
                let is_recent = now.duration_since(wanted).unwrap_or_default() < grace;
                if needed.blobs.contains(&digest) || is_recent {
                    continue;
                }
                let path = self.blobs().path(digest);
                remove(&path).map_err(Error::io("remove", path))?;
                freed.blobs += 1;
                freed.bytes += length;
            }
            let layers = self.layers();
            for entry in fs::read_dir(&layers).map_err(Error::io("list", &layers))? {
                let entry = entry.map_err(Error::io("list", &layers))?;
                let diff_id = entry.file_name().to_str().and_then(Digest::from_hex);
                if diff_id.is_some_and(|diff_id| needed.diff_ids.contains(&diff_id)) {
                    continue;
                }
                let away = unique_in(&self.staging());
                fs::rename(entry.path(), &away).map_err(Error::io("rename", entry.path()))?;
                trash.push(away);
                freed.layers += 1;
            }
        }
        // Large trees go while others work on.
        for path in trash {
            remove(&path).map_err(Error::io("remove", path))?;
        }
        Ok(freed)
    }

    /// Removes one blob now.
    ///
    /// # Errors
    /// [`Error::BlobMissing`] when it is not there, [`Error::BlobNeeded`] when an image needs it.
    pub fn delete_blob(&self, digest: Digest) -> Result<(), Error> {
        self.check_writable()?;
        let _gate = self.remove_content();
        if self.blobs().size(digest)?.is_none() {
            return Err(Error::BlobMissing { digest });
        }
        if self.needed(&BTreeSet::new()).blobs.contains(&digest) {
            return Err(Error::BlobNeeded { digest });
        }
        let path = self.blobs().path(digest);
        remove(&path).map_err(Error::io("remove", path))
    }

    /// Everything that images of repositories, and these, are made of.
    fn needed(&self, in_use: &BTreeSet<Digest>) -> Needed {
        let manifests = |repository: &Repository| -> Vec<Digest> {
            repository.manifests.keys().copied().collect()
        };
        let stored: Vec<Digest> = self.table().all().flat_map(manifests).collect();
        let mut needed = Needed::default();
        for digest in stored.iter().chain(in_use) {
            self.mark(*digest, &mut needed);
        }
        needed
    }

    /// Marks an image and everything it is made of. What cannot be read has nothing to mark.
    fn mark(&self, digest: Digest, needed: &mut Needed) {
        let mut left = vec![digest];
        while let Some(digest) = left.pop() {
            needed.blobs.insert(digest);
            // A manifest can be marked as something else's blob before; that is not a visit.
            if !needed.visited.insert(digest) {
                continue;
            }
            let Ok(document) = self.document(digest) else { continue };
            let parts = document.needs().into_iter().map(|descriptor| descriptor.digest);
            match &document {
                Document::Index(_) => left.extend(parts),
                Document::Manifest(manifest) => {
                    needed.blobs.extend(parts);
                    let config = self.blobs().read(&manifest.config, self.limits().config_bytes);
                    let config = config
                        .ok()
                        .and_then(|bytes| serde_json::from_slice::<ConfigFile>(&bytes).ok());
                    let diff_ids = config.into_iter().flat_map(|config| config.rootfs.diff_ids);
                    needed.diff_ids.extend(diff_ids);
                }
            }
        }
    }
}
