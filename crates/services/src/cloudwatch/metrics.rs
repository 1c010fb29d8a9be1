//! Metric data as clients send it (CW-MET-*), kept within bounds and listed.
//!
//! Points of one minute (or one second, with a storage resolution of 1) and unit are kept together,
//! as CloudWatch does: with every value and how often it came, as long as there are few. A metric
//! keeps the newest [`MAX_CHUNKS`] quarters of an hour that have data, and the platform at most
//! [`MAX_METRICS`] metrics.

use std::collections::BTreeMap;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{invalid_combination, invalid_value, listed};
use crate::error::{self, AwsError};
use crate::records::{Records, shown, table};
use crate::{Answer, fields};

/// By [`key`]: `Namespace`, `MetricName`, `Dimensions`, and `heard`, the second of its newest data,
/// an hour old at most.
const METRICS: Records = table("cloudwatch", "metric");
/// By [`key`] and quarter of an hour: `points`.
const POINTS: Records = table("cloudwatch", "metric-points");

/// Points of so many seconds are one record.
const CHUNK_S: u64 = 900;
/// Of one metric: a day, if it has data all the time.
const MAX_CHUNKS: usize = 96;
const MAX_METRICS: usize = 10_000;
/// Different values of one point; beyond them only their statistics are kept (CW-MET-4).
const MAX_VALUES: usize = 150;
/// CW-MET-4.
const MAX_DATA: usize = 1000;
/// CW-MET-3.
const PAST_S: f64 = 14.0 * 86_400.0;
const FUTURE_S: f64 = 2.0 * 3600.0;
/// A page of ListMetrics (CW-MET-8).
const PAGE: usize = 500;
/// CW-MET-8.
const LISTED_S: u64 = 14 * 86_400;
const RECENTLY_S: u64 = 3 * 3600;
/// How old `heard` may get.
const HEARD_S: u64 = 3600;

/// What is known of the values of one stretch of time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Each value with how often it came; `None` when they are not known any more.
    pub(super) values: Option<Vec<(f64, f64)>>,
}

impl Summary {
    fn of_values(values: Vec<(f64, f64)>) -> Summary {
        let fold = |with: fn(f64, f64) -> f64, start| {
            values.iter().fold(start, |so_far, (value, _)| with(so_far, *value))
        };
        Summary {
            count: values.iter().map(|(_, count)| count).sum(),
            sum: values.iter().map(|(value, count)| value * count).sum(),
            min: fold(f64::min, f64::INFINITY),
            max: fold(f64::max, f64::NEG_INFINITY),
            values: Some(values),
        }
    }

    pub(super) fn add(&mut self, other: &Summary) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.values = match (self.values.take(), &other.values) {
            (Some(mut own), Some(new)) => {
                for (value, count) in new {
                    match own.iter_mut().find(|(known, _)| known == value) {
                        Some((_, known)) => *known += count,
                        None => own.push((*value, *count)),
                    }
                }
                Some(own)
            }
            _ => None,
        };
    }

    fn written(&self) -> Value {
        match self.values.as_ref().filter(|values| values.len() <= MAX_VALUES) {
            Some(values) => json!({ "v": values }),
            None => json!({ "s": [self.count, self.sum, self.min, self.max] }),
        }
    }

    fn read(point: &Value) -> Option<Summary> {
        if let Some(values) = point.get("v").and_then(Value::as_array) {
            let pair = |pair: &Value| Some((pair.get(0)?.as_f64()?, pair.get(1)?.as_f64()?));
            return Some(Summary::of_values(values.iter().filter_map(pair).collect()));
        }
        let statistic = |place: usize| point.get("s")?.get(place)?.as_f64();
        Some(Summary {
            count: statistic(0)?,
            sum: statistic(1)?,
            min: statistic(2)?,
            max: statistic(3)?,
            values: None,
        })
    }
}

/// The points of a chunk by second and unit.
type Points = BTreeMap<(u64, String), Summary>;

fn dimensions(of: &Value) -> BTreeMap<&str, &str> {
    let pair = |d| Some((fields::text(d, "Name")?, fields::text(d, "Value").unwrap_or_default()));
    fields::list(of, "Dimensions").iter().filter_map(pair).collect()
}

/// CW-MET-1.
fn key(namespace: &str, metric: &Value) -> String {
    let name = fields::text(metric, "MetricName").unwrap_or_default();
    json!([namespace, name, dimensions(metric)]).to_string()
}

fn chunk_key(metric: &str, second: u64) -> String {
    format!("{metric}/{:010}", second / CHUNK_S)
}

fn read_chunk(record: &Value) -> Points {
    let point = |point: &Value| {
        let second = fields::number(point, "t")?;
        let unit = fields::text(point, "u").unwrap_or("None").to_owned();
        Some(((second, unit), Summary::read(point)?))
    };
    fields::list(record, "points").iter().filter_map(point).collect()
}

fn write_chunk(points: &Points) -> Value {
    let point = |((second, unit), summary): (&(u64, String), &Summary)| {
        let mut point = summary.written();
        point["t"] = json!(second);
        if unit != "None" {
            point["u"] = json!(unit);
        }
        point
    };
    json!({ "points": points.iter().map(point).collect::<Vec<_>>() })
}

/// The points of a metric with a second in `[start, end)`, by second and unit.
pub(super) fn points(
    platform: &Platform,
    namespace: &str,
    metric: &Value,
    (start, end): (u64, u64),
) -> Vec<((u64, String), Summary)> {
    let key = key(namespace, metric);
    let (first, last) = (chunk_key(&key, start), chunk_key(&key, end));
    POINTS
        .starting(platform, &format!("{key}/"))
        .filter(|(chunk, _)| *chunk >= first.as_str() && *chunk <= last.as_str())
        .flat_map(|(_, record)| read_chunk(&record))
        .filter(|((second, _), _)| (start..end).contains(second))
        .collect()
}

/// CW-MET-3, CW-MET-4.
fn summary(datum: &Value) -> Result<Summary, AwsError> {
    let ways = ["Value", "Values", "StatisticValues"].map(|member| fields::sent(datum, member));
    if ways.iter().filter(|sent| **sent).count() > 1 {
        return Err(invalid_combination(
            "The parameters MetricData.member.Value, MetricData.member.Values and \
             MetricData.member.StatisticValues are mutually exclusive and you have specified more \
             than one.",
        ));
    }
    let number = |value: Option<&Value>| {
        let number = value.and_then(Value::as_f64).unwrap_or(f64::NAN);
        match number.is_finite() && number.abs() <= 2_f64.powi(360) {
            true => Ok(number),
            false => {
                Err(invalid_value("A value of a metric must be a number within -2^360..2^360"))
            }
        }
    };
    if let Some(set) = datum.get("StatisticValues").filter(|set| set.is_object()) {
        let of = |member: &str| number(set.get(member));
        let (count, min, max) = (of("SampleCount")?, of("Minimum")?, of("Maximum")?);
        // CW-MET-5: then every value is known.
        if min == max && count > 0.0 {
            return Ok(Summary::of_values(vec![(min, count)]));
        }
        return Ok(Summary { count, sum: of("Sum")?, min, max, values: None });
    }
    if ways[1] {
        let values = fields::list(datum, "Values");
        let counts = fields::list(datum, "Counts");
        if values.is_empty() || values.len() > MAX_VALUES {
            return Err(invalid_value(format!("Values must have 1 to {MAX_VALUES} elements")));
        }
        if !counts.is_empty() && counts.len() != values.len() {
            return Err(invalid_combination("Values and Counts must have the same length"));
        }
        let mut pairs = Vec::new();
        for (place, value) in values.iter().enumerate() {
            let count = counts.get(place).map_or(Ok(1.0), |count| number(Some(count)))?;
            pairs.push((number(Some(value))?, count));
        }
        let mut all = Summary::of_values(Vec::new());
        all.add(&Summary::of_values(pairs));
        return Ok(all);
    }
    if !ways[0] {
        let message = "At least one of the parameters MetricData.member.Value, \
                       MetricData.member.Values, MetricData.member.StatisticValues is required.";
        return Err(error::client("MissingParameter", message));
    }
    Ok(Summary::of_values(vec![(number(datum.get("Value"))?, 1.0)]))
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let namespace = fields::text(input, "Namespace").unwrap_or_default();
    if namespace.starts_with("AWS/") {
        return Err(invalid_value(format!(
            "The value {namespace} for parameter Namespace is invalid: AWS/ is reserved."
        )));
    }
    let of_entities = fields::list(input, "EntityMetricData")
        .iter()
        .flat_map(|entity| fields::list(entity, "MetricData"));
    let data: Vec<&Value> = fields::list(input, "MetricData").iter().chain(of_entities).collect();
    if data.len() > MAX_DATA {
        return Err(invalid_value(format!("At most {MAX_DATA} metrics can be put at once")));
    }
    let now = platform.now().0 as f64 / 1000.0;
    let mut chunks: BTreeMap<(String, String), Points> = BTreeMap::new();
    let mut metrics = BTreeMap::new();
    for datum in data {
        let at = datum.get("Timestamp").and_then(Value::as_f64).unwrap_or(now);
        if at < now - PAST_S || at > now + FUTURE_S {
            return Err(invalid_value(
                "The parameter MetricData.member.Timestamp must be within the past two weeks and \
                 at most two hours ahead.",
            ));
        }
        let resolution = fields::number(datum, "StorageResolution").unwrap_or(60);
        if ![1, 60].contains(&resolution) {
            return Err(invalid_value("StorageResolution must be 1 or 60"));
        }
        let second = at.max(0.0) as u64 / resolution * resolution;
        let unit = fields::text(datum, "Unit").unwrap_or("None").to_owned();
        let metric = key(namespace, datum);
        let chunk = chunk_key(&metric, second);
        let points = chunks.entry((metric.clone(), chunk)).or_insert_with_key(|(_, chunk)| {
            POINTS.get(platform, chunk).map(|record| read_chunk(&record)).unwrap_or_default()
        });
        let summary = summary(datum)?;
        points.entry((second, unit)).and_modify(|known| known.add(&summary)).or_insert(summary);
        metrics.entry(metric).or_insert((datum, second)).1 = second;
    }
    let mut commands = Vec::new();
    for ((metric, chunk), points) in &chunks {
        commands.push(POINTS.put(chunk, &write_chunk(points)));
        let known = POINTS.starting(platform, &format!("{metric}/"));
        let mut known: Vec<&str> = known.map(|(key, _)| key).filter(|key| key != chunk).collect();
        known.truncate(known.len().saturating_sub(MAX_CHUNKS - 1));
        commands.extend(known.into_iter().map(|old| POINTS.remove(old)));
    }
    let mut room = None;
    for (key, (datum, second)) in metrics {
        let known = METRICS.get(platform, &key);
        if known.is_none() {
            let room = room
                .get_or_insert_with(|| MAX_METRICS.saturating_sub(METRICS.all(platform).count()));
            *room = room.checked_sub(1).ok_or_else(|| {
                let message = format!("The platform keeps at most {MAX_METRICS} metrics");
                error::client("LimitExceeded", message)
            })?;
        }
        let heard = known.and_then(|record| fields::number(&record, "heard"));
        if heard.is_none_or(|heard| second > heard + HEARD_S) {
            let record = json!({
                "Namespace": namespace,
                "MetricName": datum["MetricName"],
                "Dimensions": fields::list(datum, "Dimensions"),
                "heard": second,
            });
            commands.push(METRICS.put(&key, &record));
        }
    }
    Answer::after(commands, |_| json!({}))
}

/// CW-MET-8.
pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let age = match fields::text(input, "RecentlyActive") {
        Some(_) => RECENTLY_S + HEARD_S,
        None => LISTED_S,
    };
    let oldest = (platform.now().0 / 1000).saturating_sub(age);
    let same = |metric: &Value, member: &str| {
        fields::text(input, member).is_none_or(|wanted| metric[member] == wanted)
    };
    let has = |metric: &Value| {
        let own = dimensions(metric);
        fields::list(input, "Dimensions").iter().all(|wanted| {
            let found = own.get(fields::text(wanted, "Name").unwrap_or_default());
            let value = fields::text(wanted, "Value");
            found.is_some_and(|found| value.is_none_or(|value| value == *found))
        })
    };
    let found: Vec<(&str, Value)> = METRICS
        .all(platform)
        .filter(|(_, metric)| {
            fields::number(metric, "heard").is_some_and(|heard| heard >= oldest)
                && same(metric, "Namespace")
                && same(metric, "MetricName")
                && has(metric)
        })
        .collect();
    let key = |(key, _): &(&str, Value)| (*key).to_owned();
    let view = |(_, metric): &(&str, Value)| shown(metric);
    Ok(Answer::Now(listed(input, "Metrics", found, PAGE, key, view)?))
}
