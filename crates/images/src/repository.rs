//! A repository: its settings, its tags, its images. What ECR tells of one, without ECR's shapes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Error;
use crate::reference::{is_path_component, is_tag};

/// Whether a tag may be moved to another image once it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagMutability {
    /// Tags stay where they are.
    pub immutable: bool,
    /// Tags for which the opposite holds, `*` standing for any characters (ECR's
    /// `*_WITH_EXCLUSION`).
    #[serde(default)]
    pub exclusions: Vec<String>,
}

impl TagMutability {
    /// Whether this tag may not be moved.
    pub fn is_immutable(&self, tag: &str) -> bool {
        let excluded = self.exclusions.iter().any(|pattern| matches_pattern(pattern, tag));
        self.immutable != excluded
    }
}

/// Whether a text has the form of a pattern in which `*` stands for any characters.
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last)
}

/// What can be set of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositorySettings {
    /// Whether tags may be moved.
    #[serde(default)]
    pub tag_mutability: TagMutability,
    /// ECR's scan on push. Kept for those who ask for it; nothing is scanned.
    #[serde(default)]
    pub scan_on_push: bool,
    /// The lifecycle policy as it was given (JSON); see [`crate::LifecyclePolicy`].
    #[serde(default)]
    pub lifecycle_policy: Option<String>,
    /// The repository's resource policy as it was given (JSON). Kept for those who ask for it.
    #[serde(default)]
    pub policy: Option<String>,
    /// How images are to be encrypted at rest. Kept for those who ask for it.
    #[serde(default)]
    pub encryption: Encryption,
    /// AWS resource tags.
    #[serde(default)]
    pub resource_tags: BTreeMap<String, String>,
}

/// How images are to be encrypted at rest, in ECR's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// `AES256`, `KMS` or `KMS_DSSE`.
    pub kind: String,
    /// The ARN of a key.
    pub key: Option<String>,
}

impl Default for Encryption {
    fn default() -> Self {
        Self { kind: "AES256".to_owned(), key: None }
    }
}

/// A repository as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryDetail {
    /// E.g. `broxiva/api`.
    pub name: String,
    /// Milliseconds since 1970.
    pub created_at_ms: u64,
    /// What was set.
    pub settings: RepositorySettings,
    /// How many images (manifests and indexes) it has.
    pub images: usize,
}

/// An image of a repository as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDetail {
    /// Its manifest or index.
    pub digest: Digest,
    /// Its tags, sorted.
    pub tags: Vec<String>,
    /// Bytes of configuration and layers as they are stored (compressed).
    pub size_bytes: u64,
    /// When it came, in milliseconds since 1970.
    pub pushed_at_ms: u64,
    /// Media type of the manifest or index.
    pub media_type: String,
    /// What it is, where the manifest says so: the configuration's media type for images.
    pub artifact_type: Option<String>,
}

/// What names an image within a repository: a tag, a digest, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageId {
    /// The manifest.
    pub digest: Option<Digest>,
    /// A tag.
    pub tag: Option<String>,
}

/// Why one of several images could not be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFailure {
    /// Which one.
    pub id: ImageId,
    /// ECR's code, e.g. `ImageNotFound`.
    pub code: &'static str,
    /// In words.
    pub reason: String,
}

/// A manifest in a repository, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ManifestRecord {
    pub(crate) media_type: String,
    pub(crate) artifact_type: Option<String>,
    pub(crate) size_bytes: u64,
    pub(crate) pushed_at_ms: u64,
    /// The manifests of an index.
    #[serde(default)]
    pub(crate) members: Vec<Digest>,
    /// What a signature or SBOM is about.
    #[serde(default)]
    pub(crate) subject: Option<Digest>,
}

/// A repository, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Repository {
    pub(crate) name: String,
    pub(crate) created_at_ms: u64,
    pub(crate) settings: RepositorySettings,
    pub(crate) manifests: BTreeMap<Digest, ManifestRecord>,
    pub(crate) tags: BTreeMap<String, Digest>,
}

impl Repository {
    pub(crate) fn new(name: &str, settings: RepositorySettings, now_ms: u64) -> Self {
        Self {
            name: name.to_owned(),
            created_at_ms: now_ms,
            settings,
            manifests: BTreeMap::new(),
            tags: BTreeMap::new(),
        }
    }

    pub(crate) fn detail(&self) -> RepositoryDetail {
        RepositoryDetail {
            name: self.name.clone(),
            created_at_ms: self.created_at_ms,
            settings: self.settings.clone(),
            images: self.manifests.len(),
        }
    }

    pub(crate) fn image(&self, digest: Digest) -> Option<ImageDetail> {
        let record = self.manifests.get(&digest)?;
        let tags = self.tags.iter().filter(|(_, tagged)| **tagged == digest);
        Some(ImageDetail {
            digest,
            tags: tags.map(|(tag, _)| tag.clone()).collect(),
            size_bytes: record.size_bytes,
            pushed_at_ms: record.pushed_at_ms,
            media_type: record.media_type.clone(),
            artifact_type: record.artifact_type.clone(),
        })
    }

    /// The digest an id stands for.
    pub(crate) fn find(&self, id: &ImageId) -> Option<Digest> {
        let by_tag = id.tag.as_ref().map(|tag| self.tags.get(tag).copied());
        let digest = match (id.digest, by_tag) {
            (Some(digest), None) => Some(digest),
            (Some(digest), Some(tagged)) => tagged.filter(|tagged| *tagged == digest),
            (None, tagged) => tagged.flatten(),
        };
        digest.filter(|digest| self.manifests.contains_key(digest))
    }

    /// Puts an image there, under a tag if one is given.
    pub(crate) fn put(
        &mut self,
        digest: Digest,
        record: ManifestRecord,
        tag: Option<&str>,
    ) -> Result<(), Error> {
        if let Some(tag) = tag {
            let taken = self.tags.get(tag).is_some_and(|tagged| *tagged != digest);
            if taken && self.settings.tag_mutability.is_immutable(tag) {
                let (repository, tag) = (self.name.clone(), tag.to_owned());
                return Err(Error::TagImmutable { repository, tag });
            }
            self.tags.insert(tag.to_owned(), digest);
        }
        // An image that comes again keeps the time it first came.
        self.manifests.entry(digest).or_insert(record);
        Ok(())
    }

    /// The index that has this manifest as a member.
    pub(crate) fn list_with(&self, digest: Digest) -> Option<Digest> {
        let mut lists = self.manifests.iter();
        lists.find(|(_, record)| record.members.contains(&digest)).map(|(list, _)| *list)
    }

    /// Takes an image and its tags away.
    pub(crate) fn remove(&mut self, digest: Digest) -> Result<(), Error> {
        if let Some(list) = self.list_with(digest) {
            return Err(Error::ReferencedByList { digest, list });
        }
        if self.manifests.remove(&digest).is_none() {
            let (repository, id) = (self.name.clone(), format!("imageDigest '{digest}'"));
            return Err(Error::ImageNotFound { repository, id });
        }
        self.tags.retain(|_, tagged| *tagged != digest);
        Ok(())
    }

    /// Takes one tag away. As in ECR, an image goes with its last tag.
    pub(crate) fn remove_tag(&mut self, tag: &str, keep_untagged: bool) -> Result<Digest, Error> {
        let Some(digest) = self.tags.remove(tag) else {
            let (repository, id) = (self.name.clone(), format!("imageTag '{tag}'"));
            return Err(Error::ImageNotFound { repository, id });
        };
        let untagged = !self.tags.values().any(|tagged| *tagged == digest);
        if untagged && !keep_untagged && self.list_with(digest).is_none() {
            self.manifests.remove(&digest);
        }
        Ok(digest)
    }
}

/// Checks a repository's name by ECR's rules.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let fits = (2..=256).contains(&name.len()) && name.split('/').all(is_path_component);
    if fits { Ok(()) } else { Err(Error::InvalidRepository { name: name.to_owned() }) }
}

/// Checks a tag.
pub(crate) fn check_tag(tag: &str) -> Result<(), Error> {
    if is_tag(tag) { Ok(()) } else { Err(Error::InvalidTag { tag: tag.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("*", "v1", true),
            ("v*", "v1", true),
            ("v*", "w", false),
            ("v1", "v1", true),
            ("v1", "v12", false),
            ("*-dev", "a-dev", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "abcb", false),
            ("ab*bc", "abc", false),
            ("", "", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn exclusions_turn_the_rule_around() {
        let exclusions = vec!["latest".to_owned(), "dev-*".to_owned()];
        let immutable = TagMutability { immutable: true, exclusions: exclusions.clone() };
        assert!(immutable.is_immutable("v1"));
        assert!(!immutable.is_immutable("latest") && !immutable.is_immutable("dev-3"));
        let mutable = TagMutability { immutable: false, exclusions };
        assert!(!mutable.is_immutable("v1") && mutable.is_immutable("dev-3"));
    }

    #[test]
    fn names() {
        for good in ["ab", "broxiva/api", "a1/b.c/d_e-f", "python"] {
            check_name(good).expect(good);
        }
        let long = "a".repeat(257);
        for bad in ["a", "", "A/b", "/ab", "ab/", "a//b", "../x", "a/../b", "a/.", "_x/a", &long] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
