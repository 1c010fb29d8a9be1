//! The OCI distribution protocol (v1.1) over an [`ImageStore`], as ECR speaks it.
//!
//! [`Registry::serve`] answers one request; whoever listens gives it the requests below `/v2`.
//! Blobs pass between network and disk in pieces, never whole in memory, and the disk is touched
//! on threads that may block.

mod blobs;
mod body;
mod credentials;
mod error;
mod manifests;
mod route;
mod uploads;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};

pub use body::{Body, FilePart, file_parts};
pub use credentials::{Credentials, Token, USER};

use crate::error::Error;
use crate::store::{ImageStore, now_ms};
use error::{Code, Failure};
use route::Route;
use uploads::Uploads;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// How a registry behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryOptions {
    /// The AWS account whose registry this is; it stands in messages.
    pub account: String,
    /// Where to log in, as the challenge of a refused request names it.
    pub realm: String,
    /// Callers of this machine need a login, too. Others always need one.
    pub strict: bool,
    /// A push makes the repository it goes to. ECR refuses such a push.
    pub create_on_push: bool,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            account: "000000000000".to_owned(),
            realm: "neargate".to_owned(),
            strict: false,
            create_on_push: false,
        }
    }
}

/// A registry.
#[derive(Debug)]
pub struct Registry {
    store: Arc<ImageStore>,
    credentials: Credentials,
    options: RegistryOptions,
    uploads: Uploads,
}

impl Registry {
    /// A registry over a store that is open for writing.
    pub fn new(store: Arc<ImageStore>, credentials: Credentials, options: RegistryOptions) -> Self {
        Self { store, credentials, options, uploads: Uploads::default() }
    }

    /// Answers a request of a caller at `peer`. Needs a Tokio runtime.
    pub async fn serve<B>(&self, request: Request<B>, peer: IpAddr) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let mut response = match self.answer(request, peer).await {
            Ok(response) => response,
            Err(failure) => self.refusal(failure),
        };
        set(&mut response, API_VERSION, "registry/2.0");
        response
    }

    async fn answer<B>(&self, request: Request<B>, peer: IpAddr) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let (parts, body) = request.into_parts();
        self.check_login(&parts.headers, peer)?;
        let query = parts.uri.query();
        match (&parts.method, route::route(parts.uri.path())?) {
            (&Method::GET | &Method::HEAD, Route::Base) => {
                let mut response = Response::new(body::full("{}"));
                set(&mut response, header::CONTENT_TYPE, "application/json");
                Ok(response)
            }
            (&Method::GET, Route::Catalog) => self.catalog(query).await,
            (&Method::GET, Route::Blob { repository, digest }) => {
                self.blob(repository, digest, &parts.headers, true).await
            }
            (&Method::HEAD, Route::Blob { repository, digest }) => {
                self.blob(repository, digest, &parts.headers, false).await
            }
            (&Method::DELETE, Route::Blob { repository, digest }) => {
                self.delete_blob(repository, digest).await
            }
            (&Method::POST, Route::Uploads { repository }) => {
                self.begin_upload(repository, &parts, body).await
            }
            (&Method::GET, Route::Upload { repository, id }) => {
                self.upload_status(repository, id).await
            }
            (&Method::PATCH, Route::Upload { repository, id }) => {
                self.append(repository, id, &parts, body).await
            }
            (&Method::PUT, Route::Upload { repository, id }) => {
                let digest = route::parameter(query, "digest").unwrap_or_default();
                self.finish_upload(repository, id, &digest, &parts, body).await
            }
            (&Method::DELETE, Route::Upload { repository, id }) => {
                self.cancel_upload(repository, id).await
            }
            (&Method::GET, Route::Manifest { repository, reference }) => {
                self.manifest(repository, reference, true).await
            }
            (&Method::HEAD, Route::Manifest { repository, reference }) => {
                self.manifest(repository, reference, false).await
            }
            (&Method::PUT, Route::Manifest { repository, reference }) => {
                self.put_manifest(repository, reference, &parts, body).await
            }
            (&Method::DELETE, Route::Manifest { repository, reference }) => {
                self.delete_manifest(repository, reference).await
            }
            (&Method::GET, Route::Tags { repository }) => self.tags(repository, query).await,
            (&Method::GET, Route::Referrers { repository, digest }) => {
                self.referrers(repository, digest, query).await
            }
            (method, _) => {
                let text = format!("{method} is not possible here");
                Err(Failure::new(Code::MethodNotAllowed, text))
            }
        }
    }

    fn check_login(&self, headers: &http::HeaderMap, peer: IpAddr) -> Result<(), Failure> {
        if !self.options.strict && peer.to_canonical().is_loopback() {
            return Ok(());
        }
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if header.is_some_and(|header| self.credentials.verify_header(header, now_ms())) {
            return Ok(());
        }
        let text = match header {
            Some(_) => "the login is wrong or has expired: a password is good for 12 hours",
            None => "log in as user AWS with the password of `aws ecr get-login-password`",
        };
        Err(Failure::new(Code::Unauthorized, text))
    }

    fn refusal(&self, failure: Failure) -> Response<Body> {
        let is_login = failure.code == Code::Unauthorized;
        let mut response = failure.response();
        if is_login {
            let realm = &self.options.realm;
            let challenge = format!("Basic realm=\"{realm}\",service=\"ecr.amazonaws.com\"");
            set(&mut response, header::WWW_AUTHENTICATE, &challenge);
        }
        response
    }

    /// Makes the repository where pushes may; where not, it must be there.
    async fn ensure_repository(&self, name: &str) -> Result<(), Failure> {
        let create = self.options.create_on_push;
        let name = name.to_owned();
        self.store(move |store| {
            if create { store.ensure_repository(&name) } else { store.repository(&name).map(drop) }
        })
        .await
    }

    /// Does something with the store on a thread that may block.
    async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ImageStore) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(done) => done.map_err(|error| self.failure(error)),
            Err(error) => {
                tracing::error!(%error, "a request to the registry was not finished");
                Err(Failure::new(Code::Internal, "the request was not finished"))
            }
        }
    }

    fn failure(&self, error: Error) -> Failure {
        Failure::of(error, &self.options.account)
    }
}

/// Sets a header to a value of ours; one that is no header value (a repository's name never is) is
/// left out.
fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
