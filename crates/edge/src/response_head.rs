//! The head of a target's answer: parsed strictly, because a target and a client that disagree with
//! us about where an answer ends can be made to read each other's mail. Whatever is ambiguous is a
//! 502 (ALB-ERR-2).

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use crate::request_head::{decimal, names_fields, names_token};

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

/// Takes a complete head off the buffer; `None` means more bytes are needed.
pub(crate) fn parse(
    buf: &mut BytesMut,
    method: &Method,
) -> Result<Option<ResponseHead>, InvalidHead> {
    let mut fields = [(0usize, 0usize, 0usize, 0usize); MAX_HEADERS];
    let (head_len, status, http_11, count) = {
        let mut headers = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            buf,
            &mut headers,
        );
        let head_len = match parsed {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) if buf.len() < MAX_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) => return Err(InvalidHead("its head exceeds 32 KiB")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(InvalidHead("it has too many headers"));
            }
            Err(_) => return Err(InvalidHead("it is not HTTP/1")),
        };
        if head_len > MAX_HEAD {
            return Err(InvalidHead("its head exceeds 32 KiB"));
        }
        let base = buf.as_ptr() as usize;
        for (field, header) in fields.iter_mut().zip(response.headers.iter()) {
            let name = (header.name.as_ptr() as usize).wrapping_sub(base);
            let value = match header.value {
                [] => 0,
                value => (value.as_ptr() as usize).wrapping_sub(base),
            };
            *field = (name, name + header.name.len(), value, value + header.value.len());
        }
        let count = response.headers.len();
        (head_len, response.code.unwrap_or(0), response.version == Some(1), count)
    };
    let status = StatusCode::from_u16(status).map_err(|_| InvalidHead("its status is no code"))?;
    let head = buf.split_to(head_len).freeze();
    let mut headers = HeaderMap::with_capacity(count + 2);
    for (name_start, name_end, start, end) in &fields[..count] {
        let name = HeaderName::from_bytes(&head[*name_start..*name_end])
            .map_err(|_| InvalidHead("a header name is not a token"))?;
        let value = if start == end { Bytes::new() } else { head.slice(*start..*end) };
        let value = HeaderValue::from_maybe_shared(value)
            .map_err(|_| InvalidHead("a header value has control characters"))?;
        headers.append(name, value);
    }
    let keep_alive = if http_11 {
        !names_token(&headers, "close")
    } else {
        names_token(&headers, "keep-alive") && !names_token(&headers, "close")
    };
    let framing = framing(&mut headers, status, method, http_11)?;
    remove_hop_by_hop(&mut headers, status);
    Ok(Some(ResponseHead {
        status,
        headers,
        framing,
        keep_alive: keep_alive && framing != BodyFraming::UntilClose,
    }))
}

/// RFC 9112 6.3, without its leniencies. Leaves at most one Content-Length in the headers.
fn framing(
    headers: &mut HeaderMap,
    status: StatusCode,
    method: &Method,
    http_11: bool,
) -> Result<BodyFraming, InvalidHead> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let parsed = decimal(value.as_bytes()).ok_or(InvalidHead("its Content-Length is bad"))?;
        if length.is_some_and(|previous| previous != parsed) {
            return Err(InvalidHead("its Content-Lengths differ"));
        }
        length = Some(parsed);
    }
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = match (encodings.next(), encodings.next()) {
        (None, _) => false,
        (Some(_), _) if !http_11 => return Err(InvalidHead("HTTP/1.0 with Transfer-Encoding")),
        (Some(_), _) if length.is_some() => {
            return Err(InvalidHead("it has Content-Length and Transfer-Encoding"));
        }
        (Some(encoding), None) if encoding.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
        (Some(_), _) => return Err(InvalidHead("its Transfer-Encoding is not chunked")),
    };
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let bodyless = status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    if bodyless {
        headers.remove(header::CONTENT_LENGTH);
    }
    Ok(match length {
        _ if bodyless || method == Method::HEAD => BodyFraming::Empty,
        _ if chunked => BodyFraming::Chunked,
        Some(0) => BodyFraming::Empty,
        Some(length) => BodyFraming::Length(length),
        None => BodyFraming::UntilClose,
    })
}

fn remove_hop_by_hop(headers: &mut HeaderMap, status: StatusCode) {
    if names_fields(headers) {
        let named: Vec<String> =
            crate::request_head::connection_tokens(headers).map(str::to_owned).collect();
        for name in named {
            let kept =
                name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("upgrade");
            if !kept {
                headers.remove(name.as_str());
            }
        }
    }
    headers.remove(header::CONNECTION);
    headers.remove(header::TE);
    headers.remove(header::TRAILER);
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    if status != StatusCode::SWITCHING_PROTOCOLS {
        headers.remove(header::UPGRADE);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse_as(text: &str, method: &Method) -> Result<Option<ResponseHead>, InvalidHead> {
        parse(&mut BytesMut::from(text), method)
    }

    fn framing_of(head: &str) -> Result<BodyFraming, ()> {
        let text = format!("{}\r\n\r\n", head.replace('\n', "\r\n"));
        parse_as(&text, &Method::GET).map(|head| head.unwrap().framing).map_err(|_| ())
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
        let head = parse_as(text, &Method::HEAD).unwrap().unwrap();
        assert_eq!(head.framing, BodyFraming::Empty);
        assert_eq!(head.headers["content-length"], "50");
        assert!(head.keep_alive);
    }

    #[test]
    fn connection_headers_end_here() {
        let text = "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\
                    Content-Length: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nx";
        let mut buf = BytesMut::from(text);
        let head = parse(&mut buf, &Method::GET).unwrap().unwrap();
        assert!(!head.keep_alive);
        assert_eq!(head.headers.len(), 3, "{:?}", head.headers);
        assert_eq!(&buf[..], b"x");
        let old = parse_as("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", &Method::GET);
        assert!(!old.unwrap().unwrap().keep_alive);
    }

    #[test]
    fn alb_err_2_heads_over_32_kib_are_refused() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(33_000));
        assert!(parse_as(&long, &Method::GET).is_err());
        assert!(parse_as(&long[..32_900], &Method::GET).is_err());
        assert!(parse_as(&long[..32_000], &Method::GET).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut buf = BytesMut::from(&b"HTTP/1.1 200 OK\r\n"[..]);
            buf.extend_from_slice(&bytes);
            let _ = parse(&mut buf, &Method::GET);
        }
    }
}
