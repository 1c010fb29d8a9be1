//! Values of secrets, their versions and staging labels.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::secrets::{CURRENT, Secret, SecretVersion};
use serde_json::{Value, json};

use super::secrets::answer;
use super::{Found, any, asked, errors, listing, usable};
use crate::error::AwsError;
use crate::records::Ids;
use crate::rooms::Rooms;
use crate::{Answer, fields, page};

/// A value as it came. It goes nowhere but into a seal.
pub(super) struct Given {
    text: String,
    is_binary: bool,
}

impl Given {
    /// The value of a request, if it has one.
    pub(super) fn read(input: &Value) -> Result<Option<Given>, AwsError> {
        let text = fields::owned(input, "SecretString");
        let binary = fields::owned(input, "SecretBinary");
        match (text, binary) {
            (Some(_), Some(_)) => Err(errors::invalid_parameter(
                "You can't specify both a binary secret value and a string secret value in the \
                 same secret.",
            )),
            (Some(text), None) => Ok(Some(Given { text, is_binary: false })),
            (None, Some(text)) if STANDARD.decode(&text).is_ok() => {
                Ok(Some(Given { text, is_binary: true }))
            }
            (None, Some(_)) => Err(errors::invalid_parameter("SecretBinary is not base64.")),
            (None, None) => Ok(None),
        }
    }

    /// What makes it a version of the secret.
    pub(super) fn put(
        &self,
        rooms: &dyn Rooms,
        name: &str,
        version: &str,
        stages: BTreeSet<String>,
    ) -> Command {
        Command::PutSecretValue {
            name: name.to_owned(),
            version: version.to_owned(),
            value: rooms.seal(&self.text),
            stages,
            is_binary: self.is_binary,
        }
    }

    fn is(&self, rooms: &dyn Rooms, version: &SecretVersion) -> bool {
        version.is_binary == self.is_binary
            && rooms.unseal(&version.value).as_ref() == Some(&self.text)
    }
}

/// A request that came before: the answer it got, when the value is the same.
pub(super) fn repeated(name: String, token: String, given: Given) -> Result<Answer, AwsError> {
    Answer::here(move |platform, rooms| {
        let found = usable(platform, &name)?;
        let is_same = found.secret.versions.get(&token).is_some_and(|v| given.is(rooms, v));
        match is_same {
            true => Ok(Answer::Now(put_answer(platform, &name, &token))),
            false => Err(errors::version_exists(&token, &found.arn(platform))),
        }
    })
}

/// Makes a version of a secret, unless it is there already, together with other commands.
pub(super) fn put_given(
    platform: &Platform,
    input: &Value,
    name: String,
    given: Given,
    mut commands: Vec<Command>,
) -> Result<Answer, AwsError> {
    let token = fields::owned(input, "ClientRequestToken");
    let is_there = |token: &String| {
        platform.secret(&name).is_some_and(|secret| secret.versions.contains_key(token))
    };
    if let Some(token) = token.as_ref().filter(|token| is_there(token)) {
        return repeated(name, token.clone(), given);
    }
    let mut ids = Ids::of(platform);
    let version = token.unwrap_or_else(|| ids.uuid());
    let stages = fields::texts(input, "VersionStages").into_iter().map(str::to_owned).collect();
    Answer::here(move |_, rooms| {
        commands.extend([given.put(rooms, &name, &version, stages), ids.taken()]);
        Answer::after(commands, move |platform| put_answer(platform, &name, &version))
    })
}

fn put_answer(platform: &Platform, name: &str, version: &str) -> Value {
    answer(platform, name, Some(version.to_owned()))
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = asked(platform, input)?.name().to_owned();
    let given = Given::read(input)?.ok_or_else(|| {
        errors::invalid_request("You must provide either SecretString or SecretBinary.")
    })?;
    with_answer(put_given(platform, input, name.clone(), given, Vec::new())?, name)
}

/// Adds the labels of the version that was made.
fn with_answer(answer: Answer, name: String) -> Result<Answer, AwsError> {
    let labelled = move |platform: &Platform, mut answer: Value| {
        let version = fields::text(&answer, "VersionId").unwrap_or_default();
        let found = platform.secret(&name).and_then(|secret| secret.versions.get(version));
        let stages = found.map(|version| version.stages.clone()).unwrap_or_default();
        answer["VersionStages"] = json!(stages);
        answer
    };
    Answer::here(move |platform, rooms| {
        let answer = match answer {
            Answer::Here(next) => next(platform, rooms)?,
            other => other,
        };
        match answer {
            Answer::Now(value) => Ok(Answer::Now(labelled(platform, value))),
            Answer::After { commands, answer } => {
                Answer::after(commands, move |platform| labelled(platform, answer(platform)))
            }
            other => Ok(other),
        }
    })
}

/// One value as it is shown.
fn shown(
    platform: &Platform,
    rooms: &dyn Rooms,
    secret: &Secret,
    version: Option<&str>,
    stage: Option<&str>,
) -> Result<Value, AwsError> {
    let missing = || errors::no_version(version, stage);
    let (id, version) = secret.version(version, stage).ok_or_else(missing)?;
    let value = rooms.unseal(&version.value).ok_or_else(errors::decryption)?;
    let member = if version.is_binary { "SecretBinary" } else { "SecretString" };
    Ok(json!({
        "ARN": super::arn_of(platform, secret),
        "Name": secret.name,
        "VersionId": id,
        "VersionStages": version.stages,
        "CreatedDate": fields::time(version.created_at),
        member: value,
    }))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    asked(platform, input)?;
    let input = input.clone();
    Answer::here(move |platform, rooms| {
        let [version, stage] =
            ["VersionId", "VersionStage"].map(|member| fields::text(&input, member));
        let secret = asked(platform, &input)?.secret;
        Ok(Answer::Now(shown(platform, rooms, secret, version, stage)?))
    })
}

pub(super) fn get_several(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    if fields::sent(input, "SecretIdList") == fields::sent(input, "Filters") {
        return Err(errors::invalid_parameter(
            "Exactly one of SecretIdList and Filters must be given.",
        ));
    }
    let input = input.clone();
    Answer::here(move |platform, rooms| {
        let ids: Vec<String> = match fields::sent(&input, "SecretIdList") {
            true => fields::texts(&input, "SecretIdList").into_iter().map(str::to_owned).collect(),
            false => listing::matching(platform, &input, false)?
                .iter()
                .map(|found| found.name().to_owned())
                .collect(),
        };
        let (mut values, mut failures) = (Vec::new(), Vec::new());
        for id in ids {
            let value = usable(platform, &id)
                .and_then(|found| shown(platform, rooms, found.secret, None, None));
            match value {
                Ok(value) => values.push(value),
                Err(error) => failures.push(json!({
                    "SecretId": id, "ErrorCode": error.code, "Message": error.message,
                })),
            }
        }
        Ok(Answer::Now(json!({ "SecretValues": values, "Errors": failures })))
    })
}

pub(super) fn list_versions(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found = any(platform, fields::text(input, "SecretId").unwrap_or_default())?;
    let size = fields::number(input, "MaxResults").unwrap_or(100) as usize;
    let token = fields::text(input, "NextToken");
    let all = found.secret.versions.iter().collect();
    let page = page::page(all, |(id, _): &(&String, _)| (*id).clone(), false, token, size)
        .map_err(|_| listing::invalid_token())?;
    let views = page.entries.into_iter().map(|(id, version)| {
        json!({
            "VersionId": id,
            "VersionStages": version.stages,
            "CreatedDate": fields::time(version.created_at),
        })
    });
    let mut answer = found.names(platform);
    answer["Versions"] = views.collect();
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

pub(super) fn move_stage(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found = asked(platform, input)?;
    let stage = fields::owned(input, "VersionStage").unwrap_or_default();
    let from = fields::owned(input, "RemoveFromVersionId");
    let to = fields::owned(input, "MoveToVersionId");
    check_move(&found, &stage, from.as_deref(), to.as_deref())?;
    let names = found.names(platform);
    let moved = Command::MoveSecretStage { name: found.name().to_owned(), stage, to };
    Answer::after(vec![moved], move |_| names)
}

fn check_move(
    found: &Found<'_>,
    stage: &str,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(), AwsError> {
    let secret = found.secret;
    for version in [from, to].into_iter().flatten() {
        if !secret.versions.contains_key(version) {
            return Err(errors::no_version(Some(version), None));
        }
    }
    let holder = secret.version(None, Some(stage)).map(|(id, _)| id);
    if let Some(from) = from.filter(|from| holder != Some(*from)) {
        return Err(errors::invalid_parameter(format!(
            "The RemoveFromVersionId {from} does not have the staging label {stage}."
        )));
    }
    if from.is_none() && holder.is_some() && holder != to {
        return Err(errors::invalid_parameter(format!(
            "The staging label {stage} is on the version {}: give it in RemoveFromVersionId.",
            holder.unwrap_or_default()
        )));
    }
    if stage == CURRENT && to.is_none() {
        return Err(errors::invalid_parameter(
            "You can't remove the staging label AWSCURRENT; move it to another version.",
        ));
    }
    Ok(())
}
