//! AWS requests: from the endpoint's threads to the main loop, where the platform is, and back.
//!
//! Operations run one after the other between two turns of the main loop: an operation that changes
//! something was worded for the platform it saw, so nothing may come between it and its commands.
//! What those that came together change is durable with one append, and only then is any of them
//! answered: also who only asked, for the answer may tell of a change.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use neargate_core::Platform;
use neargate_core::effect::Effect;
use neargate_services::{Answer, Errand, Next, Rooms, Trip};
use neargate_wire::{AwsError, Services};
use serde_json::Value;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::event::Event;
use crate::retries::{self, Invocation};

/// A request that has been understood and waits for its answer.
#[derive(Debug)]
pub(crate) struct AwsCall {
    service: String,
    asks: Asks,
    invocation: Option<Invocation>,
    answer: SyncSender<Answered>,
}

/// What a request wants of the main loop.
pub(crate) enum Asks {
    /// An operation, on this input.
    Operation(String, Value),
    /// The one of that name was in the rooms and goes on.
    GoOn(String, Next),
}

impl AwsCall {
    /// With where its answer will come.
    pub(crate) fn new(
        service: &str,
        asks: Asks,
        invocation: Option<Invocation>,
    ) -> (AwsCall, Receiver<Answered>) {
        let (answer, answered) = sync_channel(1);
        (AwsCall { service: service.to_owned(), asks, invocation, answer }, answered)
    }
}

impl std::fmt::Debug for Asks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Asks::Operation(name, _) => f.write_str(name),
            Asks::GoOn(name, _) => write!(f, "{name}, going on"),
        }
    }
}

/// What the main loop says to a request.
pub(crate) enum Answered {
    /// This.
    With(Result<Value, AwsError>),
    /// Whoever asked is to find it out in the rooms, where it holds up nobody else.
    GoAndSee(Errand, Arc<dyn Rooms>),
    /// The same with the input, and then come back.
    GoAndComeBack(Trip, Arc<dyn Rooms>, Value),
}

impl Answered {
    /// The answer of an operation that ends on the main loop or in the rooms.
    pub(crate) fn result(self) -> Result<Value, AwsError> {
        match self {
            Answered::With(answer) => answer,
            Answered::GoAndSee(errand, rooms) => errand(&*rooms),
            Answered::GoAndComeBack(..) => Err(unavailable("the operation has not ended")),
        }
    }
}

/// What came of operations whose changes are not durable yet.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) answers: Vec<HeldAnswer>,
    /// In order.
    pub(crate) effects: Vec<Effect>,
}

/// An answer and who waits for it. They may have gone; that is their affair.
pub(crate) struct HeldAnswer {
    to: SyncSender<Answered>,
    answer: Answered,
}

impl HeldAnswer {
    pub(crate) fn send(self) {
        let _gone = self.to.send(self.answer);
    }

    /// Says instead why nothing happened.
    pub(crate) fn refuse(self, why: &str) {
        let _gone = self.to.send(Answered::With(Err(unavailable(why))));
    }
}

/// So many operations become durable together at most: the first of them waits for the others.
const GROUP: usize = 64;

/// The services as the wire sees them: every call is an event of the main loop.
pub(crate) struct ToMainLoop {
    pub(crate) events: SyncSender<Event>,
    /// Of the request that is answered.
    pub(crate) invocation: Option<Invocation>,
}

impl Services for ToMainLoop {
    fn serves(&self, service: &str, operation: &str) -> bool {
        neargate_services::operation(service, operation).is_some()
    }

    fn call(&self, service: &str, operation: &str, input: Value) -> Result<Value, AwsError> {
        let mut asks = Asks::Operation(operation.to_owned(), input);
        loop {
            match self.ask(service, asks)? {
                Answered::With(answer) => return answer,
                Answered::GoAndSee(errand, rooms) => return errand(&*rooms),
                Answered::GoAndComeBack(trip, rooms, input) => {
                    asks = Asks::GoOn(operation.to_owned(), trip(&*rooms, input)?);
                }
            }
        }
    }
}

impl ToMainLoop {
    fn ask(&self, service: &str, asks: Asks) -> Result<Answered, AwsError> {
        let (call, answered) = AwsCall::new(service, asks, self.invocation.clone());
        let ended = || unavailable("the engine ended before it could answer");
        self.events.send(Event::Aws(call)).map_err(|_| ended())?;
        answered.recv().map_err(|_| ended())
    }
}

impl Engine {
    /// Answers AWS requests; durable before their answers.
    pub(crate) fn serve_aws(&mut self, calls: Vec<AwsCall>) -> Result<(), EngineError> {
        if calls.is_empty() {
            return Ok(());
        }
        self.see_the_time()?;
        let mut held = Held::default();
        for call in calls {
            let AwsCall { service, asks, invocation, answer: to } = call;
            let invocation = invocation.as_ref();
            let answer = match asks {
                Asks::Operation(name, input) => {
                    self.operation(&service, &name, input, invocation, &mut held)?
                }
                Asks::GoOn(name, next) => {
                    let answer = Ok(Answer::Here(next));
                    self.carry_on(&service, &name, answer, Value::Null, invocation, &mut held)?
                }
            };
            held.answers.push(HeldAnswer { to, answer });
            if !self.is_holding() || held.answers.len() >= GROUP {
                self.write_held(&mut held)?;
            }
        }
        self.write_held(&mut held)?;
        Ok(())
    }

    /// Runs one operation by itself, on an input that fits its model; durable when this returns.
    pub(crate) fn run_operation(
        &mut self,
        service: &str,
        name: &str,
        input: Value,
    ) -> Result<Answered, EngineError> {
        let asks = Asks::Operation(name.to_owned(), input);
        let (call, answered) = AwsCall::new(service, asks, None);
        self.serve_aws(vec![call])?;
        let unanswered = |_| Answered::With(Err(unavailable("the operation has not ended")));
        Ok(answered.try_recv().unwrap_or_else(unanswered))
    }

    fn operation(
        &mut self,
        service: &str,
        name: &str,
        input: Value,
        invocation: Option<&Invocation>,
        held: &mut Held,
    ) -> Result<Answered, EngineError> {
        let Some(operation) = neargate_services::operation(service, name) else {
            let what = format!("{name} of {service} is not served");
            let error = AwsError::new("UnknownOperationException", what);
            return Ok(Answered::With(Err(error)));
        };
        let full = format!("{service}:{name}");
        if let Some(kept) = invocation.and_then(|i| retries::kept(self.platform(), i, &full)) {
            return Ok(Answered::With(Ok(kept)));
        }
        let answer = operation(self.platform(), &input);
        self.carry_on(service, name, answer, input, invocation, held)
    }

    /// Follows an operation to its end on the main loop.
    fn carry_on(
        &mut self,
        service: &str,
        name: &str,
        mut answer: Result<Answer, AwsError>,
        input: Value,
        invocation: Option<&Invocation>,
        held: &mut Held,
    ) -> Result<Answered, EngineError> {
        while let Ok(Answer::Here(next)) = answer {
            // The rooms know of a change once its effects are carried out.
            if self.is_holding() && !self.write_held(held)? {
                let why = "nothing changed: the journal cannot be written";
                return Ok(Answered::With(Err(unavailable(why))));
            }
            answer = next(self.platform(), &**self.rooms());
        }
        let (commands, answer) = match answer {
            Err(error) => return Ok(Answered::With(Err(error))),
            Ok(Answer::Now(value)) => return Ok(Answered::With(Ok(value))),
            Ok(Answer::Away(errand)) => {
                return Ok(Answered::GoAndSee(errand, Arc::clone(self.rooms())));
            }
            Ok(Answer::Round(trip)) => {
                return Ok(Answered::GoAndComeBack(trip, Arc::clone(self.rooms()), input));
            }
            Ok(Answer::After { commands, answer }) => (commands, answer),
            Ok(Answer::Here(_)) => unreachable!("followed to its end above"),
        };
        let worded = |platform: &Platform| {
            let answer = answer(platform);
            let full = format!("{service}:{name}");
            let keep = invocation.and_then(|invocation| retries::keep(invocation, &full, &answer));
            (answer, keep)
        };
        Ok(Answered::With(match self.hold_commands(commands, held, worded)? {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(rejection)) => Err(neargate_services::refused(service, &rejection)),
            Err(why) => Err(unavailable(&why)),
        }))
    }
}

/// A fault of ours that passes: clients try again.
fn unavailable(why: &str) -> AwsError {
    AwsError::new("ServiceUnavailable", why).with_status(503)
}
