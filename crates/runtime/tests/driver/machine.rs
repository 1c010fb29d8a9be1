//! A runtime in a directory of its own, with everything it reports.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use neargate_core::effect::TaskLaunch;
use neargate_core::id::TaskId;
use neargate_core::input::{ContainerHealth, Exit, Observation};
use neargate_core::task_definition::{ContainerDefinition, TaskDefinition};
use neargate_runtime::{Driver, ImageSource, Observer, Runtime, RuntimeOptions, Secrets};

/// Nothing here takes long; a wait this long means that it never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The one container of most tests.
pub(crate) const APP: &str = "app";

type Reports = Arc<(Mutex<Vec<Observation>>, Condvar)>;

pub(crate) struct Machine {
    pub(crate) home: tempfile::TempDir,
    runtime: Option<Runtime>,
    reports: Reports,
}

static NEXT_TASK: AtomicU32 = AtomicU32::new(1);

impl Machine {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().expect("temporary directory");
        Self::at(home, 1)
    }

    pub(crate) fn at(home: tempfile::TempDir, pace: u32) -> Self {
        let mut machine = Self { home, runtime: None, reports: Reports::default() };
        machine.open(pace);
        let sh = ImageSource::Binary {
            path: "/bin/sh".into(),
            arguments: vec!["-c".into(), "exec sleep 1000".into()],
            fixed_arguments: false,
            tags: Some(vec!["v1".into()]),
        };
        machine.runtime().put_images(BTreeMap::from([("sh".to_owned(), sh)])).expect("written");
        machine
    }

    fn open(&mut self, pace: u32) {
        let reports = Arc::clone(&self.reports);
        let observer: Observer = Arc::new(move |observation| {
            reports.0.lock().unwrap_or_else(PoisonError::into_inner).push(observation);
            reports.1.notify_all();
        });
        let options = RuntimeOptions {
            home: self.home.path().to_owned(),
            binary: PathBuf::from(env!("CARGO_BIN_EXE_neargate-shim")),
            pace,
            dns: "127.0.0.1:53".into(),
            driver: Driver::Process,
        };
        self.runtime = Some(Runtime::open(options, observer).expect("opens"));
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("open")
    }

    /// What kill -9 does to an engine, as far as its tasks can tell: it is gone without a word.
    pub(crate) fn kill_engine(&mut self) {
        self.runtime = None;
        self.reports.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn restart_engine(&mut self) -> Vec<Observation> {
        // Two at once have no place on a home.
        self.runtime = None;
        self.open(1);
        self.runtime().recover()
    }

    pub(crate) fn reports(&self) -> Vec<Observation> {
        self.reports.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn forget_reports(&self) {
        self.reports.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits for a report that `wanted` accepts.
    #[track_caller]
    pub(crate) fn wait_for(
        &self,
        what: &str,
        wanted: impl Fn(&Observation) -> bool,
    ) -> Observation {
        let deadline = Instant::now() + PATIENCE;
        let mut reports = self.reports.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = reports.iter().find(|o| wanted(o)) {
                return found.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} among {reports:#?}");
            reports = self
                .reports
                .1
                .wait_timeout(reports, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    #[track_caller]
    pub(crate) fn wait_started(&self, task: TaskId) {
        self.wait_for(
            "start",
            |o| matches!(o, Observation::ContainerStarted { task: t, .. } if *t == task),
        );
    }

    #[track_caller]
    pub(crate) fn wait_exit(&self, task: TaskId) -> Exit {
        let exited = |o: &Observation| matches!(o, Observation::ContainerExited { task: t, .. } if *t == task);
        match self.wait_for("exit", exited) {
            Observation::ContainerExited { exit, .. } => exit,
            other => panic!("not an exit: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn wait_health(&self, task: TaskId, health: ContainerHealth) {
        self.wait_for(&format!("{health:?}"), |o| {
            matches!(o, Observation::ContainerHealth { task: t, health: h, .. }
                if *t == task && *h == health)
        });
    }

    #[track_caller]
    pub(crate) fn wait_reason(&self) -> String {
        let failed = |o: &Observation| {
            matches!(o, Observation::TaskFailed { .. } | Observation::ContainerFailed { .. })
        };
        match self.wait_for("failure", failed) {
            Observation::TaskFailed { reason, .. }
            | Observation::ContainerFailed { reason, .. } => reason,
            other => panic!("not a failure: {other:?}"),
        }
    }

    /// A task of one container that runs a shell script.
    pub(crate) fn script(&self, script: &str) -> Arc<TaskLaunch> {
        self.script_with(script, |_| {})
    }

    pub(crate) fn script_with(
        &self,
        script: &str,
        change: impl FnOnce(&mut ContainerDefinition),
    ) -> Arc<TaskLaunch> {
        let mut container = ContainerDefinition::new(APP, "sh:v1");
        container.command = vec!["-c".into(), script.into()];
        change(&mut container);
        launch(vec![container])
    }

    pub(crate) fn start(&self, launch: &Arc<TaskLaunch>) -> TaskId {
        self.runtime().attach_network(Arc::clone(launch));
        self.runtime().start_container(Arc::clone(launch), APP.to_owned(), Ok(Secrets::new()));
        launch.task
    }

    pub(crate) fn dir(&self, task: TaskId) -> PathBuf {
        self.home.path().join("tasks").join(task.to_string()).join(APP)
    }

    /// Process id in one of the container's files.
    pub(crate) fn pid(&self, task: TaskId, file: &str) -> u32 {
        let text = std::fs::read_to_string(self.dir(task).join(file)).expect(file);
        text.split(' ').next().expect("first word").parse().expect("a pid")
    }

    pub(crate) fn log(&self, task: TaskId) -> String {
        std::fs::read_to_string(neargate_runtime::log_path(self.home.path(), task, APP))
            .unwrap_or_default()
    }
}

impl Drop for Machine {
    /// Leaves no process behind, whatever the test did.
    fn drop(&mut self) {
        if self.runtime.is_none() {
            self.open(1);
        }
        self.forget_reports();
        for task in self.runtime().known_tasks() {
            self.runtime().release_task(task);
            let deadline = Instant::now() + PATIENCE;
            while self.dir(task).exists() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

pub(crate) fn launch(containers: Vec<ContainerDefinition>) -> Arc<TaskLaunch> {
    let number = NEXT_TASK.fetch_add(1, Ordering::Relaxed);
    let [_, b, c, d] = number.to_be_bytes();
    // Unique on this machine: processes are looked for by task id.
    let task = TaskId(u128::from(std::process::id()) << 64 | u128::from(number));
    Arc::new(TaskLaunch {
        task,
        cluster: "shop".into(),
        service: Some("api".into()),
        definition: Arc::new(TaskDefinition {
            family: "api".into(),
            revision: 1,
            cpu: 256,
            memory_mib: 512,
            containers,
            execution_role: None,
            task_role: None,
            ephemeral_storage_gib: 20,
            tags: BTreeMap::new(),
        }),
        zone: "us-east-1a".into(),
        subnet: "private-a".into(),
        address: Ipv4Addr::new(127, b + 3, c, d + 1),
        capacity_provider: "FARGATE",
        security_groups: Vec::new(),
        public_ip: false,
    })
}

/// Every living process that belongs to the task, its shims included.
pub(crate) fn processes_of(machine: &Machine, task: TaskId) -> Vec<u32> {
    let mark = format!("NEARGATE_TASK_ID={task}");
    let dir = machine.dir(task).display().to_string();
    let contains = |file: PathBuf, text: &str| {
        std::fs::read(file)
            .is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(_, path)| {
            contains(path.join("environ"), &mark) || contains(path.join("cmdline"), &dir)
        })
        .map(|(pid, _)| pid)
        .collect()
}

#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn kill(pid: u32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid"));
    nix::sys::signal::kill(pid, signal).expect("lives");
}

/// A zombie is not alive.
pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
