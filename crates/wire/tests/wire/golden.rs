//! Requests recorded from boto3 (`tests/golden/record.py`): each decodes to what the program that
//! sent it meant, and verifies as what it signed.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use neargate_wire::sigv4::{AuthError, Key, verify};
use neargate_wire::{Auth, HttpRequest};
use serde_json::{Value, json};

use crate::stage::{Told, wire};

fn recorded() -> Vec<(Value, HttpRequest)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/requests.json");
    let text = std::fs::read_to_string(path).expect("recorded requests");
    let entries: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let request = |entry: &Value| HttpRequest {
        method: entry["method"].as_str().expect("method").to_owned(),
        uri: entry["uri"].as_str().expect("uri").to_owned(),
        headers: serde_json::from_value(entry["headers"].clone()).expect("headers"),
        body: base64::engine::general_purpose::STANDARD
            .decode(entry["body"].as_str().expect("body"))
            .expect("base64"),
    };
    entries.into_iter().map(|entry| (entry.clone(), request(&entry))).collect()
}

#[test]
fn what_boto3_sends_decodes_to_what_was_meant() {
    let wire = wire();
    for (entry, request) in recorded() {
        let name = &entry["name"];
        let services = Told::always(json!({}));
        let response = wire.handle(&request, &services, 0);
        assert!(response.status < 300, "{name}: {}", String::from_utf8_lossy(&response.body));
        let (service, operation, input) = services.only();
        assert_eq!(
            (json!(service), json!(operation)),
            (entry["service"].clone(), entry["operation"].clone()),
            "{name}"
        );
        for (member, value) in entry["input"].as_object().expect("input") {
            assert_eq!(&input[member], value, "{name}: {member} in {input}");
        }
    }
}

/// `X-Amz-Date` as milliseconds.
fn signed_at(request: &HttpRequest) -> u64 {
    let date = request.header("x-amz-date").expect("signed");
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).expect("a date");
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).expect("UTC");
    u64::try_from(zoned.timestamp().as_millisecond()).expect("after 1970")
}

#[test]
fn what_boto3_signs_verifies() {
    let lookup = |key: &Key<'_>| match key.access_key {
        "AKIDEXAMPLE" => Ok("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        _ => Err(AuthError::UnknownKey),
    };
    let auth = Auth::Strict { lookup: Arc::new(lookup) };
    for (entry, request) in recorded() {
        let now = signed_at(&request);
        assert_eq!(verify(&request, &auth, now), Ok(()), "{}", entry["name"]);
        let mut changed = request.clone();
        changed.uri.push_str(if changed.uri.contains('?') { "&a=b" } else { "?a=b" });
        assert_eq!(verify(&changed, &auth, now), Err(AuthError::Mismatch), "{}", entry["name"]);
    }
}
