//! Taking a platform's network away, whole or half made, by its owner or after its death.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Doing, Error};
use crate::layout::{self, Layout};
use crate::link::Links;
use crate::netns::{NetNs, unpin};

/// Removes everything that was ever made in `dir`: namespaces, interfaces, mounts, files. Processes
/// still inside keep a namespace with nothing in it. Not there: fine.
///
/// # Errors
/// The kernel or the file system refuses; repeating goes on where it ended.
pub fn tear_down(dir: &Path) -> Result<(), Error> {
    let layout = Layout::new(dir);
    let pin = layout.platform_pin();
    if let Ok(platform) = NetNs::open(&pin) {
        let doing = || format!("empty the network namespace {}", pin.display());
        platform.run(remove_links).doing(doing)?.doing(doing)?;
    }
    for task in layout::names_in(&layout.tasks())? {
        let pin = layout.task_pin(&task);
        unpin(&pin).doing(|| format!("remove {}", pin.display()))?;
    }
    unpin(&pin).doing(|| format!("remove {}", pin.display()))?;
    layout.forget()?;
    for dir in [&layout.tasks(), &layout.records(), layout.dir()] {
        match fs::remove_dir(dir) {
            // Somebody else's files are not ours to remove.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.doing(|| format!("remove {}", dir.display()))?,
        }
    }
    Ok(())
}

/// Removes every link of ours in the calling thread's namespace, and with the ports the tasks' ends,
/// even where a process keeps their namespace alive.
fn remove_links() -> io::Result<()> {
    Links::open()?.remove_made(|_| true)
}
