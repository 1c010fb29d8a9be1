//! Resource policies of secrets: kept, and not acted on.

use neargate_core::Platform;
use neargate_wire::read_json;
use serde_json::{Value, json};

use super::asked;
use crate::error::{self, AwsError};
use crate::{Answer, fields, note};

fn check(input: &Value) -> Result<(), AwsError> {
    let policy = fields::text(input, "ResourcePolicy").unwrap_or_default();
    match read_json(policy) {
        Ok(Value::Object(_)) => Ok(()),
        _ => Err(error::client(
            "MalformedPolicyDocumentException",
            "This resource policy contains invalid Json.",
        )),
    }
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    check(input)?;
    let mut found = asked(platform, input)?;
    note::merge(&mut found.said, &note::members(input, &["ResourcePolicy"]));
    let names = found.names(platform);
    Answer::after(vec![found.keep(platform)], move |_| names)
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found = asked(platform, input)?;
    let mut answer = found.names(platform);
    note::merge(&mut answer, &note::members(&found.said, &["ResourcePolicy"]));
    Ok(Answer::Now(answer))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut found = asked(platform, input)?;
    if let Some(said) = found.said.as_object_mut() {
        said.remove("ResourcePolicy");
    }
    let names = found.names(platform);
    Answer::after(vec![found.keep(platform)], move |_| names)
}

pub(super) fn validate(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let passed = check(input);
    let mistakes = passed
        .as_ref()
        .err()
        .map(|error| json!({ "CheckName": "POLICY_VALIDATION", "ErrorMessage": error.message }));
    Ok(Answer::Now(json!({
        "PolicyValidationPassed": passed.is_ok(),
        "ValidationErrors": Vec::from_iter(mistakes),
    })))
}
