//! Containers in namespaces and control groups: what both runtimes have in common. The root, the
//! limits and everything that outlives a run is made and removed here; the runtimes only start.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Pid;

use super::backend::Backend;
use super::enter::spawn_inside;
use super::{Signals, end_children, libcontainer, runc};
use crate::capabilities;
use crate::cgroup::{Group, Hierarchies};
use crate::layout::{ContainerDir, ContainerSpec};
use crate::oci_spec;
use crate::process::Identity;
use crate::rootfs;
use crate::sandbox::{self, BackendKind, Sandbox};
use crate::seccomp;
use crate::storage;
use crate::users::{self, User};

/// A container of the `container` driver.
pub(super) struct Sandboxed<'a> {
    spec: &'a ContainerSpec,
    sandbox: &'a Sandbox,
    dir: &'a ContainerDir,
    /// Values of the spec's secret names; nowhere but here and in the container.
    secrets: BTreeMap<String, String>,
    /// This program, for processes that enter the container.
    program: PathBuf,
    init: Option<Identity>,
    mounted: bool,
    warnings: Vec<String>,
}

/// All that a runtime needs to start the container's first process.
pub(super) struct Launch<'a> {
    pub(super) dir: &'a Path,
    pub(super) container: oci_spec::Container<'a>,
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) capabilities: &'a BTreeSet<String>,
    pub(super) seccomp: bool,
    pub(super) output: &'a File,
    pub(super) signals: &'a Signals,
}

impl<'a> Sandboxed<'a> {
    pub(super) fn new(
        spec: &'a ContainerSpec,
        sandbox: &'a Sandbox,
        dir: &'a ContainerDir,
        secrets: BTreeMap<String, String>,
        program: PathBuf,
    ) -> Self {
        let warnings = Vec::new();
        Self { spec, sandbox, dir, secrets, program, init: None, mounted: false, warnings }
    }

    fn groups(&self) -> io::Result<(Group, Group)> {
        let hierarchies = Hierarchies::read()?;
        let own = self.sandbox.container_cgroup(&self.spec.container);
        Ok((hierarchies.group(&self.sandbox.cgroup), hierarchies.group(&own)))
    }

    /// The container's own group first: while it is there nobody can remove the task's. `false` when
    /// there can be none.
    fn limit(&mut self) -> io::Result<bool> {
        let (task, own) = self.groups()?;
        if let Err(error) = own.create() {
            self.warnings.push(format!("nothing is limited: {error}"));
            return Ok(false);
        }
        self.warnings.extend(task.limit(&self.sandbox.task_limits));
        self.warnings.extend(own.limit(&self.sandbox.limits));
        Ok(true)
    }

    fn mount(&mut self) -> io::Result<()> {
        if self.mounted {
            return Ok(());
        }
        let dir = self.dir.path();
        let writable = self.writable()?;
        if let rootfs::Made::Copy(reason) = rootfs::prepare(&self.sandbox.layers, dir, &writable)? {
            self.warnings.push(format!("the image was copied, not mounted: {reason}"));
        }
        self.mounted = true;
        Ok(())
    }

    /// Where what the container writes is kept: with a limit, on the task's own file system.
    fn writable(&mut self) -> io::Result<PathBuf> {
        let dir = self.dir.path();
        let (Some(size_mib), Some(task)) = (self.sandbox.storage_mib, dir.parent()) else {
            return Ok(dir.to_owned());
        };
        let point = self.dir.storage();
        if let Err(reason) = storage::mount(task, size_mib, &point)? {
            self.warnings.push(format!("ephemeralStorage is not enforced: {reason}"));
            return Ok(dir.to_owned());
        }
        let own = point.join(&self.spec.container);
        fs::create_dir_all(&own)?;
        Ok(own)
    }

    /// The user as the image knows it now.
    fn user(&self) -> io::Result<User> {
        let root = self.dir.root();
        users::resolve(
            self.sandbox.user.as_deref(),
            &rootfs::read_text(&root, "/etc/passwd"),
            &rootfs::read_text(&root, "/etc/group"),
        )
    }
}

impl Backend for Sandboxed<'_> {
    fn start(&mut self, output: &File, signals: &Signals) -> io::Result<Pid> {
        self.delete();
        self.warnings.clear();
        self.mount()?;
        let limited = self.limit()?;
        let user = self.user()?;
        // So that the program may open its /dev/stdout again.
        std::os::unix::fs::fchown(output, Some(user.uid), Some(user.gid))?;
        let root = self.dir.root();
        let working_directory = &self.sandbox.working_directory;
        rootfs::make_working_directory(&root, working_directory, user.uid, user.gid)?;
        let seccomp = seccomp::is_supported();
        if !seccomp {
            self.warnings.push("system calls are not filtered: this kernel cannot".to_owned());
        }
        let environment = oci_spec::environment(
            &self.spec.environment,
            &self.secrets,
            &self.sandbox.hostname,
            &user.home,
        );
        let capabilities =
            capabilities::resolve(&self.sandbox.add_capabilities, &self.sandbox.drop_capabilities)?;
        let files = sandbox::files(self.dir.path());
        let cgroup = self.sandbox.container_cgroup(&self.spec.container);
        let launch = Launch {
            dir: self.dir.path(),
            container: oci_spec::Container {
                sandbox: self.sandbox,
                root: &root,
                cgroup: limited.then_some(cgroup.as_str()),
                user: &user,
                argv: &self.spec.argv,
                nofile: self.spec.nofile,
                files: &files,
                cgroup_mounts: &Hierarchies::read()?.mounts_v1(),
            },
            environment: &environment,
            capabilities: &capabilities,
            seccomp,
            output,
            signals,
        };
        let pid = match &self.sandbox.backend {
            BackendKind::Libcontainer => libcontainer::start(&launch),
            BackendKind::Runc(program) => runc::start(program, &launch),
        };
        if pid.is_err() {
            self.delete();
        }
        let pid = pid?;
        self.init = Identity::of(pid);
        Ok(pid)
    }

    fn adopt(&mut self, init: Identity) {
        self.init = Some(init);
    }

    fn exec(&mut self, argv: &[String], signals: &Signals) -> io::Result<Pid> {
        let init = self.init.ok_or_else(|| io::Error::other("the container has ended"))?;
        let child = spawn_inside(&self.program, self.dir, Some(init), argv, false, |command| {
            command
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            signals.let_through(|| command.spawn())
        })?;
        Ok(Pid::from_child(&child))
    }

    fn oom_killed(&self) -> bool {
        self.groups().is_ok_and(|(_, own)| own.usage().oom_kills > 0)
    }

    fn end(&mut self, _container: Pid) {
        // The kernel has killed all of its PID namespace with the first process.
        self.init = None;
        if let Ok((_, own)) = self.groups() {
            own.kill();
        }
        end_children();
    }

    fn delete(&mut self) {
        remove(self.sandbox, &self.spec.container, self.dir);
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Removes control groups and runtime state of a container whose processes are gone or are to go.
/// The task's group goes with its last container.
pub(super) fn remove(sandbox: &Sandbox, container: &str, dir: &ContainerDir) {
    if let Ok(hierarchies) = Hierarchies::read() {
        let own = hierarchies.group(&sandbox.container_cgroup(container));
        own.kill();
        if let Err(error) = own.remove() {
            tracing::warn!(%error, "could not remove a control group");
        }
        hierarchies.group(&sandbox.cgroup).remove_empty();
    }
    for state in ["state", "bundle", "runc"] {
        let _not_there = fs::remove_dir_all(dir.path().join(state));
    }
}
