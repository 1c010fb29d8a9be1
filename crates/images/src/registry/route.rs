//! What a request's path and query ask for.

use crate::digest::Digest;
use crate::repository::check_name;

use super::error::{Code, Failure};

/// A resource of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v2/`: is this a registry, and may I?
    Base,
    Catalog,
    Blob {
        repository: String,
        digest: Digest,
    },
    /// Where uploads begin.
    Uploads {
        repository: String,
    },
    Upload {
        repository: String,
        id: String,
    },
    Manifest {
        repository: String,
        reference: Reference,
    },
    Tags {
        repository: String,
    },
    Referrers {
        repository: String,
        digest: Digest,
    },
}

/// What names a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    Tag(String),
    Digest(Digest),
}

/// Reads a path. Repository names have slashes in them, so the end decides.
pub(super) fn route(path: &str) -> Result<Route, Failure> {
    let rest = match path {
        "/v2" | "/v2/" => return Ok(Route::Base),
        "/v2/_catalog" => return Ok(Route::Catalog),
        path => path.strip_prefix("/v2/").ok_or_else(no_such_page)?,
    };
    let parts: Vec<&str> = rest.split('/').collect();
    match &parts[..] {
        [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
            Ok(Route::Uploads { repository: repository(name)? })
        }
        [name @ .., "blobs", "uploads", id] => {
            Ok(Route::Upload { repository: repository(name)?, id: (*id).to_owned() })
        }
        [name @ .., "blobs", digest] => {
            Ok(Route::Blob { repository: repository(name)?, digest: parse_digest(digest)? })
        }
        [name @ .., "manifests", reference] => Ok(Route::Manifest {
            repository: repository(name)?,
            reference: parse_reference(reference)?,
        }),
        [name @ .., "tags", "list"] => Ok(Route::Tags { repository: repository(name)? }),
        [name @ .., "referrers", digest] => {
            Ok(Route::Referrers { repository: repository(name)?, digest: parse_digest(digest)? })
        }
        _ => Err(no_such_page()),
    }
}

fn no_such_page() -> Failure {
    Failure::new(Code::NotFound, "there is nothing at this path")
}

fn repository(parts: &[&str]) -> Result<String, Failure> {
    let name = parts.join("/");
    check_name(&name).map_err(|error| Failure::new(Code::NameInvalid, error.to_string()))?;
    Ok(name)
}

pub(super) fn parse_digest(text: &str) -> Result<Digest, Failure> {
    text.parse()
        .map_err(|error: crate::InvalidDigest| Failure::new(Code::DigestInvalid, error.to_string()))
}

fn parse_reference(text: &str) -> Result<Reference, Failure> {
    if text.contains(':') {
        return parse_digest(text).map(Reference::Digest);
    }
    crate::repository::check_tag(text)
        .map_err(|error| Failure::new(Code::TagInvalid, error.to_string()))?;
    Ok(Reference::Tag(text.to_owned()))
}

/// The value of a query parameter, decoded.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    query?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| decode(value))
    })
}

/// Undoes percent encoding; what is none is left as it is, `+` too: media types have it, nothing here
/// has spaces.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let value = escaped
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(value.unwrap_or(bytes[at]));
        if value.is_some() {
            at += 2;
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// One byte range of a resource, first and last byte.
pub(super) fn byte_range(header: &str, length: u64) -> Option<(u64, u64)> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first, last) {
        ("", suffix) => (length.saturating_sub(suffix.parse().ok()?), length.checked_sub(1)?),
        (first, "") => (first.parse().ok()?, length.checked_sub(1)?),
        (first, last) => {
            (first.parse().ok()?, last.parse::<u64>().ok()?.min(length.checked_sub(1)?))
        }
    };
    (range.0 <= range.1 && range.1 < length).then_some(range)
}

/// First and last byte of an upload's chunk: `0-99`, as this protocol writes it.
pub(super) fn content_range(header: &str) -> Option<(u64, u64)> {
    let range = header.strip_prefix("bytes ").unwrap_or(header);
    let range = range.split('/').next().unwrap_or(range);
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        let digest = Digest::of(b"x");
        let name = || "team/blobs/api".to_owned();
        let blob = format!("/v2/team/blobs/api/blobs/{digest}");
        let by_digest = format!("/v2/team/blobs/api/manifests/{digest}");
        for (path, expected) in [
            ("/v2/", Route::Base),
            ("/v2/_catalog", Route::Catalog),
            (blob.as_str(), Route::Blob { repository: name(), digest }),
            ("/v2/team/blobs/api/blobs/uploads/", Route::Uploads { repository: name() }),
            ("/v2/team/blobs/api/blobs/uploads", Route::Uploads { repository: name() }),
            (
                "/v2/team/blobs/api/blobs/uploads/a1",
                Route::Upload { repository: name(), id: "a1".into() },
            ),
            (
                "/v2/team/blobs/api/manifests/v1",
                Route::Manifest { repository: name(), reference: Reference::Tag("v1".into()) },
            ),
            (
                by_digest.as_str(),
                Route::Manifest { repository: name(), reference: Reference::Digest(digest) },
            ),
            ("/v2/team/blobs/api/tags/list", Route::Tags { repository: name() }),
        ] {
            assert_eq!(route(path).ok(), Some(expected), "{path}");
        }
        for (path, code) in [
            ("/", Code::NotFound),
            ("/v1/x", Code::NotFound),
            ("/v2/api", Code::NotFound),
            ("/v2/API/manifests/v1", Code::NameInvalid),
            ("/v2/../x/manifests/v1", Code::NameInvalid),
            ("/v2//manifests/v1", Code::NameInvalid),
            ("/v2/api/blobs/sha256:x", Code::DigestInvalid),
            ("/v2/api/manifests/.x", Code::TagInvalid),
        ] {
            assert_eq!(route(path).map_err(|failure| failure.code).err(), Some(code), "{path}");
        }
    }

    #[test]
    fn parameters_and_ranges() {
        let query = Some("mount=sha256%3Aab&from=a%2Fb&n=3&x");
        assert_eq!(parameter(query, "mount").as_deref(), Some("sha256:ab"));
        assert_eq!(parameter(query, "from").as_deref(), Some("a/b"));
        assert_eq!(parameter(query, "x").as_deref(), Some(""));
        assert_eq!(parameter(query, "y"), None);
        assert_eq!(parameter(Some("t=a/b+json"), "t").as_deref(), Some("a/b+json"));
        assert_eq!(parameter(Some("a=%zz%4"), "a").as_deref(), Some("%zz%4"));
        for (header, range) in [
            ("bytes=0-0", Some((0, 0))),
            ("bytes=2-", Some((2, 9))),
            ("bytes=-3", Some((7, 9))),
            ("bytes=5-99", Some((5, 9))),
            ("bytes=10-", None),
            ("bytes=3-2", None),
            ("bytes=a-b", None),
            ("0-1", None),
        ] {
            assert_eq!(byte_range(header, 10), range, "{header}");
        }
        assert_eq!(byte_range("bytes=0-", 0), None);
        assert_eq!(content_range("0-9"), Some((0, 9)));
        assert_eq!(content_range("bytes 3-9/*"), Some((3, 9)));
        assert_eq!(content_range("9-3"), None);
    }
}
