//! What is done with repositories and the images in them: the operations an ECR API stands on.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::error::Error;
use crate::lifecycle::{LifecycleImage, LifecyclePolicy};
use crate::manifest::Document;
use crate::repository::{
    ImageDetail, ImageFailure, ImageId, ManifestRecord, Repository, RepositoryDetail,
    RepositorySettings, check_tag,
};
use crate::store::{ImageStore, now_ms};

impl ImageStore {
    /// Makes an empty repository.
    ///
    /// # Errors
    /// When the name is taken or not one, or the lifecycle policy is none.
    pub fn create_repository(
        &self,
        name: &str,
        settings: RepositorySettings,
    ) -> Result<RepositoryDetail, Error> {
        self.check_writable()?;
        check_policy(&settings)?;
        let repository = Repository::new(name, settings, now_ms());
        let detail = repository.detail();
        self.table().create(repository)?;
        Ok(detail)
    }

    /// Makes a repository with default settings if there is none of that name.
    ///
    /// # Errors
    /// When the name is not one.
    pub fn ensure_repository(&self, name: &str) -> Result<(), Error> {
        match self.create_repository(name, RepositorySettings::default()) {
            Err(Error::RepositoryExists { .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Removes a repository; with `force` also one that has images. Their blobs are freed by the
    /// next [`ImageStore::collect_garbage`].
    ///
    /// # Errors
    /// When there is none, or it has images and `force` is off.
    pub fn delete_repository(&self, name: &str, force: bool) -> Result<RepositoryDetail, Error> {
        self.check_writable()?;
        let mut table = self.table();
        let detail = table.required(name)?.detail();
        if detail.images > 0 && !force {
            return Err(Error::RepositoryNotEmpty { name: name.to_owned() });
        }
        table.remove(name)?;
        Ok(detail)
    }

    /// All repositories, by name.
    pub fn repositories(&self) -> Vec<RepositoryDetail> {
        self.table().all().map(Repository::detail).collect()
    }

    /// One repository.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn repository(&self, name: &str) -> Result<RepositoryDetail, Error> {
        self.table().required(name).map(Repository::detail)
    }

    /// Changes a repository's settings.
    ///
    /// # Errors
    /// When there is no such repository, or the lifecycle policy is none.
    pub fn put_settings(&self, name: &str, settings: RepositorySettings) -> Result<(), Error> {
        self.change_settings(name, |old| *old = settings).map(drop)
    }

    /// Changes some of a repository's settings; the repository afterwards.
    ///
    /// # Errors
    /// When there is no such repository, or the lifecycle policy is none.
    pub fn change_settings(
        &self,
        name: &str,
        change: impl FnOnce(&mut RepositorySettings),
    ) -> Result<RepositoryDetail, Error> {
        self.check_writable()?;
        self.table().update(name, |repository| {
            change(&mut repository.settings);
            check_policy(&repository.settings)?;
            Ok(repository.detail())
        })
    }

    /// The images of a repository, newest first.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn images(&self, repository: &str) -> Result<Vec<ImageDetail>, Error> {
        let table = self.table();
        let repository = table.required(repository)?;
        let digests = repository.manifests.keys();
        let mut images: Vec<_> = digests.filter_map(|digest| repository.image(*digest)).collect();
        images.sort_by_key(|image| std::cmp::Reverse(image.pushed_at_ms));
        Ok(images)
    }

    /// One image of a repository.
    ///
    /// # Errors
    /// When there is no such repository or image.
    pub fn image(&self, repository: &str, id: &ImageId) -> Result<ImageDetail, Error> {
        let table = self.table();
        let repository = table.required(repository)?;
        let found = repository.find(id).and_then(|digest| repository.image(digest));
        found.ok_or_else(|| image_not_found(&repository.name, id))
    }

    /// The tags of a repository, sorted.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn tags(&self, repository: &str) -> Result<Vec<String>, Error> {
        Ok(self.table().required(repository)?.tags.keys().cloned().collect())
    }

    /// The bytes of an image's manifest or index, with its media type and digest.
    ///
    /// # Errors
    /// When there is no such repository or image.
    pub fn manifest(
        &self,
        repository: &str,
        id: &ImageId,
    ) -> Result<(Digest, String, Vec<u8>), Error> {
        let image = self.image(repository, id)?;
        let bytes = self.blobs().read_any(image.digest, self.limits().manifest_bytes)?;
        Ok((image.digest, image.media_type, bytes))
    }

    /// Puts a manifest or index there, whose blobs are in the store already, under a tag if one is
    /// given. `media_type` is what it was announced as.
    ///
    /// # Errors
    /// When it is no manifest, something it needs is missing, the tag may not move, or there is no
    /// such repository.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        bytes: &[u8],
        media_type: Option<&str>,
    ) -> Result<Digest, Error> {
        let document = Document::parse(bytes, media_type)
            .map_err(|problem| Error::Invalid { what: "the manifest".to_owned(), problem })?;
        self.record(repository, tag, bytes, &document, MissingMembers::Refused)
    }

    /// Stores a document and records it in a repository.
    pub(crate) fn record(
        &self,
        repository: &str,
        tag: Option<&str>,
        bytes: &[u8],
        document: &Document,
        missing: MissingMembers,
    ) -> Result<Digest, Error> {
        let _kept = self.keep_content();
        self.record_kept(repository, tag, bytes, document, missing)
    }

    /// As [`ImageStore::record`], for callers that keep the content already.
    pub(crate) fn record_kept(
        &self,
        repository: &str,
        tag: Option<&str>,
        bytes: &[u8],
        document: &Document,
        missing: MissingMembers,
    ) -> Result<Digest, Error> {
        self.check_writable()?;
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        let limit = self.limits().manifest_bytes;
        if bytes.len() as u64 > limit {
            return Err(Error::TooLarge { what: "the manifest".to_owned(), limit });
        }
        self.table().required(repository)?;
        let size_bytes = self.check_parts(document, missing)?;
        let digest = self.blobs().put(bytes)?;
        self.blobs().sync_names()?;
        let members = match document {
            Document::Index(index) => index.manifests.iter().map(|member| member.digest).collect(),
            Document::Manifest(_) => Vec::new(),
        };
        let record = ManifestRecord {
            media_type: document.media_type().to_owned(),
            artifact_type: document.artifact_type().map(str::to_owned),
            size_bytes,
            pushed_at_ms: now_ms(),
            members,
            subject: document.subject().map(|subject| subject.digest),
        };
        self.table().update(repository, |repository| repository.put(digest, record, tag))?;
        Ok(digest)
    }

    /// Checks that what a document needs is there, as long as it says; the sum of it.
    fn check_parts(&self, document: &Document, missing: MissingMembers) -> Result<u64, Error> {
        let is_index = matches!(document, Document::Index(_));
        let mut sum = 0_u64;
        for part in document.needs() {
            match self.blobs().size(part.digest)? {
                Some(found) if found == part.size => {}
                Some(found) => {
                    let what = format!("the blob {}", part.digest);
                    return Err(Error::SizeMismatch { what, expected: part.size, found });
                }
                None if is_index && missing == MissingMembers::Allowed => continue,
                None => return Err(Error::BlobMissing { digest: part.digest }),
            }
            sum = sum.saturating_add(part.size);
        }
        Ok(sum)
    }

    /// Gives an image of the repository another tag.
    ///
    /// # Errors
    /// When there is no such repository or image, or the tag may not move.
    pub fn tag_image(&self, repository: &str, digest: Digest, tag: &str) -> Result<(), Error> {
        self.check_writable()?;
        check_tag(tag)?;
        self.table().update(repository, |repository| {
            let Some(record) = repository.manifests.get(&digest).cloned() else {
                let id = ImageId { digest: Some(digest), tag: None };
                return Err(image_not_found(&repository.name, &id));
            };
            repository.put(digest, record, Some(tag))
        })
    }

    /// Takes a tag away; the image stays, untagged if it was the last one.
    ///
    /// # Errors
    /// When there is no such repository or tag.
    pub fn delete_tag(&self, repository: &str, tag: &str) -> Result<Digest, Error> {
        self.check_writable()?;
        self.table().update(repository, |repository| repository.remove_tag(tag, true))
    }

    /// Takes an image away with all its tags. Its blobs are freed by the next
    /// [`ImageStore::collect_garbage`].
    ///
    /// # Errors
    /// When there is no such repository or image, or an index of the repository needs it.
    pub fn delete_manifest(&self, repository: &str, digest: Digest) -> Result<(), Error> {
        self.check_writable()?;
        self.table().update(repository, |repository| repository.remove(digest))
    }

    /// ECR's BatchDeleteImage: by digest with all tags, by tag the tag alone, and the image with
    /// its last tag.
    ///
    /// # Errors
    /// When there is no such repository. What is wrong with one image is among the failures.
    pub fn delete_images(
        &self,
        repository: &str,
        ids: &[ImageId],
    ) -> Result<(Vec<ImageId>, Vec<ImageFailure>), Error> {
        self.check_writable()?;
        self.table().update(repository, |repository| {
            let (mut deleted, mut failures) = (Vec::new(), Vec::new());
            for id in ids {
                match delete(repository, id) {
                    Ok(gone) => deleted.extend(gone),
                    Err(failure) => failures.push(failure),
                }
            }
            Ok((deleted, failures))
        })
    }

    /// The images that a lifecycle policy would let expire now, with the priority of the rule.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn expiring(
        &self,
        repository: &str,
        policy: &LifecyclePolicy,
        now_ms: u64,
    ) -> Result<Vec<(ImageDetail, u32)>, Error> {
        let table = self.table();
        let repository = table.required(repository)?;
        let expiring = policy.evaluate(&lifecycle_images(repository), now_ms).into_iter();
        let mut found: Vec<_> = expiring
            .filter_map(|(digest, priority)| Some((repository.image(digest)?, priority)))
            .collect();
        found.sort_by_key(|(image, _)| image.digest);
        Ok(found)
    }

    /// Deletes what the repository's lifecycle policy lets expire; the images deleted.
    ///
    /// # Errors
    /// When there is no such repository, or its policy cannot be read.
    pub fn apply_lifecycle_policy(
        &self,
        repository: &str,
        now_ms: u64,
    ) -> Result<Vec<Digest>, Error> {
        self.check_writable()?;
        self.table().update(repository, |repository| {
            let Some(policy) = &repository.settings.lifecycle_policy else { return Ok(Vec::new()) };
            let policy: LifecyclePolicy = policy.parse()?;
            let expired: Vec<_> = policy
                .evaluate(&lifecycle_images(repository), now_ms)
                .into_iter()
                .map(|(digest, _)| digest)
                .collect();
            // Indexes before their members, which cannot go while an index needs them.
            let mut left: BTreeSet<Digest> = expired.iter().copied().collect();
            let mut gone = Vec::new();
            loop {
                let before = gone.len();
                left.retain(|digest| match repository.remove(*digest) {
                    Ok(()) => {
                        gone.push(*digest);
                        false
                    }
                    Err(_) => true,
                });
                if gone.len() == before {
                    return Ok(gone);
                }
            }
        })
    }
}

/// Whether an index may name images that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissingMembers {
    /// As registries have it.
    Refused,
    /// As archives have it, which are often written with one platform only.
    Allowed,
}

fn check_policy(settings: &RepositorySettings) -> Result<(), Error> {
    if let Some(policy) = &settings.lifecycle_policy {
        policy.parse::<LifecyclePolicy>()?;
    }
    Ok(())
}

fn image_not_found(repository: &str, id: &ImageId) -> Error {
    let id = match (&id.digest, &id.tag) {
        (Some(digest), None) => format!("imageId {{imageDigest:'{digest}', imageTag:'null'}}"),
        (Some(digest), Some(tag)) => {
            format!("imageId {{imageDigest:'{digest}', imageTag:'{tag}'}}")
        }
        (None, tag) => {
            let tag = tag.as_deref().unwrap_or("null");
            format!("imageId {{imageDigest:'null', imageTag:'{tag}'}}")
        }
    };
    Error::ImageNotFound { repository: repository.to_owned(), id }
}

/// The images of a repository, as the lifecycle policy looks at them.
fn lifecycle_images(repository: &Repository) -> Vec<LifecycleImage> {
    let details = repository.manifests.keys().filter_map(|digest| repository.image(*digest));
    let image = |detail: ImageDetail| LifecycleImage {
        digest: detail.digest,
        tags: detail.tags,
        pushed_at_ms: detail.pushed_at_ms,
        is_member: repository.list_with(detail.digest).is_some(),
    };
    details.map(image).collect()
}

fn delete(repository: &mut Repository, id: &ImageId) -> Result<Vec<ImageId>, ImageFailure> {
    let failure = |code, reason: String| ImageFailure { id: id.clone(), code, reason };
    let Some(digest) = repository.find(id) else {
        let (code, reason) = match (&id.digest, &id.tag) {
            (None, None) => (
                "MissingDigestAndTag",
                "Invalid request parameters: both tag and digest cannot be null",
            ),
            (Some(_), Some(_)) => {
                ("ImageTagDoesNotMatchDigest", "Requested image tag does not match the digest")
            }
            _ => ("ImageNotFound", "Requested image not found"),
        };
        return Err(failure(code, reason.to_owned()));
    };
    match &id.tag {
        Some(tag) => match repository.remove_tag(tag, false) {
            Ok(_) => Ok(vec![ImageId { digest: Some(digest), tag: Some(tag.clone()) }]),
            Err(error) => Err(failure("ImageNotFound", error.to_string())),
        },
        None => {
            let tags = repository.image(digest).map(|image| image.tags).unwrap_or_default();
            repository.remove(digest).map_err(|error| match error {
                Error::ReferencedByList { .. } => {
                    failure("ImageReferencedByManifestList", error.to_string())
                }
                error => failure("ImageNotFound", error.to_string()),
            })?;
            let gone = |tag| ImageId { digest: Some(digest), tag };
            if tags.is_empty() {
                return Ok(vec![gone(None)]);
            }
            Ok(tags.into_iter().map(|tag| gone(Some(tag))).collect())
        }
    }
}
