//! Decoding of chunked answers. Only what the grammar allows is taken, and every line has a limit,
//! so that a target cannot make the edge hold more than it reads at once.

use bytes::{Buf, Bytes, BytesMut};

/// Longest chunk size line, extensions included.
const MAX_LINE: usize = 1024;
/// Most bytes of trailers; they are read and dropped.
const MAX_TRAILERS: usize = 8 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailers(usize),
    Done,
}

/// Decodes one body.
#[derive(Debug)]
pub(crate) struct ChunkedDecoder {
    state: State,
}

/// What decoding came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// Some of the body.
    Data(Bytes),
    /// Nothing without more bytes.
    NeedMore,
    /// The body is complete; what is left in the buffer is not part of it.
    Done,
}

/// Not chunked coding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidChunk;

impl ChunkedDecoder {
    pub(crate) fn new() -> Self {
        Self { state: State::Size }
    }

    /// Takes what it can off the buffer.
    pub(crate) fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, InvalidChunk> {
        loop {
            match self.state {
                State::Done => return Ok(Decoded::Done),
                State::Size => {
                    let Some(line) = take_line(buf, MAX_LINE)? else {
                        return Ok(Decoded::NeedMore);
                    };
                    self.state = match chunk_size(&line)? {
                        0 => State::Trailers(MAX_TRAILERS),
                        size => State::Data(size),
                    };
                }
                State::Data(left) => {
                    if buf.is_empty() {
                        return Ok(Decoded::NeedMore);
                    }
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
                    let left = left - take as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Decoded::Data(buf.split_to(take).freeze()));
                }
                State::DataEnd => {
                    if buf.len() < 2 {
                        return Ok(Decoded::NeedMore);
                    }
                    if &buf[..2] != b"\r\n" {
                        return Err(InvalidChunk);
                    }
                    buf.advance(2);
                    self.state = State::Size;
                }
                State::Trailers(allowed) => {
                    let Some(line) = take_line(buf, allowed)? else { return Ok(Decoded::NeedMore) };
                    self.state = if line.is_empty() {
                        State::Done
                    } else {
                        State::Trailers(allowed.checked_sub(line.len() + 2).ok_or(InvalidChunk)?)
                    };
                }
            }
        }
    }
}

/// A line without its CRLF; a bare LF or CR is an error.
fn take_line(buf: &mut BytesMut, limit: usize) -> Result<Option<BytesMut>, InvalidChunk> {
    match buf.iter().position(|b| *b == b'\n') {
        Some(end) if end > limit => Err(InvalidChunk),
        Some(end) => {
            let mut line = buf.split_to(end + 1);
            if end == 0 || line[end - 1] != b'\r' || line[..end - 1].contains(&b'\r') {
                return Err(InvalidChunk);
            }
            line.truncate(end - 1);
            Ok(Some(line))
        }
        None if buf.len() > limit => Err(InvalidChunk),
        None => Ok(None),
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, InvalidChunk> {
    let digits = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
    let (size, rest) = line.split_at(digits);
    let extension = rest.trim_ascii_start();
    if size.is_empty() || size.len() > 15 || !(extension.is_empty() || extension[0] == b';') {
        return Err(InvalidChunk);
    }
    let text = std::str::from_utf8(size).map_err(|_| InvalidChunk)?;
    u64::from_str_radix(text, 16).map_err(|_| InvalidChunk)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds the text in pieces; the body and what is left, or an error, or `None` if incomplete.
    fn decode(text: &[u8], piece: usize) -> Result<Option<(Vec<u8>, usize)>, InvalidChunk> {
        let (mut decoder, mut buf, mut body) = (ChunkedDecoder::new(), BytesMut::new(), Vec::new());
        let mut fed = 0;
        loop {
            match decoder.decode(&mut buf)? {
                Decoded::Data(data) => body.extend_from_slice(&data),
                Decoded::Done => return Ok(Some((body, text.len() - fed + buf.len()))),
                Decoded::NeedMore if fed == text.len() => return Ok(None),
                Decoded::NeedMore => {
                    let end = (fed + piece).min(text.len());
                    buf.extend_from_slice(&text[fed..end]);
                    fed = end;
                }
            }
        }
    }

    #[test]
    fn chunks() {
        let done = |body: &str, left| Ok(Some((body.as_bytes().to_vec(), left)));
        for (text, expected) in [
            ("0\r\n\r\n", done("", 0)),
            ("3\r\nabc\r\n0\r\n\r\n", done("abc", 0)),
            ("3;x=y\r\nabc\r\n00\r\nTrailer: 1\r\n\r\nHTTP/1.1", done("abc", 8)),
            ("a\r\n0123456789\r\n1\r\n!\r\n0\r\n\r\n", done("0123456789!", 0)),
            ("3\r\nab", Ok(None)),
            ("3\r\nabc\r\n0\r\n", Ok(None)),
            ("3\nabc\r\n", Err(InvalidChunk)),
            ("3\r\nabcd\r\n", Err(InvalidChunk)),
            ("-1\r\n", Err(InvalidChunk)),
            ("0x3\r\nabc\r\n", Err(InvalidChunk)),
            ("3 x\r\nabc\r\n", Err(InvalidChunk)),
            ("\r\n", Err(InvalidChunk)),
            ("ffffffffffffffffff\r\n", Err(InvalidChunk)),
            ("3\r\r\nabc\r\n", Err(InvalidChunk)),
        ] {
            for piece in [1, 2, 1000] {
                if expected.as_ref().is_ok_and(|e| e.as_ref().is_some_and(|(_, left)| *left > 0))
                    && piece != 1000
                {
                    continue;
                }
                assert_eq!(decode(text.as_bytes(), piece), expected, "{text:?} by {piece}");
            }
        }
        assert_eq!(decode(&[b'1'; 2000], 100), Err(InvalidChunk));
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(2000));
        assert_eq!(decode(trailers.as_bytes(), 100), Err(InvalidChunk));
    }

    proptest! {
        #[test]
        fn round_trip(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..9),
            piece in 1usize..70,
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                text.extend_from_slice(chunk);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(decode(&text, piece), Ok(Some((chunks.concat(), 0))));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, 7);
        }
    }
}
