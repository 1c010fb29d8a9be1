//! What is asked of a request before rules are looked at: whether it is one, whose it is, and how its
//! body travels. What is ambiguous is refused (ALB-ERR-1).

use http::header::{self, HeaderValue};
use http::{Method, Version, request};

/// ALB-ERR-1: the request line.
const MAX_REQUEST_LINE: usize = 16 * 1024;

/// How the request body travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// Content-Length.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

/// What had to be known of the request before it could be routed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checked<'a> {
    /// Host as the client named it, port included; empty when it named none.
    pub(crate) host: &'a [u8],
    /// How the body travels.
    pub(crate) framing: Framing,
    /// The client asks for another protocol.
    pub(crate) upgrade: bool,
    /// The client waits for 100 Continue.
    pub(crate) expects_continue: bool,
    /// Connection names fields that are not for the target.
    pub(crate) names_fields: bool,
}

/// Refuses what ALB refuses before looking at rules; the error is the status (ALB-ERR-1).
pub(crate) fn check(head: &request::Parts) -> Result<Checked<'_>, u16> {
    if head.method == Method::TRACE {
        return Err(405);
    }
    if head.method == Method::CONNECT {
        return Err(400);
    }
    let target_len = head.uri.path().len() + head.uri.query().map_or(0, str::len);
    if target_len + head.method.as_str().len() > MAX_REQUEST_LINE {
        return Err(414);
    }
    let mut host = None;
    let mut length = None;
    let (mut chunked, mut expects_continue) = (false, false);
    let (mut upgrade, mut names_upgrade, mut names_fields) = (false, false, false);
    for (name, value) in &head.headers {
        let value = value.as_bytes();
        match *name {
            // Several are an attack or a mistake.
            header::HOST if host.is_some() => return Err(400),
            header::HOST => host = Some(value),
            header::CONTENT_LENGTH if length.is_some() => return Err(400),
            header::CONTENT_LENGTH => length = Some(decimal(value).ok_or(400u16)?),
            header::TRANSFER_ENCODING if chunked => return Err(501),
            header::TRANSFER_ENCODING if value.eq_ignore_ascii_case(b"chunked") => chunked = true,
            header::TRANSFER_ENCODING => return Err(501),
            header::EXPECT if value.eq_ignore_ascii_case(b"100-continue") => {
                expects_continue = true;
            }
            header::EXPECT => return Err(417),
            header::UPGRADE => {
                upgrade = !value.get(..3).is_some_and(|v| v.eq_ignore_ascii_case(b"h2c"));
            }
            header::CONNECTION => {
                for token in list_of(value) {
                    if token.eq_ignore_ascii_case(b"upgrade") {
                        names_upgrade = true;
                    } else if !token.eq_ignore_ascii_case(b"close")
                        && !token.eq_ignore_ascii_case(b"keep-alive")
                    {
                        names_fields = true;
                    }
                }
            }
            _ => {}
        }
    }
    // An absolute request target wins over the Host header (RFC 9112 3.2.2).
    let host = match (head.uri.authority(), host) {
        (Some(authority), _) => authority.as_str().as_bytes(),
        (None, Some(host)) => host,
        (None, None) if head.version == Version::HTTP_11 => return Err(400),
        (None, None) => b"",
    };
    if !host.iter().all(|b| is_host_byte(*b)) {
        return Err(400);
    }
    let framing = match length {
        _ if chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::None,
    };
    Ok(Checked {
        host,
        framing,
        upgrade: upgrade
            && names_upgrade
            && head.version == Version::HTTP_11
            && matches!(framing, Framing::None | Framing::Length(0)),
        expects_continue: expects_continue && framing != Framing::None,
        names_fields,
    })
}

fn is_host_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(&b)
}

/// Digits only: no sign, no space.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The elements of a comma-separated header.
pub(crate) fn list(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    list_of(value.as_bytes())
}

fn list_of(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Host without its port.
pub(crate) fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|b| *b == b':') {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => &host[..colon],
        _ => host,
    }
}
