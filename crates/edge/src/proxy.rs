//! A request's way through the edge: checked, routed, sent to a target, answered.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header, request};
use hyper::body::Incoming;

use crate::answer;
use crate::body::{ProxyBody, StreamBody};
use crate::client::Client;
use crate::exchange::{self, Exchange, Failure};
use crate::redirect::RequestParts;
use crate::request_check::{self, Checked};
use crate::request_head::{self, Hop};
use crate::response_head::{BodyFraming, ResponseHead};
use crate::table::{CompiledAction, Table};
use crate::target::{Group, InFlight};
use crate::tunnel::Tunnel;
use crate::upload::Upload;
use crate::worker::{Listener, Local};

/// Serves one request. Never fails: what goes wrong becomes an answer.
///
/// Routing is done before the returned future exists: between the table that is read and the target
/// that is counted there can be no await (see [`Group::choose`]), and the future holds only what is
/// needed to talk to the target.
pub(crate) fn handle(
    local: &Rc<Local>,
    listener: &Listener,
    client: &Rc<Client>,
    request: Request<Incoming>,
) -> impl Future<Output = Response<ProxyBody>> + use<> {
    let routed = route(local, listener, client, request);
    let (local, client) = (local.clone(), client.clone());
    async move {
        match routed {
            Err(own) => *own,
            Ok(routed) => serve(&local, &client, routed).await,
        }
    }
}

/// Gets a target's answer, or makes one of the balancer's.
async fn serve(local: &Rc<Local>, client: &Rc<Client>, routed: Routed) -> Response<ProxyBody> {
    let Routed { flight, upload, is_head, upgrade } = routed;
    client.set_target(&flight.target);
    let mut flight = Some(flight);
    let failure = match forward(local, client, &mut flight, upload, is_head, upgrade).await {
        Ok(response) => return response,
        Err(failure) => failure,
    };
    let status = failure.status();
    if let Some(flight) = flight {
        if matches!(failure, Failure::Connect | Failure::ConnectTimeout) {
            count(&flight.group.counters.connection_errors);
        }
        flight.group.count_own_answer(status);
    }
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

fn count(counter: &std::sync::atomic::AtomicU64) {
    counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

/// A request that goes to a target.
struct Routed {
    flight: InFlight,
    upload: Upload,
    is_head: bool,
    upgrade: bool,
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

/// Finds the target, or makes the balancer's own answer.
fn route(
    local: &Local,
    listener: &Listener,
    client: &Client,
    request: Request<Incoming>,
) -> Result<Routed, Box<Response<ProxyBody>>> {
    let (mut head, body) = request.into_parts();
    let table = listener.table.load();
    client.begin(u64::try_from(table.idle_timeout.as_millis()).unwrap_or(u64::MAX));
    let routed = match choose(local, &table, client, &head) {
        Ok((flight, bytes, checked)) => Ok(Routed {
            flight,
            upgrade: checked.upgrade,
            is_head: head.method == Method::HEAD,
            upload: Upload::new(bytes, body, checked.framing, checked.expects_continue),
        }),
        Err(own) => {
            client.answered();
            Err(Box::new(own.into_response()))
        }
    };
    head.headers.clear();
    client.spare_headers.replace(head.headers);
    routed
}

/// Checks the request, follows the rules to a target, and writes the head it gets.
fn choose<'a>(
    local: &Local,
    table: &'a Table,
    client: &Client,
    head: &'a request::Parts,
) -> Result<(InFlight, Vec<u8>, Checked<'a>), Own<'a>> {
    let checked = request_check::check(head).map_err(Own::Error)?;
    let host = request_check::without_port(checked.host);
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
        peer: &client.peer,
        port: table.port,
        target: std::net::SocketAddrV4::new(flight.target.address.ip, flight.target.address.port),
        trace_ids: &local.trace_ids,
        epoch_s: local.clock.epoch_s(),
    };
    let mut bytes = local.take_scratch();
    request_head::write(&mut bytes, head, &checked, &hop).map_err(Own::Error)?;
    Ok((flight, bytes, checked))
}

/// Sends the request to the target. `flight` is taken by what goes on after the answer's head.
async fn forward(
    local: &Rc<Local>,
    client: &Rc<Client>,
    flight: &mut Option<InFlight>,
    upload: Upload,
    is_head: bool,
    upgrade: bool,
) -> Result<Response<ProxyBody>, Failure> {
    let Some(target) = flight.as_ref().map(|flight| &flight.target) else {
        return Err(Failure::Broken);
    };
    let kept = local.pool.borrow_mut().take(target);
    let upstream = match kept {
        Some(kept) => kept,
        // Boxed, because the future of the rare case would make every request's larger.
        None => Box::pin(exchange::connect(client, target)).await?,
    };
    let started = crate::clock::instant();
    let mut exchange = Exchange::new(upstream, upload, is_head);
    let answer = loop {
        match poll_fn(|cx| exchange.poll_head(cx, client)).await {
            Ok(answer) => break answer,
            // ALB-ERR-7: a new connection to the same target, never another target.
            Err(Failure::Stale) => {
                exchange.replace(Box::pin(exchange::connect(client, target)).await?);
            }
            Err(failure) => return Err(failure),
        }
    };
    if answer.status == StatusCode::SWITCHING_PROTOCOLS && !upgrade {
        return Err(Failure::Broken);
    }
    let Some(flight) = flight.take() else { return Err(Failure::Broken) };
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    flight.group.count_target_answer(answer.status.as_u16(), micros);
    if answer.status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(switch(client, flight, exchange, answer));
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
fn switch(
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
