//! `neargate up`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use neargate_core::input::Command;
use neargate_core::service::ServiceName;
use neargate_engine::api::{ImageSource, PlatformView};
use neargate_system::{CommandOptions, Existing, ImageOrigin, System};

use super::down::take_down;
use super::wait::{self, Ending};
use super::{events, stderr_colours, stdout_colours};
use crate::cli::{AuthChoice, Driver, Global};
use crate::client::{Client, EngineLost};
use crate::engine_process::{self, Wanted};
use crate::failure::Failure;
use crate::home::Home;
use crate::interrupt::Interrupts;
use crate::out;
use crate::outcome::Goal;
use crate::render::views;

/// How often events are looked for while attached.
const EVENTS_POLL: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  neargate up systems/microservices                          stay attached; Ctrl-C stops everything
  neargate up systems/broxiva --env production --detach
  neargate up . --detach --pace 20 --home /tmp/fast          control loops run 20 times faster
  neargate up . --detach --ephemeral-ports --json | jq -r '.services[].url'

Exit codes: 0 every service is steady, 1 not (the reason per service is printed), 2 the description
or an option is wrong and nothing was changed.")]
pub(crate) struct Up {
    /// Folder of a neargate.yaml, or such a file
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Environment to bring up; may be repeated [default: what the description says]
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// Return once everything is steady and leave the platform running
    #[arg(long, short)]
    detach: bool,
    /// How tasks are run
    #[arg(long, value_enum, default_value_t = Driver::Auto)]
    driver: Driver,
    /// Who may send requests to the AWS endpoint [default: as on this home last, or any]
    #[arg(long, value_enum)]
    auth: Option<AuthChoice>,
    /// Platform seconds per real second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pace: Option<u32>,
    /// Port of the AWS endpoint; 0 lets the machine choose [default: 4566]
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Let the machine choose the ports the load balancers listen on
    #[arg(long)]
    ephemeral_ports: bool,
    /// Give up waiting for steady state after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// Print what `ps --json` prints once everything is steady
    #[arg(long)]
    json: bool,
}

/// What is sent to the engine.
struct Plan {
    commands: Vec<Command>,
    images: BTreeMap<String, ImageSource>,
    /// References of the containers' secrets.
    secrets: Vec<String>,
    services: Vec<ServiceName>,
    listeners: Vec<(String, u16)>,
}

impl Up {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let system = load(&self.directory)?;
        let environments = self.environments(&system)?;
        let home = global.home()?;
        let interrupts = Interrupts::catch()?;
        let wanted = Wanted {
            pace: self.pace,
            port: self.port,
            driver: self.driver.name(),
            auth: self.auth.map(Into::into),
            region: Some(system.region.clone()),
        };
        let (mut client, status, started) = engine_process::ensure(&home, &wanted, &interrupts)?;
        if let (true, Some(note)) = (started, &status.driver_note) {
            out::note(&format!("driver {}: {note}\n", status.driver));
        }
        let goal = match self.apply(&mut client, &system, &environments) {
            Ok(goal) => goal,
            Err(failure) => {
                // Nothing changed also means: no engine that was not there before.
                if started {
                    take_down(&home, client, &interrupts)?;
                }
                return Err(failure);
            }
        };
        let timeout = Duration::from_secs(self.timeout);
        match wait::until_steady(&mut client, &goal, timeout, &interrupts) {
            Ok(Ending::Steady(view)) => self.show(&view, &goal)?,
            Ok(Ending::Interrupted) if self.detach => {
                return Err(Failure::new("interrupted before everything was steady")
                    .hint("the platform goes on by itself; `neargate down` stops it"));
            }
            Ok(Ending::Interrupted) => return self.stop(&home, client, &interrupts),
            Err(failure) if lost_engine(&failure) => return Err(engine_gone(failure)),
            Err(failure) => {
                return Err(failure.hint("the platform is still up; `neargate down` stops it"));
            }
        }
        if self.detach { Ok(()) } else { self.attach(&home, client, &goal, &interrupts) }
    }

    /// The environments to bring up.
    fn environments<'a>(&'a self, system: &'a System) -> Result<Vec<&'a str>, Failure> {
        if self.env.is_empty() {
            return Ok(system.default_environments.iter().map(String::as_str).collect());
        }
        let unknown: Vec<&String> =
            self.env.iter().filter(|name| system.environment(name).is_none()).collect();
        if unknown.is_empty() {
            return Ok(self.env.iter().map(String::as_str).collect());
        }
        let known: Vec<&str> = system.environments.iter().map(|e| e.name.as_str()).collect();
        let errors =
            unknown.iter().map(|name| format!("{} has no environment `{name}`", system.name));
        Err(Failure::bad_inputs(errors).hint(format!("it has {}", known.join(", "))))
    }

    /// Tells the engine; what is to be waited for.
    fn apply(
        &self,
        client: &mut Client,
        system: &System,
        environments: &[&str],
    ) -> Result<Goal, Failure> {
        let options = CommandOptions { ephemeral_ports: self.ephemeral_ports };
        let before = client.platform()?;
        let plan = plan(system, environments, &options, &before);
        let made_up = client.missing_secrets(plan.secrets.clone())?;
        client.commands(plan.commands, plan.images, plan.secrets)?;
        if !made_up.is_empty() {
            out::note(&format!(
                "random values for secrets that had none: {}; `neargate secret put NAME` sets your \
                 own\n",
                made_up.join(", ")
            ));
        }
        let mut goal = wait::goal_from(&client.platform()?, &plan.services);
        goal.listeners = plan.listeners;
        Ok(goal)
    }

    /// The result on standard output.
    fn show(&self, view: &PlatformView, goal: &Goal) -> Result<(), Failure> {
        if self.json {
            let mut view = view.clone();
            view.tasks.retain(|task| task.status != "STOPPED");
            out::json(&view)?;
            return Ok(());
        }
        let mut services = view.services.clone();
        services.retain(|s| {
            let name = ServiceName { cluster: s.cluster.clone(), service: s.name.clone() };
            goal.services.contains_key(&name)
        });
        out::data(&views::services(&services, stdout_colours()))?;
        Ok(())
    }

    /// Shows events until Ctrl-C.
    fn attach(
        &self,
        home: &Home,
        mut client: Client,
        goal: &Goal,
        interrupts: &Interrupts,
    ) -> Result<(), Failure> {
        out::note("attached: events follow, Ctrl-C stops everything\n");
        let colours = stderr_colours();
        let mut seen = BTreeSet::new();
        let mut first = true;
        loop {
            for name in goal.services.keys() {
                let fresh = match client.events(&name.cluster, &name.service) {
                    Ok(events) => events,
                    Err(failure) if lost_engine(&failure) => return Err(engine_gone(failure)),
                    // Somebody deleted the service meanwhile.
                    Err(_) => continue,
                };
                for event in fresh {
                    if seen.insert(event.id.clone()) && !first {
                        out::note(&format!("{}\n", events::line(&event, colours)));
                    }
                }
            }
            first = false;
            if interrupts.wait(EVENTS_POLL) {
                return self.stop(home, client, interrupts);
            }
        }
    }

    fn stop(&self, home: &Home, client: Client, interrupts: &Interrupts) -> Result<(), Failure> {
        out::note("stopping everything; Ctrl-C again leaves at once\n");
        take_down(home, client, interrupts)?;
        out::note("everything is stopped\n");
        Ok(())
    }
}

fn lost_engine(failure: &Failure) -> bool {
    failure.errors.iter().any(|error| error.is::<EngineLost>())
}

fn engine_gone(failure: Failure) -> Failure {
    failure.hint(
        "tasks and load balancer go on without their engine; `neargate up` or `neargate serve` \
         on the same home takes them over again",
    )
}

/// Reads and checks a description; every problem is one error.
pub(crate) fn load(path: &Path) -> Result<System, Failure> {
    neargate_system::load(path).map_err(|diagnostics| Failure::bad_inputs(diagnostics.problems()))
}

/// Ports of this machine that the listeners of the default environments want.
pub(crate) fn host_ports(system: &System) -> Vec<u16> {
    let ports: BTreeSet<u16> = system
        .environments
        .iter()
        .filter(|environment| system.default_environments.contains(&environment.name))
        .flat_map(|environment| &environment.load_balancers)
        .flat_map(|balancer| &balancer.listeners)
        .map(|listener| listener.host_port)
        .filter(|port| *port != 0)
        .collect();
    ports.into_iter().collect()
}

fn plan(
    system: &System,
    environments: &[&str],
    options: &CommandOptions,
    before: &PlatformView,
) -> Plan {
    let mut commands = system.commands(environments, options);
    let mut services = Vec::new();
    let mut listeners = Vec::new();
    let mut secrets = BTreeSet::new();
    for command in &commands {
        match command {
            Command::PutService(spec) => services.push(spec.name.clone()),
            Command::PutTaskDefinition(definition) => {
                let references = definition.containers.iter().flat_map(|c| c.secrets.values());
                secrets.extend(references.cloned());
            }
            Command::PutListener(spec) => listeners.push((spec.load_balancer.clone(), spec.port)),
            _ => {}
        }
    }
    // What the description no longer names goes.
    let mut all = system.obsolete(&existing(before), &commands, environments);
    all.append(&mut commands);
    let (images, secrets) = (image_sources(system), secrets.into_iter().collect());
    Plan { commands: all, images, secrets, services, listeners }
}

/// What may belong to a system; what is going already is left alone.
fn existing(view: &PlatformView) -> Existing {
    let active = view.services.iter().filter(|s| s.status == "ACTIVE");
    let targets = view.scaling.iter().map(|target| {
        let service =
            ServiceName { cluster: target.cluster.clone(), service: target.service.clone() };
        (service, target.policies.clone(), target.tags.clone())
    });
    Existing {
        services: active.map(|s| (crate::lookup::key(s), s.tags.clone())).collect(),
        targets: targets.collect(),
        alarms: view.alarms.iter().map(|a| (a.name.clone(), a.tags.clone())).collect(),
    }
}

/// Where the system's images come from. Those that are pushed are found where they were pushed to.
pub(super) fn image_sources(system: &System) -> BTreeMap<String, ImageSource> {
    system
        .images()
        .iter()
        .filter_map(|(repository, image)| {
            let tags = (!image.tags.is_empty()).then(|| image.tags.clone());
            let source = match &image.origin {
                // An application's own command means nothing to what stands in for it.
                ImageOrigin::StandIn => ImageSource::Binary {
                    path: "neargate".to_owned(),
                    arguments: vec!["stand-in".to_owned()],
                    fixed_arguments: true,
                    tags,
                },
                ImageOrigin::Binary { path, arguments } => ImageSource::Binary {
                    path: path.display().to_string(),
                    arguments: arguments.clone(),
                    fixed_arguments: false,
                    tags,
                },
                ImageOrigin::File(path) => {
                    ImageSource::File { path: path.display().to_string(), tags }
                }
                ImageOrigin::Registry => return None,
            };
            Some((repository.clone(), source))
        })
        .collect()
}
