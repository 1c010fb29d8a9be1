//! Where a container's output is found, for whoever shows it.

use std::path::{Path, PathBuf};

use neargate_core::id::TaskId;

use crate::layout::Layout;

/// The file with stdout and stderr of the container, while its task exists and for a while after.
#[must_use]
pub fn log_path(home: &Path, task: TaskId, container: &str) -> PathBuf {
    let layout = Layout::new(home.to_owned());
    let current = layout.container(task, container).log();
    if current.exists() { current } else { layout.kept_log(task, container) }
}
