//! Keeps a service as wanted: judges its tasks, plans, executes the plan, tells when it is steady.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::capacity::next_provider;
use crate::circuit_breaker::TaskOutcome;
use crate::deployment::{Deployment, Revision, RolloutState};
use crate::effect::Effect;
use crate::event::{self, REPEAT_AFTER_MS};
use crate::id::{DeploymentId, ServiceId, TaskId};
use crate::input::ContainerHealth;
use crate::load_balancer::TargetAddress;
use crate::network::Subnet;
use crate::platform::{Platform, Rebalance, ServiceStatus, Wake};
use crate::rolling::{
    PlanDeployment, PlanInput, PlanTask, ServicePlan, StopCause, TaskState, plan_service,
};
use crate::service::CapacityProvider;
use crate::target_health::{HealthReason, TargetState};
use crate::task::{NewTask, Phase, STOPPED_VISIBLE_MS, Stop, StopCode, StopMode, Task};
use crate::task_lifecycle::WARM_UP_MS;
use crate::time::{SECOND, Time};
use crate::turn::Turn;
use crate::zone_rebalance::{is_balanced, pick_zone};

/// How often a service without capacity tries again (ECS-CP-3 names no interval).
const PLACEMENT_RETRY_MS: u64 = 30 * SECOND;
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
        self.judge_tasks(id, turn);
        self.check_breaker(id, turn);
        self.check_rebalanced(id);
        let plan = self.plan(id, turn.now);
        self.execute(id, &plan, turn);
        self.retire_deployments(id, turn);
        self.check_steady(id, turn);
    }

    /// How a task counts now.
    #[must_use]
    pub fn task_state(&self, task: &Task) -> TaskState {
        if !task.is_wanted() {
            return TaskState::Stopping;
        }
        let Some(started_at) = task.started_at else { return TaskState::Pending };
        let service = self.services.get(&task.service);
        let grace_ms = service.map_or(0, |s| s.spec.health_check_grace_period_ms);
        let in_grace = self.now.since(started_at) < grace_ms;
        let unhealthy = if in_grace { TaskState::Undecided } else { TaskState::Unhealthy };

        let mut checked = false;
        let mut state = TaskState::Healthy;
        if task.has_container_checks() {
            checked = true;
            match task.container_health() {
                ContainerHealth::Unhealthy => return unhealthy,
                // An essential container without a check leaves the task UNKNOWN for ever
                // (ECS-TD-15); what counts here are the checks there are.
                _ if checks_pass(task) => {}
                _ => state = TaskState::Undecided,
            }
        }
        for load_balancer in &task.revision.load_balancers {
            checked = true;
            let address = TargetAddress { ip: task.address, port: load_balancer.port };
            let group = self.target_groups.get(&load_balancer.target_group);
            match group.and_then(|g| g.target(address)).map(|t| t.health.state) {
                Some(TargetState::Healthy) => {}
                Some(TargetState::Unhealthy) => return unhealthy,
                // A group no listener uses is never probed and decides nothing (ALB-HC-9).
                Some(TargetState::Unused) => {}
                _ => state = TaskState::Undecided,
            }
        }
        if !checked && self.now.since(started_at) < WARM_UP_MS {
            return TaskState::Warming;
        }
        state
    }

    /// Counts health failures and recoveries, each once.
    fn judge_tasks(&mut self, id: ServiceId, turn: &mut Turn) {
        let Some(service) = self.services.get(&id) else { return };
        let name = service.spec.name.service.clone();
        let mut verdicts = Vec::new();
        for task in service.tasks.iter().filter_map(|t| self.tasks.get(t)) {
            match self.task_state(task) {
                TaskState::Unhealthy if !task.failure_counted => {
                    verdicts.push((
                        task.id,
                        TaskOutcome::Unhealthy,
                        self.why_unhealthy(task, &name),
                    ));
                }
                TaskState::Healthy if !task.was_healthy => {
                    verdicts.push((task.id, TaskOutcome::Healthy, Vec::new()));
                }
                _ => {}
            }
        }
        for (task_id, outcome, messages) in verdicts {
            if let Some(task) = self.tasks.get_mut(&task_id) {
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
    }

    fn why_unhealthy(&self, task: &Task, service: &str) -> Vec<String> {
        let mut messages = Vec::new();
        if task.container_health() == ContainerHealth::Unhealthy {
            messages.push(event::container_unhealthy(service, task.id));
        }
        for load_balancer in &task.revision.load_balancers {
            let address = TargetAddress { ip: task.address, port: load_balancer.port };
            let group = self.target_groups.get(&load_balancer.target_group);
            let Some(target) = group.and_then(|g| g.target(address)) else { continue };
            if target.health.state == TargetState::Unhealthy {
                let reason = target.health.reason.as_ref().map(HealthReason::description);
                messages.push(event::target_unhealthy(
                    service,
                    task.id,
                    load_balancer.port,
                    &self.target_group_arn(&load_balancer.target_group),
                    &reason.unwrap_or_default(),
                ));
            }
        }
        messages
    }

    /// Fails the primary deployment once its count reaches the threshold, and goes back to the
    /// last completed one where that is wanted (ECS-CB-3, ECS-CB-6).
    fn check_breaker(&mut self, id: ServiceId, turn: &mut Turn) {
        let Some(service) = self.services.get_mut(&id) else { return };
        let desired = service.spec.desired_count;
        let configuration = service.spec.deployment;
        let name = service.spec.name.service.clone();
        let Some(primary) = service.deployments.first_mut() else { return };
        let watched = primary.rollout == RolloutState::InProgress && !primary.is_rollback;
        if !configuration.circuit_breaker || !watched || !primary.breaker.is_tripped(desired) {
            return;
        }
        primary.fail(turn.now);
        let failed = primary.id;
        turn.say(id, event::deployment_failed(&name, failed));
        if !configuration.rollback {
            return;
        }
        let live = service.deployments.iter().find(|d| d.completed);
        let good = live.or_else(|| service.past_deployments.iter().find(|d| d.completed));
        let Some((good, revision)) = good.map(|d| (d.id, Arc::clone(&d.revision))) else { return };
        turn.say(id, event::rolling_back(&name, good));
        let reason =
            format!("ECS deployment circuit breaker: rolling back to deploymentId {good}.");
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
            for task in &service.tasks {
                let Some(task) = self.tasks.get_mut(task) else { continue };
                if task.revision == revision && task.is_wanted() {
                    task.deployment = deployment_id;
                    deployment.breaker.seen_running |= task.started_at.is_some();
                }
            }
        }
        // After the take-over: a task taken over must not be missed where it was.
        for deployment in &mut service.deployments {
            let of_it = |t: &&TaskId| {
                self.tasks.get(*t).is_some_and(|task| {
                    task.deployment == deployment.id
                        && task.is_wanted()
                        && task.started_at.is_some()
                })
            };
            let running = service.tasks.iter().filter(of_it).count();
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

    fn plan(&self, id: ServiceId, now: Time) -> ServicePlan {
        let Some(service) = self.services.get(&id) else { return ServicePlan::default() };
        let tasks: Vec<PlanTask<'_>> = service
            .tasks
            .iter()
            .filter_map(|t| self.tasks.get(t))
            .map(|task| PlanTask {
                id: task.id,
                deployment: task.deployment,
                state: self.task_state(task),
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

    /// Carries out a plan.
    fn execute(&mut self, id: ServiceId, plan: &ServicePlan, turn: &mut Turn) {
        let Some(service) = self.services.get_mut(&id) else { return };
        let name = service.spec.name.service.clone();
        let primary = service.primary().map_or(DeploymentId(0), |d| d.id);
        for (deployment, desired) in &plan.older_desired {
            if let Some(deployment) = service.deployment_mut(*deployment) {
                deployment.desired = *desired;
            }
        }
        if plan.blocked_by_percents {
            self.say_once(id, event::blocked_by_percents(&name), turn);
        }
        if plan.blocked_by_protection > 0 {
            let count = plan.blocked_by_protection;
            self.say_once(id, event::blocked_by_protection(&name, primary, count), turn);
        }
        for (task, cause) in &plan.stop {
            self.stop_for_service(id, *task, *cause, turn);
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
        if started + plan.stop.len() > 0
            && let Some(service) = self.services.get_mut(&id)
        {
            service.steady_since = None;
        }
    }

    fn stop_for_service(&mut self, id: ServiceId, task: TaskId, cause: StopCause, turn: &mut Turn) {
        let Some(state) = self.tasks.get(&task) else { return };
        let deployment = self.services.get(&id).and_then(|s| s.primary()).map(|d| d.id);
        let reason = match cause {
            StopCause::Scheduler => {
                let deployment = deployment.unwrap_or(state.deployment);
                format!("Scaling activity initiated by (deployment {deployment})")
            }
            StopCause::Unhealthy => self.stopped_for_health(state),
        };
        let rebalancing =
            self.services.get(&id).is_some_and(|s| s.rebalance == Rebalance::Stopping);
        if state.started_at.is_none() {
            turn.news(id).stopped_pending += 1;
        } else if rebalancing {
            let (name, zone) = (state.revision.service.clone(), state.zone.to_string());
            turn.say(id, event::stopped_to_rebalance(&name, &zone, task));
        } else {
            turn.news(id).stopped_running.push(task);
        }
        let code = StopCode::ServiceSchedulerInitiated;
        let stop = Stop { code, reason, mode: StopMode::Drain, kill_by: None };
        self.stop_task(task, stop, turn);
    }

    /// ECS-STOP-4, ECS-STOP-5.
    fn stopped_for_health(&self, task: &Task) -> String {
        if task.container_health() == ContainerHealth::Unhealthy {
            return "Task failed container health checks".to_owned();
        }
        let failing = task.revision.load_balancers.iter().find(|load_balancer| {
            let address = TargetAddress { ip: task.address, port: load_balancer.port };
            let group = self.target_groups.get(&load_balancer.target_group);
            let target = group.and_then(|g| g.target(address));
            target.is_some_and(|t| t.health.state == TargetState::Unhealthy)
        });
        let arn = failing.map(|l| self.target_group_arn(&l.target_group)).unwrap_or_default();
        format!("Task failed ELB health checks in (target-group {arn})")
    }

    /// Places and starts one task. Returns false when there is no place for it now.
    fn start_task(&mut self, id: ServiceId, deployment: DeploymentId, turn: &mut Turn) -> bool {
        let Some(service) = self.services.get(&id) else { return false };
        let Some(state) = service.deployments.iter().find(|d| d.id == deployment) else {
            return false;
        };
        let revision = Arc::clone(&state.revision);
        let wanted =
            || service.tasks.iter().filter_map(|t| self.tasks.get(t)).filter(|t| t.is_wanted());
        let count = |matches: &dyn Fn(&Task) -> bool| {
            u32::try_from(wanted().filter(|t| matches(t)).count()).unwrap_or(u32::MAX)
        };
        // By deployment: else the tasks on their way out would hold the base of those that stay.
        let provider = next_provider(&service.spec.capacity, |p| {
            count(&|t: &Task| t.deployment == deployment && t.capacity == p)
        });
        let placeable = provider.filter(|p| *p == CapacityProvider::Fargate || self.spot_available);
        let zones = self.usable_zones(&revision);
        let zone = pick_zone(
            zones.keys().copied(),
            |zone| count(&|t: &Task| t.deployment == deployment && *t.zone == *zone),
            |zone| count(&|t: &Task| *t.zone == *zone),
            |zone| zones.get(zone).and_then(|s| self.subnets.get(*s)).map_or(0, Subnet::held),
        );
        let (Some(capacity), Some(zone)) = (placeable, zone) else {
            let message =
                event::unable_to_place(&service.spec.name.service, event::CAPACITY_UNAVAILABLE);
            self.say_once(id, message, turn);
            self.wake_at(turn.now.plus(PLACEMENT_RETRY_MS), Wake::Service(id));
            return false;
        };
        let (zone, subnet) = (Arc::from(zone), zones.get(zone).copied().unwrap_or_default());
        let subnet: Arc<str> = Arc::from(subnet);
        let rebalancing = service.rebalance == Rebalance::Starting;
        let unhealthy = count(&|t: &Task| {
            t.deployment == deployment && self.task_state(t) == TaskState::Unhealthy
        });
        let name = service.spec.name.service.clone();
        let Some(address) = self.subnets.get_mut(&*subnet).and_then(|s| s.allocate()) else {
            return false;
        };
        let task_id = TaskId(self.rng.next_u128());
        let new = NewTask {
            id: task_id,
            service: id,
            deployment,
            revision,
            zone: Arc::clone(&zone),
            subnet,
            address,
            capacity,
        };
        let task = Task::new(new, turn.now);
        turn.effects.push(Effect::AttachNetwork(task.launch()));
        self.tasks.insert(task_id, task);
        if let Some(service) = self.services.get_mut(&id) {
            service.tasks.insert(task_id);
        }
        if rebalancing {
            turn.say(id, event::started_to_rebalance(&name, &zone, task_id));
        } else {
            let news = turn.news(id);
            news.started.push(task_id);
            news.replaced += usize::from(news.replaced < unhealthy as usize);
        }
        true
    }

    /// Zones of the revision that exist now, each with a subnet that has room.
    fn usable_zones(&self, revision: &Revision) -> BTreeMap<&str, &str> {
        let mut zones = BTreeMap::new();
        for name in &revision.subnets {
            let Some(subnet) = self.subnets.get(name) else { continue };
            let zone = subnet.spec.zone.as_str();
            if !self.lost_zones.contains(zone) && subnet.has_room() {
                zones.entry(zone).or_insert(subnet.spec.name.as_str());
            }
        }
        zones
    }

    /// Replaced deployments without tasks leave the list (ECS-DEP-7).
    fn retire_deployments(&mut self, id: ServiceId, turn: &mut Turn) {
        let Some(service) = self.services.get_mut(&id) else { return };
        let mut index = 1;
        while index < service.deployments.len() {
            let deployment = service.deployments[index].id;
            let tasks = &self.tasks;
            let of_it = |t: &TaskId| tasks.get(t).is_some_and(|t| t.deployment == deployment);
            let wanted = service.deployments[index].desired;
            if wanted > 0 || service.tasks.iter().any(of_it) {
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
    fn check_steady(&mut self, id: ServiceId, turn: &mut Turn) {
        let now = turn.now;
        let Some(service) = self.services.get(&id) else { return };
        let name = service.spec.name.service.clone();
        let desired = service.spec.desired_count as usize;
        let settled = service.deployments.len() == 1
            && service.tasks.len() == desired
            && service.tasks.iter().filter_map(|t| self.tasks.get(t)).all(|task| {
                matches!(self.task_state(task), TaskState::Healthy | TaskState::Warming)
            });
        let Some(service) = self.services.get_mut(&id) else { return };
        if !settled {
            service.steady_since = None;
            return;
        }
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
    fn check_rebalanced(&mut self, id: ServiceId) {
        let Some(service) = self.services.get(&id) else { return };
        if service.rebalance != Rebalance::Starting {
            return;
        }
        let tasks = service.tasks.iter().filter_map(|t| self.tasks.get(t));
        let healthy = tasks.filter(|t| self.task_state(t) == TaskState::Healthy).count();
        if healthy > service.spec.desired_count as usize {
            self.set_rebalance(id, Rebalance::Stopping);
        }
    }

    fn set_rebalance(&mut self, id: ServiceId, rebalance: Rebalance) {
        if let Some(service) = self.services.get_mut(&id) {
            service.rebalance = rebalance;
        }
    }

    /// Tasks of the service per usable zone, empty zones included.
    fn zone_counts(&self, id: ServiceId) -> Vec<(String, u32)> {
        let Some(service) = self.services.get(&id) else { return Vec::new() };
        let Some(primary) = service.primary() else { return Vec::new() };
        let mut counts: BTreeMap<&str, u32> =
            self.usable_zones(&primary.revision).into_keys().map(|zone| (zone, 0)).collect();
        for task in service.tasks.iter().filter_map(|t| self.tasks.get(t)) {
            *counts.entry(&*task.zone).or_default() += 1;
        }
        counts.into_iter().map(|(zone, count)| (zone.to_owned(), count)).collect()
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

    /// Whether a decided stop of the task is anything but over.
    #[must_use]
    pub fn is_stopping(task: &Task) -> bool {
        task.stop.is_some() && task.phase != Phase::Stopped
    }
}

fn checks_pass(task: &Task) -> bool {
    let all = task.definition().containers.iter().zip(&task.containers);
    all.filter(|(d, _)| d.essential && d.health_check.is_some())
        .all(|(_, c)| c.health == ContainerHealth::Healthy)
}
