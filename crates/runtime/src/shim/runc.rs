//! Containers made by an external program with runc's command line.
//!
//! It is given the same container in one file that exists in memory only, because here the
//! environment, secrets included, has to be in it.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::MemfdFlags;
use rustix::process::Pid;

use super::init::Guest;
use super::sandboxed::Launch;
use crate::oci_spec::{self, Complete};

/// Each has a state directory of its own, so they may all have the same name.
const ID: &str = "container";

/// Where a runtime is looked for: the shim has no environment, and runtimes are often installed
/// where only root looks.
const DIRECTORIES: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The program by its name alone, or by a path.
pub(super) fn find(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    DIRECTORIES.iter().map(|dir| Path::new(dir).join(program)).find(|path| path.is_file())
}

/// Starts the container's first process.
pub(super) fn start(program: &Path, launch: &Launch<'_>) -> io::Result<Pid> {
    let program = find(program).ok_or_else(|| {
        let message = format!("{} is not installed", program.display());
        io::Error::new(io::ErrorKind::NotFound, message)
    })?;
    let (bundle, state) = (launch.dir.join("bundle"), launch.dir.join("runc"));
    let (log, pid_file) = (bundle.join("log"), bundle.join("pid"));
    fs::create_dir_all(&bundle)?;
    fs::create_dir_all(&state)?;
    let guest = match launch.container.sandbox.init_process {
        true => Some(Guest::new(launch.container.argv, launch.environment)?),
        false => None,
    };
    let guest = guest.as_ref();
    let complete = Complete {
        argv: guest.map_or(launch.container.argv, |guest| &guest.argv),
        environment: guest.map_or(launch.environment, |guest| &guest.environment),
        files: guest.map_or(&[], |guest| &guest.files),
        capabilities: launch.capabilities,
        seccomp: launch.seccomp,
    };
    // Open in the child under the same number: without the close-on-exec flag, and gone with this
    // function. It only ever exists in the memory of the two.
    let config = rustix::fs::memfd_create(c"config.json", MemfdFlags::empty())?;
    let mut config = File::from(config);
    config
        .write_all(&serde_json::to_vec(&oci_spec::config(&launch.container, Some(&complete)))?)?;
    config.rewind()?;
    std::os::unix::fs::symlink(
        format!("/proc/self/fd/{}", config.as_raw_fd()),
        bundle.join("config.json"),
    )?;
    let mut command = Command::new(&program);
    command
        .arg("--root")
        .arg(&state)
        .arg("--log")
        .arg(&log)
        .args(["--log-format", "json", "run", "--detach", "--bundle"])
        .arg(&bundle)
        .arg("--pid-file")
        .arg(&pid_file)
        .arg(ID)
        .env_clear()
        .stdin(Stdio::null())
        // The container's own: runc hands them over. Never a pipe, which the container would keep
        // open for as long as it runs.
        .stdout(launch.output.try_clone()?)
        .stderr(launch.output.try_clone()?);
    let status = launch.signals.let_through(|| command.status()).map_err(|error| {
        io::Error::new(error.kind(), format!("starting {}: {error}", program.display()))
    })?;
    if !status.success() {
        return Err(io::Error::other(
            last_error(&log)
                .unwrap_or_else(|| format!("{} run ended with {status}", program.display())),
        ));
    }
    let pid = fs::read_to_string(&pid_file)?;
    pid.trim()
        .parse()
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other(format!("runc wrote \"{pid}\" as the container's pid")))
}

/// The last line of its log says why it gave up.
fn last_error(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    let lines = text.lines().rev().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        (line["level"] == "error").then(|| line["msg"].as_str().map(str::to_owned))?
    });
    lines.take(1).next()
}
