//! What the AWS endpoint answers, as a function of the request. Pure.
//!
//! AWS requests go to the wire; here is what is Neargate's own, and who is kept out.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN};
use hyper::{HeaderMap, Method, Response, StatusCode};
use neargate_wire::HttpResponse;
use serde_json::json;

use crate::metadata::Route;

/// What a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Is the engine there?
    Health,
    /// Empty the platform.
    Reset,
    /// A task asks about itself.
    Metadata(Route),
    /// Images are pushed or pulled.
    Registry,
    /// For an AWS service, whatever it is.
    Aws,
}

/// Which of them a request is.
pub(crate) fn what(method: &Method, path: &str) -> Asked {
    match (method, path) {
        (&Method::GET, "/_neargate/health") => Asked::Health,
        (&Method::POST, "/_neargate/reset") => Asked::Reset,
        _ => match Route::parse(method, path) {
            Some(route) => Asked::Metadata(route),
            None if path == "/v2" || path.starts_with("/v2/") => Asked::Registry,
            None => Asked::Aws,
        },
    }
}

/// Why a request that changes everything is refused; `None` lets it pass.
pub(crate) fn refusal(headers: &HeaderMap, resettable: bool) -> Option<String> {
    if !resettable {
        let why = "reset is off; start the engine with `neargate serve --resettable`";
        return Some(why.to_owned());
    }
    browser(headers)
}

/// Why a request looks as if a page of the web had sent it; `None` lets it pass. Pages must not
/// reach the endpoint, neither directly nor by a name that resolves to this machine: any
/// credentials are good enough for it.
pub(crate) fn browser(headers: &HeaderMap) -> Option<String> {
    if headers.contains_key(ORIGIN) {
        return Some("the endpoint is not for browsers: the request has an Origin header".into());
    }
    // Sent by every browser of today, also where a plain image or link has no Origin.
    if headers.contains_key("sec-fetch-site") {
        return Some("the endpoint is not for browsers: the request has Sec-Fetch-Site".into());
    }
    let host = headers.get(HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    (!is_loopback(host)).then(|| {
        format!(
            "the endpoint is for this machine only: the Host header is `{host}`, not e.g. 127.0.0.1"
        )
    })
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = name.parse::<std::net::IpAddr>();
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(|a| a.is_loopback())
}

/// An answer of ours in JSON.
pub(crate) fn json(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    typed(status, "application/json", body.to_string())
}

/// An error of ours in JSON.
pub(crate) fn error(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    json(status, &json!({ "__type": kind, "message": message }))
}

/// The wire's answer as it is sent.
pub(crate) fn of_wire(answer: HttpResponse) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    #[test]
    fn requests_are_told_apart() {
        for (method, path, expected) in [
            (Method::GET, "/_neargate/health", Asked::Health),
            (Method::POST, "/_neargate/reset", Asked::Reset),
            (Method::GET, "/_neargate/reset", Asked::Aws),
            (Method::POST, "/", Asked::Aws),
            (Method::GET, "/2015-03-31/functions", Asked::Aws),
        ] {
            assert_eq!(what(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn reset_is_refused_to_browsers_strangers_and_by_default() {
        let local = headers(&[("host", "127.0.0.1:4566")]);
        assert!(refusal(&local, false).is_some_and(|why| why.contains("--resettable")));
        assert_eq!(refusal(&local, true), None);
        for host in ["localhost:4566", "LOCALHOST", "[::1]:80", "127.9.9.9", "data-x.localhost:1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "10.0.0.1:4566", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
        let page = headers(&[("host", "127.0.0.1"), ("origin", "http://evil.example")]);
        assert!(refusal(&page, true).is_some_and(|why| why.contains("Origin")));
        let image = headers(&[("host", "127.0.0.1"), ("sec-fetch-site", "cross-site")]);
        assert!(browser(&image).is_some_and(|why| why.contains("Sec-Fetch-Site")));
        let rebound = headers(&[("host", "evil.example:4566")]);
        assert!(refusal(&rebound, true).is_some_and(|why| why.contains("evil.example")));
    }
}
