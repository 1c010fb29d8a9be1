//! Tags on parameters.

use std::collections::BTreeMap;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{Found, SAID, errors, find, name_of};
use crate::error::{self, AwsError};
use crate::{Answer, fields, tags};

/// At most so many tags on one parameter.
const MAX_TAGS: usize = 50;

fn tagged<'a>(platform: &'a Platform, input: &Value) -> Result<Found<'a>, AwsError> {
    if fields::text(input, "ResourceType") != Some("Parameter") {
        let why = "The resource type isn't valid. Only parameters are kept here.";
        return Err(error::client("InvalidResourceType", why));
    }
    let id = fields::text(input, "ResourceId").unwrap_or_default();
    find(platform, name_of(id)).ok_or_else(errors::invalid_resource)
}

fn change(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<Answer, AwsError> {
    let mut found = tagged(platform, input)?;
    let mut own = tags::noted(&found.said);
    change(&mut own);
    if own.len() > MAX_TAGS {
        let why = format!("A parameter can have at most {MAX_TAGS} tags.");
        return Err(error::client("TooManyTagsError", why));
    }
    tags::note(&mut found.said, &own);
    Answer::after(vec![SAID.put(found.name(), &found.said)], |_| json!({}))
}

pub(super) fn add(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let sent = tags::read(fields::list(input, "Tags"), tags::LARGE);
    change(platform, input, |own| own.extend(sent))
}

pub(super) fn remove(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let keys = fields::texts(input, "TagKeys");
    change(platform, input, |own| own.retain(|key, _| !keys.contains(&key.as_str())))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found = tagged(platform, input)?;
    let tags = tags::write(&tags::noted(&found.said), tags::LARGE);
    Ok(Answer::Now(json!({ "TagList": tags })))
}
