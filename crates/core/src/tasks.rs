//! Where tasks live: each inside its service, beside the others of that service, or among those
//! that belong to none.
//!
//! Almost all work on a task also looks at the rest of its service, so a step that touches one
//! task should find the others nearby: with thousands of services it is not computing that costs,
//! but waiting for memory. A task's id says which service holds it, so no index over all tasks has
//! to be asked.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{ServiceId, TaskId};
use crate::platform::Service;
use crate::task::Task;

/// Some tasks of one service, sorted by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskSet {
    ids: Vec<TaskId>,
    /// At the same index as the id. In one piece, because reconciling reads a little of each.
    tasks: Vec<Task>,
}

/// Room is made for so many tasks at least; a task is too large to double the room.
const SPARE: usize = 4;

impl TaskSet {
    /// Ids, ascending.
    pub fn iter(&self) -> std::slice::Iter<'_, TaskId> {
        self.ids.iter()
    }

    /// The tasks, by ascending id.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Task> {
        self.tasks.iter()
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Task> {
        self.tasks.iter_mut()
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
        self.tasks.get(index)
    }

    fn get_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        let index = self.ids.binary_search(&id).ok()?;
        self.tasks.get_mut(index)
    }

    fn insert(&mut self, task: Task) {
        if self.tasks.len() == self.tasks.capacity() {
            let more = SPARE.max(self.tasks.len() / 4);
            self.ids.reserve_exact(more);
            self.tasks.reserve_exact(more);
        }
        let index = self.ids.partition_point(|id| *id < task.id);
        self.ids.insert(index, task.id);
        self.tasks.insert(index, task);
    }

    fn remove(&mut self, id: TaskId) -> Option<Task> {
        let index = self.ids.binary_search(&id).ok()?;
        self.ids.remove(index);
        let task = self.tasks.remove(index);
        let spare = SPARE.max(self.tasks.len() / 4);
        if self.tasks.capacity() > self.tasks.len() + 2 * spare {
            self.ids.shrink_to(self.ids.len() + spare);
            self.tasks.shrink_to(self.tasks.len() + spare);
        }
        Some(task)
    }
}

impl<'a> IntoIterator for &'a TaskSet {
    type Item = &'a TaskId;
    type IntoIter = std::slice::Iter<'a, TaskId>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Tasks that belong to no service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Standalone {
    /// Not STOPPED.
    tasks: TaskSet,
    /// STOPPED and still visible.
    stopped_tasks: TaskSet,
}

/// All services with their tasks, and the tasks without a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Services {
    /// At the index of the id, which is never reused. Boxed, so that the way to one of thousands
    /// stays in the cache and a forgotten one leaves little behind.
    by_id: Vec<Option<Box<Service>>>,
    standalone: Standalone,
}

impl Services {
    /// The tasks that run, and those that only show, of whatever holds the task.
    fn holders(&self, id: TaskId) -> Option<[&TaskSet; 2]> {
        match id.service() {
            ServiceId::NONE => Some([&self.standalone.tasks, &self.standalone.stopped_tasks]),
            service => self.get(&service).map(|s| [&s.tasks, &s.stopped_tasks]),
        }
    }

    fn holders_mut(&mut self, id: TaskId) -> Option<[&mut TaskSet; 2]> {
        match id.service() {
            ServiceId::NONE => {
                Some([&mut self.standalone.tasks, &mut self.standalone.stopped_tasks])
            }
            service => self.get_mut(&service).map(|s| [&mut s.tasks, &mut s.stopped_tasks]),
        }
    }

    /// The tasks that belong to no service, those that stopped included.
    pub(crate) fn standalone(&self) -> impl Iterator<Item = &Task> {
        self.standalone.tasks.values().chain(self.standalone.stopped_tasks.values())
    }

    pub(crate) fn get(&self, id: &ServiceId) -> Option<&Service> {
        self.by_id.get(id.0 as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: &ServiceId) -> Option<&mut Service> {
        self.by_id.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Service> {
        self.by_id.iter().filter_map(Option::as_deref)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Service> {
        self.by_id.iter_mut().filter_map(Option::as_deref_mut)
    }

    pub(crate) fn insert(&mut self, service: Service) {
        let index = service.id.0 as usize;
        if self.by_id.len() <= index {
            self.by_id.resize_with(index + 1, || None);
        }
        self.by_id[index] = Some(Box::new(service));
    }

    /// Forgets a service that has no tasks any more.
    pub(crate) fn remove(&mut self, id: &ServiceId) {
        if let Some(place) = self.by_id.get_mut(id.0 as usize) {
            *place = None;
        }
    }

    pub(crate) fn task(&self, id: TaskId) -> Option<&Task> {
        let [tasks, stopped] = self.holders(id)?;
        tasks.get(id).or_else(|| stopped.get(id))
    }

    pub(crate) fn task_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        let [tasks, stopped] = self.holders_mut(id)?;
        tasks.get_mut(id).or_else(|| stopped.get_mut(id))
    }

    /// All tasks, by ascending id.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        let of_service = |s: &'_ Service| s.tasks.len() + s.stopped_tasks.len();
        let mut tasks = Vec::with_capacity(self.values().map(of_service).sum());
        for service in self.values() {
            tasks.extend(service.tasks.values().chain(service.stopped_tasks.values()));
        }
        tasks.extend(self.standalone());
        tasks.sort_unstable_by_key(|task| task.id);
        tasks.into_iter()
    }

    /// Gives a new task to its service, or to those without one.
    pub(crate) fn add_task(&mut self, task: Task) {
        if let Some([tasks, _]) = self.holders_mut(task.id) {
            tasks.insert(task);
        }
    }

    /// The task is STOPPED and only visible from now on.
    pub(crate) fn set_stopped(&mut self, id: TaskId) {
        if let Some([tasks, stopped]) = self.holders_mut(id)
            && let Some(task) = tasks.remove(id)
        {
            stopped.insert(task);
        }
    }

    /// Forgets a STOPPED task.
    pub(crate) fn forget_task(&mut self, id: TaskId) {
        if let Some([_, stopped]) = self.holders_mut(id) {
            stopped.remove(id);
        }
    }
}

/// The list of services, by ascending id, and the tasks without one.
impl Serialize for Services {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Stored<'a> {
            services: Vec<&'a Service>,
            standalone: &'a Standalone,
        }
        Stored { services: self.values().collect(), standalone: &self.standalone }
            .serialize(serializer)
    }
}

/// Also reads the bare list that was written before tasks could be without a service.
impl<'de> Deserialize<'de> for Services {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Stored {
            services: Vec<Service>,
            standalone: Standalone,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Stored;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("services and the tasks without one")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Stored, A::Error> {
                let services = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(Stored { services, standalone: Standalone::default() })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Stored, A::Error> {
                Stored::deserialize(MapAccessDeserializer::new(map))
            }
        }
        let stored = deserializer.deserialize_any(Either)?;
        let mut services = Self { standalone: stored.standalone, ..Self::default() };
        for service in stored.services {
            services.insert(service);
        }
        Ok(services)
    }
}
