//! Rotation: its settings are kept. Nothing here runs the function that would make new values.

use neargate_core::Platform;
use neargate_core::secrets::CURRENT;
use serde_json::{Value, json};

use super::{asked, errors};
use crate::error::AwsError;
use crate::{Answer, fields, note};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) fn rotate(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut found = asked(platform, input)?;
    let rules = input.get("RotationRules");
    if rules.is_some_and(|rules| {
        fields::sent(rules, "AutomaticallyAfterDays") && fields::sent(rules, "ScheduleExpression")
    }) {
        return Err(errors::invalid_parameter(
            "You can't specify both AutomaticallyAfterDays and ScheduleExpression.",
        ));
    }
    note::merge(&mut found.said, &note::members(input, &["RotationLambdaARN", "RotationRules"]));
    found.said["RotationEnabled"] = json!(true);
    let days = fields::number(&found.said["RotationRules"], "AutomaticallyAfterDays");
    let next = days.map(|days| fields::time(platform.now().plus(days.saturating_mul(DAY_MS))));
    fields::set(&mut found.said, "NextRotationDate", next);
    let mut answer = found.names(platform);
    let version = found.secret.version(None, Some(CURRENT));
    fields::set(&mut answer, "VersionId", version.map(|(id, _)| id));
    Answer::after(vec![found.keep(platform)], move |_| answer)
}

pub(super) fn cancel(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut found = asked(platform, input)?;
    found.said["RotationEnabled"] = json!(false);
    if let Some(said) = found.said.as_object_mut() {
        said.remove("NextRotationDate");
    }
    let names = found.names(platform);
    Answer::after(vec![found.keep(platform)], move |_| names)
}
