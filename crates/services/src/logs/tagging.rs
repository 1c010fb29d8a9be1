//! Tags on log groups, by ARN and by name. The platform gives them no meaning, so they are noted.

use std::collections::BTreeMap;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{errors, group, subject};
use crate::error::{self, AwsError};
use crate::{Answer, arn, fields, note, tags};

/// At most so many tags on one group.
const MAX_TAGS: usize = 50;

/// Tags as these operations take them: one object.
pub(super) fn sent(input: &Value) -> BTreeMap<String, String> {
    tags::noted(input)
}

/// The subject of the group that an ARN names.
fn by_arn(platform: &Platform, input: &Value) -> Result<String, AwsError> {
    let text = fields::text(input, "resourceArn").unwrap_or_default();
    if !matches!(arn::parse(text), Some(("logs", resource)) if resource.starts_with("log-group:")) {
        return Err(errors::invalid_parameter(format!(
            "{text} is not the ARN of a log group: arn:aws:logs:<region>:<account>:log-group:<name> \
             is expected."
        )));
    }
    Ok(subject(platform, &group(platform, input, "resourceArn")?.name))
}

/// The subject of the group that is named.
fn by_name(platform: &Platform, input: &Value) -> Result<String, AwsError> {
    Ok(subject(platform, &group(platform, input, "logGroupName")?.name))
}

fn listed(platform: &Platform, subject: &str) -> Answer {
    Answer::Now(json!({ "tags": tags::noted(&note::read(platform, subject)) }))
}

fn change(
    platform: &Platform,
    subject: &str,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<Answer, AwsError> {
    let mut said = note::read(platform, subject);
    let mut own = tags::noted(&said);
    change(&mut own);
    if own.len() > MAX_TAGS {
        let why =
            format!("A log group can have at most {MAX_TAGS} tags; it would have {}.", own.len());
        return Err(error::client("TooManyTagsException", why));
    }
    tags::note(&mut said, &own);
    Answer::after(vec![note::write(subject, &said)], |_| json!({}))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    Ok(listed(platform, &by_arn(platform, input)?))
}

pub(super) fn list_of_group(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    Ok(listed(platform, &by_name(platform, input)?))
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, &by_arn(platform, input)?, |own| own.extend(sent(input)))
}

pub(super) fn tag_group(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, &by_name(platform, input)?, |own| own.extend(sent(input)))
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let keys = fields::texts(input, "tagKeys");
    let subject = by_arn(platform, input)?;
    change(platform, &subject, |own| own.retain(|key, _| !keys.contains(&key.as_str())))
}

pub(super) fn untag_group(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let keys = fields::texts(input, "tags");
    let subject = by_name(platform, input)?;
    change(platform, &subject, |own| own.retain(|key, _| !keys.contains(&key.as_str())))
}
