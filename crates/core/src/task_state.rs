//! How a task counts: by its phase, its containers' checks and its targets' health.

use crate::data_plane::Target;
use crate::event;
use crate::input::ContainerHealth;
use crate::load_balancer::TargetAddress;
use crate::platform::Platform;
use crate::rolling::TaskState;
use crate::service::ServiceLoadBalancer;
use crate::target_health::{HealthReason, TargetState};
use crate::task::Task;
use crate::task_lifecycle::WARM_UP_MS;
use crate::time::Time;

/// How the task of a service with that grace period counts. It needs nothing but the task, because
/// every reconciliation asks it of every task of a service.
#[must_use]
pub(crate) fn state_of(task: &Task, grace_ms: u64, now: Time) -> TaskState {
    if !task.is_wanted() {
        return TaskState::Stopping;
    }
    let Some(started_at) = task.started_at else { return TaskState::Pending };
    let in_grace = now.since(started_at) < grace_ms;
    let unhealthy = if in_grace { TaskState::Undecided } else { TaskState::Unhealthy };

    let mut checked = false;
    let mut state = TaskState::Healthy;
    // An essential container without a check leaves the task UNKNOWN for ever (ECS-TD-15); what
    // counts here are the checks there are.
    let containers = task.definition().containers.iter().zip(&task.containers);
    for (_, container) in containers.filter(|(d, _)| d.essential && d.health_check.is_some()) {
        checked = true;
        match container.health {
            ContainerHealth::Healthy => {}
            ContainerHealth::Unhealthy => return unhealthy,
            ContainerHealth::Unknown => state = TaskState::Undecided,
        }
    }
    for target in task.target_states.iter().take(task.revision.load_balancers.len()) {
        checked = true;
        match target {
            // A group no listener uses is never probed and decides nothing (ALB-HC-9).
            Some(TargetState::Healthy | TargetState::Unused) => {}
            Some(TargetState::Unhealthy) => return unhealthy,
            _ => state = TaskState::Undecided,
        }
    }
    if !checked && now.since(started_at) < WARM_UP_MS {
        return TaskState::Warming;
    }
    state
}

impl Platform {
    /// How a task counts now.
    #[must_use]
    pub fn task_state(&self, task: &Task) -> TaskState {
        let service = self.services.get(&task.service);
        let grace_ms = service.map_or(0, |s| s.spec.health_check_grace_period_ms);
        state_of(task, grace_ms, self.now)
    }

    /// What is told about a task that turned unhealthy (ECS-EVT-9, ECS-EVT-10).
    pub(crate) fn why_unhealthy(&self, task: &Task) -> Vec<String> {
        let service = &task.revision.service;
        let mut messages = Vec::new();
        if task.container_health() == ContainerHealth::Unhealthy {
            messages.push(event::container_unhealthy(service, task.id));
        }
        for (load_balancer, target) in self.unhealthy_targets(task) {
            let reason = target.health.reason.as_ref().map(HealthReason::description);
            messages.push(event::target_unhealthy(
                service,
                task.id,
                load_balancer.port,
                &self.target_group_arn(&load_balancer.target_group),
                &reason.unwrap_or_default(),
            ));
        }
        messages
    }

    /// ECS-STOP-4, ECS-STOP-5.
    pub(crate) fn stopped_for_health(&self, task: &Task) -> String {
        if task.container_health() == ContainerHealth::Unhealthy {
            return "Task failed container health checks".to_owned();
        }
        let failing = self.unhealthy_targets(task).next();
        let arn = failing.map(|(l, _)| self.target_group_arn(&l.target_group)).unwrap_or_default();
        format!("Task failed ELB health checks in (target-group {arn})")
    }

    fn unhealthy_targets<'a>(
        &'a self,
        task: &'a Task,
    ) -> impl Iterator<Item = (&'a ServiceLoadBalancer, &'a Target)> {
        task.revision.load_balancers.iter().filter_map(|load_balancer| {
            let address = TargetAddress { ip: task.address, port: load_balancer.port };
            let group = self.target_groups.get(&load_balancer.target_group)?;
            let target = group.target(address)?;
            (target.health.state == TargetState::Unhealthy).then_some((load_balancer, target))
        })
    }
}
