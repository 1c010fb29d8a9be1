//! Whose container an id is, and whether it is the one that asks.

use std::net::Ipv4Addr;

use neargate_core::Platform;
use neargate_core::metadata::{container_id, task_of};
use neargate_core::task::{Phase, Task};

/// A container of a living task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    pub(super) task: &'a Task,
    /// Of its container.
    pub(super) index: usize,
}

/// The container with that id. `from` is the address the request came from, where that says who
/// asks: it must be the task's own.
pub(super) fn find<'a>(
    platform: &'a Platform,
    id: &str,
    from: Option<Ipv4Addr>,
) -> Option<Caller<'a>> {
    let task = platform.task(task_of(id)?).filter(|task| may_ask(task, from))?;
    let mut containers = task.definition().containers.iter();
    let index = containers.position(|container| container_id(task.id, &container.name) == id)?;
    Some(Caller { task, index })
}

/// Whether the task is there to ask and has that address. The address of one that is over may be
/// another's by now.
pub(super) fn may_ask(task: &Task, from: Option<Ipv4Addr>) -> bool {
    task.phase != Phase::Stopped && from.is_none_or(|from| from == task.address)
}
