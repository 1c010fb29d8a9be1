//! One seed: a random system, random operations and faults, then rest, and convergence.

use std::collections::VecDeque;
use std::fmt;

use neargate_core::Platform;
use neargate_core::deployment::RolloutState;
use neargate_core::input::Command;
use neargate_core::platform::{Service, ServiceStatus};
use neargate_core::rng::Rng;
use neargate_core::service::{DeploymentConfiguration, ServiceSpec};
use neargate_core::time::{MINUTE, SECOND};

use crate::behaviour::Settings;
use crate::edge::Traffic;
use crate::operations::{act, create, deploy_command, random_service};
use crate::safety::{Safety, spread_is_even};
use crate::system::{ServiceForm, foundation, service_name};
use crate::world::{EPOCH, World};

/// Within this much platform time after the last fault everything must be as wanted.
const CONVERGENCE_MS: u64 = 3 * 60 * MINUTE;
/// How long traffic is watched once everything is.
const REST_MS: u64 = MINUTE;

/// What a simulation may do. Each seed leaves some of it out, so that every combination is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Operations and faults in all.
    pub operations: u64,
    /// How long they go on, in milliseconds of platform time.
    pub duration_ms: u64,
    /// Containers crash.
    pub crashes: bool,
    /// Health flaps.
    pub sickness: bool,
    /// Revisions that cannot work are deployed.
    pub bad_revisions: bool,
    /// Spot is used, reclaimed, and runs out.
    pub spot: bool,
    /// Zones are lost and restored.
    pub zones: bool,
    /// The engine is killed, with what it had not made durable.
    pub engine_crashes: bool,
    /// Reports come twice.
    pub duplicates: bool,
    /// Pulls and starts fail for no lasting reason.
    pub flakiness: bool,
    /// Users stop tasks.
    pub stops: bool,
    /// Services are deleted and made again.
    pub deletions: bool,
    /// Tasks are protected.
    pub protection: bool,
    /// Tasks run that belong to no service.
    pub standalone: bool,
}

impl Options {
    /// The options that belong to a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x0097_1045);
        // Every eighth seed has no faults at all: then not one request may fail.
        let calm = rng.below(8) == 0;
        let mut some = || rng.below(2) == 0 && !calm;
        Self {
            crashes: some(),
            sickness: some(),
            bad_revisions: some(),
            spot: some(),
            zones: some(),
            engine_crashes: some(),
            duplicates: some(),
            flakiness: some(),
            stops: some(),
            deletions: some(),
            protection: some(),
            operations: 5 + rng.below(25),
            duration_ms: (3 + rng.below(25)) * MINUTE,
            standalone: rng.below(3) == 0,
        }
    }

    /// Nothing that may cost a request: then not one may fail.
    fn is_calm(&self) -> bool {
        !(self.crashes
            || self.sickness
            || self.bad_revisions
            || self.spot
            || self.zones
            || self.flakiness
            || self.stops
            || self.deletions)
    }
}

/// What one seed brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What it was allowed to do.
    pub options: Options,
    /// Platform time that went by, in milliseconds.
    pub virtual_ms: u64,
    /// Inputs the platform took.
    pub inputs: u64,
    /// How often the engine was killed.
    pub engine_crashes: u32,
    /// Requests answered well.
    pub requests_served: u64,
    /// Requests that failed.
    pub requests_failed: u64,
    /// The property that did not hold, if any.
    pub failure: Option<String>,
    /// The last happenings, from [`trace`] only.
    pub last_events: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(failure) = &self.failure else {
            return write!(f, "seed {}: {} inputs, all well", self.seed, self.inputs);
        };
        writeln!(f, "seed {} failed: {failure}", self.seed)?;
        writeln!(f, "after {} s and {} inputs", self.virtual_ms / SECOND, self.inputs)?;
        writeln!(f, "{:?}", self.options)?;
        writeln!(f, "last events:")?;
        for event in &self.last_events {
            writeln!(f, "{event}")?;
        }
        write!(f, "again: NEARGATE_SIM_SEED={} cargo test -p neargate-sim one_seed", self.seed)
    }
}

/// Runs one seed. The same seed and options give the same report.
#[must_use]
pub fn simulate(seed: u64, options: &Options) -> Report {
    run(seed, options, None)
}

/// The same run again, keeping what happened last.
#[must_use]
pub fn trace(seed: u64, options: &Options) -> Report {
    run(seed, options, Some(VecDeque::new()))
}

fn run(seed: u64, options: &Options, trace: Option<VecDeque<String>>) -> Report {
    let mut rng = Rng::new(seed ^ 0x5157_e000);
    let mut settings = Settings::random(&mut rng);
    settings.duplicate_one_in = if options.duplicates { 5 } else { 0 };
    settings.flaky_one_in = if options.flakiness { 10 } else { 0 };
    let snapshot_every = options.engine_crashes.then(|| 10 + rng.below(500) as usize);
    let forms: Vec<ServiceForm> =
        (0..1 + rng.below(4) as usize).map(|i| random_service(i, &mut rng, options)).collect();

    let mut world = World::new(rng.next_u64(), settings, snapshot_every);
    world.safety = Some(Safety::default());
    world.trace = trace;
    let mut failure = None;
    if let Err(rejection) = world.command(foundation(20)) {
        failure = Some(format!("the foundation was refused: {rejection}"));
    }
    for index in 0..forms.len() {
        create(&mut world, &forms, index, "v1");
    }
    for item in 0..options.operations {
        let at = EPOCH.plus(rng.below(options.duration_ms));
        world.plan(at, item);
    }
    world.settings.crash_at_sync_one_in = if options.engine_crashes { 60 } else { 0 };
    let end = EPOCH.plus(options.duration_ms);
    while world.run(end).is_some() {
        act(&mut world, &forms, options);
    }
    if world.violation.is_none() && failure.is_none() {
        failure = converge(&mut world, &forms, options).err();
    }
    let traffic: Vec<&Traffic> = world.edge.traffic.values().collect();
    Report {
        seed,
        options: *options,
        virtual_ms: world.now.since(EPOCH),
        inputs: world.engine.inputs,
        engine_crashes: world.engine.crashes,
        requests_served: traffic.iter().map(|t| t.served).sum(),
        requests_failed: traffic.iter().map(|t| t.failed()).sum(),
        failure: world.violation.take().or(failure),
        last_events: world.trace.take().map(Vec::from).unwrap_or_default(),
    }
}

/// Faults stop, what was lost comes back, every service gets a revision that works: now the
/// platform must get everywhere by itself.
fn converge(world: &mut World, forms: &[ServiceForm], options: &Options) -> Result<(), String> {
    world.settings.flaky_one_in = 0;
    world.settings.crash_at_sync_one_in = 0;
    world.start_engine();
    world.machine.heal_all();
    let Some(platform) = world.platform() else {
        return Err("the engine does not start".to_owned());
    };
    let lost: Vec<String> = platform.lost_zones().map(str::to_owned).collect();
    let tasks: Vec<_> = platform.services().flat_map(|s| s.tasks.iter().copied()).collect();
    let mut commands = vec![Command::SetSpotCapacity { available: true }];
    commands.extend(lost.into_iter().map(|zone| Command::RestoreZone { zone }));
    commands.extend(tasks.into_iter().map(|task| Command::ProtectTask { task, until: None }));
    let standalone = platform.standalone_tasks().filter(|t| t.is_wanted());
    commands.extend(standalone.map(|t| Command::StopTask { task: t.id, reason: None }));
    if options.is_calm() {
        no_request_failed(world, forms, "during calm operations")?;
    }
    world.command(commands).map_err(|r| format!("faults cannot be ended: {r}"))?;
    for form in forms {
        let Some(service) = world.platform().and_then(|p| p.service(&service_name(&form.name)))
        else {
            continue;
        };
        if service.status != ServiceStatus::Active {
            continue;
        }
        let mut spec = service.spec.clone();
        let percents = spec.deployment;
        let (lower, upper) =
            (percents.lower_bound(spec.desired_count), percents.upper_bound(spec.desired_count));
        if upper <= spec.desired_count && lower >= spec.desired_count {
            // Percents that allow no move are for the user to change (ECS-DEP-4, ECS-EVT-13).
            spec.deployment = DeploymentConfiguration { maximum_percent: 200, ..percents };
        }
        let commands = vec![
            Command::PutService(Box::new(ServiceSpec { ..spec })),
            deploy_command(&form.name, "good"),
        ];
        world.command(commands).map_err(|r| format!("no good revision for {}: {r}", form.name))?;
    }
    let deadline = world.now.plus(CONVERGENCE_MS);
    loop {
        let until = world.now.plus(10 * SECOND);
        while world.run(until).is_some() {}
        if world.violation.is_some() {
            return Ok(());
        }
        let Err(missing) = is_converged(world) else { break };
        if world.now >= deadline {
            return Err(format!("not converged in {} min: {missing}", CONVERGENCE_MS / MINUTE));
        }
    }
    let served: Vec<&ServiceForm> = forms.iter().filter(|form| is_served(world, form)).collect();
    let failed = |world: &World| -> u64 {
        let traffic = served.iter().filter_map(|f| world.edge.traffic.get(f.name.as_str()));
        traffic.map(Traffic::failed).sum()
    };
    let before = failed(world);
    let until = world.now.plus(REST_MS);
    while world.run(until).is_some() {}
    match failed(world) - before {
        0 => Ok(()),
        more => Err(format!("{more} requests failed after everything converged")),
    }
}

/// Whether the service is there and wants tasks behind a load balancer.
fn is_served(world: &World, form: &ServiceForm) -> bool {
    let service = world.platform().and_then(|p| p.service(&service_name(&form.name)));
    form.load_balancer.is_some()
        && service.is_some_and(|s| s.status == ServiceStatus::Active && s.spec.desired_count > 0)
}

fn no_request_failed(world: &World, forms: &[ServiceForm], when: &str) -> Result<(), String> {
    for form in forms {
        let Some(traffic) = world.edge.traffic.get(form.name.as_str()) else { continue };
        // Requests longer than the deregistration delay are cut (ALB-TG-10), and a service that
        // may be scaled to nothing has no targets at times.
        let patient = form
            .load_balancer
            .as_ref()
            .is_some_and(|(_, delay)| *delay > world.settings.request.1 + SECOND);
        let cut = if patient { traffic.cut } else { 0 };
        if cut + traffic.refused + traffic.sick > 0 && form.container_check.is_none() {
            return Err(format!("requests to {} failed {when}: {traffic:?}", form.name));
        }
    }
    Ok(())
}

fn is_converged(world: &World) -> Result<(), String> {
    let Some(platform) = world.platform() else { return Err("the engine is down".to_owned()) };
    for service in platform.services() {
        service_is_converged(platform, service)
            .map_err(|missing| format!("{missing}; {}", describe(platform, service)))?;
    }
    let standalone = platform.standalone_tasks().filter(|t| t.stopped_at.is_none()).count();
    if standalone > 0 {
        return Err(format!("{standalone} standalone tasks have not stopped"));
    }
    let live: usize = platform.services().map(|s| s.tasks.len()).sum();
    let real = world.machine.task_ids().count();
    if live != real {
        return Err(format!("{live} tasks are known, {real} are on the machine"));
    }
    Ok(())
}

/// The service in one line, for whoever looks for the cause.
fn describe(platform: &Platform, service: &Service) -> String {
    let deployments = service.deployments.iter().map(|d| {
        format!(
            "{} {} desired {} failed {}",
            d.id,
            d.rollout.as_str(),
            d.desired,
            d.breaker.failed_tasks
        )
    });
    let tasks = service.tasks.iter().filter_map(|id| platform.task(*id)).map(|t| {
        format!("{:?} {:?} {} {:?}", t.phase, platform.task_state(t), t.deployment, t.stop)
    });
    format!(
        "service {} desired {} {:?}: deployments {:?}, tasks {:?}",
        service.spec.name.service,
        service.spec.desired_count,
        service.spec.deployment,
        deployments.collect::<Vec<_>>(),
        tasks.collect::<Vec<_>>()
    )
}

fn service_is_converged(platform: &Platform, service: &Service) -> Result<(), String> {
    match service.status {
        ServiceStatus::Inactive => return Ok(()),
        ServiceStatus::Draining => return Err("is still draining".to_owned()),
        ServiceStatus::Active => {}
    }
    let desired = service.spec.desired_count as usize;
    if service.tasks.len() != desired {
        return Err(format!("{} tasks of {desired}", service.tasks.len()));
    }
    let Some([only]) = service.deployments.get(..) else {
        return Err(format!("{} deployments", service.deployments.len()));
    };
    if only.rollout != RolloutState::Completed || service.steady_since.is_none() {
        return Err(format!("its deployment is {}", only.rollout.as_str()));
    }
    let image = only.revision.definition.containers.first().map_or("", |c| c.image.as_str());
    if !image.ends_with(":good") {
        return Err(format!("it runs {image}"));
    }
    let room = service.spec.deployment.upper_bound(service.spec.desired_count);
    let rebalances = service.spec.zone_rebalancing && room > service.spec.desired_count;
    if rebalances && !spread_is_even(platform, service) {
        return Err("its tasks are not spread evenly".to_owned());
    }
    Ok(())
}
