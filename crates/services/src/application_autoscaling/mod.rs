//! Application Auto Scaling for ECS services: targets, policies and scheduled actions, validated
//! and kept as the API has them. Nothing acts on them yet.

mod policies;
mod scheduled_actions;
mod targets;

use neargate_core::Platform;
use neargate_core::service::ServiceName;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, shown, table};
use crate::{Answer, Table, fields, page};

pub(crate) const OPERATIONS: Table = &[
    ("DeleteScalingPolicy", policies::delete),
    ("DeleteScheduledAction", scheduled_actions::delete),
    ("DeregisterScalableTarget", targets::deregister),
    ("DescribeScalableTargets", targets::describe),
    ("DescribeScalingActivities", activities),
    ("DescribeScalingPolicies", policies::describe),
    ("DescribeScheduledActions", scheduled_actions::describe),
    ("ListTagsForResource", targets::list_tags),
    ("PutScalingPolicy", policies::put),
    ("PutScheduledAction", scheduled_actions::put),
    ("RegisterScalableTarget", targets::register),
    ("TagResource", targets::tag),
    ("UntagResource", targets::untag),
];

/// By [`Scalable::key`], as they are described; `tags`.
const TARGETS: Records = table("application-autoscaling", "target");
/// By [`Scalable::key`] and `/<name>`, as they are described.
const POLICIES: Records = table("application-autoscaling", "policy");
/// By [`Scalable::key`] and `/<name>`, as they are described.
const SCHEDULED_ACTIONS: Records = table("application-autoscaling", "scheduled-action");

/// A page unless the input says otherwise.
const PAGE: usize = 50;

/// ERR-AAS-1.
fn validation(message: impl Into<String>) -> AwsError {
    error::client("ValidationException", message)
}

/// What can be scaled: a resource in one dimension.
struct Scalable<'a> {
    resource: &'a str,
    dimension: &'a str,
}

impl<'a> Scalable<'a> {
    /// Of the input's three members (SCALE-TGT-1).
    fn read(input: &'a Value) -> Result<Scalable<'a>, AwsError> {
        let member = |name| fields::text(input, name).unwrap_or_default();
        let (namespace, dimension) = (member("ServiceNamespace"), member("ScalableDimension"));
        if (namespace, dimension) != ("ecs", "ecs:service:DesiredCount") {
            return Err(validation(format!(
                "Unsupported service namespace, resource type or scalable dimension: {namespace} \
                 {dimension}; ecs ecs:service:DesiredCount is served"
            )));
        }
        Ok(Scalable { resource: member("ResourceId"), dimension })
    }

    fn key(&self) -> String {
        format!("{}/{}", self.resource, self.dimension)
    }

    /// The ECS service of `service/<cluster>/<service>`.
    fn service(&self) -> Option<ServiceName> {
        let (cluster, service) = self.resource.strip_prefix("service/")?.split_once('/')?;
        Some(ServiceName { cluster: cluster.to_owned(), service: service.to_owned() })
    }

    /// ERR-AAS-3.
    fn is_registered(&self, platform: &Platform) -> Result<(), AwsError> {
        match TARGETS.has(platform, &self.key()) {
            true => Ok(()),
            false => Err(self.not_registered()),
        }
    }

    fn not_registered(&self) -> AwsError {
        let message = format!(
            "No scalable target registered for service namespace: ecs, resource ID: {}, scalable \
             dimension: {}",
            self.resource, self.dimension
        );
        error::client("ObjectNotFoundException", message)
    }
}

/// The records that the input's resource, dimension and names let through, as a page.
fn described(
    platform: &Platform,
    input: &Value,
    (records, member): (Records, &str),
    named: impl Fn(&Value) -> bool,
) -> Result<Answer, AwsError> {
    let resource = fields::text(input, "ResourceId");
    let dimension = fields::text(input, "ScalableDimension");
    if dimension.is_some() && resource.is_none() && !fields::sent(input, "ResourceIds") {
        return Err(validation("A scalable dimension can only be given with a resource id"));
    }
    let namespace = fields::text(input, "ServiceNamespace");
    let found: Vec<(&str, Value)> = records
        .all(platform)
        .filter(|(_, record)| {
            namespace.is_none_or(|wanted| record["ServiceNamespace"] == wanted)
                && resource.is_none_or(|wanted| record["ResourceId"] == wanted)
                && dimension.is_none_or(|wanted| record["ScalableDimension"] == wanted)
                && named(record)
        })
        .collect();
    let size = fields::number(input, "MaxResults").map_or(PAGE, |n| n as usize).max(1);
    let token = fields::text(input, "NextToken");
    let page = page::page(found, |(key, _)| (*key).to_owned(), false, token, size)
        .map_err(|_| error::client("InvalidNextTokenException", "The next token is not valid."))?;
    let views: Vec<Value> = page.entries.iter().map(|(_, record)| shown(record)).collect();
    let mut answer = json!({ member: views });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

/// Nothing was ever scaled.
fn activities(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "ScalingActivities": [] })))
}
