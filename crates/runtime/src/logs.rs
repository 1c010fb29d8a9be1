//! Where a container's output is found, for whoever shows it.

use std::path::{Path, PathBuf};

use neargate_core::id::TaskId;

use crate::layout::{Layout, is_container_name};

/// The file with stdout and stderr of the container, while its task exists and for a while after.
#[must_use]
pub fn log_path(home: &Path, task: TaskId, container: &str) -> PathBuf {
    let layout = Layout::new(home.to_owned());
    let current = layout.container(task, container).log();
    if current.exists() { current } else { layout.kept_log(task, container) }
}

/// The directory of a container, while its task exists.
#[must_use]
pub fn container_directory(home: &Path, task: TaskId, container: &str) -> Option<PathBuf> {
    let directory = Layout::new(home.to_owned()).container(task, container);
    is_container_name(container).then(|| directory.path().to_owned())
}

/// The log store below a home, as [`neargate_logs`] reads it.
#[must_use]
pub fn log_store(home: &Path) -> PathBuf {
    Layout::new(home.to_owned()).log_store()
}
