//! What must never happen, checked after every step of the platform.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use neargate_core::Platform;
use neargate_core::circuit_breaker;
use neargate_core::deployment::RolloutState;
use neargate_core::effect::Effect;
use neargate_core::id::{DeploymentId, ServiceId, TaskId};
use neargate_core::input::{Input, Observation};
use neargate_core::platform::{Service, ServiceStatus};
use neargate_core::rolling::TaskState;
use neargate_core::service::CapacityProvider;
use neargate_core::task::{Phase, Stop, StopCode, StopMode, Task};

use crate::edge::Edge;

/// What is remembered of a task from one step to the next.
#[derive(Clone, Copy, Debug)]
struct Seen {
    phase: Phase,
    stopping: bool,
    state: TaskState,
}

/// What is remembered of a service.
#[derive(Clone, Debug, Default)]
struct SeenService {
    /// The newest deployment that completed, with its revision number.
    completed: Option<(DeploymentId, u32)>,
    failed: BTreeSet<DeploymentId>,
    desired: u32,
    /// The desired count changed while the deployment was under way, so its threshold did.
    rescaled: bool,
    primary: Option<DeploymentId>,
}

/// The checks, with their memory.
#[derive(Debug, Default)]
pub(crate) struct Safety {
    tasks: BTreeMap<TaskId, Seen>,
    services: BTreeMap<ServiceId, SeenService>,
    /// Tasks of a deployment that failed, as seen from outside.
    failing: BTreeMap<DeploymentId, BTreeSet<TaskId>>,
}

impl Safety {
    /// Holds the platform against every property.
    pub(crate) fn after_step(
        &mut self,
        platform: &Platform,
        edge: &Edge,
        effects: &[Effect],
        input: &Input,
    ) -> Result<(), String> {
        signals_come_after_withdrawal(platform, edge, effects)?;
        let mut addresses: BTreeSet<Ipv4Addr> = BTreeSet::new();
        let mut members = 0;
        for task in standalone_tasks(platform) {
            members += 1;
            if !addresses.insert(task.address) {
                return Err(format!("address {} is held twice", task.address));
            }
            self.check_standalone(platform, task)?;
        }
        for service in platform.services() {
            members += service.tasks.len();
            self.check_service(platform, service, input)?;
            for task in live_tasks(platform, service) {
                if !addresses.insert(task.address) {
                    return Err(format!("address {} is held twice", task.address));
                }
            }
        }
        if members != addresses.len() {
            return Err(format!("{members} memberships for {} live tasks", addresses.len()));
        }
        self.tasks.retain(|id, _| platform.task(*id).is_some_and(|t| t.stopped_at.is_none()));
        Ok(())
    }

    /// What was not durable is forgotten; what is asked for again must still be in order.
    pub(crate) fn after_recovery(
        &mut self,
        platform: &Platform,
        edge: &Edge,
        outstanding: &[Effect],
    ) -> Result<(), String> {
        signals_come_after_withdrawal(platform, edge, outstanding)?;
        let asked: BTreeSet<TaskId> = outstanding.iter().filter_map(task_of).collect();
        let of_services = platform.services().flat_map(|service| live_tasks(platform, service));
        for task in of_services.chain(standalone_tasks(platform)) {
            let waits = match task.phase {
                Phase::Provisioning | Phase::Deprovisioning => true,
                Phase::Pending => !task.images_pulled,
                _ => false,
            };
            if waits && !asked.contains(&task.id) {
                return Err(format!("task {} waits for what nobody was asked for", task.id));
            }
        }
        self.tasks.clear();
        self.tasks.extend(standalone_tasks(platform).map(|t| (t.id, seen(platform, t))));
        self.services.clear();
        for service in platform.services() {
            for task in live_tasks(platform, service) {
                self.tasks.insert(task.id, seen(platform, task));
            }
            let known = service.deployments.iter().chain(&service.past_deployments);
            let entry = self.services.entry(service.id).or_default();
            // Newest first, so the first that completed is the newest.
            entry.completed =
                known.clone().find(|d| d.completed).map(|d| (d.id, d.revision.definition.revision));
            entry.failed =
                known.filter(|d| d.rollout == RolloutState::Failed).map(|d| d.id).collect();
            entry.desired = service.spec.desired_count;
            entry.primary = service.primary().map(|d| d.id);
            entry.rescaled = true;
        }
        Ok(())
    }

    /// A task without a service goes forward, runs where it may, and nobody but users, faults and
    /// its own containers stop it.
    fn check_standalone(&mut self, platform: &Platform, task: &Task) -> Result<(), String> {
        let now = seen(platform, task);
        let Some(run) = &task.run else {
            return Err(format!("task {} belongs to no service and nobody ran it", task.id));
        };
        match self.tasks.insert(task.id, now) {
            None => {
                let allowed = run.capacity.iter().any(|item| item.provider == task.capacity);
                if !allowed && task.capacity == CapacityProvider::FargateSpot {
                    return Err(format!(
                        "(h) task {} is on Spot, which its run does not use",
                        task.id
                    ));
                }
                if platform.lost_zones().any(|zone| *zone == *task.zone) {
                    return Err(format!("(e) task {} is placed in a lost zone", task.id));
                }
            }
            Some(before) if now.phase < before.phase => {
                return Err(format!(
                    "task {} went back from {:?} to {:?}",
                    task.id, before.phase, now.phase
                ));
            }
            Some(_) => {}
        }
        let scheduled = |stop: &Stop| stop.code == StopCode::ServiceSchedulerInitiated;
        if task.stop.as_deref().is_some_and(scheduled) {
            return Err(format!("a service scheduler stopped the standalone task {}", task.id));
        }
        Ok(())
    }

    fn check_service(
        &mut self,
        platform: &Platform,
        service: &Service,
        input: &Input,
    ) -> Result<(), String> {
        let name = &service.spec.name.service;
        let (mut started, mut stopped) = (Vec::new(), 0);
        let mut healthy = 0;
        let mut gave_up_healthy = None;
        for task in live_tasks(platform, service) {
            let now = seen(platform, task);
            if task.service != service.id {
                return Err(format!("task {} is in {name} and in another service", task.id));
            }
            healthy += u32::from(now.state == TaskState::Healthy);
            self.note_failure(task, now.state);
            let before = self.tasks.insert(task.id, now);
            match before {
                None => {
                    started.push(task);
                    // Placed and given up within one step would be senseless.
                    if task.stop.is_some() {
                        return Err(format!("task {} was stopped in the step it started", task.id));
                    }
                }
                Some(before) => {
                    if now.phase < before.phase {
                        return Err(format!(
                            "task {} went back from {:?} to {:?}",
                            task.id, before.phase, now.phase
                        ));
                    }
                    if now.stopping && !before.stopping {
                        stopped += 1;
                        let scheduled = task
                            .stop
                            .as_ref()
                            .is_some_and(|s| s.code == StopCode::ServiceSchedulerInitiated);
                        if scheduled
                            && before.state == TaskState::Healthy
                            && !tells_of_illness(input, task)
                        {
                            gave_up_healthy = Some(task.id);
                        }
                    }
                }
            }
        }
        let desired = service.spec.desired_count;
        let percents = service.spec.deployment;
        if service.status == ServiceStatus::Active {
            let lower = percents.lower_bound(desired);
            if let Some(task) = gave_up_healthy
                && healthy < lower
            {
                return Err(format!(
                    "(a) {name}: healthy task {task} was stopped, which leaves {healthy} healthy of at least {lower}"
                ));
            }
        }
        if !started.is_empty() {
            let upper = percents.upper_bound(desired).max(desired) as usize;
            if service.tasks.len() > upper {
                return Err(format!(
                    "(b) {name}: a start makes {} tasks of at most {upper}",
                    service.tasks.len()
                ));
            }
            if service.status != ServiceStatus::Active {
                return Err(format!("{name}: started a task while {:?}", service.status));
            }
        }
        for task in &started {
            placed_well(platform, service, task, stopped == 0)?;
        }
        let by_command = matches!(input, Input::Commands(_));
        self.check_deployments(service, &started, by_command)
    }

    fn note_failure(&mut self, task: &Task, state: TaskState) {
        let failed = match &task.stop {
            Some(stop) => {
                matches!(
                    stop.code,
                    StopCode::EssentialContainerExited | StopCode::TaskFailedToStart
                ) || stop.reason.contains("health checks")
            }
            None => state == TaskState::Unhealthy,
        };
        if failed {
            // A rollback may just have taken the task over from the deployment that started it.
            for deployment in [task.deployment, task.started_by] {
                self.failing.entry(deployment).or_default().insert(task.id);
            }
        }
    }

    /// Property (d): the breaker, and what follows.
    fn check_deployments(
        &mut self,
        service: &Service,
        started: &[&Task],
        by_command: bool,
    ) -> Result<(), String> {
        let name = &service.spec.name.service;
        let known = self.services.entry(service.id).or_default();
        let desired = service.spec.desired_count;
        let primary = service.primary().map(|d| d.id);
        let threshold = circuit_breaker::threshold(desired);
        let newly_failed = service
            .deployments
            .iter()
            .find(|d| d.rollout == RolloutState::Failed && !known.failed.contains(&d.id));
        known.rescaled |= desired != known.desired;
        if let Some(failed) = newly_failed {
            let count = failed.breaker.failed_tasks;
            if count < threshold || (count > threshold && !known.rescaled) {
                return Err(format!(
                    "(d) {name}: the breaker tripped at {count} failures, its threshold is {threshold}"
                ));
            }
            let seen = self.failing.get(&failed.id).map_or(0, BTreeSet::len);
            if (seen as u32) < threshold {
                return Err(format!(
                    "(d) {name}: the breaker tripped after {seen} failed tasks, its threshold is {threshold}"
                ));
            }
            if service.spec.deployment.rollback
                && !by_command
                && let Some((_, revision)) = known.completed
            {
                let back = service.primary().map(|d| d.revision.definition.revision);
                if back != Some(revision) {
                    return Err(format!(
                        "(d) {name}: rolled back to revision {back:?}, the last completed one is {revision}"
                    ));
                }
            }
            known.failed.insert(failed.id);
        }
        if let Some(task) = started.iter().find(|t| known.failed.contains(&t.started_by)) {
            return Err(format!(
                "(d) {name}: failed deployment {} started {}",
                task.started_by, task.id
            ));
        }
        if let Some(done) = service.primary().filter(|d| d.rollout == RolloutState::Completed) {
            known.completed = Some((done.id, done.revision.definition.revision));
        }
        if primary != known.primary {
            known.primary = primary;
            known.rescaled = false;
        }
        known.desired = desired;
        Ok(())
    }
}

fn task_of(effect: &Effect) -> Option<TaskId> {
    match effect {
        Effect::AttachNetwork(launch)
        | Effect::PullImages(launch)
        | Effect::StartContainer { launch, .. } => Some(launch.task),
        Effect::ReleaseTask { task } => Some(*task),
        _ => None,
    }
}

/// Whether the input says that the task, healthy until now, is so no longer.
fn tells_of_illness(input: &Input, task: &Task) -> bool {
    match input {
        Input::Observed(Observation::ContainerHealth { task: id, .. }) => *id == task.id,
        Input::Observed(Observation::TargetHealthChanged { target, .. }) => {
            target.ip == task.address
        }
        _ => false,
    }
}

fn live_tasks<'a>(
    platform: &'a Platform,
    service: &'a Service,
) -> impl Iterator<Item = &'a Task> + Clone {
    service.tasks.iter().filter_map(|id| platform.task(*id))
}

fn standalone_tasks(platform: &Platform) -> impl Iterator<Item = &Task> {
    platform.standalone_tasks().filter(|task| task.stopped_at.is_none())
}

fn seen(platform: &Platform, task: &Task) -> Seen {
    Seen { phase: task.phase, stopping: task.stop.is_some(), state: platform.task_state(task) }
}

/// Property (c): no signal before the edge has stopped choosing the task, and in a gentle stop
/// none before its requests are done or the deregistration delay is over.
fn signals_come_after_withdrawal(
    platform: &Platform,
    edge: &Edge,
    effects: &[Effect],
) -> Result<(), String> {
    for effect in effects {
        let (Effect::StopContainer { task, .. } | Effect::KillContainer { task, .. }) = effect
        else {
            continue;
        };
        let Some(task) = platform.task(*task) else { continue };
        if edge.leads_to(task.address) {
            return Err(format!("(c) task {} gets a signal while the edge leads to it", task.id));
        }
        let gentle = task.stop.as_ref().is_some_and(|stop| stop.mode == StopMode::Drain);
        let delay_over = task.drain_until.is_none_or(|until| until <= platform.now());
        if gentle && !delay_over && edge.in_flight(task.address) > 0 {
            return Err(format!("(c) task {} gets a signal with requests in flight", task.id));
        }
    }
    Ok(())
}

/// Properties (e) and (h): a zone with the fewest tasks, and only allowed capacity.
fn placed_well(
    platform: &Platform,
    service: &Service,
    task: &Task,
    nothing_stopped: bool,
) -> Result<(), String> {
    let spot = task.capacity == CapacityProvider::FargateSpot;
    if spot && !service.spec.capacity.iter().any(|i| i.provider == CapacityProvider::FargateSpot) {
        return Err(format!("(h) task {} is on Spot, which its service does not use", task.id));
    }
    if platform.lost_zones().any(|zone| *zone == *task.zone) {
        return Err(format!("(e) task {} is placed in {}, which is lost", task.id, task.zone));
    }
    let zones = service.spec.subnets.iter().filter_map(|name| name.rsplit_once('-'));
    let usable = zones.map(|(_, zone)| zone).filter(|zone| {
        !platform.lost_zones().any(|lost| lost.rsplit_once('-').is_some_and(|l| l.1 == *zone))
    });
    let tasks =
        live_tasks(platform, service).filter(|t| t.is_wanted() && t.deployment == task.deployment);
    let in_zone = |zone: &str| {
        tasks.clone().filter(|t| t.zone.rsplit_once('-').is_some_and(|z| z.1 == zone)).count()
    };
    let own = task.zone.rsplit_once('-').map_or("", |(_, zone)| zone);
    let fewest = usable.map(in_zone).min().unwrap_or(0);
    if nothing_stopped && in_zone(own) > fewest + 1 {
        return Err(format!(
            "(e) task {} is placed in {}, where {} are already, not where {fewest} are",
            task.id,
            task.zone,
            in_zone(own) - 1
        ));
    }
    Ok(())
}

/// Property (e) at rest: zones differ by at most one task.
pub(crate) fn spread_is_even(platform: &Platform, service: &Service) -> bool {
    let zone =
        |text: &str| text.rsplit_once('-').map_or(text.to_owned(), |(_, zone)| zone.to_owned());
    let mut counts: BTreeMap<String, u32> =
        service.spec.subnets.iter().map(|name| (zone(name), 0)).collect();
    for task in live_tasks(platform, service) {
        *counts.entry(zone(&task.zone)).or_default() += 1;
    }
    let most = counts.values().max().copied().unwrap_or(0);
    most - counts.values().min().copied().unwrap_or(0) <= 1
}
