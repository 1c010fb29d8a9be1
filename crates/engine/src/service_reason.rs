//! Whether a service is where it should be, and if not, the newest thing that keeps it from there.

use neargate_core::Platform;
use neargate_core::deployment::RolloutState;
use neargate_core::platform::{Service, ServiceStatus};
use neargate_core::task::{Phase, Task};

/// Nothing is to be done, and the newest deployment has completed.
pub(crate) fn is_steady(service: &Service) -> bool {
    service.status == ServiceStatus::Active
        && service.steady_since.is_some()
        && service.primary().is_some_and(|d| d.rollout == RolloutState::Completed)
}

/// The newest meaningful problem, in words.
pub(crate) fn why_not_steady(platform: &Platform, service: &Service) -> Option<String> {
    failed_rollout(service)
        .or_else(|| listener_error(platform, service))
        .or_else(|| stopped_task(platform, service))
        .or_else(|| service.events.back().map(|event| event.message.clone()))
}

fn failed_rollout(service: &Service) -> Option<String> {
    let primary = service.primary()?;
    if primary.rollout == RolloutState::Failed {
        return Some(primary.reason.clone());
    }
    // What this one rolls back from.
    let replaced = service.deployments.get(1)?;
    (replaced.rollout == RolloutState::Failed).then(|| replaced.reason.clone())
}

fn listener_error(platform: &Platform, service: &Service) -> Option<String> {
    let registers =
        |group: &str| service.spec.load_balancers.iter().any(|own| own.target_group == group);
    platform.load_balancers().flat_map(|b| b.listeners.values()).find_map(|listener| {
        let Some(Err(error)) = &listener.bound else { return None };
        let spec = &listener.spec;
        let leads_here = spec.target_groups().any(registers);
        leads_here.then(|| format!("listener {}:{}: {error}", spec.load_balancer, spec.port))
    })
}

/// Why the newest task of the current deployment stopped that stopped by itself or in ill health.
fn stopped_task(platform: &Platform, service: &Service) -> Option<String> {
    let primary = service.primary()?.id;
    let going = service.tasks.iter().chain(&service.stopped_tasks);
    let tasks = going.filter_map(|id| platform.task(*id));
    let newest: &Task = tasks
        .filter(|t| t.deployment == primary && t.failure_counted && t.stop.is_some())
        .max_by_key(|t| (t.stopping_at, t.id))?;
    let reason = &newest.stop.as_ref()?.reason;
    let containers = newest.definition().containers.iter().zip(&newest.containers);
    let detail = containers
        .filter(|_| newest.phase >= Phase::Deactivating)
        .find_map(|(definition, container)| {
            let exit = container.exit.filter(|exit| exit.code() != Some(0))?;
            let code = exit
                .code()
                .map_or("unknown exit code".to_owned(), |code| format!("exit code {code}"));
            Some(format!(" (container {}: {code})", definition.name))
        })
        .unwrap_or_default();
    Some(format!("task {}: {reason}{detail}", newest.id))
}
