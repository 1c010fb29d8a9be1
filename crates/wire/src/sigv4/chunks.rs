//! Bodies signed piece by piece (`STREAMING-AWS4-HMAC-SHA256-PAYLOAD`): the head's signature is the
//! seed, and each chunk's signature covers the one before it.
//!
//! Whoever takes a body of `aws-chunked` apart begins a chain for its request and holds every chunk
//! against it, the empty last one included. The head itself is verified before, like any other.

use subtle::ConstantTimeEq as _;

use super::credential::{Scope, claim};
use super::signing::{sha256_hex, signature};
use super::{Auth, AuthError};
use crate::HttpRequest;

/// The word in `x-amz-content-sha256` that says so.
const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
/// The same with signed trailers after the last chunk.
const SIGNED_WITH_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

/// The chain of signatures through one body.
#[derive(Clone)]
pub struct Chunks {
    secret: String,
    scope: Scope,
    date: String,
    previous: String,
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Chunks {
    /// The chain of a request whose head was verified; `None` when nobody is asked for a name, or
    /// the body's chunks carry no signatures.
    ///
    /// # Errors
    /// The key is not known any more.
    pub fn begin(
        request: &HttpRequest,
        auth: &Auth,
        now_ms: u64,
    ) -> Result<Option<Self>, AuthError> {
        let Auth::Strict { lookup } = auth else { return Ok(None) };
        let word = request.header("x-amz-content-sha256").unwrap_or_default();
        if word != SIGNED && word != SIGNED_WITH_TRAILER {
            return Ok(None);
        }
        let claim = claim(request)?;
        let secret = lookup(&claim.key(now_ms))?;
        let previous = claim.signature;
        Ok(Some(Self { secret, scope: claim.scope, date: claim.date, previous }))
    }

    /// Holds the next chunk's bytes against its signature.
    ///
    /// # Errors
    /// [`AuthError::Mismatch`]: it is not the next chunk of this body.
    pub fn check(&mut self, chunk: &[u8], signature: &str) -> Result<(), AuthError> {
        let hashes = format!("{}\n{}", sha256_hex(b""), sha256_hex(chunk));
        self.step("AWS4-HMAC-SHA256-PAYLOAD", &hashes, signature)
    }

    /// Holds the trailers after the last chunk, as `name:value` lines each ended by a line feed,
    /// against their signature.
    ///
    /// # Errors
    /// [`AuthError::Mismatch`]: they are not those that were signed.
    pub fn check_trailer(&mut self, trailer: &[u8], signature: &str) -> Result<(), AuthError> {
        self.step("AWS4-HMAC-SHA256-TRAILER", &sha256_hex(trailer), signature)
    }

    fn step(&mut self, what: &str, hashes: &str, given: &str) -> Result<(), AuthError> {
        let Self { secret, scope, date, previous } = self;
        let to_sign = format!("{what}\n{date}\n{}\n{previous}\n{hashes}", scope.path());
        let expected = signature(secret, scope, &to_sign);
        let equal: bool = expected.as_bytes().ct_eq(given.as_bytes()).into();
        self.previous = expected;
        if equal { Ok(()) } else { Err(AuthError::Mismatch) }
    }
}
