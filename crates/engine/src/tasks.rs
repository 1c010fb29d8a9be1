//! From effects to the runtime that makes tasks real.

use std::collections::BTreeMap;
use std::sync::Arc;

use neargate_core::effect::{Effect, TaskLaunch};
use neargate_core::id::TaskId;
use neargate_core::input::Observation;
use neargate_runtime::{ImageSource, Runtime};

/// Whoever makes tasks real. A trait so that the engine can be tested without processes.
pub(crate) trait Tasks: Send {
    /// Adds or replaces image sources; durable when this returns. The error is one line.
    fn put_images(&self, images: BTreeMap<String, ImageSource>) -> Result<(), String>;
    /// What is known of every container on this machine; from now on they are watched.
    fn recover(&self) -> Vec<Observation>;
    /// Tasks that hold anything on this machine.
    fn known_tasks(&self) -> Vec<TaskId>;
    /// Starts a container with the values of its secrets by variable; the error is why there are
    /// none, and becomes the reason why the container could not be started.
    fn start_container(
        &self,
        launch: Arc<TaskLaunch>,
        container: String,
        secrets: Result<BTreeMap<String, String>, String>,
    );
    /// Forgets images and lines of logs: the platform starts over.
    fn start_over(&self);
    /// Carries an effect out, or leaves it alone when it is none of a task's. Does not block:
    /// what comes of it is observed.
    fn perform(&self, effect: Effect);
}

impl Tasks for Runtime {
    fn put_images(&self, images: BTreeMap<String, ImageSource>) -> Result<(), String> {
        Runtime::put_images(self, images).map_err(|error| crate::ledger::in_full(&error))
    }

    fn recover(&self) -> Vec<Observation> {
        Runtime::recover(self)
    }

    fn known_tasks(&self) -> Vec<TaskId> {
        Runtime::known_tasks(self)
    }

    fn start_container(
        &self,
        launch: Arc<TaskLaunch>,
        container: String,
        secrets: Result<BTreeMap<String, String>, String>,
    ) {
        Runtime::start_container(self, launch, container, secrets);
    }

    fn start_over(&self) {
        Runtime::start_over(self);
    }

    fn perform(&self, effect: Effect) {
        match effect {
            Effect::PublishLogGroup(spec) => self.put_log_group(&spec),
            Effect::RemoveLogGroup { name } => self.remove_log_group(&name),
            Effect::PublishNetwork(network) => self.publish_network(&network),
            Effect::AttachNetwork(launch) => self.attach_network(launch),
            Effect::PullImages(launch) => self.pull_images(launch),
            Effect::StopContainer { task, container } => self.stop_container(task, &container),
            Effect::KillContainer { task, container } => self.kill_container(task, &container),
            Effect::ReleaseTask { task } => self.release_task(task),
            Effect::PublishTargetGroup { .. }
            | Effect::RemoveTargetGroup { .. }
            | Effect::PublishListener { .. }
            | Effect::RemoveListener { .. }
            | Effect::PublishName { .. }
            // Comes with its secrets, by `start_container`.
            | Effect::StartContainer { .. }
            | Effect::Emit { .. } => {}
        }
    }
}
