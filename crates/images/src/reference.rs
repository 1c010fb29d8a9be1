//! Image references: what people write to name an image.

/// `registry/repository:tag@digest`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    /// Host, with a port if any; `None` for Docker Hub's short names.
    pub registry: Option<String>,
    /// E.g. `broxiva/api`.
    pub repository: String,
    /// `latest` when neither tag nor digest is given.
    pub tag: Option<String>,
    /// E.g. `sha256:...`.
    pub digest: Option<String>,
}

/// The text is not an image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an image reference: expected [registry/]repository[:tag][@digest]")]
pub struct InvalidReference(String);

impl std::str::FromStr for ImageReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidReference(text.to_owned());
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) if is_digest(digest) => (rest, Some(digest.to_owned())),
            Some(_) => return Err(invalid()),
            None => (text, None),
        };
        // A colon after the last slash starts the tag; one before it belongs to the registry.
        let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_start..].find(':') {
            Some(colon) => {
                let (name, tag) = rest.split_at(name_start + colon);
                (name, Some(tag[1..].to_owned()))
            }
            None => (rest, None),
        };
        let (registry, mut repository) = match name.split_once('/') {
            Some((host, path)) if is_host(host) => (Some(host.to_owned()), path),
            _ => (None, name),
        };
        if matches!(registry.as_deref(), None | Some("docker.io")) {
            repository = repository.strip_prefix("library/").unwrap_or(repository);
        }
        let registry = registry.filter(|host| host != "docker.io");
        if !repository.split('/').all(is_path_component) || !tag.as_deref().is_none_or(is_tag) {
            return Err(invalid());
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { registry, repository: repository.to_owned(), tag, digest })
    }
}

/// The first part of a name is a registry when it cannot be a repository's.
fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

pub(crate) fn is_path_component(part: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    part.bytes().all(|b| inside(b) || matches!(b, b'.' | b'_' | b'-'))
        && part.bytes().next().is_some_and(inside)
        && part.bytes().last().is_some_and(inside)
}

pub(crate) fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty() && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_apart() {
        const ECR: &str = "000000000000.dkr.ecr.us-east-1.amazonaws.com";
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, registry, repository, tag, with_digest) in [
            (format!("{ECR}/broxiva/api:v1"), Some(ECR), "broxiva/api", Some("v1"), false),
            (format!("{ECR}/api@{digest}"), Some(ECR), "api", None, true),
            (format!("{ECR}/api:v2@{digest}"), Some(ECR), "api", Some("v2"), true),
            ("python:3.11-slim".into(), None, "python", Some("3.11-slim"), false),
            ("docker.io/library/nginx".into(), None, "nginx", Some("latest"), false),
            ("localhost:5000/a/b".into(), Some("localhost:5000"), "a/b", Some("latest"), false),
            ("team/app".into(), None, "team/app", Some("latest"), false),
        ] {
            let parsed: ImageReference = text.parse().expect(&text);
            assert_eq!(parsed.registry.as_deref(), registry, "{text}");
            assert_eq!(parsed.repository, repository, "{text}");
            assert_eq!(parsed.tag.as_deref(), tag, "{text}");
            assert_eq!(parsed.digest.is_some(), with_digest, "{text}");
        }
        for bad in ["", "UPPER/case", "a b", "a:", "a:-x", "a@sha256:xyz", "/a", "a/", "a//b"] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
    }
}
