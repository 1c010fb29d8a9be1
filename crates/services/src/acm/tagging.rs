//! Tags on certificates.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{CERTIFICATES, find};
use crate::error::{self, AwsError};
use crate::{Answer, fields, tags};

/// At most so many tags on one certificate.
const MAX_TAGS: usize = 50;

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, record) = find(platform, input)?;
    Ok(Answer::Now(json!({ "Tags": tags::listed(&record, tags::LARGE) })))
}

pub(super) fn add(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, mut record) = find(platform, input)?;
    tags::add(&mut record, tags::read(fields::list(input, "Tags"), tags::LARGE));
    if tags::noted(&record).len() > MAX_TAGS {
        let why = format!("A certificate can have at most {MAX_TAGS} tags.");
        return Err(error::client("TooManyTagsException", why));
    }
    Answer::after(vec![CERTIFICATES.put(&arn, &record)], |_| json!({}))
}

/// A tag with a value goes only if it has that value.
pub(super) fn remove(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, mut record) = find(platform, input)?;
    let own = tags::noted(&record);
    let mut keys = Vec::new();
    for tag in fields::list(input, "Tags") {
        let key = fields::text(tag, "Key").unwrap_or_default();
        let value = tag.get("Value").and_then(Value::as_str);
        if value.is_none_or(|value| own.get(key).is_some_and(|own| own == value)) {
            keys.push(key);
        }
    }
    tags::remove(&mut record, &keys);
    Answer::after(vec![CERTIFICATES.put(&arn, &record)], |_| json!({}))
}
