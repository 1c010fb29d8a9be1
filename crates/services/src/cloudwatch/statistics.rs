//! Metric data as clients ask for it: GetMetricStatistics and GetMetricData (CW-MET-5 to -7).
//! Metric math is not evaluated.

use std::collections::BTreeMap;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::metrics::{self, Summary};
use super::{invalid_combination, invalid_value, validation};
use crate::error::{self, AwsError};
use crate::{Answer, fields};

/// CW-MET-7.
const MAX_POINTS: u64 = 1440;
const MAX_QUERIES: usize = 500;

/// CW-MET-6.
fn period(of: &Value) -> Result<u64, AwsError> {
    let period = fields::number(of, "Period").unwrap_or_default();
    let fits = [1, 5, 10, 30].contains(&period) || (period > 0 && period.is_multiple_of(60));
    match fits {
        true => Ok(period),
        false => Err(invalid_value("Period must be 1, 5, 10, 30 or a multiple of 60")),
    }
}

/// StartTime and EndTime in seconds, the start rounded down to the period.
fn span(input: &Value, period: u64) -> Result<(u64, u64), AwsError> {
    let time = |member: &str| input.get(member).and_then(Value::as_f64).unwrap_or_default();
    let (start, end) = (time("StartTime"), time("EndTime"));
    match start < end {
        true => Ok((start.max(0.0) as u64 / period * period, end.ceil().max(0.0) as u64)),
        false => Err(invalid_combination(
            "The parameter StartTime must be less than the parameter EndTime.",
        )),
    }
}

/// One statistic of a summary; `None` when what came does not tell it (CW-MET-5).
fn statistic(of: &Summary, name: &str) -> Option<f64> {
    match name {
        "SampleCount" => Some(of.count),
        "Sum" => Some(of.sum),
        "Average" => (of.count > 0.0).then(|| of.sum / of.count),
        "Minimum" => Some(of.min),
        "Maximum" => Some(of.max),
        _ => {
            let share: f64 = name.strip_prefix('p')?.parse().ok()?;
            let mut values = of.values.clone()?;
            values.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            let rank = of.count * share / 100.0;
            let mut passed = 0.0;
            for (value, count) in &values {
                passed += count;
                if passed >= rank {
                    return Some(*value);
                }
            }
            values.last().map(|(value, _)| *value)
        }
    }
}

/// Percentiles beside the five plain statistics.
fn check_statistic(name: &str) -> Result<(), AwsError> {
    let plain = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"].contains(&name);
    let percentile = name.strip_prefix('p').and_then(|share| share.parse::<f64>().ok());
    match plain || percentile.is_some_and(|share| (0.0..=100.0).contains(&share)) {
        true => Ok(()),
        false => Err(invalid_value(format!("The statistic {name} is not served here"))),
    }
}

/// Of a label that has one unit, by the start of each period.
fn by_period<'a>(
    points: impl Iterator<Item = &'a ((u64, String), Summary)>,
    period: u64,
) -> BTreeMap<u64, Summary> {
    let mut periods: BTreeMap<u64, Summary> = BTreeMap::new();
    for ((second, _), summary) in points {
        periods
            .entry(second / period * period)
            .and_modify(|known| known.add(summary))
            .or_insert_with(|| summary.clone());
    }
    periods
}

pub(super) fn statistics(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let period = period(input)?;
    let (start, end) = span(input, period)?;
    let plain = fields::texts(input, "Statistics");
    let extended = fields::texts(input, "ExtendedStatistics");
    if plain.is_empty() && extended.is_empty() {
        let message = "At least one of Statistics and ExtendedStatistics must be specified.";
        return Err(error::client("MissingParameter", message));
    }
    extended.iter().try_for_each(|name| check_statistic(name))?;
    let asked = (end - start).div_ceil(period);
    if asked > MAX_POINTS {
        return Err(invalid_combination(format!(
            "You have requested up to {asked} datapoints, which exceeds the limit of {MAX_POINTS}. \
             You may reduce the datapoints requested by increasing Period, or decreasing the time \
             range."
        )));
    }
    let namespace = fields::text(input, "Namespace").unwrap_or_default();
    let points = metrics::points(platform, namespace, input, (start, end));
    // CW-MET-9.
    let wanted = fields::text(input, "Unit");
    let mut units: Vec<&str> = points.iter().map(|((_, unit), _)| unit.as_str()).collect();
    units.sort_unstable();
    units.dedup();
    let mut datapoints = Vec::new();
    for unit in units.into_iter().filter(|unit| wanted.is_none_or(|wanted| wanted == *unit)) {
        let own = points.iter().filter(|((_, of), _)| of == unit);
        for (second, summary) in by_period(own, period) {
            let mut point = json!({ "Timestamp": second, "Unit": unit });
            for name in &plain {
                fields::set(&mut point, name, statistic(&summary, name));
            }
            let shares = extended.iter().filter_map(|n| Some((*n, statistic(&summary, n)?)));
            let shares: BTreeMap<&str, f64> = shares.collect();
            if !shares.is_empty() {
                point["ExtendedStatistics"] = json!(shares);
            }
            datapoints.push(point);
        }
    }
    Ok(Answer::Now(json!({ "Label": input["MetricName"], "Datapoints": datapoints })))
}

fn answer_query(
    platform: &Platform,
    input: &Value,
    query: &Value,
) -> Result<Option<Value>, AwsError> {
    let id = fields::text(query, "Id").unwrap_or_default();
    if !id.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(validation(format!("The id {id} must start with a lower-case letter")));
    }
    let Some(wanted) = query.get("MetricStat").filter(|stat| stat.is_object()) else {
        return Err(validation(format!("{id}: metric math is not evaluated here yet")));
    };
    let period = period(wanted)?;
    let span = span(input, period)?;
    let name = fields::text(wanted, "Stat").unwrap_or_default();
    check_statistic(name)?;
    if fields::flag(query, "ReturnData") == Some(false) {
        return Ok(None);
    }
    let metric = &wanted["Metric"];
    let namespace = fields::text(metric, "Namespace").unwrap_or_default();
    let unit = fields::text(wanted, "Unit");
    let points = metrics::points(platform, namespace, metric, span);
    let own = points.iter().filter(|((_, of), _)| unit.is_none_or(|unit| unit == of));
    let mut found: Vec<(u64, f64)> = by_period(own, period)
        .into_iter()
        .filter_map(|(second, summary)| Some((second, statistic(&summary, name)?)))
        .collect();
    if fields::text(input, "ScanBy") != Some("TimestampAscending") {
        found.reverse();
    }
    let label = fields::text(query, "Label").or_else(|| fields::text(metric, "MetricName"));
    Ok(Some(json!({
        "Id": id,
        "Label": label,
        "StatusCode": "Complete",
        "Timestamps": found.iter().map(|(second, _)| second).collect::<Vec<_>>(),
        "Values": found.iter().map(|(_, value)| value).collect::<Vec<_>>(),
    })))
}

pub(super) fn data(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let queries = fields::list(input, "MetricDataQueries");
    if queries.len() > MAX_QUERIES {
        return Err(validation(format!("At most {MAX_QUERIES} queries are answered at once")));
    }
    let mut results = Vec::new();
    for query in queries {
        results.extend(answer_query(platform, input, query)?);
    }
    Ok(Answer::Now(json!({ "MetricDataResults": results, "Messages": [] })))
}
