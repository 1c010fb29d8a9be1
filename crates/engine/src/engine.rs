//! The main loop: events in, durable inputs, then answers and effects. It makes no choices.
//!
//! One thread owns the platform. A turn takes what has happened, makes it durable with one append,
//! and only then tells anyone. When the journal cannot be written, commands are refused in plain
//! words, what the world reports is kept in memory, and the same is tried again until it can be
//! written: no effect is carried out meanwhile, while the edge and the tasks go on by themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use neargate_core::effect::{Effect, TaskLaunch};
use neargate_core::input::{Command, Exit, Input, Observation};
use neargate_core::task::{ContainerStatus, Phase};
use neargate_core::{Platform, Rejection};
use neargate_edge::control::ToEdge;
use neargate_services::Rooms;

use crate::api::{Request, Response};
use crate::aws::{AwsCall, Held};
use crate::clock::{Clock, monotonic};
use crate::data_plane;
use crate::edge_link::EdgeLink;
use crate::error::EngineError;
use crate::event::{EdgeConnection, Event, Reply};
use crate::inventory::inventory;
use crate::ledger::{Ledger, NotCommitted, in_full};
use crate::metadata::{self, MetadataCall};
use crate::record::Record;
use crate::status::StatusParts;
use crate::take_down::{self, Next};
use crate::tasks::Tasks;
use crate::vault::{Missing, Vault};
use crate::views;

/// Events of one turn, so that one append stays small and nobody waits for ever.
const BATCH: usize = 1024;
/// How often a journal that could not be written is tried again.
const STUCK_RETRY: Duration = Duration::from_millis(500);
/// By so much the platform's time may be behind when an operation reads it.
const STALE_MS: u64 = 1000;
/// Reports kept in memory while the journal cannot be written.
const STUCK_LIMIT: usize = 200_000;
/// An edge that was told to end closes its connection within this time.
const EDGE_END: Duration = Duration::from_secs(30);

/// What the main loop is made of.
pub(crate) struct Parts {
    pub(crate) ledger: Ledger,
    pub(crate) tasks: Box<dyn Tasks>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) rooms: Arc<dyn Rooms>,
    pub(crate) link: EdgeLink,
    pub(crate) clock: Clock,
    pub(crate) events: Receiver<Event>,
    pub(crate) status: StatusParts,
    /// H of 127.H.0.0/16 when tasks have no network but loopback.
    pub(crate) loopback: Option<u8>,
    /// The first record of a platform that starts over.
    pub(crate) genesis: fn(&neargate_core::Identity) -> Record,
}

/// The main loop's state.
pub(crate) struct Engine {
    parts: Parts,
    edge: Option<EdgeConnection>,
    /// The connected edge has not been told the whole wish yet.
    sync_due: bool,
    stuck: Option<Stuck>,
    take_down: Option<TakeDown>,
}

/// The journal could not be written.
struct Stuck {
    observations: Vec<Observation>,
    last_try: Instant,
}

/// The platform is being taken down.
struct TakeDown {
    then: Then,
    replies: Vec<Reply>,
    /// Everything is gone, the edge has been told to end.
    edge_told: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    End,
    StartOver,
}

/// Why the main loop ended.
pub(crate) enum Ended {
    /// A signal. Tasks and edge go on.
    Stopped,
    /// Nothing is left; whoever asked is to be told when the engine holds nothing any more.
    Down(Vec<Reply>),
}

/// The inputs of one turn with those who wait for them.
#[derive(Default)]
struct Batch {
    inputs: Vec<Input>,
    /// Index of the input and who gave it.
    waiting: Vec<(usize, Reply)>,
    questions: Vec<(Request, Reply)>,
    aws: Vec<AwsCall>,
    metadata: Vec<MetadataCall>,
    edge_gone: bool,
    stop: bool,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, edge: None, sync_due: false, stuck: None, take_down: None }
    }

    /// Runs until a signal or until the platform has been taken down.
    pub(crate) fn run(mut self) -> Result<Ended, EngineError> {
        self.find_tasks()?;
        loop {
            let events = self.wait();
            if let Some(ended) = self.turn(events)? {
                return Ok(ended);
            }
        }
    }

    /// Takes over what runs on this machine: what happened while no engine was there comes first,
    /// then what was asked for and may not have been done, then what nobody wants any more.
    fn find_tasks(&mut self) -> Result<(), EngineError> {
        self.settle_loopback()?;
        let mut observations = self.parts.tasks.recover();
        let known = self.parts.tasks.known_tasks();
        observations.extend(self.vanished(&known));
        if !observations.is_empty() {
            tracing::info!(reports = observations.len(), "recovered what tasks did meanwhile");
        }
        let inputs = observations.into_iter().map(Input::Observed).collect();
        self.commit(inputs, Vec::new())?;
        let platform = self.parts.ledger.platform();
        let outstanding = platform.outstanding();
        let unwanted = known
            .into_iter()
            .filter(|id| platform.task(*id).is_none_or(|task| task.phase == Phase::Stopped));
        let unwanted: Vec<Effect> = unwanted.map(|task| Effect::ReleaseTask { task }).collect();
        self.carry_out(outstanding);
        self.carry_out(unwanted);
        Ok(())
    }

    /// Containers that ran and of which nothing at all is left on this machine.
    fn vanished(&self, known: &[neargate_core::id::TaskId]) -> Vec<Observation> {
        let known: std::collections::BTreeSet<_> = known.iter().copied().collect();
        let tasks = self.parts.ledger.platform().tasks();
        tasks
            .filter(|task| !known.contains(&task.id))
            .flat_map(|task| {
                let containers = task.definition().containers.iter().zip(&task.containers);
                let running = containers.filter(|(_, c)| c.status == ContainerStatus::Running);
                running.map(|(definition, _)| Observation::ContainerExited {
                    task: task.id,
                    container: definition.name.clone(),
                    exit: Exit::Unknown,
                })
            })
            .collect()
    }

    /// What has happened: at least one event, or none when it is time for something.
    fn wait(&self) -> Vec<Event> {
        let first = match self.patience() {
            None => self.parts.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => self.parts.events.recv_timeout(patience),
        };
        let mut events = match first {
            Ok(event) => vec![event],
            Err(RecvTimeoutError::Timeout) => return Vec::new(),
            // Nothing can ever happen again.
            Err(RecvTimeoutError::Disconnected) => return vec![Event::Stop],
        };
        while events.len() < BATCH
            && let Ok(event) = self.parts.events.try_recv()
        {
            events.push(event);
        }
        events
    }

    /// How long to wait for an event in real time; `None` is for ever.
    fn patience(&self) -> Option<Duration> {
        let now = self.parts.clock.now();
        let timer = match &self.stuck {
            Some(stuck) => Some(STUCK_RETRY.saturating_sub(stuck.last_try.elapsed())),
            None => {
                let wake = self.parts.ledger.platform().next_wake();
                wake.map(|at| self.parts.clock.until(now, at))
            }
        };
        let told = self.take_down.as_ref().and_then(|t| t.edge_told);
        let edge = told.map(|at| EDGE_END.saturating_sub(at.elapsed()));
        timer.into_iter().chain(edge).min()
    }

    fn turn(&mut self, events: Vec<Event>) -> Result<Option<Ended>, EngineError> {
        let mut batch = Batch::default();
        for event in events {
            self.sort(event, &mut batch);
        }
        self.commit(batch.inputs, batch.waiting)?;
        self.serve_aws(batch.aws)?;
        for call in batch.metadata {
            self.serve_metadata(call)?;
        }
        self.go_on_taking_down()?;
        self.sync_edge();
        for (question, reply) in batch.questions {
            reply.send(self.answer(&question));
        }
        self.parts.ledger.snapshot_if_due();
        if batch.stop {
            tracing::info!("stopping; tasks and edge go on");
            return Ok(Some(Ended::Stopped));
        }
        Ok(self.ended_with(batch.edge_gone))
    }

    /// Puts an event where it belongs.
    fn sort(&mut self, event: Event, batch: &mut Batch) {
        match event {
            Event::Observed(observation) => batch.inputs.push(Input::Observed(observation)),
            Event::Request(Request::Commands { commands, images, secrets }, reply) => {
                if self.take_down.is_some() {
                    let why = "nothing changed: the platform is being taken down";
                    return reply.send(Response::Rejected(why.to_owned()));
                }
                if !images.is_empty()
                    && let Err(why) = self.parts.tasks.put_images(images)
                {
                    let why = format!("nothing changed: {why}");
                    return reply.send(Response::Rejected(why));
                }
                let made_up = Missing::of(self.platform(), &secrets).make_up();
                let commands = [self.parts.vault.commands(made_up), commands].concat();
                batch.waiting.push((batch.inputs.len(), reply));
                batch.inputs.push(Input::Commands(commands));
            }
            Event::Request(Request::PutSecrets(values), reply) => {
                batch.waiting.push((batch.inputs.len(), reply));
                batch.inputs.push(Input::Commands(self.parts.vault.commands(values)));
            }
            Event::Request(Request::Down, reply) => self.begin_take_down(Then::End, reply),
            Event::Aws(call) => batch.aws.push(call),
            Event::Metadata(call) => batch.metadata.push(call),
            Event::Reset(reply) => self.begin_take_down(Then::StartOver, reply),
            Event::Request(question, reply) => batch.questions.push((question, reply)),
            Event::EdgeConnected(connection) => {
                self.edge = Some(connection);
                self.sync_due = true;
            }
            Event::EdgeSaid(connection, message) => {
                // What an earlier edge said is not about this one.
                if self.edge.as_ref().is_some_and(|e| e.number == connection) {
                    let observation = data_plane::observation(message);
                    batch.inputs.extend(observation.map(Input::Observed));
                }
            }
            Event::EdgeLost(connection) => {
                if self.edge.as_ref().is_some_and(|e| e.number == connection) {
                    self.edge = None;
                }
            }
            Event::EdgeGone => batch.edge_gone = true,
            Event::Stop => batch.stop = true,
        }
    }

    /// Makes inputs durable, then answers and carries out what came of them.
    fn commit(
        &mut self,
        inputs: Vec<Input>,
        waiting: Vec<(usize, Reply)>,
    ) -> Result<(), EngineError> {
        let now = self.parts.clock.now();
        let mut before = 0;
        let mut all = Vec::new();
        if let Some(stuck) = &mut self.stuck {
            if waiting.is_empty() && stuck.last_try.elapsed() < STUCK_RETRY {
                let observed = inputs.into_iter().filter_map(|input| match input {
                    Input::Observed(observation) => Some(observation),
                    Input::Commands(_) | Input::Tick => None,
                });
                stuck.observations.extend(observed);
                return still_bearable(stuck);
            }
            let earlier = std::mem::take(&mut stuck.observations);
            all.extend(earlier.into_iter().map(Input::Observed));
            before = all.len();
        }
        all.extend(inputs);
        let timer_due = self.parts.ledger.platform().next_wake().is_some_and(|at| at <= now);
        if all.is_empty() && (timer_due || self.stuck.is_some()) {
            all.push(Input::Tick);
        }
        match self.parts.ledger.commit(now, all) {
            Ok(commit) => {
                if self.stuck.take().is_some() {
                    tracing::info!("the journal can be written again");
                }
                let mut results = commit.results;
                for (index, reply) in waiting {
                    let result = results.get_mut(before + index);
                    let result = result.map_or(Ok(()), |r| std::mem::replace(r, Ok(())));
                    reply.send(match result {
                        Ok(()) => Response::Accepted,
                        Err(rejection) => Response::Rejected(rejection.to_string()),
                    });
                }
                self.carry_out(commit.effects);
                Ok(())
            }
            Err(not_committed) => {
                let why = self.journal_failed(not_committed)?;
                for (_, reply) in waiting {
                    reply.send(Response::Rejected(why.clone()));
                }
                Ok(())
            }
        }
    }

    /// Remembers what must be told again; in plain words why nothing changed.
    fn journal_failed(&mut self, not_committed: NotCommitted) -> Result<String, EngineError> {
        let NotCommitted { reason, observations } = not_committed;
        if self.stuck.is_none() {
            tracing::error!(reason, "the journal cannot be written; trying again");
        }
        still_bearable(self.stuck.insert(Stuck { observations, last_try: monotonic() }))?;
        Ok(format!("nothing changed: the journal cannot be written: {reason}"))
    }

    /// Tells the platform which addresses this machine has for tasks, unless it knows.
    fn settle_loopback(&mut self) -> Result<(), EngineError> {
        let network = self.parts.loopback;
        if self.platform().loopback() == network {
            return Ok(());
        }
        self.commit(vec![Input::Commands(vec![Command::SetLoopback { network }])], Vec::new())
    }

    /// As of the newest durable input; while operations are held, as they left it.
    pub(crate) fn platform(&self) -> &Platform {
        self.parts.ledger.platform()
    }

    /// Opens secrets, and makes them.
    pub(crate) fn vault(&self) -> &Vault {
        &self.parts.vault
    }

    /// What operations may need beside the platform.
    pub(crate) fn rooms(&self) -> &Arc<dyn Rooms> {
        &self.parts.rooms
    }

    /// Lets an idle platform know what time it is, roughly: operations note the platform's time as
    /// that of what they make.
    pub(crate) fn see_the_time(&mut self) -> Result<(), EngineError> {
        let idle_ms = self.parts.clock.now().since(self.parts.ledger.platform().now());
        match idle_ms > STALE_MS && self.stuck.is_none() && self.take_down.is_none() {
            true => self.commit(vec![Input::Tick], Vec::new()),
            false => Ok(()),
        }
    }

    /// Commands of one client, held with what comes of them. `Err` says why they could not even be
    /// tried. `answer` words the result from the platform after them, and may name one more command
    /// that is durable together with them.
    pub(crate) fn hold_commands<T>(
        &mut self,
        commands: Vec<Command>,
        held: &mut Held,
        answer: impl FnOnce(&Platform) -> (T, Option<Command>),
    ) -> Result<Result<Result<T, Rejection>, String>, EngineError> {
        if self.take_down.is_some() {
            return Ok(Err("nothing changed: the platform is being taken down".to_owned()));
        }
        if self.stuck.is_some() {
            // What the world reported meanwhile comes first. Nothing is held: it was put back when
            // the journal failed.
            self.commit(vec![Input::Tick], Vec::new())?;
        }
        if self.stuck.is_some() {
            return Ok(Err("nothing changed: the journal cannot be written".to_owned()));
        }
        let now = self.parts.clock.now();
        let (result, effects) = self.parts.ledger.hold(now, commands, answer);
        held.effects.extend(effects);
        Ok(Ok(result))
    }

    /// Whether an operation has changed something that is not durable yet.
    pub(crate) fn is_holding(&self) -> bool {
        self.parts.ledger.is_holding()
    }

    /// Makes durable what is held; then its effects are carried out and its answers sent. When it
    /// cannot be, nothing of it happened, and whoever waits is told so. Answers whether it is.
    pub(crate) fn write_held(&mut self, held: &mut Held) -> Result<bool, EngineError> {
        let Held { answers, effects } = std::mem::take(held);
        match self.parts.ledger.write_held() {
            Ok(()) => {
                self.carry_out(effects);
                for held in answers {
                    held.send();
                }
                Ok(true)
            }
            Err(not_committed) => {
                let why = self.journal_failed(not_committed)?;
                for held in answers {
                    held.refuse(&why);
                }
                Ok(false)
            }
        }
    }

    /// Hands effects to whoever carries them out. None of it blocks.
    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::StartContainer { launch, container } = effect {
                self.start_container(launch, container);
            } else if let Effect::Emit { event, .. } = &effect {
                tracing::info!(target: "neargate::event", "{}", event.message);
            } else if let Some(message) = data_plane::apply(&effect) {
                // Without an edge, or before its first Sync, the Sync will say it.
                if !self.sync_due {
                    self.tell_edge(message);
                }
            } else {
                self.parts.tasks.perform(effect);
            }
        }
    }

    /// With its secrets and the addresses it may ask about itself, which are made at this moment
    /// and go no other way.
    fn start_container(&self, launch: Arc<TaskLaunch>, container: String) {
        let definition = launch.definition.container(&container);
        let secrets = definition.map_or(Ok(BTreeMap::new()), |definition| {
            let mut values = self.parts.vault.values(self.platform(), definition)?;
            let url = self.parts.status.metadata_url();
            values.extend(metadata::variables(&self.parts.vault, url, &launch, &container));
            Ok(values)
        });
        self.parts.tasks.start_container(launch, container, secrets);
    }

    fn tell_edge(&mut self, message: ToEdge) {
        if let Some(edge) = &self.edge
            && edge.outbox.try_send(message).is_err()
        {
            tracing::warn!(pid = edge.pid, "the edge does not keep up; starting over with it");
            self.edge = None;
            self.parts.link.reconnect();
        }
    }

    /// What a new connection begins with.
    fn sync_edge(&mut self) {
        if std::mem::take(&mut self.sync_due) {
            let to_end = self.take_down.as_ref().is_some_and(|t| t.edge_told.is_some());
            // One that came when all was gone already has nothing left to do.
            let message = match to_end {
                true => ToEdge::Shutdown,
                false => data_plane::sync(self.parts.ledger.platform()),
            };
            self.tell_edge(message);
        }
    }

    fn answer(&self, question: &Request) -> Response {
        let platform = self.parts.ledger.platform();
        match question {
            Request::Status => {
                let edge = self.edge.as_ref().map(|edge| edge.pid);
                Response::Status(self.parts.status.now(edge))
            }
            Request::Platform => Response::Platform(views::platform(platform)),
            Request::Inventory => Response::Inventory(inventory(platform)),
            Request::Events { cluster, service } => {
                match views::events(platform, cluster.as_deref(), service) {
                    Ok(events) => Response::Events(events),
                    Err(why) => Response::Rejected(why),
                }
            }
            Request::MissingSecrets { references } => {
                Response::Missing(Missing::of(platform, references).names())
            }
            // Sorted into inputs before.
            Request::Commands { .. } | Request::PutSecrets(_) | Request::Down => {
                Response::Rejected("this is no question".to_owned())
            }
        }
    }

    fn begin_take_down(&mut self, then: Then, reply: Reply) {
        match &mut self.take_down {
            None => {
                tracing::info!("taking the platform down");
                self.take_down = Some(TakeDown { then, replies: vec![reply], edge_told: None });
            }
            Some(take_down) if take_down.then == then => take_down.replies.push(reply),
            Some(_) => {
                let why = "the platform is already being taken down";
                reply.send(Response::Rejected(why.to_owned()));
            }
        }
    }

    /// One step after the other, as far as it goes now.
    fn go_on_taking_down(&mut self) -> Result<(), EngineError> {
        while let Some(take_down) = &self.take_down
            && take_down.edge_told.is_none()
            && self.stuck.is_none()
        {
            match take_down::next(self.parts.ledger.platform()) {
                Next::Wait => break,
                Next::Done => {
                    self.nothing_is_left();
                    self.settle_loopback()?;
                }
                Next::Commands(commands) => self.commit_own(commands)?,
            }
        }
        Ok(())
    }

    /// Commands of the engine itself; a refusal ends the taking down.
    fn commit_own(&mut self, commands: Vec<Command>) -> Result<(), EngineError> {
        let (reply, mut answer) = Reply::pair();
        self.commit(vec![Input::Commands(commands)], vec![(0, reply)])?;
        match answer.response.try_recv() {
            // Not written yet: tried again when the journal can be.
            _ if self.stuck.is_some() => {}
            Ok(Response::Rejected(why)) => {
                tracing::error!(why, "the platform cannot be taken down");
                for reply in self.take_down.take().map(|t| t.replies).unwrap_or_default() {
                    reply.send(Response::Rejected(why.clone()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn nothing_is_left(&mut self) {
        match self.take_down.take() {
            Some(take_down) if take_down.then == Then::StartOver => {
                let genesis = (self.parts.genesis)(self.parts.ledger.platform().identity());
                let response = match self.parts.ledger.reset(&genesis) {
                    Ok(()) => {
                        self.parts.tasks.start_over();
                        Response::Accepted
                    }
                    Err(error) => Response::Rejected(in_full(&error)),
                };
                // Generations start over: what this edge still says counts by the old ones.
                self.edge = None;
                self.parts.link.reconnect();
                for reply in take_down.replies {
                    reply.send(response.clone());
                }
            }
            Some(take_down) => {
                // In this order, or the link would replace an edge that is quick to end.
                self.parts.link.retire();
                self.tell_edge(ToEdge::Shutdown);
                self.take_down = Some(TakeDown { edge_told: Some(monotonic()), ..take_down });
            }
            None => {}
        }
    }

    /// The end, once the edge has gone.
    fn ended_with(&mut self, edge_gone: bool) -> Option<Ended> {
        let told = self.take_down.as_mut()?.edge_told.as_mut()?;
        if edge_gone {
            tracing::info!("everything is stopped");
            return self.take_down.take().map(|take_down| Ended::Down(take_down.replies));
        }
        if told.elapsed() >= EDGE_END {
            // The link ends it the hard way.
            *told = monotonic();
            self.parts.link.reconnect();
        }
        None
    }
}

fn still_bearable(stuck: &Stuck) -> Result<(), EngineError> {
    let waiting = stuck.observations.len();
    if waiting > STUCK_LIMIT { Err(EngineError::JournalStuck { waiting }) } else { Ok(()) }
}
