//! How a platform is taken down: services by force, standalone tasks with them, all awaited, then what scaled and watched
//! them and what they stood behind. Pure; the engine asks after every turn what is to be done next, so an engine killed in
//! the middle goes on from wherever the platform is.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::platform::ServiceStatus;
use neargate_core::task::Phase;

/// What is next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// Take these, all together.
    Commands(Vec<Command>),
    /// Tasks are still stopping.
    Wait,
    /// Nothing is left that runs or listens.
    Done,
}

/// What is next on the way to an empty platform.
pub(crate) fn next(platform: &Platform) -> Next {
    let active = platform.services().filter(|s| s.status == ServiceStatus::Active);
    let mut commands: Vec<Command> = active
        .map(|s| Command::DeleteService { service: s.spec.name.clone(), force: true })
        .collect();
    let standalone = platform.standalone_tasks().filter(|task| task.is_wanted());
    commands.extend(standalone.map(|task| Command::StopTask {
        task: task.id,
        reason: Some("The platform is taken down".to_owned()),
    }));
    // A rehearsed fault ends with the rehearsal; whoever comes up next starts in a whole world.
    commands
        .extend(platform.lost_zones().map(|zone| Command::RestoreZone { zone: zone.to_owned() }));
    if !commands.is_empty() {
        commands.push(Command::SetSpotCapacity { available: true });
        return Next::Commands(commands);
    }
    let leaving = platform.services().any(|s| s.status == ServiceStatus::Draining);
    if leaving || platform.tasks().any(|t| t.phase != Phase::Stopped) {
        return Next::Wait;
    }
    // Their alarms go with them, so that what is left of alarms can go by name afterwards.
    let targets: Vec<Command> = platform
        .scalable_targets()
        .map(|t| Command::DeleteScalableTarget { service: t.spec.service.clone() })
        .collect();
    if !targets.is_empty() {
        return Next::Commands(targets);
    }
    let alarms = platform.alarms().map(|a| Command::DeleteAlarm { name: a.spec.name.clone() });
    let balancers = platform
        .load_balancers()
        .map(|b| Command::DeleteLoadBalancer { name: b.spec.name.clone() });
    let groups =
        platform.target_groups().map(|g| Command::DeleteTargetGroup { name: g.spec.name.clone() });
    let commands: Vec<Command> = alarms.chain(balancers).chain(groups).collect();
    if commands.is_empty() { Next::Done } else { Next::Commands(commands) }
}
