//! Bodies in chunks that name their own length, as Amazon S3's clients send what they sign or sum up
//! on the way (`aws-chunked`): the same request with the body in one piece and what follows it
//! among its headers.
//!
//! The signature of the head covers how long the body is, which is checked. Signatures of single
//! chunks are not.

use crate::HttpRequest;

const CONTENT_HASH: &str = "x-amz-content-sha256";
const STREAMING: &str = "STREAMING-";
const CODING: &str = "aws-chunked";
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";

/// Whether the body is such chunks.
pub(crate) fn is_chunked(request: &HttpRequest) -> bool {
    let codings = request.header("content-encoding").unwrap_or_default();
    request.header(CONTENT_HASH).is_some_and(|hash| hash.starts_with(STREAMING))
        || codings.split(',').any(|coding| coding.trim().eq_ignore_ascii_case(CODING))
}

/// The line that begins here, and what follows it.
fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 2..]))
}

/// The request without chunks.
pub(crate) fn decode(request: &HttpRequest) -> Result<HttpRequest, &'static str> {
    const CUT: &str =
        "You did not provide the number of bytes specified by the Content-Length HTTP header";
    const MALFORMED: &str = "The body is not in the chunks that its headers say";
    let mut body = Vec::with_capacity(request.body.len());
    let mut rest = request.body.as_slice();
    loop {
        let (head, after) = line(rest).ok_or(CUT)?;
        // Behind the length may stand the signature of the chunk.
        let length = head.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(length, 16).map_err(|_| MALFORMED)?;
        rest = after;
        if length == 0 {
            break;
        }
        body.extend_from_slice(rest.get(..length).ok_or(CUT)?);
        rest = rest.get(length..).and_then(|rest| rest.strip_prefix(b"\r\n")).ok_or(CUT)?;
    }
    if let Some(length) = request.header(DECODED_LENGTH)
        && length.trim().parse() != Ok(body.len())
    {
        return Err(CUT);
    }
    let mut headers = Vec::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        if !name.eq_ignore_ascii_case("content-encoding") {
            headers.push((name.clone(), value.clone()));
            continue;
        }
        // What is left is the object's own.
        let others = value.split(',').map(str::trim);
        let others: Vec<&str> = others.filter(|c| !c.eq_ignore_ascii_case(CODING)).collect();
        if !others.is_empty() {
            headers.push((name.clone(), others.join(",")));
        }
    }
    while let Some((trailer, after)) = line(rest) {
        if let Some((name, value)) = trailer.split_once(':') {
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        rest = after;
    }
    let (method, uri) = (request.method.clone(), request.uri.clone());
    Ok(HttpRequest { method, uri, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str, length: &str) -> HttpRequest {
        let headers = [
            ("Content-Encoding", "gzip, aws-chunked"),
            ("X-Amz-Content-SHA256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("x-amz-decoded-content-length", length),
        ];
        HttpRequest {
            method: "PUT".to_owned(),
            uri: "/b/k".to_owned(),
            headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn chunks_become_one_body_and_trailers_headers() {
        let sent = "5;chunk-signature=abc\r\nhello\r\nA\r\n, \r\nworlds\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n";
        let sent = request(sent, "15");
        assert!(is_chunked(&sent));
        let whole = decode(&sent).expect("well formed");
        assert_eq!(whole.body, b"hello, \r\nworlds");
        assert_eq!(whole.header("content-encoding"), Some("gzip"));
        assert_eq!(whole.header("x-amz-checksum-crc32"), Some("NSRBwg=="));
    }

    #[test]
    fn what_is_cut_off_or_of_another_length_is_refused() {
        for (body, length) in [
            ("5\r\nhello\r\n", "5"),
            ("5\r\nhel", "5"),
            ("5\r\nhello\r\n0\r\n\r\n", "6"),
            ("x\r\nhello\r\n0\r\n\r\n", "5"),
            ("ffffffffffffffff\r\nhello\r\n0\r\n\r\n", "5"),
            ("", "0"),
        ] {
            assert!(decode(&request(body, length)).is_err(), "{body:?}");
        }
        assert!(!is_chunked(&HttpRequest::default()));
    }
}
