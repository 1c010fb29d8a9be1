//! The policy of a key: every key has one, by the name `default`.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::keys::{change, find};
use super::{listed, not_found};
use crate::error::{self, AwsError};
use crate::policy_document::{self, Kind};
use crate::{Answer, fields};

const NAME: &str = "default";

/// What a key gets that comes without a policy: the account decides.
pub(super) fn default(platform: &Platform) -> String {
    let account = &platform.identity().account;
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "arn:aws:iam::{account}:root"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#
    )
}

/// The document, if it can be a key's policy.
pub(super) fn checked(text: &str) -> Result<String, AwsError> {
    policy_document::check(text, Kind::Resource)
        .map_err(|why| error::client("MalformedPolicyDocumentException", why))?;
    Ok(text.to_owned())
}

fn named(input: &Value) -> Result<(), AwsError> {
    match fields::text(input, "PolicyName").unwrap_or(NAME) {
        NAME => Ok(()),
        _ => Err(not_found("No such policy exists")),
    }
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, key) = find(platform, input)?;
    named(input)?;
    Ok(Answer::Now(json!({ "Policy": key["policy"], "PolicyName": NAME })))
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    named(input)?;
    let policy = checked(fields::text(input, "Policy").unwrap_or_default())?;
    change(platform, input, |key| key["policy"] = json!(policy))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    find(platform, input)?;
    listed(input, "PolicyNames", vec![(NAME.to_owned(), json!(NAME))])
}
