//! What the registry answers when it does not do what was asked: the codes of the distribution
//! specification, in ECR's words where it has its own.

use http::{Response, StatusCode, header};
use serde_json::json;

use super::body::{Body, full};
use crate::error::Error;

/// A code of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    BlobUnknown,
    UploadInvalid,
    UploadUnknown,
    /// A chunk that does not follow what is there.
    RangeInvalid,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    TagInvalid,
    Unauthorized,
    Denied,
    MethodNotAllowed,
    TooMany,
    PageInvalid,
    NotFound,
    Internal,
}

impl Code {
    fn text(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::UploadInvalid | Self::RangeInvalid => "BLOB_UPLOAD_INVALID",
            Self::UploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::TagInvalid => "TAG_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::MethodNotAllowed => "UNSUPPORTED",
            Self::TooMany => "TOOMANYREQUESTS",
            Self::PageInvalid => "PAGINATION_NUMBER_INVALID",
            Self::NotFound | Self::Internal => "UNKNOWN",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BlobUnknown
            | Self::UploadUnknown
            | Self::ManifestUnknown
            | Self::NameUnknown
            | Self::NotFound => StatusCode::NOT_FOUND,
            Self::RangeInvalid => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::UploadInvalid
            | Self::DigestInvalid
            | Self::ManifestBlobUnknown
            | Self::ManifestInvalid
            | Self::NameInvalid
            | Self::PageInvalid
            | Self::TagInvalid => StatusCode::BAD_REQUEST,
            Self::SizeInvalid => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Code,
    message: String,
}

impl Failure {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// What an error of the store means to a client. `registry` is the account's id.
    pub(super) fn of(error: Error, registry: &str) -> Self {
        let code = match &error {
            Error::RepositoryNotFound { name } => {
                let text = format!(
                    "The repository with name '{name}' does not exist in the registry with id '{registry}'"
                );
                return Self::new(Code::NameUnknown, text);
            }
            Error::InvalidRepository { .. } => Code::NameInvalid,
            Error::ImageNotFound { .. } => Code::ManifestUnknown,
            Error::TagImmutable { .. } | Error::InvalidTag { .. } => Code::TagInvalid,
            Error::BlobMissing { .. } => Code::ManifestBlobUnknown,
            Error::Invalid { .. } | Error::SizeMismatch { .. } | Error::LayerType { .. } => {
                Code::ManifestInvalid
            }
            Error::DigestMismatch { .. } => Code::DigestInvalid,
            Error::TooLarge { .. } => Code::SizeInvalid,
            Error::ReferencedByList { .. } | Error::BlobNeeded { .. } | Error::ReadOnly { .. } => {
                Code::Denied
            }
            _ => {
                // Paths of this machine are not the client's business.
                tracing::error!(error = %error.chain(), "the registry could not serve a request");
                return Self::new(Code::Internal, "the registry's disk refused; its log says why");
            }
        };
        Self::new(code, error.chain())
    }

    pub(super) fn response(self) -> Response<Body> {
        let body = json!({ "errors": [{ "code": self.code.text(), "message": self.message }] });
        let mut response = Response::new(full(body.to_string()));
        *response.status_mut() = self.code.status();
        let json = header::HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}
