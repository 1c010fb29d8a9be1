//! Tags, of every kind in one table: by the id of what carries them.

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::filter::{has_values, page};
use super::kinds::{self, Kind};
use super::{invalid, silent};
use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, fields, tags};

const TAGS: Records = table("ec2", "tags");
const MOST: usize = 50;

fn read(platform: &Platform, id: &str) -> BTreeMap<String, String> {
    TAGS.get(platform, id).map(|record| tags::noted(&record)).unwrap_or_default()
}

fn write(id: &str, tags: &BTreeMap<String, String>) -> Command {
    match tags.is_empty() {
        true => TAGS.remove(id),
        false => TAGS.put(id, &json!({ "tags": tags })),
    }
}

/// The tags as a listing shows them.
pub(super) fn view(platform: &Platform, id: &str) -> Value {
    tags::write(&read(platform, id), tags::LARGE)
}

/// The tags that a thing of that kind is made with.
pub(super) fn on_new(kind: &Kind, id: &str, input: &Value) -> Option<Command> {
    let given: BTreeMap<String, String> = fields::list(input, "TagSpecifications")
        .iter()
        .filter(|given| fields::text(given, "ResourceType") == Some(kind.resource_type))
        .flat_map(|given| tags::read(fields::list(given, "Tags"), tags::LARGE))
        .collect();
    (!given.is_empty()).then(|| write(id, &given))
}

/// The thing is gone, and its tags with it.
pub(super) fn forget(platform: &Platform, id: &str) -> Option<Command> {
    TAGS.has(platform, id).then(|| TAGS.remove(id))
}

fn each(
    platform: &Platform,
    input: &Value,
    change: impl Fn(&mut BTreeMap<String, String>),
) -> Result<Answer, AwsError> {
    let mut commands = Vec::new();
    for id in fields::texts(input, "Resources") {
        let kind = kinds::of(id)
            .ok_or_else(|| error::client("InvalidID", format!("The ID '{id}' is not valid")))?;
        if !kind.has(platform, id) {
            return Err(kind.not_found(id));
        }
        let before = read(platform, id);
        let mut after = before.clone();
        change(&mut after);
        if after.len() > MOST {
            let message = "The maximum number of tags for a resource has been reached.";
            return Err(error::client("TagLimitExceeded", message));
        }
        if after != before {
            commands.push(write(id, &after));
        }
    }
    Answer::after(commands, silent)
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let given = tags::read(fields::list(input, "Tags"), tags::LARGE);
    if let Some(key) = given.keys().find(|key| key.starts_with("aws:")) {
        return Err(invalid(format!("Tag keys starting with 'aws:' are reserved: {key}")));
    }
    each(platform, input, |tags| tags.extend(given.clone()))
}

/// Without a value whatever the value is; without tags all of them.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let given = fields::list(input, "Tags");
    each(platform, input, |tags| {
        if given.is_empty() {
            tags.clear();
        }
        for tag in given {
            let key = fields::text(tag, "Key").unwrap_or_default();
            let value = tag.get("Value").and_then(Value::as_str);
            if value.is_none_or(|value| tags.get(key).is_some_and(|found| found == value)) {
                tags.remove(key);
            }
        }
    })
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut found = Vec::new();
    for (id, record) in TAGS.all(platform) {
        for (key, value) in tags::noted(&record) {
            let kind = kinds::of(id).map_or("", |kind| kind.resource_type);
            let entry =
                json!({ "ResourceId": id, "ResourceType": kind, "Key": key, "Value": value });
            let known = &[
                ("key", "Key"),
                ("resource-id", "ResourceId"),
                ("resource-type", "ResourceType"),
                ("value", "Value"),
            ];
            if has_values(&entry, "", input, known)? {
                found.push(entry);
            }
        }
    }
    let page = page(input, found, |entry| format!("{} {}", entry["ResourceId"], entry["Key"]))?;
    let mut answer = json!({ "Tags": page.entries });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}
