//! The modelled world: one clock, and everything the core talks to.

use std::collections::VecDeque;

use neargate_core::effect::Effect;
use neargate_core::input::{Command, Input, Observation};
use neargate_core::rng::Rng;
use neargate_core::time::{SECOND, Time};
use neargate_core::{Platform, Rejection};

use crate::behaviour::Settings;
use crate::edge::{self, Edge};
use crate::engine::Engine;
use crate::event_queue::EventQueue;
use crate::machine::{self, Machine};
use crate::safety::Safety;

/// How many happenings a trace keeps.
const TRACE_LENGTH: usize = 50;

/// What happens in the world.
#[derive(Debug)]
pub(crate) enum Event {
    /// A report arrives at the engine process it was sent to.
    Report {
        incarnation: u32,
        observation: Observation,
    },
    /// The journal becomes durable.
    Synced {
        incarnation: u32,
    },
    /// The engine process starts again.
    StartEngine,
    Machine(machine::Event),
    Edge(edge::Event),
    /// Something on the agenda of whoever drives the world.
    Agenda(u64),
}

/// What a part of the world may use while it acts: the time, chance, and a way to say what follows.
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) rng: &'a mut Rng,
    pub(crate) settings: &'a Settings,
    /// The engine process that listens; `None` while it is down.
    incarnation: Option<u32>,
    queue: &'a mut EventQueue<Event>,
}

impl Context<'_> {
    /// True once in `n` times on average; never for 0.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.rng.below(n) == 0
    }

    pub(crate) fn machine(&mut self, ms: u64, event: machine::Event) {
        self.queue.add(self.now.plus(ms), event.into());
    }

    pub(crate) fn edge(&mut self, ms: u64, event: edge::Event) {
        self.queue.add(self.now.plus(ms), event.into());
    }

    /// Reports a fact that stays true: it may come late, out of order, and twice.
    pub(crate) fn report(&mut self, observation: Observation) {
        if self.one_in(self.settings.duplicate_one_in) {
            let ms = self.settings.report.draw(self.rng) * 3;
            self.send(ms, observation.clone());
        }
        let ms = self.settings.report.draw(self.rng);
        self.send(ms, observation);
    }

    /// Reports a state that may change again: in order, perhaps twice.
    pub(crate) fn report_in_order(&mut self, observation: Observation) {
        if self.one_in(self.settings.duplicate_one_in) {
            self.send(self.settings.report.1, observation.clone());
        }
        self.send(self.settings.report.1, observation);
    }

    /// The edge reports over one connection, in order.
    pub(crate) fn report_from_edge(&mut self, observation: Observation) {
        if self.one_in(self.settings.duplicate_one_in) {
            self.send(self.settings.edge_report_ms, observation.clone());
        }
        self.send(self.settings.edge_report_ms, observation);
    }

    fn send(&mut self, ms: u64, observation: Observation) {
        if let Some(incarnation) = self.incarnation {
            self.queue.add(self.now.plus(ms), Event::Report { incarnation, observation });
        }
    }
}

/// The whole world.
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) rng: Rng,
    pub(crate) settings: Settings,
    pub(crate) engine: Engine,
    pub(crate) machine: Machine,
    pub(crate) edge: Edge,
    pub(crate) safety: Option<Safety>,
    /// The first property that did not hold.
    pub(crate) violation: Option<String>,
    /// Every input the platform took, where that is wanted.
    pub(crate) inputs: Option<Vec<(Time, Input)>>,
    /// What a script wants to show of each step.
    pub(crate) effects: Option<Vec<(Time, Effect)>>,
    pub(crate) trace: Option<VecDeque<String>>,
    queue: EventQueue<Event>,
    sync_pending: bool,
}

/// 2026-11-20, so that times look like times.
pub(crate) const EPOCH: Time = Time(1_795_132_800_000);

impl World {
    pub(crate) fn new(seed: u64, settings: Settings, snapshot_every: Option<usize>) -> Self {
        Self {
            now: EPOCH,
            rng: Rng::new(seed),
            settings,
            engine: Engine::new(seed, snapshot_every),
            machine: Machine::default(),
            edge: Edge::default(),
            safety: None,
            violation: None,
            inputs: None,
            effects: None,
            trace: None,
            queue: EventQueue::new(),
            sync_pending: false,
        }
    }

    /// The platform, unless the engine is down.
    pub(crate) fn platform(&self) -> Option<&Platform> {
        self.engine.platform()
    }

    /// Puts something on the agenda.
    pub(crate) fn plan(&mut self, at: Time, item: u64) {
        self.queue.add(at, Event::Agenda(item));
    }

    /// A user's commands. While the engine is down nobody answers, and nothing happens.
    pub(crate) fn command(&mut self, commands: Vec<Command>) -> Result<(), Rejection> {
        self.note(|| format!("command {commands:?}"));
        self.input(Input::Commands(commands))
    }

    fn input(&mut self, input: Input) -> Result<(), Rejection> {
        if let Some(inputs) = &mut self.inputs {
            inputs.push((self.now, input.clone()));
        }
        let copy = self.safety.is_some().then(|| input.clone());
        let Some(outcome) = self.engine.step(self.now, input) else { return Ok(()) };
        if let Some(trace) = &mut self.trace {
            for effect in &outcome.effects {
                note(trace, self.now, format!("    effect {}", brief(effect)));
            }
        }
        if let (Some(safety), Some(platform)) = (&mut self.safety, self.engine.platform())
            && let Some(input) = copy
            && let Err(broken) = safety.after_step(platform, &self.edge, &outcome.effects, &input)
        {
            self.violation.get_or_insert(broken);
        }
        if let Some(effects) = &mut self.effects {
            effects.extend(outcome.effects.into_iter().map(|effect| (self.now, effect)));
        }
        if self.settings.sync_ms == 0 {
            self.synced();
        } else if !self.sync_pending {
            self.sync_pending = true;
            let incarnation = self.engine.incarnation;
            let at = self.now.plus(self.settings.sync_ms);
            self.queue.add(at, Event::Synced { incarnation });
        }
        outcome.result
    }

    fn synced(&mut self) {
        self.sync_pending = false;
        let one_in = self.settings.crash_at_sync_one_in;
        if one_in > 0 && self.rng.below(one_in) == 0 {
            let entries_survive = self.rng.below(2) == 0;
            let down_ms = self.rng.below(10 * SECOND);
            return self.crash_engine(entries_survive, Some(down_ms));
        }
        let effects = self.engine.sync();
        self.carry_out(&effects);
    }

    fn carry_out(&mut self, effects: &[Effect]) {
        for effect in effects {
            let (machine, edge, mut context) = self.parts();
            machine.carry_out(effect, &mut context);
            edge.carry_out(effect, &mut context);
        }
    }

    /// The modelled parts, and the context to let them act in.
    pub(crate) fn parts(&mut self) -> (&mut Machine, &mut Edge, Context<'_>) {
        let context = Context {
            now: self.now,
            rng: &mut self.rng,
            settings: &self.settings,
            incarnation: self.engine.platform().is_some().then_some(self.engine.incarnation),
            queue: &mut self.queue,
        };
        (&mut self.machine, &mut self.edge, context)
    }

    /// kill -9 of the engine; it comes back after `down_ms`.
    pub(crate) fn crash_engine(&mut self, entries_survive: bool, down_ms: Option<u64>) {
        self.note(|| format!("engine crashes (entries survive: {entries_survive})"));
        if let Err(broken) = self.engine.crash(entries_survive) {
            self.violation.get_or_insert(broken);
        }
        self.sync_pending = false;
        if let Some(ms) = down_ms {
            self.queue.add(self.now.plus(ms), Event::StartEngine);
        }
    }

    /// Starts the engine again: state from its files, tasks as the driver finds them, everything
    /// outstanding asked for again, and the whole wish to the edge.
    pub(crate) fn start_engine(&mut self) {
        if self.engine.platform().is_some() {
            return;
        }
        self.note(|| "engine starts".to_owned());
        if let Err(broken) = self.engine.start() {
            self.violation.get_or_insert(broken);
        }
        let Some(platform) = self.engine.platform() else { return };
        let (outstanding, wish) = (platform.outstanding(), platform.data_plane());
        let generation = platform.published();
        if let Some(safety) = &mut self.safety {
            if let Err(broken) = safety.after_recovery(platform, &self.edge, &outstanding) {
                self.violation.get_or_insert(broken);
            }
            for task in self.machine.task_ids() {
                if platform.task(task).is_none_or(|t| t.stopped_at.is_some()) {
                    self.violation.get_or_insert(format!("task {task} is on the machine unknown"));
                }
            }
        }
        let (machine, _, mut context) = self.parts();
        machine.recover(&mut context);
        let ms = context.settings.edge_apply_ms;
        context.edge(ms, edge::Event::Sync(generation, wish));
        self.carry_out(&outstanding);
    }

    /// Goes on until `limit` or the next item on the agenda, which it returns.
    pub(crate) fn run(&mut self, limit: Time) -> Option<u64> {
        while self.violation.is_none() {
            let wake = self.engine.platform().and_then(Platform::next_wake);
            let next = self.queue.next_at();
            match (wake, next) {
                (Some(wake), next) if wake <= limit && next.is_none_or(|next| wake < next) => {
                    self.now = self.now.max(wake);
                    self.note(|| "tick".to_owned());
                    let _ = self.input(Input::Tick);
                }
                (_, Some(next)) if next <= limit => {
                    let Some((at, event)) = self.queue.pop() else { break };
                    self.now = self.now.max(at);
                    if let Event::Agenda(item) = event {
                        return Some(item);
                    }
                    self.happen(event);
                }
                _ => break,
            }
        }
        self.now = self.now.max(limit);
        None
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Report { incarnation, observation } => {
                if incarnation == self.engine.incarnation && self.engine.platform().is_some() {
                    self.note(|| format!("report {observation:?}"));
                    let _ = self.input(Input::Observed(observation));
                }
            }
            Event::Synced { incarnation } => {
                if incarnation == self.engine.incarnation {
                    self.synced();
                }
            }
            Event::StartEngine => self.start_engine(),
            Event::Machine(event) => {
                self.note(|| format!("machine {event:?}"));
                let (machine, edge, mut context) = self.parts();
                if let Some(address) = machine.handle(event, &mut context) {
                    edge.connections_lost(address, &mut context);
                }
                if let Some(broken) = machine.broken_promise.take() {
                    self.violation.get_or_insert(broken);
                }
            }
            Event::Edge(event) => {
                if !matches!(event, edge::Event::Arrival(_) | edge::Event::Done { .. }) {
                    self.note(|| format!("edge {}", brief(&event)));
                }
                let (machine, edge, mut context) = self.parts();
                edge.handle(event, machine, &mut context);
                if let Some(broken) = edge.broken_promise.take() {
                    self.violation.get_or_insert(broken);
                }
            }
            Event::Agenda(_) => {}
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            note(trace, self.now, what());
        }
    }
}

fn note(trace: &mut VecDeque<String>, now: Time, what: String) {
    if trace.len() == TRACE_LENGTH {
        trace.pop_front();
    }
    let ms = now.since(EPOCH);
    trace.push_back(format!("{:>6}.{:03} {what}", ms / 1_000, ms % 1_000));
}

/// Debug output without the long definitions inside.
fn brief(value: &impl std::fmt::Debug) -> String {
    let mut text = format!("{value:?}");
    if let Some((at, _)) = text.char_indices().nth(400) {
        text.truncate(at);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod promises;
