//! A request's way through the edge: checked, routed, sent to a target, answered.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header, request};
use hyper::body::Incoming;

use crate::answer;
use crate::body::{ProxyBody, StreamBody};
use crate::client::Client;
use crate::exchange::{self, Exchange, Failure};
use crate::redirect::RequestParts;
use crate::request_head::{self, Checked, Hop};
use crate::response_head::{BodyFraming, ResponseHead};
use crate::table::{CompiledAction, Table};
use crate::target::{Group, InFlight};
use crate::tunnel::Tunnel;
use crate::upload::Upload;
use crate::worker::{Listener, Local};

/// Serves one request. Never fails: what goes wrong becomes an answer.
pub(crate) async fn handle(
    local: Rc<Local>,
    listener: Rc<Listener>,
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Response<ProxyBody> {
    let (head, body) = request.into_parts();
    // From here to the chosen target there is no await: see `Group::choose`.
    let (flight, upload, checked) = {
        let table = listener.table.load();
        client.begin(u64::try_from(table.idle_timeout.as_millis()).unwrap_or(u64::MAX));
        match route(&local, &table, &client, &head) {
            Err(own) => {
                client.answered();
                return own.into_response();
            }
            Ok(routed) => {
                let Routed { flight, head: bytes, checked } = routed;
                let held = checked.expects_continue;
                let upload = Upload::new(bytes, body, checked.framing, held);
                (flight, upload, checked)
            }
        }
    };
    client.set_target(&flight.target);
    let group = flight.group.clone();
    match forward(&local, &client, flight, upload, &head, &checked).await {
        Ok(response) => response,
        Err(failure) => {
            let status = failure.status();
            if matches!(failure, Failure::Connect | Failure::ConnectTimeout) {
                count(&group.counters.connection_errors);
            }
            group.count_own_answer(status);
            client.clear_target();
            client.answered();
            let mut response = answer::error(status);
            if client.is_cut() || status < 500 {
                let close = http::HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            client.clear_cut();
            response
        }
    }
}

fn count(counter: &std::sync::atomic::AtomicU64) {
    counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

/// A request that goes to a target.
struct Routed {
    flight: InFlight,
    head: Vec<u8>,
    checked: Checked,
}

/// A request that the balancer answers itself.
enum Own<'a> {
    Error(u16),
    Fixed { status: u16, content_type: &'a str, body: &'a Bytes },
    Redirect { status: u16, location: String },
}

impl Own<'_> {
    fn into_response(self) -> Response<ProxyBody> {
        match self {
            Own::Error(status) => answer::error(status),
            Own::Fixed { status, content_type, body } => answer::fixed(status, content_type, body),
            Own::Redirect { status, location } => answer::redirect(status, &location),
        }
    }
}

/// Finds the target, or the balancer's own answer.
fn route<'a>(
    local: &Local,
    table: &'a Table,
    client: &Client,
    head: &request::Parts,
) -> Result<Routed, Own<'a>> {
    let checked = request_head::check(head).map_err(Own::Error)?;
    let host = request_head::without_port(&checked.host);
    let forward = match table.route(host, head.uri.path().as_bytes()) {
        CompiledAction::Forward(forward) => forward,
        CompiledAction::Fixed { status, content_type, body } => {
            return Err(Own::Fixed { status: *status, content_type, body });
        }
        CompiledAction::Redirect(redirect) => {
            let parts = RequestParts {
                host: std::str::from_utf8(host).unwrap_or_default(),
                port: table.port,
                path: head.uri.path(),
                query: head.uri.query().unwrap_or_default(),
            };
            let location = redirect.location(&parts);
            return Err(Own::Redirect { status: redirect.status, location });
        }
    };
    let group: &Arc<Group> = forward.choose().ok_or(Own::Error(503))?;
    let Some(flight) = group.choose() else {
        group.count_own_answer(503);
        return Err(Own::Error(503));
    };
    let hop = Hop {
        peer: client.peer,
        port: table.port,
        target: std::net::SocketAddrV4::new(flight.target.address.ip, flight.target.address.port),
        trace_ids: &local.trace_ids,
        epoch_s: local.clock.epoch_s(),
    };
    let mut bytes = local.take_scratch();
    request_head::write(&mut bytes, head, &checked, &hop).map_err(Own::Error)?;
    Ok(Routed { flight, head: bytes, checked })
}

async fn forward(
    local: &Rc<Local>,
    client: &Rc<Client>,
    flight: InFlight,
    upload: Upload,
    head: &request::Parts,
    checked: &Checked,
) -> Result<Response<ProxyBody>, Failure> {
    let kept = local.pool.borrow_mut().take(&flight.target);
    let upstream = match kept {
        Some(kept) => kept,
        None => exchange::connect(client, &flight.target).await?,
    };
    let started = crate::clock::instant();
    let mut exchange = Exchange::new(upstream, upload, head.method.clone());
    let answer = loop {
        match poll_fn(|cx| exchange.poll_head(cx, client)).await {
            Ok(answer) => break answer,
            // ALB-ERR-7: a new connection to the same target, never another target.
            Err(Failure::Stale) => {
                exchange.replace(exchange::connect(client, &flight.target).await?);
            }
            Err(failure) => return Err(failure),
        }
    };
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    flight.group.count_target_answer(answer.status.as_u16(), micros);
    if answer.status == StatusCode::SWITCHING_PROTOCOLS {
        if !checked.upgrade {
            return Err(Failure::Broken);
        }
        return Ok(upgrade(client, flight, exchange, answer));
    }
    Ok(respond(local, client, flight, exchange, answer))
}

/// The target's answer for the client, with as much of the body as has come already.
fn respond(
    local: &Rc<Local>,
    client: &Rc<Client>,
    flight: InFlight,
    mut exchange: Exchange,
    answer: ResponseHead,
) -> Response<ProxyBody> {
    let ResponseHead { status, headers, framing, keep_alive } = answer;
    let whole = match framing {
        BodyFraming::Empty => Some(0),
        BodyFraming::Length(length) => usize::try_from(length).ok(),
        BodyFraming::Chunked | BodyFraming::UntilClose => None,
    };
    let body = match whole {
        Some(length) if exchange.upstream.buf.len() >= length => {
            let body = exchange.upstream.buf.split_to(length).freeze();
            exchange.finish(local, framing, keep_alive);
            drop(flight);
            client.clear_target();
            client.answered();
            if body.is_empty() { ProxyBody::Empty } else { ProxyBody::full(body) }
        }
        _ => ProxyBody::Stream(Box::new(StreamBody::new(
            exchange,
            flight,
            framing,
            keep_alive,
            client.clone(),
            local.clone(),
        ))),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The target speaks another protocol from here on.
fn upgrade(
    client: &Rc<Client>,
    flight: InFlight,
    exchange: Exchange,
    answer: ResponseHead,
) -> Response<ProxyBody> {
    *client.tunnel.borrow_mut() = Some(Tunnel { upstream: exchange.upstream, flight });
    client.answered();
    let mut response = Response::new(ProxyBody::Empty);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = answer.headers;
    response.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("upgrade"));
    response
}
