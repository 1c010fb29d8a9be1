//! Resource policies of the account, and the keys of groups: kept, and not acted on.

use neargate_core::Platform;
use neargate_wire::read_json;
use serde_json::{Value, json};

use super::{errors, group, subject};
use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, fields, note, page};

const POLICIES: Records = table("logs", "resource-policy");
/// In an account and region.
const MOST: usize = 10;

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "policyName")
        .ok_or_else(|| errors::invalid_parameter("policyName must be given."))?;
    let document = fields::text(input, "policyDocument").unwrap_or_default();
    if !read_json(document).is_ok_and(|policy| policy.is_object()) {
        return Err(errors::invalid_parameter("The policy document is not valid JSON."));
    }
    if !POLICIES.has(platform, name) && POLICIES.all(platform).count() >= MOST {
        return Err(error::client("LimitExceededException", "Resource limit exceeded."));
    }
    let policy = json!({
        "policyName": name,
        "policyDocument": document,
        "lastUpdatedTime": platform.now().0,
    });
    Answer::after(vec![POLICIES.put(name, &policy)], move |_| json!({ "resourcePolicy": policy }))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "policyName").unwrap_or_default();
    if !POLICIES.has(platform, name) {
        let why = format!("Policy with name [{name}] does not exist.");
        return Err(error::client("ResourceNotFoundException", why));
    }
    Answer::after(vec![POLICIES.remove(name)], |_| json!({}))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let all: Vec<(&str, Value)> = POLICIES.all(platform).collect();
    let size = fields::number(input, "limit").map_or(50, |limit| limit as usize);
    let token = fields::text(input, "nextToken");
    let page = page::page(all, |(key, _)| (*key).to_owned(), false, token, size)
        .map_err(|_| errors::invalid_parameter("The specified nextToken is invalid."))?;
    let views: Vec<Value> = page.entries.into_iter().map(|(_, policy)| policy).collect();
    let mut answer = json!({ "resourcePolicies": views });
    fields::set(&mut answer, "nextToken", page.next);
    Ok(Answer::Now(answer))
}

/// The group that `logGroupName` or `resourceIdentifier` names.
fn keyed(platform: &Platform, input: &Value) -> Result<String, AwsError> {
    let by_name = fields::sent(input, "logGroupName");
    let member = if by_name { "logGroupName" } else { "resourceIdentifier" };
    Ok(subject(platform, &group(platform, input, member)?.name))
}

pub(super) fn associate_key(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let subject = keyed(platform, input)?;
    let mut said = note::read(platform, &subject);
    note::merge(&mut said, &note::members(input, &["kmsKeyId"]));
    Answer::after(vec![note::write(&subject, &said)], |_| json!({}))
}

pub(super) fn disassociate_key(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let subject = keyed(platform, input)?;
    let mut said = note::read(platform, &subject);
    if let Some(said) = said.as_object_mut() {
        said.remove("kmsKeyId");
    }
    Answer::after(vec![note::write(&subject, &said)], |_| json!({}))
}
