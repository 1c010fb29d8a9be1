//! What the AWS endpoint answers, as a function of the request. Pure.
//!
//! No AWS operation is served yet; whatever a client asks for gets an error in the shape its
//! protocol expects, which names what was asked for.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, ORIGIN};
use hyper::{HeaderMap, Method, Response, StatusCode};
use serde_json::json;

/// What a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Is the engine there?
    Health,
    /// Empty the platform.
    Reset,
    /// An operation of the JSON protocols, as in `X-Amz-Target`.
    Json(String),
    /// The root path without a target: the query protocols, whose action is in the body.
    Query,
    /// Anything else.
    Other,
}

/// Which of them a request is.
pub(crate) fn what(method: &Method, path: &str, headers: &HeaderMap) -> Asked {
    match (method, path) {
        (&Method::GET, "/_neargate/health") => Asked::Health,
        (&Method::POST, "/_neargate/reset") => Asked::Reset,
        _ => match headers.get("x-amz-target").and_then(|t| t.to_str().ok()) {
            Some(target) => Asked::Json(target.to_owned()),
            None if path == "/" => Asked::Query,
            None => Asked::Other,
        },
    }
}

/// Why a request that changes everything is refused; `None` lets it pass. Pages of the web must
/// not reach it, neither directly nor by a name that resolves to this machine.
pub(crate) fn refusal(headers: &HeaderMap, resettable: bool) -> Option<String> {
    if !resettable {
        let why = "reset is off; start the engine with `neargate serve --resettable`";
        return Some(why.to_owned());
    }
    if headers.contains_key(ORIGIN) {
        return Some("reset is not for browsers: the request has an Origin header".to_owned());
    }
    let host = headers.get(HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    (!is_loopback(host)).then(|| {
        format!("reset is for this machine only: the Host header is `{host}`, not e.g. 127.0.0.1")
    })
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = name.parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|a| a.is_loopback())
}

/// `Action` of a query request.
pub(crate) fn action(body: &[u8], query: Option<&str>) -> Option<String> {
    let body = std::str::from_utf8(body).unwrap_or_default();
    let pairs = body.split('&').chain(query.unwrap_or_default().split('&'));
    let mut actions = pairs.filter_map(|pair| pair.trim().strip_prefix("Action="));
    let action = actions.next()?;
    let plain = |b: u8| b.is_ascii_alphanumeric();
    (!action.is_empty() && action.bytes().all(plain)).then(|| action.to_owned())
}

/// An answer of ours in JSON.
pub(crate) fn json(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    typed(status, "application/json", body.to_string())
}

/// An error of ours in JSON.
pub(crate) fn error(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    json(status, &json!({ "__type": kind, "message": message }))
}

/// The JSON protocols' answer to an operation that is not served.
pub(crate) fn unknown_target(target: &str) -> Response<Full<Bytes>> {
    let body = json!({
        "__type": "UnknownOperationException",
        "message": format!("Neargate does not serve {target}"),
    });
    typed(StatusCode::BAD_REQUEST, "application/x-amz-json-1.1", body.to_string())
}

/// The query protocols' answer to an action that is not served.
pub(crate) fn unknown_action(action: &str) -> Response<Full<Bytes>> {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>Neargate \
         does not serve the action {action}</Message></Error><RequestId>00000000-0000-0000-0000-\
         000000000000</RequestId></ErrorResponse>"
    );
    typed(StatusCode::BAD_REQUEST, "text/xml", body)
}

fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let value = hyper::header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = hyper::header::HeaderName::from_static(name);
            (name, hyper::header::HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    #[test]
    fn requests_are_told_apart() {
        let ecs = "AmazonEC2ContainerServiceV20141113.ListClusters";
        let none = headers(&[]);
        for (method, path, headers, expected) in [
            (Method::GET, "/_neargate/health", &none, Asked::Health),
            (Method::POST, "/_neargate/reset", &none, Asked::Reset),
            (Method::GET, "/_neargate/reset", &none, Asked::Other),
            (Method::POST, "/", &headers(&[("x-amz-target", ecs)]), Asked::Json(ecs.to_owned())),
            (Method::POST, "/", &none, Asked::Query),
            (Method::GET, "/2015-03-31/functions", &none, Asked::Other),
        ] {
            assert_eq!(what(&method, path, headers), expected, "{method} {path}");
        }
    }

    #[test]
    fn actions_are_read_from_body_and_query_and_never_echo_markup() {
        assert_eq!(action(b"Version=1&Action=ListQueues", None).as_deref(), Some("ListQueues"));
        assert_eq!(action(b"", Some("Action=GetX&b=c")).as_deref(), Some("GetX"));
        assert_eq!(action(b"Action=<script>", None), None);
        assert_eq!(action(b"\xff", None), None);
        assert_eq!(action(b"", None), None);
    }

    #[test]
    fn reset_is_refused_to_browsers_strangers_and_by_default() {
        let local = headers(&[("host", "127.0.0.1:4566")]);
        assert!(refusal(&local, false).is_some_and(|why| why.contains("--resettable")));
        assert_eq!(refusal(&local, true), None);
        for host in ["localhost:4566", "LOCALHOST", "[::1]:80", "127.9.9.9"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "10.0.0.1:4566", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
        let page = headers(&[("host", "127.0.0.1"), ("origin", "http://evil.example")]);
        assert!(refusal(&page, true).is_some_and(|why| why.contains("Origin")));
        let rebound = headers(&[("host", "evil.example:4566")]);
        assert!(refusal(&rebound, true).is_some_and(|why| why.contains("evil.example")));
    }
}
