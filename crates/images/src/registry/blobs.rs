//! Blobs, whole or in part.

use http::{HeaderMap, Response, StatusCode, header};

use super::body::{Body, file, full};
use super::error::{Code, Failure};
use super::route::byte_range;
use super::{CONTENT_DIGEST, Registry, set};
use crate::digest::Digest;

impl Registry {
    /// GET and HEAD.
    pub(super) async fn blob(
        &self,
        repository: String,
        digest: Digest,
        headers: &HeaderMap,
        with_body: bool,
    ) -> Result<Response<Body>, Failure> {
        let opened = self
            .store(move |store| {
                store.repository(&repository)?;
                let _kept = store.keep_content();
                let opened = store.blobs().open(digest)?;
                // Who asks whether it is there may be about to push an image that needs it.
                store.blobs().touch(digest)?;
                Ok(opened)
            })
            .await;
        let (blob, length) = opened.map_err(unknown)?;
        let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
        // Several ranges, or other units, may be answered with the whole.
        let range = range.filter(|range| range.starts_with("bytes=") && !range.contains(','));
        let (status, first, count) = match range.map(|range| byte_range(range, length)) {
            None => (StatusCode::OK, 0, length),
            Some(Some((first, last))) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Some(None) => {
                let text = format!("the blob has {length} bytes");
                let mut response = Failure::new(Code::RangeInvalid, text).response();
                set(&mut response, header::CONTENT_RANGE, &format!("bytes */{length}"));
                return Ok(response);
            }
        };
        let body = if with_body { file(blob, first, count) } else { full("") };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
        set(&mut response, header::CONTENT_LENGTH, &count.to_string());
        set(&mut response, header::ACCEPT_RANGES, "bytes");
        set(&mut response, header::ETAG, &format!("\"{digest}\""));
        set(&mut response, CONTENT_DIGEST, &digest.to_string());
        if status == StatusCode::PARTIAL_CONTENT {
            let last = first + count - 1;
            set(&mut response, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
        }
        Ok(response)
    }

    /// DELETE: only what no image needs; layers are shared by all repositories.
    pub(super) async fn delete_blob(
        &self,
        repository: String,
        digest: Digest,
    ) -> Result<Response<Body>, Failure> {
        let deleted = self.store(move |store| {
            store.repository(&repository)?;
            store.delete_blob(digest)
        });
        deleted.await.map_err(unknown)?;
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::ACCEPTED;
        Ok(response)
    }
}

/// A blob that is not there is a manifest's trouble elsewhere; here it is what was asked for.
fn unknown(failure: Failure) -> Failure {
    match failure.code {
        Code::ManifestBlobUnknown => {
            let error = "blob unknown to registry";
            Failure::new(Code::BlobUnknown, error)
        }
        _ => failure,
    }
}
