//! The AWS services: what an operation asks for in the platform's words, and what the platform
//! looks like in the words of the service's API.
//!
//! An operation is a function of the platform and its input, nothing else. It answers at once, or
//! names the commands that carry it out and how to word the answer afterwards ([`Answer`]); it
//! never changes anything itself and keeps nothing. Inputs have been checked against the service
//! model before they come here; what is checked here is what the model cannot say.
//!
//! Whoever runs an operation must let nothing change the platform between the operation and its
//! commands: they were made for the platform that was seen (numbers of revisions, for one).

pub mod arn;
mod ecs;
mod elbv2;
mod error;
mod fields;
mod logs;
mod names;
mod note;
mod page;
mod servicediscovery;
mod sts;
mod tags;

use neargate_core::input::Command;
use neargate_core::{Platform, Rejection};
use neargate_wire::AwsError;
use serde_json::Value;

/// What an operation comes to.
pub enum Answer {
    /// It changes nothing; this is its answer.
    Now(Value),
    /// It is carried out by commands, all of them or none.
    After {
        /// For the platform that the operation saw.
        commands: Vec<Command>,
        /// Words the answer from the platform after the commands.
        answer: AnswerAfter,
    },
}

/// Words an answer from the changed platform.
pub type AnswerAfter = Box<dyn FnOnce(&Platform) -> Value + Send>;

/// One operation of a service.
pub type Operation = fn(&Platform, &Value) -> Result<Answer, AwsError>;

/// The operations of one service by name.
type Table = &'static [(&'static str, Operation)];

/// Every service by the name of its model.
const SERVICES: &[(&str, Table)] = &[
    ("ecs", ecs::OPERATIONS),
    ("elbv2", elbv2::OPERATIONS),
    ("logs", logs::OPERATIONS),
    ("servicediscovery", servicediscovery::OPERATIONS),
    ("sts", sts::OPERATIONS),
];

/// Every operation that is served, as (service, operation, function).
pub fn operations() -> impl Iterator<Item = (&'static str, &'static str, Operation)> {
    SERVICES.iter().flat_map(|(service, operations)| {
        operations.iter().map(move |(name, operation)| (*service, *name, *operation))
    })
}

/// The function that serves an operation.
#[must_use]
pub fn operation(service: &str, name: &str) -> Option<Operation> {
    let (_, operations) = SERVICES.iter().find(|(known, _)| *known == service)?;
    operations.iter().find(|(known, _)| *known == name).map(|(_, operation)| *operation)
}

/// The core refused the commands of an operation of this service: the same in the service's words.
/// Operations check first, so this is for what only the core can know.
#[must_use]
pub fn refused(service: &str, rejection: &Rejection) -> AwsError {
    match service {
        "ecs" => ecs::refused(rejection),
        "elbv2" => elbv2::refused(rejection),
        "logs" => logs::refused(rejection),
        _ => error::client("InvalidInput", rejection.to_string()),
    }
}

impl Answer {
    /// An answer worded after one or several commands.
    fn after(
        commands: Vec<Command>,
        answer: impl FnOnce(&Platform) -> Value + Send + 'static,
    ) -> Result<Answer, AwsError> {
        Ok(Answer::After { commands, answer: Box::new(answer) })
    }
}
