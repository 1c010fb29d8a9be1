//! AWS Signature Version 4, from the side that verifies: header and presigned forms.
//!
//! Pure functions of the request, the secret and the time: `canonical` writes what was signed,
//! `signing` computes the signature, `credential` reads what the request says about itself, and
//! [`verify`](verify()) holds them against each other in constant time. [`Chunks`] goes on from there
//! through a body that is signed piece by piece.

mod canonical;
mod chunks;
mod credential;
mod signing;
mod verify;

use std::fmt;
use std::sync::Arc;

pub use canonical::{Encoding, canonical_request};
pub use chunks::Chunks;
pub use credential::{Scope, scope_of};
pub use signing::{signature, string_to_sign};
pub use verify::verify;

/// The key a request says it is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// `AKIA...`, or `ASIA...` of a role.
    pub access_key: &'a str,
    /// Comes with the keys of a role.
    pub session_token: Option<&'a str>,
    /// Milliseconds since 1970: a session ends.
    pub now_ms: u64,
}

/// The secret of a key. [`AuthError::UnknownKey`] and [`AuthError::ExpiredToken`] are its errors.
pub type SecretLookup = Arc<dyn Fn(&Key<'_>) -> Result<String, AuthError> + Send + Sync>;

/// Who may send requests.
#[derive(Clone)]
pub enum Auth {
    /// Everybody; signatures are not looked at.
    Any,
    /// Who signs with a secret that is found.
    Strict {
        /// From the key to its secret.
        lookup: SecretLookup,
    },
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "Any",
            Self::Strict { .. } => "Strict",
        })
    }
}

/// Why a request is not from who it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No signature at all.
    #[error("Missing Authentication Token")]
    Missing,
    /// A signature that lacks a part or has one of the wrong form.
    #[error("{0}")]
    Incomplete(String),
    /// The access key is not known.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The session that the key belongs to is over.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// Signed with another secret, or changed since.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your \
         AWS Secret Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    /// Too old or from the future.
    #[error("{0}")]
    Skewed(String),
    /// A presigned request after its time.
    #[error("Request has expired")]
    Expired,
    /// The body is not the one that was signed.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    Body,
}
