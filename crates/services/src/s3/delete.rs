//! Deleting objects, one or many. What is not there is as good as deleted.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::{OBJECTS, buckets, errors, names, pieces, under};
use crate::error::AwsError;
use crate::{Answer, fields};

/// A version that no object has.
fn is_strange(version: Option<&str>) -> bool {
    version.is_some_and(|version| version != "null")
}

/// The commands that delete these, and the bytes they free.
fn removal(platform: &Platform, keys: &[String]) -> (Vec<Command>, Vec<(String, u64)>) {
    let found = keys.iter().filter_map(|key| Some((key, OBJECTS.get(platform, key)?)));
    found.fold((Vec::new(), Vec::new()), |(mut commands, mut freed), (key, object)| {
        commands.push(OBJECTS.remove(key));
        freed.extend(pieces(&object));
        (commands, freed)
    })
}

/// Deletes them; their bytes go after they are gone.
fn delete(platform: &Platform, keys: &[String], answer: Value) -> Result<Answer, AwsError> {
    let (commands, freed) = removal(platform, keys);
    if commands.is_empty() {
        return Ok(Answer::Now(answer));
    }
    Answer::here(move |_, rooms| {
        let store = rooms.objects().clone();
        Answer::after(commands, move |_| {
            store.remove(freed.iter().map(|(id, _)| id.as_str()));
            answer
        })
    })
}

pub(super) fn one(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    buckets::check(platform, input)?;
    let (bucket, key) = names(input);
    if is_strange(fields::text(input, "VersionId")) {
        return Err(errors::no_such_version(key));
    }
    delete(platform, &[under(bucket, key)], json!({}))
}

pub(super) fn many(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let bucket = buckets::check(platform, input)?;
    let objects = fields::list(&input["Delete"], "Objects");
    if objects.is_empty() || objects.len() > 1000 {
        let why = "The XML you provided was not well-formed or did not validate against our \
                   published schema: 1 to 1000 objects are taken.";
        return Err(errors::invalid("MalformedXML", why));
    }
    let quiet = fields::flag(&input["Delete"], "Quiet").unwrap_or(false);
    let (mut keys, mut deleted, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for object in objects {
        let key = fields::text(object, "Key").unwrap_or_default();
        let version = fields::text(object, "VersionId");
        if is_strange(version) {
            let message = "The specified version does not exist.";
            let code = "NoSuchVersion";
            failed.push(
                json!({ "Key": key, "VersionId": version, "Code": code, "Message": message }),
            );
            continue;
        }
        keys.push(under(&bucket, key));
        let mut one = json!({ "Key": key });
        fields::set(&mut one, "VersionId", version);
        deleted.push(one);
    }
    let deleted = if quiet { Vec::new() } else { deleted };
    keys.sort();
    keys.dedup();
    delete(platform, &keys, json!({ "Deleted": deleted, "Errors": failed }))
}
