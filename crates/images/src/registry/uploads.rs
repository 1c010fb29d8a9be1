//! Uploads of blobs: in one request, in chunks, resumed, or mounted from another repository.
//!
//! What has arrived stays when a connection breaks, so a client may ask how far it got and go on.
//! An upload does not outlive the process; the client begins it again then.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode, header};
use tokio::sync::OwnedMutexGuard;

use super::Registry;
use super::body::{Body, next_data};
use super::error::{Code, Failure};
use super::route::{content_range, parameter, parse_digest};
use crate::blobs::{Expected, check};
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::remove_tree::remove;

/// Written at a time.
const CHUNK: usize = 1 << 20;
/// Uploads nobody went on with for so long are given up.
const IDLE: Duration = Duration::from_secs(60 * 60);
/// At the same time. A client that begins more than it ends is broken.
const MAX_UPLOADS: usize = 1000;

/// The uploads under way.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    by_id: Mutex<HashMap<String, Session>>,
}

#[derive(Debug)]
struct Session {
    repository: String,
    last_used: Instant,
    upload: Arc<tokio::sync::Mutex<Upload>>,
}

/// One upload: its file, and the digest of what is in it.
struct Upload {
    file: File,
    path: PathBuf,
    hasher: Hasher,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Renamed away when it became a blob; a leftover is swept when the store is opened.
        let _ = remove(&self.path);
    }
}

type Held = OwnedMutexGuard<Upload>;

impl Uploads {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, repository: &str, directory: PathBuf) -> Result<String, Failure> {
        let mut sessions = self.sessions();
        sessions.retain(|_, session| session.last_used.elapsed() < IDLE);
        if sessions.len() >= MAX_UPLOADS {
            return Err(Failure::new(
                Code::TooMany,
                "too many uploads are under way; finish some first",
            ));
        }
        let id = random_id().map_err(internal)?;
        let path = directory.join(&id);
        let file = File::create_new(&path).map_err(internal)?;
        let upload = Upload { file, path, hasher: Hasher::default() };
        let session = Session {
            repository: repository.to_owned(),
            last_used: Instant::now(),
            upload: Arc::new(tokio::sync::Mutex::new(upload)),
        };
        sessions.insert(id.clone(), session);
        Ok(id)
    }

    /// The upload, once nobody else writes to it.
    async fn hold(&self, repository: &str, id: &str) -> Result<Held, Failure> {
        let upload = {
            let mut sessions = self.sessions();
            let session = sessions.get_mut(id).filter(|session| session.repository == repository);
            let session = session.ok_or_else(|| {
                Failure::new(
                    Code::UploadUnknown,
                    format!("there is no upload {id}; begin it again"),
                )
            })?;
            session.last_used = Instant::now();
            session.upload.clone()
        };
        Ok(upload.lock_owned().await)
    }

    fn end(&self, id: &str) {
        self.sessions().remove(id);
    }
}

fn internal(error: std::io::Error) -> Failure {
    tracing::error!(%error, "the registry could not take an upload");
    Failure::new(Code::Internal, "the registry's disk refused; its log says why")
}

fn random_id() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let hex = Digest::of(&bytes).hex();
    let part = |from: usize, to: usize| &hex[from..to];
    // As a UUID, which some clients expect to see.
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

impl Registry {
    /// POST: begins an upload, or is a whole one, or mounts a blob that is there.
    pub(super) async fn begin_upload<B>(
        &self,
        repository: String,
        parts: &Parts,
        body: B,
    ) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        self.ensure_repository(&repository).await?;
        let query = parts.uri.query();
        if let Some(mount) = parameter(query, "mount") {
            let digest = parse_digest(&mount)?;
            if self.store(move |store| has_and_wants(store, digest)).await? {
                return Ok(created(&repository, digest));
            }
        }
        let directory = self.store.uploads();
        let id = self.uploads.begin(&repository, directory)?;
        if let Some(digest) = parameter(query, "digest") {
            return self.finish_upload(repository, id, &digest, parts, body).await;
        }
        Ok(accepted(StatusCode::ACCEPTED, &repository, &id, 0))
    }

    /// PATCH: one chunk, or all of it.
    pub(super) async fn append<B>(
        &self,
        repository: String,
        id: String,
        parts: &Parts,
        body: B,
    ) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let upload = self.uploads.hold(&repository, &id).await?;
        let upload = match self.receive(upload, &parts.headers, body).await {
            Ok(upload) => upload,
            Err((Some(length), failure)) if failure.code == Code::RangeInvalid => {
                let mut response =
                    accepted(StatusCode::RANGE_NOT_SATISFIABLE, &repository, &id, length);
                let (head, body) = failure.response().into_parts();
                *response.body_mut() = body;
                response.headers_mut().extend(head.headers);
                response.headers_mut().remove(header::CONTENT_LENGTH);
                return Ok(response);
            }
            Err((_, failure)) => return Err(failure),
        };
        Ok(accepted(StatusCode::ACCEPTED, &repository, &id, upload.hasher.length()))
    }

    /// GET: how far it got.
    pub(super) async fn upload_status(
        &self,
        repository: String,
        id: String,
    ) -> Result<Response<Body>, Failure> {
        let upload = self.uploads.hold(&repository, &id).await?;
        Ok(accepted(StatusCode::NO_CONTENT, &repository, &id, upload.hasher.length()))
    }

    /// DELETE: gives it up.
    pub(super) async fn cancel_upload(
        &self,
        repository: String,
        id: String,
    ) -> Result<Response<Body>, Failure> {
        drop(self.uploads.hold(&repository, &id).await?);
        self.uploads.end(&id);
        let mut response = Response::new(super::body::full(""));
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    /// PUT: the last chunk, and what it all should be.
    pub(super) async fn finish_upload<B>(
        &self,
        repository: String,
        id: String,
        digest: &str,
        parts: &Parts,
        body: B,
    ) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let digest = parse_digest(digest)?;
        let upload = self.uploads.hold(&repository, &id).await?;
        let upload =
            self.receive(upload, &parts.headers, body).await.map_err(|(_, failure)| failure)?;
        // Right or wrong, this upload is over.
        self.uploads.end(&id);
        self.store(move |store| {
            let _kept = store.keep_content();
            let (found, length) = upload.hasher.clone().finish();
            check(Some(Expected { digest, size: None }), found, length, "the upload")?;
            store.blobs().adopt(&upload.file, &upload.path, digest)
        })
        .await?;
        Ok(created(&repository, digest))
    }

    /// Writes a request's body to an upload. An error has how far it got, where that is known.
    async fn receive<B>(
        &self,
        mut upload: Held,
        headers: &HeaderMap,
        mut body: B,
    ) -> Result<Held, (Option<u64>, Failure)>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let length = upload.hasher.length();
        let announced =
            headers.get(header::CONTENT_RANGE).map(|value| value.to_str().unwrap_or(""));
        if let Some(range) = announced {
            let starts_here = content_range(range).is_some_and(|(first, _)| first == length);
            if !starts_here {
                let text = format!("the chunk is {range}, but {length} bytes are here");
                return Err((Some(length), Failure::new(Code::RangeInvalid, text)));
            }
        }
        let limit = self.store.limits().blob_bytes;
        let mut waiting = BytesMut::new();
        loop {
            let data = next_data(&mut body).await;
            let is_last = !matches!(data, Some(Ok(_)));
            let broken = match data {
                Some(Ok(data)) => {
                    waiting.extend_from_slice(&data);
                    None
                }
                Some(Err(error)) => Some(error.to_string()),
                None => None,
            };
            if waiting.len() >= CHUNK || (is_last && !waiting.is_empty()) {
                if upload.hasher.length() + waiting.len() as u64 > limit {
                    let error = Error::TooLarge { what: "the blob".to_owned(), limit };
                    return Err((None, self.failure(error)));
                }
                let piece = waiting.split().freeze();
                upload = write(upload, piece).await.map_err(|failure| (None, failure))?;
            }
            if let Some(broken) = broken {
                let text = format!("the body ended early: {broken}");
                return Err((None, Failure::new(Code::UploadInvalid, text)));
            }
            if is_last {
                return Ok(upload);
            }
        }
    }
}

/// Writes on a thread that may block, and takes the digest on.
async fn write(mut upload: Held, piece: Bytes) -> Result<Held, Failure> {
    let written = tokio::task::spawn_blocking(move || {
        upload.file.write_all(&piece)?;
        upload.hasher.update(&piece);
        Ok(upload)
    });
    match written.await {
        Ok(written) => written.map_err(internal),
        Err(error) => Err(internal(std::io::Error::other(error))),
    }
}

/// Whether a blob is there; if so, it is wanted from now on.
pub(super) fn has_and_wants(store: &crate::ImageStore, digest: Digest) -> Result<bool, Error> {
    let _kept = store.keep_content();
    let is_there = store.blobs().size(digest)?.is_some();
    if is_there {
        store.blobs().touch(digest)?;
    }
    Ok(is_there)
}

fn created(repository: &str, digest: Digest) -> Response<Body> {
    let mut response = Response::new(super::body::full(""));
    *response.status_mut() = StatusCode::CREATED;
    super::set(&mut response, header::LOCATION, &format!("/v2/{repository}/blobs/{digest}"));
    super::set(&mut response, super::CONTENT_DIGEST, &digest.to_string());
    response
}

fn accepted(status: StatusCode, repository: &str, id: &str, length: u64) -> Response<Body> {
    let mut response = Response::new(super::body::full(""));
    *response.status_mut() = status;
    super::set(&mut response, header::LOCATION, &format!("/v2/{repository}/blobs/uploads/{id}"));
    // The last byte that is here; of nothing, this protocol says `0-0` all the same.
    super::set(&mut response, header::RANGE, &format!("0-{}", length.saturating_sub(1)));
    super::set(&mut response, super::UPLOAD_ID, id);
    response
}
