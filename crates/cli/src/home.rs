//! The state directory of one platform.

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::failure::Failure;

/// A Unix socket's path, with its final NUL, has 108 bytes on Linux.
const SOCKET_PATH_MAX: usize = 107;

/// A platform's state directory, absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The directory the user asked for, or the default one. Nothing is created.
    pub(crate) fn resolve(flag: Option<&Path>) -> Result<Home, Failure> {
        let path = choose(flag, &|name| std::env::var_os(name)).map_err(Failure::bad_input)?;
        let path = std::path::absolute(&path)
            .with_context(|| format!("cannot tell the absolute path of {}", path.display()))?;
        let home = Home(path);
        let length = home.socket().as_os_str().len();
        if length > SOCKET_PATH_MAX {
            return Err(Failure::bad_input(format!(
                "the home {} is too long: its socket's path has {length} bytes, at most \
                 {SOCKET_PATH_MAX} are possible",
                home.0.display()
            ))
            .hint("choose a shorter directory with --home"));
        }
        Ok(home)
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Creates the directory, for its owner only.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .with_context(|| format!("cannot create the home {}", self.0.display()))
    }

    /// Where the engine answers.
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("engine.sock")
    }

    /// Where the edge listens for the engine.
    pub(crate) fn edge_socket(&self) -> PathBuf {
        self.0.join("edge.sock")
    }

    /// Standard error of a detached engine.
    pub(crate) fn engine_log(&self) -> PathBuf {
        self.0.join("engine.log")
    }

    /// Whether an edge or tasks may run although no engine does.
    pub(crate) fn has_survivors(&self) -> bool {
        let has_tasks =
            std::fs::read_dir(self.0.join("tasks")).is_ok_and(|mut tasks| tasks.next().is_some());
        has_tasks || std::os::unix::net::UnixStream::connect(self.edge_socket()).is_ok()
    }

    /// Directory of one container.
    pub(crate) fn container(&self, task: &str, container: &str) -> Option<PathBuf> {
        neargate_runtime::container_directory(&self.0, task.parse().ok()?, container)
    }

    /// The log store.
    pub(crate) fn log_store(&self) -> PathBuf {
        neargate_runtime::log_store(&self.0)
    }

    /// Output of one container, also of a task that stopped a while ago.
    pub(crate) fn container_log(&self, task: &str, container: &str) -> Option<PathBuf> {
        Some(neargate_runtime::log_path(&self.0, task.parse().ok()?, container))
    }
}

impl std::fmt::Display for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.display().fmt(f)
    }
}

/// `--home`, `NEARGATE_HOME`, then the XDG state directory.
fn choose(
    flag: Option<&Path>,
    lookup: &dyn Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, String> {
    let set = |name| lookup(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = flag {
        return Ok(path.to_owned());
    }
    if let Some(path) = set("NEARGATE_HOME") {
        return Ok(path);
    }
    // The XDG rules ignore a relative path.
    if let Some(state) = set("XDG_STATE_HOME").filter(|path| path.is_absolute()) {
        return Ok(state.join("neargate"));
    }
    match set("HOME") {
        Some(home) => Ok(home.join(".local/state/neargate")),
        None => Err("no home directory: none of --home, NEARGATE_HOME, XDG_STATE_HOME and HOME \
                     is set"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_then_the_variables_then_xdg() {
        let all = [("NEARGATE_HOME", "/n"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        let choose_from = |flag: Option<&str>, variables: &[(&str, &str)]| {
            choose(flag.map(Path::new), &|name| {
                variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into())
            })
        };
        assert_eq!(choose_from(Some("f"), &all).unwrap(), Path::new("f"));
        assert_eq!(choose_from(None, &all).unwrap(), Path::new("/n"));
        assert_eq!(choose_from(None, &all[1..]).unwrap(), Path::new("/x/neargate"));
        assert_eq!(choose_from(None, &all[2..]).unwrap(), Path::new("/h/.local/state/neargate"));
        let relative = [("XDG_STATE_HOME", "x"), ("HOME", "/h")];
        assert_eq!(choose_from(None, &relative).unwrap(), Path::new("/h/.local/state/neargate"));
        assert!(choose_from(None, &[]).is_err());
    }
}
