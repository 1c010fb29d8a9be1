//! What the fuzz targets share: a wire with the product's models, and services that take everything.
//!
//! The input of a target is text: the first line chooses the operation (for REST protocols method
//! and path), the rest is the body. Whatever it is, the answer must be one of AWS's shapes, never
//! of the 5xx that make clients try again, and no process ends.

use std::sync::{Arc, LazyLock};

use neargate_wire::sigv4::{AuthError, Key};
use neargate_wire::{Auth, AwsError, HttpRequest, HttpResponse, Models, Services, Wire};
use serde_json::Value;

/// 2015-08-30T12:36:00Z, the moment of AWS's examples.
const NOW_MS: u64 = 1_440_938_160_000;

struct Everything;

impl Services for Everything {
    fn serves(&self, _service: &str, _operation: &str) -> bool {
        true
    }

    fn call(&self, _service: &str, _operation: &str, _input: Value) -> Result<Value, AwsError> {
        Ok(Value::Object(serde_json::Map::new()))
    }
}

fn wire(auth: Auth) -> Wire {
    Wire::new(Models::embedded(), auth)
}

/// Answers a request and holds the answer to what every answer must be.
pub fn answer(request: &HttpRequest) -> HttpResponse {
    static WIRE: LazyLock<Wire> = LazyLock::new(|| wire(Auth::Any));
    judge(&WIRE, request)
}

/// The same by a wire that verifies signatures.
pub fn verified(request: &HttpRequest) -> HttpResponse {
    static WIRE: LazyLock<Wire> = LazyLock::new(|| {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let lookup = move |key: &Key<'_>| match key.access_key {
            "AKIDEXAMPLE" => Ok(secret.to_owned()),
            _ => Err(AuthError::UnknownKey),
        };
        wire(Auth::Strict { lookup: Arc::new(lookup) })
    });
    judge(&WIRE, request)
}

fn judge(wire: &Wire, request: &HttpRequest) -> HttpResponse {
    let response = wire.handle(request, &Everything, NOW_MS);
    assert!((200..500).contains(&response.status), "status {}", response.status);
    response
}

/// The first line and the rest.
pub fn head_and_body(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let head = String::from_utf8_lossy(&data[..end]).into_owned();
    (head, data.get(end + 1..).unwrap_or_default())
}

/// A request of that service, with the credential scope that names it.
pub fn request(
    service: &str,
    method: &str,
    uri: &str,
    content_type: &str,
    body: &[u8],
) -> HttpRequest {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=K/20150830/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=00"
    );
    HttpRequest {
        method: method.to_owned(),
        uri: uri.to_owned(),
        headers: vec![
            ("Content-Type".to_owned(), content_type.to_owned()),
            ("Authorization".to_owned(), authorization),
        ],
        body: body.to_vec(),
    }
}
