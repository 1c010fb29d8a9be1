//! The request head as the target gets it, rebuilt from parsed fields only: nothing the client sent
//! is passed on as bytes we did not understand.

use http::header::{self, HeaderMap, HeaderName};
use http::{Uri, request};

use crate::request_check::{Checked, Framing, list, without_port};
use crate::trace_id::TraceIds;

/// ALB-ERR-1: one header.
const MAX_HEADER: usize = 16 * 1024;
/// ALB-ERR-1: more addresses than this make a 463.
const MAX_FORWARDED: usize = 30;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Whether a Connection header names the field.
fn is_named(headers: &HeaderMap, field: &str) -> bool {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(list)
        .any(|token| token.eq_ignore_ascii_case(field.as_bytes()))
}

/// Where the request came in and where it goes.
#[derive(Debug)]
pub(crate) struct Hop<'a> {
    /// The client's address as we see it.
    pub(crate) peer: &'a str,
    /// The listener's port.
    pub(crate) port: u16,
    /// `ip:port` of the target, for clients that named no host.
    pub(crate) target: std::net::SocketAddrV4,
    /// Makes trace ids.
    pub(crate) trace_ids: &'a TraceIds,
    /// Seconds since the epoch.
    pub(crate) epoch_s: u64,
}

/// Writes the head for the target. The error is the status to answer with instead.
pub(crate) fn write(
    out: &mut Vec<u8>,
    head: &request::Parts,
    checked: &Checked<'_>,
    hop: &Hop<'_>,
) -> Result<(), u16> {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    write_target(out, &head.uri);
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    write_host(out, checked.host, hop);
    out.extend_from_slice(b"\r\n");

    let mut header_bytes = 0;
    let mut forwarded_for = Vec::new();
    let mut trace_id = None;
    for (name, value) in &head.headers {
        let value = value.as_bytes();
        if value.len() + name.as_str().len() > MAX_HEADER {
            return Err(400);
        }
        header_bytes += name.as_str().len() + value.len() + 4;
        match *name {
            header::HOST
            | header::CONNECTION
            | header::TE
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::CONTENT_LENGTH
            | header::UPGRADE
            | header::EXPECT => continue,
            _ => {}
        }
        if *name == X_FORWARDED_FOR {
            forwarded_for.push(value);
            continue;
        }
        if *name == X_AMZN_TRACE_ID {
            trace_id = trace_id.or(Some(value));
            continue;
        }
        let text = name.as_str();
        if *name == X_FORWARDED_PROTO
            || *name == X_FORWARDED_PORT
            || text == "keep-alive"
            || text == "proxy-connection"
            || (checked.names_fields && is_named(&head.headers, text))
        {
            continue;
        }
        write_header(out, text, value);
    }
    match checked.framing {
        Framing::None => {}
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            write_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    if checked.expects_continue {
        out.extend_from_slice(b"expect: 100-continue\r\n");
    }
    if checked.upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        for protocol in head.headers.get_all(header::UPGRADE) {
            write_header(out, "upgrade", protocol.as_bytes());
        }
    }
    write_forwarded(out, &forwarded_for, hop)?;
    out.extend_from_slice(b"x-amzn-trace-id: ");
    hop.trace_ids.write(out, trace_id, header_bytes, hop.epoch_s);
    out.extend_from_slice(b"\r\n\r\n");
    Ok(())
}

fn write_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn write_target(out: &mut Vec<u8>, uri: &Uri) {
    let path = uri.path();
    out.extend_from_slice(if path.is_empty() { b"/" } else { path.as_bytes() });
    if let Some(query) = uri.query() {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
}

/// ALB-HDR-5: on ports 80 and 443 any port is removed, on others the listener's is added if the
/// client left it out.
fn write_host(out: &mut Vec<u8>, host: &[u8], hop: &Hop<'_>) {
    use std::io::Write;
    let name = without_port(host);
    if name.is_empty() {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{}", hop.target);
    } else if hop.port == 80 || hop.port == 443 {
        out.extend_from_slice(name);
    } else if name.len() < host.len() {
        out.extend_from_slice(host);
    } else {
        out.extend_from_slice(name);
        out.push(b':');
        write_decimal(out, u64::from(hop.port));
    }
}

/// ALB-HDR-1 and ALB-HDR-3.
fn write_forwarded(out: &mut Vec<u8>, existing: &[&[u8]], hop: &Hop<'_>) -> Result<(), u16> {
    let addresses = existing.iter().flat_map(|value| value.split(|b| *b == b','));
    if addresses.filter(|a| !a.trim_ascii().is_empty()).count() > MAX_FORWARDED {
        return Err(463);
    }
    out.extend_from_slice(b"x-forwarded-for: ");
    for value in existing.iter().filter(|value| !value.trim_ascii().is_empty()) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(hop.peer.as_bytes());
    out.extend_from_slice(b"\r\nx-forwarded-proto: http\r\nx-forwarded-port: ");
    write_decimal(out, u64::from(hop.port));
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn write_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use http::{Method, Request, Version};

    use super::*;
    use crate::request_check::check;

    fn request(uri: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut builder = Request::builder().method("GET").uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn sent(port: u16, uri: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let head = request(uri, headers);
        let checked = check(&head)?;
        let trace_ids = TraceIds::new();
        let hop = Hop {
            peer: "203.0.113.7",
            port,
            target: SocketAddrV4::new(Ipv4Addr::new(10, 0, 1, 2), 8080),
            trace_ids: &trace_ids,
            epoch_s: 1,
        };
        let mut out = Vec::new();
        write(&mut out, &head, &checked, &hop)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn value(head: &str, name: &str) -> Option<String> {
        let prefix = format!("{name}: ");
        head.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
    }

    #[test]
    fn alb_hdr_1_and_3_forwarded_headers() {
        let headers = [
            ("host", "a"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "1"),
        ];
        let head = sent(8080, "/p?q=1", &headers).unwrap();
        assert!(head.starts_with("GET /p?q=1 HTTP/1.1\r\n"));
        let expected = "1.1.1.1, 2.2.2.2, 203.0.113.7";
        assert_eq!(value(&head, "x-forwarded-for").unwrap(), expected);
        assert_eq!(value(&head, "x-forwarded-proto").unwrap(), "http");
        assert_eq!(value(&head, "x-forwarded-port").unwrap(), "8080");
        assert_eq!(head.matches("x-forwarded-").count(), 3);
    }

    #[test]
    fn alb_hdr_5_host_port() {
        for (port, host, expected) in [
            (80, "a.example:8080", "a.example"),
            (443, "a.example", "a.example"),
            (8080, "a.example", "a.example:8080"),
            (8080, "a.example:9", "a.example:9"),
            (80, "[::1]:80", "[::1]"),
            (80, "[::1]", "[::1]"),
            (80, "", "10.0.1.2:8080"),
        ] {
            let head = sent(port, "/", &[("host", host)]).unwrap();
            assert_eq!(value(&head, "host").unwrap(), expected, "{port} {host}");
        }
        let head = sent(80, "http://b.example:81/x", &[("host", "a.example")]).unwrap();
        assert!(head.starts_with("GET /x HTTP/1.1\r\nhost: b.example\r\n"), "{head}");
    }

    #[test]
    fn hop_by_hop_headers_stay_behind() {
        let headers = [
            ("host", "a"),
            ("connection", "keep-alive, X-Secret"),
            ("keep-alive", "timeout=5"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("proxy-connection", "keep-alive"),
            ("accept", "*/*"),
        ];
        let head = sent(80, "/", &headers).unwrap();
        for gone in ["connection", "keep-alive", "x-secret", "te", "upgrade"] {
            assert_eq!(value(&head, gone), None, "{gone}");
        }
        assert_eq!(value(&head, "accept").unwrap(), "*/*");
    }

    #[test]
    fn upgrades_are_passed_on() {
        let headers = [("host", "a"), ("connection", "Upgrade"), ("upgrade", "websocket")];
        let head = sent(80, "/", &headers).unwrap();
        assert_eq!(value(&head, "connection").unwrap(), "upgrade");
        assert_eq!(value(&head, "upgrade").unwrap(), "websocket");
        let without = sent(80, "/", &[("host", "a"), ("upgrade", "websocket")]).unwrap();
        assert_eq!(value(&without, "upgrade"), None);
    }

    #[test]
    fn alb_err_1_refusals() {
        let forwarded = |n: usize| vec!["1.1.1.1"; n].join(", ");
        let (thirty, more) = (forwarded(30), forwarded(31));
        let long = "a".repeat(17 * 1024);
        let host = ("host", "a");
        for (headers, expected) in [
            (vec![], Err(400)),
            (vec![host, host], Err(400)),
            (vec![("host", "a/b")], Err(400)),
            (vec![("host", "a b")], Err(400)),
            (vec![host, ("x-forwarded-for", thirty.as_str())], Ok(())),
            (vec![host, ("x-forwarded-for", more.as_str())], Err(463)),
            (vec![host, ("x-long", long.as_str())], Err(400)),
            (vec![host, ("transfer-encoding", "gzip, chunked")], Err(501)),
            (vec![host, ("transfer-encoding", "chunked"), ("transfer-encoding", "x")], Err(501)),
            (vec![host, ("content-length", "+5")], Err(400)),
            (vec![host, ("expect", "the-moon")], Err(417)),
        ] {
            assert_eq!(sent(80, "/", &headers).map(|_| ()), expected, "{headers:?}");
        }
        assert_eq!(sent(80, &format!("/{long}"), &[host]), Err(414));
        let mut trace = request("/", &[host]);
        trace.method = Method::TRACE;
        assert_eq!(check(&trace), Err(405));
    }

    #[test]
    fn http_1_0_needs_no_host() {
        let mut old = request("/", &[]);
        old.version = Version::HTTP_10;
        assert_eq!(check(&old).unwrap().host, b"");
    }
}
