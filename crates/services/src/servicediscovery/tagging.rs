//! Tags on namespaces and services.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::namespaces::NAMESPACES;
use super::services::SERVICES;
use super::{namespaces, services};
use crate::error::{self, AwsError};
use crate::records::Records;
use crate::{Answer, arn, fields, tags};

/// At most so many tags on one resource.
const MAX_TAGS: usize = 50;

/// The record of what the ARN names; an empty one for what a description made.
fn find(platform: &Platform, input: &Value) -> Result<(Records, String, Value), AwsError> {
    let text = fields::text(input, "ResourceARN").unwrap_or_default();
    let gone = || {
        let message = format!("The resource {text} does not exist.");
        error::client("ResourceNotFoundException", message)
    };
    let (table, key) = if arn::resource(text, "servicediscovery", "namespace").is_some() {
        (NAMESPACES, namespaces::named(platform, text).map_err(|_| gone())?)
    } else {
        (SERVICES, services::find(platform, text).map_err(|_| gone())?.dns_name())
    };
    let record = table.get(platform, &key).unwrap_or_else(|| json!({}));
    Ok((table, key, record))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, _, record) = find(platform, input)?;
    Ok(Answer::Now(json!({ "Tags": tags::write(&tags::noted(&record), tags::LARGE) })))
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (table, key, mut record) = find(platform, input)?;
    let new = tags::read(fields::list(input, "Tags"), tags::LARGE);
    if tags::add(&mut record, new) > MAX_TAGS {
        let message = format!("A resource can have at most {MAX_TAGS} tags");
        return Err(error::client("TooManyTagsException", message));
    }
    Answer::after(vec![table.put(&key, &record)], |_| json!({}))
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (table, key, mut record) = find(platform, input)?;
    tags::remove(&mut record, &fields::texts(input, "TagKeys"));
    Answer::after(vec![table.put(&key, &record)], |_| json!({}))
}
