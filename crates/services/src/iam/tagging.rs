//! Tags on roles, policies, instance profiles and identity providers.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{identity_providers, instance_profiles, limit_exceeded, listed, policies, roles};
use crate::error::AwsError;
use crate::records::Records;
use crate::{Answer, fields, tags};

/// At most so many tags on one thing.
const MAX_TAGS: usize = 50;

/// What the tags are on: its key and its record.
type Found = Result<(String, Value), AwsError>;

fn list(input: &Value, found: Found) -> Result<Answer, AwsError> {
    let (_, record) = found?;
    let all = tags::noted(&record).into_iter();
    listed(input, "Tags", all.map(|(k, v)| (k.clone(), json!({ "Key": k, "Value": v }))).collect())
}

fn tag(input: &Value, records: Records, found: Found) -> Result<Answer, AwsError> {
    let (key, mut record) = found?;
    tags::add(&mut record, tags::read(fields::list(input, "Tags"), tags::LARGE));
    if tags::noted(&record).len() > MAX_TAGS {
        return Err(limit_exceeded(format!("Cannot exceed quota for TagsPerResource: {MAX_TAGS}")));
    }
    Answer::after(vec![records.put(&key, &record)], |_| json!({}))
}

fn untag(input: &Value, records: Records, found: Found) -> Result<Answer, AwsError> {
    let (key, mut record) = found?;
    tags::remove(&mut record, &fields::texts(input, "TagKeys"));
    Answer::after(vec![records.put(&key, &record)], |_| json!({}))
}

pub(super) fn list_of_role(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    list(input, roles::find(platform, input))
}

pub(super) fn tag_role(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    tag(input, roles::ROLES, roles::find(platform, input))
}

pub(super) fn untag_role(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    untag(input, roles::ROLES, roles::find(platform, input))
}

pub(super) fn list_of_policy(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    list(input, policies::find(platform, input))
}

pub(super) fn tag_policy(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    tag(input, policies::POLICIES, policies::find(platform, input))
}

pub(super) fn untag_policy(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    untag(input, policies::POLICIES, policies::find(platform, input))
}

pub(super) fn tag_instance_profile(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    tag(input, instance_profiles::PROFILES, instance_profiles::find(platform, input))
}

pub(super) fn untag_instance_profile(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    untag(input, instance_profiles::PROFILES, instance_profiles::find(platform, input))
}

pub(super) fn tag_identity_provider(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    tag(input, identity_providers::PROVIDERS, identity_providers::find(platform, input))
}

pub(super) fn untag_identity_provider(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    untag(input, identity_providers::PROVIDERS, identity_providers::find(platform, input))
}
