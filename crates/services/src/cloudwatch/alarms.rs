//! Metric alarms and composite alarms (CW-ALM-*): put, describe, set state, delete.

use std::collections::BTreeSet;

use neargate_core::Platform;
use neargate_core::alarm::{Alarm, AlarmCondition, AlarmSpec};
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::shapes::{read_alarm, word, write_alarm};
use super::{invalid_combination, listed, validation};
use crate::error::{self, AwsError};
use crate::{Answer, arn, fields, tags};

/// CW-ALM-20.
const PAGE: usize = 100;
/// CW-ALM-13.
const MAX_ACTIONS: usize = 5;
/// CW-ALM-20.
pub(crate) fn alarm_arn(platform: &Platform, name: &str) -> String {
    arn::of(platform.identity(), "cloudwatch", format_args!("alarm:{name}"))
}

/// Whether an alarm is a composite one.
pub(super) fn is_composite(alarm: &Alarm) -> bool {
    matches!(alarm.spec.condition, AlarmCondition::Composite(_))
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
        if let Some(id) = metrics.iter().find_map(|query| {
            let sources = ["MetricStat", "Expression"].map(|member| fields::sent(query, member));
            (sources[0] == sources[1]).then(|| fields::text(query, "Id").unwrap_or_default())
        }) {
            return Err(validation(format!(
                "Exactly one of MetricStat and Expression must be given for metric {id}"
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

/// Puts an alarm in the place of one with its name, whose tags stay: those of the input are for a
/// new one (CW-ALM-15).
fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let Some(mut spec) = read_alarm(input) else {
        return Err(validation("The alarm has a value that CloudWatch does not know"));
    };
    spec.tags = match platform.alarm(&spec.name) {
        Some(alarm) => alarm.spec.tags.clone(),
        None => tags::read(fields::list(input, "Tags"), tags::LARGE),
    };
    Answer::after(vec![Command::PutAlarm(Box::new(spec))], |_| json!({}))
}

pub(super) fn put_metric(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    if fields::sent(input, "EvaluationCriteria") {
        return Err(invalid_combination("Alarms on PromQL queries are not served here"));
    }
    check_actions(input)?;
    check_metric(input)?;
    put(platform, input)
}

pub(super) fn put_composite(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    check_actions(input)?;
    let rule = fields::text(input, "AlarmRule").unwrap_or_default();
    let known = ["ALARM", "OK", "INSUFFICIENT_DATA", "TRUE", "FALSE"];
    if !known.iter().any(|word| rule.to_ascii_uppercase().contains(word)) {
        return Err(validation(format!("AlarmRule is not an expression of alarm states: {rule}")));
    }
    put(platform, input)
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
    let wants = |alarm: &Alarm| match is_composite(alarm) {
        true => kinds.contains(&"CompositeAlarm"),
        false => kinds.is_empty() || kinds.contains(&"MetricAlarm"),
    };
    let acts = |view: &Value, start: &str| {
        ["AlarmActions", "OKActions", "InsufficientDataActions"]
            .iter()
            .any(|member| fields::texts(view, member).iter().any(|a| a.starts_with(start)))
    };
    let found: Vec<Value> = platform
        .alarms_starting(prefix.unwrap_or_default())
        .filter(|alarm| {
            (names.is_empty() || names.contains(&alarm.spec.name.as_str()))
                && wants(alarm)
                && state.is_none_or(|state| alarm.state.as_str() == state)
        })
        .map(|alarm| write_alarm(platform, alarm))
        .filter(|view| action.is_none_or(|start| acts(view, start)))
        .collect();
    let size = fields::number(input, "MaxRecords").map_or(PAGE, |n| n as usize);
    let name = |view: &Value| fields::owned(view, "AlarmName").unwrap_or_default();
    let mut answer = listed(input, "all", found, size, name, Value::clone)?;
    let all = answer["all"].take();
    let (composite, metric): (Vec<Value>, Vec<Value>) = all
        .as_array()
        .cloned()
        .unwrap_or_default()
        .into_iter()
        .partition(|view| fields::sent(view, "AlarmRule"));
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
    let views = platform.alarms().map(|alarm| write_alarm(platform, alarm));
    let found: Vec<Value> = views.filter(fits).collect();
    Ok(Answer::Now(json!({ "MetricAlarms": found })))
}

/// CW-ALM-20: names that nothing has are no fault.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let names = fields::texts(input, "AlarmNames");
    let there: Vec<&Alarm> = names.iter().filter_map(|name| platform.alarm(name)).collect();
    if there.len() > 1 && there.iter().any(|alarm| is_composite(alarm)) {
        return Err(validation("A composite alarm is deleted by itself"));
    }
    // A name may stand twice.
    let names: BTreeSet<&String> = there.iter().map(|alarm| &alarm.spec.name).collect();
    let delete = |name: &String| Command::DeleteAlarm { name: name.clone() };
    Answer::after(names.into_iter().map(delete).collect(), |_| json!({}))
}

/// CW-ALM-16.
pub(super) fn set_state(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "AlarmName").unwrap_or_default();
    if platform.alarm(name).is_none() {
        return Err(error::client("ResourceNotFound", format!("Unknown alarm: {name}")));
    }
    let reason_data = fields::owned(input, "StateReasonData");
    if reason_data.as_ref().is_some_and(|data| serde_json::from_str::<Value>(data).is_err()) {
        return Err(error::client("InvalidFormat", "StateReasonData is not valid JSON"));
    }
    let Some(state) = word(input, "StateValue") else {
        return Err(validation("StateValue must be OK, ALARM or INSUFFICIENT_DATA"));
    };
    let reason = fields::owned(input, "StateReason").unwrap_or_default();
    let command = Command::SetAlarmState { name: name.to_owned(), state, reason, reason_data };
    Answer::after(vec![command], |_| json!({}))
}

fn enable(platform: &Platform, input: &Value, enabled: bool) -> Result<Answer, AwsError> {
    let mut commands = Vec::new();
    for name in fields::texts(input, "AlarmNames") {
        if let Some(alarm) = platform.alarm(name) {
            let spec = AlarmSpec { actions_enabled: enabled, ..alarm.spec.clone() };
            commands.push(Command::PutAlarm(Box::new(spec)));
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
