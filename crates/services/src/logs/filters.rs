//! Metric filters and subscription filters: kept for their group, checked, and not acted on.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::log_group::LogGroupSpec;
use serde_json::{Value, json};

use super::{errors, events, group};
use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, fields, note, page};

const METRIC: Kind = Kind {
    records: table("logs", "metric-filter"),
    members: &[
        "filterPattern",
        "metricTransformations",
        "applyOnTransformedLogs",
        "fieldSelectionCriteria",
        "emitSystemFieldDimensions",
    ],
    // CWL-MF-1.
    most: 100,
    listed: "metricFilters",
};
const SUBSCRIPTION: Kind = Kind {
    records: table("logs", "subscription-filter"),
    members: &[
        "filterPattern",
        "destinationArn",
        "roleArn",
        "distribution",
        "applyOnTransformedLogs",
        "fieldSelectionCriteria",
        "emitSystemFields",
    ],
    // CWL-SUB-1.
    most: 2,
    listed: "subscriptionFilters",
};

struct Kind {
    records: Records,
    members: &'static [&'static str],
    /// On one group.
    most: usize,
    listed: &'static str,
}

/// Groups have no blanks in their names.
fn key(group: &str, filter: &str) -> String {
    format!("{group} {filter}")
}

impl Kind {
    fn put(&self, platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
        let group = &group(platform, input, "logGroupName")?.name;
        let name = fields::text(input, "filterName").unwrap_or_default();
        events::pattern(fields::text(input, "filterPattern").unwrap_or_default())?;
        let key = key(group, name);
        let others = self.records.starting(platform, &format!("{group} ")).count();
        let old = self.records.get(platform, &key);
        if old.is_none() && others >= self.most {
            return Err(error::client("LimitExceededException", "Resource limit exceeded."));
        }
        let mut filter = note::members(input, self.members);
        if self.listed == SUBSCRIPTION.listed && !fields::sent(&filter, "distribution") {
            filter["distribution"] = json!("ByLogStream");
        }
        let made = old.and_then(|old| fields::number(&old, "creationTime"));
        filter["filterName"] = json!(name);
        filter["logGroupName"] = json!(group);
        filter["creationTime"] = json!(made.unwrap_or(platform.now().0));
        Answer::after(vec![self.records.put(&key, &filter)], |_| json!({}))
    }

    fn delete(&self, platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
        let group = &group(platform, input, "logGroupName")?.name;
        let key = key(group, fields::text(input, "filterName").unwrap_or_default());
        if !self.records.has(platform, &key) {
            let what = match self.listed == METRIC.listed {
                true => "metric",
                false => "subscription",
            };
            let why = format!("The specified {what} filter does not exist.");
            return Err(error::client("ResourceNotFoundException", why));
        }
        Answer::after(vec![self.records.remove(&key)], |_| json!({}))
    }

    fn describe(&self, platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
        let start = match fields::sent(input, "logGroupName") {
            true => {
                let prefix = fields::text(input, "filterNamePrefix").unwrap_or_default();
                key(&group(platform, input, "logGroupName")?.name, prefix)
            }
            false => String::new(),
        };
        let metric = ["metricName", "metricNamespace"].map(|member| fields::text(input, member));
        let has_metric = |filter: &Value| match metric {
            [None, None] => true,
            [name, namespace] => fields::list(filter, "metricTransformations").iter().any(|m| {
                name.is_none_or(|wanted| m["metricName"] == wanted)
                    && namespace.is_none_or(|wanted| m["metricNamespace"] == wanted)
            }),
        };
        let found: Vec<(&str, Value)> = self
            .records
            .starting(platform, &start)
            .filter(|(_, filter)| has_metric(filter))
            .collect();
        let size = fields::number(input, "limit").map_or(50, |limit| limit as usize);
        let token = fields::text(input, "nextToken");
        let page = page::page(found, |(key, _)| (*key).to_owned(), false, token, size)
            .map_err(|_| errors::invalid_parameter("The specified nextToken is invalid."))?;
        let views: Vec<Value> = page.entries.into_iter().map(|(_, filter)| filter).collect();
        let mut answer = json!({ self.listed: views });
        fields::set(&mut answer, "nextToken", page.next);
        Ok(Answer::Now(answer))
    }
}

/// How many metric filters a group has.
pub(super) fn metric_filters(platform: &Platform, group: &LogGroupSpec) -> usize {
    METRIC.records.starting(platform, &key(&group.name, "")).count()
}

/// What goes with a group.
pub(super) fn forget_all(platform: &Platform, group: &str) -> Vec<Command> {
    [METRIC.records, SUBSCRIPTION.records]
        .into_iter()
        .flat_map(|records| {
            let keys = records.starting(platform, &format!("{group} ")).map(|(key, _)| key);
            keys.map(move |key| records.remove(key)).collect::<Vec<_>>()
        })
        .collect()
}

pub(super) fn put_metric(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    METRIC.put(platform, input)
}

pub(super) fn delete_metric(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    METRIC.delete(platform, input)
}

pub(super) fn describe_metric(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    METRIC.describe(platform, input)
}

pub(super) fn put_subscription(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    SUBSCRIPTION.put(platform, input)
}

pub(super) fn delete_subscription(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    SUBSCRIPTION.delete(platform, input)
}

pub(super) fn describe_subscription(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    SUBSCRIPTION.describe(platform, input)
}

/// Which of some messages a pattern matches.
pub(super) fn test(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let pattern = events::pattern(fields::text(input, "filterPattern").unwrap_or_default())?;
    let messages = fields::list(input, "logEventMessages").iter().filter_map(Value::as_str);
    let matches = (1..).zip(messages).filter(|(_, text)| pattern.matches(text.as_bytes()));
    let matches: Vec<Value> = matches
        .map(|(number, text)| {
            json!({ "eventNumber": number, "eventMessage": text, "extractedValues": {} })
        })
        .collect();
    Ok(Answer::Now(json!({ "matches": matches })))
}
