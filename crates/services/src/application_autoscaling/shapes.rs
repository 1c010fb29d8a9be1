//! Policies between the API's shapes and the platform's.

use neargate_core::Platform;
use neargate_core::scaling::{
    ALARM_PERIOD_S, CustomizedMetric, PolicyKind, ResourceLabel, ScalingPolicy, StepAdjustment,
    StepScaling, TargetTracking, TrackedMetric, resource_id,
};
use serde_json::{Value, json};

use super::DIMENSION;
use crate::cloudwatch::alarms::alarm_arn;
use crate::cloudwatch::shapes::{
    read_metric, read_queries, read_statistic, word, write_dimensions, write_query, write_statistic,
};
use crate::fields;

/// Predefined metrics (SCALE-TT-1).
pub(super) const CPU: &str = "ECSServiceAverageCPUUtilization";
pub(super) const MEMORY: &str = "ECSServiceAverageMemoryUtilization";
pub(super) const REQUESTS: &str = "ALBRequestCountPerTarget";

/// The type of a policy.
pub(super) fn policy_type(kind: &PolicyKind) -> &'static str {
    match kind {
        PolicyKind::TargetTracking(_) => "TargetTrackingScaling",
        PolicyKind::StepScaling(_) => "StepScaling",
    }
}

/// A configuration of target tracking that has been checked.
pub(super) fn read_tracking(configuration: &Value) -> Option<TargetTracking> {
    Some(TargetTracking {
        metric: read_tracked(configuration)?,
        target_value: configuration["TargetValue"].as_f64()?,
        scale_out_cooldown_s: fields::small(configuration, "ScaleOutCooldown"),
        scale_in_cooldown_s: fields::small(configuration, "ScaleInCooldown"),
        disable_scale_in: fields::flag(configuration, "DisableScaleIn").unwrap_or(false),
    })
}

fn read_tracked(configuration: &Value) -> Option<TrackedMetric> {
    let member = |name: &str| configuration.get(name).filter(|metric| metric.is_object());
    if let Some(metric) = member("PredefinedMetricSpecification") {
        return match fields::text(metric, "PredefinedMetricType")? {
            CPU => Some(TrackedMetric::AverageCpu),
            MEMORY => Some(TrackedMetric::AverageMemory),
            REQUESTS => {
                let label = ResourceLabel::Text(fields::owned(metric, "ResourceLabel")?);
                Some(TrackedMetric::RequestCountPerTarget(label))
            }
            _ => None,
        };
    }
    let metric = member("CustomizedMetricSpecification")?;
    if !fields::list(metric, "Metrics").is_empty() {
        return Some(TrackedMetric::Queries(read_queries(metric, ALARM_PERIOD_S)));
    }
    Some(TrackedMetric::Customized(CustomizedMetric {
        metric: read_metric(metric),
        statistic: read_statistic(fields::text(metric, "Statistic")?),
        unit: fields::owned(metric, "Unit"),
    }))
}

/// A configuration of step scaling that has been checked.
pub(super) fn read_steps(configuration: &Value) -> Option<StepScaling> {
    let step = |step: &Value| {
        let bound = |member: &str| step.get(member).and_then(Value::as_f64);
        Some(StepAdjustment {
            lower: bound("MetricIntervalLowerBound"),
            upper: bound("MetricIntervalUpperBound"),
            adjustment: i32::try_from(step["ScalingAdjustment"].as_i64()?).ok()?,
        })
    };
    Some(StepScaling {
        adjustment: word(configuration, "AdjustmentType")?,
        steps: fields::list(configuration, "StepAdjustments")
            .iter()
            .map(step)
            .collect::<Option<_>>()?,
        min_adjustment_magnitude: fields::small(configuration, "MinAdjustmentMagnitude"),
        cooldown_s: fields::small(configuration, "Cooldown"),
        aggregation: word(configuration, "MetricAggregationType"),
    })
}

/// The alarms of a policy.
pub(super) fn write_alarms(platform: &Platform, policy: &ScalingPolicy) -> Value {
    let alarm = |name: &String| json!({ "AlarmName": name, "AlarmARN": alarm_arn(platform, name) });
    policy.alarms.iter().map(alarm).collect()
}

/// A policy as it is described.
pub(super) fn write_policy(platform: &Platform, policy: &ScalingPolicy) -> Value {
    let (member, configuration) = match &policy.spec.kind {
        PolicyKind::TargetTracking(tracking) => {
            ("TargetTrackingScalingPolicyConfiguration", write_tracking(tracking))
        }
        PolicyKind::StepScaling(steps) => ("StepScalingPolicyConfiguration", write_steps(steps)),
    };
    json!({
        "PolicyARN": policy.arn,
        "PolicyName": policy.spec.name,
        "PolicyType": policy_type(&policy.spec.kind),
        "ServiceNamespace": "ecs",
        "ResourceId": resource_id(&policy.spec.service),
        "ScalableDimension": DIMENSION,
        "CreationTime": fields::time(policy.created_at),
        "Alarms": write_alarms(platform, policy),
        member: configuration,
    })
}

fn write_tracking(tracking: &TargetTracking) -> Value {
    let predefined = |kind: &str| json!({ "PredefinedMetricType": kind });
    let (member, metric) = match &tracking.metric {
        TrackedMetric::AverageCpu => ("PredefinedMetricSpecification", predefined(CPU)),
        TrackedMetric::AverageMemory => ("PredefinedMetricSpecification", predefined(MEMORY)),
        TrackedMetric::RequestCountPerTarget(label) => {
            let mut metric = predefined(REQUESTS);
            if let ResourceLabel::Text(label) = label {
                metric["ResourceLabel"] = json!(label);
            }
            ("PredefinedMetricSpecification", metric)
        }
        TrackedMetric::Customized(custom) => {
            let mut metric = json!({
                "Namespace": custom.metric.namespace,
                "MetricName": custom.metric.name,
                "Dimensions": write_dimensions(&custom.metric.dimensions),
                "Statistic": write_statistic(&custom.statistic),
            });
            fields::set(&mut metric, "Unit", custom.unit.clone());
            ("CustomizedMetricSpecification", metric)
        }
        TrackedMetric::Queries(queries) => {
            let queries: Value = queries.iter().map(|query| write_query(query, false)).collect();
            ("CustomizedMetricSpecification", json!({ "Metrics": queries }))
        }
    };
    let mut view = json!({
        "TargetValue": tracking.target_value,
        "DisableScaleIn": tracking.disable_scale_in,
        member: metric,
    });
    fields::set(&mut view, "ScaleOutCooldown", tracking.scale_out_cooldown_s);
    fields::set(&mut view, "ScaleInCooldown", tracking.scale_in_cooldown_s);
    view
}

fn write_steps(scaling: &StepScaling) -> Value {
    let step = |step: &StepAdjustment| {
        let mut view = json!({ "ScalingAdjustment": step.adjustment });
        fields::set(&mut view, "MetricIntervalLowerBound", step.lower);
        fields::set(&mut view, "MetricIntervalUpperBound", step.upper);
        view
    };
    let mut view = json!({
        "AdjustmentType": scaling.adjustment,
        "StepAdjustments": scaling.steps.iter().map(step).collect::<Vec<Value>>(),
    });
    fields::set(&mut view, "MinAdjustmentMagnitude", scaling.min_adjustment_magnitude);
    fields::set(&mut view, "Cooldown", scaling.cooldown_s);
    fields::set(&mut view, "MetricAggregationType", scaling.aggregation.map(|a| json!(a)));
    view
}
