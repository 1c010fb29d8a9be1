//! Tags on keys.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::keys::{TAGS, change, find};
use super::listed;
use crate::error::AwsError;
use crate::{Answer, fields, tags};

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, key) = find(platform, input)?;
    let all = tags::noted(&key).into_iter();
    let tag = |(k, v): (String, String)| (k.clone(), json!({ "TagKey": k, "TagValue": v }));
    listed(input, "Tags", all.map(tag).collect())
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, |key| {
        tags::add(key, tags::read(fields::list(input, "Tags"), TAGS));
    })
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, |key| tags::remove(key, &fields::texts(input, "TagKeys")))
}
