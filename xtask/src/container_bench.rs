//! What a container costs: the time to start one from an image that is there, against `runc` and
//! podman; how many start in a second; and the memory of the shim that stays with each.
//!
//! Rounds of all are interleaved, because only what runs under the same load of the machine can be
//! compared. Podman and plain `runc` get less to do: a root directory that is ready where the shim
//! mounts an overlay, and the machine's own network where the shim joins the task's. `runc` is
//! measured with equal work as well: the container of the driver, by its own `config.json`, with
//! an overlay mounted for it, in a task's network, with its limits and its system call filter. A task
//! that says `ephemeralStorage` also gets a file system of its own.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use neargate_core::effect::{Network, TaskLaunch};
use neargate_core::id::TaskId;
use neargate_core::input::Observation;
use neargate_core::network::{Internet, SecurityGroupSpec, SubnetSpec, VpcSpec};
use neargate_core::task_definition::{ContainerDefinition, TaskDefinition};
use neargate_runtime::{Driver, ImageSource, Runtime, RuntimeOptions, Secrets};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
const APP: &str = "app";
/// What runs: it does nothing for as long as the measurement takes.
const ARGV: [&str; 3] = ["/usr/local/bin/busybox", "sleep", "3600"];

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Starts of each kind.
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// Tasks that are being started at a time.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    at_once: Vec<usize>,
    /// Tasks started for each of these.
    #[arg(long, default_value_t = 64)]
    tasks: usize,
    /// The program whose `shim` is measured; without it, this one.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Measures and prints.
#[allow(clippy::print_stdout)] // The result is data on stdout.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "containers need namespaces and control groups: run this as root"
    );
    let busybox = program("busybox", "busybox-static")?;
    let binary = match &arguments.binary {
        Some(binary) => fs::canonicalize(binary)
            .with_context(|| format!("cannot find the program {}", binary.display()))?,
        None => std::env::current_exe()?,
    };
    let platforms =
        [Driver::Container, Driver::Runc].map(|driver| Platform::open(driver, &binary, &busybox));
    let [own, with_runc] = platforms;
    let (own, with_runc) = (own?, with_runc?);
    let others = Others::prepare(&busybox)?;

    let mut times: Vec<(&str, Vec<Duration>)> = Vec::new();
    // The first one makes its store, and shows whether it works here at all.
    let mut podman = others.podman().map(|_| Vec::new());
    let equal = Equal::prepare(&own, &others.runc)?;
    for name in [
        "neargate, container",
        "neargate, container, 21 GiB",
        "neargate, runc",
        "runc run -d",
        "runc run -d, equal work",
    ] {
        times.push((name, Vec::new()));
    }
    for _ in 0..arguments.rounds {
        times[0].1.push(own.one_start(20)?);
        times[1].1.push(own.one_start(21)?);
        times[2].1.push(with_runc.one_start(20)?);
        times[3].1.push(others.runc()?);
        times[4].1.push(equal.start(&own)?);
        if let Ok(times) = &mut podman {
            times.push(others.podman()?);
        }
    }
    println!("create and start, image there      n   median ms   p90 ms   best ms");
    let not_measured = podman.map(|times_of_it| times.push(("podman run -d", times_of_it))).err();
    for (name, times) in &mut times {
        times.sort();
        let at =
            |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let n = times.len();
        println!("{name:<32}  {n:>3}   {:>9.1}   {:>6.1}   {:>7.1}", at(0.5), at(0.9), at(0.0));
    }
    if let Some(error) = not_measured {
        println!("podman run -d                     not measured: {error:#}");
    }

    println!("\nat once   tasks   started per second (network, image and container)");
    for at_once in &arguments.at_once {
        let rate = own.rate(*at_once, arguments.tasks.max(*at_once))?;
        println!("{at_once:>7}   {:>5}   {rate:>6.1}", arguments.tasks.max(*at_once));
    }

    let shims = own.shims(arguments.rounds.clamp(1, 20))?;
    println!("\nmemory of a shim, KiB (median of {})", shims.len());
    for (index, name) in ["Rss", "Pss", "Private"].into_iter().enumerate() {
        let mut values: Vec<u64> = shims.iter().map(|shim| shim[index]).collect();
        values.sort_unstable();
        println!("{name:<8} {:>6}", values[values.len() / 2]);
    }
    Ok(())
}

fn program(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not installed: apt-get install -y {package}"))
}

type Reports = Arc<(Mutex<Vec<Observation>>, Condvar)>;

/// A runtime with its network, in a home of its own.
struct Platform {
    home: tempfile::TempDir,
    /// Until the end.
    runtime: Option<Runtime>,
    reports: Reports,
    next: Mutex<u32>,
}

impl Platform {
    fn open(driver: Driver, binary: &Path, busybox: &Path) -> Result<Self> {
        let home = tempfile::tempdir().context("cannot make a temporary directory")?;
        let reports = Reports::default();
        let seen = Arc::clone(&reports);
        let options = RuntimeOptions {
            home: home.path().to_owned(),
            binary: binary.to_owned(),
            pace: 1,
            dns: "127.0.0.1:53".into(),
            driver,
        };
        let runtime = Runtime::open(
            options,
            Arc::new(move |observation| {
                seen.0.lock().unwrap_or_else(PoisonError::into_inner).push(observation);
                seen.1.notify_all();
            }),
        )?;
        let image = ImageSource::Binary {
            path: busybox.display().to_string(),
            arguments: Vec::new(),
            fixed_arguments: false,
            tags: None,
        };
        runtime.put_images(BTreeMap::from([("busybox".to_owned(), image)]))?;
        runtime.publish_network(&network());
        let platform = Self { home, runtime: Some(runtime), reports, next: Mutex::new(16) };
        // The image is there, and nothing is the first of its kind any more.
        platform.one_start(20)?;
        Ok(platform)
    }

    fn runtime(&self) -> Result<&Runtime> {
        self.runtime.as_ref().context("the platform is closed")
    }

    fn task(&self) -> Arc<TaskLaunch> {
        self.task_with(20)
    }

    /// With more than 20 GiB it has a file system of its own.
    fn task_with(&self, ephemeral_storage_gib: u32) -> Arc<TaskLaunch> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next += 1;
        let [_, _, c, d] = next.to_be_bytes();
        let mut container = ContainerDefinition::new(APP, "busybox:v1");
        container.command = ARGV[1..].iter().map(|&word| word.to_owned()).collect();
        Arc::new(TaskLaunch {
            task: TaskId(u128::from(*next)),
            cluster: "bench".into(),
            service: None,
            definition: Arc::new(TaskDefinition {
                family: "bench".into(),
                revision: 1,
                cpu: 256,
                memory_mib: 512,
                containers: vec![container],
                execution_role: None,
                task_role: None,
                ephemeral_storage_gib,
                tags: BTreeMap::new(),
            }),
            zone: "us-east-1a".into(),
            subnet: "private".into(),
            address: Ipv4Addr::new(10, 0, c, d),
            capacity_provider: "FARGATE",
            security_groups: vec!["tasks".into()],
            public_ip: false,
        })
    }

    /// Waits until so many reports were made that are wanted; a failure ends it.
    fn wait(&self, count: usize, wanted: impl Fn(&Observation) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.reports.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            for observation in seen.iter() {
                if let Observation::TaskFailed { reason, .. }
                | Observation::ContainerFailed { reason, .. } = observation
                {
                    bail!("{reason}");
                }
            }
            if seen.iter().filter(|o| wanted(o)).count() >= count {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "not in {PATIENCE:?}; reported: {seen:#?}");
            let waited = self.reports.1.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn forget(&self) {
        self.reports.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// From the wish to start to the report, in a network that is there.
    fn one_start(&self, storage_gib: u32) -> Result<Duration> {
        let launch = self.task_with(storage_gib);
        let runtime = self.runtime()?;
        self.forget();
        runtime.attach_network(Arc::clone(&launch));
        runtime.pull_images(Arc::clone(&launch));
        self.wait(1, |o| matches!(o, Observation::ImagesPulled { .. }))?;
        let began = Instant::now();
        runtime.start_container(Arc::clone(&launch), APP.to_owned(), Ok(Secrets::new()));
        self.wait(1, |o| matches!(o, Observation::ContainerStarted { .. }))?;
        let took = began.elapsed();
        self.remove(&[launch])?;
        Ok(took)
    }

    fn remove(&self, launches: &[Arc<TaskLaunch>]) -> Result<()> {
        let runtime = self.runtime()?;
        for launch in launches {
            runtime.kill_container(launch.task, APP);
            runtime.release_task(launch.task);
        }
        self.wait(launches.len(), |o| matches!(o, Observation::TaskReleased { .. }))
    }

    fn start(&self, launch: &Arc<TaskLaunch>) -> Result<()> {
        let runtime = self.runtime()?;
        runtime.attach_network(Arc::clone(launch));
        runtime.pull_images(Arc::clone(launch));
        runtime.start_container(Arc::clone(launch), APP.to_owned(), Ok(Secrets::new()));
        Ok(())
    }

    /// Tasks started in a second, with so many under way at any time.
    fn rate(&self, at_once: usize, tasks: usize) -> Result<f64> {
        self.forget();
        let launches: Vec<_> = (0..tasks).map(|_| self.task()).collect();
        let began = Instant::now();
        for (index, launch) in launches.iter().enumerate() {
            let done = (index + 1).saturating_sub(at_once);
            self.wait(done, |o| matches!(o, Observation::ContainerStarted { .. }))?;
            self.start(launch)?;
        }
        self.wait(tasks, |o| matches!(o, Observation::ContainerStarted { .. }))?;
        let took = began.elapsed();
        self.remove(&launches)?;
        Ok(tasks as f64 / took.as_secs_f64())
    }

    /// Resident, proportional and private memory in KiB of the shims of so many running tasks.
    fn shims(&self, tasks: usize) -> Result<Vec<[u64; 3]>> {
        self.forget();
        let launches: Vec<_> = (0..tasks).map(|_| self.task()).collect();
        for launch in &launches {
            self.start(launch)?;
        }
        self.wait(tasks, |o| matches!(o, Observation::ContainerStarted { .. }))?;
        let mut found = Vec::new();
        for launch in &launches {
            let dir = neargate_runtime::container_directory(self.home.path(), launch.task, APP)
                .context("a container has a directory")?;
            let pid = fs::read_to_string(dir.join("shim.pid")).context("a task has a shim")?;
            let pid = pid.split(' ').next().unwrap_or_default();
            found.push(memory(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?));
        }
        self.remove(&launches)?;
        Ok(found)
    }
}

impl Drop for Platform {
    #[allow(clippy::print_stderr)] // For whoever has to remove what is left.
    fn drop(&mut self) {
        if let Some(runtime) = &self.runtime {
            self.forget();
            let tasks = runtime.known_tasks();
            for task in &tasks {
                runtime.release_task(*task);
            }
            let _already_an_error =
                self.wait(tasks.len(), |o| matches!(o, Observation::TaskReleased { .. }));
        }
        self.runtime = None;
        if let Err(problem) = neargate_runtime::clear_ground(self.home.path()) {
            eprintln!("left behind in {}: {problem}", self.home.path().display());
        }
    }
}

/// What the driver does for a container, done by `runc` alone.
struct Equal {
    home: tempfile::TempDir,
    runc: PathBuf,
    config: serde_json::Value,
    layers: Vec<String>,
}

impl Equal {
    /// Reads off a running container of the driver what it is made of.
    fn prepare(own: &Platform, runc: &Path) -> Result<Self> {
        own.forget();
        let launch = own.task();
        own.start(&launch)?;
        own.wait(1, |o| matches!(o, Observation::ContainerStarted { .. }))?;
        let dir = neargate_runtime::container_directory(own.home.path(), launch.task, APP)
            .context("a container has a directory")?;
        let read = |name: &str| -> Result<serde_json::Value> {
            Ok(serde_json::from_slice(&fs::read(dir.join(name))?)?)
        };
        let (mut config, spec) = (read("bundle/config.json")?, read("spec.json")?);
        own.remove(&[launch])?;
        let layers = spec["sandbox"]["layers"].as_array().context("a container has layers")?;
        let layers = layers.iter().filter_map(|layer| layer.as_str().map(str::to_owned)).collect();
        // What the driver's own executor does, and no file says.
        config["process"]["env"] = serde_json::json!(["PATH=/usr/local/bin:/usr/bin:/bin"]);
        let held = ["CHOWN", "KILL", "NET_BIND_SERVICE", "SETUID", "SETGID"];
        let held: Vec<String> = held.iter().map(|name| format!("CAP_{name}")).collect();
        config["process"]["capabilities"] =
            serde_json::json!({ "bounding": held, "effective": held, "permitted": held });
        config["linux"]["seccomp"] = neargate_runtime::oci_profile();
        let resources = &mut config["linux"]["resources"];
        resources["memory"] = serde_json::json!({ "limit": 512 << 20 });
        resources["cpu"] = serde_json::json!({ "quota": 25_000, "period": 100_000 });
        resources["pids"] = serde_json::json!({ "limit": 4096 });
        config["linux"]["cgroupsPath"] =
            format!("/neargate/bench-equal-{}", std::process::id()).into();
        // Its host names and resolver lie in the directory of the task that is gone.
        if let Some(mounts) = config["mounts"].as_array_mut() {
            mounts.retain(|mount| mount["type"] != "bind");
        }
        let home = tempfile::tempdir().context("cannot make a temporary directory")?;
        Ok(Self { home, runc: runc.to_owned(), config, layers })
    }

    /// In a network that is there, as [`Platform::one_start`].
    fn start(&self, own: &Platform) -> Result<Duration> {
        own.forget();
        let launch = own.task();
        own.runtime()?.attach_network(Arc::clone(&launch));
        own.wait(1, |o| matches!(o, Observation::NetworkAttached { .. }))?;
        let at = |name: &str| self.home.path().join(name);
        let runc = || {
            let mut command = Command::new(&self.runc);
            command.arg("--root").arg(at("state"));
            command
        };
        let began = Instant::now();
        for name in ["upper", "work", "root"] {
            fs::create_dir_all(at(name))?;
        }
        let lower: Vec<&str> = self.layers.iter().rev().map(String::as_str).collect();
        let (upper, work) = (at("upper"), at("work"));
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.join(":"),
            upper.display(),
            work.display()
        );
        let flags = nix::mount::MsFlags::empty();
        nix::mount::mount(
            Some("overlay"),
            &at("root"),
            Some("overlay"),
            flags,
            Some(options.as_str()),
        )
        .context("mounting an overlay")?;
        let mut config = self.config.clone();
        config["root"]["path"] = at("root").display().to_string().into();
        let network = own.home.path().join("network/tasks").join(launch.task.to_string());
        if let Some(namespaces) = config["linux"]["namespaces"].as_array_mut() {
            for namespace in namespaces.iter_mut().filter(|n| n["type"] == "network") {
                namespace["path"] = network.display().to_string().into();
            }
        }
        fs::write(at("config.json"), serde_json::to_vec(&config)?)?;
        let started =
            command(runc().args(["run", "-d", "--bundle"]).arg(self.home.path()).arg(APP));
        let took = began.elapsed();
        let removed = command(runc().args(["delete", "--force", APP]));
        let unmounted = nix::mount::umount2(&at("root"), nix::mount::MntFlags::MNT_DETACH);
        for name in ["upper", "work"] {
            fs::remove_dir_all(at(name))?;
        }
        own.remove(&[launch])?;
        started.and(removed)?;
        unmounted.context("unmounting the overlay")?;
        Ok(took)
    }
}

/// From the text of `smaps_rollup`.
fn memory(text: &str) -> [u64; 3] {
    let of = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    [of("Rss"), of("Pss"), of("Private_Clean") + of("Private_Dirty")]
}

fn network() -> Network {
    let base = Ipv4Addr::new(10, 0, 0, 0);
    Network {
        vpcs: vec![VpcSpec { name: "main".into(), base, prefix: 16 }],
        subnets: vec![SubnetSpec {
            name: "private".into(),
            vpc: "main".into(),
            internet: Internet::None,
            zone: "us-east-1a".into(),
            base,
            prefix: 18,
        }],
        security_groups: vec![SecurityGroupSpec {
            name: "tasks".into(),
            vpc: "main".into(),
            ingress: Vec::new(),
            egress: Vec::new(),
        }],
        interfaces: Vec::new(),
    }
}

/// What the shim is measured against, with the same program in a root directory that is ready.
struct Others {
    home: tempfile::TempDir,
    runc: PathBuf,
}

impl Others {
    fn prepare(busybox: &Path) -> Result<Self> {
        let runc = program("runc", "runc")?;
        let home = tempfile::tempdir().context("cannot make a temporary directory")?;
        let bundle = home.path().join("bundle");
        let bin = bundle.join("rootfs/usr/local/bin");
        fs::create_dir_all(&bin)?;
        fs::copy(busybox, bin.join("busybox"))?;
        command(Command::new(&runc).arg("spec").current_dir(&bundle))?;
        let file = bundle.join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&file)?)?;
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = ARGV.as_slice().into();
        config["linux"]["cgroupsPath"] = format!("/neargate/bench-{}", std::process::id()).into();
        if let Some(namespaces) = config["linux"]["namespaces"].as_array_mut() {
            namespaces.retain(|namespace| namespace["type"] != "network");
        }
        // Without a network of its own it may not have the machine's settings.
        if let Some(mounts) = config["mounts"].as_array_mut() {
            mounts.retain(|mount| mount["destination"] != "/sys");
        }
        fs::write(&file, serde_json::to_vec(&config)?)?;
        Ok(Self { home, runc })
    }

    fn runc(&self) -> Result<Duration> {
        let runc = || {
            let mut command = Command::new(&self.runc);
            command.arg("--root").arg(self.home.path().join("state"));
            command
        };
        let began = Instant::now();
        let started = command(
            runc().args(["run", "-d", "--bundle"]).arg(self.home.path().join("bundle")).arg(APP),
        );
        let took = began.elapsed();
        let removed = command(runc().args(["delete", "--force", APP]));
        started.and(removed)?;
        Ok(took)
    }

    fn podman(&self) -> Result<Duration> {
        let podman = program("podman", "podman")?;
        let podman = || {
            let mut command = Command::new(&podman);
            command.arg("--root").arg(self.home.path().join("podman"));
            command.arg("--runroot").arg(self.home.path().join("podman-run"));
            command.arg("--runtime").arg(&self.runc).arg("--cgroup-manager=cgroupfs");
            command
        };
        let began = Instant::now();
        let started = command(
            podman()
                .args(["run", "--detach", "--name", APP, "--network", "host"])
                // Without these it asks for more than a machine may grant.
                .args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"])
                .arg("--rootfs")
                .arg(self.home.path().join("bundle/rootfs"))
                .args(ARGV),
        );
        let took = began.elapsed();
        let removed = command(podman().args(["rm", "--force", "--time", "0", APP]));
        started.and(removed)?;
        Ok(took)
    }
}

/// Runs it to its end. Its output goes to a file, because a container inherits it.
fn command(command: &mut Command) -> Result<()> {
    let said = tempfile::NamedTempFile::new()?;
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said.reopen()?)
        .status()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let words = fs::read_to_string(said.path()).unwrap_or_default();
    ensure!(status.success(), "{:?}: {status}: {}", command.get_program(), words.trim());
    Ok(())
}
