//! One request to the stand-in and its answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use hyper::body::{Body, Frame, Incoming};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::config::Config;
use super::query::Wishes;
use super::{log, rehearsal, websocket};
use crate::http1::{self, Url};

/// How long a call to another service may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Headers of the request that the answer repeats: what a load balancer adds or must pass on.
const SHOWN_HEADERS: [&str; 8] = [
    "host",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-amzn-trace-id",
    "user-agent",
    "content-type",
    "content-length",
];

/// The health a request has set; stronger than what the environment says.
const NOT_SET: u8 = 0;
const PASSES: u8 = 1;
const FAILS: u8 = 2;

/// What all requests share.
pub(super) struct Service {
    pub(super) config: Arc<Config>,
    pub(super) started: Instant,
    /// `NOT_SET`, `PASSES` or `FAILS`.
    pub(super) health: AtomicU8,
    /// Turns true when the service stops.
    pub(super) stopping: watch::Receiver<bool>,
    /// Held by whatever must be finished before the process ends.
    pub(super) alive: mpsc::WeakSender<Infallible>,
}

impl Service {
    pub(super) fn new(
        config: Arc<Config>,
        stopping: watch::Receiver<bool>,
        alive: mpsc::WeakSender<Infallible>,
    ) -> Service {
        let (started, health) = (crate::clock::now(), AtomicU8::new(NOT_SET));
        Service { config, started, health, stopping, alive }
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Answer> {
        let path = request.uri().path().to_owned();
        if self.config.is_health_path(&path) && request.uri().query().is_none() {
            return self.health();
        }
        if self.config.log_requests {
            let details = json!({ "method": request.method().as_str(), "path": path });
            log::event(&self.config.identity, "request", details);
        }
        match Wishes::read(request.uri().query().unwrap_or_default()) {
            Ok(wishes) => self.fulfil(request, wishes).await,
            Err(error) => {
                let body = json!({ "error": error.to_string() });
                respond(StatusCode::BAD_REQUEST, &body)
            }
        }
    }

    fn health(&self) -> Response<Answer> {
        let status = match self.health.load(Ordering::Relaxed) {
            PASSES => 200,
            FAILS => 503,
            _ => self.config.health_status(self.started.elapsed()),
        };
        let text = if status < 300 { "healthy" } else { "unhealthy" };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        respond(status, &json!({ "status": text, "service": self.config.identity.service }))
    }

    async fn fulfil(&self, request: Request<Incoming>, wishes: Wishes) -> Response<Answer> {
        if let Some(code) = wishes.exit {
            rehearsal::exit(&self.config, code);
        }
        if let Some(healthy) = wishes.healthy {
            self.health.store(if healthy { PASSES } else { FAILS }, Ordering::Relaxed);
        }
        if let Some(key) = websocket::accept_key(request.headers()) {
            return self.upgrade(request, key);
        }
        let mut body = self.describe(&request);
        read_body(request.into_body(), &mut body).await;
        let mut status = wishes.status.unwrap_or(200);
        if let Some(mib) = wishes.hold_mib {
            let duration = wishes.hold.unwrap_or(Duration::from_secs(1));
            if let Err(error) = rehearsal::hold(mib, duration).await {
                status = 507;
                body["error"] = json!(error);
            }
        }
        if let Some(duration) = wishes.burn {
            rehearsal::burn(duration).await;
        }
        tokio::time::sleep(self.config.rehearsal.latency + wishes.sleep.unwrap_or_default()).await;
        if let Some(url) = &wishes.call {
            body["call"] = self.call(url).await;
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        match wishes.stream_chunks {
            None => respond(status, &body),
            Some(chunks) => {
                let gap = wishes.stream_gap.unwrap_or_default();
                with_body(status, Answer::Chunks(Chunks::new(chunks, gap)))
            }
        }
    }

    /// Who answers, and what was asked.
    fn describe(&self, request: &Request<Incoming>) -> Value {
        let headers: serde_json::Map<String, Value> = SHOWN_HEADERS
            .into_iter()
            .filter_map(|name| {
                let value = request.headers().get(name)?.to_str().ok()?;
                Some((name.to_owned(), json!(value)))
            })
            .collect();
        let mut body = json!(self.config.identity);
        body["path"] = json!(request.uri().path());
        body["method"] = json!(request.method().as_str());
        body["headers"] = Value::Object(headers);
        body
    }

    fn upgrade(&self, request: Request<Incoming>, key: String) -> Response<Answer> {
        let (alive, mut stopping) = (self.alive.upgrade(), self.stopping.clone());
        tokio::spawn(async move {
            let _alive = alive;
            let Ok(stream) = hyper::upgrade::on(request).await else { return };
            let stop = async move {
                let _ = stopping.wait_for(|stopping| *stopping).await;
            };
            // A client that vanishes ends the echo; there is nobody left to tell.
            let _ = websocket::echo(hyper_util::rt::TokioIo::new(stream), stop).await;
        });
        let mut response = with_body(StatusCode::SWITCHING_PROTOCOLS, Answer::Whole(Bytes::new()));
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        headers.insert(header::CONNECTION, header::HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
        if let Ok(key) = key.parse() {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
        }
        response
    }

    /// Calls another service by its discovery name, as an application would.
    async fn call(&self, url: &str) -> Value {
        let called = tokio::time::timeout(CALL_TIMEOUT, self.try_call(url)).await;
        match called {
            Ok(Ok(value)) => value,
            Ok(Err(error)) => json!({ "url": url, "error": format!("{error:#}") }),
            Err(_) => json!({ "url": url, "error": format!("no answer within {CALL_TIMEOUT:?}") }),
        }
    }

    async fn try_call(&self, url: &str) -> anyhow::Result<Value> {
        use anyhow::Context as _;
        let target: Url = url.parse()?;
        let addresses = match (target.host.parse(), self.config.dns) {
            (Ok(address), _) => vec![address],
            (Err(_), None) => anyhow::bail!(
                "cannot look up `{}`: NEARGATE_DNS is not set, so only addresses can be called",
                target.host
            ),
            (Err(_), Some(dns)) => {
                let name = target.host.clone();
                tokio::task::spawn_blocking(move || {
                    neargate_names::resolve(dns, &name, Duration::from_secs(5))
                })
                .await?
                .with_context(|| format!("cannot look up `{}` at {dns}", target.host))?
            }
        };
        let address =
            addresses.first().with_context(|| format!("`{}` has no address", target.host))?;
        let mut stream = TcpStream::connect((*address, target.port))
            .await
            .with_context(|| format!("cannot connect to {address}:{}", target.port))?;
        let answer = http1::exchange(&mut stream, &target.get_request()).await?;
        let body = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&answer.body)));
        Ok(json!({
            "url": url, "addresses": addresses, "address": format!("{address}:{}", target.port),
            "status": answer.status, "body": body,
        }))
    }
}

/// Reads the request's body to its end, as a service would before it answers.
async fn read_body(mut body: Incoming, answer: &mut Value) {
    use http_body_util::BodyExt as _;
    if body.is_end_stream() {
        return;
    }
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => received += frame.data_ref().map_or(0, Bytes::len),
            Err(error) => {
                answer["error"] = json!(format!("the body broke off: {error}"));
                break;
            }
        }
    }
    answer["received_bytes"] = json!(received);
}

fn respond(status: StatusCode, body: &Value) -> Response<Answer> {
    let mut text = body.to_string();
    text.push('\n');
    with_body(status, Answer::Whole(text.into()))
}

fn with_body(status: StatusCode, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// The body of an answer.
pub(super) enum Answer {
    /// All at once.
    Whole(Bytes),
    /// Bit by bit.
    Chunks(Chunks),
}

/// Lines of JSON, one per chunk, some time apart.
pub(super) struct Chunks {
    sent: u32,
    total: u32,
    gap: Duration,
    pause: Pin<Box<tokio::time::Sleep>>,
}

impl Chunks {
    fn new(total: u32, gap: Duration) -> Chunks {
        Chunks { sent: 0, total, gap, pause: Box::pin(tokio::time::sleep(Duration::ZERO)) }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Answer::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Answer::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Answer::Chunks(chunks) if chunks.sent == chunks.total => Poll::Ready(None),
            Answer::Chunks(chunks) => {
                std::task::ready!(chunks.pause.as_mut().poll(context));
                chunks.pause = Box::pin(tokio::time::sleep(chunks.gap));
                chunks.sent += 1;
                let line = format!("{{\"chunk\":{},\"of\":{}}}\n", chunks.sent, chunks.total);
                Poll::Ready(Some(Ok(Frame::data(line.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Answer::Whole(bytes) => bytes.is_empty(),
            Answer::Chunks(chunks) => chunks.sent == chunks.total,
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Answer::Whole(bytes) => hyper::body::SizeHint::with_exact(bytes.len() as u64),
            Answer::Chunks(_) => hyper::body::SizeHint::default(),
        }
    }
}
