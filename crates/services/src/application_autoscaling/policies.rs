//! Scaling policies: target tracking with the alarms it makes, and step scaling, whose alarms are
//! the user's (SCALE-TT-*, SCALE-STEP-*).

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::scaling::{PolicyKind, ResourceLabel, ScalingPolicySpec};
use serde_json::{Value, json};

use super::shapes::{
    CPU, MEMORY, REQUESTS, policy_type, read_steps, read_tracking, write_alarms, write_policy,
};
use super::{Scalable, described, validation};
use crate::error::{self, AwsError};
use crate::{Answer, fields};

/// SCALE-TGT-6.
const MAX_STEPS: usize = 20;

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let scalable = Scalable::read(input)?;
    let target = scalable.target(platform)?;
    let name = fields::text(input, "PolicyName").unwrap_or_default();
    let there = target.policies.get(name);
    let kind = fields::text(input, "PolicyType").unwrap_or("StepScaling");
    let member = match kind {
        "TargetTrackingScaling" => "TargetTrackingScalingPolicyConfiguration",
        "StepScaling" => "StepScalingPolicyConfiguration",
        _ => return Err(validation(format!("The policy type {kind} is not served here"))),
    };
    let configuration = input.get(member).filter(|c| c.is_object());
    let same_kind = there.filter(|policy| policy_type(&policy.spec.kind) == kind);
    let new = match (configuration, same_kind) {
        (Some(configuration), _) => read(kind, configuration)?,
        (None, Some(policy)) => policy.spec.kind.clone(),
        (None, None) => {
            return Err(validation(format!("{member} is required for a policy of type {kind}")));
        }
    };
    let service = target.spec.service.clone();
    let spec = ScalingPolicySpec { service: service.clone(), name: name.to_owned(), kind: new };
    let name = name.to_owned();
    Answer::after(vec![Command::PutScalingPolicy(Box::new(spec))], move |platform| {
        let target = platform.scalable_target(&service);
        match target.and_then(|target| target.policies.get(&name)) {
            Some(policy) => {
                json!({ "PolicyARN": policy.arn, "Alarms": write_alarms(platform, policy) })
            }
            None => json!({}),
        }
    })
}

/// A configuration, checked; what other policies make of it is the core's to check.
fn read(kind: &str, configuration: &Value) -> Result<PolicyKind, AwsError> {
    let read = if kind == "TargetTrackingScaling" {
        check_tracking(configuration)?;
        read_tracking(configuration).map(PolicyKind::TargetTracking)
    } else {
        check_steps(configuration)?;
        read_steps(configuration).map(PolicyKind::StepScaling)
    };
    read.ok_or_else(|| validation("The policy has a value that is not known or too large"))
}

fn check_tracking(configuration: &Value) -> Result<(), AwsError> {
    let metric = ["PredefinedMetricSpecification", "CustomizedMetricSpecification"];
    let [predefined, customized] = metric.map(|m| configuration.get(m).filter(|m| m.is_object()));
    match (predefined, customized) {
        (Some(metric), None) => {
            let kind = fields::text(metric, "PredefinedMetricType").unwrap_or_default();
            if ![CPU, MEMORY, REQUESTS].contains(&kind) {
                let message = format!("Predefined metric {kind} is not valid for ECS services");
                return Err(validation(message));
            }
            // SCALE-TT-2.
            let label = fields::owned(metric, "ResourceLabel");
            let is_label = |l: &String| ResourceLabel::Text(l.clone()).parts().is_some();
            let (labelled, needed) = (label.is_some(), kind == REQUESTS);
            if labelled != needed || !label.iter().all(is_label) {
                return Err(validation(format!(
                    "ResourceLabel must be app/<load balancer>/<id>/targetgroup/<target group>/<id> \
                     for {REQUESTS}, and absent otherwise; it is {}",
                    label.as_deref().unwrap_or("absent")
                )));
            }
            Ok(())
        }
        (None, Some(metric)) => check_customized(metric),
        _ => Err(validation(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must \
             be specified.",
        )),
    }
}

/// SCALE-CUS-1, SCALE-CUS-2.
fn check_customized(metric: &Value) -> Result<(), AwsError> {
    let queries = fields::list(metric, "Metrics");
    if queries.is_empty() {
        let missing = ["MetricName", "Namespace", "Statistic"]
            .into_iter()
            .find(|member| !fields::sent(metric, member));
        return match missing {
            Some(member) => Err(validation(format!("{member} is required for a custom metric"))),
            None => Ok(()),
        };
    }
    if let Some(single) =
        ["MetricName", "Namespace", "Statistic"].iter().find(|m| fields::sent(metric, m))
    {
        return Err(validation(format!("Metrics and {single} cannot be used together")));
    }
    let returned = queries.iter().filter(|q| fields::flag(q, "ReturnData") != Some(false)).count();
    let small = |query: &Value| {
        fields::text(query, "Id").is_some_and(|id| id.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    match returned == 1 && queries.len() <= 10 && queries.iter().all(small) {
        true => Ok(()),
        false => Err(validation(
            "Metrics must have at most ten elements with ids that start with a lower-case letter, \
             exactly one of which returns data.",
        )),
    }
}

/// SCALE-STEP-1, SCALE-STEP-2.
fn check_steps(configuration: &Value) -> Result<(), AwsError> {
    let kind = fields::text(configuration, "AdjustmentType");
    let steps = fields::list(configuration, "StepAdjustments");
    if kind.is_none() || steps.is_empty() {
        return Err(validation("AdjustmentType and StepAdjustments are required for step scaling"));
    }
    if steps.len() > MAX_STEPS {
        return Err(validation(format!("A policy can have at most {MAX_STEPS} step adjustments")));
    }
    if fields::sent(configuration, "MinAdjustmentMagnitude")
        && kind != Some("PercentChangeInCapacity")
    {
        return Err(validation(
            "MinAdjustmentMagnitude can only be used with PercentChangeInCapacity",
        ));
    }
    let bound = |step: &Value, member: &str| step.get(member).and_then(Value::as_f64);
    let mut spans: Vec<(f64, f64)> = steps
        .iter()
        .map(|step| {
            let lower = bound(step, "MetricIntervalLowerBound").unwrap_or(f64::NEG_INFINITY);
            (lower, bound(step, "MetricIntervalUpperBound").unwrap_or(f64::INFINITY))
        })
        .collect();
    if spans
        .iter()
        .any(|(lower, upper)| lower >= upper || (lower.is_infinite() && upper.is_infinite()))
    {
        return Err(validation(
            "Each step adjustment needs a lower bound that is smaller than its upper bound, and at \
             least one of them",
        ));
    }
    spans.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    if spans.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(validation("There is an overlap in step adjustment intervals"));
    }
    if spans.windows(2).any(|pair| pair[0].1 < pair[1].0) {
        return Err(validation("There is a gap in step adjustment intervals"));
    }
    let (lowest, highest) = (spans[0].0, spans[spans.len() - 1].1);
    if lowest < 0.0 && lowest.is_finite() {
        return Err(validation(
            "At least one StepAdjustment must have an unspecified lower bound when there are \
             negative lower bounds",
        ));
    }
    if highest > 0.0 && highest.is_finite() {
        return Err(validation(
            "At least one StepAdjustment must have an unspecified upper bound when there are \
             positive upper bounds",
        ));
    }
    Ok(())
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let names = fields::texts(input, "PolicyNames");
    let named = |policy: &Value| {
        names.is_empty() || names.iter().any(|wanted| policy["PolicyName"] == *wanted)
    };
    let views = platform.scalable_targets().flat_map(|target| {
        target.policies.values().map(|policy| {
            let key = format!("{}/{}", policy.spec.service, policy.spec.name);
            (key, write_policy(platform, policy))
        })
    });
    described(input, "ScalingPolicies", views, named)
}

/// ERR-AAS-3.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let scalable = Scalable::read(input)?;
    let name = fields::text(input, "PolicyName").unwrap_or_default();
    let target = scalable.target(platform).ok();
    let Some(policy) = target.and_then(|target| target.policies.get(name)) else {
        let message = format!(
            "No scaling policy found for service namespace: ecs, resource ID: {}, scalable \
             dimension: {}, policy name: {name}",
            scalable.resource, scalable.dimension
        );
        return Err(error::client("ObjectNotFoundException", message));
    };
    let service = policy.spec.service.clone();
    let delete = Command::DeleteScalingPolicy { service, name: name.to_owned() };
    Answer::after(vec![delete], |_| json!({}))
}
