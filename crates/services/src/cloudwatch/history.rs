//! What became of an alarm (CW-ALM-17): the newest items of each alarm, not two weeks of them.

use neargate_core::Platform;
use neargate_core::alarm::{AlarmEvent, AlarmHistoryItem};
use serde_json::{Value, json};

use super::alarms::is_composite;
use super::listed;
use crate::error::AwsError;
use crate::{Answer, fields};

/// A page unless the input says fewer.
const PAGE: usize = 100;

/// An item without the alarm that it belongs to.
fn item(alarm: &str, happened: &AlarmHistoryItem) -> Value {
    let (kind, summary, data) = match &happened.what {
        AlarmEvent::Created => (
            "ConfigurationUpdate",
            format!("Alarm \"{alarm}\" created"),
            json!({ "version": "1.0", "type": "Create" }),
        ),
        AlarmEvent::Updated => (
            "ConfigurationUpdate",
            format!("Alarm \"{alarm}\" updated"),
            json!({ "version": "1.0", "type": "Update" }),
        ),
        AlarmEvent::State { from, to, reason } => (
            "StateUpdate",
            format!("Alarm updated from {} to {}", from.as_str(), to.as_str()),
            json!({
                "version": "1.0",
                "oldState": { "stateValue": from.as_str() },
                "newState": { "stateValue": to.as_str(), "stateReason": reason },
            }),
        ),
    };
    json!({
        "HistoryItemType": kind,
        "HistorySummary": summary,
        "HistoryData": data.to_string(),
        "Timestamp": fields::time(happened.at),
    })
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "AlarmName");
    let kinds = fields::texts(input, "AlarmTypes");
    let time = |member: &str| input.get(member).and_then(Value::as_f64);
    let (start, end) = (time("StartDate"), time("EndDate"));
    let item_kind = fields::text(input, "HistoryItemType");
    let mut found = Vec::new();
    for alarm in platform.alarms().filter(|alarm| name.is_none_or(|n| n == alarm.spec.name)) {
        let kind = if is_composite(alarm) { "CompositeAlarm" } else { "MetricAlarm" };
        let wanted = match kinds.is_empty() {
            true => kind == "MetricAlarm",
            false => kinds.contains(&kind),
        };
        for happened in alarm.history.iter().filter(|_| wanted) {
            let mut item = item(&alarm.spec.name, happened);
            let at = item["Timestamp"].as_f64().unwrap_or_default();
            let in_time = start.is_none_or(|s| at >= s) && end.is_none_or(|e| at <= e);
            if in_time && item_kind.is_none_or(|wanted| item["HistoryItemType"] == wanted) {
                item["AlarmName"] = json!(alarm.spec.name);
                item["AlarmType"] = json!(kind);
                found.push((at, item));
            }
        }
    }
    found.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    if fields::text(input, "ScanBy") != Some("TimestampAscending") {
        found.reverse();
    }
    let numbered: Vec<(usize, Value)> =
        found.into_iter().map(|(_, item)| item).enumerate().collect();
    let size = fields::number(input, "MaxRecords").map_or(PAGE, |n| n as usize);
    let key = |(place, _): &(usize, Value)| format!("{place:08}");
    let answer = listed(input, "AlarmHistoryItems", numbered, size, key, |(_, item)| item.clone())?;
    Ok(Answer::Now(answer))
}
