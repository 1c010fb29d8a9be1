//! What users and fate do to a simulated platform.

use neargate_core::Platform;
use neargate_core::id::TaskId;
use neargate_core::input::Command;
use neargate_core::load_balancer::TargetHealthCheck;
use neargate_core::platform::{Service, ServiceStatus};
use neargate_core::rng::Rng;
use neargate_core::service::{
    CapacityProvider, CapacityProviderStrategyItem, DeploymentConfiguration,
};
use neargate_core::task_definition::ContainerHealthCheck;
use neargate_core::time::{MINUTE, SECOND};

use crate::simulation::Options;
use crate::system::{ServiceForm, listener, service_name};
use crate::world::World;

/// A service of any kind that ECS allows and that can move at all.
pub(crate) fn random_service(index: usize, rng: &mut Rng, options: &Options) -> ServiceForm {
    let mut form = ServiceForm::new(&format!("s{index}"), rng.below(9) as u32);
    let minimum = [0, 25, 50, 50, 75, 100, 100, 100][rng.below(8) as usize];
    let maximum = [100, 125, 150, 200, 200, 200][rng.below(6) as usize];
    form.deployment = DeploymentConfiguration {
        minimum_healthy_percent: minimum,
        maximum_percent: maximum,
        circuit_breaker: rng.below(4) > 0,
        rollback: rng.below(3) > 0,
    };
    if rng.below(4) > 0 {
        let check = TargetHealthCheck {
            interval_ms: (5 + rng.below(25)) * SECOND,
            timeout_ms: 2 * SECOND,
            healthy_threshold: 2 + rng.below(3) as u32,
            unhealthy_threshold: 2 + rng.below(2) as u32,
            ..Default::default()
        };
        form.load_balancer = Some((check, rng.below(60) * SECOND));
    }
    if rng.below(3) == 0 {
        form.container_check = Some(ContainerHealthCheck {
            command: vec!["CMD".to_owned(), "/check".to_owned()],
            interval_ms: (5 + rng.below(25)) * SECOND,
            timeout_ms: 2 * SECOND,
            retries: 1 + rng.below(3) as u32,
            start_period_ms: rng.below(2) * 30 * SECOND,
        });
    }
    form.registry = rng.below(3) == 0;
    form.grace_ms = [0, 0, 30, 120][rng.below(4) as usize] * SECOND;
    form.zones = [vec!['a'], vec!['a', 'b'], vec!['a', 'b', 'c']][rng.below(3) as usize].clone();
    form.rebalancing = rng.below(2) == 0;
    form.stop_timeout_ms = [2, 10, 30][rng.below(3) as usize] * SECOND;
    if options.spot {
        let item = |provider, base, weight| CapacityProviderStrategyItem { provider, base, weight };
        let (on_demand, spot) = (CapacityProvider::Fargate, CapacityProvider::FargateSpot);
        form.capacity = match rng.below(4) {
            0 => vec![],
            1 => vec![item(on_demand, 0, 1)],
            2 => vec![item(on_demand, rng.below(3) as u32, 1), item(spot, 0, rng.below(5) as u32)],
            _ => vec![item(spot, 0, 1)],
        };
    }
    form
}

/// Creates a service with its rule.
pub(crate) fn create(world: &mut World, forms: &[ServiceForm], index: usize, tag: &str) -> bool {
    let form = &forms[index];
    let mut commands = form.create(form.definition(tag));
    if form.load_balancer.is_some() {
        // The group first, then the rule that uses it, then the service.
        let service = commands.pop();
        let known: Vec<String> = world
            .platform()
            .map(|p| p.target_groups().map(|g| g.spec.name.clone()).collect())
            .unwrap_or_default();
        let mut groups: Vec<&str> = known.iter().map(String::as_str).collect();
        if !groups.contains(&form.name.as_str()) {
            groups.push(&form.name);
        }
        commands.push(listener(groups.into_iter()));
        commands.extend(service);
    }
    world.command(commands).is_ok()
}

/// Does one random thing.
pub(crate) fn act(world: &mut World, forms: &[ServiceForm], options: &Options) {
    if world.platform().is_none() {
        return;
    }
    if options.standalone && world.rng.below(6) == 0 {
        return run_task(world, forms, options);
    }
    let kind = world.rng.below(20);
    match kind {
        0..5 => deploy(world, forms, options),
        5..8 => scale(world, forms),
        8 => force_deploy(world, forms),
        9 => {
            if let Some(name) = pick_service(world, forms) {
                let command = Command::Rollback { service: service_name(&name), revision: None };
                let _ = world.command(vec![command]);
            }
        }
        10 if options.stops => {
            if let Some(task) = pick_task(world) {
                let _ = world.command(vec![Command::StopTask { task, reason: None }]);
            }
        }
        11 if options.deletions => {
            let index = world.rng.below(forms.len() as u64) as usize;
            if live(world, &forms[index].name) {
                let service = service_name(&forms[index].name);
                let force = world.rng.below(2) == 0;
                let _ = world.command(vec![Command::DeleteService { service, force }]);
            } else {
                create(world, forms, index, "v1");
            }
        }
        12 if options.protection => {
            if let Some(task) = pick_task(world) {
                let minutes = world.rng.below(10);
                let until = (minutes > 0).then(|| world.now.plus(minutes * MINUTE));
                let _ = world.command(vec![Command::ProtectTask { task, until }]);
            }
        }
        13 if options.spot => {
            let count = Some(1 + world.rng.below(3) as u32);
            let _ = world.command(vec![Command::InterruptSpot { service: None, count }]);
        }
        14 if options.spot => {
            let available = world.rng.below(2) == 0;
            let _ = world.command(vec![Command::SetSpotCapacity { available }]);
        }
        15 if options.zones => {
            let zone = format!("zone-{}", ['a', 'b', 'c'][world.rng.below(3) as usize]);
            let lost = world.platform().is_some_and(|p| p.lost_zones().any(|z| z == zone));
            let command =
                if lost { Command::RestoreZone { zone } } else { Command::LoseZone { zone } };
            let _ = world.command(vec![command]);
        }
        16 if options.sickness => {
            if let Some(task) = pick_task(world) {
                let ms = (1 + world.rng.below(120)) * SECOND;
                let (machine, _, mut context) = world.parts();
                machine.sicken(task, Some(ms), &mut context);
            }
        }
        17 if options.crashes => {
            if let Some(task) = pick_task(world) {
                let (_, _, mut context) = world.parts();
                let exit = match context.rng.below(3) {
                    0 => neargate_core::input::Exit::OutOfMemory,
                    _ => neargate_core::input::Exit::Code(1),
                };
                context.machine(0, crate::machine::Event::Ends(task, 0, exit));
            }
        }
        18..20 if options.engine_crashes => {
            let entries_survive = world.rng.below(2) == 0;
            let ms = world.rng.below(30 * SECOND);
            world.crash_engine(entries_survive, Some(ms));
        }
        _ => {}
    }
}

fn deploy(world: &mut World, forms: &[ServiceForm], options: &Options) {
    let Some(name) = pick_service(world, forms) else { return };
    let good = ["v1", "v2", "v3", "v4+stubborn", "v5+slow-stop"];
    let bad = ["crash", "crash-late", "missing", "nostart", "never-healthy", "hang", "slow", "oom"];
    let tag = if options.bad_revisions && world.rng.below(2) == 0 {
        bad[world.rng.below(bad.len() as u64) as usize]
    } else {
        good[world.rng.below(good.len() as u64) as usize]
    };
    let _ = world.command(vec![deploy_command(&name, tag)]);
}

pub(crate) fn deploy_command(name: &str, tag: &str) -> Command {
    Command::DeployChanges {
        service: service_name(name),
        image: Some(format!("{name}:{tag}")),
        environment: std::collections::BTreeMap::new(),
    }
}

fn force_deploy(world: &mut World, forms: &[ServiceForm]) {
    if let Some(name) = pick_service(world, forms) {
        let service = service_name(&name);
        let command = Command::Deploy { service, task_definition: None, force: true };
        let _ = world.command(vec![command]);
    }
}

fn scale(world: &mut World, forms: &[ServiceForm]) {
    if let Some(name) = pick_service(world, forms) {
        let desired_count = world.rng.below(9) as u32;
        let command = Command::Scale { service: service_name(&name), desired_count };
        let _ = world.command(vec![command]);
    }
}

/// Runs tasks beside the services: some end by themselves, some must be stopped.
fn run_task(world: &mut World, forms: &[ServiceForm], options: &Options) {
    let index = world.rng.below(forms.len() as u64) as usize;
    let family = format!("{}-once", forms[index].name);
    let form = ServiceForm { name: family.clone(), registry: false, ..forms[index].clone() };
    let good = ["once", "v1", "v2+stubborn", "v3+slow-stop"];
    let bad = ["once-fail", "missing", "nostart", "crash-late", "oom"];
    let tag = if options.bad_revisions && world.rng.below(2) == 0 {
        bad[world.rng.below(bad.len() as u64) as usize]
    } else {
        good[world.rng.below(good.len() as u64) as usize]
    };
    let count = 1 + world.rng.below(3) as u32;
    let token = format!("{:x}", world.rng.next_u64());
    let definition = Command::PutTaskDefinition(Box::new(form.definition(tag)));
    let _ = world.command(vec![definition, form.run(count, &token)]);
}

fn live(world: &World, name: &str) -> bool {
    world.platform().is_some_and(|p| p.service(&service_name(name)).is_some())
}

fn pick_service(world: &mut World, forms: &[ServiceForm]) -> Option<String> {
    let platform = world.engine.platform()?;
    let active: Vec<&ServiceForm> = forms
        .iter()
        .filter(|form| {
            let service = platform.service(&service_name(&form.name));
            service.is_some_and(|s| s.status == ServiceStatus::Active)
        })
        .collect();
    let index = world.rng.below(active.len() as u64) as usize;
    active.get(index).map(|form| form.name.clone())
}

fn pick_task(world: &mut World) -> Option<TaskId> {
    let platform: &Platform = world.engine.platform()?;
    let tasks: Vec<TaskId> =
        platform.services().flat_map(|s: &Service| s.tasks.iter().copied()).collect();
    let standalone = platform.standalone_tasks().filter(|t| t.stopped_at.is_none());
    let tasks: Vec<TaskId> = tasks.into_iter().chain(standalone.map(|t| t.id)).collect();
    tasks.get(world.rng.below(tasks.len() as u64) as usize).copied()
}
