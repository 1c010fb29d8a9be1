//! Starting and stopping the process: threads, sockets, signals.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use neargate_vpc::netns::HostNamespace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::engine_link;
use crate::listeners::Doorstep;
use crate::plane::{Bells, Plane, SocketChange};
use crate::way_out;
use crate::worker::{self, ToWorker};

/// Requests in flight get this long when the edge ends (real time).
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);
/// Messages a worker may be behind.
const INBOX: usize = 1024;
/// More workers share one listening socket less fairly.
const MAX_WORKERS: usize = 4;
/// Descriptors kept back from clients: logs, control, probes, names.
const RESERVED_DESCRIPTORS: usize = 256;

/// How an edge runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Unix socket to listen on for the engine.
    pub control_socket: PathBuf,
    /// Platform seconds per real second; shortens probe intervals.
    pub pace: u32,
    /// UDP and TCP address that answers discovery names; `None` answers none.
    pub dns: Option<SocketAddr>,
    /// Address that listeners bind.
    pub listen: Ipv4Addr,
    /// Where the network namespace of the platform is pinned; `None` stays in the machine's own.
    /// Listeners are always in the machine's own.
    pub network: Option<PathBuf>,
    /// Worker threads; `None` is one per core, at most 4.
    pub workers: Option<usize>,
}

impl Options {
    /// Defaults: pace 1, no DNS, listeners on loopback.
    #[must_use]
    pub fn new(control_socket: PathBuf) -> Self {
        let listen = Ipv4Addr::LOCALHOST;
        Self { control_socket, pace: 1, dns: None, listen, network: None, workers: None }
    }
}

/// Why the edge could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// Another edge answers on the control socket.
    #[error("an edge is running already on {}; stop it first, or use another socket", .path.display())]
    AlreadyRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The control socket could not be opened.
    #[error("cannot listen for the engine on {}", .path.display())]
    ControlSocket {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The address for discovery names could not be bound.
    #[error("cannot answer discovery names on {address} ({transport})")]
    Dns {
        /// The address.
        address: SocketAddr,
        /// UDP or TCP.
        transport: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The platform's network could not be entered.
    #[error("cannot enter the network namespace pinned at {}", .path.display())]
    Network {
        /// The pin.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system gave no thread, event queue or signal handler.
    #[error("cannot start {what}")]
    Start {
        /// What could not be started.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A worker thread ended by itself.
    #[error("a worker thread of the edge has ended unexpectedly; its log says why")]
    WorkerLost,
}

/// Runs an edge until SIGTERM or `Shutdown`. Ctrl-C of the terminal is not for it, nor the
/// terminal's end: whoever started it says when it ends.
///
/// # Errors
/// When it cannot start, or a worker thread is lost.
pub fn run(options: &Options) -> Result<(), EdgeError> {
    let doorstep = enter_network(options)?;
    let runtime = runtime()?;
    let terminated = runtime.block_on(async {
        let handle = |kind| {
            signal(kind).map_err(|source| EdgeError::Start { what: "a signal handler", source })
        };
        let terminate = handle(SignalKind::terminate())?;
        Ok((terminate, handle(SignalKind::interrupt())?, handle(SignalKind::hangup())?))
    });
    // The other two handlers are only there so that the signals do not end the process.
    let (mut terminate, _interrupt, _hangup) = terminated?;
    runtime.block_on(serve(options, doorstep, async move {
        terminate.recv().await;
    }))
}

/// Runs an edge in this thread, without touching signals, until `end` is ready or the engine says
/// `Shutdown`.
///
/// # Errors
/// When it cannot start, or a worker thread is lost.
pub fn run_until(options: &Options, end: impl Future<Output = ()>) -> Result<(), EdgeError> {
    let doorstep = enter_network(options)?;
    runtime()?.block_on(serve(options, doorstep, end))
}

/// Moves this thread, and those it will start, into the platform's network.
fn enter_network(options: &Options) -> Result<Doorstep, EdgeError> {
    let Some(path) = &options.network else {
        return Ok(Doorstep { ip: options.listen, host: None });
    };
    let enter = || {
        let host = HostNamespace::capture()?;
        neargate_vpc::netns::enter(path)?;
        Ok(host)
    };
    match enter() {
        Ok(host) => Ok(Doorstep { ip: options.listen, host: Some(Arc::new(host)) }),
        Err(source) => Err(EdgeError::Network { path: path.clone(), source }),
    }
}

fn runtime() -> Result<LocalRuntime, EdgeError> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(|source| EdgeError::Start { what: "an event loop", source })
}

/// A worker thread.
struct Worker {
    inbox: mpsc::Sender<ToWorker>,
    thread: thread::JoinHandle<()>,
}

async fn serve(
    options: &Options,
    doorstep: Doorstep,
    end: impl Future<Output = ()>,
) -> Result<(), EdgeError> {
    let control = engine_link::listen(&options.control_socket)?;
    let table = neargate_names::Table::new();
    let dns = match options.dns {
        None => None,
        Some(address) => Some(bind_dns(address).await?),
    };
    let workers = start_workers(options)?;
    let inboxes: Vec<_> = workers.iter().map(|worker| worker.inbox.clone()).collect();
    if let Some((udp, tcp)) = dns {
        tokio::task::spawn_local(neargate_names::serve(
            table.clone(),
            doorstep.upstream(),
            udp,
            tcp,
        ));
    }
    if let Some(host) = &doorstep.host {
        way_out::open(Arc::clone(host));
    }
    let (plane, bells) = Plane::new(doorstep, options.pace, table);
    tokio::task::spawn_local(engine_link::serve(control, plane.clone()));
    tokio::task::spawn_local(watch_idle(plane.clone(), bells.clone()));
    tracing::info!(
        pid = std::process::id(),
        workers = workers.len(),
        socket = %options.control_socket.display(),
        "edge is up"
    );
    let result = tokio::select! {
        lost = direct(plane.clone(), bells.clone(), inboxes.clone()) => Err(lost),
        () = bells.shutdown.notified() => Ok(()),
        () = end => Ok(()),
    };
    // First of all: a successor must not mistake us for alive.
    let _ = std::fs::remove_file(&options.control_socket);
    stop_workers(workers, inboxes).await;
    tracing::info!("edge is down");
    result
}

async fn bind_dns(address: SocketAddr) -> Result<(UdpSocket, TcpListener), EdgeError> {
    let failed = |transport| move |source| EdgeError::Dns { address, transport, source };
    let udp = UdpSocket::bind(address).await.map_err(failed("UDP"))?;
    let address = udp.local_addr().map_err(failed("UDP"))?;
    let tcp = TcpListener::bind(address).await.map_err(failed("TCP"))?;
    Ok((udp, tcp))
}

fn start_workers(options: &Options) -> Result<Vec<Worker>, EdgeError> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let count = options.workers.unwrap_or_else(|| cores.min(MAX_WORKERS)).max(1);
    // Each client may need a connection to a target as well.
    let max_clients = (descriptors().saturating_sub(RESERVED_DESCRIPTORS) / 2 / count).max(64);
    (0..count)
        .map(|index| {
            let (inbox, messages) = mpsc::channel(INBOX);
            let runtime_of_worker = move || match runtime() {
                Ok(runtime) => runtime.block_on(worker::run(messages, max_clients)),
                Err(error) => tracing::error!(%error, "a worker cannot start"),
            };
            thread::Builder::new()
                .name(format!("edge-worker-{index}"))
                .spawn(runtime_of_worker)
                .map(|thread| Worker { inbox, thread })
                .map_err(|source| EdgeError::Start { what: "a worker thread", source })
        })
        .collect()
}

/// How many descriptors we may have, after asking for as many as allowed.
fn descriptors() -> usize {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) => {
            let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
            usize::try_from(if raised { hard } else { soft }).unwrap_or(usize::MAX)
        }
        Err(_) => 1024,
    }
}

/// Carries what the plane decided to the workers, one batch after the other, and tells the plane
/// when all of them have passed it. Returns only when a worker is lost.
async fn direct(
    plane: Rc<RefCell<Plane>>,
    bells: Bells,
    workers: Vec<mpsc::Sender<ToWorker>>,
) -> EdgeError {
    loop {
        bells.work.notified().await;
        loop {
            let batch = plane.borrow_mut().take_batch();
            let Some(batch) = batch else { break };
            for change in batch.sockets {
                if announce(&workers, change).await.is_err() {
                    return EdgeError::WorkerLost;
                }
            }
            let mut passed = Vec::with_capacity(workers.len());
            for worker in &workers {
                let (done, answer) = oneshot::channel();
                let (purge, cut) = (batch.purge.clone(), batch.cut.clone());
                if worker.send(ToWorker::Barrier { purge, cut, done }).await.is_err() {
                    return EdgeError::WorkerLost;
                }
                passed.push(answer);
            }
            for answer in passed {
                if answer.await.is_err() {
                    return EdgeError::WorkerLost;
                }
            }
            plane.borrow_mut().applied(batch.generation, batch.engine);
        }
    }
}

/// Every worker gets its own descriptor of the one socket; ours is closed at the end of this.
async fn announce(workers: &[mpsc::Sender<ToWorker>], change: SocketChange) -> Result<(), ()> {
    for worker in workers {
        let message = match &change {
            SocketChange::Unlisten(id, limit_ms) => {
                ToWorker::Unlisten { id: *id, limit_ms: *limit_ms }
            }
            SocketChange::Listen(id, socket, table) => match socket.try_clone() {
                Ok(socket) => ToWorker::Listen { id: *id, socket, table: Arc::clone(table) },
                Err(error) => {
                    tracing::error!(%error, "cannot share a listening socket with a worker");
                    continue;
                }
            },
        };
        worker.send(message).await.map_err(|_| ())?;
    }
    Ok(())
}

async fn watch_idle(plane: Rc<RefCell<Plane>>, bells: Bells) {
    loop {
        bells.idle.notified().await;
        plane.borrow_mut().look_for_idle();
    }
}

async fn stop_workers(workers: Vec<Worker>, inboxes: Vec<mpsc::Sender<ToWorker>>) {
    drop(inboxes);
    let limit_ms = u64::try_from(SHUTDOWN_LIMIT.as_millis()).unwrap_or(u64::MAX);
    let mut answers = Vec::new();
    let mut threads = Vec::new();
    for Worker { inbox, thread } in workers {
        let (done, answer) = oneshot::channel();
        if inbox.send(ToWorker::Shutdown { limit_ms, done }).await.is_ok() {
            answers.push(answer);
        }
        threads.push(thread);
    }
    let all: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async {
        for answer in answers {
            // A lost worker has nothing left to finish.
            let _ = answer.await;
        }
    });
    // The workers end their clients at the limit themselves; a second more, and we go without them.
    if tokio::time::timeout(SHUTDOWN_LIMIT + Duration::from_secs(1), all).await.is_ok() {
        for thread in threads {
            let _ = thread.join();
        }
    }
}
