//! What the engine side knows of each container, and how it notices changes: a datagram from the
//! shim, or the end of a shim. A container that lost its shim gets another one, which takes over;
//! only if that does not work is the container itself watched.
//!
//! Whatever the occasion, [`Watcher::refresh`] compares the container's files with what has been
//! reported and reports the difference. So an occasion too many does no harm, and the order of
//! reports is always started, health, ended.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use neargate_core::id::TaskId;
use neargate_core::input::{ContainerHealth, Exit, Observation};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use rustix::process::{Pid, Signal, WaitOptions};

use crate::error::Error;
use crate::layout::{Layout, short_path};
use crate::process::{Identity, Process};
use crate::runtime::Observer;

/// Epoll keys of what is no process.
const SOCKET: u64 = 0;
const WAKE: u64 = 1;
const FIRST_PROCESS: u64 = 2;
/// Longest datagram: a task id, a slash, a container name.
const MAX_MESSAGE: usize = 512;
/// How often a container that lost its shim gets another. A machine on which shims die is not
/// helped by starting one after the other.
const TAKE_OVERS: u32 = 8;

/// A container by task and name.
pub(crate) type Key = (TaskId, String);

/// What has been seen and said of a container.
#[derive(Debug, Default)]
pub(crate) struct Container {
    /// A worker is starting its shim right now: nothing is concluded from files that are missing.
    pub(crate) starting: bool,
    /// The signal it was asked to end with, for a process that comes after the asking.
    pub(crate) stop: Option<Signal>,
    shim: Option<Identity>,
    /// A shim of ours had ended before it could be told from other processes.
    shim_unseen: bool,
    /// Shims that were started to take over.
    take_overs: u32,
    /// The container's own process is watched because nobody could take over.
    orphaned: bool,
    process: Option<Identity>,
    /// Open, and never read from: with it, what the container wrote is still there when container
    /// and shim have died.
    output: Option<File>,
    started_told: bool,
    health_told: Option<ContainerHealth>,
    /// Last report of all: exited or failed.
    ended: Option<Observation>,
}

impl Container {
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// The last shim that was seen or started.
    pub(crate) fn shim(&self) -> Option<Identity> {
        self.shim
    }

    /// Whether a shim for it was ever seen or started by this engine.
    pub(crate) fn was_started(&self) -> bool {
        self.starting || self.shim.is_some() || self.shim_unseen || self.has_ended()
    }
}

/// Shared by the worker threads and the watching thread.
pub(crate) struct Watcher {
    layout: Layout,
    /// The program that has the subcommand `shim`.
    binary: PathBuf,
    observer: Observer,
    epoll: Epoll,
    socket: UnixDatagram,
    wake: EventFd,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) containers: HashMap<Key, Container>,
    /// By epoll key. Kept until the process ends, also when its task is long released: somebody
    /// has to reap the shims this process started.
    watched: HashMap<u64, Watched>,
    next: u64,
}

struct Watched {
    process: Process,
    pid: Pid,
    key: Key,
}

impl Watcher {
    pub(crate) fn new(layout: Layout, binary: PathBuf, observer: Observer) -> Result<Self, Error> {
        let system =
            |action| move |source: nix::Error| Error::System { action, source: source.into() };
        let epoll =
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(system("create an event queue"))?;
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(system("create an event descriptor"))?;
        let path = layout.socket();
        let bind = || {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let (short, _keeps_it_valid) = short_path(&path)?;
            let socket = UnixDatagram::bind(short)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let socket =
            bind().map_err(|source| Error::Io { action: "bind", path: path.clone(), source })?;
        let readable = |key| EpollEvent::new(EpollFlags::EPOLLIN, key);
        epoll
            .add(&socket, readable(SOCKET))
            .and_then(|()| epoll.add(wake.as_fd(), readable(WAKE)))
            .map_err(system("fill an event queue"))?;
        let state = Mutex::new(State { next: FIRST_PROCESS, ..State::default() });
        Ok(Self { layout, binary, observer, epoll, socket, wake, state })
    }

    /// Reports changes until [`Self::stop`]; the body of the watching thread.
    pub(crate) fn run(&self) {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => {
                    tracing::error!(%error, "cannot watch containers any more");
                    return;
                }
            };
            for event in &events[..count] {
                match event.data() {
                    WAKE => return,
                    SOCKET => self.answer_doorbell(),
                    process => self.process_ended(process),
                }
            }
        }
    }

    /// Ends [`Self::run`].
    pub(crate) fn stop(&self) {
        let _cannot_overflow = self.wake.write(1);
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves at worst a report unsaid; the files still hold the truth.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the observer. Called with the state locked where the order matters.
    pub(crate) fn tell(&self, observations: impl IntoIterator<Item = Observation>) {
        observations.into_iter().for_each(|observation| (self.observer)(observation));
    }

    /// Compares files with reports and reports the difference.
    pub(crate) fn refresh(&self, key: &Key) {
        let mut state = self.state();
        let news = self.news(&mut state, key);
        self.tell(news);
    }

    /// Reports everything known of the container once more.
    pub(crate) fn repeat(&self, key: &Key) {
        let mut state = self.state();
        let container = state.containers.entry(key.clone()).or_default();
        container.started_told = false;
        container.health_told = None;
        let ended = container.ended.take();
        let mut news = self.news(&mut state, key);
        let still_ended = state.containers.get(key).is_some_and(Container::has_ended);
        if let (Some(ended), false) = (ended, still_ended) {
            // Not written down anywhere, so the files cannot repeat it.
            news.push(ended.clone());
            if let Some(container) = state.containers.get_mut(key) {
                container.ended = Some(ended);
            }
        }
        self.tell(news);
    }

    /// The difference between files and reports, which counts as reported from now on.
    pub(crate) fn news(&self, state: &mut State, key: &Key) -> Vec<Observation> {
        let mut news = Vec::new();
        let (task, name) = key;
        let dir = self.layout.container(*task, name);
        let container = state.containers.entry(key.clone()).or_default();
        if container.ended.is_some() {
            return news;
        }
        // Looked at before the other files: a shim found dead has written all it ever will.
        // One that takes over is not in the file before it has done so.
        let known = [dir.read_shim(), container.shim].into_iter().flatten();
        let shim = known.clone().find(|shim| shim.is_alive()).or_else(|| known.clone().next());
        let shim_lives = container.starting || shim.is_some_and(Identity::is_alive);

        let failure = dir.read_failure();
        if let Some(reason) = failure {
            let ended =
                Observation::ContainerFailed { task: *task, container: name.clone(), reason };
            container.ended = Some(ended.clone());
            news.push(ended);
            return news;
        }
        let exit = dir.read_exit();
        let process = dir.read_process();
        if !container.started_told && (process.is_some() || exit.is_some()) {
            container.started_told = true;
            for warning in dir.read_warnings() {
                tracing::warn!(%task, container = name, "{warning}");
            }
            news.push(Observation::ContainerStarted { task: *task, container: name.clone() });
        }
        if process.is_some() && process != container.process {
            container.process = process;
            if let (Some(signal), Some(process)) = (container.stop, process.and_then(Process::open))
            {
                send(&process, signal);
            }
        }
        if container.output.is_none() && process.is_some_and(Identity::is_alive) {
            container.output = hold(&dir.fifo());
        }
        let health = dir.read_health();
        if health != container.health_told.unwrap_or(ContainerHealth::Unknown) {
            container.health_told = Some(health);
            news.push(Observation::ContainerHealth {
                task: *task,
                container: name.clone(),
                health,
            });
        }
        if let Some(exit) = exit {
            self.end(container, key, exit, &mut news);
            return news;
        }
        if shim_lives {
            if let Some(shim) = shim.filter(|shim| {
                !container.starting && container.shim.is_none_or(|known| known != *shim)
            }) {
                container.shim = Some(shim);
                if !self.watch(state, shim, key) {
                    news.extend(self.news(state, key));
                }
            }
            return news;
        }

        // Without a shim nobody reads its output or checks its health, and how it ends is unknown
        // (never guessed).
        let Some(process) = process else {
            if shim.is_none() && !container.shim_unseen {
                // Prepared by an engine that died before it started the shim.
                return news;
            }
            crate::shim::clear(&dir);
            let reason = "CannotStartContainerError: its shim ended before it had started the \
                          container"
                .to_owned();
            let ended =
                Observation::ContainerFailed { task: *task, container: name.clone(), reason };
            container.ended = Some(ended.clone());
            news.push(ended);
            return news;
        };
        if process.is_alive() {
            if container.take_overs < TAKE_OVERS {
                container.take_overs += 1;
                tracing::warn!(%task, container = name, "the container lost its shim");
                if let Some(shim) = take_over(&self.binary, dir.path()) {
                    container.shim = Some(shim);
                    if self.watch(state, shim, key) {
                        return news;
                    }
                }
                // It could not be started, or has ended again already.
                news.extend(self.news(state, key));
                return news;
            }
            if !container.orphaned {
                container.orphaned = true;
                tracing::error!(%task, container = name, "nobody takes over the container");
                if !self.watch(state, process, key) {
                    news.extend(self.news(state, key));
                }
            }
            return news;
        }
        if container.output.is_some() && container.take_overs < TAKE_OVERS {
            // It takes what is left of the output, and writes the end down.
            container.take_overs += 1;
            if let Some(shim) = take_over(&self.binary, dir.path()) {
                container.shim = Some(shim);
                if self.watch(state, shim, key) {
                    return news;
                }
            }
            news.extend(self.news(state, key));
            return news;
        }
        crate::shim::clear(&dir);
        if let Err(error) = dir.write_exit(Exit::Unknown) {
            tracing::warn!(%error, %task, container = name, "could not write the exit down");
        }
        self.end(container, key, Exit::Unknown, &mut news);
        news
    }

    fn end(&self, container: &mut Container, key: &Key, exit: Exit, news: &mut Vec<Observation>) {
        let ended = Observation::ContainerExited { task: key.0, container: key.1.clone(), exit };
        container.ended = Some(ended.clone());
        container.output = None;
        news.push(ended);
    }

    /// Takes note of a shim that was just started, and watches it.
    pub(crate) fn shim_started(&self, key: &Key, pid: Pid) {
        let mut state = self.state();
        let identity = Identity::of(pid);
        let container = state.containers.entry(key.clone()).or_default();
        container.starting = false;
        container.shim = identity;
        container.shim_unseen = identity.is_none();
        if !identity.is_some_and(|identity| self.watch(&mut state, identity, key)) {
            reap(pid);
        }
        let news = self.news(&mut state, key);
        self.tell(news);
    }

    /// `false` when the process has ended already.
    fn watch(&self, state: &mut State, identity: Identity, key: &Key) -> bool {
        let Some(process) = Process::open(identity) else { return false };
        let number = state.next;
        state.next += 1;
        match self.epoll.add(&process, EpollEvent::new(EpollFlags::EPOLLIN, number)) {
            Ok(()) => {
                let watched = Watched { process, pid: identity.pid, key: key.clone() };
                state.watched.insert(number, watched);
            }
            Err(error) => tracing::error!(%error, container = key.1, "cannot watch a process"),
        }
        true
    }

    fn process_ended(&self, number: u64) {
        let mut state = self.state();
        let Some(watched) = state.watched.remove(&number) else { return };
        let _gone = self.epoll.delete(&watched.process);
        reap(watched.pid);
        if state.containers.contains_key(&watched.key) {
            let news = self.news(&mut state, &watched.key);
            self.tell(news);
        }
    }

    fn answer_doorbell(&self) {
        let mut buffer = [0; MAX_MESSAGE];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let key = std::str::from_utf8(&buffer[..length]).ok().and_then(|text| {
                let (task, container) = text.split_once('/')?;
                Some((task.parse().ok()?, container.to_owned()))
            });
            // Of a container nobody here knows: its task has been released, or will be recovered.
            if let Some(key) = key.filter(|key| self.state().containers.contains_key(key)) {
                self.refresh(&key);
            }
        }
    }
}

/// A FIFO's reading end; `None` when the container's output goes elsewhere.
fn hold(fifo: &Path) -> Option<File> {
    let is_fifo = std::fs::symlink_metadata(fifo).is_ok_and(|found| found.file_type().is_fifo());
    let open = || OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(fifo);
    is_fifo.then(open)?.inspect_err(|error| tracing::warn!(%error, "cannot hold output")).ok()
}

/// Starts a shim for a container that lost its own; `None` when it cannot be started or has ended
/// at once.
fn take_over(binary: &Path, dir: &Path) -> Option<Identity> {
    let spawned = Command::new(binary)
        .args(["shim", "--adopt"])
        .arg(dir)
        .env_clear()
        // It finds the secrets' values in the container.
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let pid = match spawned {
        Ok(child) => Pid::from_child(&child),
        Err(error) => {
            tracing::error!(%error, binary = %binary.display(), "could not start a shim");
            return None;
        }
    };
    let identity = Identity::of(pid);
    if identity.is_none() {
        reap(pid);
    }
    identity
}

/// SIGKILL takes the whole group along, as the end of a container would.
pub(crate) fn send(process: &Process, signal: Signal) {
    if signal == Signal::KILL {
        process.kill_group();
    } else {
        process.signal(signal);
    }
}

/// Takes the exit status of a shim of ours; no one else's child can be reaped.
fn reap(pid: Pid) {
    let _not_ours = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
}
