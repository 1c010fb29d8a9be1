//! The engine's hands: wishes in, observations out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use neargate_core::effect::{Network, TaskLaunch};
use neargate_core::id::TaskId;
use neargate_core::input::{Exit, Observation};
use neargate_core::log_group::LogGroupSpec;
use neargate_images::ImageStore;
use neargate_logs::LogStore;
use rustix::process::{Pid, Resource, Signal};

use crate::container::{Surroundings, argv, environment, health_check, restart};
use crate::driver::Driver;
use crate::error::Error;
use crate::estate::{Estate, free_images};
use crate::images::{ImageCatalog, ImageSource, Pulled};
use crate::layout::{ContainerSpec, Layout, LogSpec, TaskSpec, is_container_name, write_json};
use crate::process::{Identity, Process};
use crate::sandbox::BackendKind;
use crate::watch::{Key, Watcher, send};

/// Threads that carry out wishes. All wishes for one task go to the same one, in order.
const WORKERS: u64 = 4;
/// How often the home is looked at for what is kept no longer: log events, images.
const CLEAN_UP: Duration = Duration::from_secs(3600);
/// Outputs of released tasks that are kept.
const KEPT_LOGS: usize = 500;
/// Old outputs are looked for once per so many releases.
const RELEASES_PER_PRUNING: u64 = 64;

/// Told everything that happens, in order per container, on threads of the runtime. It must return
/// quickly; it may call the runtime's non-blocking methods.
pub type Observer = Arc<dyn Fn(Observation) + Send + Sync>;

/// Values of secrets by the variable they are given in.
pub type Secrets = BTreeMap<String, String>;

/// How to run tasks.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// The platform's directory; tasks live below it.
    pub home: PathBuf,
    /// The program that has the subcommand `shim`, and what the image source `neargate` runs:
    /// the engine's own executable.
    pub binary: PathBuf,
    /// Platform seconds per real second, at least 1.
    pub pace: u32,
    /// `<ip>:<port>` of the DNS server for discovery names.
    pub dns: String,
    /// How tasks are made real.
    pub driver: Driver,
}

/// The `process` driver. Dropping it leaves the tasks running.
pub struct Runtime {
    shared: Arc<Shared>,
    workers: Vec<Sender<Job>>,
    /// Dropped, it ends the thread that cleans up.
    stop_cleaning: Option<SyncSender<()>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    options: RuntimeOptions,
    dns: RwLock<String>,
    path: Option<String>,
    layout: Layout,
    catalog: Mutex<ImageCatalog>,
    watcher: Watcher,
    releases: AtomicU64,
    log_store: LogStore,
    /// Whatever the driver: images can be pushed and looked at, if not all run.
    images: Arc<ImageStore>,
    /// What containers stand on; `None` for plain processes.
    estate: Option<Estate>,
}

enum Job {
    AttachNetwork(Arc<TaskLaunch>),
    PullImages(Arc<TaskLaunch>),
    Start(Arc<TaskLaunch>, String, Result<Secrets, String>),
    Signal(TaskId, String, Signal),
    Release(TaskId),
}

impl Job {
    fn task(&self) -> TaskId {
        match self {
            Job::AttachNetwork(launch) | Job::PullImages(launch) | Job::Start(launch, ..) => {
                launch.task
            }
            Job::Signal(task, ..) | Job::Release(task) => *task,
        }
    }
}

impl Runtime {
    /// Opens the runtime of a home directory, which no other process may use at the same time.
    /// Tasks that run there are left alone until [`Self::recover`].
    ///
    /// # Errors
    /// When the directory cannot be used or its image catalog not be read.
    pub fn open(options: RuntimeOptions, observer: Observer) -> Result<Self, Error> {
        let layout = Layout::new(options.home.clone());
        for dir in [layout.tasks(), layout.logs()] {
            // The tasks' environments are in there: for nobody else to read.
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
            made.map_err(|source| Error::Io { action: "create directory", path: dir, source })?;
        }
        let catalog = Mutex::new(ImageCatalog::open(layout.images())?);
        let log_store = LogStore::open(&layout.log_store())
            .map_err(|error| Error::Ground { problem: error.to_string() })?;
        let images = ImageStore::open(options.home.join("images"))
            .map_err(|error| Error::Ground { problem: error.chain() })?;
        let images = Arc::new(images);
        let watcher = Watcher::new(layout.clone(), options.binary.clone(), observer)?;
        let estate = match options.driver {
            Driver::Process => None,
            Driver::Container => Some(BackendKind::Libcontainer),
            Driver::Runc => Some(BackendKind::Runc("runc".into())),
        };
        let open = |backend| Estate::open(&options.home, Arc::clone(&images), backend);
        let estate = estate.map(open).transpose()?;
        let shared = Arc::new(Shared {
            dns: RwLock::new(options.dns.clone()),
            path: std::env::var("PATH").ok(),
            options,
            layout,
            catalog,
            watcher,
            releases: AtomicU64::new(0),
            log_store,
            images,
            estate,
        });

        let mut runtime =
            Self { shared, workers: Vec::new(), stop_cleaning: None, threads: Vec::new() };
        for number in 0..WORKERS {
            #[expect(
                clippy::disallowed_methods,
                reason = "wishes are bounded by the tasks there are, and a wish that waits for room \
                          could wait for the very observer that makes it"
            )]
            let (sender, jobs) = channel();
            runtime.spawn(format!("runtime-{number}"), move |shared| shared.work(&jobs))?;
            runtime.workers.push(sender);
        }
        runtime.shared.note_images();
        runtime.spawn("runtime-watch".to_owned(), |shared| shared.watcher.run())?;
        let (stop, stopped) = sync_channel(1);
        runtime.spawn("runtime-clean".to_owned(), move |shared| shared.clean_up(&stopped))?;
        runtime.stop_cleaning = Some(stop);
        Ok(runtime)
    }

    fn spawn(
        &mut self,
        name: String,
        body: impl FnOnce(&Shared) + Send + 'static,
    ) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || body(&shared))
            .map_err(|source| Error::System { action: "start a thread", source })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Adds or replaces image sources by repository; durable when this returns.
    ///
    /// # Errors
    /// When they cannot be written; nothing has changed then.
    pub fn put_images(&self, sources: BTreeMap<String, ImageSource>) -> Result<(), Error> {
        self.shared.catalog().put(sources)
    }

    /// The image sources by repository.
    #[must_use]
    pub fn images(&self) -> BTreeMap<String, ImageSource> {
        self.shared.catalog().sources().clone()
    }

    /// Where containers started from now on find discovery names.
    pub fn set_dns(&self, dns: String) {
        *self.shared.dns.write().unwrap_or_else(PoisonError::into_inner) = dns;
    }

    /// Makes the task's place and checks its address; answered by `NetworkAttached` or
    /// `TaskFailed`.
    pub fn attach_network(&self, launch: Arc<TaskLaunch>) {
        self.give(Job::AttachNetwork(launch));
    }

    /// Checks that every image of the task can be run; answered by `ImagesPulled` or `TaskFailed`.
    pub fn pull_images(&self, launch: Arc<TaskLaunch>) {
        self.give(Job::PullImages(launch));
    }

    /// Starts a container that has not been started, with the values of its secrets or the reason
    /// why there are none; answered by `ContainerStarted` or `ContainerFailed`. Of one that has
    /// been, everything known is reported again.
    pub fn start_container(
        &self,
        launch: Arc<TaskLaunch>,
        container: String,
        secrets: Result<Secrets, String>,
    ) {
        self.give(Job::Start(launch, container, secrets));
    }

    /// Makes the network what it is to be; what is not in it goes.
    pub fn publish_network(&self, network: &Network) {
        if let Some(estate) = &self.shared.estate {
            estate.publish(network);
        }
    }

    /// Where the platform's network namespace is pinned; `None` when tasks share the machine's.
    #[must_use]
    pub fn namespace(&self) -> Option<PathBuf> {
        self.shared.estate.as_ref().map(Estate::namespace)
    }

    /// The images that were pushed, and those the container drivers have taken from elsewhere.
    #[must_use]
    pub fn image_store(&self) -> Arc<ImageStore> {
        Arc::clone(&self.shared.images)
    }

    /// Forgets what is not the platform's state and was made for it, images and lines of logs: the
    /// platform starts over, empty.
    pub fn start_over(&self) {
        let Shared { images, log_store, estate, .. } = &*self.shared;
        for repository in images.repositories() {
            if let Err(error) = images.delete_repository(&repository.name, true) {
                tracing::error!(repository = repository.name, "{}", error.chain());
            }
        }
        if let Some(estate) = estate {
            estate.forget_imports();
        }
        let forgotten = log_store
            .group_names()
            .and_then(|names| names.iter().try_for_each(|name| log_store.delete_group(name)));
        if let Err(error) = forgotten {
            tracing::error!(%error, "could not delete the log groups");
        }
    }

    /// A socket in the platform's network on which the tasks' metadata is served; `None` when
    /// tasks share the machine's network.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn metadata_listener(&self) -> io::Result<Option<TcpListener>> {
        self.shared.estate.as_ref().map(Estate::metadata_listener).transpose()
    }

    /// Makes a log group what it is to be.
    pub fn put_log_group(&self, spec: &LogGroupSpec) {
        let LogGroupSpec { name, retention_days } = spec;
        let store = &self.shared.log_store;
        let made = match store.create_group(name, *retention_days, BTreeMap::new(), wall_ms()) {
            Err(neargate_logs::Error::GroupExists { .. }) => {
                store.put_retention(name, *retention_days)
            }
            made => made,
        };
        if let Err(error) = made {
            tracing::error!(%error, group = name, "could not make a log group");
        }
    }

    /// Removes a log group with everything in it.
    pub fn remove_log_group(&self, name: &str) {
        match self.shared.log_store.delete_group(name) {
            Ok(()) | Err(neargate_logs::Error::NoSuchGroup { .. }) => {}
            Err(error) => tracing::error!(%error, group = name, "could not remove a log group"),
        }
    }

    /// SIGTERM to the container's process, also to one that its restart policy or an earlier wish
    /// is about to start. The exit is reported; again, if it has exited already; as unknown, if
    /// there is no such container.
    pub fn stop_container(&self, task: TaskId, container: &str) {
        self.give(Job::Signal(task, container.to_owned(), Signal::TERM));
    }

    /// SIGKILL to the container's process and its group; as [`Self::stop_container`] otherwise.
    pub fn kill_container(&self, task: TaskId, container: &str) {
        self.give(Job::Signal(task, container.to_owned(), Signal::KILL));
    }

    /// Removes what the task holds, killing what still runs; answered by `TaskReleased`. Its
    /// output stays readable at [`crate::log_path`] for a while.
    pub fn release_task(&self, task: TaskId) {
        self.give(Job::Release(task));
    }

    /// Looks at every container on disk, watches those that run, and returns what is known of all:
    /// started, health, how it ended. An exit nobody saw is unknown.
    #[must_use]
    pub fn recover(&self) -> Vec<Observation> {
        let watcher = &self.shared.watcher;
        let mut observations = Vec::new();
        for task in self.known_tasks() {
            for container in self.shared.layout.containers_of(task) {
                let mut state = watcher.state();
                observations.extend(watcher.news(&mut state, &(task, container)));
            }
        }
        observations
    }

    /// Tasks that hold something on this machine. The engine releases those it does not know.
    #[must_use]
    pub fn known_tasks(&self) -> Vec<TaskId> {
        self.shared.layout.task_ids()
    }

    fn give(&self, job: Job) {
        let worker = (job.task().0 % u128::from(WORKERS)) as usize;
        if self.workers[worker].send(job).is_err() {
            tracing::error!("a runtime thread has ended early");
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.workers.clear();
        self.stop_cleaning = None;
        self.shared.watcher.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a runtime thread panicked");
            }
        }
    }
}

impl Shared {
    fn catalog(&self) -> std::sync::MutexGuard<'_, ImageCatalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, jobs: &Receiver<Job>) {
        for job in jobs {
            match job {
                Job::AttachNetwork(launch) => {
                    let result = self.attach(&launch);
                    self.tell_task(launch.task, result, |task| Observation::NetworkAttached {
                        task,
                    });
                }
                Job::PullImages(launch) => {
                    let result = self.pull(&launch);
                    self.tell_task(launch.task, result, |task| Observation::ImagesPulled { task });
                }
                Job::Start(launch, container, secrets) => self.start(&launch, container, secrets),
                Job::Signal(task, container, signal) => self.signal((task, container), signal),
                Job::Release(task) => self.release(task),
            }
        }
    }

    fn tell_task(
        &self,
        task: TaskId,
        result: Result<(), String>,
        done: impl Fn(TaskId) -> Observation,
    ) {
        self.watcher.tell([match result {
            Ok(()) => done(task),
            Err(reason) => Observation::TaskFailed { task, reason },
        }]);
    }

    fn attach(&self, launch: &TaskLaunch) -> Result<(), String> {
        let address = launch.address;
        match &self.estate {
            Some(estate) => estate.attach(launch)?,
            None => UdpSocket::bind((address, 0)).map(|_| ()).map_err(|error| {
                format!(
                    "ResourceInitializationError: unable to use address {address} of subnet {}: \
                     {error}; the process driver needs subnets inside 127.0.0.0/8",
                    launch.subnet
                )
            })?,
        }
        let spec = TaskSpec {
            task: launch.task,
            cluster: launch.cluster.clone(),
            service: launch.service.clone(),
            revision: launch.definition.reference(),
            zone: launch.zone.clone(),
            address,
            capacity_provider: launch.capacity_provider.to_owned(),
        };
        let dir = self.layout.task(launch.task);
        fs::create_dir_all(&dir).and_then(|()| write_json(&dir.join("spec.json"), &spec)).map_err(
            |error| format!("ResourceInitializationError: creating {}: {error}", dir.display()),
        )
    }

    fn pull(&self, launch: &TaskLaunch) -> Result<(), String> {
        let containers = &launch.definition.containers;
        containers.iter().try_for_each(|c| self.image(launch.task, &c.image).map(|_| ()))
    }

    /// The image behind a reference. The error is a stopped reason (ECS-STOP-8).
    fn image(&self, task: TaskId, image: &str) -> Result<Pulled, String> {
        let binary = &self.options.binary;
        match &self.estate {
            None => {
                let program = self.catalog().program(image, binary);
                program.map(Pulled::from).map_err(|error| error.to_string())
            }
            Some(estate) => {
                let origin = self.catalog().origin(image, binary);
                estate.pull(task, image, origin.map_err(|error| error.to_string())?)
            }
        }
    }

    /// A plain process cannot get more open files than this machine grants Neargate; it gets what
    /// there is, and the log says so.
    fn within_open_file_limit(&self, container: &str, (soft, hard): (u64, u64)) -> (u64, u64) {
        let ceiling = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        if hard > ceiling {
            tracing::warn!(container, wanted = hard, ceiling, "fewer open files than asked for");
        }
        (soft.min(ceiling), hard.min(ceiling))
    }

    fn start(&self, launch: &TaskLaunch, name: String, secrets: Result<Secrets, String>) {
        let key = (launch.task, name);
        let dir = self.layout.container(launch.task, &key.1);
        {
            let mut state = self.watcher.state();
            let container = state.containers.entry(key.clone()).or_default();
            // By this engine, or by one before it.
            if container.was_started() || dir.read_shim().is_some() {
                drop(state);
                self.watcher.repeat(&key);
                return;
            }
            container.starting = true;
        }
        match secrets.and_then(|secrets| self.start_shim(launch, &key.1, secrets)) {
            Ok(shim) => self.watcher.shim_started(&key, shim),
            Err(reason) => {
                self.watcher.state().containers.remove(&key);
                let (task, container) = key;
                self.watcher.tell([Observation::ContainerFailed { task, container, reason }]);
            }
        }
    }

    fn start_shim(&self, launch: &TaskLaunch, name: &str, secrets: Secrets) -> Result<Pid, String> {
        let definition = launch.definition.container(name).ok_or_else(|| {
            format!(
                "CannotCreateContainerError: task definition {} has no container {name}",
                launch.definition.reference()
            )
        })?;
        if !is_container_name(name) {
            return Err(format!(
                "CannotCreateContainerError: container name \"{name}\" has other characters than \
                 letters, digits, - and _"
            ));
        }
        let image = self.image(launch.task, &definition.image)?;
        let dns = self.dns.read().unwrap_or_else(PoisonError::into_inner).clone();
        let surroundings = Surroundings {
            isolated: self.estate.is_some(),
            dns: &dns,
            binary: &self.options.binary,
            path: self.path.as_deref(),
        };
        let mut environment = environment(launch, definition, &image, &surroundings);
        // A variable that is secret is told in secret only.
        environment.retain(|name, _| !secrets.contains_key(name));
        let spec = ContainerSpec {
            task: launch.task,
            container: name.to_owned(),
            argv: argv(definition, &image),
            environment,
            nofile: definition.nofile.map(|wanted| self.within_open_file_limit(name, wanted)),
            health_check: health_check(definition, self.options.pace),
            restart: restart(definition, self.options.pace),
            socket: self.layout.socket(),
            secret_names: secrets.keys().cloned().collect(),
            log: definition.log.as_ref().map(|log| LogSpec {
                root: self.layout.log_store(),
                group: log.group.clone(),
                stream: log.stream(name, launch.task),
                delivery: log.delivery,
                multiline: log.multiline.clone(),
            }),
            sandbox: self.estate.as_ref().map(|e| e.sandbox(launch, definition, &image)),
        };
        let dir = self.layout.container(launch.task, name);
        let names = |estate: &Estate| estate.write_names(launch, &dir);
        let created = dir.create(&spec);
        created.and_then(|()| self.estate.as_ref().map_or(Ok(()), names)).map_err(|error| {
            format!("CannotCreateContainerError: creating {}: {error}", dir.path().display())
        })?;
        spawn_shim(&self.options.binary, dir.path(), &secrets).map_err(|error| {
            let binary = self.options.binary.display();
            format!("CannotStartContainerError: starting {binary} shim: {error}")
        })
    }

    fn signal(&self, key: Key, signal: Signal) {
        let (task, name) = &key;
        let dir = self.layout.container(*task, name);
        let mut state = self.watcher.state();
        let container = state.containers.entry(key.clone()).or_default();
        if !container.was_started() && dir.read_shim().is_none() {
            state.containers.remove(&key);
            let (task, container) = key;
            let exit = Exit::Unknown;
            self.watcher.tell([Observation::ContainerExited { task, container, exit }]);
            return;
        }
        if container.has_ended() {
            drop(state);
            self.watcher.repeat(&key);
            return;
        }
        // First the restart policy is off, then the process is looked up; one that comes even later
        // is signalled when the watcher sees it.
        if let Err(error) = fs::write(dir.stopping(), b"") {
            tracing::warn!(%error, %task, container = name, "could not mark as stopping");
        }
        let news = self.watcher.news(&mut state, &key);
        self.watcher.tell(news);
        // ECS-TASK-9: an image may want another signal than SIGTERM.
        let signal = match signal {
            Signal::TERM => dir.read_spec().map_or(Signal::TERM, |spec| spec.stop_signal()),
            other => other,
        };
        let container = state.containers.entry(key.clone()).or_default();
        if container.stop != Some(Signal::KILL) {
            container.stop = Some(signal);
        }
        if let Some(process) = dir.read_process().and_then(Process::open) {
            send(&process, signal);
        }
    }

    fn release(&self, task: TaskId) {
        for name in self.layout.containers_of(task) {
            // Out of the watcher's sight first, so that no shim takes over what ends here.
            let known = self.watcher.state().containers.remove(&(task, name.clone()));
            self.end_now(task, &name, known.and_then(|container| container.shim()));
            self.keep_log(task, &name);
        }
        self.watcher.state().containers.retain(|(owner, _), _| *owner != task);
        if let Some(estate) = &self.estate {
            estate.release(task);
        }
        let dir = self.layout.task(task);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = dir.display();
                tracing::error!(%error, %path, "could not remove a released task's directory");
            }
            _ => {}
        }
        if self.releases.fetch_add(1, Ordering::Relaxed).is_multiple_of(RELEASES_PER_PRUNING) {
            self.prune_logs();
        }
        self.watcher.tell([Observation::TaskReleased { task }]);
    }

    /// Kills what still runs of a container, and waits until it is gone. `known` is the shim that
    /// was last heard of: one that is about to take over is not in the file yet.
    fn end_now(&self, task: TaskId, name: &str, known: Option<Identity>) {
        let dir = self.layout.container(task, name);
        let shim = [dir.read_shim(), known].into_iter().flatten().find_map(Process::open);
        let exited = dir.read_exit();
        let _restart_is_off_or_nothing_runs = fs::write(dir.stopping(), b"");
        let process = dir.read_process().and_then(Process::open);
        if let Some(process) = &process {
            process.kill_group();
            process.wait_for_end();
        }
        match (shim, exited) {
            // A shim that has seen the exit has left nothing behind.
            (_, Some(exit)) if exit != Exit::Unknown => {}
            // With its container gone the shim ends by itself.
            (Some(shim), _) if process.is_some() => {
                if !shim.wait_for_end() {
                    shim.signal(Signal::KILL);
                    crate::shim::clear(&dir);
                }
            }
            // It is between its start and the container's.
            (Some(shim), _) => {
                shim.signal(Signal::KILL);
                shim.wait_for_end();
                crate::shim::clear(&dir);
            }
            (None, _) => crate::shim::clear(&dir),
        }
    }

    /// What tasks of an earlier engine run from is in use.
    fn note_images(&self) {
        let Some(estate) = &self.estate else { return };
        for task in self.layout.task_ids() {
            for name in self.layout.containers_of(task) {
                let spec = self.layout.container(task, &name).read_spec().ok();
                let image = spec.and_then(|spec| spec.sandbox?.image);
                if let Some(digest) = image.and_then(|image| image.parse().ok()) {
                    estate.use_image(task, digest);
                }
            }
        }
    }

    /// Takes away what the lifecycle policies of repositories let expire.
    fn expire_images(&self) {
        for repository in self.images.repositories() {
            let name = &repository.name;
            match self.images.apply_lifecycle_policy(name, wall_ms().unsigned_abs()) {
                Ok(gone) if gone.is_empty() => {}
                Ok(gone) => tracing::info!(repository = name, images = gone.len(), "expired"),
                Err(error) => tracing::warn!(repository = name, "{}", error.chain()),
            }
        }
    }

    /// Removes what log groups keep no longer and what no image needs, now and every hour until
    /// told to stop.
    fn clean_up(&self, stopped: &Receiver<()>) {
        loop {
            self.expire_images();
            match &self.estate {
                Some(estate) => estate.collect_garbage(),
                None => free_images(&self.images, &BTreeSet::new()),
            }
            if let Err(error) = self.log_store.expire(wall_ms()) {
                tracing::warn!(%error, "could not remove old log events");
            }
            if stopped.recv_timeout(CLEAN_UP) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn keep_log(&self, task: TaskId, name: &str) {
        let log = self.layout.container(task, name).log();
        if fs::metadata(&log).is_ok_and(|file| file.len() > 0)
            && let Err(error) = fs::rename(&log, self.layout.kept_log(task, name))
        {
            tracing::warn!(%error, %task, container = name, "could not keep the output");
        }
    }

    /// Removes all but the newest kept outputs.
    fn prune_logs(&self) {
        let Ok(entries) = fs::read_dir(self.layout.logs()) else { return };
        let mut logs: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
            })
            .collect();
        logs.sort();
        for (_, path) in logs.iter().rev().skip(KEPT_LOGS) {
            let _already_gone = fs::remove_file(path);
        }
    }
}

/// Milliseconds since 1970, as log events are stamped.
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A plain exec of the binary with nothing of the engine's: no environment, no descriptors. Secrets
/// go by a pipe, which nobody else can read and nothing keeps.
fn spawn_shim(binary: &Path, dir: &Path, secrets: &Secrets) -> io::Result<Pid> {
    let mut child = Command::new(binary)
        .arg("shim")
        .arg(dir)
        .env_clear()
        .stdin(if secrets.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A shim that has ended already says itself why.
        let _ended = serde_json::to_writer(&mut stdin, secrets);
    }
    Ok(Pid::from_child(&child))
}
