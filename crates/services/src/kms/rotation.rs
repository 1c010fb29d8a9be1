//! Rotation of a key: whether, and how often.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::keys::{change, find, find_usable};
use crate::error::{self, AwsError};
use crate::{Answer, fields};

/// Days between two rotations unless the caller says so.
const PERIOD: u64 = 365;
const DAY_S: u64 = 24 * 60 * 60;

pub(super) fn enable(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, key) = find_usable(platform, input)?;
    if fields::text(&key, "KeySpec") != Some("SYMMETRIC_DEFAULT") {
        return Err(error::client("UnsupportedOperationException", ""));
    }
    if fields::flag(&key, "Enabled") == Some(false) {
        let arn = fields::text(&key, "Arn").unwrap_or_default();
        return Err(error::client("DisabledException", format!("{arn} is disabled.")));
    }
    let days = fields::number(input, "RotationPeriodInDays").unwrap_or(PERIOD);
    let next = platform.now().0 / 1000 + days * DAY_S;
    change(platform, input, |key| key["rotation"] = json!({ "days": days, "next": next }))
}

pub(super) fn disable(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, |key| {
        if let Some(key) = key.as_object_mut() {
            key.remove("rotation");
        }
    })
}

pub(super) fn status(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, key) = find(platform, input)?;
    let mut answer = json!({ "KeyId": key["Arn"], "KeyRotationEnabled": false });
    if let Some(rotation) = key.get("rotation") {
        answer["KeyRotationEnabled"] = json!(true);
        answer["RotationPeriodInDays"] = rotation["days"].clone();
        answer["NextRotationDate"] = rotation["next"].clone();
    }
    Ok(Answer::Now(answer))
}
