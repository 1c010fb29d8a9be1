//! A task's way from PROVISIONING to STOPPED (ECS-TASK-1 to ECS-TASK-4).
//!
//! [`Platform::advance_task`] looks at where a task is and what it waits for, moves it as far as
//! it can go and asks for what comes next. It may be called at any time and any number of times:
//! observations only record facts and mark the task, so a report that comes twice or late cannot
//! push a task anywhere.

use std::sync::Arc;

use crate::circuit_breaker::TaskOutcome;
use crate::commands::not_found;
use crate::deployment::RolloutState;
use crate::effect::Effect;
use crate::event;
use crate::id::TaskId;
use crate::input::{ContainerHealth, Exit, Observation};
use crate::platform::{Platform, Rejection, Wake};
use crate::task::{
    ContainerStatus, Phase, Readiness, STOPPED_VISIBLE_MS, Stop, StopCode, StopMode, Task,
};
use crate::throttle;
use crate::time::{SECOND, Time};
use crate::turn::Turn;

/// A task without any check counts as healthy that long after RUNNING (ECS-SVC-14).
pub(crate) const WARM_UP_MS: u64 = 40 * SECOND;

impl Platform {
    /// Records what the world reports.
    pub(crate) fn observe(&mut self, observation: &Observation, turn: &mut Turn) {
        match observation {
            Observation::NetworkAttached { task } => self.network_attached(*task, turn),
            Observation::ImagesPulled { task } => self.images_pulled(*task, turn),
            Observation::TaskFailed { task, reason } => {
                self.stop_task(*task, failed_to_start(reason), turn);
            }
            Observation::ContainerStarted { task, container } => {
                self.container_started(*task, container, turn);
            }
            Observation::ContainerFailed { task, container, reason } => {
                self.container_failed(*task, container, reason, turn);
            }
            Observation::ContainerExited { task, container, exit } => {
                self.container_exited(*task, container, *exit, turn);
            }
            Observation::ContainerHealth { task, container, health } => {
                self.container_health_changed(*task, container, *health, turn);
            }
            Observation::TaskReleased { task } => self.task_released(*task, turn),
            Observation::DataPlaneApplied { generation } => {
                self.data_plane_applied(*generation, turn);
            }
            Observation::TargetHealthChanged { target_group, target, health } => {
                self.target_health_changed(target_group, *target, health, turn);
            }
            Observation::TargetIdle { target_group, target } => {
                self.target_idle(target_group, *target, turn);
            }
            Observation::ListenerBound { load_balancer, port, result } => {
                self.listener_bound(load_balancer, *port, result);
            }
        }
    }

    fn network_attached(&mut self, id: TaskId, turn: &mut Turn) {
        let Some(task) = self.services.task_mut(id) else { return };
        if task.phase == Phase::Provisioning && task.is_wanted() {
            task.phase = Phase::Pending;
            task.pull_started_at = Some(turn.now);
            let launch = task.launch();
            let prepared = self.prepare_log_groups(&launch, turn);
            match prepared.and_then(|()| self.check_secrets(&launch)) {
                Ok(()) => turn.effects.push(Effect::PullImages(launch)),
                Err(reason) => self.stop_task(id, failed_to_start(&reason), turn),
            }
        }
    }

    fn images_pulled(&mut self, id: TaskId, turn: &mut Turn) {
        let Some(task) = self.services.task_mut(id) else { return };
        if !task.images_pulled {
            task.images_pulled = true;
            task.pull_stopped_at = Some(turn.now);
            turn.dirty_task(task.id);
        }
    }

    fn container_started(&mut self, id: TaskId, container: &str, turn: &mut Turn) {
        let Some(task) = self.services.task_mut(id) else { return };
        let Some(index) = task.index_of(container) else { return };
        let state = &mut task.containers[index];
        if state.status == ContainerStatus::Starting {
            state.status = ContainerStatus::Running;
            state.started_at = Some(turn.now);
            turn.dirty_task(task.id);
        }
    }

    fn container_failed(&mut self, id: TaskId, container: &str, reason: &str, turn: &mut Turn) {
        let Some(task) = self.services.task_mut(id) else { return };
        let Some(index) = task.index_of(container) else { return };
        let state = &mut task.containers[index];
        if state.status == ContainerStatus::Starting {
            state.status = ContainerStatus::Stopped;
            state.reason = Some(reason.to_owned());
            let id = task.id;
            turn.dirty_task(id);
            self.stop_task(id, failed_to_start(reason), turn);
        }
    }

    fn container_exited(&mut self, id: TaskId, container: &str, exit: Exit, turn: &mut Turn) {
        let Some(task) = self.services.task_mut(id) else { return };
        let Some(index) = task.index_of(container) else { return };
        let essential = task.definition().containers[index].essential;
        let state = &mut task.containers[index];
        if !matches!(state.status, ContainerStatus::Starting | ContainerStatus::Running) {
            return;
        }
        // An exit proves a start, also when the report of the start was lost.
        state.started_at.get_or_insert(turn.now);
        state.status = ContainerStatus::Stopped;
        state.exit = Some(exit);
        if exit == Exit::OutOfMemory {
            let reason = "OutOfMemoryError: Container killed due to memory usage";
            state.reason = Some(reason.to_owned());
        }
        let id = task.id;
        turn.dirty_task(id);
        if essential && task.is_wanted() {
            let stop = Stop {
                code: StopCode::EssentialContainerExited,
                reason: "Essential container in task exited".to_owned(),
                mode: StopMode::Signal,
                kill_by: None,
            };
            self.stop_task(id, stop, turn);
        }
    }

    fn container_health_changed(
        &mut self,
        id: TaskId,
        container: &str,
        health: ContainerHealth,
        turn: &mut Turn,
    ) {
        let Some(task) = self.services.task_mut(id) else { return };
        let Some(index) = task.index_of(container) else { return };
        let state = &mut task.containers[index];
        if state.status != ContainerStatus::Stopped && state.health != health {
            state.health = health;
            let id = task.id;
            turn.dirty_task(id);
            turn.dirty_service(id.service());
            self.copy_health_to_name(id, turn);
        }
    }

    fn task_released(&mut self, id: TaskId, turn: &mut Turn) {
        let Some(task) = self.services.task_mut(id) else { return };
        if task.phase != Phase::Deprovisioning {
            return;
        }
        task.phase = Phase::Stopped;
        task.stopped_at = Some(turn.now);
        let id = task.id;
        if let Some(subnet) = self.subnets.get_mut(&*task.subnet) {
            subnet.release(task.address);
        }
        self.services.set_stopped(id);
        self.wake_at(turn.now.plus(STOPPED_VISIBLE_MS), Wake::Task(id));
        turn.dirty_service(id.service());
    }

    /// Protection from scale-in until that time; `None` ends it (ECS-PROT-1).
    pub(crate) fn protect_task(
        &mut self,
        task: TaskId,
        until: Option<Time>,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let Some(state) = self.services.task_mut(task) else {
            return Err(not_found("task", &task.to_string()));
        };
        state.protected_until = until;
        let service = state.service;
        if let Some(until) = until {
            self.wake_at(until, Wake::Service(service));
        }
        turn.dirty_service(service);
        Ok(())
    }

    /// Decides that a task stops, or that it stops more harshly than decided before.
    pub(crate) fn stop_task(&mut self, id: TaskId, stop: Stop, turn: &mut Turn) {
        let now = turn.now;
        let Some(task) = self.services.task_mut(id) else { return };
        if task.phase >= Phase::Deprovisioning {
            return;
        }
        if let Some(decided) = &mut task.stop {
            if stop.mode > decided.mode {
                decided.mode = stop.mode;
                decided.kill_by = stop.kill_by.or(decided.kill_by);
                turn.dirty_task(id);
            }
            return;
        }
        let registered = matches!(task.phase, Phase::Activating | Phase::Running);
        let failed_start = task.started_at.is_none();
        let by_itself =
            matches!(stop.code, StopCode::EssentialContainerExited | StopCode::TaskFailedToStart);
        let (service, deployment, mode) = (task.service, task.deployment, stop.mode);
        let has_targets = !task.revision.load_balancers.is_empty();
        let placement_failure = (stop.code == StopCode::TaskFailedToStart).then(|| {
            event::unable_to_place(&task.revision.service, stop.reason.trim_end_matches('.'))
        });
        task.stop = Some(Box::new(stop));
        task.stopping_at = Some(now);
        let count_failure = by_itself && !std::mem::replace(&mut task.failure_counted, by_itself);
        task.phase = Phase::Stopping;
        if registered && self.withdraw(id, turn) {
            if let Some(task) = self.services.task_mut(id) {
                task.phase = Phase::Deactivating;
                if let Some(until) = task.drain_until {
                    self.wake_at(until, Wake::Task(id));
                }
            }
            if mode == StopMode::Drain && has_targets {
                *turn.news(service).draining.entry(deployment).or_default() += 1;
            }
        }
        if let Some(message) = placement_failure {
            self.say_once(service, message, turn);
        }
        if count_failure {
            let outcome =
                if failed_start { TaskOutcome::FailedToStart } else { TaskOutcome::Exited };
            self.count_outcome(id, outcome, turn);
        }
        turn.dirty_task(id);
        turn.dirty_service(service);
    }

    /// Tells the task's deployment how the task fared; the throttle learns of failed starts.
    pub(crate) fn count_outcome(&mut self, id: TaskId, outcome: TaskOutcome, turn: &mut Turn) {
        let Some(deployment_id) = self.services.task(id).map(|task| task.deployment) else {
            return;
        };
        let service_id = id.service();
        let Some(service) = self.services.get_mut(&service_id) else { return };
        let desired = service.spec.desired_count;
        let watched = service.spec.deployment.circuit_breaker;
        let Some(deployment) = service.deployment_mut(deployment_id) else { return };
        // Once decided the count stands: it shows what the decision was based on. It is decided at
        // the threshold, also when more tasks fail, or recover, in the same moment (ECS-CB-3).
        let decided = watched && !deployment.is_rollback && deployment.breaker.is_tripped(desired);
        if deployment.rollout == RolloutState::InProgress && !decided {
            deployment.breaker.record(outcome);
        }
        match outcome {
            TaskOutcome::FailedToStart => {
                deployment.start_failures = deployment.start_failures.saturating_add(1);
                let failures = deployment.start_failures;
                let delay_ms = throttle::start_delay_ms(failures);
                if delay_ms > 0 {
                    deployment.next_start_at = turn.now.plus(delay_ms);
                }
                let next_start_at = deployment.next_start_at;
                let message = throttle::is_throttled(failures)
                    .then(|| event::unable_to_start_consistently(&service.spec.name.service));
                if delay_ms > 0 {
                    self.wake_at(next_start_at, Wake::Service(service_id));
                }
                if let Some(message) = message {
                    self.say_once(service_id, message, turn);
                }
            }
            TaskOutcome::Running => deployment.start_failures = 0,
            _ => {}
        }
        turn.dirty_service(service_id);
    }

    /// Moves a task as far as it can go now.
    pub(crate) fn advance_task(&mut self, id: TaskId, turn: &mut Turn) {
        let Some(task) = self.services.task(id) else { return };
        match task.phase {
            Phase::Provisioning | Phase::Running => {}
            Phase::Pending => self.start_containers(id, turn),
            Phase::Activating => self.activate(id, turn),
            Phase::Deactivating => self.deactivate(id, turn),
            Phase::Stopping => self.stop_containers(id, turn),
            Phase::Deprovisioning => {}
            Phase::Stopped => self.forget_task(id, turn),
        }
    }

    fn start_containers(&mut self, id: TaskId, turn: &mut Turn) {
        let now = turn.now;
        let Some(task) = self.services.task_mut(id) else { return };
        if !task.images_pulled {
            return;
        }
        let mut waits_until = None;
        for index in 0..task.containers.len() {
            if task.containers[index].status != ContainerStatus::Pending {
                continue;
            }
            match task.readiness(index, now) {
                Readiness::Ready => {
                    task.containers[index].status = ContainerStatus::Starting;
                    turn.effects.push(start_effect(task, index));
                }
                Readiness::Wait => {}
                Readiness::WaitUntil(at) => waits_until = Some(at),
                Readiness::Never(why) => {
                    let name = &task.definition().containers[index].name;
                    let reason = format!("CannotStartContainerError: container {name}: {why}");
                    task.containers[index].reason = Some(reason.clone());
                    self.stop_task(id, failed_to_start(&reason), turn);
                    return;
                }
            }
        }
        if let Some(until) = waits_until {
            self.wake_at(until, Wake::Task(id));
        }
        let Some(task) = self.services.task_mut(id) else { return };
        let started =
            |status| matches!(status, ContainerStatus::Running | ContainerStatus::Stopped);
        if task.containers.iter().all(|c| started(c.status)) {
            task.phase = Phase::Activating;
            self.register(id, turn);
            self.activate(id, turn);
        }
    }

    fn activate(&mut self, id: TaskId, turn: &mut Turn) {
        let now = turn.now;
        let Some(task) = self.services.task_mut(id) else { return };
        if task.published > self.applied {
            return;
        }
        task.phase = Phase::Running;
        task.started_at = Some(now);
        let service = task.service;
        if task.revision.load_balancers.is_empty() && !task.has_container_checks() {
            self.wake_at(now.plus(WARM_UP_MS), Wake::Service(service));
        }
        if let Some(state) = self.services.get(&service) {
            let grace_ms = state.spec.health_check_grace_period_ms;
            if grace_ms > 0 {
                self.wake_at(now.plus(grace_ms), Wake::Service(service));
            }
        }
        self.count_outcome(id, TaskOutcome::Running, turn);
        turn.dirty_service(service);
    }

    fn deactivate(&mut self, id: TaskId, turn: &mut Turn) {
        let Some(task) = self.services.task(id) else { return };
        // Whatever the hurry: no stop signal before the edge has stopped choosing the task.
        if task.published > self.applied {
            return;
        }
        let mode = task.stop.as_ref().map_or(StopMode::Drain, |s| s.mode);
        let delay_over = task.drain_until.is_none_or(|until| until <= turn.now);
        if mode == StopMode::Drain && !delay_over && !self.is_drained(id) {
            return;
        }
        if mode == StopMode::Drain {
            // Ends what is still in flight after the whole delay (ALB-TG-10). In the other modes
            // the targets stay, draining, as long as the containers may answer.
            self.forget_targets(id, turn);
        }
        if let Some(task) = self.services.task_mut(id) {
            task.phase = Phase::Stopping;
        }
        self.stop_containers(id, turn);
    }

    fn stop_containers(&mut self, id: TaskId, turn: &mut Turn) {
        let now = turn.now;
        let Some(task) = self.services.task_mut(id) else { return };
        let (kill_now, kill_by) = match &task.stop {
            Some(stop) => (stop.mode == StopMode::Kill, stop.kill_by),
            None => (false, None),
        };
        let mut wakes = Vec::new();
        for index in 0..task.containers.len() {
            let may_stop = task.may_stop(index);
            let definition = &task.revision.definition.containers[index];
            let container = &mut task.containers[index];
            match container.status {
                // What was never started never will be; what is being started reports first.
                ContainerStatus::Pending => container.status = ContainerStatus::Stopped,
                ContainerStatus::Starting | ContainerStatus::Stopped => continue,
                ContainerStatus::Running => {}
            }
            if container.status == ContainerStatus::Stopped {
                continue;
            }
            if container.kill_at.is_none() && !kill_now && may_stop {
                let by_timeout = now.plus(definition.stop_timeout_ms);
                container.kill_at = Some(kill_by.map_or(by_timeout, |by| by.min(by_timeout)));
                turn.effects
                    .push(Effect::StopContainer { task: id, container: definition.name.clone() });
            }
            let due = kill_now
                || container.kill_at.is_some_and(|at| at <= now)
                || kill_by.is_some_and(|by| by <= now);
            if due && !container.killed {
                container.killed = true;
                turn.effects
                    .push(Effect::KillContainer { task: id, container: definition.name.clone() });
            }
            if !container.killed {
                wakes.extend(container.kill_at.or(kill_by));
            }
        }
        let over = task.containers.iter().all(|c| c.status == ContainerStatus::Stopped);
        if over {
            task.phase = Phase::Deprovisioning;
            task.execution_stopped_at = Some(now);
            turn.effects.push(Effect::ReleaseTask { task: id });
            self.forget_targets(id, turn);
        }
        for due in wakes {
            self.wake_at(due, Wake::Task(id));
        }
    }

    fn forget_task(&mut self, id: TaskId, turn: &mut Turn) {
        let Some(task) = self.services.task(id) else { return };
        if task.stopped_at.is_some_and(|at| turn.now.since(at) >= STOPPED_VISIBLE_MS) {
            self.services.forget_task(id);
        }
    }

    /// Everything that was asked for and not yet reported: after a restart of the engine the
    /// effects in between may not have been carried out. Asking twice is harmless.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Effect> {
        let network = Effect::PublishNetwork(Arc::new(self.network()));
        let tasks = self.services.tasks().flat_map(outstanding_of_task);
        std::iter::once(network).chain(tasks).collect()
    }
}

fn outstanding_of_task(task: &Task) -> Vec<Effect> {
    let mut effects = Vec::new();
    match task.phase {
        Phase::Provisioning => effects.push(Effect::AttachNetwork(task.launch())),
        Phase::Pending if !task.images_pulled => effects.push(Effect::PullImages(task.launch())),
        Phase::Deprovisioning => effects.push(Effect::ReleaseTask { task: task.id }),
        _ => {}
    }
    for (index, container) in task.containers.iter().enumerate() {
        let name = task.definition().containers[index].name.clone();
        match container.status {
            ContainerStatus::Starting => effects.push(start_effect(task, index)),
            ContainerStatus::Running if container.killed => {
                effects.push(Effect::KillContainer { task: task.id, container: name });
            }
            ContainerStatus::Running if container.kill_at.is_some() => {
                effects.push(Effect::StopContainer { task: task.id, container: name });
            }
            _ => {}
        }
    }
    effects
}

fn start_effect(task: &Task, index: usize) -> Effect {
    let container = task.definition().containers[index].name.clone();
    Effect::StartContainer { launch: Arc::clone(&task.launch()), container }
}

fn failed_to_start(reason: &str) -> Stop {
    Stop {
        code: StopCode::TaskFailedToStart,
        reason: reason.to_owned(),
        mode: StopMode::Signal,
        kill_by: None,
    }
}
