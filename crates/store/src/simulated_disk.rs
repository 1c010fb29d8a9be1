//! A disk whose power can fail at any operation, and which can be full or fail to sync.
//!
//! What was synced survives; of what was not, any part may: a prefix of the directory changes (file
//! systems keep those in order), and of file content any length with any sectors still missing.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile};

const SECTOR: usize = 16;

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: Vec<Content>,
    durable_names: BTreeMap<String, usize>,
    names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    faults: Faults,
    operations: u64,
}

/// What will go wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// The power fails in this operation, counted from the last crash.
    pub(crate) power_fails_at: Option<u64>,
    /// Bytes the disk holds.
    pub(crate) capacity: Option<usize>,
    /// This operation fails if it is a sync.
    pub(crate) sync_fails_at: Option<u64>,
}

#[derive(Clone, Default)]
struct Content {
    durable: Vec<u8>,
    current: Vec<u8>,
}

enum NameChange {
    Link(String, usize),
    Unlink(String),
    Rename(String, String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            NameChange::Link(name, file) => {
                names.insert(name.clone(), *file);
            }
            NameChange::Unlink(name) => {
                names.remove(name);
            }
            NameChange::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

impl SimulatedDisk {
    pub(crate) fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Operations since the last crash.
    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Whether the power has failed.
    pub(crate) fn is_dead(&self) -> bool {
        let state = self.state();
        state.faults.power_fails_at.is_some_and(|at| state.operations > at)
    }

    /// The power comes back; `random` decides what of the unsynced survived.
    pub(crate) fn crash(&self, mut random: impl FnMut(usize) -> usize) {
        let mut guard = self.state();
        let state = &mut *guard;
        let kept = random(state.pending_names.len() + 1);
        for change in state.pending_names.drain(..).take(kept) {
            change.apply(&mut state.durable_names);
        }
        state.names = state.durable_names.clone();
        for file in &mut state.files {
            let survived = match random(3) {
                0 => file.durable.clone(),
                1 => file.current.clone(),
                _ => torn(&file.durable, &file.current, &mut random),
            };
            *file = Content { durable: survived.clone(), current: survived };
        }
        state.faults = Faults::default();
        state.operations = 0;
    }

    /// For damage beyond what a crash does.
    pub(crate) fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state.names.iter().map(|(n, f)| (n.clone(), state.files[*f].current.clone())).collect()
    }

    /// A fresh disk with these files, all durable.
    pub(crate) fn with_contents(contents: &BTreeMap<String, Vec<u8>>) -> Self {
        let disk = Self::default();
        {
            let mut state = disk.state();
            for (name, bytes) in contents {
                let file = state.files.len();
                state.files.push(Content { durable: bytes.clone(), current: bytes.clone() });
                state.names.insert(name.clone(), file);
            }
            state.durable_names = state.names.clone();
        }
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while holding it")
    }
}

/// Part of the way from `durable` to `current`.
fn torn(durable: &[u8], current: &[u8], random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let common = durable.iter().zip(current).take_while(|(a, b)| a == b).count();
    let mut bytes = current[..common + random(current.len() - common + 1)].to_vec();
    for start in (common..bytes.len()).step_by(SECTOR) {
        if random(3) == 0 {
            let end = (start + SECTOR).min(bytes.len());
            bytes[start..end].fill(0);
        }
    }
    bytes
}

impl State {
    /// Counts an operation. `Err` when the disk is dead; `Ok(true)` when it dies during this one.
    fn step(&mut self) -> io::Result<bool> {
        let now = self.operations;
        self.operations += 1;
        match self.faults.power_fails_at {
            Some(at) if now > at => Err(io::Error::other("power is off")),
            Some(at) => Ok(now == at),
            None => Ok(false),
        }
    }

    fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        let dying = self.step()?;
        change.apply(&mut self.names);
        self.pending_names.push(change);
        if dying { Err(io::Error::other("power fails")) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let fails = self.faults.sync_fails_at == Some(self.operations);
        if self.step()? || fails {
            return Err(io::Error::other("sync fails"));
        }
        Ok(())
    }
}

impl Disk for SimulatedDisk {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("simulated").join(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.state();
        let file = state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.files[*file].current.clone())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let file = state.files.len();
        state.files.push(Content::default());
        state.change_name(NameChange::Link(name.to_owned(), file))?;
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = *self.state().names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.state().change_name(NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Unlink(name.to_owned()))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.sync()?;
        state.durable_names = state.names.clone();
        state.pending_names.clear();
        Ok(())
    }
}

struct OpenFile {
    disk: SimulatedDisk,
    file: usize,
}

impl DiskFile for OpenFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let dying = state.step()?;
        let used: usize = state.names.values().map(|f| state.files[*f].current.len()).sum();
        let room = state.faults.capacity.map_or(usize::MAX, |all| all.saturating_sub(used));
        let written = if dying { bytes.len() / 2 } else { bytes.len().min(room) };
        state.files[self.file].current.extend_from_slice(&bytes[..written]);
        if dying {
            Err(io::Error::other("power fails"))
        } else if written < bytes.len() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.sync()?;
        let file = &mut state.files[self.file];
        file.durable = file.current.clone();
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.step()? {
            return Err(io::Error::other("power fails"));
        }
        state.files[self.file].current.truncate(length as usize);
        Ok(())
    }
}
