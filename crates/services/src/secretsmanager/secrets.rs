//! Secrets: create, change, describe, delete.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::values::{self, Given};
use super::{Found, SAID, any, asked, errors, name_of};
use crate::error::AwsError;
use crate::records::Ids;
use crate::{Answer, fields, note, tags};

/// Days a deleted secret can be restored, unless said otherwise.
const RECOVERY_DAYS: u64 = 30;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// What a client may say of a secret.
const SAID_MEMBERS: [&str; 3] = ["Description", "KmsKeyId", "Type"];

fn check_name(name: &str) -> Result<(), AwsError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-!".contains(c);
    match name.chars().all(is_allowed) {
        true => Ok(()),
        false => Err(crate::error::client(
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the \
             following: -/_+=.@!",
        )),
    }
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::owned(input, "Name").unwrap_or_default();
    check_name(&name)?;
    let given = Given::read(input)?;
    let token = fields::owned(input, "ClientRequestToken");
    // The name as it is: `db-abcdef` is not the secret `db` here.
    if let Some(old) = platform.secret(&name).filter(|old| old.name == name) {
        if old.gone_at.is_some() {
            return Err(errors::invalid_request(
                "You can't create this secret because a secret with this name is already \
                 scheduled for deletion.",
            ));
        }
        let has_version = token.as_ref().is_some_and(|token| old.versions.contains_key(token));
        return match (token, given) {
            (Some(token), Some(given)) if has_version => values::repeated(name, token, given),
            _ => Err(errors::exists(&name)),
        };
    }
    let mut said = note::members(input, &SAID_MEMBERS);
    tags::note(&mut said, &tags::read(fields::list(input, "Tags"), tags::LARGE));
    said["changedAt"] = json!(platform.now().0);
    let kept = SAID.put(&name, &said);
    let mut ids = Ids::of(platform);
    let version = given.as_ref().map(|_| token.unwrap_or_else(|| ids.uuid()));
    Answer::here(move |_, rooms| {
        let mut commands = vec![Command::CreateSecret { name: name.clone() }, kept, ids.taken()];
        if let (Some(given), Some(version)) = (&given, &version) {
            commands.push(given.put(rooms, &name, version, [].into()));
        }
        Answer::after(commands, move |platform| answer(platform, &name, version))
    })
}

/// The names of a secret, and a version of it.
pub(super) fn answer(platform: &Platform, name: &str, version: Option<String>) -> Value {
    let mut answer = any(platform, name).map_or_else(|_| json!({}), |found| found.names(platform));
    fields::set(&mut answer, "VersionId", version);
    answer
}

pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut found = asked(platform, input)?;
    let name = found.name().to_owned();
    note::merge(&mut found.said, &note::members(input, &SAID_MEMBERS));
    let kept = found.keep(platform);
    match Given::read(input)? {
        Some(given) => values::put_given(platform, input, name, given, vec![kept]),
        None => Answer::after(vec![kept], move |platform| answer(platform, &name, None)),
    }
}

/// As DescribeSecret and ListSecrets show a secret.
pub(super) fn view(platform: &Platform, found: &Found<'_>, stages: &str) -> Value {
    let Found { secret, said } = found;
    let versions = secret.versions.iter();
    let labels = versions.clone().map(|(id, version)| (id.clone(), json!(version.stages)));
    let newest = versions.map(|(_, version)| version.created_at).max();
    let changed = fields::number(said, "changedAt").map(neargate_core::time::Time);
    let mut view = json!({
        "ARN": found.arn(platform),
        "Name": secret.name,
        "CreatedDate": fields::time(secret.created_at),
        "LastChangedDate": fields::time(changed.max(newest).unwrap_or(secret.created_at)),
        "Tags": tags::write(&tags::noted(said), tags::LARGE),
        stages: labels.collect::<Value>(),
    });
    note::merge(&mut view, &note::members(said, &SAID_MEMBERS));
    let rotation = ["RotationEnabled", "RotationRules", "RotationLambdaARN", "NextRotationDate"];
    note::merge(&mut view, &note::members(said, &rotation));
    fields::set(&mut view, "DeletedDate", secret.gone_at.map(fields::time));
    view
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found = any(platform, fields::text(input, "SecretId").unwrap_or_default())?;
    Ok(Answer::Now(view(platform, &found, "VersionIdsToStages")))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "SecretId").unwrap_or_default();
    let is_forced = fields::flag(input, "ForceDeleteWithoutRecovery").unwrap_or(false);
    let days = fields::number(input, "RecoveryWindowInDays");
    if is_forced && days.is_some() {
        return Err(errors::invalid_parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ));
    }
    let days = days.unwrap_or(RECOVERY_DAYS);
    if !(7..=30).contains(&days) {
        return Err(errors::invalid_parameter(
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        ));
    }
    let found = match any(platform, id) {
        // What is to be gone is gone.
        Err(_) if is_forced => {
            let name = name_of(id);
            let resource = format_args!("secret:{name}");
            let arn = crate::arn::of(platform.identity(), "secretsmanager", resource);
            let now = fields::time(platform.now());
            return Ok(Answer::Now(json!({ "ARN": arn, "Name": name, "DeletionDate": now })));
        }
        Ok(found) if !is_forced && found.secret.gone_at.is_some() => return Err(errors::marked()),
        found => found?,
    };
    let now = platform.now();
    let gone_at = if is_forced { now } else { now.plus(days * DAY_MS) };
    let name = found.name().to_owned();
    let mut answer = found.names(platform);
    answer["DeletionDate"] = fields::time(gone_at);
    let mut commands = vec![Command::DeleteSecret { name: name.clone(), gone_at }];
    if is_forced {
        commands.push(SAID.remove(&name));
    }
    Answer::after(commands, move |_| answer)
}

pub(super) fn restore(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found = any(platform, fields::text(input, "SecretId").unwrap_or_default())?;
    let names = found.names(platform);
    let restore = Command::RestoreSecret { name: found.name().to_owned() };
    Answer::after(vec![restore], move |_| names)
}
