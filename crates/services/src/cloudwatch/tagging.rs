//! Tags on alarms and dashboards.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::alarms::ALARMS;
use super::dashboards::DASHBOARDS;
use crate::error::{self, AwsError};
use crate::records::Records;
use crate::{Answer, arn, fields, tags};

/// The record of what the ARN names.
fn find(platform: &Platform, input: &Value) -> Result<(Records, String, Value), AwsError> {
    let text = fields::text(input, "ResourceARN").unwrap_or_default();
    let resource = arn::parse(text).filter(|(service, _)| *service == "cloudwatch");
    let named = resource.and_then(|(_, resource)| {
        let alarm = resource.strip_prefix("alarm:").map(|name| (ALARMS, name));
        alarm.or_else(|| resource.strip_prefix("dashboard/").map(|name| (DASHBOARDS, name)))
    });
    let Some((table, name)) = named else {
        let message = format!("{text} is not the ARN of an alarm or a dashboard");
        return Err(super::invalid_value(message));
    };
    match table.get(platform, name) {
        Some(record) => Ok((table, name.to_owned(), record)),
        None => {
            Err(error::client("ResourceNotFoundException", format!("Unknown resource: {text}")))
        }
    }
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, _, record) = find(platform, input)?;
    Ok(Answer::Now(json!({ "Tags": tags::write(&tags::noted(&record), tags::LARGE) })))
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (table, name, mut record) = find(platform, input)?;
    tags::add(&mut record, tags::read(fields::list(input, "Tags"), tags::LARGE));
    Answer::after(vec![table.put(&name, &record)], |_| json!({}))
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (table, name, mut record) = find(platform, input)?;
    tags::remove(&mut record, &fields::texts(input, "TagKeys"));
    Answer::after(vec![table.put(&name, &record)], |_| json!({}))
}
