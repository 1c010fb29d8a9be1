//! The canonical request: what a signature covers, written in the one way both sides agree on.

use crate::{HttpRequest, uri};

/// How the path is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Dot segments removed and the path as sent encoded once more: every service but S3.
    Twice,
    /// As it is, encoded once: Amazon S3.
    Once,
}

/// Writes it. `signed_headers` are small and sorted as the request names them, `payload` is the hash
/// of the body or the word that stands for it.
#[must_use]
pub fn canonical_request(
    request: &HttpRequest,
    signed_headers: &[String],
    payload: &str,
    encoding: Encoding,
) -> String {
    let (path, query) = uri::split(&request.uri);
    let path = match encoding {
        Encoding::Twice => uri::encode(normalised(path).as_bytes(), true),
        Encoding::Once => match uri::decode(path.as_bytes(), false) {
            Ok(plain) => uri::encode(plain.as_bytes(), true),
            Err(_) => path.to_owned(),
        },
    };
    let mut text = format!("{}\n{path}\n{}\n", request.method, canonical_query(query));
    for name in signed_headers {
        text.push_str(name);
        text.push(':');
        let headers = request.headers.iter();
        let values = headers.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        for (index, (_, value)) in values.enumerate() {
            if index > 0 {
                text.push(',');
            }
            let words: Vec<&str> = value.split_ascii_whitespace().collect();
            text.push_str(&words.join(" "));
        }
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&signed_headers.join(";"));
    text.push('\n');
    text.push_str(payload);
    text
}

/// Without empty, `.` and `..` segments.
fn normalised(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let mut text: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
    if text.is_empty() || path.ends_with('/') {
        text.push('/');
    }
    text
}

/// Sorted by encoded name and value, without the signature itself.
fn canonical_query(query: &str) -> String {
    let recode = |text: &str| match uri::decode(text.as_bytes(), false) {
        Ok(plain) => uri::encode(plain.as_bytes(), false),
        Err(_) => text.to_owned(),
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (recode(name), recode(value)))
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}
