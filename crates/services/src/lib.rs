//! The AWS services: what an operation asks for in the platform's words, and what the platform
//! looks like in the words of the service's API.
//!
//! An operation is a function of the platform and its input, nothing else. It answers at once, or
//! names the commands that carry it out and how to word the answer afterwards ([`Answer`]); it
//! never changes the platform itself and keeps nothing. What is not the platform's (secret values,
//! lines of logs) it gets from [`Rooms`]. Inputs have been checked against the service
//! model before they come here; what is checked here is what the model cannot say.
//!
//! Things that the platform acts on are read from it and changed by its commands. Everything else
//! is a record (`records`).
//!
//! Whoever runs an operation must let nothing change the platform between the operation and its
//! commands: they were made for the platform that was seen (numbers of revisions, for one).

mod acm;
mod application_autoscaling;
pub mod arn;
mod budgets;
mod cloudfront;
mod cloudtrail;
mod cloudwatch;
mod codebuild;
mod codedeploy;
mod codepipeline;
mod codestar_connections;
mod ec2;
mod ecr;
mod ecs;
mod elasticache;
mod elbv2;
mod error;
mod events;
mod fields;
mod guardduty;
mod iam;
mod kms;
mod logs;
mod names;
mod note;
mod page;
mod place;
mod policy_document;
mod rds;
mod records;
mod rooms;
mod route53;
mod s3;
mod secretsmanager;
mod servicediscovery;
mod ses;
mod sns;
mod sqs;
mod ssm;
mod sts;
mod tags;

use neargate_core::input::Command;
use neargate_core::{Platform, Rejection};
use neargate_wire::AwsError;
use serde_json::Value;

pub use rooms::{Issued, Rooms};
pub use s3::objects_in_use;

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
    /// It needs a room beside the platform, and not for long: the platform stands still meanwhile.
    Here(Next),
    /// It needs a room beside the platform and may take its time there; the platform goes on.
    Away(Errand),
    /// The same with the whole input, and then it comes back to a platform that may have changed.
    Round(Trip),
}

/// How an operation goes on with the rooms at hand.
pub type Next = Box<dyn FnOnce(&Platform, &dyn Rooms) -> Result<Answer, AwsError> + Send>;

/// What an operation does in the rooms; its result is the answer.
pub type Errand = Box<dyn FnOnce(&dyn Rooms) -> Result<Value, AwsError> + Send>;

/// What an operation does in the rooms with its input, which may be large, before it comes back.
pub type Trip = Box<dyn FnOnce(&dyn Rooms, Value) -> Result<Next, AwsError> + Send>;

/// Words an answer from the changed platform.
pub type AnswerAfter = Box<dyn FnOnce(&Platform) -> Value + Send>;

/// One operation of a service.
pub type Operation = fn(&Platform, &Value) -> Result<Answer, AwsError>;

/// The operations of one service by name.
type Table = &'static [(&'static str, Operation)];

/// Every service by the name of its model.
const SERVICES: &[(&str, Table)] = &[
    ("acm", acm::OPERATIONS),
    ("application-autoscaling", application_autoscaling::OPERATIONS),
    ("budgets", budgets::OPERATIONS),
    ("cloudfront", cloudfront::OPERATIONS),
    ("cloudtrail", cloudtrail::OPERATIONS),
    ("cloudwatch", cloudwatch::OPERATIONS),
    ("codebuild", codebuild::OPERATIONS),
    ("codedeploy", codedeploy::OPERATIONS),
    ("codepipeline", codepipeline::OPERATIONS),
    ("codestar-connections", codestar_connections::OPERATIONS),
    ("ec2", ec2::OPERATIONS),
    ("ecr", ecr::OPERATIONS),
    ("ecs", ecs::OPERATIONS),
    ("elasticache", elasticache::OPERATIONS),
    ("elbv2", elbv2::OPERATIONS),
    ("events", events::OPERATIONS),
    ("guardduty", guardduty::OPERATIONS),
    ("iam", iam::OPERATIONS),
    ("kms", kms::OPERATIONS),
    ("logs", logs::OPERATIONS),
    ("rds", rds::OPERATIONS),
    ("route53", route53::OPERATIONS),
    ("s3", s3::OPERATIONS),
    ("secretsmanager", secretsmanager::OPERATIONS),
    ("servicediscovery", servicediscovery::OPERATIONS),
    ("ses", ses::OPERATIONS),
    ("sns", sns::OPERATIONS),
    ("sqs", sqs::OPERATIONS),
    ("ssm", ssm::OPERATIONS),
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
        "application-autoscaling" => application_autoscaling::refused(rejection),
        "cloudwatch" => cloudwatch::refused(rejection),
        "ec2" => ec2::refused(rejection),
        "ecs" => ecs::refused(rejection),
        "elbv2" => elbv2::refused(rejection),
        "logs" => logs::refused(rejection),
        "servicediscovery" => servicediscovery::refused(rejection),
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

    /// An answer that needs a room for a moment.
    fn here(
        next: impl FnOnce(&Platform, &dyn Rooms) -> Result<Answer, AwsError> + Send + 'static,
    ) -> Result<Answer, AwsError> {
        Ok(Answer::Here(Box::new(next)))
    }

    /// An answer that is got in the rooms first and then from the platform.
    fn round(
        trip: impl FnOnce(&dyn Rooms, Value) -> Result<Next, AwsError> + Send + 'static,
    ) -> Result<Answer, AwsError> {
        Ok(Answer::Round(Box::new(trip)))
    }

    /// An answer that comes from the rooms alone.
    fn away(
        errand: impl FnOnce(&dyn Rooms) -> Result<Value, AwsError> + Send + 'static,
    ) -> Result<Answer, AwsError> {
        Ok(Answer::Away(Box::new(errand)))
    }
}
