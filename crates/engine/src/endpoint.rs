//! The AWS endpoint's socket and the engine's signals: a small event loop in a thread of its own,
//! so that nothing a client does can hold up the main loop.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as BlockingTcpListener};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};

use crate::api;
use crate::endpoint_answer::{
    Asked, action, error, json, refusal, unknown_action, unknown_target, what,
};
use crate::error::EngineError;
use crate::event::{Event, Reply};

/// Connections at once; more wait in the listen queue.
const MAX_CONNECTIONS: usize = 256;
/// The largest body that is looked into.
const MAX_BODY: usize = 1 << 20;
/// From connecting to the end of the request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The main loop answers a question within this time, or counts as stuck.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// The running endpoint. Dropping it frees the port.
pub(crate) struct Endpoint {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the endpoint does beside answering.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointOptions {
    /// Port on 127.0.0.1; 0 lets the machine choose.
    pub(crate) port: u16,
    /// Serve reset.
    pub(crate) resettable: bool,
}

impl Endpoint {
    /// Listens; requests and signals become events.
    pub(crate) fn open(
        options: EndpointOptions,
        events: SyncSender<Event>,
    ) -> Result<Endpoint, EngineError> {
        let port = options.port;
        let bound = BlockingTcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = bound.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => {
                EngineError::PortTaken { port, holder: crate::port_holder::of(port) }
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
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let body = move || {
            runtime.block_on(async {
                let signals = Signals::catch();
                let listener = TcpListener::from_std(listener);
                match (signals, listener) {
                    (Ok(signals), Ok(listener)) => {
                        let _waiting = ready.send(Ok(()));
                        tokio::select! {
                            () = signals.tell(&events) => {}
                            () = accept(listener, &events, options.resettable) => {}
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
        Ok(Endpoint { address, stop: Some(stop), thread: Some(thread) })
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

async fn accept(listener: TcpListener, events: &SyncSender<Event>, resettable: bool) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the AWS endpoint");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let events = events.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let events = events.clone();
                async move { Ok::<_, Infallible>(respond(request, &events, resettable).await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            let served = server.serve_connection(TokioIo::new(stream), service).await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection to the AWS endpoint broke");
            }
            drop(permit);
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    events: &SyncSender<Event>,
    resettable: bool,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    match what(&parts.method, parts.uri.path(), &parts.headers) {
        Asked::Health => health(events).await,
        Asked::Reset => match refusal(&parts.headers, resettable) {
            Some(why) => error(StatusCode::FORBIDDEN, "AccessDeniedException", &why),
            None => reset(events).await,
        },
        Asked::Json(target) => unknown_target(&target),
        Asked::Query => match Limited::new(body, MAX_BODY).collect().await {
            Err(problem) => {
                let why = format!("the request's body cannot be read: {problem}");
                error(StatusCode::BAD_REQUEST, "InvalidRequest", &why)
            }
            Ok(body) => match action(&body.to_bytes(), parts.uri.query()) {
                Some(action) => unknown_action(&action),
                None => not_served(&parts),
            },
        },
        Asked::Other => not_served(&parts),
    }
}

fn not_served(parts: &hyper::http::request::Parts) -> Response<Full<Bytes>> {
    let why = format!("Neargate does not serve {} {}", parts.method, parts.uri.path());
    error(StatusCode::NOT_FOUND, "UnknownOperationException", &why)
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
