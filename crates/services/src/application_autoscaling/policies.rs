//! Scaling policies: target tracking with the alarms it makes, and step scaling, whose alarms are
//! the user's (SCALE-TT-*, SCALE-STEP-*).

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::{POLICIES, Scalable, described, validation};
use crate::cloudwatch::alarms;
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields, note};

/// SCALE-TT-6, SCALE-TT-7: periods of the alarms, and the share of the target below which there is
/// too much capacity.
const HIGH_PERIODS: u32 = 3;
const LOW_PERIODS: u32 = 15;
const LOW_SHARE: f64 = 0.9;
/// SCALE-TGT-6.
const MAX_STEPS: usize = 20;
/// SCALE-TT-1.
const PREDEFINED: [&str; 3] = [
    "ALBRequestCountPerTarget",
    "ECSServiceAverageCPUUtilization",
    "ECSServiceAverageMemoryUtilization",
];

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let scalable = Scalable::read(input)?;
    scalable.is_registered(platform)?;
    let name = fields::text(input, "PolicyName").unwrap_or_default();
    let key = format!("{}/{name}", scalable.key());
    let there = POLICIES.get(platform, &key);
    let kind = fields::text(input, "PolicyType").unwrap_or("StepScaling");
    if there.as_ref().is_some_and(|policy| policy["PolicyType"] != kind) {
        return Err(validation(format!(
            "The policy {name} is there and of another type: delete it first"
        )));
    }
    let member = match kind {
        "TargetTrackingScaling" => "TargetTrackingScalingPolicyConfiguration",
        "StepScaling" => "StepScalingPolicyConfiguration",
        _ => return Err(validation(format!("The policy type {kind} is not served here"))),
    };
    let mut configuration = input.get(member).filter(|c| c.is_object()).cloned();
    if configuration.is_none() {
        configuration = there.as_ref().map(|policy| policy[member].clone());
    }
    let Some(configuration) = configuration else {
        return Err(validation(format!("{member} is required for a policy of type {kind}")));
    };
    let mut ids = Ids::of(platform);
    let policy_arn = match &there {
        Some(policy) => fields::owned(policy, "PolicyARN").unwrap_or_default(),
        None => arn::of(
            platform.identity(),
            "autoscaling",
            format_args!(
                "scalingPolicy:{}:resource/ecs/{}:policyName/{name}",
                ids.uuid(),
                scalable.resource
            ),
        ),
    };
    let mut policy = json!({
        "PolicyARN": policy_arn,
        "PolicyName": name,
        "PolicyType": kind,
        "ServiceNamespace": "ecs",
        "ResourceId": scalable.resource,
        "ScalableDimension": scalable.dimension,
        "CreationTime": fields::time(platform.now()),
        "Alarms": [],
        member: configuration,
    });
    if let Some(old) = &there {
        note::merge(&mut policy, &note::members(old, &["CreationTime"]));
    }
    let mut commands = Vec::new();
    if kind == "TargetTrackingScaling" {
        check_tracking(platform, &scalable, name, &configuration)?;
        let old = there.as_ref().map_or(&[] as &[Value], |policy| fields::list(policy, "Alarms"));
        let mut made = Vec::new();
        let alarms = tracking_alarms(&scalable, &policy_arn, &configuration);
        for (which, mut alarm) in alarms {
            let start = format!("TargetTracking-{}-{which}-", scalable.resource);
            let known = old.iter().filter_map(|alarm| fields::text(alarm, "AlarmName"));
            let known = known.into_iter().find(|name| name.starts_with(&start));
            let name = known.map_or_else(|| format!("{start}{}", ids.uuid()), str::to_owned);
            alarm["AlarmName"] = json!(name);
            let arn = alarms::alarm_arn(platform, &name);
            made.push(json!({ "AlarmName": name, "AlarmARN": arn }));
            commands.extend(alarms::put_for_service(platform, &alarm));
        }
        for alarm in old.iter().filter(|alarm| !made.contains(alarm)) {
            commands.extend(forget_alarm(alarm));
        }
        policy["Alarms"] = json!(made);
    } else {
        check_steps(&configuration)?;
    }
    let answer = json!({ "PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"] });
    commands.extend([POLICIES.put(&key, &policy), ids.taken()]);
    Answer::after(commands, |_| answer)
}

fn check_tracking(
    platform: &Platform,
    scalable: &Scalable<'_>,
    name: &str,
    configuration: &Value,
) -> Result<(), AwsError> {
    let metric = ["PredefinedMetricSpecification", "CustomizedMetricSpecification"];
    let [predefined, customized] = metric.map(|m| configuration.get(m).filter(|m| m.is_object()));
    match (predefined, customized) {
        (Some(metric), None) => {
            let kind = fields::text(metric, "PredefinedMetricType").unwrap_or_default();
            if !PREDEFINED.contains(&kind) {
                let message = format!("Predefined metric {kind} is not valid for ECS services");
                return Err(validation(message));
            }
            // SCALE-TT-2.
            let label = fields::text(metric, "ResourceLabel");
            let (labelled, needed) = (label.is_some(), kind == "ALBRequestCountPerTarget");
            if labelled != needed || label.is_some_and(|label| balancer(label).is_none()) {
                return Err(validation(format!(
                    "ResourceLabel must be app/<load balancer>/<id>/targetgroup/<target group>/<id> \
                     for ALBRequestCountPerTarget, and absent otherwise; it is {}",
                    label.unwrap_or("absent")
                )));
            }
        }
        (None, Some(metric)) => check_customized(metric)?,
        _ => {
            return Err(validation(
                "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification \
                 must be specified.",
            ));
        }
    }
    let own = format!("{}/", scalable.key());
    let same = POLICIES.starting(platform, &own).any(|(_, policy)| {
        let other = &policy["TargetTrackingScalingPolicyConfiguration"];
        policy["PolicyName"] != name
            && policy["PolicyType"] == "TargetTrackingScaling"
            && metric.iter().all(|member| other.get(*member) == configuration.get(*member))
    });
    match same {
        true => Err(validation(
            "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
        )),
        false => Ok(()),
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

/// The parts of a resource label that are dimensions: load balancer and target group (SCALE-TT-2).
fn balancer(label: &str) -> Option<(&str, &str)> {
    let (balancer, group) = label.split_once("/targetgroup/")?;
    let parts = |text: &str| text.split('/').filter(|part| !part.is_empty()).count();
    let fits = balancer.starts_with("app/") && parts(balancer) == 3 && parts(group) == 2;
    fits.then(|| (balancer, &label[balancer.len() + 1..]))
}

/// AlarmHigh and AlarmLow without their names; no AlarmLow when there is no scaling in
/// (SCALE-TT-5 to -7).
fn tracking_alarms(
    scalable: &Scalable<'_>,
    policy_arn: &str,
    configuration: &Value,
) -> Vec<(&'static str, Value)> {
    let target = configuration["TargetValue"].as_f64().unwrap_or_default();
    let alarm = |comparison: &str, threshold: f64, periods: u32| {
        let mut alarm = watched(scalable, configuration);
        note::merge(
            &mut alarm,
            &json!({
                // ERR-AAS-4.
                "AlarmDescription": format!(
                    "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy_arn}."
                ),
                "AlarmActions": [policy_arn],
                "ComparisonOperator": comparison,
                "EvaluationPeriods": periods,
                "Threshold": threshold,
            }),
        );
        alarm
    };
    let mut made = vec![("AlarmHigh", alarm("GreaterThanThreshold", target, HIGH_PERIODS))];
    if fields::flag(configuration, "DisableScaleIn") != Some(true) {
        let low = target * LOW_SHARE;
        made.push(("AlarmLow", alarm("LessThanThreshold", low, LOW_PERIODS)));
    }
    made
}

/// The metric that an alarm of the policy watches (SCALE-TT-2, SCALE-TT-3, SCALE-CUS-1).
fn watched(scalable: &Scalable<'_>, configuration: &Value) -> Value {
    let customized = &configuration["CustomizedMetricSpecification"];
    if !fields::list(customized, "Metrics").is_empty() {
        let mut queries = customized["Metrics"].clone();
        for query in queries.as_array_mut().into_iter().flatten() {
            if fields::sent(query, "MetricStat") {
                query["MetricStat"]["Period"] = json!(60);
            }
            if !fields::sent(query, "ReturnData") {
                query["ReturnData"] = json!(true);
            }
        }
        return json!({ "Metrics": queries });
    }
    if customized.is_object() {
        let members = ["Dimensions", "MetricName", "Namespace", "Statistic", "Unit"];
        let mut watched = note::members(customized, &members);
        watched["Period"] = json!(60);
        return watched;
    }
    let metric = &configuration["PredefinedMetricSpecification"];
    let dimension = |name: &str, value: &str| json!({ "Name": name, "Value": value });
    if let Some((balancer, group)) = fields::text(metric, "ResourceLabel").and_then(balancer) {
        return json!({
            "Namespace": "AWS/ApplicationELB",
            "MetricName": "RequestCountPerTarget",
            "Dimensions": [dimension("TargetGroup", group), dimension("LoadBalancer", balancer)],
            "Statistic": "Sum",
            "Period": 60,
        });
    }
    let kind = fields::text(metric, "PredefinedMetricType").unwrap_or_default();
    let name = scalable.service();
    let (cluster, service) = name.map(|n| (n.cluster, n.service)).unwrap_or_default();
    json!({
        "Namespace": "AWS/ECS",
        "MetricName": kind.trim_start_matches("ECSServiceAverage"),
        "Dimensions": [dimension("ClusterName", &cluster), dimension("ServiceName", &service)],
        "Statistic": "Average",
        "Unit": "Percent",
        "Period": 60,
    })
}

fn forget_alarm(alarm: &Value) -> [Command; 2] {
    alarms::remove(fields::text(alarm, "AlarmName").unwrap_or_default())
}

/// The commands that remove the alarms of a policy.
pub(super) fn forget_alarms(policy: &Value) -> Vec<Command> {
    fields::list(policy, "Alarms").iter().flat_map(forget_alarm).collect()
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let names = fields::texts(input, "PolicyNames");
    let named = |policy: &Value| {
        names.is_empty() || names.iter().any(|wanted| policy["PolicyName"] == *wanted)
    };
    described(platform, input, (POLICIES, "ScalingPolicies"), named)
}

/// ERR-AAS-3.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let scalable = Scalable::read(input)?;
    let name = fields::text(input, "PolicyName").unwrap_or_default();
    let key = format!("{}/{name}", scalable.key());
    let Some(policy) = POLICIES.get(platform, &key) else {
        let message = format!(
            "No scaling policy found for service namespace: ecs, resource ID: {}, scalable \
             dimension: {}, policy name: {name}",
            scalable.resource, scalable.dimension
        );
        return Err(error::client("ObjectNotFoundException", message));
    };
    let mut commands = forget_alarms(&policy);
    commands.push(POLICIES.remove(&key));
    Answer::after(commands, |_| json!({}))
}
