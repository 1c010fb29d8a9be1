//! Roles that belong to a service of AWS: made for it, and changed by nobody else.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::no_such_entity;
use super::roles::{self, ROLES, view};
use crate::error::{self, AwsError};
use crate::{Answer, arn, fields};

/// What every path of such a role starts with.
const PATH: &str = "/aws-service-role/";

/// Names that do not follow from the service's.
const NAMES: &[(&str, &str)] = &[
    ("ecs.amazonaws.com", "ECS"),
    ("ecs.application-autoscaling.amazonaws.com", "ApplicationAutoScaling_ECSService"),
    ("elasticache.amazonaws.com", "ElastiCache"),
    ("elasticloadbalancing.amazonaws.com", "ElasticLoadBalancing"),
    ("guardduty.amazonaws.com", "AmazonGuardDuty"),
    ("rds.amazonaws.com", "RDS"),
];

/// Whether a role is one of them.
pub(super) fn is(role: &Value) -> bool {
    fields::text(role, "Path").is_some_and(|path| path.starts_with(PATH))
}

fn name(service: &str, suffix: Option<&str>) -> String {
    let known = NAMES.iter().find(|(of, _)| *of == service).map(|(_, name)| (*name).to_owned());
    let name = known.unwrap_or_else(|| {
        let first = service.split('.').next().unwrap_or_default();
        let mut letters = first.chars();
        let capital = letters.next().map(|letter| letter.to_ascii_uppercase());
        capital.into_iter().chain(letters).collect()
    });
    let suffix = suffix.map(|suffix| format!("_{suffix}")).unwrap_or_default();
    format!("AWSServiceRoleFor{name}{suffix}")
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let service = fields::text(input, "AWSServiceName").unwrap_or_default();
    if !service.ends_with(".amazonaws.com") {
        let why = format!("{service} is not a valid service principal.");
        return Err(error::client("InvalidInput", why));
    }
    let name = name(service, fields::text(input, "CustomSuffix"));
    if ROLES.has(platform, &name) {
        let why = format!(
            "Service role name {name} has been taken in this account, please try a different \
             suffix."
        );
        return Err(error::client("InvalidInput", why));
    }
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Action": ["sts:AssumeRole"],
            "Effect": "Allow",
            "Principal": { "Service": [service] },
        }],
    });
    let path = format!("{PATH}{service}/");
    let (role, commands) = roles::new(platform, &path, &name, &trust.to_string(), input)?;
    Answer::after(commands, move |_| json!({ "Role": view(role) }))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, role) = roles::find(platform, input)?;
    if !is(&role) {
        return Err(no_such_entity(format!("The role with name {name} cannot be found.")));
    }
    let path = fields::text(&role, "Path").unwrap_or_default();
    let task = format!("task{path}{name}/{}", arn::derived_uuid(&[name.as_bytes()]));
    Answer::after(vec![ROLES.remove(&name)], move |_| json!({ "DeletionTaskId": task }))
}

/// A role is gone when its deletion has been answered.
pub(super) fn deletion_status(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let task = fields::text(input, "DeletionTaskId").unwrap_or_default();
    if !task.starts_with("task/") {
        return Err(no_such_entity(format!("The deletion task {task} cannot be found.")));
    }
    Ok(Answer::Now(json!({ "Status": "SUCCEEDED" })))
}
