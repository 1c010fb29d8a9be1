//! Starts engines on a directory, and an edge that finds every target healthy.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use neargate_core::input::Command;
use neargate_core::target_health::{TargetHealth, TargetState};
use neargate_core::{Identity, Platform};
use neargate_edge::control::{Change, FromEdge, ToEdge};
use neargate_images::ImageStore;
use neargate_images::registry::Credentials;
use neargate_logs::LogStore;
use neargate_objects::ObjectStore;
use neargate_store::Store;

use super::machine::Machine;
use crate::api::{PlatformView, Request, Response, ServiceView};
use crate::authority::Authority;
use crate::clock::{Anchor, Clock, monotonic};
use crate::edge_link::{EdgeLink, LinkOptions};
use crate::engine::{Ended, Engine, Parts};
use crate::error::EngineError;
use crate::event::{Event, Reply};
use crate::ledger::{Journal, Ledger};
use crate::record::{FORMAT, Record, replay};
use crate::rooms::EngineRooms;
use crate::status::StatusParts;
use crate::vault::Vault;

/// Everything is over long before.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) fn genesis(identity: &Identity) -> Record {
    Record::Genesis { format: FORMAT, seed: 7, identity: identity.clone() }
}

pub(crate) fn identity() -> Identity {
    Identity { account: "000000000000".into(), region: "us-east-1".into() }
}

/// Waits for something that is about to become so.
pub(super) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = monotonic();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A running engine.
pub(super) struct Running {
    pub(super) events: SyncSender<Event>,
    thread: JoinHandle<Result<Ended, EngineError>>,
}

/// An engine on the directory's journal.
pub(super) fn start(dir: &Path, machine: &Machine) -> Running {
    start_with(dir, machine, |store| Box::new(store))
}

pub(super) fn start_with(
    dir: &Path,
    machine: &Machine,
    journal: impl FnOnce(Store) -> Box<dyn Journal>,
) -> Running {
    let (store, recovered) = Store::open(&dir.join("journal")).expect("store");
    let first = genesis(&identity());
    let ledger = Ledger::open(journal(store), &recovered, &first).expect("ledger");
    let (events, receiver) = sync_channel(8192);
    let options = LinkOptions {
        socket: dir.join("edge.sock"),
        launch: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let link = EdgeLink::start(options, events.clone()).expect("link");
    let seen = ledger.platform().now();
    // A hundred times faster, so that nobody waits for a drain.
    let anchor = Anchor::for_run(None, Some(seen), 1_000_000, 100);
    let vault = Arc::new(Vault::open(&dir.join("secrets.key")).expect("vault"));
    let rooms = EngineRooms {
        objects: Arc::new(ObjectStore::open(&dir.join("objects")).expect("objects")),
        vault: Arc::clone(&vault),
        logs: LogStore::open(&dir.join("log-groups")).expect("log store"),
        images: Arc::new(ImageStore::open(dir.join("images")).expect("image store")),
        registry: Credentials::open(&dir.join("registry.key")).expect("key"),
        endpoint: "http://127.0.0.1:4566".to_owned(),
        authority: Authority::new(dir.join("authority.key"), dir.join("authority.pem")),
    };
    let engine = Engine::new(Parts {
        ledger,
        tasks: machine.tasks(events.clone()),
        rooms: Arc::new(rooms),
        vault,
        link,
        clock: Clock::start(&anchor, 1_000_000),
        events: receiver,
        status: StatusParts {
            endpoint: String::new(),
            pace: 100,
            home: dir.display().to_string(),
            dns: "127.9.0.2:5300".into(),
            driver: neargate_runtime::Driver::Process,
            driver_note: None,
            auth: Default::default(),
        },
        loopback: None,
        genesis,
    });
    let thread = std::thread::spawn(move || engine.run());
    Running { events, thread }
}

impl Running {
    pub(super) fn send(&self, request: Request) -> Response {
        let (reply, answer) = Reply::pair();
        self.events.send(Event::Request(request, reply)).expect("the engine runs");
        answer.response.blocking_recv().expect("answered")
    }

    pub(super) fn commands(&self, commands: Vec<Command>) -> Response {
        self.send(Request::Commands { commands, images: Default::default(), secrets: Vec::new() })
    }

    pub(super) fn accepted(&self, commands: Vec<Command>) {
        let response = self.commands(commands);
        assert!(matches!(response, Response::Accepted), "{response:?}");
    }

    pub(super) fn rejected(&self, commands: Vec<Command>) -> String {
        match self.commands(commands) {
            Response::Rejected(why) => why,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn view(&self) -> PlatformView {
        match self.send(Request::Platform) {
            Response::Platform(view) => view,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn service(&self) -> ServiceView {
        self.view().services.into_iter().next().expect("a service")
    }

    pub(super) fn until_steady(&self) -> ServiceView {
        eventually("a steady service", || {
            let service = self.service();
            service.steady.then_some(service)
        })
    }

    pub(super) fn edge_pid(&self) -> Option<u32> {
        match self.send(Request::Status) {
            Response::Status(status) => status.edge.pid,
            other => panic!("{other:?}"),
        }
    }

    /// As a signal would.
    pub(super) fn stop(self) {
        self.events.send(Event::Stop).expect("the engine runs");
        assert!(matches!(self.ended(), Ok(Ended::Stopped)));
    }

    pub(super) fn ended(self) -> Result<Ended, EngineError> {
        drop(self.events);
        self.thread.join().expect("no panic")
    }
}

/// The platform a kill -9 at this very moment would leave behind.
pub(super) fn as_if_killed(dir: &Path) -> Option<Platform> {
    let copy = tempfile::tempdir().expect("temporary directory");
    for entry in std::fs::read_dir(dir.join("journal")).expect("a journal").flatten() {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copied");
    }
    let (_store, recovered) = Store::open(copy.path()).expect("readable");
    replay(&recovered).expect("ours")
}

/// All of a platform, to the byte.
pub(super) fn bytes(platform: &Platform) -> String {
    serde_json::to_string(platform).expect("encodable")
}

/// What the edge was told, by connection.
pub(super) type Told = Arc<Mutex<Vec<Vec<ToEdge>>>>;

/// An edge made of memory: applies at once, finds every target healthy and every drain done.
pub(super) struct FakeEdge {
    socket: PathBuf,
    pub(super) told: Told,
    current: Arc<Mutex<Option<UnixStream>>>,
    over: Arc<std::sync::atomic::AtomicBool>,
}

/// No process has it, so nobody waits for its end or brings it about.
pub(super) const NO_PID: u32 = u32::MAX;

impl FakeEdge {
    pub(super) fn start(dir: &Path) -> FakeEdge {
        Self::of_version(dir, env!("CARGO_PKG_VERSION"))
    }

    pub(super) fn of_version(dir: &Path, version: &str) -> FakeEdge {
        let socket = dir.join("edge.sock");
        let listener = UnixListener::bind(&socket).expect("bound");
        let edge = FakeEdge {
            socket,
            told: Told::default(),
            current: Arc::default(),
            over: Arc::default(),
        };
        let (told, current) = (Arc::clone(&edge.told), Arc::clone(&edge.current));
        let (over, socket) = (Arc::clone(&edge.over), edge.socket.clone());
        let hello = FromEdge::Hello { pid: NO_PID, version: version.to_owned() };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(std::sync::atomic::Ordering::Acquire) {
                    return;
                }
                let number = {
                    let mut told = told.lock().expect("whole");
                    told.push(Vec::new());
                    told.len() - 1
                };
                *current.lock().expect("whole") = stream.try_clone().ok();
                if say(&stream, std::slice::from_ref(&hello)) && !converse(&stream, &told, number) {
                    let _gone = std::fs::remove_file(&socket);
                    let _closed_already = stream.shutdown(Shutdown::Both);
                    return;
                }
            }
        });
        edge
    }

    /// The connection breaks; the edge lives on.
    pub(super) fn hang_up(&self) {
        if let Some(stream) = self.current.lock().expect("whole").take() {
            stream.shutdown(Shutdown::Both).expect("open");
        }
    }

    pub(super) fn say(&self, message: FromEdge) {
        let current = self.current.lock().expect("whole");
        assert!(say(current.as_ref().expect("connected"), &[message]));
    }

    pub(super) fn connections(&self) -> usize {
        self.told.lock().expect("whole").len()
    }

    pub(super) fn told(&self, connection: usize) -> Vec<ToEdge> {
        self.told.lock().expect("whole").get(connection).cloned().unwrap_or_default()
    }
}

impl Drop for FakeEdge {
    fn drop(&mut self) {
        self.over.store(true, std::sync::atomic::Ordering::Release);
        let _woken = UnixStream::connect(&self.socket);
        let _gone = std::fs::remove_file(&self.socket);
    }
}

fn say(mut stream: &UnixStream, messages: &[FromEdge]) -> bool {
    messages.iter().all(|message| {
        let mut line = serde_json::to_vec(message).expect("encodable");
        line.push(b'\n');
        stream.write_all(&line).is_ok()
    })
}

/// `false` once told to end.
fn converse(stream: &UnixStream, told: &Told, number: usize) -> bool {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let message: ToEdge = serde_json::from_str(&line).expect("understood");
        told.lock().expect("whole")[number].push(message.clone());
        let answers = match message {
            ToEdge::Sync { generation, state } => {
                let answers = state.iter().flat_map(answers).collect::<Vec<_>>();
                [answers, vec![FromEdge::Applied { generation }]].concat()
            }
            ToEdge::Apply { generation, change } => {
                [answers(&change), vec![FromEdge::Applied { generation }]].concat()
            }
            ToEdge::Shutdown => return false,
            ToEdge::GetMetrics => Vec::new(),
        };
        if !say(stream, &answers) {
            break;
        }
    }
    true
}

fn answers(change: &Change) -> Vec<FromEdge> {
    match change {
        Change::TargetGroup { spec, targets, .. } => {
            let target_group = &spec.name;
            let answer = |t: &neargate_edge::control::Target| {
                let (target_group, target) = (target_group.clone(), t.address);
                if t.draining {
                    return FromEdge::TargetIdle { target_group, target };
                }
                let health = TargetHealth { state: TargetState::Healthy, reason: None };
                FromEdge::TargetHealth { target_group, target, health }
            };
            targets.iter().map(answer).collect()
        }
        Change::Listener { spec, .. } => vec![FromEdge::ListenerBound {
            load_balancer: spec.load_balancer.clone(),
            port: spec.port,
            result: Ok(spec.host_port),
        }],
        Change::RemoveTargetGroup { .. } | Change::RemoveListener { .. } | Change::Name { .. } => {
            Vec::new()
        }
    }
}
