//! Tags on load balancers, target groups, listeners and rules.

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::lookup::{self, Listener};
use super::target_groups;
use crate::error::{self, AwsError};
use crate::{Answer, fields, note, tags};

/// At most so many tags on one thing.
const MAX_TAGS: usize = 50;

type Tags = BTreeMap<String, String>;

/// What has that ARN, by the word in it.
fn kind(arn: &str) -> &str {
    let resource = crate::arn::parse(arn).map_or("", |(_, resource)| resource);
    resource.split('/').next().unwrap_or_default()
}

fn read(platform: &Platform, arn: &str) -> Result<Tags, AwsError> {
    Ok(match kind(arn) {
        "loadbalancer" => lookup::load_balancer(platform, arn)?.spec.tags.clone(),
        "targetgroup" => target_groups::find(platform, arn)?.spec.tags.clone(),
        "listener" => tags::noted(&Listener::find(platform, arn)?.said),
        _ => {
            lookup::rule(platform, arn)?;
            tags::noted(&note::read(platform, arn))
        }
    })
}

fn write(platform: &Platform, arn: &str, own: Tags) -> Result<Command, AwsError> {
    if own.len() > MAX_TAGS {
        let message = format!("'{arn}' can have at most {MAX_TAGS} tags");
        return Err(error::client("TooManyTags", message));
    }
    Ok(match kind(arn) {
        "loadbalancer" => {
            let mut spec = lookup::load_balancer(platform, arn)?.spec.clone();
            spec.tags = own;
            Command::PutLoadBalancer(spec)
        }
        "targetgroup" => {
            let mut spec = (*target_groups::find(platform, arn)?.spec).clone();
            spec.tags = own;
            Command::PutTargetGroup(spec)
        }
        _ => {
            let mut said = note::read(platform, arn);
            tags::note(&mut said, &own);
            note::write(arn, &said)
        }
    })
}

/// The tags of a listener or rule that is being made, as its note begins.
pub(super) fn of_new(input: &Value) -> Value {
    let mut said = json!({});
    tags::note(&mut said, &tags::read(fields::list(input, "Tags"), tags::LARGE));
    said
}

/// The same as a command.
pub(super) fn on_new(arn: &str, input: &Value) -> Command {
    note::write(arn, &of_new(input))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut all = Vec::new();
    for arn in fields::texts(input, "ResourceArns") {
        let own = tags::write(&read(platform, arn)?, tags::LARGE);
        all.push(json!({ "ResourceArn": arn, "Tags": own }));
    }
    Ok(Answer::Now(json!({ "TagDescriptions": all })))
}

fn change(
    platform: &Platform,
    input: &Value,
    change: impl Fn(&mut Tags),
) -> Result<Answer, AwsError> {
    let mut commands = Vec::new();
    for arn in fields::texts(input, "ResourceArns") {
        let mut own = read(platform, arn)?;
        change(&mut own);
        commands.push(write(platform, arn, own)?);
    }
    Answer::after(commands, |_| json!({}))
}

pub(super) fn add(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let new = tags::read(fields::list(input, "Tags"), tags::LARGE);
    change(platform, input, |own| own.extend(new.clone()))
}

pub(super) fn remove(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let keys = fields::texts(input, "TagKeys");
    change(platform, input, |own| own.retain(|key, _| !keys.contains(&key.as_str())))
}
