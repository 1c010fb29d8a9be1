//! What differs between ways of making a container, behind one trait; and the simplest way, a
//! plain process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::{Signals, end_children};
use crate::layout::{ContainerDir, ContainerSpec};
use crate::process::{Identity, kill_marked};

/// Makes one container, as often as its restart policy wants.
pub(super) trait Backend {
    /// Starts the container's first process with this file as its stdout and stderr. It is a child
    /// of the shim when this returns, and runs the program it was to run.
    fn start(&mut self, output: &File, signals: &Signals) -> io::Result<Pid>;

    /// Takes over a container that another shim started.
    fn adopt(&mut self, init: Identity);

    /// Starts one more process in the running container, in a process group of its own, with no
    /// input and no output.
    fn exec(&mut self, argv: &[String], signals: &Signals) -> io::Result<Pid>;

    /// Whether the kernel killed a process of this run for memory.
    fn oom_killed(&self) -> bool;

    /// Ends and reaps whatever a run left once its first process has ended.
    fn end(&mut self, container: Pid);

    /// Removes what the machine holds of the container outside of its directory. From any state,
    /// and as often as one likes.
    fn delete(&mut self);

    /// What was asked for and could not be had, one sentence each.
    fn warnings(&self) -> &[String] {
        &[]
    }
}

/// The `process` driver.
pub(super) struct PlainProcess<'a> {
    pub(super) spec: &'a ContainerSpec,
    pub(super) dir: &'a ContainerDir,
    /// Values of the spec's secret names.
    pub(super) secrets: BTreeMap<String, String>,
    /// The process that runs is not a child of this shim.
    pub(super) adopted: bool,
}

impl PlainProcess<'_> {
    /// A process of the container, in a group of its own.
    fn command(&self, argv: &[String]) -> io::Result<Command> {
        let (program, arguments) =
            argv.split_first().ok_or_else(|| io::Error::other("there is no command to run"))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(&self.spec.environment)
            .envs(&self.secrets)
            .current_dir(self.dir.work())
            .process_group(0)
            .stdin(Stdio::null());
        Ok(command)
    }
}

impl Backend for PlainProcess<'_> {
    fn start(&mut self, output: &File, signals: &Signals) -> io::Result<Pid> {
        set_open_files(self.spec.nofile)?;
        let mut command = self.command(&self.spec.argv)?;
        // The file itself, not a pipe to the shim: with the shim gone, output goes on.
        command.stdout(output.try_clone()?).stderr(output.try_clone()?);
        let child = signals.let_through(|| command.spawn()).map_err(|error| {
            let program = self.spec.argv.first().map(String::as_str).unwrap_or_default();
            io::Error::new(error.kind(), format!("starting \"{program}\": {error}"))
        })?;
        self.adopted = false;
        Ok(Pid::from_child(&child))
    }

    fn adopt(&mut self, _init: Identity) {
        self.adopted = true;
    }

    fn exec(&mut self, argv: &[String], signals: &Signals) -> io::Result<Pid> {
        let mut command = self.command(argv)?;
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Pid::from_child(&signals.let_through(|| command.spawn())?))
    }

    fn oom_killed(&self) -> bool {
        false
    }

    fn end(&mut self, container: Pid) {
        if self.adopted {
            // Its group's id may be another's by now.
            kill_marked(self.spec.task, &self.spec.container);
        } else {
            let _none = rustix::process::kill_process_group(container, Signal::KILL);
        }
        end_children();
    }

    fn delete(&mut self) {}
}

/// Soft and hard limit of open files, of this process and what it starts.
pub(super) fn set_open_files(limit: Option<(u64, u64)>) -> io::Result<()> {
    let Some((soft, hard)) = limit else { return Ok(()) };
    let limit = Rlimit { current: Some(soft), maximum: Some(hard) };
    rustix::process::setrlimit(Resource::Nofile, limit).map_err(|error| {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("setting nofile to {soft}:{hard}: {error}"))
    })
}
