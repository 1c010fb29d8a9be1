//! Metrics, queries and alarms between the API's shapes and the platform's. Inputs have been
//! checked before they come here.

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_core::alarm::{
    Alarm, AlarmAction, AlarmCondition, AlarmSpec, CompositeCondition, DimensionValue, Metric,
    MetricCondition, MetricQuery, MetricStatistic, QuerySource, Statistic, Threshold, Watched,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::fields;

/// A member whose texts are the platform's own words for the same.
pub(crate) fn word<T: DeserializeOwned>(input: &Value, member: &str) -> Option<T> {
    serde_json::from_value(input.get(member)?.clone()).ok()
}

/// `Dimensions` as they are sent, in any order.
pub(crate) fn read_dimensions(input: &Value) -> BTreeMap<String, DimensionValue> {
    let pair = |dimension: &Value| {
        let value = fields::owned(dimension, "Value")?;
        Some((fields::owned(dimension, "Name")?, DimensionValue::Text(value)))
    };
    fields::list(input, "Dimensions").iter().filter_map(pair).collect()
}

/// `Dimensions` as they are shown, by name.
pub(crate) fn write_dimensions(dimensions: &BTreeMap<String, DimensionValue>) -> Value {
    let pair = |(name, value): (&String, &DimensionValue)| match value {
        DimensionValue::Text(value) => Some(json!({ "Name": name, "Value": value })),
        // The platform keeps texts.
        DimensionValue::LoadBalancer { .. } | DimensionValue::TargetGroup { .. } => None,
    };
    dimensions.iter().filter_map(pair).collect()
}

/// A metric with its namespace, name and dimensions.
pub(crate) fn read_metric(input: &Value) -> Metric {
    Metric {
        namespace: fields::owned(input, "Namespace").unwrap_or_default(),
        name: fields::owned(input, "MetricName").unwrap_or_default(),
        dimensions: read_dimensions(input),
    }
}

/// `Average` or `p95`.
pub(crate) fn read_statistic(text: &str) -> Statistic {
    match text {
        "Average" => Statistic::Average,
        "Maximum" => Statistic::Maximum,
        "Minimum" => Statistic::Minimum,
        "SampleCount" => Statistic::SampleCount,
        "Sum" => Statistic::Sum,
        other => Statistic::Extended(other.to_owned()),
    }
}

pub(crate) fn write_statistic(statistic: &Statistic) -> &str {
    match statistic {
        Statistic::Average => "Average",
        Statistic::Maximum => "Maximum",
        Statistic::Minimum => "Minimum",
        Statistic::SampleCount => "SampleCount",
        Statistic::Sum => "Sum",
        Statistic::Extended(text) => text,
    }
}

/// `Metrics`; `period_s` is the period of metrics whose queries name none.
pub(crate) fn read_queries(input: &Value, period_s: u32) -> Vec<MetricQuery> {
    fields::list(input, "Metrics").iter().map(|query| read_query(query, period_s)).collect()
}

fn read_query(query: &Value, period_s: u32) -> MetricQuery {
    let source = match query.get("MetricStat").filter(|stat| stat.is_object()) {
        Some(stat) => QuerySource::Statistic(MetricStatistic {
            metric: read_metric(&stat["Metric"]),
            statistic: read_statistic(fields::text(stat, "Stat").unwrap_or_default()),
            period_s: fields::small(stat, "Period").unwrap_or(period_s),
            unit: fields::owned(stat, "Unit"),
        }),
        None => QuerySource::Expression(fields::owned(query, "Expression").unwrap_or_default()),
    };
    MetricQuery {
        id: fields::owned(query, "Id").unwrap_or_default(),
        source,
        label: fields::owned(query, "Label"),
        return_data: fields::flag(query, "ReturnData").unwrap_or(true),
        period_s: fields::small(query, "Period"),
        account: fields::owned(query, "AccountId"),
    }
}

/// A query; services that have one period only show none.
pub(crate) fn write_query(query: &MetricQuery, with_period: bool) -> Value {
    let mut view = json!({ "Id": query.id, "ReturnData": query.return_data });
    match &query.source {
        QuerySource::Expression(expression) => view["Expression"] = json!(expression),
        QuerySource::Statistic(statistic) => {
            let metric = &statistic.metric;
            let mut stat = json!({
                "Metric": {
                    "Namespace": metric.namespace,
                    "MetricName": metric.name,
                    "Dimensions": write_dimensions(&metric.dimensions),
                },
                "Stat": write_statistic(&statistic.statistic),
            });
            if with_period {
                stat["Period"] = json!(statistic.period_s);
            }
            fields::set(&mut stat, "Unit", statistic.unit.clone());
            view["MetricStat"] = stat;
        }
    }
    fields::set(&mut view, "Label", query.label.clone());
    fields::set(&mut view, "Period", query.period_s);
    fields::set(&mut view, "AccountId", query.account.clone());
    view
}

/// The alarm of a `PutMetricAlarm` or `PutCompositeAlarm`, without tags. `None` when a word is not
/// one of CloudWatch's.
pub(super) fn read_alarm(input: &Value) -> Option<AlarmSpec> {
    let actions = |member: &str| {
        let arns = fields::texts(input, member).into_iter();
        arns.map(|arn| AlarmAction::Arn(arn.to_owned())).collect()
    };
    let condition = match fields::owned(input, "AlarmRule") {
        Some(rule) => AlarmCondition::Composite(CompositeCondition {
            rule,
            suppressor: fields::owned(input, "ActionsSuppressor"),
            suppressor_extension_s: fields::small(input, "ActionsSuppressorExtensionPeriod"),
            suppressor_wait_s: fields::small(input, "ActionsSuppressorWaitPeriod"),
        }),
        None => AlarmCondition::Metric(read_condition(input)?),
    };
    Some(AlarmSpec {
        name: fields::owned(input, "AlarmName").unwrap_or_default(),
        description: fields::owned(input, "AlarmDescription"),
        condition,
        actions_enabled: fields::flag(input, "ActionsEnabled").unwrap_or(true),
        alarm_actions: actions("AlarmActions"),
        ok_actions: actions("OKActions"),
        insufficient_data_actions: actions("InsufficientDataActions"),
        tags: BTreeMap::new(),
    })
}

fn read_condition(input: &Value) -> Option<MetricCondition> {
    let watched = match fields::list(input, "Metrics") {
        [] => {
            let statistic = fields::text(input, "Statistic");
            let statistic = statistic.or_else(|| fields::text(input, "ExtendedStatistic"));
            Watched::Metric(MetricStatistic {
                metric: read_metric(input),
                statistic: read_statistic(statistic.unwrap_or_default()),
                period_s: fields::small(input, "Period")?,
                unit: fields::owned(input, "Unit"),
            })
        }
        _ => Watched::Queries(read_queries(input, 60)),
    };
    let threshold = match fields::owned(input, "ThresholdMetricId") {
        Some(band) => Threshold::Band(band),
        None => Threshold::Value(input.get("Threshold")?.as_f64()?),
    };
    Some(MetricCondition {
        watched,
        comparison: word(input, "ComparisonOperator")?,
        threshold,
        evaluation_periods: fields::small(input, "EvaluationPeriods")?,
        datapoints_to_alarm: fields::small(input, "DatapointsToAlarm"),
        missing_data: word(input, "TreatMissingData"),
        low_sample_percentile: fields::owned(input, "EvaluateLowSampleCountPercentile"),
    })
}

/// An alarm as it is described.
pub(super) fn write_alarm(platform: &Platform, alarm: &Alarm) -> Value {
    let spec = &alarm.spec;
    let actions = |actions: &[AlarmAction]| -> Vec<String> {
        let arn = |action: &AlarmAction| match action {
            AlarmAction::Arn(arn) => Some(arn.clone()),
            // The platform keeps ARNs.
            AlarmAction::Topic { .. } => None,
        };
        actions.iter().filter_map(arn).collect()
    };
    let mut view = json!({
        "AlarmArn": super::alarms::alarm_arn(platform, &spec.name),
        "AlarmName": spec.name,
        "ActionsEnabled": spec.actions_enabled,
        "AlarmActions": actions(&spec.alarm_actions),
        "OKActions": actions(&spec.ok_actions),
        "InsufficientDataActions": actions(&spec.insufficient_data_actions),
        "AlarmConfigurationUpdatedTimestamp": fields::time(alarm.configured_at),
        "StateReason": alarm.reason,
        "StateTransitionedTimestamp": fields::time(alarm.state_transitioned_at),
        "StateUpdatedTimestamp": fields::time(alarm.state_updated_at),
        "StateValue": alarm.state.as_str(),
    });
    fields::set(&mut view, "AlarmDescription", spec.description.clone());
    fields::set(&mut view, "StateReasonData", alarm.reason_data.clone());
    match &spec.condition {
        AlarmCondition::Metric(condition) => write_condition(&mut view, condition),
        AlarmCondition::Composite(composite) => {
            view["AlarmRule"] = json!(composite.rule);
            fields::set(&mut view, "ActionsSuppressor", composite.suppressor.clone());
            let seconds = composite.suppressor_extension_s;
            fields::set(&mut view, "ActionsSuppressorExtensionPeriod", seconds);
            fields::set(&mut view, "ActionsSuppressorWaitPeriod", composite.suppressor_wait_s);
        }
    }
    view
}

fn write_condition(view: &mut Value, condition: &MetricCondition) {
    let members: Map<String, Value> = match &condition.watched {
        Watched::Metric(statistic) => {
            let metric = &statistic.metric;
            let member = match statistic.statistic {
                Statistic::Extended(_) => "ExtendedStatistic",
                _ => "Statistic",
            };
            let mut members = json!({
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": write_dimensions(&metric.dimensions),
                "Period": statistic.period_s,
                member: write_statistic(&statistic.statistic),
            });
            fields::set(&mut members, "Unit", statistic.unit.clone());
            members.as_object().cloned().unwrap_or_default()
        }
        Watched::Queries(queries) => {
            let queries: Value = queries.iter().map(|query| write_query(query, true)).collect();
            Map::from_iter([("Metrics".to_owned(), queries)])
        }
    };
    if let Some(view) = view.as_object_mut() {
        view.extend(members);
    }
    match &condition.threshold {
        Threshold::Value(value) => view["Threshold"] = json!(value),
        Threshold::Band(query) => view["ThresholdMetricId"] = json!(query),
    }
    view["ComparisonOperator"] = json!(condition.comparison);
    view["EvaluationPeriods"] = json!(condition.evaluation_periods);
    fields::set(view, "DatapointsToAlarm", condition.datapoints_to_alarm);
    fields::set(view, "TreatMissingData", condition.missing_data.map(|missing| json!(missing)));
    let percentile = condition.low_sample_percentile.clone();
    fields::set(view, "EvaluateLowSampleCountPercentile", percentile);
}
