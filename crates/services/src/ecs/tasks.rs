//! DescribeTasks, ListTasks, StopTask.

use neargate_core::Platform;
use neargate_core::id::TaskId;
use neargate_core::input::Command;
use neargate_core::task::Task;
use serde_json::{Value, json};

use super::task_view::{desired_status, task_arn, view};
use super::{cluster, described_service, errors, missing, page, service_name};
use crate::error::AwsError;
use crate::{Answer, arn, fields};

/// A task as an input names it, by id or ARN.
pub(super) struct Named {
    /// For a failure.
    pub(super) arn: String,
    id: Option<TaskId>,
    cluster: String,
}

/// Reads a task's id or ARN (ERR-ECS-14).
pub(super) fn named(platform: &Platform, cluster: &str, text: &str) -> Result<Named, AwsError> {
    let (cluster, id) = match arn::parse(text) {
        None => (cluster, text),
        Some(_) => match arn::resource(text, "ecs", "task") {
            // The older form of the ARN names no cluster.
            Some(path) => path.split_once('/').unwrap_or((cluster, path)),
            None => {
                return Err(errors::invalid_parameter(format!(
                    "Invalid identifier: Identifier is for {text}, a task is expected."
                )));
            }
        },
    };
    if !matches!(id.len(), 32 | 36) {
        return Err(errors::invalid_parameter("taskId length should be one of [32,36]"));
    }
    let arn = arn::task(platform.identity(), cluster, id);
    Ok(Named { arn, id: id.parse().ok(), cluster: cluster.to_owned() })
}

/// The task, if it is in that cluster.
pub(super) fn find<'a>(platform: &'a Platform, named: &Named) -> Option<&'a Task> {
    platform.task(named.id?).filter(|t| t.revision.cluster == named.cluster)
}

/// Up to 100 tasks that an input names (ECS-SVC-16, ERR-ECS-8).
pub(super) fn all_named(
    platform: &Platform,
    cluster: &str,
    input: &Value,
) -> Result<Vec<Named>, AwsError> {
    let asked = fields::texts(input, "tasks");
    if asked.is_empty() {
        return Err(errors::invalid_parameter("Tasks cannot be empty."));
    }
    if asked.len() > 100 {
        return Err(errors::invalid_parameter("Tasks cannot have more than 100 elements."));
    }
    asked.into_iter().map(|text| named(platform, cluster, text)).collect()
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let with_tags = fields::wants_tags(input);
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for named in all_named(platform, cluster, input)? {
        match find(platform, &named) {
            Some(task) => tasks.push(view(platform, task, with_tags)),
            None => failures.push(missing(named.arn)),
        }
    }
    Ok(Answer::Now(json!({ "tasks": tasks, "failures": failures })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let service = match fields::text(input, "serviceName") {
        None => None,
        Some(text) => match described_service(platform, &service_name(cluster, text)) {
            Some(service) => Some(service.id),
            None => return Err(errors::service_not_found()),
        },
    };
    // ECS-TASK-5.
    let wanted = fields::text(input, "desiredStatus").unwrap_or("RUNNING");
    let family = fields::text(input, "family");
    let started_by = fields::text(input, "startedBy");
    let fargate = fields::text(input, "launchType").is_none_or(|t| t == "FARGATE")
        && !fields::sent(input, "containerInstance")
        && !fields::sent(input, "daemonName");
    let tasks: Vec<&Task> = platform
        .tasks()
        .filter(|t| fargate && t.revision.cluster == cluster && desired_status(t) == wanted)
        .filter(|t| service.is_none_or(|service| t.service == service))
        .filter(|t| family.is_none_or(|family| t.definition().family == family))
        .filter(|t| started_by.is_none_or(|by| t.started_by().as_deref() == Some(by)))
        .collect();
    let page = page(input, tasks, |task| task.id.to_string(), false, 100)?;
    let arns: Vec<String> = page.entries.iter().map(|task| task_arn(platform, task)).collect();
    let mut answer = json!({ "taskArns": arns });
    fields::set(&mut answer, "nextToken", page.next);
    Ok(Answer::Now(answer))
}

pub(super) fn stop(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let text = fields::text(input, "task").unwrap_or_default();
    let named = named(platform, cluster, text)?;
    let Some(task) = find(platform, &named) else {
        return Err(errors::invalid_parameter("The referenced task was not found."));
    };
    if task.stopped_at.is_some() {
        return Ok(Answer::Now(json!({ "task": view(platform, task, false) })));
    }
    let (task, reason) = (task.id, fields::owned(input, "reason"));
    Answer::after(
        vec![Command::StopTask { task, reason }],
        move |platform| json!({ "task": platform.task(task).map(|t| view(platform, t, false)) }),
    )
}
