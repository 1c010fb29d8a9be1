//! Tags on alarms and dashboards.

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_core::alarm::AlarmSpec;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::dashboards::DASHBOARDS;
use crate::error::{self, AwsError};
use crate::{Answer, arn, fields, tags};

/// What has tags.
enum Tagged {
    Alarm(Box<AlarmSpec>),
    /// Name and record.
    Dashboard(String, Value),
}

/// What the ARN names.
fn find(platform: &Platform, input: &Value) -> Result<Tagged, AwsError> {
    let text = fields::text(input, "ResourceARN").unwrap_or_default();
    let resource = match arn::parse(text) {
        Some(("cloudwatch", resource)) => resource,
        _ => "",
    };
    let found = if let Some(name) = resource.strip_prefix("alarm:") {
        platform.alarm(name).map(|alarm| Tagged::Alarm(Box::new(alarm.spec.clone())))
    } else if let Some(name) = resource.strip_prefix("dashboard/") {
        DASHBOARDS.get(platform, name).map(|record| Tagged::Dashboard(name.to_owned(), record))
    } else {
        let message = format!("{text} is not the ARN of an alarm or a dashboard");
        return Err(super::invalid_value(message));
    };
    found.ok_or_else(|| {
        error::client("ResourceNotFoundException", format!("Unknown resource: {text}"))
    })
}

impl Tagged {
    fn tags(&self) -> BTreeMap<String, String> {
        match self {
            Tagged::Alarm(spec) => spec.tags.clone(),
            Tagged::Dashboard(_, record) => tags::noted(record),
        }
    }

    /// Gives it these tags.
    fn tag(self, all: BTreeMap<String, String>) -> Command {
        match self {
            Tagged::Alarm(mut spec) => {
                spec.tags = all;
                Command::PutAlarm(spec)
            }
            Tagged::Dashboard(name, mut record) => {
                tags::note(&mut record, &all);
                DASHBOARDS.put(&name, &record)
            }
        }
    }
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let tags = find(platform, input)?.tags();
    Ok(Answer::Now(json!({ "Tags": tags::write(&tags, tags::LARGE) })))
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let tagged = find(platform, input)?;
    let mut tags = tagged.tags();
    tags.extend(tags::read(fields::list(input, "Tags"), tags::LARGE));
    Answer::after(vec![tagged.tag(tags)], |_| json!({}))
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let tagged = find(platform, input)?;
    let gone = fields::texts(input, "TagKeys");
    let mut tags = tagged.tags();
    tags.retain(|key, _| !gone.contains(&key.as_str()));
    Answer::after(vec![tagged.tag(tags)], |_| json!({}))
}
