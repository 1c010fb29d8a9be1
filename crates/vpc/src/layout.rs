//! The files of one platform's network.
//!
//! `net` and `tasks/<id>` are pins: bind mounts that keep namespaces alive. `wish.json` and
//! `records/<id>.json` let a network be found again after its owner was killed. They need not
//! survive the machine: the namespaces do not either.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Doing, Error};

const RECORD_EXTENSION: &str = ".json";

/// Where things lie.
#[derive(Clone, Debug)]
pub(crate) struct Layout(PathBuf);

impl Layout {
    pub(crate) fn new(dir: &Path) -> Self {
        Self(dir.into())
    }

    /// Makes sure of the directories.
    pub(crate) fn create(&self) -> Result<(), Error> {
        for dir in [self.tasks(), self.records()] {
            fs::create_dir_all(&dir).doing(|| format!("create {}", dir.display()))?;
        }
        Ok(())
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    pub(crate) fn platform_pin(&self) -> PathBuf {
        self.0.join("net")
    }

    pub(crate) fn wish(&self) -> PathBuf {
        self.0.join("wish.json")
    }

    pub(crate) fn tasks(&self) -> PathBuf {
        self.0.join("tasks")
    }

    pub(crate) fn task_pin(&self, task: &str) -> PathBuf {
        self.tasks().join(task)
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.0.join("records")
    }

    pub(crate) fn record(&self, task: &str) -> PathBuf {
        self.records().join(format!("{task}{RECORD_EXTENSION}"))
    }

    /// Removes what was noted.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        for name in names_in(&self.records())? {
            remove_file(&self.records().join(name))?;
        }
        remove_file(&self.wish())?;
        remove_file(&half(&self.wish()))
    }

    /// Ids of the tasks that have a record. Leftovers of interrupted writes are removed.
    pub(crate) fn recorded_tasks(&self) -> Result<Vec<String>, Error> {
        let mut tasks = Vec::new();
        for name in names_in(&self.records())? {
            match name.strip_suffix(RECORD_EXTENSION) {
                Some(task) => tasks.push(task.to_owned()),
                None => remove_file(&self.records().join(name))?,
            }
        }
        Ok(tasks)
    }
}

/// Names in a directory, sorted; none if it is not there.
pub(crate) fn names_in(dir: &Path) -> Result<Vec<String>, Error> {
    let doing = || format!("read {}", dir.display());
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.doing(doing)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.doing(doing)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Removes a file; gone already: fine.
pub(crate) fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.doing(|| format!("remove {}", path.display())),
    }
}

/// Reads what [`write()`] wrote, if it is there.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.doing(|| format!("read {}", path.display()))?,
    };
    let value = serde_json::from_slice(&bytes);
    value.map_err(|source| Error::Record { path: path.display().to_string(), source })
}

/// What a file is called while it is written.
fn half(path: &Path) -> PathBuf {
    path.with_extension("half")
}

/// Writes a file that is either the old or the new one whenever somebody looks.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let half = half(path);
    serde_json::to_vec(value)
        .map_err(io::Error::from)
        .and_then(|bytes| fs::write(&half, bytes))
        .and_then(|()| fs::rename(&half, path))
        .doing(|| format!("write {}", path.display()))
}
