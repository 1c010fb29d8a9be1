//! All repositories, each in a file of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable;
use crate::error::Error;
use crate::repository::{Repository, check_name};

/// No part of a repository's name begins with `_`, so this is never one.
const FILE: &str = "_repository.json";

/// Repositories by name, in memory and on disk.
#[derive(Debug)]
pub(crate) struct RepositoryTable {
    directory: PathBuf,
    repositories: BTreeMap<String, Repository>,
}

impl RepositoryTable {
    /// Removes what an interrupted write left: half a record, a directory without one.
    pub(crate) fn sweep(root: &Path) -> Result<(), Error> {
        sweep(&root.join("repositories")).map(drop)
    }

    /// Reads what is there.
    pub(crate) fn load(root: &Path) -> Result<Self, Error> {
        let directory = root.join("repositories");
        let mut table = Self { directory: directory.clone(), repositories: BTreeMap::new() };
        let mut left = vec![directory];
        while let Some(directory) = left.pop() {
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("list", directory)(error)),
            };
            for entry in entries {
                let entry = entry.map_err(Error::io("list", &directory))?;
                let path = entry.path();
                if entry.file_name() == FILE {
                    let repository = read(&path)?;
                    table.repositories.insert(repository.name.clone(), repository);
                } else if path.is_dir() {
                    left.push(path);
                }
            }
        }
        Ok(table)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Repository> {
        self.repositories.get(name)
    }

    pub(crate) fn required(&self, name: &str) -> Result<&Repository, Error> {
        self.get(name).ok_or_else(|| Error::RepositoryNotFound { name: name.to_owned() })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Repository> {
        self.repositories.values()
    }

    /// Adds a repository; durable when this returns.
    pub(crate) fn create(&mut self, repository: Repository) -> Result<(), Error> {
        check_name(&repository.name)?;
        if self.repositories.contains_key(&repository.name) {
            return Err(Error::RepositoryExists { name: repository.name });
        }
        self.write(&repository)?;
        self.repositories.insert(repository.name.clone(), repository);
        Ok(())
    }

    /// Changes a repository: all of the change or, on an error, nothing. Durable when this returns.
    pub(crate) fn update<T>(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Repository) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let current = self.required(name)?;
        let mut changed = current.clone();
        let result = change(&mut changed)?;
        if changed != *current {
            self.write(&changed)?;
            self.repositories.insert(name.to_owned(), changed);
        }
        Ok(result)
    }

    /// Removes a repository; durable when this returns.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), Error> {
        self.required(name)?;
        let path = self.path(name);
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        durable::sync_parent(&path).map_err(Error::io("flush the directory of", &path))?;
        self.repositories.remove(name);
        // Directories of names that have no repository below them any more; others stay.
        let mut directory = path.parent();
        while let Some(empty) = directory.filter(|directory| **directory != self.directory) {
            if fs::remove_dir(empty).is_err() {
                break;
            }
            directory = empty.parent();
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name).join(FILE)
    }

    fn write(&self, repository: &Repository) -> Result<(), Error> {
        let path = self.path(&repository.name);
        let bytes = serde_json::to_vec_pretty(repository)
            .map_err(|source| Error::Unreadable { path: path.clone(), source })?;
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| durable::write(&path, &bytes)).map_err(Error::io("write", path))
    }
}

/// Sweeps a directory; whether nothing is left in it. Names, and so directories, are short.
fn sweep(directory: &Path) -> Result<bool, Error> {
    let mut is_empty = true;
    for entry in fs::read_dir(directory).map_err(Error::io("list", directory))? {
        let path = entry.map_err(Error::io("list", directory))?.path();
        let removed =
            if path.extension().is_some_and(|extension| extension == "tmp") && path.is_file() {
                fs::remove_file(&path)
            } else if path.is_dir() && sweep(&path)? {
                fs::remove_dir(&path)
            } else {
                is_empty = false;
                Ok(())
            };
        removed.map_err(Error::io("remove", path))?;
    }
    Ok(is_empty)
}

fn read(path: &Path) -> Result<Repository, Error> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&bytes)
        .map_err(|source| Error::Unreadable { path: path.to_owned(), source })
}
