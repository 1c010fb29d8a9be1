//! Tags on repositories, by ARN.

use std::collections::BTreeMap;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{Asked, errors, in_store};
use crate::error::{self, AwsError};
use crate::rooms::Rooms;
use crate::{Answer, arn, fields, tags};

/// At most so many tags on one repository.
const MAX_TAGS: usize = 50;

/// The repository that the ARN names.
fn named(asked: &Asked) -> Result<&str, AwsError> {
    let text = fields::text(&asked.input, "resourceArn").unwrap_or_default();
    arn::resource(text, "ecr", "repository").ok_or_else(|| {
        errors::invalid(format!(
            "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN: {text}'"
        ))
    })
}

fn change(
    asked: &Asked,
    rooms: &dyn Rooms,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<Value, AwsError> {
    let name = named(asked)?;
    let found = rooms.images().repository(name).map_err(|error| asked.failure(error))?;
    let mut own = found.settings.resource_tags;
    change(&mut own);
    if own.len() > MAX_TAGS {
        let why = format!("A repository can have at most {MAX_TAGS} tags.");
        return Err(error::client("TooManyTagsException", why));
    }
    let changed = rooms.images().change_settings(name, |settings| settings.resource_tags = own);
    changed.map_err(|error| asked.failure(error))?;
    Ok(json!({}))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let found = rooms.images().repository(named(asked)?).map_err(|e| asked.failure(e))?;
        Ok(json!({ "tags": tags::write(&found.settings.resource_tags, tags::LARGE) }))
    })
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let sent = tags::read(fields::list(&asked.input, "tags"), tags::LARGE);
        change(asked, rooms, |own| own.extend(sent))
    })
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let keys = fields::texts(&asked.input, "tagKeys");
        change(asked, rooms, |own| own.retain(|key, _| !keys.contains(&key.as_str())))
    })
}
