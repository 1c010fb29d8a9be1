//! The head of a target's answer: parsed strictly, because a target and a client that disagree with
//! us about where an answer ends can be made to read each other's mail. Whatever is ambiguous is a
//! 502 (ALB-ERR-2).

use std::cell::RefCell;
use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::request_check::{decimal, list};

/// ALB-ERR-2: a larger head is a 502.
pub(crate) const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 128;

/// Where the answer's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// There is no body.
    Empty,
    /// After that many bytes, at least one.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// When the target closes the connection.
    UntilClose,
}

/// A parsed head, hop-by-hop headers removed.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: BodyFraming,
    /// The connection may be used again after the body.
    pub(crate) keep_alive: bool,
}

/// Not an answer we can pass on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the target's answer is malformed: {0}")]
pub(crate) struct InvalidHead(&'static str);

/// Where a header's name and value lie in the head; a head fits 16 bits.
type Span = [u16; 4];

const _: () = assert!(MAX_HEAD <= u16::MAX as usize);

/// Takes a complete head off the buffer; `None` means more bytes are needed. `answers_head` says
/// that the request was a HEAD; `spare` may hold an empty map with room from earlier use.
pub(crate) fn parse(
    buf: &mut BytesMut,
    answers_head: bool,
    spare: &RefCell<HeaderMap>,
) -> Result<Option<ResponseHead>, InvalidHead> {
    let mut spans: [Span; MAX_HEADERS] = [[0; 4]; MAX_HEADERS];
    let Some(line) = tokenize(buf, &mut spans)? else { return Ok(None) };
    let status =
        StatusCode::from_u16(line.status).map_err(|_| InvalidHead("its status is no code"))?;
    let head = buf.split_to(line.head_len).freeze();
    let mut headers = spare.take();
    headers.reserve(line.headers);
    let mut hop = HopByHop::default();
    for [name_start, name_end, start, end] in
        spans[..line.headers].iter().map(|s| s.map(usize::from))
    {
        let name = HeaderName::from_bytes(&head[name_start..name_end])
            .map_err(|_| InvalidHead("a header name is not a token"))?;
        let value = if start == end { Bytes::new() } else { head.slice(start..end) };
        let value = HeaderValue::from_maybe_shared(value)
            .map_err(|_| InvalidHead("a header value has control characters"))?;
        if !hop.takes(&name, &value)? {
            headers.append(name, value);
        }
    }
    if !line.http_11 && hop.transfer_encoding {
        return Err(InvalidHead("HTTP/1.0 with Transfer-Encoding"));
    }
    if hop.length.is_some() && hop.transfer_encoding {
        return Err(InvalidHead("it has Content-Length and Transfer-Encoding"));
    }
    // A 101 names in Connection what it keeps in Upgrade.
    for name in &hop.named {
        headers.remove(name);
    }
    if let Some(protocol) = hop.upgrade.filter(|_| status == StatusCode::SWITCHING_PROTOCOLS) {
        headers.insert(header::UPGRADE, protocol);
    }
    let bodyless = status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    if let Some(length) = hop.length.filter(|_| !bodyless) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let framing = match hop.length {
        _ if bodyless || answers_head => BodyFraming::Empty,
        _ if hop.transfer_encoding => BodyFraming::Chunked,
        Some(0) => BodyFraming::Empty,
        Some(length) => BodyFraming::Length(length),
        None => BodyFraming::UntilClose,
    };
    let kept = if line.http_11 { !hop.close } else { hop.keep_alive && !hop.close };
    let keep_alive = kept && framing != BodyFraming::UntilClose;
    Ok(Some(ResponseHead { status, headers, framing, keep_alive }))
}

/// The status line, and how much of the buffer is the head.
struct Line {
    head_len: usize,
    status: u16,
    http_11: bool,
    headers: usize,
}

fn tokenize(buf: &[u8], spans: &mut [Span; MAX_HEADERS]) -> Result<Option<Line>, InvalidHead> {
    const TOO_LARGE: InvalidHead = InvalidHead("its head exceeds 32 KiB");
    let mut headers = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        buf,
        &mut headers,
    );
    let head_len = match parsed {
        Ok(httparse::Status::Complete(len)) if len <= MAX_HEAD => len,
        Ok(httparse::Status::Complete(_)) => return Err(TOO_LARGE),
        Ok(httparse::Status::Partial) if buf.len() < MAX_HEAD => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(TOO_LARGE),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(InvalidHead("it has too many headers"));
        }
        Err(_) => return Err(InvalidHead("it is not HTTP/1")),
    };
    let base = buf.as_ptr() as usize;
    let offset = |part: &[u8]| match part {
        // An empty part may point anywhere.
        [] => 0,
        part => u16::try_from((part.as_ptr() as usize).wrapping_sub(base)).unwrap_or(0),
    };
    let length = |part: &[u8]| u16::try_from(part.len()).unwrap_or(0);
    for (span, header) in spans.iter_mut().zip(response.headers.iter()) {
        let name = header.name.as_bytes();
        let (name_start, start) = (offset(name), offset(header.value));
        *span = [name_start, name_start + length(name), start, start + length(header.value)];
    }
    Ok(Some(Line {
        head_len,
        status: response.code.unwrap_or(0),
        http_11: response.version == Some(1),
        headers: response.headers.len(),
    }))
}

/// The headers that end at this connection, and what they say. Framing follows RFC 9112 6.3 without
/// its leniencies.
#[derive(Default)]
struct HopByHop {
    length: Option<u64>,
    transfer_encoding: bool,
    close: bool,
    keep_alive: bool,
    upgrade: Option<HeaderValue>,
    /// Fields that Connection names as not for the client.
    named: Vec<HeaderName>,
}

impl HopByHop {
    /// Whether the header is one of these.
    fn takes(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<bool, InvalidHead> {
        match *name {
            header::CONTENT_LENGTH => {
                let length =
                    decimal(value.as_bytes()).ok_or(InvalidHead("its Content-Length is bad"))?;
                if self.length.is_some_and(|previous| previous != length) {
                    return Err(InvalidHead("its Content-Lengths differ"));
                }
                self.length = Some(length);
            }
            header::TRANSFER_ENCODING => {
                if self.transfer_encoding || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                    return Err(InvalidHead("its Transfer-Encoding is not chunked"));
                }
                self.transfer_encoding = true;
            }
            header::CONNECTION => {
                for token in list(value) {
                    if token.eq_ignore_ascii_case(b"close") {
                        self.close = true;
                    } else if token.eq_ignore_ascii_case(b"keep-alive") {
                        self.keep_alive = true;
                    } else if let Ok(name) = HeaderName::from_bytes(token) {
                        self.named.push(name);
                    }
                }
            }
            header::UPGRADE => self.upgrade = Some(value.clone()),
            header::TE | header::TRAILER => {}
            _ => return Ok(matches!(name.as_str(), "keep-alive" | "proxy-connection")),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse_as(text: &str, answers_head: bool) -> Result<Option<ResponseHead>, InvalidHead> {
        parse(&mut BytesMut::from(text), answers_head, &RefCell::default())
    }

    fn framing_of(head: &str) -> Result<BodyFraming, ()> {
        let text = format!("{}\r\n\r\n", head.replace('\n', "\r\n"));
        parse_as(&text, false).map(|head| head.unwrap().framing).map_err(|_| ())
    }

    #[test]
    fn body_framing() {
        use BodyFraming::{Chunked, Empty, Length, UntilClose};
        for (head, expected) in [
            ("HTTP/1.1 200 OK\nContent-Length: 5", Ok(Length(5))),
            ("HTTP/1.1 200 OK\nContent-Length: 0", Ok(Empty)),
            ("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5", Ok(Length(5))),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: Chunked", Ok(Chunked)),
            ("HTTP/1.1 200 OK", Ok(UntilClose)),
            ("HTTP/1.0 200 OK\nContent-Length: 7", Ok(Length(7))),
            ("HTTP/1.1 204 No Content", Ok(Empty)),
            ("HTTP/1.1 304 Not Modified\nContent-Length: 9", Ok(Empty)),
            ("HTTP/1.1 200", Ok(UntilClose)),
            // Smuggling.
            ("HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked", Err(())),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 5", Err(())),
            ("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6", Err(())),
            ("HTTP/1.1 200 OK\nContent-Length: 5, 5", Err(())),
            ("HTTP/1.1 200 OK\nContent-Length: +5", Err(())),
            ("HTTP/1.1 200 OK\nContent-Length: 0x5", Err(())),
            ("HTTP/1.1 200 OK\nContent-Length:", Err(())),
            ("HTTP/1.1 200 OK\nContent-Length: 99999999999999999999999", Err(())),
            ("HTTP/1.1 200 OK\nContent-Length : 5", Err(())),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked", Err(())),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTransfer-Encoding: x", Err(())),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: \x0bchunked", Err(())),
            ("HTTP/1.0 200 OK\nTransfer-Encoding: chunked", Err(())),
            ("HTTP/1.1 200 OK\n folded: x", Err(())),
            ("HTTP/2 200", Err(())),
            ("HTTP/1.1 2000 OK", Err(())),
            ("HTTP/1.1 099 OK", Err(())),
            ("SSH-2.0-OpenSSH", Err(())),
        ] {
            assert_eq!(framing_of(head), expected, "{head}");
        }
    }

    #[test]
    fn head_requests_have_no_body_but_keep_the_length() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n";
        let head = parse_as(text, true).unwrap().unwrap();
        assert_eq!(head.framing, BodyFraming::Empty);
        assert_eq!(head.headers["content-length"], "50");
        assert!(head.keep_alive);
    }

    #[test]
    fn connection_headers_end_here() {
        let text = "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\
                    Content-Length: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nx";
        let mut buf = BytesMut::from(text);
        let head = parse(&mut buf, false, &RefCell::default()).unwrap().unwrap();
        assert!(!head.keep_alive);
        assert_eq!(head.headers.len(), 3, "{:?}", head.headers);
        assert_eq!(&buf[..], b"x");
        let old = parse_as("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false);
        assert!(!old.unwrap().unwrap().keep_alive);
    }

    #[test]
    fn alb_err_2_heads_over_32_kib_are_refused() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(33_000));
        assert!(parse_as(&long, false).is_err());
        assert!(parse_as(&long[..32_900], false).is_err());
        assert!(parse_as(&long[..32_000], false).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut buf = BytesMut::from(&b"HTTP/1.1 200 OK\r\n"[..]);
            buf.extend_from_slice(&bytes);
            let _ = parse(&mut buf, false, &RefCell::default());
        }
    }
}
