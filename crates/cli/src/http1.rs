//! A small HTTP/1.1 client on one connection: what the load client and the stand-in's calls to
//! other services need, with every way of failing kept apart.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest answer head accepted.
const HEAD_MAX: usize = 64 * 1024;

/// `http://host:port/path?query`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Host name or address.
    pub(crate) host: String,
    /// Port, 80 unless given.
    pub(crate) port: u16,
    /// Path with query, beginning with `/`.
    pub(crate) target: String,
}

/// The text is no URL this client can call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is not a URL that can be called: {why}; expected http://HOST[:PORT][/PATH]")]
pub(crate) struct InvalidUrl {
    url: String,
    why: &'static str,
}

impl std::str::FromStr for Url {
    type Err = InvalidUrl;
    fn from_str(text: &str) -> Result<Url, InvalidUrl> {
        let invalid = |why| InvalidUrl { url: text.to_owned(), why };
        let rest = text.strip_prefix("http://").ok_or(invalid("it does not begin with http://"))?;
        let split = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(split);
        let (host, port) = match authority.rsplit_once(':') {
            None => (authority, 80),
            Some((host, port)) => {
                (host, port.parse().map_err(|_| invalid("the port is not a number up to 65535"))?)
            }
        };
        if host.is_empty() {
            return Err(invalid("the host is missing"));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(invalid("it holds a character that must be percent-encoded"));
        }
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Url { host: host.to_owned(), port, target })
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.target)
    }
}

impl Url {
    /// The request as it goes over the wire.
    pub(crate) fn get_request(&self) -> Vec<u8> {
        let Url { host, port, target } = self;
        let host = if *port == 80 { host.clone() } else { format!("{host}:{port}") };
        format!(
            "GET {target} HTTP/1.1\r\nhost: {host}\r\nuser-agent: neargate\r\naccept: */*\r\n\r\n"
        )
        .into_bytes()
    }
}

/// A complete answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// The whole body.
    pub(crate) body: Vec<u8>,
    /// The connection can take another request.
    pub(crate) reusable: bool,
}

/// Why a request has no complete answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The server had closed in an orderly way before one byte of an answer: on a kept connection
    /// that is the ordinary race between its idle time-out and our request.
    #[error("the connection was closed before any answer")]
    ClosedBeforeAnswer,
    /// The request could not be sent.
    #[error("cannot send the request: {0}")]
    Send(#[source] io::Error),
    /// Reading failed after so many bytes of the answer.
    #[error("reading the answer failed after {received} bytes: {source}")]
    Receive {
        /// Bytes that had come.
        received: usize,
        /// The system's error.
        source: io::Error,
    },
    /// The connection ended inside the answer.
    #[error("the connection ended inside the answer, after {received} bytes")]
    Truncated {
        /// Bytes that had come.
        received: usize,
    },
    /// The answer is not HTTP/1.1.
    #[error("the answer is not HTTP/1.1: {0}")]
    Malformed(String),
}

/// Sends one request on an open connection and reads the whole answer.
pub(crate) async fn exchange(
    stream: &mut TcpStream,
    request: &[u8],
) -> Result<Answer, ExchangeError> {
    if let Err(error) = stream.write_all(request).await {
        return Err(match error.kind() {
            // The server's FIN had come before; what we sent was answered by a reset.
            io::ErrorKind::BrokenPipe => ExchangeError::ClosedBeforeAnswer,
            _ => ExchangeError::Send(error),
        });
    }
    let mut reader = Reader { stream, buffer: Vec::with_capacity(4096), received: 0 };
    loop {
        let head = reader.head().await?;
        // 1xx answers come before the real one.
        if head.status >= 200 {
            return reader.body(head).await;
        }
    }
}

struct Head {
    status: u16,
    length: Option<usize>,
    chunked: bool,
    keep_alive: bool,
}

struct Reader<'a> {
    stream: &'a mut TcpStream,
    /// Received but not consumed.
    buffer: Vec<u8>,
    received: usize,
}

impl Reader<'_> {
    /// Reads more bytes; `false` at the end of the stream.
    async fn fill(&mut self) -> Result<bool, ExchangeError> {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.received += count;
                Ok(true)
            }
            Err(source) => Err(ExchangeError::Receive { received: self.received, source }),
        }
    }

    async fn fill_or_truncated(&mut self) -> Result<(), ExchangeError> {
        match self.fill().await? {
            true => Ok(()),
            false if self.received == 0 => Err(ExchangeError::ClosedBeforeAnswer),
            false => Err(ExchangeError::Truncated { received: self.received }),
        }
    }

    async fn head(&mut self) -> Result<Head, ExchangeError> {
        loop {
            if let Some((head, length)) = parse_head(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(head);
            }
            if self.buffer.len() > HEAD_MAX {
                return Err(ExchangeError::Malformed(format!(
                    "no end of head in {HEAD_MAX} bytes"
                )));
            }
            self.fill_or_truncated().await?;
        }
    }

    async fn body(mut self, head: Head) -> Result<Answer, ExchangeError> {
        let mut reusable = head.keep_alive;
        let body = if matches!(head.status, 204 | 304) {
            Vec::new()
        } else if head.chunked {
            self.chunks().await?
        } else if let Some(length) = head.length {
            while self.buffer.len() < length {
                self.fill_or_truncated().await?;
            }
            self.buffer.drain(..length).collect()
        } else {
            reusable = false;
            while self.fill().await? {}
            std::mem::take(&mut self.buffer)
        };
        // Bytes nobody asked for would be taken for the next answer.
        reusable &= self.buffer.is_empty();
        Ok(Answer { status: head.status, body, reusable })
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, ExchangeError> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| ExchangeError::Malformed(format!("chunk size `{size}`")))?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            while self.buffer.len() < size.saturating_add(2) {
                self.fill_or_truncated().await?;
            }
            body.extend(self.buffer.drain(..size));
            if self.buffer.drain(..2).as_slice() != b"\r\n" {
                return Err(ExchangeError::Malformed("a chunk does not end in CRLF".to_owned()));
            }
        }
    }

    async fn line(&mut self) -> Result<String, ExchangeError> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            if self.buffer.len() > HEAD_MAX {
                return Err(ExchangeError::Malformed("a line without end".to_owned()));
            }
            self.fill_or_truncated().await?;
        }
    }
}

/// The head and its length in bytes, once it is complete.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, ExchangeError> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(ExchangeError::Malformed(error.to_string())),
    };
    let mut head = Head {
        status: response.code.unwrap_or(0),
        length: None,
        chunked: false,
        keep_alive: response.version == Some(1),
    };
    for header in response.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        let has = |token: &str| value.split(',').any(|v| v.trim().eq_ignore_ascii_case(token));
        if header.name.eq_ignore_ascii_case("content-length") {
            let value = value.trim();
            let length = value
                .parse()
                .map_err(|_| ExchangeError::Malformed(format!("content-length `{value}`")))?;
            head.length = Some(length);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            head.chunked = has("chunked");
        } else if header.name.eq_ignore_ascii_case("connection") && has("close") {
            head.keep_alive = false;
        }
    }
    Ok(Some((head, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_wrong_ones_say_why() {
        let url: Url = "http://api.broxiva.local:4000/x?y=1".parse().unwrap();
        assert_eq!(
            (url.host.as_str(), url.port, url.target.as_str()),
            ("api.broxiva.local", 4000, "/x?y=1")
        );
        assert_eq!("http://a".parse::<Url>().unwrap().target, "/");
        assert_eq!("http://a?b".parse::<Url>().unwrap().target, "/?b");
        for (text, why) in [
            ("https://a", "does not begin with http://"),
            ("http://a:99999/", "the port is not"),
            ("http:///x", "the host is missing"),
            ("http://a/ b", "percent-encoded"),
        ] {
            let error = text.parse::<Url>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn heads_are_complete_or_wait_or_are_refused() {
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap().is_none());
        let (head, length) = parse_head(
            b"HTTP/1.1 503 X\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nrest",
        )
        .unwrap()
        .unwrap();
        assert_eq!((head.status, head.chunked, head.keep_alive), (503, true, false));
        assert_eq!(length, 65);
        assert!(parse_head(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n").is_err());
    }
}
