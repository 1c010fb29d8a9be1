//! What became of an alarm (CW-ALM-17): the newest items of each alarm, not two weeks of them.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::listed;
use crate::error::AwsError;
use crate::records::{Records, table};
use crate::{Answer, fields};

/// By alarm name: `kind` and `items`, oldest first.
const HISTORY: Records = table("cloudwatch", "alarm-history");
/// At most so many items of one alarm.
const MAX_ITEMS: usize = 50;
/// A page unless the input says fewer.
const PAGE: usize = 100;

/// What just happened, as the input said it.
pub(super) fn item(platform: &Platform, input: &Value, kind: &str, summary: &str) -> Value {
    json!({
        "HistoryItemType": kind,
        "HistorySummary": summary,
        "HistoryData": json!({ "version": "1.0", "request": input }).to_string(),
        "Timestamp": fields::time(platform.now()),
    })
}

/// Remembers it.
pub(super) fn added(platform: &Platform, alarm: &str, composite: bool, item: Value) -> Command {
    let mut items = match HISTORY.get(platform, alarm) {
        Some(mut history) => match history["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        },
        None => Vec::new(),
    };
    items.push(item);
    items.drain(..items.len().saturating_sub(MAX_ITEMS));
    let kind = if composite { "CompositeAlarm" } else { "MetricAlarm" };
    HISTORY.put(alarm, &json!({ "kind": kind, "items": items }))
}

pub(super) fn forget(alarm: &str) -> Command {
    HISTORY.remove(alarm)
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "AlarmName");
    let kinds = fields::texts(input, "AlarmTypes");
    let time = |member: &str| input.get(member).and_then(Value::as_f64);
    let (start, end) = (time("StartDate"), time("EndDate"));
    let item_kind = fields::text(input, "HistoryItemType");
    let mut found = Vec::new();
    for (alarm, history) in
        HISTORY.all(platform).filter(|(alarm, _)| name.is_none_or(|n| n == *alarm))
    {
        let kind = &history["kind"];
        let wanted = match kinds.is_empty() {
            true => kind == "MetricAlarm",
            false => kinds.iter().any(|wanted| kind == wanted),
        };
        for item in fields::list(&history, "items").iter().filter(|_| wanted) {
            let at = item["Timestamp"].as_f64().unwrap_or_default();
            let in_time = start.is_none_or(|s| at >= s) && end.is_none_or(|e| at <= e);
            if in_time && item_kind.is_none_or(|wanted| item["HistoryItemType"] == wanted) {
                let mut item = item.clone();
                item["AlarmName"] = json!(alarm);
                item["AlarmType"] = kind.clone();
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
