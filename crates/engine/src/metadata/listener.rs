//! The socket of 169.254.170.2 inside the platform's network, where a source address is a task's.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;

use super::{Desk, Route};
use crate::endpoint;
use crate::endpoint_answer;

/// Answers tasks until the end of the event loop.
pub(crate) async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    endpoint::accept(listener, "the task metadata endpoint", move |request, from| {
        respond(request, from, Arc::clone(&desk))
    })
    .await;
}

async fn respond(
    request: Request<Incoming>,
    from: SocketAddr,
    desk: Arc<Desk>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    match (Route::parse(&parts.method, parts.uri.path()), from) {
        (Some(route), SocketAddr::V4(from)) => desk.respond(route, Some(*from.ip()), body).await,
        _ => endpoint_answer::json(StatusCode::NOT_FOUND, &json!("404 page not found")),
    }
}
