//! Keeps a service as wanted: judges its tasks, plans, executes the plan, tells when it is steady.

use std::sync::Arc;

use crate::circuit_breaker::TaskOutcome;
use crate::deployment::{Deployment, Revision, RolloutState};
use crate::event::{self, REPEAT_AFTER_MS};
use crate::id::{DeploymentId, ServiceId, TaskId};
use crate::platform::{Platform, Rebalance, ServiceStatus, Wake};
use crate::rolling::{
    PlanDeployment, PlanInput, PlanTask, ServicePlan, StopCause, TaskState, plan_service,
};
use crate::task::{STOPPED_VISIBLE_MS, Stop, StopCode, StopMode, Task};
use crate::task_state::state_of;
use crate::time::Time;
use crate::turn::Turn;
use crate::zone_rebalance::is_balanced;

/// How many replaced deployments stay visible.
const PAST_DEPLOYMENTS: usize = 10;

impl Platform {
    /// Brings the service one step nearer to what is wanted.
    pub(crate) fn reconcile_service(&mut self, id: ServiceId, turn: &mut Turn) {
        let Some(service) = self.services.get(&id) else { return };
        match service.status {
            ServiceStatus::Active => {}
            ServiceStatus::Draining => return self.finish_deletion(id, turn),
            ServiceStatus::Inactive => return self.forget_service(id, turn),
        }
        let states = self.judge_tasks(id, turn);
        self.check_breaker(id, turn);
        self.check_rebalanced(id, &states);
        let plan = self.plan(id, &states, turn.now);
        let moved = self.execute(id, &plan, turn);
        self.retire_deployments(id, turn);
        // A task just started or stopped is neither healthy nor warming up.
        let calm = |state| matches!(state, TaskState::Healthy | TaskState::Warming);
        self.check_steady(id, !moved && states.into_iter().all(calm), turn);
    }

    /// Counts health failures and recoveries, each once. Returns how the tasks of the service
    /// count, in their order; that holds until one is started or stopped.
    fn judge_tasks(&mut self, id: ServiceId, turn: &mut Turn) -> Vec<TaskState> {
        let Some(service) = self.services.get(&id) else { return Vec::new() };
        let grace_ms = service.spec.health_check_grace_period_ms;
        let mut states = Vec::with_capacity(service.tasks.len());
        let mut verdicts = Vec::new();
        for task in service.tasks.values() {
            let state = state_of(task, grace_ms, self.now);
            states.push(state);
            match state {
                TaskState::Unhealthy if !task.failure_counted => {
                    let messages = self.why_unhealthy(task);
                    verdicts.push((task.id, TaskOutcome::Unhealthy, messages));
                }
                TaskState::Healthy if !task.was_healthy => {
                    verdicts.push((task.id, TaskOutcome::Healthy, Vec::new()));
                }
                _ => {}
            }
        }
        for (task_id, outcome, messages) in verdicts {
            if let Some(task) = self.services.task_mut(task_id) {
                match outcome {
                    TaskOutcome::Healthy => task.was_healthy = true,
                    _ => task.failure_counted = true,
                }
            }
            self.count_outcome(task_id, outcome, turn);
            for message in messages {
                turn.say(id, message);
            }
        }
        turn.dirty_services.remove(&id);
        states
    }

    /// Fails the primary deployment once its count reaches the threshold, and goes back to the
    /// last completed one where that is wanted (ECS-CB-3, ECS-CB-6).
    fn check_breaker(&mut self, id: ServiceId, turn: &mut Turn) {
        let Some(service) = self.services.get_mut(&id) else { return };
        let desired = service.spec.desired_count;
        let configuration = service.spec.deployment;
        let Some(primary) = service.deployments.first_mut() else { return };
        let watched = primary.rollout == RolloutState::InProgress && !primary.is_rollback;
        if !configuration.circuit_breaker || !watched || !primary.breaker.is_tripped(desired) {
            return;
        }
        primary.fail(turn.now, "ECS deployment circuit breaker: tasks failed to start.");
        let name = service.spec.name.service.clone();
        turn.say(id, event::deployment_failed(&name, primary.id));
        if configuration.rollback {
            self.roll_back(id, "ECS deployment circuit breaker", turn);
        }
    }

    /// Back to the last completed deployment, if there is one.
    pub(crate) fn roll_back(&mut self, id: ServiceId, cause: &str, turn: &mut Turn) {
        let Some(service) = self.services.get(&id) else { return };
        let name = service.spec.name.service.clone();
        let live = service.deployments.iter().find(|d| d.completed);
        let good = live.or_else(|| service.past_deployments.iter().find(|d| d.completed));
        let Some((good, revision)) = good.map(|d| (d.id, Arc::clone(&d.revision))) else { return };
        turn.say(id, event::rolling_back(&name, good));
        let reason = format!("{cause}: rolling back to deploymentId {good}.");
        self.deploy(id, revision, Some(reason), turn);
        if let Some(primary) = self.services.get_mut(&id).and_then(|s| s.deployments.first_mut()) {
            primary.is_rollback = true;
        }
    }

    /// Makes a new primary deployment. Tasks that run the very same revision already are taken
    /// over: a rollback must not restart what has been serving all along.
    pub(crate) fn deploy(
        &mut self,
        id: ServiceId,
        revision: Arc<Revision>,
        rollback_reason: Option<String>,
        turn: &mut Turn,
    ) {
        let deployment_id = DeploymentId(self.rng.below(9_000_000_000_000_000_000) + 10);
        let Some(service) = self.services.get_mut(&id) else { return };
        let now = turn.now;
        let desired = service.spec.desired_count;
        let mut deployment = Deployment::new(deployment_id, Arc::clone(&revision), desired, now);
        if let Some(reason) = rollback_reason {
            deployment.reason = reason;
            for task in service.tasks.values_mut() {
                if task.revision == revision && task.is_wanted() {
                    task.deployment = deployment_id;
                    deployment.breaker.seen_running |= task.started_at.is_some();
                }
            }
        }
        // After the take-over: a task taken over must not be missed where it was.
        for deployment in &mut service.deployments {
            let of_it = |t: &&Task| {
                t.deployment == deployment.id && t.is_wanted() && t.started_at.is_some()
            };
            let running = service.tasks.values().filter(of_it).count();
            deployment.desired = u32::try_from(running).unwrap_or(u32::MAX);
            deployment.updated_at = now;
        }
        service.spec.task_definition.revision = Some(revision.definition.revision);
        service.spec.task_definition.family.clone_from(&revision.definition.family);
        service.deployments.insert(0, deployment);
        service.steady_since = None;
        service.rebalance = Rebalance::Idle;
        service.said.clear();
        turn.dirty_service(id);
    }

    fn plan(&self, id: ServiceId, states: &[TaskState], now: Time) -> ServicePlan {
        let Some(service) = self.services.get(&id) else { return ServicePlan::default() };
        let tasks: Vec<PlanTask<'_>> = service
            .tasks
            .values()
            .zip(states)
            .map(|(task, state)| PlanTask {
                id: task.id,
                deployment: task.deployment,
                state: *state,
                zone: &task.zone,
                protected: task.is_protected(now),
            })
            .collect();
        let deployments: Vec<PlanDeployment> = service
            .deployments
            .iter()
            .map(|d| PlanDeployment {
                id: d.id,
                desired: d.desired,
                completed: d.completed,
                may_start: d.may_start(now),
            })
            .collect();
        plan_service(&PlanInput {
            configuration: service.spec.deployment,
            desired: service.spec.desired_count,
            deployments: &deployments,
            tasks: &tasks,
            rebalancing: service.rebalance == Rebalance::Starting,
        })
    }

    /// Carries out a plan. Returns whether any task was started or stopped.
    fn execute(&mut self, id: ServiceId, plan: &ServicePlan, turn: &mut Turn) -> bool {
        let Some(service) = self.services.get_mut(&id) else { return false };
        let primary = service.primary().map_or(DeploymentId(0), |d| d.id);
        for (deployment, desired) in &plan.older_desired {
            if let Some(deployment) = service.deployment_mut(*deployment) {
                deployment.desired = *desired;
            }
        }
        let name = &service.spec.name.service;
        let by_percents = plan.blocked_by_percents.then(|| event::blocked_by_percents(name));
        let count = plan.blocked_by_protection;
        let by_protection = (count > 0).then(|| event::blocked_by_protection(name, primary, count));
        for message in by_percents.into_iter().chain(by_protection) {
            self.say_once(id, message, turn);
        }
        for (task, cause) in &plan.stop {
            self.stop_for_service(*task, *cause, turn);
        }
        let mut started = 0;
        for (deployment, count) in &plan.start {
            for _ in 0..*count {
                if !self.start_task(id, *deployment, turn) {
                    break;
                }
                started += 1;
            }
        }
        let moved = started + plan.stop.len() > 0;
        if moved && let Some(service) = self.services.get_mut(&id) {
            service.steady_since = None;
        }
        moved
    }

    fn stop_for_service(&mut self, id: TaskId, cause: StopCause, turn: &mut Turn) {
        let Some(service) = self.services.get(&id.service()) else { return };
        let Some(task) = service.tasks.get(id) else { return };
        let reason = match cause {
            StopCause::Scheduler => {
                let deployment = service.primary().map_or(task.deployment, |d| d.id);
                format!("Scaling activity initiated by (deployment {deployment})")
            }
            StopCause::Unhealthy => self.stopped_for_health(task),
        };
        if task.started_at.is_none() {
            turn.news(id.service()).stopped_pending += 1;
        } else if service.rebalance == Rebalance::Stopping {
            let name = &task.revision.service;
            turn.say(id.service(), event::stopped_to_rebalance(name, &task.zone, id));
        } else {
            turn.news(id.service()).stopped_running.push(id);
        }
        let code = StopCode::ServiceSchedulerInitiated;
        let stop = Stop { code, reason, mode: StopMode::Drain, kill_by: None };
        self.stop_task(id, stop, turn);
    }

    /// Replaced deployments without tasks leave the list (ECS-DEP-7).
    fn retire_deployments(&mut self, id: ServiceId, turn: &mut Turn) {
        let Some(service) = self.services.get_mut(&id) else { return };
        let mut index = 1;
        while index < service.deployments.len() {
            let deployment = service.deployments[index].id;
            let wanted = service.deployments[index].desired;
            if wanted > 0 || service.tasks.values().any(|t| t.deployment == deployment) {
                index += 1;
                continue;
            }
            let mut retired = service.deployments.remove(index);
            retired.updated_at = turn.now;
            service.past_deployments.push_front(retired);
            // The revision to go back to must outlive a run of failed deployments.
            let newest_good = service.past_deployments.iter().position(|d| d.completed);
            while service.past_deployments.len() > PAST_DEPLOYMENTS {
                let last = service.past_deployments.len() - 1;
                let victim = if newest_good == Some(last) { last - 1 } else { last };
                service.past_deployments.remove(victim);
            }
        }
    }

    /// Completes the deployment and reports the steady state (ECS-DEP-8, ECS-EVT-6, ECS-EVT-7).
    fn check_steady(&mut self, id: ServiceId, calm: bool, turn: &mut Turn) {
        let now = turn.now;
        let Some(service) = self.services.get_mut(&id) else { return };
        let desired = service.spec.desired_count as usize;
        if !calm || service.deployments.len() != 1 || service.tasks.len() != desired {
            service.steady_since = None;
            return;
        }
        let name = service.spec.name.service.clone();
        let Some(primary) = service.deployments.first_mut() else { return };
        if primary.rollout == RolloutState::InProgress {
            primary.complete(now);
            turn.say(id, event::deployment_completed(&name, primary.id));
        }
        let rebalanced = std::mem::take(&mut service.rebalance) == Rebalance::Stopping;
        if rebalanced {
            let counts = self.zone_counts(id);
            if is_balanced(counts.iter().map(|(_, count)| *count)) {
                turn.say(id, event::balanced(&name, &counts));
            }
        }
        let Some(service) = self.services.get_mut(&id) else { return };
        match service.steady_since {
            None => {
                service.steady_since = Some(now);
                service.said.clear();
                self.say_once(id, event::steady_state(&name), turn);
                self.wake_at(now.plus(REPEAT_AFTER_MS), Wake::Service(id));
                self.check_balance(id, turn);
            }
            Some(since) if now.since(since) >= REPEAT_AFTER_MS => {
                service.steady_since = Some(now);
                service.said.clear();
                self.say_once(id, event::steady_state(&name), turn);
                self.wake_at(now.plus(REPEAT_AFTER_MS), Wake::Service(id));
            }
            Some(_) => self.check_balance(id, turn),
        }
    }

    /// Starts rebalancing over zones, if a task can be placed for it: only from a steady state, and
    /// only with room above desired (ECS-SVC-5, ECS-SVC-6).
    fn check_balance(&mut self, id: ServiceId, turn: &mut Turn) {
        let Some(service) = self.services.get(&id) else { return };
        let Some(primary) = service.primary() else { return };
        let desired = service.spec.desired_count;
        let has_room = service.spec.deployment.upper_bound(desired) > desired;
        let may_start = primary.may_start(turn.now);
        if !service.spec.zone_rebalancing || !has_room || !may_start || desired < 2 {
            return;
        }
        let primary = primary.id;
        let name = service.spec.name.service.clone();
        let counts = self.zone_counts(id);
        if is_balanced(counts.iter().map(|(_, count)| *count)) {
            return;
        }
        self.set_rebalance(id, Rebalance::Starting);
        let said = turn.news(id).messages.len();
        if self.start_task(id, primary, turn) {
            self.say_once(id, event::not_balanced(&name, &counts), turn);
            // First why, then what.
            turn.news(id).messages[said..].reverse();
            if let Some(service) = self.services.get_mut(&id) {
                service.steady_since = None;
            }
        } else {
            self.set_rebalance(id, Rebalance::Idle);
        }
    }

    /// Once the extra task is healthy too, one may go; the plan takes it from the fullest zone.
    fn check_rebalanced(&mut self, id: ServiceId, states: &[TaskState]) {
        let Some(service) = self.services.get(&id) else { return };
        if service.rebalance != Rebalance::Starting {
            return;
        }
        let healthy = states.iter().filter(|state| **state == TaskState::Healthy).count();
        if healthy > service.spec.desired_count as usize {
            self.set_rebalance(id, Rebalance::Stopping);
        }
    }

    fn set_rebalance(&mut self, id: ServiceId, rebalance: Rebalance) {
        if let Some(service) = self.services.get_mut(&id) {
            service.rebalance = rebalance;
        }
    }

    fn finish_deletion(&mut self, id: ServiceId, turn: &mut Turn) {
        let Some(service) = self.services.get_mut(&id) else { return };
        if !service.tasks.is_empty() {
            return;
        }
        service.status = ServiceStatus::Inactive;
        service.deployments.clear();
        service.deleted_at = Some(turn.now);
        self.service_ids.remove(&service.spec.name.to_string());
        self.wake_at(turn.now.plus(STOPPED_VISIBLE_MS), Wake::Service(id));
    }

    fn forget_service(&mut self, id: ServiceId, turn: &mut Turn) {
        let Some(service) = self.services.get(&id) else { return };
        let over = service.deleted_at.is_some_and(|at| turn.now.since(at) >= STOPPED_VISIBLE_MS);
        if over && service.stopped_tasks.is_empty() {
            self.services.remove(&id);
        } else if over {
            self.wake_at(turn.now.plus(STOPPED_VISIBLE_MS), Wake::Service(id));
        }
    }
}
