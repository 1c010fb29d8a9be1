//! Tags of objects.

use std::collections::BTreeMap;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{OBJECTS, errors, names, objects, under};
use crate::error::AwsError;
use crate::{Answer, fields, tags};

/// At most so many tags on one object.
const MAX_TAGS: usize = 10;

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let object = objects::find(platform, input)?;
    let own = json!({ "tags": object["Tags"] });
    Ok(Answer::Now(json!({ "TagSet": tags::write(&tags::noted(&own), tags::LARGE) })))
}

fn set(
    platform: &Platform,
    input: &Value,
    own: &BTreeMap<String, String>,
) -> Result<Answer, AwsError> {
    let mut object = objects::find(platform, input)?;
    if own.len() > MAX_TAGS {
        let why = "Object tags cannot be greater than 10";
        return Err(errors::invalid("BadRequest", why));
    }
    object["Tags"] = json!(own);
    let (bucket, key) = names(input);
    Answer::after(vec![OBJECTS.put(&under(bucket, key), &object)], |_| json!({}))
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    set(platform, input, &tags::read(fields::list(&input["Tagging"], "TagSet"), tags::LARGE))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    set(platform, input, &BTreeMap::new())
}
