//! Scalable targets (SCALE-TGT-*): register, describe, tags, deregister.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{POLICIES, SCHEDULED_ACTIONS, Scalable, TARGETS, described, policies, validation};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields, tags};

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

/// SCALE-TGT-2, ERR-AAS-2.
pub(super) fn register(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let scalable = Scalable::read(input)?;
    let service = scalable.service().filter(|name| platform.service(name).is_some());
    if service.is_none() {
        return Err(validation(format!("ECS service doesn't exist: {}", scalable.resource)));
    }
    let key = scalable.key();
    let mut commands = Vec::new();
    let mut target = match TARGETS.get(platform, &key) {
        Some(target) => target,
        None => {
            if !["MinCapacity", "MaxCapacity"].iter().all(|member| fields::sent(input, member)) {
                return Err(validation(
                    "MinCapacity and MaxCapacity are required to register a new scalable target",
                ));
            }
            let mut ids = Ids::of(platform);
            let id = format!("0ec5{:016x}{:016x}", ids.bits(), ids.bits());
            commands.push(ids.taken());
            let mut target = json!({
                "ServiceNamespace": "ecs",
                "ResourceId": scalable.resource,
                "ScalableDimension": scalable.dimension,
                "RoleARN": role(platform),
                "CreationTime": fields::time(platform.now()),
                "ScalableTargetARN": arn::of(
                    platform.identity(),
                    "application-autoscaling",
                    format_args!("scalable-target/{id}"),
                ),
                // SCALE-SUS-1.
                "SuspendedState": {
                    "DynamicScalingInSuspended": false,
                    "DynamicScalingOutSuspended": false,
                    "ScheduledScalingSuspended": false,
                },
            });
            tags::note(&mut target, &tags::of_map(input.get("Tags")));
            target
        }
    };
    for member in ["MinCapacity", "MaxCapacity"] {
        if let Some(capacity) = input.get(member).filter(|capacity| !capacity.is_null()) {
            if capacity.as_u64().is_none() {
                return Err(validation(format!("{member} cannot be negative")));
            }
            target[member] = capacity.clone();
        }
    }
    if target["MinCapacity"].as_u64() > target["MaxCapacity"].as_u64() {
        return Err(validation(format!(
            "Maximum capacity {} cannot be less than minimum capacity {}",
            target["MaxCapacity"], target["MinCapacity"]
        )));
    }
    for (member, value) in input["SuspendedState"].as_object().into_iter().flatten() {
        target["SuspendedState"][member] = value.clone();
    }
    let answer = json!({ "ScalableTargetARN": target["ScalableTargetARN"] });
    commands.push(TARGETS.put(&key, &target));
    Answer::after(commands, |_| answer)
}

/// SCALE-TGT-4.
pub(super) fn deregister(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let scalable = Scalable::read(input)?;
    scalable.is_registered(platform)?;
    let key = scalable.key();
    let own = format!("{key}/");
    let mut commands = vec![TARGETS.remove(&key)];
    for (name, policy) in POLICIES.starting(platform, &own) {
        commands.push(POLICIES.remove(name));
        commands.extend(policies::forget_alarms(&policy));
    }
    let actions = SCHEDULED_ACTIONS.starting(platform, &own);
    commands.extend(actions.map(|(name, _)| SCHEDULED_ACTIONS.remove(name)));
    Answer::after(commands, |_| json!({}))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let resources = fields::texts(input, "ResourceIds");
    let named = |target: &Value| {
        resources.is_empty() || resources.iter().any(|wanted| target["ResourceId"] == *wanted)
    };
    described(platform, input, (TARGETS, "ScalableTargets"), named)
}

/// The target with that ARN, and its key.
fn by_arn(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let arn = fields::text(input, "ResourceARN").unwrap_or_default();
    let found = TARGETS.all(platform).find(|(_, target)| target["ScalableTargetARN"] == arn);
    found.map(|(key, target)| (key.to_owned(), target)).ok_or_else(|| {
        let message = "The specified resource doesn't exist.";
        error::client("ResourceNotFoundException", message).with_field("ResourceName", arn)
    })
}

pub(super) fn list_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, target) = by_arn(platform, input)?;
    Ok(Answer::Now(json!({ "Tags": tags::noted(&target) })))
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (key, mut target) = by_arn(platform, input)?;
    if tags::add(&mut target, tags::of_map(input.get("Tags"))) > MAX_TAGS {
        let message = format!("A scalable target can have at most {MAX_TAGS} tags");
        return Err(error::client("TooManyTagsException", message));
    }
    Answer::after(vec![TARGETS.put(&key, &target)], |_| json!({}))
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (key, mut target) = by_arn(platform, input)?;
    tags::remove(&mut target, &fields::texts(input, "TagKeys"));
    Answer::after(vec![TARGETS.put(&key, &target)], |_| json!({}))
}
