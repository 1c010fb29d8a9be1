//! Scripts: commands with the transcript they must give.
//!
//! A line `> command` is a command, the lines after it are what it prints, `#` begins a comment.
//! [`run`] gives the whole text back with the output as it is now. Ids are shown as `t1`, `d1` in
//! the order of their first appearance, times as seconds since the start.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use neargate_core::effect::Effect;
use neargate_core::id::TaskId;
use neargate_core::input::Command;
use neargate_core::load_balancer::TargetHealthCheck;
use neargate_core::platform::{Service, ServiceStatus};
use neargate_core::run_task::ContainerOverrides;
use neargate_core::service::{CapacityProvider, CapacityProviderStrategyItem, TaskDefinitionRef};
use neargate_core::task::Task;
use neargate_core::task_definition::{
    ContainerDefinition, ContainerHealthCheck, Dependency, DependencyCondition, TaskDefinition,
};
use neargate_core::time::{MINUTE, SECOND};

use crate::behaviour::{Settings, Span};
use crate::machine;
use crate::operations::deploy_command;
use crate::safety::Safety;
use crate::system::{ServiceForm, foundation, listener, service_name};
use crate::world::{EPOCH, World};

/// Runs the commands of a script and gives it back with their output.
///
/// # Errors
/// A command that cannot be read, with its line, or a safety property that did not hold.
pub fn run(text: &str) -> Result<String, String> {
    let mut stage = Stage::new()?;
    let mut out = String::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("> ") {
            let shown = stage
                .command(command)
                .map_err(|e| format!("line {}: {command}: {e}", number + 1))?;
            out.push_str(line);
            out.push('\n');
            out.push_str(&shown);
        } else if line.starts_with('#') || line.is_empty() {
            out.push_str(line);
            out.push('\n');
        }
        if let Some(broken) = &stage.world.violation {
            return Err(format!("line {}: {broken}", number + 1));
        }
    }
    Ok(out)
}

/// What a script prints while time goes by.
#[derive(Clone, Copy, Default)]
struct Watch {
    tasks: bool,
    signals: bool,
}

struct Stage {
    world: World,
    forms: BTreeMap<String, ServiceForm>,
    watch: Watch,
    /// Full id to short name, in order of appearance.
    names: Vec<(String, String)>,
    tasks: Vec<TaskId>,
    deployments: usize,
    phases: BTreeMap<TaskId, &'static str>,
    /// How often `run-task` was said.
    runs: usize,
}

type Arguments<'a> = BTreeMap<&'a str, &'a str>;

impl Stage {
    fn new() -> Result<Self, String> {
        let mut world = World::new(1, Settings::steady(), Some(1_000));
        world.effects = Some(Vec::new());
        world.safety = Some(Safety::default());
        world.command(foundation(24)).map_err(|r| r.to_string())?;
        Ok(Self {
            world,
            forms: BTreeMap::new(),
            watch: Watch::default(),
            names: Vec::new(),
            tasks: Vec::new(),
            deployments: 0,
            phases: BTreeMap::new(),
            runs: 0,
        })
    }

    fn command(&mut self, line: &str) -> Result<String, String> {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let words: Vec<&str> = words.collect();
        let arguments: Arguments<'_> =
            words.iter().map(|word| word.split_once('=').unwrap_or((word, ""))).collect();
        let name = words.first().copied().unwrap_or_default();
        let second = words.get(1).copied().unwrap_or_default();
        let service = service_name(name);
        let commands = match verb {
            "create-service" => self.create_service(name, &arguments)?,
            "update-service" => self.update_service(name, &arguments)?,
            "deploy" => vec![self.deploy(name, second)?],
            "force-deploy" => {
                vec![Command::Deploy { service, task_definition: None, force: true }]
            }
            "rollback" => {
                let revision = if second.is_empty() { None } else { Some(number(second)?) };
                vec![Command::Rollback { service, revision }]
            }
            "scale" => vec![Command::Scale { service, desired_count: number(second)? }],
            "delete-service" => {
                vec![Command::DeleteService { service, force: second == "force" }]
            }
            "run-task" => self.run_task(name, &arguments)?,
            "stop-task" => {
                let reason = (words.len() > 1).then(|| words[1..].join(" "));
                vec![Command::StopTask { task: self.task(name)?, reason }]
            }
            "protect" => {
                let until = self.world.now.plus(duration(second)?);
                vec![Command::ProtectTask { task: self.task(name)?, until: Some(until) }]
            }
            "unprotect" => vec![Command::ProtectTask { task: self.task(name)?, until: None }],
            "spot-interrupt" => {
                let count = arguments.get("count").map(|n| number(n)).transpose()?;
                vec![Command::InterruptSpot { service: None, count }]
            }
            "spot-capacity" => vec![Command::SetSpotCapacity { available: name == "yes" }],
            "lose-zone" => vec![Command::LoseZone { zone: format!("zone-{name}") }],
            "restore-zone" => vec![Command::RestoreZone { zone: format!("zone-{name}") }],
            "deregister" => {
                let revision = number(second)?;
                vec![Command::DeregisterTaskDefinition { family: name.to_owned(), revision }]
            }
            _ => return self.beside_the_platform(verb, name, second, &arguments),
        };
        let answer = self.world.command(commands);
        let mut out = self.happened();
        if let Err(rejection) = answer {
            let _ = writeln!(out, "refused: {}", self.short(&rejection.to_string()));
        }
        Ok(out)
    }

    /// Commands that concern the world, or only what is shown.
    fn beside_the_platform(
        &mut self,
        verb: &str,
        name: &str,
        second: &str,
        arguments: &Arguments<'_>,
    ) -> Result<String, String> {
        match verb {
            "advance" => {
                let until = self.world.now.plus(duration(name)?);
                while self.world.run(until).is_some() {}
            }
            "watch" => {
                self.watch.tasks = arguments.contains_key("tasks");
                self.watch.signals = arguments.contains_key("signals");
            }
            "traffic" => {
                let every = duration(name)?;
                let first = self.world.settings.request_every.is_none();
                self.world.settings.request_every = Some(Span(every, every));
                if first {
                    let (_, edge, mut context) = self.world.parts();
                    edge.start_traffic(&mut context);
                }
                if let Some(takes) = arguments.get("takes") {
                    let ms = duration(takes)?;
                    self.world.settings.request = Span(ms, ms);
                }
            }
            "kill" => {
                let task = self.task(name)?;
                let exit = match second {
                    "oom" => neargate_core::input::Exit::OutOfMemory,
                    "" => neargate_core::input::Exit::Code(1),
                    code => neargate_core::input::Exit::Code(number(code)? as i32),
                };
                let (_, _, mut context) = self.world.parts();
                context.machine(0, machine::Event::Ends(task, 0, exit));
                let now = self.world.now;
                while self.world.run(now).is_some() {}
            }
            "sicken" => {
                let task = self.task(name)?;
                let ms = if second.is_empty() { None } else { Some(duration(second)?) };
                let (machine, _, mut context) = self.world.parts();
                machine.sicken(task, ms, &mut context);
            }
            "crash-engine" => self.world.crash_engine(true, None),
            "start-engine" => self.world.start_engine(),
            "show" => return Ok(self.show(name)),
            "show-task" => return self.show_task(name),
            "show-names" => return Ok(self.show_names()),
            "show-requests" => return Ok(self.show_requests()),
            _ => return Err("no such command".to_owned()),
        }
        Ok(self.happened())
    }

    fn task(&self, short: &str) -> Result<TaskId, String> {
        let index: usize = short.strip_prefix('t').and_then(|n| n.parse().ok()).unwrap_or(0);
        let found = index.checked_sub(1).and_then(|index| self.tasks.get(index));
        found.copied().ok_or_else(|| format!("there is no task {short}"))
    }

    fn create_service(
        &mut self,
        name: &str,
        arguments: &Arguments<'_>,
    ) -> Result<Vec<Command>, String> {
        let mut form = ServiceForm::new(name, 1);
        read_form(&mut form, arguments)?;
        self.forms.insert(name.to_owned(), form.clone());
        let tag = arguments.get("tag").copied().unwrap_or("v1");
        let mut commands = form.create(definition(&form, tag, arguments)?);
        let groups = self.forms.values().filter(|f| f.load_balancer.is_some());
        if form.load_balancer.is_some() && !arguments.contains_key("unused") {
            let service = commands.pop();
            commands.push(listener(groups.map(|f| f.name.as_str())));
            commands.extend(service);
        }
        Ok(commands)
    }

    /// `run-task NAME [tag=T] [count=N] [token=T] [command=WORD] ...`; what a service takes too.
    fn run_task(&mut self, name: &str, arguments: &Arguments<'_>) -> Result<Vec<Command>, String> {
        let mut form = ServiceForm::new(name, 1);
        read_form(&mut form, arguments)?;
        let tag = arguments.get("tag").copied().unwrap_or("v1");
        let count = arguments.get("count").map_or(Ok(1), |n| number(n))?;
        self.runs += 1;
        let token = arguments.get("token").map_or(self.runs.to_string(), |t| (*t).to_owned());
        let mut run = form.run(count, &token);
        if let (Some(word), Command::RunTask(run)) = (arguments.get("command"), &mut run) {
            run.overrides.containers.push(ContainerOverrides {
                name: arguments.get("container").copied().unwrap_or("app").to_owned(),
                command: Some(vec![(*word).to_owned()]),
                ..ContainerOverrides::default()
            });
        }
        let definition = definition(&form, tag, arguments)?;
        Ok(vec![Command::PutTaskDefinition(Box::new(definition)), run])
    }

    fn update_service(
        &mut self,
        name: &str,
        arguments: &Arguments<'_>,
    ) -> Result<Vec<Command>, String> {
        let form = self.forms.get_mut(name).ok_or("no such service")?;
        read_form(form, arguments)?;
        let mut spec = form.spec();
        let platform = self.world.platform().ok_or("the engine is down")?;
        let service = platform.service(&service_name(name)).ok_or("no such service")?;
        spec.task_definition = service.spec.task_definition.clone();
        if !arguments.contains_key("desired") {
            spec.desired_count = service.spec.desired_count;
        }
        Ok(vec![Command::PutService(Box::new(spec))])
    }

    /// `deploy web v2` makes a revision; `deploy web :1` goes to a registered one.
    fn deploy(&mut self, name: &str, tag: &str) -> Result<Command, String> {
        let Some(revision) = tag.strip_prefix(':') else { return Ok(deploy_command(name, tag)) };
        let family = name.to_owned();
        let reference = TaskDefinitionRef { family, revision: Some(number(revision)?) };
        let service = service_name(name);
        Ok(Command::Deploy { service, task_definition: Some(reference), force: false })
    }

    /// What happened since the last call, in short words.
    fn happened(&mut self) -> String {
        let mut out = String::new();
        for (at, effect) in self.world.effects.replace(Vec::new()).unwrap_or_default() {
            self.learn_names(&effect);
            let at = at.since(EPOCH) as f64 / 1_000.0;
            match &effect {
                Effect::Emit { event, .. } => {
                    let _ = writeln!(out, "  {at:>7.2}s {}", self.short(&event.message));
                }
                Effect::StopContainer { task, container } if self.watch.signals => {
                    let task = self.short(&task.to_string());
                    let _ = writeln!(out, "  {at:>7.2}s {task}: stop signal to {container}");
                }
                Effect::KillContainer { task, container } if self.watch.signals => {
                    let task = self.short(&task.to_string());
                    let _ = writeln!(out, "  {at:>7.2}s {task}: SIGKILL to {container}");
                }
                Effect::StartContainer { launch, container } if self.watch.signals => {
                    let task = self.short(&launch.task.to_string());
                    let _ = writeln!(out, "  {at:>7.2}s {task}: start {container}");
                }
                _ => {}
            }
        }
        if self.watch.tasks
            && let Some(platform) = self.world.platform()
        {
            for task in &self.tasks {
                let Some(state) = platform.task(*task) else { continue };
                let phase = state.phase.as_str();
                if self.phases.insert(*task, phase) != Some(phase) {
                    let _ = writeln!(out, "  {} {phase}", self.short(&task.to_string()));
                }
            }
        }
        out
    }

    fn learn_names(&mut self, effect: &Effect) {
        if let Effect::AttachNetwork(launch) = effect
            && !self.tasks.contains(&launch.task)
        {
            self.tasks.push(launch.task);
            self.names.push((launch.task.to_string(), format!("t{}", self.tasks.len())));
        }
        let Some(platform) = self.world.platform() else { return };
        let mut found: Vec<_> = platform
            .services()
            .flat_map(|s| s.deployments.iter().chain(&s.past_deployments))
            .map(|d| (d.created_at, d.id.to_string()))
            .filter(|(_, id)| !self.names.iter().any(|(known, _)| known == id))
            .collect();
        found.sort();
        for (_, id) in found {
            self.deployments += 1;
            self.names.push((id, format!("d{}", self.deployments)));
        }
    }

    fn short(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (long, short) in &self.names {
            text = text.replace(long, short);
        }
        while let Some(start) = text.find("arn:aws:elasticloadbalancing") {
            let end = text[start..].find([')', '\'', ' ']).map_or(text.len(), |n| start + n);
            let group = text[start..end].split('/').nth(1).unwrap_or_default().to_owned();
            text.replace_range(start..end, &format!("tg/{group}"));
        }
        text
    }

    fn show(&mut self, name: &str) -> String {
        let Some(platform) = self.world.platform() else { return "  the engine is down\n".into() };
        let mut out = String::new();
        let shown = |s: &&Service| name.is_empty() || s.spec.name.service == name;
        for service in platform.services().filter(shown) {
            let tasks = || service.tasks.iter().filter_map(|id| platform.task(*id));
            let running = tasks().filter(|t| t.phase.as_str() == "RUNNING").count();
            let steady = if service.steady_since.is_some() { ", steady" } else { "" };
            let _ = writeln!(
                out,
                "  service {} {}: desired {}, running {running}{steady}",
                service.spec.name.service,
                service.status.as_str(),
                service.spec.desired_count
            );
            for (index, deployment) in service.deployments.iter().enumerate() {
                let role = if index == 0 { "PRIMARY" } else { "ACTIVE" };
                let _ = writeln!(
                    out,
                    "    {} {role} {} {} desired {} failed {}: {}",
                    self.short(&deployment.id.to_string()),
                    deployment.revision.definition.reference(),
                    deployment.rollout.as_str(),
                    deployment.desired,
                    deployment.breaker.failed_tasks,
                    self.short(&deployment.reason)
                );
            }
            let mut lines: Vec<(usize, String)> =
                tasks().map(|task| (self.order(task), self.task_line(platform, task))).collect();
            lines.sort();
            lines.into_iter().for_each(|(_, line)| out.push_str(&line));
            if service.status == ServiceStatus::Inactive {
                continue;
            }
        }
        let standalone = platform.standalone_tasks();
        for task in standalone.filter(|t| t.stopped_at.is_none() && name.is_empty()) {
            let _ = writeln!(
                out,
                "  standalone {} {} {} {} {} {}",
                self.short(&task.id.to_string()),
                task.group(),
                task.definition().reference(),
                task.zone,
                task.capacity.as_str(),
                task.phase.as_str()
            );
        }
        out
    }

    fn order(&self, task: &Task) -> usize {
        self.tasks.iter().position(|id| *id == task.id).unwrap_or(usize::MAX)
    }

    fn task_line(&self, platform: &neargate_core::Platform, task: &Task) -> String {
        format!(
            "    {} {} {} {} {} {} {:?}\n",
            self.short(&task.id.to_string()),
            self.short(&task.deployment.to_string()),
            task.definition().reference(),
            task.zone,
            task.capacity.as_str(),
            task.phase.as_str(),
            platform.task_state(task)
        )
    }

    fn show_task(&mut self, short: &str) -> Result<String, String> {
        let id = self.task(short)?;
        let Some(task) = self.world.platform().and_then(|p| p.task(id)) else {
            return Ok(format!("  {short} MISSING\n"));
        };
        let mut out = format!("  {short} {} {:?}\n", task.phase.as_str(), task.container_health());
        if let Some(stop) = &task.stop {
            let reason = self.short(&stop.reason);
            let _ = writeln!(out, "    {}: {reason}", stop.code.as_str());
        }
        for (definition, container) in task.definition().containers.iter().zip(&task.containers) {
            let code = container.exit.and_then(neargate_core::input::Exit::code);
            let _ = writeln!(
                out,
                "    container {}: {:?} {:?} exit {code:?} {}",
                definition.name,
                container.status,
                container.health,
                container.reason.as_deref().unwrap_or_default()
            );
        }
        Ok(out)
    }

    fn show_names(&mut self) -> String {
        let mut out = String::new();
        for (name, instances) in &self.world.edge.names {
            let shown: Vec<String> = instances
                .iter()
                .map(|i| {
                    let health = if i.healthy { "healthy" } else { "unhealthy" };
                    format!("{} {}:{:?} {health}", self.short(&i.id.to_string()), i.address, i.port)
                })
                .collect();
            let _ = writeln!(out, "  {name}: {}", shown.join(", "));
        }
        out
    }

    fn show_requests(&mut self) -> String {
        let mut out = String::new();
        for (group, traffic) in &self.world.edge.traffic {
            let group: &Arc<str> = group;
            let _ = writeln!(
                out,
                "  {group}: served {}, no target {}, not ready {}, refused {}, sick {}, cut {}",
                traffic.served,
                traffic.no_target,
                traffic.not_ready,
                traffic.refused,
                traffic.sick,
                traffic.cut
            );
        }
        out
    }
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

/// `300ms`, `30s`, `5m`, `2h`.
fn duration(text: &str) -> Result<u64, String> {
    let units = [("ms", 1), ("s", SECOND), ("m", MINUTE), ("h", 60 * MINUTE)];
    for (unit, ms) in units {
        if let Some(count) = text.strip_suffix(unit)
            && let Ok(count) = count.parse::<u64>()
        {
            return Ok(count * ms);
        }
    }
    Err(format!("`{text}` is not a duration like 30s"))
}

fn read_form(form: &mut ServiceForm, arguments: &Arguments<'_>) -> Result<(), String> {
    for (key, value) in arguments {
        match *key {
            "desired" => form.desired = number(value)?,
            "min" => form.deployment.minimum_healthy_percent = number(value)?,
            "max" => form.deployment.maximum_percent = number(value)?,
            "breaker" => form.deployment.circuit_breaker = true,
            "rollback" => form.deployment.rollback = true,
            "grace" => form.grace_ms = duration(value)?,
            "zones" => form.zones = value.chars().collect(),
            "rebalance" => form.rebalancing = *value != "no",
            "stop-timeout" => form.stop_timeout_ms = duration(value)?,
            "registry" => form.registry = true,
            "lb" => {
                let check = TargetHealthCheck {
                    interval_ms: 10 * SECOND,
                    timeout_ms: 2 * SECOND,
                    healthy_threshold: 2,
                    unhealthy_threshold: 2,
                    ..Default::default()
                };
                form.load_balancer = Some((check, 10 * SECOND));
            }
            "check" => {
                form.container_check = Some(ContainerHealthCheck {
                    command: vec!["CMD".to_owned(), "/check".to_owned()],
                    interval_ms: 10 * SECOND,
                    timeout_ms: 2 * SECOND,
                    retries: 3,
                    start_period_ms: 0,
                });
            }
            "capacity" => form.capacity = capacity(value)?,
            _ => {}
        }
    }
    // These refine what the keys above set up.
    if let (Some((_, delay)), Some(value)) = (&mut form.load_balancer, arguments.get("delay")) {
        *delay = duration(value)?;
    }
    if let (Some(check), Some(value)) = (&mut form.container_check, arguments.get("start-period")) {
        check.start_period_ms = duration(value)?;
    }
    Ok(())
}

/// `FARGATE:base:weight,FARGATE_SPOT:base:weight`.
fn capacity(text: &str) -> Result<Vec<CapacityProviderStrategyItem>, String> {
    text.split(',')
        .map(|item| {
            let parts: Vec<&str> = item.split(':').collect();
            let [provider, base, weight] = parts[..] else {
                return Err(format!("`{item}` is not PROVIDER:base:weight"));
            };
            let provider = match provider {
                "FARGATE" => CapacityProvider::Fargate,
                "FARGATE_SPOT" => CapacityProvider::FargateSpot,
                other => return Err(format!("`{other}` is no capacity provider")),
            };
            let (base, weight) = (number(base)?, number(weight)?);
            Ok(CapacityProviderStrategyItem { provider, base, weight })
        })
        .collect()
}

/// The revision of a new service; `sidecar=NAME:TAG:essential|helper:CONDITION` adds a container
/// that `app` depends on (no condition: none does).
fn definition(
    form: &ServiceForm,
    tag: &str,
    arguments: &Arguments<'_>,
) -> Result<TaskDefinition, String> {
    let mut definition = form.definition(tag);
    let Some(text) = arguments.get("sidecar") else { return Ok(definition) };
    let parts: Vec<&str> = text.split(':').collect();
    let [name, tag, essential, condition] = parts[..] else {
        return Err(format!("`{text}` is not NAME:TAG:essential|helper:CONDITION"));
    };
    let mut sidecar = ContainerDefinition::new(name, &format!("{name}:{tag}"));
    sidecar.essential = essential == "essential";
    let app = &mut definition.containers[0];
    let condition = match condition {
        "START" => Some(DependencyCondition::Start),
        "COMPLETE" => Some(DependencyCondition::Complete),
        "SUCCESS" => Some(DependencyCondition::Success),
        "HEALTHY" => Some(DependencyCondition::Healthy),
        _ => None,
    };
    if let Some(condition) = condition {
        app.depends_on.push(Dependency { container: name.to_owned(), condition });
        if condition == DependencyCondition::Healthy {
            sidecar.health_check = Some(ContainerHealthCheck {
                command: vec!["CMD".to_owned(), "/check".to_owned()],
                interval_ms: 5 * SECOND,
                timeout_ms: 2 * SECOND,
                retries: 3,
                start_period_ms: 0,
            });
        }
    }
    if let Some(timeout) = arguments.get("start-timeout") {
        sidecar.start_timeout_ms = Some(duration(timeout)?);
    }
    definition.containers.push(sidecar);
    Ok(definition)
}
