//! Scalable targets (SCALE-TGT-*): register, describe, tags, deregister.

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::scaling::{ScalableTarget, ScalableTargetSpec, SuspendedState, resource_id};
use serde_json::{Value, json};

use super::{DIMENSION, SCHEDULED_ACTIONS, Scalable, described, validation};
use crate::error::{self, AwsError};
use crate::{Answer, fields, tags};

/// At most so many tags on one target.
const MAX_TAGS: usize = 50;

/// SCALE-TGT-7.
fn role(platform: &Platform) -> String {
    format!(
        "arn:aws:iam::{}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/\
         AWSServiceRoleForApplicationAutoScaling_ECSService",
        platform.identity().account
    )
}

fn target_arn(platform: &Platform, target: &ScalableTarget) -> String {
    let resource = format!("scalable-target/{}", target.arn_id);
    platform.identity().arn("application-autoscaling", &resource)
}

/// A target as it is described.
fn view(platform: &Platform, target: &ScalableTarget) -> Value {
    let spec = &target.spec;
    json!({
        "ServiceNamespace": "ecs",
        "ResourceId": resource_id(&spec.service),
        "ScalableDimension": DIMENSION,
        "MinCapacity": spec.min,
        "MaxCapacity": spec.max,
        "RoleARN": role(platform),
        "CreationTime": fields::time(target.created_at),
        "ScalableTargetARN": target_arn(platform, target),
        // SCALE-SUS-1.
        "SuspendedState": {
            "DynamicScalingInSuspended": spec.suspended.dynamic_scaling_in,
            "DynamicScalingOutSuspended": spec.suspended.dynamic_scaling_out,
            "ScheduledScalingSuspended": spec.suspended.scheduled_scaling,
        },
    })
}

/// A bound of the input; `None` when it says nothing of it.
fn capacity(input: &Value, member: &str) -> Result<Option<u32>, AwsError> {
    match fields::sent(input, member) {
        false => Ok(None),
        true => match fields::small(input, member) {
            Some(capacity) => Ok(Some(capacity)),
            None => Err(validation(format!("{member} cannot be negative"))),
        },
    }
}

/// SCALE-TGT-2, ERR-AAS-2.
pub(super) fn register(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let scalable = Scalable::read(input)?;
    let service = scalable.service().filter(|name| platform.service(name).is_some());
    let Some(service) = service else {
        return Err(validation(format!("ECS service doesn't exist: {}", scalable.resource)));
    };
    let bounds = [capacity(input, "MinCapacity")?, capacity(input, "MaxCapacity")?];
    let mut commands = Vec::new();
    if platform.scalable_target(&service).is_none() {
        // Of a target that was taken away by another road than this API (SCALE-TGT-4).
        commands.extend(forget_actions(platform, &scalable));
    }
    let mut spec = match (platform.scalable_target(&service), bounds) {
        (Some(target), _) => target.spec.clone(),
        (None, [Some(min), Some(max)]) => ScalableTargetSpec {
            service: service.clone(),
            min,
            max,
            suspended: SuspendedState::default(),
            tags: tags::of_map(input.get("Tags")),
        },
        (None, _) => {
            return Err(validation(
                "MinCapacity and MaxCapacity are required to register a new scalable target",
            ));
        }
    };
    let [min, max] = bounds;
    spec.min = min.unwrap_or(spec.min);
    spec.max = max.unwrap_or(spec.max);
    let sent = &input["SuspendedState"];
    for (member, state) in [
        ("DynamicScalingInSuspended", &mut spec.suspended.dynamic_scaling_in),
        ("DynamicScalingOutSuspended", &mut spec.suspended.dynamic_scaling_out),
        ("ScheduledScalingSuspended", &mut spec.suspended.scheduled_scaling),
    ] {
        *state = fields::flag(sent, member).unwrap_or(*state);
    }
    commands.push(Command::PutScalableTarget(spec));
    Answer::after(commands, move |platform| {
        let target = platform.scalable_target(&service);
        json!({ "ScalableTargetARN": target.map(|target| target_arn(platform, target)) })
    })
}

/// SCALE-TGT-4.
pub(super) fn deregister(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let scalable = Scalable::read(input)?;
    let service = scalable.target(platform)?.spec.service.clone();
    let mut commands = vec![Command::DeleteScalableTarget { service }];
    commands.extend(forget_actions(platform, &scalable));
    Answer::after(commands, |_| json!({}))
}

/// The commands that remove the scheduled actions of a target.
fn forget_actions(platform: &Platform, scalable: &Scalable<'_>) -> Vec<Command> {
    let own = format!("{}/", scalable.key());
    let actions = SCHEDULED_ACTIONS.starting(platform, &own);
    actions.map(|(name, _)| SCHEDULED_ACTIONS.remove(name)).collect()
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let resources = fields::texts(input, "ResourceIds");
    let named = |target: &Value| {
        resources.is_empty() || resources.iter().any(|wanted| target["ResourceId"] == *wanted)
    };
    let views = platform
        .scalable_targets()
        .map(|target| (target.spec.service.to_string(), view(platform, target)));
    described(input, "ScalableTargets", views, named)
}

/// The target with that ARN.
fn by_arn<'p>(platform: &'p Platform, input: &Value) -> Result<&'p ScalableTargetSpec, AwsError> {
    let arn = fields::text(input, "ResourceARN").unwrap_or_default();
    let found = platform.scalable_targets().find(|target| target_arn(platform, target) == arn);
    found.map(|target| &target.spec).ok_or_else(|| {
        let message = "The specified resource doesn't exist.";
        error::client("ResourceNotFoundException", message).with_field("ResourceName", arn)
    })
}

fn with_tags(spec: &ScalableTargetSpec, tags: BTreeMap<String, String>) -> Command {
    Command::PutScalableTarget(ScalableTargetSpec { tags, ..spec.clone() })
}

pub(super) fn list_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "Tags": by_arn(platform, input)?.tags })))
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let spec = by_arn(platform, input)?;
    let mut all = spec.tags.clone();
    all.extend(tags::of_map(input.get("Tags")));
    if all.len() > MAX_TAGS {
        let message = format!("A scalable target can have at most {MAX_TAGS} tags");
        return Err(error::client("TooManyTagsException", message));
    }
    Answer::after(vec![with_tags(spec, all)], |_| json!({}))
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let spec = by_arn(platform, input)?;
    let gone = fields::texts(input, "TagKeys");
    let mut left = spec.tags.clone();
    left.retain(|key, _| !gone.contains(&key.as_str()));
    Answer::after(vec![with_tags(spec, left)], |_| json!({}))
}
