//! A machine on which tasks start and stop at once. It outlives engines, as processes do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard};

use neargate_core::effect::{Effect, TaskLaunch};
use neargate_core::id::TaskId;
use neargate_core::input::{Exit, Observation};
use neargate_runtime::ImageSource;

use crate::event::Event;
use crate::tasks::Tasks;

#[derive(Default)]
pub(super) struct State {
    pub(super) tasks: BTreeSet<TaskId>,
    /// `Some` once it has ended.
    pub(super) containers: BTreeMap<(TaskId, String), Option<Exit>>,
    /// What each was told beside its definition.
    pub(super) variables: BTreeMap<(TaskId, String), BTreeMap<String, String>>,
    /// Containers started, ever.
    pub(super) starts: usize,
    pub(super) images: BTreeMap<String, ImageSource>,
    /// Images cannot be written.
    pub(super) images_fail: bool,
    events: Option<SyncSender<Event>>,
}

/// Shared by everyone who looks at it.
#[derive(Clone, Default)]
pub(super) struct Machine(Arc<Mutex<State>>);

impl Machine {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with it")
    }

    /// What an engine gets.
    pub(super) fn tasks(&self, events: SyncSender<Event>) -> Box<dyn Tasks> {
        self.state().events = Some(events);
        Box::new(self.clone())
    }

    /// The container's process ends by itself; told to the engine, if one listens.
    pub(super) fn exit(&self, task: TaskId, exit: Exit) {
        let mut state = self.state();
        let key = (task, "web".to_owned());
        if let Some(container) = state.containers.get_mut(&key) {
            *container = Some(exit);
        }
        let (task, container) = key;
        state.tell(Observation::ContainerExited { task, container, exit });
    }
}

impl State {
    fn tell(&self, observation: Observation) {
        if let Some(events) = &self.events {
            // The engine may have ended.
            let _ended = events.try_send(Event::Observed(observation));
        }
    }

    fn end(&mut self, task: TaskId, container: String, exit: Exit) {
        let key = (task, container);
        let exit = match self.containers.get_mut(&key) {
            Some(ended) => *ended.get_or_insert(exit),
            None => Exit::Unknown,
        };
        self.tell(Observation::ContainerExited { task: key.0, container: key.1, exit });
    }
}

impl Tasks for Machine {
    fn put_images(&self, images: BTreeMap<String, ImageSource>) -> Result<(), String> {
        let mut state = self.state();
        if state.images_fail {
            return Err("could not write images.json".to_owned());
        }
        state.images.extend(images);
        Ok(())
    }

    fn start_over(&self) {}

    fn recover(&self) -> Vec<Observation> {
        let state = self.state();
        let known = state.containers.iter().map(|((task, container), ended)| {
            let (task, container) = (*task, container.clone());
            match ended {
                None => Observation::ContainerStarted { task, container },
                Some(exit) => Observation::ContainerExited { task, container, exit: *exit },
            }
        });
        known.collect()
    }

    fn known_tasks(&self) -> Vec<TaskId> {
        self.state().tasks.iter().copied().collect()
    }

    fn start_container(
        &self,
        launch: Arc<TaskLaunch>,
        container: String,
        secrets: Result<BTreeMap<String, String>, String>,
    ) {
        let mut state = self.state();
        let task = launch.task;
        match secrets {
            Ok(variables) => drop(state.variables.insert((task, container.clone()), variables)),
            Err(reason) => {
                return state.tell(Observation::ContainerFailed { task, container, reason });
            }
        }
        if state.containers.insert((task, container.clone()), None).is_none() {
            state.starts += 1;
        }
        state.tell(Observation::ContainerStarted { task, container });
    }

    fn perform(&self, effect: Effect) {
        let mut state = self.state();
        match effect {
            Effect::AttachNetwork(launch) => {
                state.tasks.insert(launch.task);
                state.tell(Observation::NetworkAttached { task: launch.task });
            }
            Effect::PullImages(launch) => {
                state.tell(Observation::ImagesPulled { task: launch.task });
            }
            Effect::StopContainer { task, container } => {
                state.end(task, container, Exit::Code(0));
            }
            Effect::KillContainer { task, container } => {
                state.end(task, container, Exit::Signal(9));
            }
            Effect::ReleaseTask { task } => {
                state.tasks.remove(&task);
                state.containers.retain(|(of, _), _| *of != task);
                state.tell(Observation::TaskReleased { task });
            }
            Effect::PublishNetwork(_) | Effect::PublishLogGroup(_) => {}
            other => panic!("not for a machine: {other:?}"),
        }
    }
}
