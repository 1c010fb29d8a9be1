//! Where tasks live: each inside its service, beside the others of that service.
//!
//! Almost all work on a task also looks at the rest of its service, so a step that touches one
//! task should find the others nearby. One index says which service holds a task; it is asked once
//! per report from the world, and from then on a task is named by `TaskRef`, which finds it
//! within its service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{ServiceId, TaskId};
use crate::platform::Service;
use crate::task::Task;

/// A task and the service that holds it. Sorts by task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TaskRef {
    pub(crate) id: TaskId,
    pub(crate) service: ServiceId,
}

/// Some tasks of one service, sorted by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskSet {
    ids: Vec<TaskId>,
    /// At the same index as the id. Boxed, so that a task moves between sets without being copied
    /// and spare room costs a pointer and not a task.
    #[allow(clippy::vec_box)]
    tasks: Vec<Box<Task>>,
}

impl TaskSet {
    /// Ids, ascending.
    pub fn iter(&self) -> std::slice::Iter<'_, TaskId> {
        self.ids.iter()
    }

    /// The tasks, by ascending id.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Task> {
        self.tasks.iter().map(|task| &**task)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Task> {
        self.tasks.iter_mut().map(|task| &mut **task)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether the task is one of them.
    #[must_use]
    pub fn contains(&self, id: &TaskId) -> bool {
        self.ids.binary_search(id).is_ok()
    }

    /// The task, if it is one of them.
    #[must_use]
    pub fn get(&self, id: TaskId) -> Option<&Task> {
        let index = self.ids.binary_search(&id).ok()?;
        self.tasks.get(index).map(|task| &**task)
    }

    fn get_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        let index = self.ids.binary_search(&id).ok()?;
        self.tasks.get_mut(index).map(|task| &mut **task)
    }

    fn insert(&mut self, task: Box<Task>) {
        let index = self.ids.partition_point(|id| *id < task.id);
        self.ids.insert(index, task.id);
        self.tasks.insert(index, task);
    }

    fn remove(&mut self, id: TaskId) -> Option<Box<Task>> {
        let index = self.ids.binary_search(&id).ok()?;
        self.ids.remove(index);
        Some(self.tasks.remove(index))
    }
}

impl<'a> IntoIterator for &'a TaskSet {
    type Item = &'a TaskId;
    type IntoIter = std::slice::Iter<'a, TaskId>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// All services with their tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Services {
    /// Boxed, so that the way to one of thousands stays in the cache.
    by_id: BTreeMap<ServiceId, Box<Service>>,
    /// Which service holds a task.
    owners: BTreeMap<TaskId, ServiceId>,
}

impl Services {
    pub(crate) fn get(&self, id: &ServiceId) -> Option<&Service> {
        self.by_id.get(id).map(|service| &**service)
    }

    pub(crate) fn get_mut(&mut self, id: &ServiceId) -> Option<&mut Service> {
        self.by_id.get_mut(id).map(|service| &mut **service)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Service> {
        self.by_id.values().map(|service| &**service)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Service> {
        self.by_id.values_mut().map(|service| &mut **service)
    }

    pub(crate) fn insert(&mut self, service: Service) {
        self.by_id.insert(service.id, Box::new(service));
    }

    /// Forgets a service that has no tasks any more.
    pub(crate) fn remove(&mut self, id: &ServiceId) {
        self.by_id.remove(id);
    }

    /// Where the task is.
    pub(crate) fn locate(&self, id: TaskId) -> Option<TaskRef> {
        self.owners.get(&id).map(|service| TaskRef { id, service: *service })
    }

    pub(crate) fn find(&self, id: TaskId) -> Option<&Task> {
        self.task(self.locate(id)?)
    }

    pub(crate) fn find_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        self.task_mut(self.locate(id)?)
    }

    pub(crate) fn task(&self, at: TaskRef) -> Option<&Task> {
        let service = self.by_id.get(&at.service)?;
        service.tasks.get(at.id).or_else(|| service.stopped_tasks.get(at.id))
    }

    pub(crate) fn task_mut(&mut self, at: TaskRef) -> Option<&mut Task> {
        let Service { tasks, stopped_tasks, .. } = self.get_mut(&at.service)?;
        tasks.get_mut(at.id).or_else(|| stopped_tasks.get_mut(at.id))
    }

    /// Tasks of all services, by ascending id.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        let places = self.owners.iter().map(|(id, service)| TaskRef { id: *id, service: *service });
        places.filter_map(|at| self.task(at))
    }

    /// Gives its service a new task.
    pub(crate) fn add_task(&mut self, task: Task) {
        if let Some(service) = self.by_id.get_mut(&task.service) {
            self.owners.insert(task.id, task.service);
            service.tasks.insert(Box::new(task));
        }
    }

    /// The task is STOPPED and only visible from now on.
    pub(crate) fn set_stopped(&mut self, at: TaskRef) {
        if let Some(service) = self.by_id.get_mut(&at.service)
            && let Some(task) = service.tasks.remove(at.id)
        {
            service.stopped_tasks.insert(task);
        }
    }

    /// Forgets a STOPPED task.
    pub(crate) fn forget_task(&mut self, at: TaskRef) {
        self.owners.remove(&at.id);
        if let Some(service) = self.by_id.get_mut(&at.service) {
            service.stopped_tasks.remove(at.id);
        }
    }
}
