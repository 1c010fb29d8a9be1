//! The modelled machine: tasks with their network, images and containers.
//!
//! It does what a driver promises: every wish may be repeated, and is then answered again.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use neargate_core::container_health::{CheckSchedule, HealthEvaluation};
use neargate_core::effect::{Effect, TaskLaunch};
use neargate_core::id::TaskId;
use neargate_core::input::{ContainerHealth, Exit, Observation};
use neargate_core::target_health::ProbeOutcome;

use crate::behaviour::{Answers, Behaviour};
use crate::world::{Context, Event as WorldEvent};

/// From SIGKILL to the end of a process.
const KILL_MS: u64 = 20;

/// What happens on the machine.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Attached(TaskId),
    Pulled(TaskId),
    Started(TaskId, usize),
    Listens(TaskId, usize),
    Ends(TaskId, usize, Exit),
    Checks(TaskId, usize),
    Recovers(TaskId),
    Released(TaskId),
}

/// What is answered to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Served,
    Sick,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    Absent,
    Starting,
    Runs,
    Ended(Exit),
}

#[derive(Clone, Debug)]
struct ModelContainer {
    behaviour: Behaviour,
    process: Process,
    listens: bool,
    signalled: bool,
    killed: bool,
    check: Option<HealthEvaluation>,
}

#[derive(Clone, Debug)]
struct ModelTask {
    launch: Arc<TaskLaunch>,
    attached: bool,
    pulled: bool,
    pulling: bool,
    /// Answers badly for the time being.
    sick: Option<Answers>,
    containers: Vec<ModelContainer>,
}

/// All modelled tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    tasks: BTreeMap<TaskId, ModelTask>,
    addresses: BTreeMap<Ipv4Addr, TaskId>,
    /// A fact that must not be: reported by the safety check.
    pub(crate) broken_promise: Option<String>,
}

impl Machine {
    /// Carries out what concerns tasks.
    pub(crate) fn carry_out(&mut self, effect: &Effect, context: &mut Context<'_>) {
        match effect {
            Effect::AttachNetwork(launch) => self.attach(launch, context),
            Effect::PullImages(launch) => self.pull(launch.task, context),
            Effect::StartContainer { launch, container } => {
                self.start(launch.task, container, context);
            }
            Effect::StopContainer { task, container } => self.stop(*task, container, context),
            Effect::KillContainer { task, container } => self.kill(*task, container, context),
            Effect::ReleaseTask { task } => {
                let ms = context.settings.release.draw(context.rng);
                context.machine(ms, Event::Released(*task));
            }
            _ => {}
        }
    }

    fn attach(&mut self, launch: &Arc<TaskLaunch>, context: &mut Context<'_>) {
        let id = launch.task;
        if let Some(task) = self.tasks.get(&id) {
            if task.attached {
                context.report(Observation::NetworkAttached { task: id });
            }
            return;
        }
        if let Some(other) = self.addresses.insert(launch.address, id) {
            self.broken_promise =
                Some(format!("address {} is given to {id} and {other}", launch.address));
        }
        let containers = launch.definition.containers.iter();
        let containers = containers.map(|definition| ModelContainer {
            behaviour: Behaviour::of_image(&definition.image),
            process: Process::Absent,
            listens: false,
            signalled: false,
            killed: false,
            check: None,
        });
        let task = ModelTask {
            containers: containers.collect(),
            launch: Arc::clone(launch),
            attached: false,
            pulled: false,
            pulling: false,
            sick: None,
        };
        self.tasks.insert(id, task);
        let ms = context.settings.attach.draw(context.rng);
        context.machine(ms, Event::Attached(id));
    }

    fn pull(&mut self, id: TaskId, context: &mut Context<'_>) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if task.pulled {
            context.report(Observation::ImagesPulled { task: id });
        } else if !std::mem::replace(&mut task.pulling, true) {
            let ms = context.settings.pull.draw(context.rng);
            context.machine(ms, Event::Pulled(id));
        }
    }

    fn start(&mut self, id: TaskId, name: &str, context: &mut Context<'_>) {
        let Some((task, index)) = self.find(id, name) else { return };
        let container = &mut task.containers[index];
        match container.process {
            Process::Absent => {
                container.process = Process::Starting;
                let ms = context.settings.start.draw(context.rng);
                context.machine(ms, Event::Started(id, index));
            }
            Process::Starting => {}
            Process::Runs => report_life_so_far(task, index, context),
            Process::Ended(exit) => report_life(task, index, exit, context),
        }
    }

    fn stop(&mut self, id: TaskId, name: &str, context: &mut Context<'_>) {
        let Some((task, index)) = self.find(id, name) else {
            return report_gone(id, name, context);
        };
        let container = &mut task.containers[index];
        match container.process {
            Process::Absent => report_gone(id, name, context),
            Process::Starting => container.signalled = true,
            Process::Runs => {
                let first = !std::mem::replace(&mut container.signalled, true);
                if first && !container.behaviour.ignores_stop_signal {
                    let ms = context.settings.shutdown.draw(context.rng)
                        + container.behaviour.stops_late_ms;
                    context.machine(ms, Event::Ends(id, index, Exit::Code(0)));
                }
            }
            Process::Ended(exit) => report_life(task, index, exit, context),
        }
    }

    fn kill(&mut self, id: TaskId, name: &str, context: &mut Context<'_>) {
        let Some((task, index)) = self.find(id, name) else {
            return report_gone(id, name, context);
        };
        let container = &mut task.containers[index];
        match container.process {
            Process::Absent => report_gone(id, name, context),
            Process::Starting => container.killed = true,
            Process::Runs => context.machine(KILL_MS, Event::Ends(id, index, Exit::Signal(9))),
            Process::Ended(exit) => report_life(task, index, exit, context),
        }
    }

    fn find(&mut self, id: TaskId, name: &str) -> Option<(&mut ModelTask, usize)> {
        let task = self.tasks.get_mut(&id)?;
        let index = task.launch.definition.containers.iter().position(|c| c.name == name)?;
        Some((task, index))
    }

    /// Lets one thing happen. Returns the address of a task whose container ended.
    pub(crate) fn handle(&mut self, event: Event, context: &mut Context<'_>) -> Option<Ipv4Addr> {
        match event {
            Event::Attached(id) => {
                self.tasks.get_mut(&id)?.attached = true;
                context.report(Observation::NetworkAttached { task: id });
            }
            Event::Pulled(id) => self.pulled(id, context)?,
            Event::Started(id, index) => self.started(id, index, context)?,
            Event::Listens(id, index) => {
                let container = &mut self.tasks.get_mut(&id)?.containers[index];
                container.listens = container.process == Process::Runs;
            }
            Event::Ends(id, index, exit) => {
                let task = self.tasks.get_mut(&id)?;
                let container = &mut task.containers[index];
                if container.process != Process::Runs {
                    return None;
                }
                container.process = Process::Ended(exit);
                container.listens = false;
                report_ended(task, index, exit, context);
                return Some(task.launch.address);
            }
            Event::Checks(id, index) => self.check(id, index, context)?,
            Event::Recovers(id) => self.tasks.get_mut(&id)?.sick = None,
            Event::Released(id) => {
                if let Some(task) = self.tasks.remove(&id) {
                    self.addresses.remove(&task.launch.address);
                    if task.containers.iter().any(|c| c.process == Process::Runs) {
                        self.broken_promise = Some(format!("task {id} was released while it ran"));
                    }
                }
                context.report(Observation::TaskReleased { task: id });
            }
        }
        None
    }

    fn pulled(&mut self, id: TaskId, context: &mut Context<'_>) -> Option<()> {
        let task = self.tasks.get_mut(&id)?;
        task.pulling = false;
        let definitions = &task.launch.definition.containers;
        let missing = task.containers.iter().position(|c| c.behaviour.missing_image);
        if let Some(index) = missing {
            let image = &definitions[index].image;
            let reason = format!("CannotPullContainerError: {image}: not found");
            context.report(Observation::TaskFailed { task: id, reason });
        } else if context.one_in(context.settings.flaky_one_in) {
            let reason = "CannotPullContainerError: i/o timeout".to_owned();
            context.report(Observation::TaskFailed { task: id, reason });
        } else {
            task.pulled = true;
            context.report(Observation::ImagesPulled { task: id });
        }
        Some(())
    }

    fn started(&mut self, id: TaskId, index: usize, context: &mut Context<'_>) -> Option<()> {
        let task = self.tasks.get_mut(&id)?;
        let definition = &task.launch.definition.containers[index];
        let container = &mut task.containers[index];
        if container.process != Process::Starting {
            return None;
        }
        if container.behaviour.cannot_start || context.one_in(context.settings.flaky_one_in) {
            container.process = Process::Absent;
            let reason = "CannotStartContainerError: exec format error".to_owned();
            let container = definition.name.clone();
            context.report(Observation::ContainerFailed { task: id, container, reason });
            return None;
        }
        container.process = Process::Runs;
        // What was wished meanwhile is not lost.
        if container.killed {
            context.machine(KILL_MS, Event::Ends(id, index, Exit::Signal(9)));
        } else if container.signalled && !container.behaviour.ignores_stop_signal {
            let ms =
                context.settings.shutdown.draw(context.rng) + container.behaviour.stops_late_ms;
            context.machine(ms, Event::Ends(id, index, Exit::Code(0)));
        }
        let ms = context.settings.listen.draw(context.rng) + container.behaviour.listens_late_ms;
        context.machine(ms, Event::Listens(id, index));
        if let Some((ms, exit)) = container.behaviour.exits {
            context.machine(ms, Event::Ends(id, index, exit));
        }
        if let Some(check) = &definition.health_check {
            let schedule = CheckSchedule {
                interval_ms: check.interval_ms,
                retries: check.retries,
                start_period_ms: check.start_period_ms,
            };
            let evaluation = HealthEvaluation::new(schedule, context.now.0);
            let wait = evaluation.next_check_ms() - context.now.0;
            container.check = Some(evaluation);
            context.machine(wait, Event::Checks(id, index));
        }
        report_started(task, index, context);
        Some(())
    }

    fn check(&mut self, id: TaskId, index: usize, context: &mut Context<'_>) -> Option<()> {
        let task = self.tasks.get_mut(&id)?;
        let answers = task.sick.unwrap_or(task.containers[index].behaviour.answers);
        let container = &mut task.containers[index];
        if container.process != Process::Runs {
            return None;
        }
        let passed = container.listens && answers == Answers::Well;
        let now = context.now.0;
        let evaluation = container.check.as_mut()?;
        let changed = evaluation.record(passed, now, now);
        let wait = evaluation.next_check_ms() - now;
        context.machine(wait, Event::Checks(id, index));
        if let Some(health) = changed {
            report_health(task, index, health, context);
        }
        Some(())
    }

    /// What a probe of the address finds.
    pub(crate) fn probe(&self, address: Ipv4Addr) -> ProbeOutcome {
        let task = self.addresses.get(&address).and_then(|id| self.tasks.get(id));
        let Some((task, container)) = task.and_then(|t| Some((t, t.containers.first()?))) else {
            return ProbeOutcome::Failed;
        };
        if !container.listens {
            return ProbeOutcome::Failed;
        }
        match task.sick.unwrap_or(container.behaviour.answers) {
            Answers::Well => ProbeOutcome::Passed,
            Answers::Unavailable => ProbeOutcome::WrongCode(503),
            Answers::Never => ProbeOutcome::TimedOut,
        }
    }

    /// What a request to the address meets.
    pub(crate) fn request(&self, address: Ipv4Addr) -> Reply {
        match self.probe(address) {
            ProbeOutcome::Passed => Reply::Served,
            ProbeOutcome::Failed => Reply::Refused,
            _ => Reply::Sick,
        }
    }

    /// Whether the first container of the task behind the address got the stop signal.
    pub(crate) fn is_signalled(&self, address: Ipv4Addr) -> bool {
        let task = self.addresses.get(&address).and_then(|id| self.tasks.get(id));
        task.and_then(|t| t.containers.first()).is_some_and(|c| c.signalled)
    }

    /// Makes a task answer badly from now on; for a while or for good.
    pub(crate) fn sicken(&mut self, id: TaskId, ms: Option<u64>, context: &mut Context<'_>) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.sick = Some(Answers::Unavailable);
        if let Some(ms) = ms {
            context.machine(ms, Event::Recovers(id));
        }
    }

    /// All tasks answer well again.
    pub(crate) fn heal_all(&mut self) {
        for task in self.tasks.values_mut() {
            task.sick = None;
        }
    }

    /// Ids of all tasks that hold something on the machine.
    pub(crate) fn task_ids(&self) -> impl Iterator<Item = TaskId> {
        self.tasks.keys().copied()
    }

    /// Reports the state of every task, as a driver does for an engine that has just started.
    pub(crate) fn recover(&self, context: &mut Context<'_>) {
        for (id, task) in &self.tasks {
            if task.attached {
                context.report(Observation::NetworkAttached { task: *id });
            }
            if task.pulled {
                context.report(Observation::ImagesPulled { task: *id });
            }
            for (index, container) in task.containers.iter().enumerate() {
                match container.process {
                    Process::Absent | Process::Starting => {}
                    Process::Runs => report_started(task, index, context),
                    Process::Ended(exit) => {
                        // The shim may have died with its news: then nobody knows the code.
                        let exit = if context.one_in(4) { Exit::Unknown } else { exit };
                        report_ended(task, index, exit, context);
                    }
                }
                if let Some(check) = &container.check
                    && check.health() != ContainerHealth::Unknown
                {
                    report_health(task, index, check.health(), context);
                }
            }
        }
    }
}

fn report_started(task: &ModelTask, index: usize, context: &mut Context<'_>) {
    let container = task.launch.definition.containers[index].name.clone();
    context.report(Observation::ContainerStarted { task: task.launch.task, container });
}

/// Nobody knows of such a process.
fn report_gone(task: TaskId, container: &str, context: &mut Context<'_>) {
    let (container, exit) = (container.to_owned(), Exit::Unknown);
    context.report(Observation::ContainerExited { task, container, exit });
}

/// Everything known of a container up to its end.
fn report_life_so_far(task: &ModelTask, index: usize, context: &mut Context<'_>) {
    report_started(task, index, context);
    let health = task.containers[index].check.as_ref().map(HealthEvaluation::health);
    if let Some(health) = health.filter(|health| *health != ContainerHealth::Unknown) {
        report_health(task, index, health, context);
    }
}

/// Everything known of a container that has ended.
fn report_life(task: &ModelTask, index: usize, exit: Exit, context: &mut Context<'_>) {
    report_life_so_far(task, index, context);
    report_ended(task, index, exit, context);
}

fn report_health(
    task: &ModelTask,
    index: usize,
    health: ContainerHealth,
    context: &mut Context<'_>,
) {
    let container = task.launch.definition.containers[index].name.clone();
    let task = task.launch.task;
    context.report_in_order(Observation::ContainerHealth { task, container, health });
}

fn report_ended(task: &ModelTask, index: usize, exit: Exit, context: &mut Context<'_>) {
    let container = task.launch.definition.containers[index].name.clone();
    context.report(Observation::ContainerExited { task: task.launch.task, container, exit });
}

impl From<Event> for WorldEvent {
    fn from(event: Event) -> Self {
        WorldEvent::Machine(event)
    }
}
