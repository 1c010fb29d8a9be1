//! Application Auto Scaling for ECS services: targets and policies, which are the platform's, and
//! scheduled actions, which are kept as the API has them. Nothing acts on them yet.

mod policies;
mod scheduled_actions;
mod shapes;
mod targets;

use neargate_core::scaling::ScalableTarget;
use neargate_core::service::ServiceName;
use neargate_core::{Platform, Rejection};
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, table};
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

/// By [`Scalable::key`] and `/<name>`, as they are described.
const SCHEDULED_ACTIONS: Records = table("application-autoscaling", "scheduled-action");

/// The one dimension that is served (SCALE-TGT-1).
const DIMENSION: &str = "ecs:service:DesiredCount";

/// A page unless the input says otherwise.
const PAGE: usize = 50;

/// ERR-AAS-1.
fn validation(message: impl Into<String>) -> AwsError {
    error::client("ValidationException", message)
}

/// What the core refused: what contradicts the target's other policies, or a name nothing has.
pub(crate) fn refused(rejection: &Rejection) -> AwsError {
    match rejection {
        Rejection::NotFound { .. } => {
            error::client("ObjectNotFoundException", rejection.to_string())
        }
        Rejection::Invalid(message) => validation(message),
    }
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
        if (namespace, dimension) != ("ecs", DIMENSION) {
            return Err(validation(format!(
                "Unsupported service namespace, resource type or scalable dimension: {namespace} \
                 {dimension}; ecs {DIMENSION} is served"
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

    /// Its target; ERR-AAS-3 without one.
    fn target<'p>(&self, platform: &'p Platform) -> Result<&'p ScalableTarget, AwsError> {
        let target = self.service().and_then(|service| platform.scalable_target(&service));
        target.ok_or_else(|| self.not_registered())
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

/// What the input's resource, dimension and names let through of all views by key, as a page.
fn described(
    input: &Value,
    member: &str,
    views: impl Iterator<Item = (String, Value)>,
    named: impl Fn(&Value) -> bool,
) -> Result<Answer, AwsError> {
    let resource = fields::text(input, "ResourceId");
    let dimension = fields::text(input, "ScalableDimension");
    if dimension.is_some() && resource.is_none() && !fields::sent(input, "ResourceIds") {
        return Err(validation("A scalable dimension can only be given with a resource id"));
    }
    let namespace = fields::text(input, "ServiceNamespace");
    let found: Vec<(String, Value)> = views
        .filter(|(_, view)| {
            namespace.is_none_or(|wanted| view["ServiceNamespace"] == wanted)
                && resource.is_none_or(|wanted| view["ResourceId"] == wanted)
                && dimension.is_none_or(|wanted| view["ScalableDimension"] == wanted)
                && named(view)
        })
        .collect();
    let size = fields::number(input, "MaxResults").map_or(PAGE, |n| n as usize).max(1);
    let token = fields::text(input, "NextToken");
    let page = page::page(found, |(key, _)| key.clone(), false, token, size)
        .map_err(|_| error::client("InvalidNextTokenException", "The next token is not valid."))?;
    let views: Vec<&Value> = page.entries.iter().map(|(_, view)| view).collect();
    let mut answer = json!({ member: views });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

/// Nothing was ever scaled.
fn activities(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "ScalingActivities": [] })))
}
