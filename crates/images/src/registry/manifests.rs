//! Manifests by tag or digest, and what lists them: tags, the catalog, referrers.

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Response, StatusCode, header};
use serde_json::json;

use super::body::{Body, full, next_data};
use super::error::{Code, Failure};
use super::route::{Reference, parameter};
use super::{CONTENT_DIGEST, Registry, set};
use crate::digest::Digest;
use crate::error::Error;
use crate::manifest::{Descriptor, Document, OCI_INDEX};
use crate::repository::ImageId;

/// Names in one answer, at most.
const MAX_PAGE: usize = 1000;

impl Reference {
    fn id(&self) -> ImageId {
        match self {
            Self::Tag(tag) => ImageId { tag: Some(tag.clone()), digest: None },
            Self::Digest(digest) => ImageId { tag: None, digest: Some(*digest) },
        }
    }
}

impl Registry {
    /// GET and HEAD.
    pub(super) async fn manifest(
        &self,
        repository: String,
        reference: Reference,
        with_body: bool,
    ) -> Result<Response<Body>, Failure> {
        let found = self.store(move |store| store.manifest(&repository, &reference.id())).await?;
        let (digest, media_type, bytes) = found;
        let length = bytes.len();
        let mut response = Response::new(if with_body { full(bytes) } else { full("") });
        set(&mut response, header::CONTENT_TYPE, &media_type);
        set(&mut response, header::CONTENT_LENGTH, &length.to_string());
        set(&mut response, header::ETAG, &format!("\"{digest}\""));
        set(&mut response, CONTENT_DIGEST, &digest.to_string());
        Ok(response)
    }

    /// PUT.
    pub(super) async fn put_manifest<B>(
        &self,
        repository: String,
        reference: Reference,
        parts: &Parts,
        mut body: B,
    ) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        self.ensure_repository(&repository).await?;
        let limit = self.store.limits().manifest_bytes;
        let mut bytes = BytesMut::new();
        while let Some(data) = next_data(&mut body).await {
            let data = data.map_err(|error| {
                Failure::new(Code::ManifestInvalid, format!("the body ended early: {error}"))
            })?;
            if (bytes.len() + data.len()) as u64 > limit {
                let error = Error::TooLarge { what: "the manifest".to_owned(), limit };
                return Err(self.failure(error));
            }
            bytes.extend_from_slice(&data);
        }
        let bytes = bytes.freeze();
        let media_type =
            parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type =
            media_type.map(|value| value.split(';').next().unwrap_or(value).trim().to_owned());
        let tag = match &reference {
            Reference::Tag(tag) => Some(tag.clone()),
            Reference::Digest(digest) => {
                let found = Digest::of(&bytes);
                if found != *digest {
                    let what = "the manifest".to_owned();
                    let error = Error::DigestMismatch { what, expected: *digest, found };
                    return Err(self.failure(error));
                }
                None
            }
        };
        let name = repository.clone();
        let subject = Document::parse(&bytes, media_type.as_deref())
            .ok()
            .and_then(|document| document.subject().map(|subject| subject.digest));
        let digest = self
            .store(move |store| {
                store.put_manifest(&name, tag.as_deref(), &bytes, media_type.as_deref())
            })
            .await?;
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::CREATED;
        set(&mut response, header::LOCATION, &format!("/v2/{repository}/manifests/{digest}"));
        set(&mut response, CONTENT_DIGEST, &digest.to_string());
        if let Some(subject) = subject {
            let name = header::HeaderName::from_static("oci-subject");
            set(&mut response, name, &subject.to_string());
        }
        Ok(response)
    }

    /// DELETE: a tag alone, or an image with its tags.
    pub(super) async fn delete_manifest(
        &self,
        repository: String,
        reference: Reference,
    ) -> Result<Response<Body>, Failure> {
        self.store(move |store| match reference {
            Reference::Tag(tag) => store.delete_tag(&repository, &tag).map(drop),
            Reference::Digest(digest) => store.delete_manifest(&repository, digest),
        })
        .await?;
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::ACCEPTED;
        Ok(response)
    }

    /// The tags of a repository, a page at a time.
    pub(super) async fn tags(
        &self,
        repository: String,
        query: Option<&str>,
    ) -> Result<Response<Body>, Failure> {
        let name = repository.clone();
        let tags = self.store(move |store| store.tags(&name)).await?;
        let (tags, more) = page(tags, query)?;
        let mut response = json_response(&json!({ "name": repository, "tags": tags }));
        link_to_next(&mut response, &format!("/v2/{repository}/tags/list"), &tags, more);
        Ok(response)
    }

    /// All repositories, a page at a time.
    pub(super) async fn catalog(&self, query: Option<&str>) -> Result<Response<Body>, Failure> {
        let all = self.store(|store| Ok(store.repositories())).await?;
        let names = all.into_iter().map(|repository| repository.name).collect();
        let (names, more) = page(names, query)?;
        let mut response = json_response(&json!({ "repositories": names }));
        link_to_next(&mut response, "/v2/_catalog", &names, more);
        Ok(response)
    }

    /// What is about an image: signatures, SBOMs.
    pub(super) async fn referrers(
        &self,
        repository: String,
        digest: Digest,
        query: Option<&str>,
    ) -> Result<Response<Body>, Failure> {
        let wanted = parameter(query, "artifactType");
        let descriptors = self
            .store(move |store| {
                let about: Vec<_> = {
                    let table = store.table();
                    let manifests = table.required(&repository)?.manifests.iter();
                    manifests
                        .filter(|(_, record)| record.subject == Some(digest))
                        .map(|(digest, record)| (*digest, record.clone()))
                        .collect()
                };
                about
                    .into_iter()
                    .map(|(digest, record)| {
                        let size = store.blobs().size(digest)?.unwrap_or(0);
                        let mut descriptor = Descriptor::new(&record.media_type, digest, size);
                        descriptor.artifact_type = record.artifact_type;
                        descriptor.annotations = store.document(digest)?.annotations().clone();
                        Ok(descriptor)
                    })
                    .collect::<Result<Vec<_>, Error>>()
            })
            .await?;
        let fits = |descriptor: &Descriptor| wanted.is_none() || descriptor.artifact_type == wanted;
        let descriptors: Vec<_> = descriptors.into_iter().filter(fits).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors });
        let mut response = json_response(&index);
        set(&mut response, header::CONTENT_TYPE, OCI_INDEX);
        if wanted.is_some() {
            let name = header::HeaderName::from_static("oci-filters-applied");
            set(&mut response, name, "artifactType");
        }
        Ok(response)
    }
}

fn json_response(value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(full(value.to_string()));
    set(&mut response, header::CONTENT_TYPE, "application/json");
    response
}

/// The names after `last`, at most `n`, and whether there are more.
fn page(names: Vec<String>, query: Option<&str>) -> Result<(Vec<String>, bool), Failure> {
    let count = match parameter(query, "n") {
        None => MAX_PAGE,
        Some(text) => text.parse::<usize>().map(|count| count.min(MAX_PAGE)).map_err(|_| {
            Failure::new(Code::PageInvalid, format!("n is `{text}`, expected a number"))
        })?,
    };
    let last = parameter(query, "last");
    let mut rest: Vec<String> =
        names.into_iter().filter(|name| last.as_ref().is_none_or(|last| name > last)).collect();
    let more = rest.len() > count;
    rest.truncate(count);
    Ok((rest, more))
}

fn link_to_next(response: &mut Response<Body>, path: &str, names: &[String], more: bool) {
    if let Some(last) = names.last().filter(|_| more) {
        let link = format!("<{path}?last={last}&n={}>; rel=\"next\"", names.len());
        set(response, header::LINK, &link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let names = || ["a", "b", "c"].map(str::to_owned).to_vec();
        let seen = |query| page(names(), query).map(|(names, more)| (names.concat(), more)).ok();
        assert_eq!(seen(None), Some(("abc".into(), false)));
        assert_eq!(seen(Some("n=2")), Some(("ab".into(), true)));
        assert_eq!(seen(Some("n=2&last=b")), Some(("c".into(), false)));
        assert_eq!(seen(Some("n=0")), Some((String::new(), true)));
        assert_eq!(seen(Some("n=x")), None);
    }
}
