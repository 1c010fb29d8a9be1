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
            Some(task) if task.is_wanted() => tasks.push(view(platform, task)),
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
    let own = platform.tasks().filter(|t| t.revision.cluster == cluster && t.is_wanted());
    let tasks: Vec<Value> = own.take(100).map(|t| view(platform, t)).collect();
    Ok(Answer::Now(json!({ "protectedTasks": tasks, "failures": [] })))
}

pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let enabled = fields::flag(input, "protectionEnabled").unwrap_or(false);
    let minutes = fields::number(input, "expiresInMinutes").unwrap_or(120);
    if !(1..=2880).contains(&minutes) {
        return Err(errors::invalid_parameter("expiresInMinutes must be between 1 and 2880."));
    }
    let until = enabled.then(|| platform.now().plus(minutes * MINUTE));
    let named = all_named(platform, cluster, input)?;
    let tasks = named.iter().filter_map(|named| find(platform, named)).filter(|t| t.is_wanted());
    let commands = tasks.map(|t| Command::ProtectTask { task: t.id, until }).collect();
    Answer::after(commands, move |platform| answer(platform, named))
}
