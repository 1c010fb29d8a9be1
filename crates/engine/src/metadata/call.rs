//! A task's question on the main loop, where the platform is. What a container uses is not read
//! there: the loop says what to read, and whoever asked reads it.

use std::net::Ipv4Addr;
use std::sync::mpsc::SyncSender;

use neargate_core::Platform;
use neargate_core::id::TaskId;
use neargate_core::metadata::container_id;
use neargate_core::task::{ContainerStatus, Task};
use serde_json::{Value, json};

use super::caller::{self, Caller};
use super::reply::Reply;
use super::route::{Route, Subject};
use super::{credentials, protection, stats, task_document};
use crate::clock::wall_ms;
use crate::engine::Engine;
use crate::error::EngineError;

const MIB: u64 = 1024 * 1024;

/// A question of a task.
#[derive(Debug)]
pub(crate) struct MetadataCall {
    pub(super) route: Route,
    /// The source address, where it says who asks.
    pub(super) from: Option<Ipv4Addr>,
    pub(super) body: Vec<u8>,
    pub(super) answer: SyncSender<Answer>,
}

/// The main loop's answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing is missing.
    Ready(Reply),
    /// A task's document, but for what it has on disk.
    Task { document: Value, task: TaskId, reserved_gib: u32 },
    /// What this container uses.
    ContainerStats { task: TaskId, container: stats::Subject },
    /// What these containers use, and those that do not run.
    TaskStats { task: TaskId, running: Vec<stats::Subject>, others: Vec<String> },
}

impl Engine {
    /// Answers one question of a task; durable before the answer.
    pub(crate) fn serve_metadata(&mut self, call: MetadataCall) -> Result<(), EngineError> {
        let body = match call.route.subject {
            Subject::GetProtection => Some(None),
            Subject::PutProtection => Some(Some(call.body.as_slice())),
            _ => None,
        };
        let answer = match body {
            Some(body) => Answer::Ready(self.protection(&call.route.id, call.from, body)?),
            None => answer(self.platform(), self.vault(), &call.route, call.from),
        };
        // Whoever asked may have gone; that is their affair.
        let _gone = call.answer.send(answer);
        Ok(())
    }

    fn protection(
        &mut self,
        id: &str,
        from: Option<Ipv4Addr>,
        body: Option<&[u8]>,
    ) -> Result<Reply, EngineError> {
        let Some(caller) = caller::find(self.platform(), id, from) else {
            return Ok(protection::not_found());
        };
        let question = match protection::question(self.platform(), caller.task, body) {
            Ok(question) => question,
            Err(refused) => return Ok(refused),
        };
        let answer =
            self.run_operation("ecs", question.operation, question.input.clone())?.result();
        Ok(protection::worded(&question, answer))
    }
}

/// The answer to everything that changes nothing.
pub(super) fn answer(
    platform: &Platform,
    vault: &crate::vault::Vault,
    route: &Route,
    from: Option<Ipv4Addr>,
) -> Answer {
    let id = route.id.as_str();
    if route.subject == Subject::Credentials {
        return Answer::Ready(credentials::answer(platform, vault, id, from, wall_ms()));
    }
    let Some(caller) = caller::find(platform, id, from) else {
        return Answer::Ready(unknown(route.subject, id));
    };
    let task = caller.task;
    match route.subject {
        Subject::Task { with_tags } => Answer::Task {
            document: task_document::task(platform, task, with_tags),
            task: task.id,
            reserved_gib: task.definition().ephemeral_storage_gib,
        },
        Subject::ContainerStats => {
            Answer::ContainerStats { task: task.id, container: measured(task, caller.index) }
        }
        Subject::TaskStats => {
            let runs = |index: &usize| task.containers[*index].status == ContainerStatus::Running;
            let (running, others): (Vec<usize>, Vec<usize>) =
                (0..task.containers.len()).partition(runs);
            let id =
                |index: usize| container_id(task.id, &task.definition().containers[index].name);
            Answer::TaskStats {
                task: task.id,
                running: running.into_iter().map(|index| measured(task, index)).collect(),
                others: others.into_iter().map(id).collect(),
            }
        }
        Subject::Container
        | Subject::Credentials
        | Subject::GetProtection
        | Subject::PutProtection => {
            Answer::Ready(Reply::ok(task_document::container(platform, Caller { ..caller })))
        }
    }
}

fn measured(task: &Task, index: usize) -> stats::Subject {
    let definition = task.definition();
    let container = &definition.containers[index];
    let limit_mib = container.memory_mib.unwrap_or(definition.memory_mib);
    stats::Subject {
        name: container.name.clone(),
        id: container_id(task.id, &container.name),
        memory_limit_bytes: u64::from(limit_mib) * MIB,
        task_memory_bytes: u64::from(definition.memory_mib) * MIB,
    }
}

/// As the agent refuses an id it does not know.
pub(super) fn unknown(subject: Subject, id: &str) -> Reply {
    let who = match subject {
        Subject::Task { .. } => "V4 task metadata handler: unable to get task arn from request",
        Subject::TaskStats => "V4 task stats handler: unable to get task arn from request",
        Subject::ContainerStats => {
            "V4 container stats handler: unable to get container ID from request"
        }
        _ => "V4 container metadata handler: unable to get container ID from request",
    };
    Reply::new(404, json!(format!("{who}: no container that may ask has the endpoint ID {id}")))
}
