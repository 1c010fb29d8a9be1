//! AWS Secrets Manager. Secrets are the platform's, for containers are given their values
//! (ECS-TD-19); what else clients say of one is a record under its name.
//!
//! A value is sealed in the same moment it is read from a request, and only opened for an answer
//! that shows it.

mod errors;
mod listing;
mod password;
mod policies;
mod rotation;
mod secrets;
mod tagging;
mod values;

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::secrets::Secret;
use serde_json::{Value, json};

use crate::error::AwsError;
use crate::records::{Records, table};
use crate::{Table, arn, fields};

pub(crate) const OPERATIONS: Table = &[
    ("BatchGetSecretValue", values::get_several),
    ("CancelRotateSecret", rotation::cancel),
    ("CreateSecret", secrets::create),
    ("DeleteResourcePolicy", policies::delete),
    ("DeleteSecret", secrets::delete),
    ("DescribeSecret", secrets::describe),
    ("GetRandomPassword", password::get),
    ("GetResourcePolicy", policies::get),
    ("GetSecretValue", values::get),
    ("ListSecretVersionIds", values::list_versions),
    ("ListSecrets", listing::list),
    ("PutResourcePolicy", policies::put),
    ("PutSecretValue", values::put),
    ("RestoreSecret", secrets::restore),
    ("RotateSecret", rotation::rotate),
    ("TagResource", tagging::tag),
    ("UntagResource", tagging::untag),
    ("UpdateSecret", secrets::update),
    ("UpdateSecretVersionStage", values::move_stage),
    ("ValidateResourcePolicy", policies::validate),
];

/// What is said of secrets, by their names.
const SAID: Records = table("secretsmanager", "secret");

/// A secret and what was said of it.
struct Found<'a> {
    secret: &'a Secret,
    said: Value,
}

impl Found<'_> {
    fn name(&self) -> &str {
        &self.secret.name
    }

    fn arn(&self, platform: &Platform) -> String {
        arn_of(platform, self.secret)
    }

    /// `ARN` and `Name`, as most answers begin.
    fn names(&self, platform: &Platform) -> Value {
        json!({ "ARN": self.arn(platform), "Name": self.secret.name })
    }

    /// Keeps what is said of it, which is a change of the secret.
    fn keep(mut self, platform: &Platform) -> Command {
        self.said["changedAt"] = json!(platform.now().0);
        SAID.put(&self.secret.name, &self.said)
    }
}

fn arn_of(platform: &Platform, secret: &Secret) -> String {
    let Secret { name, suffix, .. } = secret;
    arn::of(platform.identity(), "secretsmanager", format_args!("secret:{name}-{suffix}"))
}

/// A name out of a `SecretId`: a name, or an ARN with or without its six last letters.
fn name_of(id: &str) -> &str {
    match arn::parse(id) {
        Some(("secretsmanager", resource)) => resource.strip_prefix("secret:").unwrap_or(resource),
        _ => id,
    }
}

/// The secret of that id, also one that is to be deleted (ERR-SEC-1).
fn any<'a>(platform: &'a Platform, id: &str) -> Result<Found<'a>, AwsError> {
    let secret = platform.secret(name_of(id)).ok_or_else(errors::not_found)?;
    let said = SAID.get(platform, &secret.name).unwrap_or_else(|| json!({}));
    Ok(Found { secret, said })
}

/// The secret of that id, unless it is to be deleted (ERR-SEC-1).
fn usable<'a>(platform: &'a Platform, id: &str) -> Result<Found<'a>, AwsError> {
    let found = any(platform, id)?;
    if found.secret.gone_at.is_some() { Err(errors::marked()) } else { Ok(found) }
}

/// The secret that `SecretId` names, unless it is to be deleted.
fn asked<'a>(platform: &'a Platform, input: &Value) -> Result<Found<'a>, AwsError> {
    usable(platform, fields::text(input, "SecretId").unwrap_or_default())
}
