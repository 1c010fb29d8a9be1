//! The store: one directory, one writer.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError,
};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::FlockOperation;

use crate::blobs::Blobs;
use crate::digest::Digest;
use crate::durable;
use crate::error::Error;
use crate::limits::Limits;
use crate::manifest::{Descriptor, Document};
use crate::remove_tree::{remove, unique_in};
use crate::repository_table::RepositoryTable;
use crate::unpack::{self, Marks};

/// Repositories, blobs and unpacked layers below one directory. Every method may be called from
/// any thread; they block on the disk.
#[derive(Debug)]
pub struct ImageStore {
    root: PathBuf,
    limits: Limits,
    blobs: Blobs,
    marks: Marks,
    table: Mutex<RepositoryTable>,
    /// Held for reading while content is added or looked for, for writing while it is removed.
    content: RwLock<()>,
    unpacking: Mutex<BTreeSet<Digest>>,
    unpacked: Condvar,
    /// Held while the store is open for writing.
    lock: Option<File>,
}

impl ImageStore {
    /// Opens a store for writing, making it where it is not there. What an earlier process left
    /// unfinished is removed.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has it open for writing.
    pub fn open(root: PathBuf) -> Result<Self, Error> {
        Self::open_with(root, Limits::default())
    }

    /// As [`ImageStore::open`], with other bounds.
    ///
    /// # Errors
    /// As [`ImageStore::open`].
    pub fn open_with(root: PathBuf, limits: Limits) -> Result<Self, Error> {
        fs::create_dir_all(&root).map_err(Error::io("make the directory", &root))?;
        let path = root.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(Error::io("open", &path))?;
        lock_exclusively(&lock, &path, &root)?;
        let blobs = Blobs::new(&root);
        for leftover in ["staging", "uploads"] {
            let path = root.join(leftover);
            remove(&path).map_err(Error::io("remove", path))?;
        }
        blobs.create()?;
        for directory in ["uploads", "packed", "repositories"] {
            let path = root.join(directory);
            fs::create_dir_all(&path).map_err(Error::io("make the directory", path))?;
        }
        RepositoryTable::sweep(&root)?;
        drop_layers_of_an_earlier_boot(&root)?;
        Self::load(root, limits, blobs, Some(lock))
    }

    /// Opens a store for reading, as it is now, beside a process that may have it open for writing.
    /// Images can be listed, and resolved as far as their layers are unpacked.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open_read_only(root: PathBuf) -> Result<Self, Error> {
        let blobs = Blobs::new(&root);
        Self::load(root, Limits::default(), blobs, None)
    }

    fn load(
        root: PathBuf,
        limits: Limits,
        blobs: Blobs,
        lock: Option<File>,
    ) -> Result<Self, Error> {
        let table = Mutex::new(RepositoryTable::load(&root)?);
        let marks = Marks::probe(&root.join("layers"));
        Ok(Self {
            root,
            limits,
            blobs,
            marks,
            table,
            content: RwLock::default(),
            unpacking: Mutex::default(),
            unpacked: Condvar::new(),
            lock,
        })
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The bounds on what comes in.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether overlayfs has to be mounted with `userxattr` to see what layers delete: without
    /// CAP_SYS_ADMIN their marks are user attributes.
    pub fn uses_user_marks(&self) -> bool {
        self.marks == Marks::User
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, RepositoryTable> {
        // A change is made to a copy and put in its place when it is whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is removed while this is held.
    pub(crate) fn keep_content(&self) -> RwLockReadGuard<'_, ()> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is added while this is held. Asked for again and again rather than waited for: a
    /// waiting writer would keep tasks from their images while a long import goes on.
    pub(crate) fn remove_content(&self) -> RwLockWriteGuard<'_, ()> {
        loop {
            match self.content.try_write() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(Error::ReadOnly { dir: self.root.clone() }),
        }
    }

    pub(crate) fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub(crate) fn packed(&self) -> PathBuf {
        self.root.join("packed")
    }

    /// A manifest or index by its digest.
    pub(crate) fn document(&self, digest: Digest) -> Result<Document, Error> {
        let bytes = self.blobs.read_any(digest, self.limits.manifest_bytes)?;
        Document::parse(&bytes, None)
            .map_err(|problem| Error::Invalid { what: format!("the manifest {digest}"), problem })
    }

    /// The directory of an unpacked layer, unpacked now if it is not yet.
    pub(crate) fn unpacked_layer(
        &self,
        layer: &Descriptor,
        diff_id: Digest,
    ) -> Result<PathBuf, Error> {
        let directory = self.layers().join(diff_id.hex());
        if directory.is_dir() {
            return Ok(directory);
        }
        self.check_writable()?;
        let _claim = self.claim(diff_id);
        if !directory.is_dir() {
            self.unpack(layer, diff_id, &directory)?;
        }
        Ok(directory)
    }

    /// Waits until nobody unpacks this layer, and keeps others from it.
    fn claim(&self, diff_id: Digest) -> Claim<'_> {
        let claims = self.unpacking.lock().unwrap_or_else(PoisonError::into_inner);
        let mut claims = self
            .unpacked
            .wait_while(claims, |claims| claims.contains(&diff_id))
            .unwrap_or_else(PoisonError::into_inner);
        claims.insert(diff_id);
        Claim { store: self, diff_id }
    }

    fn unpack(&self, layer: &Descriptor, diff_id: Digest, directory: &Path) -> Result<(), Error> {
        let blob = self.blobs.open_described(layer)?;
        let staged = unique_in(&self.staging());
        fs::create_dir(&staged).map_err(Error::io("make the directory", &staged))?;
        let digest = layer.digest;
        let unpacked = unpack::unpack(blob, digest, diff_id, &staged, self.marks, &self.limits)
            .map_err(|source| Error::Layer { digest, source })
            .and_then(|()| fs::rename(&staged, directory).map_err(Error::io("rename", &staged)));
        if unpacked.is_err()
            && let Err(error) = remove(&staged)
        {
            tracing::warn!(path = %staged.display(), %error, "could not remove a half unpacked layer");
        }
        unpacked
    }
}

/// Takes the lock. A process that the holder was just starting keeps a copy of it until it runs its
/// own program, so a holder that is gone gets a moment.
fn lock_exclusively(lock: &File, path: &Path, root: &Path) -> Result<(), Error> {
    let deadline = Instant::now() + Duration::from_millis(300);
    loop {
        match rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::InUse { dir: root.to_owned() });
            }
            Err(error) => return Err(Error::io("lock", path)(error.into())),
        }
    }
}

/// The right to unpack one layer.
struct Claim<'a> {
    store: &'a ImageStore,
    diff_id: Digest,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut claims = self.store.unpacking.lock().unwrap_or_else(PoisonError::into_inner);
        claims.remove(&self.diff_id);
        self.store.unpacked.notify_all();
    }
}

/// Layers are not flushed to the disk when they are unpacked, so after a restart of the machine
/// their files may be empty. They are dropped then, and made again from their blobs when needed.
fn drop_layers_of_an_earlier_boot(root: &Path) -> Result<(), Error> {
    let layers = root.join("layers");
    let note = root.join("boot");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let same_boot = !boot.is_empty() && fs::read_to_string(&note).is_ok_and(|noted| noted == boot);
    if !same_boot {
        let trash = unique_in(&root.join("staging"));
        match fs::rename(&layers, &trash) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("rename", layers)(error));
            }
            _ => remove(&trash).map_err(Error::io("remove", trash))?,
        }
    }
    fs::create_dir_all(&layers).map_err(Error::io("make the directory", layers))?;
    if !same_boot {
        durable::write(&note, boot.as_bytes()).map_err(Error::io("write", note))?;
    }
    Ok(())
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
