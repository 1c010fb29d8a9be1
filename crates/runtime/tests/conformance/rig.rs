//! A runtime of one driver in a home of its own, with everything it reports.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use neargate_core::effect::{Network, TaskLaunch};
use neargate_core::id::TaskId;
use neargate_core::input::{ContainerHealth, Exit, Observation};
use neargate_core::network::{
    Internet, Peer, Protocol, SecurityGroupSpec, SecurityRule, SubnetSpec, VpcSpec,
};
use neargate_core::task_definition::{ContainerDefinition, TaskDefinition};
use neargate_runtime::{Driver, ImageSource, Observer, Runtime, RuntimeOptions, Secrets};

/// Nothing here takes long, even when the machine is busy; a wait this long means never.
const PATIENCE: Duration = Duration::from_secs(60);
/// The one container of most tasks.
pub(crate) const APP: &str = "app";
/// The image with busybox in it.
pub(crate) const IMAGE: &str = "busybox:v1";
pub(crate) const SHIM: &str = env!("CARGO_BIN_EXE_neargate-shim");

/// Turns a test body into one test per driver.
macro_rules! on_all {
    ($(#[$doc:meta])* fn $name:ident($driver:ident) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            fn body($driver: neargate_runtime::Driver) $body

            #[test]
            fn process() {
                body(neargate_runtime::Driver::Process);
            }

            #[test]
            fn container() {
                body(neargate_runtime::Driver::Container);
            }

            #[test]
            fn runc() {
                body(neargate_runtime::Driver::Runc);
            }
        }
    };
}
pub(crate) use on_all;

/// As [`on_all`], for what plain processes cannot do.
macro_rules! on_containers {
    ($(#[$doc:meta])* fn $name:ident($driver:ident) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            fn body($driver: neargate_runtime::Driver) $body

            #[test]
            fn container() {
                body(neargate_runtime::Driver::Container);
            }

            #[test]
            fn runc() {
                body(neargate_runtime::Driver::Runc);
            }
        }
    };
}
pub(crate) use on_containers;

type Reports = Arc<(Mutex<Vec<Observation>>, Condvar)>;

pub(crate) struct Rig {
    pub(crate) driver: Driver,
    home: tempfile::TempDir,
    runtime: Option<Runtime>,
    reports: Reports,
    pace: u32,
}

impl Rig {
    pub(crate) fn new(driver: Driver) -> Self {
        Self::paced(driver, 1)
    }

    /// One whose clock runs faster than real time.
    pub(crate) fn paced(driver: Driver, pace: u32) -> Self {
        if driver.is_container() {
            assert!(
                nix::unistd::geteuid().is_root(),
                "the driver {driver} makes namespaces and control groups: run this test as root"
            );
        }
        if driver == Driver::Runc {
            find("runc", "runc");
        }
        let home = tempfile::tempdir().expect("a directory");
        let reports = Reports::default();
        let mut rig = Self { driver, home, runtime: None, reports, pace };
        rig.open();
        let busybox = ImageSource::Binary {
            path: find("busybox", "busybox-static").display().to_string(),
            arguments: Vec::new(),
            fixed_arguments: false,
            tags: Some(vec!["v1".into()]),
        };
        let images = BTreeMap::from([("busybox".to_owned(), busybox)]);
        rig.runtime().put_images(images).expect("written");
        rig
    }

    fn open(&mut self) {
        let reports = Arc::clone(&self.reports);
        let observer: Observer = Arc::new(move |observation| {
            reports.0.lock().unwrap_or_else(PoisonError::into_inner).push(observation);
            reports.1.notify_all();
        });
        let options = RuntimeOptions {
            home: self.home().to_owned(),
            binary: PathBuf::from(SHIM),
            pace: self.pace,
            dns: "127.0.0.1:53".into(),
            driver: self.driver,
        };
        let runtime = Runtime::open(options, observer)
            .unwrap_or_else(|error| panic!("the driver {} does not open: {error}", self.driver));
        runtime.publish_network(&network());
        self.runtime = Some(runtime);
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("open")
    }

    /// What kill -9 does to an engine, as far as its tasks can tell: it is gone without a word.
    pub(crate) fn kill_engine(&mut self) {
        self.runtime = None;
        self.forget_reports();
    }

    /// An engine after a crash. What it finds counts as reported.
    pub(crate) fn start_engine(&mut self) {
        self.open();
        let found = self.runtime().recover();
        self.seen().extend(found);
        self.reports.1.notify_all();
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Observation>> {
        self.reports.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reports(&self) -> Vec<Observation> {
        self.seen().clone()
    }

    pub(crate) fn forget_reports(&self) {
        self.seen().clear();
    }

    /// Waits until this can be found among the reports.
    #[track_caller]
    pub(crate) fn wait_for<T>(&self, what: &str, find: impl Fn(&[Observation]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen();
        loop {
            if let Some(found) = find(&seen) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{}: no {what} among {:#?}", self.driver, &*seen);
            seen =
                self.reports.1.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    #[track_caller]
    fn wait_one(&self, what: &str, wanted: impl Fn(&Observation) -> bool) -> Observation {
        self.wait_for(what, |seen| seen.iter().find(|o| wanted(o)).cloned())
    }

    #[track_caller]
    pub(crate) fn wait_attached(&self, id: TaskId) {
        self.wait_one("network", |o| *o == Observation::NetworkAttached { task: id });
    }

    #[track_caller]
    pub(crate) fn wait_pulled(&self, id: TaskId) {
        self.wait_one("images", |o| *o == Observation::ImagesPulled { task: id });
    }

    #[track_caller]
    pub(crate) fn wait_started(&self, id: TaskId, name: &str) {
        self.wait_one("start", |o| {
            matches!(o, Observation::ContainerFailed { .. })
                || *o == Observation::ContainerStarted { task: id, container: name.to_owned() }
        });
        let failed = self.reports().into_iter().find(|o| {
            matches!(o, Observation::ContainerFailed { task, .. }
                | Observation::TaskFailed { task, .. } if *task == id)
        });
        assert_eq!(failed, None, "{}: it starts", self.driver);
    }

    #[track_caller]
    pub(crate) fn wait_health(&self, id: TaskId, wanted: ContainerHealth) {
        self.wait_one(&format!("{wanted:?}"), |o| {
            matches!(o, Observation::ContainerHealth { task, health, .. }
                if *task == id && *health == wanted)
        });
    }

    #[track_caller]
    pub(crate) fn wait_exit(&self, id: TaskId) -> Exit {
        self.wait_for("exit", |seen| {
            seen.iter().find_map(|o| match o {
                Observation::ContainerExited { task, exit, .. } if *task == id => Some(*exit),
                _ => None,
            })
        })
    }

    /// Waits until the task is gone.
    #[track_caller]
    pub(crate) fn release(&self, id: TaskId) {
        self.runtime().release_task(id);
        self.wait_one("release", |o| *o == Observation::TaskReleased { task: id });
    }

    /// Attaches the task and starts one of its containers, without waiting.
    pub(crate) fn start(&self, launch: &Arc<TaskLaunch>) -> TaskId {
        self.start_with(launch, Secrets::new())
    }

    pub(crate) fn start_with(&self, launch: &Arc<TaskLaunch>, secrets: Secrets) -> TaskId {
        self.runtime().attach_network(Arc::clone(launch));
        self.runtime().start_container(Arc::clone(launch), APP.to_owned(), Ok(secrets));
        launch.task
    }

    /// Starts it and waits for a line of its output.
    #[track_caller]
    pub(crate) fn ready(&self, launch: &Arc<TaskLaunch>, line: &str) -> TaskId {
        let id = self.start(launch);
        self.wait_started(id, APP);
        self.wait_log(id, line);
        id
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
        let mut definition = shell(APP, script);
        change(&mut definition);
        self.task(vec![definition])
    }

    pub(crate) fn task(&self, containers: Vec<ContainerDefinition>) -> Arc<TaskLaunch> {
        static NEXT: AtomicU32 = AtomicU32::new(16);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [_, _, c, d] = number.to_be_bytes();
        let [a, b] = if self.driver.is_container() { [10, 0] } else { [127, 200] };
        Arc::new(TaskLaunch {
            // Unique on this machine: processes are looked for by task id.
            task: TaskId(u128::from(std::process::id()) << 64 | u128::from(number)),
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
            subnet: SUBNET.into(),
            address: Ipv4Addr::new(a, b, c, d),
            capacity_provider: "FARGATE",
            security_groups: vec![GROUP.into()],
            public_ip: false,
        })
    }

    pub(crate) fn dir(&self, id: TaskId) -> PathBuf {
        self.dir_of(id, APP)
    }

    pub(crate) fn dir_of(&self, id: TaskId, name: &str) -> PathBuf {
        neargate_runtime::container_directory(self.home(), id, name).expect("a container's name")
    }

    /// Process id in one of the container's files (`pid` or `shim.pid`), once it is there.
    pub(crate) fn pid_in(&self, id: TaskId, file: &str) -> Option<i32> {
        let text = std::fs::read_to_string(self.dir(id).join(file)).ok()?;
        text.split(' ').next()?.parse().ok()
    }

    #[track_caller]
    pub(crate) fn pid(&self, id: TaskId) -> i32 {
        self.pid_in(id, "pid").expect("a process")
    }

    /// SIGKILL to the container's shim; waits until it is dead, and says which one it was.
    #[track_caller]
    pub(crate) fn kill_shim(&self, id: TaskId) -> i32 {
        let shim = self.pid_in(id, "shim.pid").expect("a shim");
        // One whose container has ended may just be ending as well.
        let _ended = signal_kill(shim);
        wait_until("the shim is dead", || !is_alive(shim));
        shim
    }

    /// Waits until another shim than this one has the container.
    #[track_caller]
    pub(crate) fn wait_taken_over(&self, id: TaskId, from: i32) {
        wait_until("taken over", || {
            self.pid_in(id, "shim.pid").is_some_and(|new| new != from && is_alive(new))
        });
    }

    pub(crate) fn log(&self, id: TaskId) -> String {
        self.log_of(id, APP)
    }

    pub(crate) fn log_of(&self, id: TaskId, name: &str) -> String {
        let path = neargate_runtime::log_path(self.home(), id, name);
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn wait_log(&self, id: TaskId, text: &str) {
        wait_until(&format!("\"{text}\" in the output"), || self.log(id).contains(text));
    }

    /// A command in the container, as `neargate shim exec` runs it.
    pub(crate) fn exec(&self, id: TaskId, script: &str) -> Output {
        Command::new(SHIM)
            .args(["shim", "exec"])
            .arg(self.dir(id))
            .args(["--", "busybox", "sh", "-c", script])
            .stdin(Stdio::null())
            .output()
            .expect("runs")
    }

    #[track_caller]
    pub(crate) fn exec_text(&self, id: TaskId, script: &str) -> String {
        let output = self.exec(id, script);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {script}: {errors}", self.driver);
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Rig {
    /// Leaves nothing behind, whatever the test did.
    fn drop(&mut self) {
        if self.runtime.is_none() {
            self.open();
        }
        self.forget_reports();
        for task in self.runtime().known_tasks() {
            self.runtime().release_task(task);
        }
        let deadline = Instant::now() + PATIENCE;
        while !self.runtime().known_tasks().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.runtime = None;
        if self.driver.is_container()
            && let Err(problem) = neargate_runtime::clear_ground(self.home.path())
            && !std::thread::panicking()
        {
            panic!("{}: the ground is not cleared: {problem}", self.driver);
        }
    }
}

/// A container that runs a shell script.
pub(crate) fn shell(name: &str, script: &str) -> ContainerDefinition {
    let mut definition = ContainerDefinition::new(name, IMAGE);
    definition.command = ["sh", "-c", script].map(str::to_owned).into();
    definition
}

const VPC: &str = "main";
const SUBNET: &str = "private-a";
const GROUP: &str = "tasks";

/// One VPC with one subnet and one group that lets everything through.
fn network() -> Network {
    let anything = SecurityRule {
        protocol: Protocol::All,
        ports: None,
        peer: Peer::Range(Ipv4Addr::UNSPECIFIED, 0),
    };
    Network {
        vpcs: vec![VpcSpec { name: VPC.into(), base: Ipv4Addr::new(10, 0, 0, 0), prefix: 16 }],
        subnets: vec![SubnetSpec {
            name: SUBNET.into(),
            vpc: VPC.into(),
            internet: Internet::None,
            zone: "us-east-1a".into(),
            base: Ipv4Addr::new(10, 0, 0, 0),
            prefix: 18,
        }],
        security_groups: vec![SecurityGroupSpec {
            name: GROUP.into(),
            vpc: VPC.into(),
            ingress: vec![anything.clone()],
            egress: vec![anything],
        }],
        interfaces: Vec::new(),
    }
}

fn find(program: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("these tests need {program}: apt-get install -y {package}"))
}

#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// SIGKILL.
#[track_caller]
pub(crate) fn kill(pid: i32) {
    signal_kill(pid).expect("it lives");
}

fn signal_kill(pid: i32) -> nix::Result<()> {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL)
}

/// A zombie is not alive.
pub(crate) fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
