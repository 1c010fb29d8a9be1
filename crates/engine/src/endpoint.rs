//! The AWS endpoint's socket and the engine's signals: a small event loop in a thread of its own,
//! so that nothing a client does can hold up the main loop.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as BlockingTcpListener};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, EXPECT, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use neargate_images::registry::{self, Registry};
use neargate_wire::{Auth, FilePart, HttpRequest, Limits, Models, Wire};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::api;
use crate::aws::ToMainLoop;
use crate::clock::wall_ms;
use crate::endpoint_answer::{Asked, browser, error, json, of_wire, refusal, what};
use crate::error::EngineError;
use crate::event::{Event, Reply};
use crate::metadata::{self, Meter};
use crate::retries::Invocation;

/// Connections at once; more wait in the listen queue.
const MAX_CONNECTIONS: usize = 256;
/// From connecting to the end of the request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest body of a request to S3: what is larger comes in parts. Chunks around it come on top.
const OBJECT_BYTES: usize = (64 << 20) + (1 << 20);
/// Bodies over a MiB that are held at once, in MiB; more requests wait to be read. While one is
/// answered, it takes about three times as much memory.
const LARGE_BODIES_MIB: u32 = 160;
const MIB: u64 = 1 << 20;
/// The main loop answers a question within this time, or counts as stuck.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

fn limits() -> Limits {
    let body_bytes_of = [("s3".to_owned(), OBJECT_BYTES)].into();
    Limits { body_bytes_of, ..Limits::default() }
}

/// The running endpoint. Dropping it frees the port.
pub(crate) struct Endpoint {
    address: SocketAddr,
    metadata: mpsc::Sender<BlockingTcpListener>,
    registry: Arc<OnceLock<Registry>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the endpoint does beside answering.
#[derive(Clone, Debug)]
pub(crate) struct EndpointOptions {
    /// Port on 127.0.0.1; 0 lets the machine choose.
    pub(crate) port: u16,
    /// Serve reset.
    pub(crate) resettable: bool,
    /// Who may send AWS requests.
    pub(crate) auth: Auth,
}

impl Endpoint {
    /// Listens; requests and signals become events. The meter knows what containers use.
    pub(crate) fn open(
        options: EndpointOptions,
        events: SyncSender<Event>,
        meter: Arc<dyn Meter>,
    ) -> Result<Endpoint, EngineError> {
        let port = options.port;
        let bound = BlockingTcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = bound.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => {
                let holder = neargate_edge::port_holder::find(Ipv4Addr::LOCALHOST, port);
                let holder = holder.map(|h| format!("{} (process {})", h.name, h.pid));
                EngineError::PortTaken { port, holder }
            }
            _ => EngineError::System { action: "listen on the AWS endpoint's port", source },
        })?;
        let failed = |action| move |source| EngineError::System { action, source };
        let address = listener.local_addr().map_err(failed("read a socket's address"))?;
        listener.set_nonblocking(true).map_err(failed("set up a socket"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed("start an event loop"))?;
        let (stop, stopped) = oneshot::channel();
        let (metadata, listeners) = mpsc::channel(1);
        let registry = Arc::new(OnceLock::new());
        let images = Arc::clone(&registry);
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let body = move || {
            runtime.block_on(async {
                let signals = Signals::catch();
                let listener = TcpListener::from_std(listener);
                match (signals, listener) {
                    (Ok(signals), Ok(listener)) => {
                        let _waiting = ready.send(Ok(()));
                        // A reset is not signed, so it is not for an endpoint that asks for it.
                        let strict = matches!(options.auth, Auth::Strict { .. });
                        let resettable = options.resettable && !strict;
                        let wire =
                            Wire::new(Models::embedded(), options.auth).with_limits(limits());
                        let wire = Arc::new(wire);
                        let large = Arc::new(Semaphore::new(LARGE_BODIES_MIB as usize));
                        let tasks = metadata::Desk::new(events.clone(), meter);
                        let serving = serve_metadata(listeners, Arc::clone(&tasks));
                        let events_of_desk = events.clone();
                        let desk =
                            Desk { events: events_of_desk, wire, large, resettable, tasks, images };
                        let desk = Arc::new(desk);
                        let respond =
                            move |request, from| respond(request, from, Arc::clone(&desk));
                        tokio::select! {
                            () = signals.tell(&events) => {}
                            () = accept(listener, "the AWS endpoint", respond) => {}
                            () = serving => {}
                            _ = stopped => {}
                        }
                    }
                    (Err(error), _) | (_, Err(error)) => {
                        let _waiting = ready.send(Err(error));
                    }
                }
            });
        };
        let thread = std::thread::Builder::new()
            .name("endpoint".to_owned())
            .spawn(body)
            .map_err(failed("start a thread"))?;
        match is_ready.recv() {
            Ok(Ok(())) => {}
            Ok(Err(source)) => {
                return Err(EngineError::System { action: "start the AWS endpoint", source });
            }
            Err(_) => {
                let source = io::ErrorKind::BrokenPipe.into();
                return Err(EngineError::System { action: "start the AWS endpoint", source });
            }
        }
        Ok(Endpoint { address, metadata, registry, stop: Some(stop), thread: Some(thread) })
    }

    /// Answers tasks on this socket too, which is to be one whose callers' addresses are their own.
    pub(crate) fn listen_for_tasks(
        &self,
        listener: BlockingTcpListener,
    ) -> Result<(), EngineError> {
        let failed = |source| EngineError::System {
            action: "listen for tasks on the metadata endpoint",
            source,
        };
        listener.set_nonblocking(true).map_err(failed)?;
        self.metadata.try_send(listener).map_err(|_| failed(io::ErrorKind::BrokenPipe.into()))
    }

    /// Answers as a registry of images, too.
    pub(crate) fn serve_registry(&self, registry: Registry) {
        let _set_once = self.registry.set(registry);
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ended_already = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the endpoint's thread panicked");
        }
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Tells the main loop of the first signal, for ever after waits.
    async fn tell(mut self, events: &SyncSender<Event>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            while let Err(TrySendError::Full(_)) = events.try_send(Event::Stop) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// Serves the sockets that are handed in, one after the other. Never ends by itself.
async fn serve_metadata(
    mut listeners: mpsc::Receiver<BlockingTcpListener>,
    desk: Arc<metadata::Desk>,
) {
    while let Some(listener) = listeners.recv().await {
        match TcpListener::from_std(listener) {
            Ok(listener) => drop(tokio::spawn(metadata::serve(listener, Arc::clone(&desk)))),
            Err(error) => tracing::error!(%error, "cannot serve the task metadata endpoint"),
        }
    }
    std::future::pending().await
}

/// Accepts connections for ever, a bounded number at once, and answers their requests.
pub(crate) async fn accept<R, A, B>(listener: TcpListener, what: &'static str, respond: R)
where
    R: Fn(Request<Incoming>, SocketAddr) -> A + Clone + Send + 'static,
    A: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept on {what}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let respond = respond.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = respond(request, from);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            let served = server.serve_connection(TokioIo::new(stream), service).await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection to {what} broke");
            }
            drop(permit);
        });
    }
}

/// What every request may need.
struct Desk {
    events: SyncSender<Event>,
    wire: Arc<Wire>,
    /// A permit per MiB of the large bodies that may be held at once.
    large: Arc<Semaphore>,
    resettable: bool,
    tasks: Arc<metadata::Desk>,
    images: Arc<OnceLock<Registry>>,
}

/// Bytes, or what is read as the client takes it.
type Answered = Either<Full<Bytes>, registry::Body>;

async fn respond(
    request: Request<Incoming>,
    from: SocketAddr,
    desk: Arc<Desk>,
) -> Response<Answered> {
    let is_registrys = what(request.method(), request.uri().path()) == Asked::Registry;
    match desk.images.get().filter(|_| is_registrys) {
        Some(registry) => match browser(request.headers()) {
            Some(why) => error(StatusCode::FORBIDDEN, "AccessDeniedException", &why),
            None => return registry.serve(request, from.ip()).await.map(Either::Right),
        },
        None => return answer(request, desk).await,
    }
    .map(Either::Left)
}

async fn answer(request: Request<Incoming>, desk: Arc<Desk>) -> Response<Answered> {
    // Who asks whether to go on and has nothing to send gets the answer instead of a yes. botocore
    // would read every further answer on that connection wrongly, so there are none.
    let asks_in_vain =
        request.headers().contains_key(EXPECT) && request.body().size_hint().exact() == Some(0);
    let mut answer = answer_of(request, desk).await;
    if asks_in_vain {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

async fn answer_of(request: Request<Incoming>, desk: Arc<Desk>) -> Response<Answered> {
    let (parts, body) = request.into_parts();
    let answer = match what(&parts.method, parts.uri.path()) {
        Asked::Health => health(&desk.events).await,
        Asked::Reset => match refusal(&parts.headers, desk.resettable) {
            Some(why) => error(StatusCode::FORBIDDEN, "AccessDeniedException", &why),
            None => reset(&desk.events).await,
        },
        Asked::Metadata(route) => match browser(&parts.headers) {
            Some(why) => error(StatusCode::FORBIDDEN, "AccessDeniedException", &why),
            // Every process of this machine comes from the same address: the id must do.
            None => Arc::clone(&desk.tasks).respond(route, None, body).await,
        },
        Asked::Registry => {
            let why = "the engine is starting; try again";
            error(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", why)
        }
        Asked::Aws => match browser(&parts.headers) {
            Some(why) => error(StatusCode::FORBIDDEN, "AccessDeniedException", &why),
            None => return aws(parts, body, &desk).await,
        },
    };
    answer.map(Either::Left)
}

/// An AWS request, answered on a thread that may wait for the main loop.
async fn aws(
    parts: hyper::http::request::Parts,
    body: Incoming,
    desk: &Desk,
) -> Response<Answered> {
    let limit = desk.wire.limits().largest_body();
    let size = body.size_hint().upper().unwrap_or(u64::MAX).min(limit as u64);
    let mib = u32::try_from(size.div_ceil(MIB)).unwrap_or(LARGE_BODIES_MIB).min(LARGE_BODIES_MIB);
    // Held until the answer is there. It is never closed.
    let _room = match mib {
        0 | 1 => None,
        mib => desk.large.acquire_many(mib).await.ok(),
    };
    // One byte more than allowed is enough for the wire to word its refusal.
    let body = match Limited::new(body, limit + 1).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(problem) if problem.is::<LengthLimitError>() => vec![b' '; limit + 1],
        Err(problem) => {
            let why = format!("the request's body cannot be read: {problem}");
            return error(StatusCode::BAD_REQUEST, "InvalidRequest", &why).map(Either::Left);
        }
    };
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let request = HttpRequest {
        method: parts.method.as_str().to_owned(),
        uri: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        headers: headers.collect(),
        body,
    };
    let invocation = Invocation::read(
        request.header("amz-sdk-invocation-id"),
        request.header("amz-sdk-request"),
    );
    let services = ToMainLoop { events: desk.events.clone(), invocation };
    let wire = Arc::clone(&desk.wire);
    let answer = tokio::task::spawn_blocking(move || wire.handle(&request, &services, wall_ms()));
    match answer.await {
        Ok(mut answer) => {
            let files = std::mem::take(&mut answer.files);
            match files.is_empty() {
                true => of_wire(answer).map(Either::Left),
                false => {
                    of_wire(answer).map(|_| Either::Right(registry::file_parts(pieces(files))))
                }
            }
        }
        Err(problem) => {
            tracing::error!(%problem, "answering an AWS request failed");
            let why = "the request could not be answered; the engine's log says why";
            error(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", why).map(Either::Left)
        }
    }
}

fn pieces(files: Vec<FilePart>) -> Vec<registry::FilePart> {
    let piece = |part: FilePart| registry::FilePart {
        path: part.path.into(),
        offset: part.offset,
        length: part.length,
    };
    files.into_iter().map(piece).collect()
}

async fn health(events: &SyncSender<Event>) -> Response<Full<Bytes>> {
    let (reply, answer) = Reply::pair();
    let sent = events.try_send(Event::Request(api::Request::Status, reply)).is_ok();
    let answered = tokio::time::timeout(HEALTH_TIMEOUT, answer.response).await;
    match answered {
        Ok(Ok(api::Response::Status(status))) if sent => {
            let body = json!({
                "status": "ok",
                "version": status.engine.version,
                "pid": status.engine.pid,
            });
            json(StatusCode::OK, &body)
        }
        _ => {
            let why = "the engine does not answer";
            error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", why)
        }
    }
}

async fn reset(events: &SyncSender<Event>) -> Response<Full<Bytes>> {
    let (reply, answer) = Reply::pair();
    if events.try_send(Event::Reset(reply)).is_err() {
        let why = "the engine is busy; try again";
        return error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", why);
    }
    match answer.response.await {
        Ok(api::Response::Accepted) => json(StatusCode::OK, &json!({ "status": "reset" })),
        Ok(api::Response::Rejected(why)) => error(StatusCode::CONFLICT, "ResetFailed", &why),
        _ => {
            let why = "the engine ended before the platform was empty";
            error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", why)
        }
    }
}
