//! How long lines are kept (CWL-GRP-2).

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::log_group::LogGroupSpec;
use serde_json::{Value, json};

use super::{errors, group};
use crate::error::AwsError;
use crate::{Answer, fields};

/// CWL-GRP-2.
const ALLOWED_DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

fn keep(
    platform: &Platform,
    input: &Value,
    retention_days: Option<u32>,
) -> Result<Answer, AwsError> {
    let name = group(platform, input, "logGroupName")?.name.clone();
    let command = Command::PutLogGroup(LogGroupSpec { name, retention_days });
    Answer::after(vec![command], |_| json!({}))
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = input.get("retentionInDays").unwrap_or(&Value::Null);
    let days = fields::small(input, "retentionInDays").filter(|days| ALLOWED_DAYS.contains(days));
    // ERR-LOG-2.
    let Some(days) = days else {
        let allowed = ALLOWED_DAYS.map(|days| days.to_string()).join(", ");
        return Err(errors::invalid_parameter(format!(
            "1 validation error detected: Value '{asked}' at 'retentionInDays' failed to satisfy \
             constraint: Member must satisfy enum value set: [{allowed}]"
        )));
    };
    keep(platform, input, Some(days))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    keep(platform, input, None)
}
