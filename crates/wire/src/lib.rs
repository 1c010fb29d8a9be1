//! The AWS protocols, written once and driven by the service models: a complete HTTP request in, a
//! complete HTTP answer out, and in between a call with JSON values shaped by the model's member
//! names. awsJson 1.0 and 1.1, query, ec2Query, restJson and restXml; rpc-v2-cbor is recognised and
//! refused.
//!
//! A request's life, in order: `route` finds service, operation and protocol; [`sigv4`] verifies
//! who sent it; the protocol's decoder makes a value of it; `validate` holds it against the
//! model; [`Services::call`] answers; the protocol's encoder writes the answer. Every step can end
//! it with a `error::Fault`, which `answer` writes as the protocol wants it. Nothing here knows
//! any one service, opens a socket or reads a clock.

#![forbid(unsafe_code)]

mod answer;
mod chunked;
mod embedded;
mod error;
mod json;
mod models;
mod query_decode;
mod rest;
mod route;
mod scalar;
mod shape;
pub mod sigv4;
mod uri;
mod validate;
mod wire;
mod xml_decode;
mod xml_encode;

pub use error::AwsError;
pub use json::read_json;
pub use models::{ModelError, Models};
pub use sigv4::Auth;
pub use wire::{Limits, Wire};

/// What stands behind the wire.
///
/// Values are JSON shaped by the model's member names as it spells them (`clusterArn`,
/// `TargetGroupArn`): structures and maps are objects, lists arrays, blobs base64 strings,
/// timestamps numbers (epoch seconds with fractions). A member that is absent was not sent; one
/// that is null is not answered. A blob that is the body of an answer may also be parts of files:
/// `{"files": [{"path", "offset", "length"}]}`.
pub trait Services: Send + Sync {
    /// Whether `call` knows this operation. `service` is the model's short name (`ecs`, `elbv2`),
    /// `operation` as the model spells it.
    fn serves(&self, service: &str, operation: &str) -> bool;

    /// Does it. The input satisfies the model's constraints.
    ///
    /// # Errors
    /// What the service answers instead, by the name of its exception.
    fn call(
        &self,
        service: &str,
        operation: &str,
        input: serde_json::Value,
    ) -> Result<serde_json::Value, AwsError>;
}

/// A complete HTTP request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpRequest {
    /// As sent, in capitals.
    pub method: String,
    /// Path and query as they stand in the request line.
    pub uri: String,
    /// In order; names in any case. Bytes that are no UTF-8 must have been replaced or refused.
    pub headers: Vec<(String, String)>,
    /// All of it, transfer encoding removed.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// The first header of that name (in small letters).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A complete HTTP answer. Content-Length is for the one who sends it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Names in the spelling of AWS.
    pub headers: Vec<(String, String)>,
    /// Empty for HEAD.
    pub body: Vec<u8>,
    /// Parts of files that make the body instead, in this order: for bodies too large to be held.
    pub files: Vec<FilePart>,
}

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePart {
    /// Where the file is.
    pub path: String,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

impl HttpResponse {
    /// The first header of that name (in any case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
