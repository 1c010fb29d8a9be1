//! Containers made by the shim itself, with libcontainer.
//!
//! It clones this process and runs code in the copy, so the shim must have one thread. Our own
//! executor is that code's last step: it holds the environment (secrets never reach a file), filters
//! system calls while that is still allowed, and reports through a pipe that closes when the
//! program has been exec'ed, so that a start that failed is not taken for one that worked.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, PipeWriter, Read, Write};
use std::rc::Rc;

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::oci_spec::runtime::Spec;
use libcontainer::syscall::syscall::SyscallType;
use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use rustix::process::Pid;

use super::init;
use super::sandboxed::Launch;
use super::workload::Workload;
use crate::oci_spec;

/// Each has a state directory of its own, so they may all have the same name.
const ID: &str = "container";

/// Starts the container's first process.
pub(super) fn start(launch: &Launch<'_>) -> io::Result<Pid> {
    let (bundle, state) = (launch.dir.join("bundle"), launch.dir.join("state"));
    fs::create_dir_all(&bundle)?;
    fs::create_dir_all(&state)?;
    let config = oci_spec::config(&launch.container, None);
    fs::write(bundle.join("config.json"), serde_json::to_vec(&config)?)?;

    let (mut reports, writer) = io::pipe()?;
    let executor = Last {
        workload: Workload {
            argv: launch.container.argv.to_vec(),
            environment: launch.environment.clone(),
            capabilities: launch.capabilities.clone(),
            seccomp: launch.seccomp,
        },
        is_root: launch.container.user.uid == 0,
        init: launch.container.sandbox.init_process,
        report: Rc::new(writer),
    };
    let builder = ContainerBuilder::new(ID.to_owned(), SyscallType::default())
        .with_executor(executor)
        .with_root_path(&state)
        .map_err(told)?
        .with_stdin(File::open("/dev/null")?)
        .with_stdout(launch.output.try_clone()?)
        .with_stderr(launch.output.try_clone()?)
        .as_init(&bundle)
        .with_systemd(false)
        .with_detach(true);
    let mut container = launch.signals.let_through(|| builder.build().map_err(told))?;
    let pid = container.pid().and_then(|pid| Pid::from_raw(pid.as_raw()));
    let pid = pid.ok_or_else(|| io::Error::other("libcontainer made a container without pid"))?;
    container.start().map_err(told)?;
    let mut report = String::new();
    reports.read_to_string(&mut report)?;
    if report.is_empty() { Ok(pid) } else { Err(io::Error::other(report)) }
}

/// libcontainer's errors with all their causes, each said once.
fn told(error: impl Error) -> io::Error {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = error.source();
    }
    io::Error::other(message)
}

/// What the container's first process does after libcontainer is done with it.
#[derive(Clone)]
struct Last {
    workload: Workload,
    is_root: bool,
    init: bool,
    /// Closed by the exec; before that it takes what went wrong.
    report: Rc<PipeWriter>,
}

impl Last {
    fn run(&self) -> io::Error {
        // libcontainer was told of no capabilities, so this process still has all of them.
        let limited =
            self.workload.confine().and_then(|()| self.workload.unprivileged(self.is_root));
        match limited {
            Err(error) => error,
            Ok(()) if self.init => init::run(&self.workload),
            Ok(()) => self.workload.exec(),
        }
    }
}

impl Executor for Last {
    fn exec(&self, _spec: &Spec) -> Result<(), ExecutorError> {
        let error = self.run();
        let _shim_is_gone = self.report.as_ref().write_all(error.to_string().as_bytes());
        Err(ExecutorError::Other(error.to_string()))
    }

    fn validate(&self, _spec: &Spec) -> Result<(), ExecutorValidationError> {
        // Whether the program can be run is told by running it.
        Ok(())
    }

    fn setup_envs(&self, _envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // The program is given its own; this process's is not changed.
        Ok(())
    }
}
