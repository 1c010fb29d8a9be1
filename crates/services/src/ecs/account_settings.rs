//! Account settings: what is said about new resources by default. Records; nothing here acts on
//! them, for every ARN is long and every task has its own interface anyway.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{errors, page};
use crate::error::AwsError;
use crate::records::{Records, table};
use crate::{Answer, fields};

/// By `<principal>/<setting>`, or `default/<setting>`.
const SETTINGS: Records = table("ecs", "account-setting");

/// Each setting with its value when nobody set it, and the values it takes (all words when none
/// are listed).
const KNOWN: &[(&str, &str, &[&str])] = &[
    ("awsvpcTrunking", "disabled", &["enabled", "disabled"]),
    ("containerInsights", "disabled", &["enhanced", "enabled", "disabled"]),
    ("containerInstanceLongArnFormat", "enabled", &["enabled"]),
    ("defaultLogDriverMode", "non-blocking", &["blocking", "non-blocking"]),
    ("fargateFIPSMode", "disabled", &["enabled", "disabled"]),
    ("fargateTaskRetirementWaitPeriod", "7", &["0", "7", "14"]),
    ("guardDutyActivate", "off", &[]),
    ("serviceLongArnFormat", "enabled", &["enabled"]),
    ("tagResourceAuthorization", "off", &["on", "off"]),
    ("taskLongArnFormat", "enabled", &["enabled"]),
];

fn root(platform: &Platform) -> String {
    format!("arn:aws:iam::{}:root", platform.identity().account)
}

fn principal(platform: &Platform, input: &Value) -> String {
    fields::owned(input, "principalArn").unwrap_or_else(|| root(platform))
}

fn view(name: &str, value: &str, principal: &str) -> Value {
    let kind = if name == "guardDutyActivate" { "aws_managed" } else { "user" };
    json!({ "name": name, "value": value, "principalArn": principal, "type": kind })
}

/// What holds for that principal: its own word, else the account's, else ECS's.
fn effective(platform: &Platform, principal: &str, name: &str, unset: &str) -> String {
    let own = SETTINGS.get(platform, &format!("{principal}/{name}"));
    let said = own.or_else(|| SETTINGS.get(platform, &format!("default/{name}")));
    said.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_else(|| unset.to_owned())
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let principal = principal(platform, input);
    let all = fields::flag(input, "effectiveSettings").unwrap_or(false);
    let wanted = fields::text(input, "name");
    let value = fields::text(input, "value");
    let shown: Vec<Value> = KNOWN
        .iter()
        .filter(|(name, ..)| wanted.is_none_or(|wanted| wanted == *name))
        .filter(|(name, ..)| all || SETTINGS.has(platform, &format!("{principal}/{name}")))
        .map(|(name, unset, _)| {
            view(name, &effective(platform, &principal, name, unset), &principal)
        })
        .filter(|setting| value.is_none_or(|value| setting["value"] == value))
        .collect();
    let key = |setting: &Value| setting["name"].as_str().unwrap_or_default().to_owned();
    let page = page(input, shown, key, false, 10)?;
    let mut answer = json!({ "settings": page.entries });
    fields::set(&mut answer, "nextToken", page.next);
    Ok(Answer::Now(answer))
}

fn known(
    input: &Value,
) -> Result<&'static (&'static str, &'static str, &'static [&'static str]), AwsError> {
    let name = fields::text(input, "name").unwrap_or_default();
    KNOWN
        .iter()
        .find(|(known, ..)| *known == name)
        .ok_or_else(|| errors::invalid_parameter(format!("Unknown account setting {name}.")))
}

fn write(platform: &Platform, input: &Value, whose: &str) -> Result<Answer, AwsError> {
    let (name, _, allowed) = known(input)?;
    let value = fields::text(input, "value").unwrap_or_default();
    // The older spelling of the first four.
    let value = match value {
        "true" if allowed.contains(&"enabled") => "enabled",
        "false" if allowed.contains(&"disabled") => "disabled",
        value => value,
    };
    if value.is_empty() || !(allowed.is_empty() || allowed.contains(&value)) {
        return Err(errors::invalid_parameter(format!(
            "The value {value} of {name} is invalid: it must be one of {}.",
            allowed.join(", ")
        )));
    }
    let shown = view(name, value, &principal(platform, input));
    let command = SETTINGS.put(&format!("{whose}/{name}"), &json!(value));
    Answer::after(vec![command], move |_| json!({ "setting": shown }))
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    write(platform, input, &principal(platform, input))
}

pub(super) fn put_default(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    write(platform, input, "default")
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, unset, _) = known(input)?;
    let principal = principal(platform, input);
    let last = view(name, &effective(platform, &principal, name, unset), &principal);
    let command = SETTINGS.remove(&format!("{principal}/{name}"));
    Answer::after(vec![command], move |_| json!({ "setting": last }))
}
