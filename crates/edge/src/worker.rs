//! A worker: one thread, one runtime, its share of the client connections and its own connections
//! to targets. Workers share listening sockets, routing tables and targets, and nothing else.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::client::{Client, Phase};
use crate::client_io::ClientIo;
use crate::clock::{Clock, TICK};
use crate::proxy;
use crate::socket::Outbox;
use crate::table::Table;
use crate::target::Target;
use crate::trace_id::TraceIds;
use crate::tunnel;
use crate::upstream::Pool;

/// ALB-ERR-1: all headers of a request.
const MAX_HEADERS_BYTES: usize = 64 * 1024;
/// Most that is buffered per connection: a full head and the first of the body.
const MAX_BUFFER: usize = 80 * 1024;
/// What a connection without a request gets to send one when its listener closes.
const LAST_CHANCE_MS: u64 = 1_000;
/// Pause after a failed accept, e.g. when descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Idle connections to targets are looked through every so many ticks.
const POOL_SWEEP_TICKS: u32 = 10;
/// Request buffers kept for reuse, and the largest worth keeping.
const MAX_SCRATCH: usize = 64;
const MAX_SCRATCH_BYTES: usize = 16 * 1024;

/// Names a listener among the workers; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListenerId(pub(crate) u64);

/// To a worker.
#[derive(Debug)]
pub(crate) enum ToWorker {
    /// Accept on this socket, route by this table.
    Listen { id: ListenerId, socket: std::net::TcpListener, table: Arc<ArcSwap<Table>> },
    /// Take what waits, close the socket, let requests finish within `limit_ms`.
    Unlisten { id: ListenerId, limit_ms: u64 },
    /// Close idle connections to `purge`, end requests at `cut`, then answer: whatever was chosen
    /// by an older table is counted as in flight by then.
    Barrier { purge: Arc<[Arc<Target>]>, cut: Arc<[Arc<Target>]>, done: oneshot::Sender<()> },
    /// Close everything as by `Unlisten`, answer when nothing is left.
    Shutdown { limit_ms: u64, done: oneshot::Sender<()> },
}

/// A listener as one worker holds it.
#[derive(Debug)]
pub(crate) struct Listener {
    /// What routes its requests.
    pub(crate) table: Arc<ArcSwap<Table>>,
    closing: Cell<bool>,
    /// Hard end of its connections, on the worker's clock; 0 while open.
    end_by_ms: Cell<u64>,
    stop: Notify,
}

impl Listener {
    fn close(&self, local: &Local, limit_ms: u64) {
        self.closing.set(true);
        let by = local.clock.now_ms().saturating_add(limit_ms).max(1);
        let before = self.end_by_ms.get();
        self.end_by_ms.set(if before == 0 { by } else { before.min(by) });
        self.stop.notify_one();
    }

    fn must_end(&self, local: &Local) -> bool {
        let by = self.end_by_ms.get();
        by != 0 && local.clock.now_ms() >= by
    }
}

/// Every client connection of a worker, with the listener it came by.
type Clients = HashMap<u64, (Rc<Client>, Rc<Listener>)>;

/// What the tasks of one worker share.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) clock: Rc<Clock>,
    outbox: Rc<Outbox>,
    pub(crate) pool: RefCell<Pool>,
    pub(crate) trace_ids: TraceIds,
    scratch: RefCell<Vec<Vec<u8>>>,
    clients: RefCell<Clients>,
    next_client: Cell<u64>,
    max_clients: usize,
    http: http1::Builder,
    /// Rung when a client comes while the sweeper sleeps.
    awake: Notify,
    /// Rung when a client goes.
    gone: Notify,
}

impl Local {
    fn new(max_clients: usize) -> Self {
        let mut http = http1::Builder::new();
        http.max_header_size(MAX_HEADERS_BYTES).max_buf_size(MAX_BUFFER);
        Self {
            clock: Rc::new(Clock::new()),
            outbox: Rc::default(),
            pool: RefCell::new(Pool::default()),
            trace_ids: TraceIds::new(),
            scratch: RefCell::new(Vec::new()),
            clients: RefCell::new(HashMap::new()),
            next_client: Cell::new(0),
            max_clients,
            http,
            awake: Notify::new(),
            gone: Notify::new(),
        }
    }

    /// An empty buffer with room from earlier use.
    pub(crate) fn take_scratch(&self) -> Vec<u8> {
        self.scratch.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(1024))
    }

    /// Takes a buffer back.
    pub(crate) fn give_scratch(&self, mut buffer: Vec<u8>) {
        let mut scratch = self.scratch.borrow_mut();
        if scratch.len() < MAX_SCRATCH && (1..=MAX_SCRATCH_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            scratch.push(buffer);
        }
    }

    fn enter(self: &Rc<Self>, client: Rc<Client>, listener: Rc<Listener>) -> Registration {
        let id = self.next_client.get();
        self.next_client.set(id + 1);
        self.clients.borrow_mut().insert(id, (client, listener));
        self.awake.notify_one();
        Registration { local: self.clone(), id }
    }

    fn wake_clients_of(&self, listener: &Rc<Listener>) {
        for (client, theirs) in self.clients.borrow().values() {
            if Rc::ptr_eq(theirs, listener) {
                client.wake();
            }
        }
    }

    /// Wakes every client with something to decide.
    fn sweep(&self) {
        for (client, listener) in self.clients.borrow().values() {
            if client.is_due() || listener.must_end(self) {
                client.wake();
            }
        }
    }
}

/// A client's place in the list of its worker.
struct Registration {
    local: Rc<Local>,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.local.clients.borrow_mut().remove(&self.id);
        self.local.gone.notify_one();
    }
}

/// Runs a worker until it is told to shut down.
pub(crate) async fn run(mut inbox: mpsc::Receiver<ToWorker>, max_clients: usize) {
    let local = Rc::new(Local::new(max_clients));
    let sweeper = tokio::task::spawn_local(sweep(local.clone()));
    let outbox = local.outbox.clone();
    let writer = tokio::task::spawn_local(async move { outbox.run().await });
    let mut listeners = HashMap::new();
    while let Some(message) = inbox.recv().await {
        match message {
            ToWorker::Listen { id, socket, table } => match TcpListener::from_std(socket) {
                Ok(socket) => {
                    let listener = Rc::new(Listener {
                        table,
                        closing: Cell::new(false),
                        end_by_ms: Cell::new(0),
                        stop: Notify::new(),
                    });
                    let task = accept(local.clone(), listener.clone(), socket);
                    listeners.insert(id, (listener, tokio::task::spawn_local(task)));
                }
                Err(error) => tracing::error!(%error, "cannot poll a listening socket"),
            },
            ToWorker::Unlisten { id, limit_ms } => {
                if let Some((listener, _)) = listeners.remove(&id) {
                    local.clock.advance();
                    listener.close(&local, limit_ms);
                    local.wake_clients_of(&listener);
                }
            }
            ToWorker::Barrier { purge, cut, done } => {
                for target in purge.iter() {
                    local.pool.borrow_mut().purge(target);
                }
                for target in cut.iter() {
                    for (client, _) in local.clients.borrow().values() {
                        client.cut_if_at(target);
                    }
                }
                // The asker may have gone; then nobody waits.
                let _ = done.send(());
            }
            ToWorker::Shutdown { limit_ms, done } => {
                shut_down(&local, std::mem::take(&mut listeners), limit_ms).await;
                let _ = done.send(());
                break;
            }
        }
    }
    sweeper.abort();
    writer.abort();
}

async fn shut_down(
    local: &Rc<Local>,
    listeners: HashMap<ListenerId, (Rc<Listener>, tokio::task::JoinHandle<()>)>,
    limit_ms: u64,
) {
    local.clock.advance();
    for (listener, accepting) in listeners.into_values() {
        listener.close(local, limit_ms);
        // A cancelled or failed accept task accepts no more either.
        let _ = accepting.await;
    }
    // Listeners removed earlier may still have clients with a later end.
    for (client, listener) in local.clients.borrow().values() {
        listener.close(local, limit_ms);
        client.wake();
    }
    while !local.clients.borrow().is_empty() {
        local.gone.notified().await;
    }
    local.pool.borrow_mut().clear();
}

/// Moves the worker's clock and wakes whoever waits for a moment that has come. Sleeps while there
/// is nobody to wake.
async fn sweep(local: Rc<Local>) {
    let mut ticks = 0u32;
    loop {
        if local.clients.borrow().is_empty() && local.pool.borrow().is_empty() {
            local.awake.notified().await;
        }
        tokio::time::sleep(TICK).await;
        local.clock.advance();
        local.sweep();
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(POOL_SWEEP_TICKS) {
            local.pool.borrow_mut().sweep(local.clock.now_ms());
        }
    }
}

async fn accept(local: Rc<Local>, listener: Rc<Listener>, socket: TcpListener) {
    loop {
        while local.clients.borrow().len() >= local.max_clients && !listener.closing.get() {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
        let mut stop = std::pin::pin!(listener.stop.notified());
        let accepted = poll_fn(|cx| {
            if let Poll::Ready(accepted) = socket.poll_accept(cx) {
                return Poll::Ready(Some(accepted));
            }
            stop.as_mut().poll(cx).map(|()| None)
        })
        .await;
        match accepted {
            None => return accept_rest(&local, &listener, socket),
            Some(Ok((stream, peer))) => start(&local, &listener, stream, peer),
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Takes what waits in the kernel's queue before the socket closes: those clients believe they are
/// connected. Asks the kernel itself, because the reactor's knowledge may be older than the queue.
fn accept_rest(local: &Rc<Local>, listener: &Rc<Listener>, socket: TcpListener) {
    let Ok(socket) = socket.into_std() else { return };
    while let Ok((stream, peer)) = socket.accept() {
        let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        if let Ok(stream) = stream {
            start(local, listener, stream, peer);
        }
    }
}

fn start(local: &Rc<Local>, listener: &Rc<Listener>, stream: TcpStream, peer: SocketAddr) {
    // Without it an answer in two segments would wait for the client's acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    local.clock.advance();
    let idle = listener.table.load().idle_timeout.as_millis();
    let idle_ms = u64::try_from(idle).unwrap_or(u64::MAX);
    let client =
        Rc::new(Client::new(peer.ip(), local.clock.clone(), local.outbox.clone(), idle_ms));
    let registration = local.enter(client.clone(), listener.clone());
    tokio::task::spawn_local(serve(local.clone(), listener.clone(), client, stream, registration));
}

/// Serves a client's connection to its end.
async fn serve(
    local: Rc<Local>,
    listener: Rc<Listener>,
    client: Rc<Client>,
    stream: TcpStream,
    _registration: Registration,
) {
    let io = TokioIo::new(ClientIo::new(stream, client.clone()));
    let service = {
        let (local, listener, client) = (local.clone(), listener.clone(), client.clone());
        service_fn(move |request| {
            let answer = proxy::handle(&local, &listener, &client, request);
            async move { Ok::<_, Infallible>(answer.await) }
        })
    };
    let mut connection = local.http.serve_connection(io, service);
    let mut told = false;
    let finished = poll_fn(|cx| {
        client.register(cx.waker());
        loop {
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(result.is_ok());
            }
            if listener.closing.get() && !told {
                // hyper drops a partly read head when told to stop, so that is waited for.
                match client.phase() {
                    Phase::Idle if client.served() == 0 => client.hurry(LAST_CHANCE_MS),
                    Phase::Head => {}
                    _ => {
                        told = true;
                        Pin::new(&mut connection).graceful_shutdown();
                        continue;
                    }
                }
            }
            let over = match client.phase() {
                Phase::Idle | Phase::Head | Phase::Answered => client.expired(),
                Phase::Busy | Phase::Connecting => client.overdue(),
            };
            if over || listener.must_end(&local) {
                return Poll::Ready(false);
            }
            return Poll::Pending;
        }
    })
    .await;
    let tunnel = client.tunnel.borrow_mut().take();
    if let Some(tunnel) = tunnel.filter(|_| finished) {
        let parts = connection.into_parts();
        let socket = parts.io.into_inner().into_socket();
        let over = || listener.must_end(&local);
        tunnel::run(&socket, parts.read_buf, tunnel, &client, over).await;
    }
}
