//! AWS requests: from the endpoint's threads to the main loop, where the platform is, and back.
//!
//! Operations run one after the other between two turns of the main loop: an operation that changes
//! something was worded for the platform it saw, so nothing may come between it and its commands.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use neargate_core::Platform;
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
enum Asks {
    /// An operation, on this input.
    Operation(String, Value),
    /// The one of that name was in the rooms and goes on.
    GoOn(String, Next),
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
        let (answer, answered): (_, Receiver<Answered>) = sync_channel(1);
        let invocation = self.invocation.clone();
        let call = AwsCall { service: service.to_owned(), asks, invocation, answer };
        let ended = || unavailable("the engine ended before it could answer");
        self.events.send(Event::Aws(call)).map_err(|_| ended())?;
        answered.recv().map_err(|_| ended())
    }
}

impl Engine {
    /// Answers one AWS request; durable before the answer.
    pub(crate) fn serve_aws(&mut self, call: AwsCall) -> Result<(), EngineError> {
        let AwsCall { service, asks, invocation, .. } = call;
        let answer = match asks {
            Asks::Operation(name, input) => {
                self.run_operation(&service, &name, input, invocation.as_ref())?
            }
            Asks::GoOn(name, next) => {
                let answer = next(self.platform(), &**self.rooms());
                self.carry_on(&service, &name, answer, Value::Null, invocation.as_ref())?
            }
        };
        // Whoever asked may have gone; that is their affair.
        let _gone = call.answer.send(answer);
        Ok(())
    }

    /// Runs one operation on an input that fits its model.
    pub(crate) fn run_operation(
        &mut self,
        service: &str,
        name: &str,
        input: Value,
        invocation: Option<&Invocation>,
    ) -> Result<Answered, EngineError> {
        let Some(operation) = neargate_services::operation(service, name) else {
            let what = format!("{name} of {service} is not served");
            let error = AwsError::new("UnknownOperationException", what);
            return Ok(Answered::With(Err(error)));
        };
        self.see_the_time()?;
        let full = format!("{service}:{name}");
        if let Some(kept) = invocation.and_then(|i| retries::kept(self.platform(), i, &full)) {
            return Ok(Answered::With(Ok(kept)));
        }
        let answer = operation(self.platform(), &input);
        self.carry_on(service, name, answer, input, invocation)
    }

    /// Follows an operation to its end on the main loop.
    fn carry_on(
        &mut self,
        service: &str,
        name: &str,
        mut answer: Result<Answer, AwsError>,
        input: Value,
        invocation: Option<&Invocation>,
    ) -> Result<Answered, EngineError> {
        while let Ok(Answer::Here(next)) = answer {
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
        Ok(Answered::With(match self.commit_commands(commands, worded)? {
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
