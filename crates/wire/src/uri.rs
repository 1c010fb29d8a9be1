//! Percent encoding, query strings, and the path templates of the REST protocols.

use std::fmt::Write as _;

/// Why text cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UriError {
    #[error("a percent sign is not followed by two hexadecimal digits")]
    Escape,
    #[error("the text is not UTF-8")]
    NotUtf8,
    #[error("there are more than {0} parameters")]
    TooMany(usize),
}

/// Undoes percent encoding; `plus` makes `+` a space, as forms do.
pub(crate) fn decode(text: &[u8], plus: bool) -> Result<String, UriError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let (high, low) = (rest.next(), rest.next());
                let digit = |d: Option<&u8>| d.and_then(|d| char::from(*d).to_digit(16));
                let (Some(high), Some(low)) = (digit(high), digit(low)) else {
                    return Err(UriError::Escape);
                };
                bytes.push((high * 16 + low) as u8);
            }
            b'+' if plus => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).map_err(|_| UriError::NotUtf8)
}

/// Percent encoding as SigV4 wants it: all but the unreserved characters, and `/` when it is kept.
pub(crate) fn encode(text: &[u8], keep_slash: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(*byte));
            }
            b'/' if keep_slash => encoded.push('/'),
            // Writing to a string cannot fail.
            other => drop(write!(encoded, "%{other:02X}")),
        }
    }
    encoded
}

/// Names and values of a query string or form, in order. A name alone has an empty value.
pub(crate) fn pairs(
    text: &[u8],
    plus: bool,
    limit: usize,
) -> Result<Vec<(String, String)>, UriError> {
    let mut pairs = Vec::new();
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == limit {
            return Err(UriError::TooMany(limit));
        }
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let value = pair.get(at + 1..).unwrap_or_default();
        pairs.push((decode(&pair[..at], plus)?, decode(value, plus)?));
    }
    Ok(pairs)
}

/// Path and query of a request target. The scheme and host of an absolute one are left out.
pub(crate) fn split(uri: &str) -> (&str, &str) {
    let (before, query) = uri.split_once('?').unwrap_or((uri, ""));
    let path = match before.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => before,
    };
    (if path.is_empty() { "/" } else { path }, query.split('#').next().unwrap_or(""))
}

#[derive(Debug, PartialEq)]
enum Segment {
    Literal(String),
    Label(String),
    Greedy(String),
}

/// A `requestUri` of the model: `/2013-04-01/hostedzone/{Id}/rrset`, `/{Bucket}/{Key+}?tagging`.
#[derive(Debug, PartialEq)]
pub(crate) struct Template {
    segments: Vec<Segment>,
    /// Parameters that must be there, with a value where the template gives one.
    query: Vec<(String, Option<String>)>,
}

/// A path that fits.
#[derive(Debug, PartialEq)]
pub(crate) struct Match {
    pub(crate) labels: Vec<(String, String)>,
    /// More is more specific: literal query parameters before literal segments before labels.
    pub(crate) rank: (usize, usize, usize),
}

impl Template {
    pub(crate) fn parse(text: &str) -> Self {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let segments = path.split('/').filter(|s| !s.is_empty()).map(|segment| {
            let inner = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
            match inner {
                None => Segment::Literal(segment.to_owned()),
                Some(label) => match label.strip_suffix('+') {
                    Some(label) => Segment::Greedy(label.to_owned()),
                    None => Segment::Label(label.to_owned()),
                },
            }
        });
        let query =
            query.split('&').filter(|p| !p.is_empty()).map(|pair| match pair.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (pair.to_owned(), None),
            });
        Self { segments: segments.collect(), query: query.collect() }
    }

    /// Whether that parameter is part of the template.
    pub(crate) fn asks_for(&self, parameter: &str) -> bool {
        self.query.iter().any(|(name, _)| name == parameter)
    }

    /// Holds a path (still encoded) and its parameters against the template.
    pub(crate) fn matches(&self, path: &str, query: &[(String, String)]) -> Option<Match> {
        for (name, value) in &self.query {
            let found = query.iter().find(|(n, _)| n == name)?;
            if value.as_ref().is_some_and(|value| *value != found.1) {
                return None;
            }
        }
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        let mut labels = Vec::new();
        let mut literals = 0;
        for segment in &self.segments {
            if rest.is_empty() {
                return None;
            }
            if let Segment::Greedy(label) = segment {
                labels.push((label.clone(), decode(rest.as_bytes(), false).ok()?));
                rest = "";
                continue;
            }
            let (head, tail) = rest.split_once('/').unwrap_or((rest, ""));
            let head = decode(head.as_bytes(), false).ok()?;
            match segment {
                Segment::Literal(literal) if *literal == head => literals += 1,
                Segment::Label(label) if !head.is_empty() => labels.push((label.clone(), head)),
                _ => return None,
            }
            rest = tail;
        }
        let rank = (self.query.len(), literals, labels.len());
        rest.is_empty().then_some(Match { labels, rank })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_goes_both_ways() {
        assert_eq!(encode("a b/ü~".as_bytes(), true), "a%20b/%C3%BC~");
        assert_eq!(encode(b"a/b", false), "a%2Fb");
        assert_eq!(decode(b"a%20b+c%2f", true), Ok("a b c/".to_owned()));
        assert_eq!(decode(b"a+b", false), Ok("a+b".to_owned()));
        assert_eq!(decode(b"%zz", true), Err(UriError::Escape));
        assert_eq!(decode(b"%", true), Err(UriError::Escape));
        assert_eq!(decode(b"%ff", true), Err(UriError::NotUtf8));
    }

    #[test]
    fn pairs_keep_order_and_are_limited() {
        let read = pairs(b"b=1&a&&c=x=y", true, 3).expect("pairs");
        let expected = [("b", "1"), ("a", ""), ("c", "x=y")];
        assert_eq!(read, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(pairs(b"a&b&c", true, 2), Err(UriError::TooMany(2)));
    }

    #[test]
    fn absolute_targets_lose_their_host() {
        assert_eq!(split("http://h:1/a?b=c"), ("/a", "b=c"));
        assert_eq!(split("http://h"), ("/", ""));
        assert_eq!(split("/?cors"), ("/", "cors"));
    }

    #[test]
    fn templates_take_labels_greedy_keys_and_parameters() {
        let fits = |template: &str, path: &str, query: &[(&str, &str)]| {
            let query: Vec<_> =
                query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            Template::parse(template)
                .matches(path, &query)
                .map(|m| m.labels.into_iter().map(|(_, v)| v).collect::<Vec<_>>().join("|"))
        };
        assert_eq!(fits("/v1/{Id}/x/", "/v1/a%2Fb/x", &[]).as_deref(), Some("a/b"));
        assert_eq!(fits("/v1/{Id}", "/v1/a/", &[]).as_deref(), Some("a"));
        assert_eq!(fits("/{B}/{Key+}", "/b/k/l/", &[]).as_deref(), Some("b|k/l/"));
        assert_eq!(fits("/{B}/{Key+}", "/b/", &[]), None);
        assert_eq!(fits("/{B}?cors", "/b", &[("cors", "")]).as_deref(), Some("b"));
        assert_eq!(fits("/{B}?cors", "/b", &[]), None);
        assert_eq!(fits("/{B}?t=2", "/b", &[("t", "1")]), None);
        assert_eq!(fits("/", "/", &[]).as_deref(), Some(""));
        assert_eq!(fits("/", "/b", &[]), None);
    }
}
