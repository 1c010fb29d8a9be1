//! The modelled machine keeps what the real drivers promise: the table is theirs.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use neargate_core::effect::{Effect, TaskLaunch};
use neargate_core::id::TaskId;
use neargate_core::input::{ContainerHealth, Exit, Observation};
use neargate_core::rng::Rng;
use neargate_core::task_definition::{ContainerDefinition, ContainerHealthCheck, TaskDefinition};
use neargate_core::time::MINUTE;

use super::{Context, EPOCH, Event};
use crate::behaviour::Settings;
use crate::event_queue::EventQueue;
use crate::machine::Machine;

#[path = "../../../runtime/tests/conformance/promises.rs"]
mod table;

use table::{PROMISES, Program, Promise, Report, Wish};

const APP: &str = "app";
/// Whatever has not been reported by then is not going to be.
const PATIENCE_MS: u64 = 10 * MINUTE;

fn launch(program: Program) -> Arc<TaskLaunch> {
    let tag = match program {
        Program::Polite | Program::Healthy => "v1",
        Program::Stubborn => "stubborn",
        Program::Ends => "once",
        Program::Fails => "once-fail",
        Program::Unstartable => "nostart",
        Program::Missing => "missing",
        Program::Sick => "never-healthy",
    };
    let mut container = ContainerDefinition::new(APP, &format!("app:{tag}"));
    if matches!(program, Program::Healthy | Program::Sick) {
        container.health_check = Some(ContainerHealthCheck {
            command: vec!["CMD".into(), "true".into()],
            interval_ms: 5_000,
            timeout_ms: 20_000,
            retries: 2,
            start_period_ms: 10_000,
        });
    }
    Arc::new(TaskLaunch {
        task: TaskId(1),
        cluster: "shop".into(),
        service: None,
        definition: Arc::new(TaskDefinition {
            family: "api".into(),
            revision: 1,
            cpu: 256,
            memory_mib: 512,
            containers: vec![container],
            execution_role: None,
            task_role: None,
            ephemeral_storage_gib: 20,
            tags: BTreeMap::new(),
        }),
        zone: "us-east-1a".into(),
        subnet: "private-a".into(),
        address: Ipv4Addr::new(10, 0, 0, 9),
        capacity_provider: "FARGATE",
        security_groups: Vec::new(),
        public_ip: false,
    })
}

fn effect(launch: &Arc<TaskLaunch>, wish: Wish) -> Effect {
    let (task, container) = (launch.task, APP.to_owned());
    let launch = Arc::clone(launch);
    match wish {
        Wish::Attach => Effect::AttachNetwork(launch),
        Wish::Pull => Effect::PullImages(launch),
        Wish::Start => Effect::StartContainer { launch, container },
        Wish::Stop => Effect::StopContainer { task, container },
        Wish::Kill => Effect::KillContainer { task, container },
        Wish::Release => Effect::ReleaseTask { task },
    }
}

fn is(observation: &Observation, report: Report) -> bool {
    match (observation, report) {
        (Observation::NetworkAttached { .. }, Report::Attached)
        | (Observation::ImagesPulled { .. }, Report::Pulled)
        | (Observation::ContainerStarted { .. }, Report::Started)
        | (Observation::TaskReleased { .. }, Report::Released) => true,
        (Observation::TaskFailed { reason, .. }, Report::TaskFailed(start))
        | (Observation::ContainerFailed { reason, .. }, Report::Failed(start)) => {
            reason.starts_with(start)
        }
        (Observation::ContainerHealth { health, .. }, Report::Healthy) => {
            *health == ContainerHealth::Healthy
        }
        (Observation::ContainerHealth { health, .. }, Report::Unhealthy) => {
            *health == ContainerHealth::Unhealthy
        }
        (Observation::ContainerExited { exit, .. }, Report::Exited(code)) => {
            *exit == Exit::Code(code)
        }
        (Observation::ContainerExited { exit, .. }, Report::Signalled) => *exit == Exit::Signal(9),
        (Observation::ContainerExited { exit, .. }, Report::Gone) => *exit == Exit::Unknown,
        _ => false,
    }
}

/// Only the machine, and whatever it reports.
struct Bench {
    machine: Machine,
    queue: EventQueue<Event>,
    rng: Rng,
    settings: Settings,
    now: neargate_core::time::Time,
}

impl Bench {
    fn with<T>(&mut self, act: impl FnOnce(&mut Machine, &mut Context<'_>) -> T) -> T {
        let mut context = Context {
            now: self.now,
            rng: &mut self.rng,
            settings: &self.settings,
            incarnation: Some(0),
            queue: &mut self.queue,
        };
        act(&mut self.machine, &mut context)
    }

    /// Lets things happen until so much has been reported, or nothing will be any more.
    fn reports(&mut self, count: usize) -> Vec<Observation> {
        let mut reports = Vec::new();
        let deadline = self.now.plus(PATIENCE_MS);
        while reports.len() < count && self.queue.next_at().is_some_and(|at| at <= deadline) {
            let Some((at, event)) = self.queue.pop() else { break };
            self.now = self.now.max(at);
            match event {
                Event::Report { observation, .. } => reports.push(observation),
                Event::Machine(event) => {
                    self.with(|machine, context| machine.handle(event, context));
                }
                _ => {}
            }
        }
        reports
    }
}

fn keeps(promise: &Promise) {
    let launch = launch(promise.program);
    let mut bench = Bench {
        machine: Machine::default(),
        queue: EventQueue::new(),
        rng: Rng::new(1),
        settings: Settings::steady(),
        now: EPOCH,
    };
    for (wishes, expected) in promise.life {
        for wish in *wishes {
            let effect = effect(&launch, *wish);
            bench.with(|machine, context| machine.carry_out(&effect, context));
        }
        let seen = bench.reports(expected.len());
        let matches = seen.len() == expected.len()
            && seen.iter().zip(*expected).all(|(seen, expected)| is(seen, *expected));
        let name = promise.name;
        assert!(matches, "\"{name}\", after {wishes:?}: {seen:#?} instead of {expected:?}");
        assert_eq!(bench.machine.broken_promise, None, "\"{name}\", after {wishes:?}");
    }
    assert_eq!(bench.reports(1), [], "\"{}\": and nothing else", promise.name);
}

#[test]
fn what_drivers_promise_is_kept() {
    for promise in PROMISES {
        keeps(promise);
    }
}
