//! Metric alarms and composite alarms (CW-ALM-*): put, describe, set state, delete.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_wire::read_json;
use serde_json::{Value, json};

use super::{history, invalid_combination, listed, validation};
use crate::error::{self, AwsError};
use crate::records::{Records, shown, table};
use crate::{Answer, arn, fields, note, tags};

/// Of both kinds, by name, as they are described; `tags`.
pub(crate) const ALARMS: Records = table("cloudwatch", "alarm");

/// CW-ALM-20.
const PAGE: usize = 100;
/// CW-ALM-13.
const MAX_ACTIONS: usize = 5;
/// What a client says about a metric alarm.
const METRIC_MEMBERS: [&str; 21] = [
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "AlarmName",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "Dimensions",
    "EvaluateLowSampleCountPercentile",
    "EvaluationPeriods",
    "ExtendedStatistic",
    "InsufficientDataActions",
    "MetricName",
    "Metrics",
    "Namespace",
    "OKActions",
    "Period",
    "Statistic",
    "Threshold",
    "ThresholdMetricId",
    "TreatMissingData",
    "Unit",
];
/// What a client says about a composite alarm.
const COMPOSITE_MEMBERS: [&str; 10] = [
    "ActionsEnabled",
    "ActionsSuppressor",
    "ActionsSuppressorExtensionPeriod",
    "ActionsSuppressorWaitPeriod",
    "AlarmActions",
    "AlarmDescription",
    "AlarmName",
    "AlarmRule",
    "InsufficientDataActions",
    "OKActions",
];
const STATE: [&str; 5] = [
    "StateReason",
    "StateReasonData",
    "StateTransitionedTimestamp",
    "StateUpdatedTimestamp",
    "StateValue",
];

/// CW-ALM-20.
pub(crate) fn alarm_arn(platform: &Platform, name: &str) -> String {
    arn::of(platform.identity(), "cloudwatch", format_args!("alarm:{name}"))
}

/// Whether an alarm is a composite one.
pub(super) fn is_composite(alarm: &Value) -> bool {
    fields::sent(alarm, "AlarmRule")
}

fn check_actions(input: &Value) -> Result<(), AwsError> {
    for member in ["AlarmActions", "OKActions", "InsufficientDataActions"] {
        let actions = fields::texts(input, member);
        if actions.len() > MAX_ACTIONS {
            return Err(validation(format!("{member} can have at most {MAX_ACTIONS} elements")));
        }
        if let Some(bad) = actions.iter().find(|action| arn::parse(action).is_none()) {
            return Err(validation(format!("Invalid arn syntax: {bad}")));
        }
    }
    Ok(())
}

/// CW-MET-6: a period is 10, 20 or 30 seconds, or minutes.
fn check_period(period: u64) -> Result<(), AwsError> {
    let fits = [10, 20, 30].contains(&period) || (period > 0 && period.is_multiple_of(60));
    match fits {
        true => Ok(()),
        false => Err(validation("Period must be 10, 20, 30 or a multiple of 60")),
    }
}

/// CW-ALM-3, CW-ALM-19.
fn check_metric(input: &Value) -> Result<(), AwsError> {
    let metrics = fields::list(input, "Metrics");
    let single = ["MetricName", "Namespace", "Period", "Statistic", "ExtendedStatistic"];
    if !metrics.is_empty() {
        if let Some(member) = single.iter().find(|member| fields::sent(input, member)) {
            return Err(invalid_combination(format!(
                "The parameters Metrics and {member} cannot be used together"
            )));
        }
        let band = fields::sent(input, "ThresholdMetricId");
        let returned = metrics.iter().filter(|m| fields::flag(m, "ReturnData") != Some(false));
        if !band && returned.count() != 1 {
            return Err(validation("Exactly one element of the metrics list should return data."));
        }
    } else {
        for member in ["MetricName", "Namespace", "Period"] {
            if !fields::sent(input, member) {
                let message = format!("The parameter {member} is required.");
                return Err(error::client("MissingParameter", message));
            }
        }
        match ["Statistic", "ExtendedStatistic"].map(|member| fields::sent(input, member)) {
            [true, true] => {
                return Err(invalid_combination(
                    "The parameters Statistic and ExtendedStatistic cannot be used together",
                ));
            }
            [false, false] => {
                let message = "Either Statistic or ExtendedStatistic must be specified";
                return Err(error::client("MissingParameter", message));
            }
            _ => {}
        }
        check_period(fields::number(input, "Period").unwrap_or_default())?;
    }
    let periods = fields::number(input, "EvaluationPeriods").unwrap_or(1);
    if fields::number(input, "DatapointsToAlarm").is_some_and(|points| points > periods) {
        return Err(validation(
            "DatapointsToAlarm must be less than or equal to EvaluationPeriods",
        ));
    }
    let span = periods.saturating_mul(fields::number(input, "Period").unwrap_or(60));
    if span > 7 * 86_400 {
        return Err(validation(
            "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must \
             be <= 604800)",
        ));
    }
    let missing = fields::text(input, "TreatMissingData").unwrap_or("missing");
    if !["breaching", "notBreaching", "ignore", "missing"].contains(&missing) {
        return Err(validation(format!("Option {missing} is not supported for TreatMissingData.")));
    }
    let has_threshold = ["Threshold", "ThresholdMetricId"].map(|m| fields::sent(input, m));
    match has_threshold {
        [true, false] | [false, true] => Ok(()),
        [true, true] => Err(invalid_combination(
            "The parameters Threshold and ThresholdMetricId cannot be used together",
        )),
        [false, false] => Err(error::client("MissingParameter", "Threshold must be specified")),
    }
}

/// The commands that put an alarm in the place of one with its name. Its state stays, as do its
/// tags: those of the input are for a new one (CW-ALM-1, CW-ALM-15).
fn put(platform: &Platform, input: &Value, members: &[&str]) -> Vec<Command> {
    let name = fields::text(input, "AlarmName").unwrap_or_default();
    let mut alarm = note::members(input, members);
    let now = fields::time(platform.now());
    let there = ALARMS.get(platform, name);
    let item = match &there {
        Some(old) => {
            note::merge(&mut alarm, &note::members(old, &STATE));
            tags::note(&mut alarm, &tags::noted(old));
            history::item(
                platform,
                input,
                "ConfigurationUpdate",
                &format!("Alarm \"{name}\" updated"),
            )
        }
        None => {
            note::merge(
                &mut alarm,
                &json!({
                    "StateReason": "Unchecked: Initial alarm creation",
                    "StateTransitionedTimestamp": now,
                    "StateUpdatedTimestamp": now,
                    "StateValue": "INSUFFICIENT_DATA",
                }),
            );
            tags::note(&mut alarm, &tags::read(fields::list(input, "Tags"), tags::LARGE));
            history::item(
                platform,
                input,
                "ConfigurationUpdate",
                &format!("Alarm \"{name}\" created"),
            )
        }
    };
    if !fields::sent(&alarm, "ActionsEnabled") {
        alarm["ActionsEnabled"] = json!(true);
    }
    for member in ["AlarmActions", "OKActions", "InsufficientDataActions"] {
        if !fields::sent(&alarm, member) {
            alarm[member] = json!([]);
        }
    }
    alarm["AlarmArn"] = json!(alarm_arn(platform, name));
    alarm["AlarmConfigurationUpdatedTimestamp"] = now;
    let added = history::added(platform, name, is_composite(&alarm), item);
    vec![ALARMS.put(name, &alarm), added]
}

/// The commands that put a metric alarm which another service made.
pub(crate) fn put_for_service(platform: &Platform, alarm: &Value) -> Vec<Command> {
    let mut alarm = alarm.clone();
    if !fields::sent(&alarm, "Metrics") && !fields::sent(&alarm, "Dimensions") {
        alarm["Dimensions"] = json!([]);
    }
    put(platform, &alarm, &METRIC_MEMBERS)
}

/// The commands that remove an alarm and its history.
pub(crate) fn remove(name: &str) -> [Command; 2] {
    [ALARMS.remove(name), history::forget(name)]
}

pub(super) fn put_metric(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    if fields::sent(input, "EvaluationCriteria") {
        return Err(invalid_combination("Alarms on PromQL queries are not served here"));
    }
    check_actions(input)?;
    check_metric(input)?;
    check_kind(platform, input, false)?;
    let mut alarm = input.clone();
    if !fields::sent(&alarm, "Metrics") && !fields::sent(&alarm, "Dimensions") {
        alarm["Dimensions"] = json!([]);
    }
    Answer::after(put(platform, &alarm, &METRIC_MEMBERS), |_| json!({}))
}

pub(super) fn put_composite(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    check_actions(input)?;
    check_kind(platform, input, true)?;
    let rule = fields::text(input, "AlarmRule").unwrap_or_default();
    let known = ["ALARM", "OK", "INSUFFICIENT_DATA", "TRUE", "FALSE"];
    if !known.iter().any(|word| rule.to_ascii_uppercase().contains(word)) {
        return Err(validation(format!("AlarmRule is not an expression of alarm states: {rule}")));
    }
    Answer::after(put(platform, input, &COMPOSITE_MEMBERS), |_| json!({}))
}

/// A name is of one kind of alarm.
fn check_kind(platform: &Platform, input: &Value, composite: bool) -> Result<(), AwsError> {
    let name = fields::text(input, "AlarmName").unwrap_or_default();
    match ALARMS.get(platform, name) {
        Some(alarm) if is_composite(&alarm) != composite => {
            Err(validation(format!("There is an alarm of the other type named {name}")))
        }
        _ => Ok(()),
    }
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let names = fields::texts(input, "AlarmNames");
    let prefix = fields::text(input, "AlarmNamePrefix");
    if prefix.is_some() && !names.is_empty() {
        return Err(invalid_combination("AlarmNames and AlarmNamePrefix cannot be used together"));
    }
    let state = fields::text(input, "StateValue");
    let action = fields::text(input, "ActionPrefix");
    // Metric alarms unless composite ones are asked for, too.
    let kinds = fields::texts(input, "AlarmTypes");
    let wants = |alarm: &Value| match is_composite(alarm) {
        true => kinds.contains(&"CompositeAlarm"),
        false => kinds.is_empty() || kinds.contains(&"MetricAlarm"),
    };
    let acts = |alarm: &Value, start: &str| {
        ["AlarmActions", "OKActions", "InsufficientDataActions"]
            .iter()
            .any(|member| fields::texts(alarm, member).iter().any(|a| a.starts_with(start)))
    };
    let found: Vec<(&str, Value)> = ALARMS
        .starting(platform, prefix.unwrap_or_default())
        .filter(|(name, alarm)| {
            (names.is_empty() || names.contains(name))
                && wants(alarm)
                && state.is_none_or(|state| alarm["StateValue"] == state)
                && action.is_none_or(|start| acts(alarm, start))
        })
        .collect();
    let size = fields::number(input, "MaxRecords").map_or(PAGE, |n| n as usize);
    let view = |(_, alarm): &(&str, Value)| shown(alarm);
    let mut answer = listed(input, "all", found, size, |(name, _)| (*name).to_owned(), view)?;
    let all = answer["all"].take();
    let (composite, metric): (Vec<Value>, Vec<Value>) =
        all.as_array().cloned().unwrap_or_default().into_iter().partition(is_composite);
    let mut described = json!({ "MetricAlarms": metric, "CompositeAlarms": composite });
    fields::set(&mut described, "NextToken", fields::owned(&answer, "NextToken"));
    Ok(Answer::Now(described))
}

pub(super) fn describe_for_metric(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let dimensions = |of: &Value| {
        let mut all: Vec<String> =
            fields::list(of, "Dimensions").iter().map(Value::to_string).collect();
        all.sort();
        all
    };
    let asked = dimensions(input);
    let exact = ["MetricName", "Namespace"];
    let optional = ["ExtendedStatistic", "Period", "Statistic", "Unit"];
    let fits = |alarm: &Value| {
        exact.iter().all(|member| alarm.get(*member) == input.get(*member))
            && optional.iter().all(|m| !fields::sent(input, m) || alarm.get(*m) == input.get(*m))
            && dimensions(alarm) == asked
    };
    let found: Vec<Value> = ALARMS
        .all(platform)
        .filter(|(_, alarm)| fits(alarm))
        .map(|(_, alarm)| shown(&alarm))
        .collect();
    Ok(Answer::Now(json!({ "MetricAlarms": found })))
}

/// CW-ALM-20: names that nothing has are no fault.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let names = fields::texts(input, "AlarmNames");
    let there: Vec<Value> = names.iter().filter_map(|name| ALARMS.get(platform, name)).collect();
    if there.len() > 1 && there.iter().any(is_composite) {
        return Err(validation("A composite alarm is deleted by itself"));
    }
    let commands = names.into_iter().flat_map(remove).collect();
    Answer::after(commands, |_| json!({}))
}

/// CW-ALM-16.
pub(super) fn set_state(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "AlarmName").unwrap_or_default();
    let Some(mut alarm) = ALARMS.get(platform, name) else {
        return Err(error::client("ResourceNotFound", format!("Unknown alarm: {name}")));
    };
    if let Some(data) = fields::text(input, "StateReasonData")
        && read_json(data).is_err()
    {
        return Err(error::client("InvalidFormat", "StateReasonData is not valid JSON"));
    }
    let now = fields::time(platform.now());
    let (old, new) = (alarm["StateValue"].clone(), input["StateValue"].clone());
    if let Some(members) = alarm.as_object_mut() {
        members.remove("StateReasonData");
    }
    note::merge(
        &mut alarm,
        &note::members(input, &["StateReason", "StateReasonData", "StateValue"]),
    );
    alarm["StateUpdatedTimestamp"] = now.clone();
    let mut commands = Vec::new();
    if old != new {
        alarm["StateTransitionedTimestamp"] = now;
        let texts = [&old, &new].map(|state| state.as_str().unwrap_or_default());
        let summary = format!("Alarm updated from {} to {}", texts[0], texts[1]);
        let item = history::item(platform, input, "StateUpdate", &summary);
        commands.push(history::added(platform, name, is_composite(&alarm), item));
    }
    commands.push(ALARMS.put(name, &alarm));
    Answer::after(commands, |_| json!({}))
}

fn enable(platform: &Platform, input: &Value, enabled: bool) -> Result<Answer, AwsError> {
    let mut commands = Vec::new();
    for name in fields::texts(input, "AlarmNames") {
        if let Some(mut alarm) = ALARMS.get(platform, name) {
            alarm["ActionsEnabled"] = json!(enabled);
            commands.push(ALARMS.put(name, &alarm));
        }
    }
    Answer::after(commands, |_| json!({}))
}

pub(super) fn enable_actions(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    enable(platform, input, true)
}

pub(super) fn disable_actions(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    enable(platform, input, false)
}
