//! Task scale-in protection (ECS-PROT-1 to ECS-PROT-3, ERR-ECS-13).

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::task::Task;
use neargate_core::time::MINUTE;
use serde_json::{Value, json};

use super::task_view::task_arn;
use super::tasks::{Named, all_named, find};
use super::{cluster, errors, missing};
use crate::error::AwsError;
use crate::{Answer, fields};

/// ECS-PROT-1.
const DEFAULT_MINUTES: u64 = 120;
/// Detail of DEPLOYMENT_BLOCKED.
const BLOCKED: &str = "A newer deployment of the service waits for this task to stop.";

/// Whether the task belongs to a deployment that a newer one is replacing (ECS-PROT-2).
fn would_block(platform: &Platform, task: &Task) -> bool {
    let primary = platform.service_by_id(task.service).and_then(|service| service.primary());
    primary.is_some_and(|primary| primary.id != task.deployment)
}

/// Nothing scales a standalone task in (ECS-PROT-2).
fn can_be_protected(task: &Task) -> bool {
    task.is_wanted() && task.run.is_none()
}

fn view(platform: &Platform, task: &Task) -> Value {
    let until = task.protected_until.filter(|until| *until > platform.now());
    let mut view = json!({
        "taskArn": task_arn(platform, task),
        "protectionEnabled": until.is_some(),
    });
    fields::set(&mut view, "expirationDate", until.map(fields::time));
    view
}

fn answer(platform: &Platform, named: Vec<Named>) -> Value {
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for named in named {
        match find(platform, &named) {
            Some(task) if can_be_protected(task) => tasks.push(view(platform, task)),
            Some(_) => failures.push(json!({ "arn": named.arn, "reason": "TASK_NOT_VALID" })),
            None => failures.push(missing(named.arn)),
        }
    }
    json!({ "protectedTasks": tasks, "failures": failures })
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    if !fields::list(input, "tasks").is_empty() {
        return Ok(Answer::Now(answer(platform, all_named(platform, cluster, input)?)));
    }
    let own = platform.tasks().filter(|t| t.revision.cluster == cluster && can_be_protected(t));
    let tasks: Vec<Value> = own.take(100).map(|t| view(platform, t)).collect();
    Ok(Answer::Now(json!({ "protectedTasks": tasks, "failures": [] })))
}

pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let enabled = fields::flag(input, "protectionEnabled").unwrap_or(false);
    let asked = fields::sent(input, "expiresInMinutes");
    let minutes = fields::number(input, "expiresInMinutes").or((!asked).then_some(DEFAULT_MINUTES));
    let Some(minutes) = minutes.filter(|minutes| (1..=2880).contains(minutes)) else {
        return Err(errors::invalid_parameter("expiresInMinutes must be between 1 and 2880."));
    };
    let until = enabled.then(|| platform.now().plus(minutes * MINUTE));
    let (mut named, mut blocked, mut commands) = (Vec::new(), Vec::new(), Vec::new());
    for one in all_named(platform, cluster, input)? {
        match find(platform, &one).filter(|task| can_be_protected(task)) {
            Some(task) if enabled && would_block(platform, task) => {
                let reason = "DEPLOYMENT_BLOCKED";
                blocked.push(json!({ "arn": one.arn, "reason": reason, "detail": BLOCKED }));
                continue;
            }
            Some(task) => commands.push(Command::ProtectTask { task: task.id, until }),
            None => {}
        }
        named.push(one);
    }
    Answer::after(commands, move |platform| {
        let mut answer = answer(platform, named);
        if let Some(failures) = answer["failures"].as_array_mut() {
            failures.extend(blocked);
        }
        answer
    })
}
