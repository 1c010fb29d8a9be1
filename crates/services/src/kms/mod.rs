//! AWS Key Management Service: keys and their names. Nothing is encrypted with them here; what the
//! platform keeps secret is sealed with the key of its home.

mod aliases;
mod keys;
mod policies;
mod rotation;
mod tagging;

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::{Answer, Table, arn, fields, page};

pub(crate) const OPERATIONS: Table = &[
    ("CancelKeyDeletion", keys::cancel_deletion),
    ("CreateAlias", aliases::create),
    ("CreateKey", keys::create),
    ("DeleteAlias", aliases::delete),
    ("DescribeKey", keys::describe),
    ("DisableKey", keys::disable),
    ("DisableKeyRotation", rotation::disable),
    ("EnableKey", keys::enable),
    ("EnableKeyRotation", rotation::enable),
    ("GetKeyPolicy", policies::get),
    ("GetKeyRotationStatus", rotation::status),
    ("ListAliases", aliases::list),
    ("ListKeyPolicies", policies::list),
    ("ListKeys", keys::list),
    ("ListResourceTags", tagging::list),
    ("PutKeyPolicy", policies::put),
    ("ScheduleKeyDeletion", keys::schedule_deletion),
    ("TagResource", tagging::tag),
    ("UntagResource", tagging::untag),
    ("UpdateAlias", aliases::update),
    ("UpdateKeyDescription", keys::update_description),
];

fn not_found(what: impl Into<String>) -> AwsError {
    error::client("NotFoundException", what)
}

fn key_arn(platform: &Platform, id: &str) -> String {
    arn::of(platform.identity(), "kms", format_args!("key/{id}"))
}

/// A page of entries that are sorted by their keys, as the answer's `member`.
fn listed(input: &Value, member: &str, entries: Vec<(String, Value)>) -> Result<Answer, AwsError> {
    let size = fields::number(input, "Limit").map_or(100, |n| n as usize).max(1);
    let page =
        page::page(entries, |(key, _)| key.clone(), false, fields::text(input, "Marker"), size)
            .map_err(|_| error::client("InvalidMarkerException", "The marker is not valid."))?;
    let entries: Vec<Value> = page.entries.into_iter().map(|(_, entry)| entry).collect();
    let mut answer = json!({ member: entries, "Truncated": page.next.is_some() });
    fields::set(&mut answer, "NextMarker", page.next);
    Ok(Answer::Now(answer))
}
