//! What ECS answers about container instances, their attributes and task sets in a cluster that has
//! Fargate only, and what this platform says it does not do.

use neargate_core::Platform;
use neargate_core::task::Phase;
use serde_json::{Value, json};

use super::tasks::{find, named};
use super::{active_service, cluster, errors, missing, service_name};
use crate::error::{self, AwsError};
use crate::{Answer, arn, fields};

pub(super) fn list_instances(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    cluster(platform, input)?;
    Ok(Answer::Now(json!({ "containerInstanceArns": [] })))
}

pub(super) fn describe_instances(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let asked = fields::texts(input, "containerInstances");
    if asked.is_empty() {
        return Err(errors::invalid_parameter("Container instances cannot be empty."));
    }
    let failure = |asked: &&str| match arn::parse(asked) {
        Some(_) => missing((*asked).to_owned()),
        None => missing(arn::of(
            platform.identity(),
            "ecs",
            format_args!("container-instance/{cluster}/{asked}"),
        )),
    };
    let failures: Vec<Value> = asked.iter().map(failure).collect();
    Ok(Answer::Now(json!({ "containerInstances": [], "failures": failures })))
}

pub(super) fn list_attributes(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    cluster(platform, input)?;
    Ok(Answer::Now(json!({ "attributes": [] })))
}

/// Services here have the deployment controller ECS, which makes no task sets.
pub(super) fn describe_task_sets(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let name = service_name(cluster, fields::text(input, "service").unwrap_or_default());
    active_service(platform, &name)?;
    let failures: Vec<Value> =
        fields::texts(input, "taskSets").into_iter().map(|set| missing(set.to_owned())).collect();
    Ok(Answer::Now(json!({ "taskSets": [], "failures": failures })))
}

pub(super) fn create_capacity_provider(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Err(errors::unsupported(
        "Neargate has the capacity providers FARGATE and FARGATE_SPOT only: there are no instances that an Auto Scaling group could provide.",
    ))
}

/// Who is connected to a session by ECS's plug-in talks to Session Manager, which is not here. The
/// command line's own way does the same.
pub(super) fn execute_command(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let named = named(platform, cluster, fields::text(input, "task").unwrap_or_default())?;
    let Some(task) = find(platform, &named) else {
        return Err(errors::invalid_parameter("The referenced task was not found."));
    };
    let enabled = match &task.run {
        Some(run) => run.enable_execute_command,
        None => platform
            .service_by_id(task.service)
            .is_some_and(|service| service.spec.enable_execute_command),
    };
    if !enabled || task.phase != Phase::Running {
        return Err(errors::invalid_parameter(
            "The execute command failed because execute command was not enabled when the task was run or the execute command agent isn\u{2019}t running. Wait and try again or run a new task with execute command enabled and try again.",
        ));
    }
    let command = fields::text(input, "command").unwrap_or_default();
    Err(error::client(
        "TargetNotConnectedException",
        format!(
            "Neargate has no Session Manager to connect through. Run `neargate exec {} -- {command}` instead.",
            task.id
        ),
    ))
}
