//! DescribeTaskDefinition, DeregisterTaskDefinition and the listings of revisions and families.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::platform::Registered;
use serde_json::{Value, json};

use super::task_definition_view::view;
use super::{errors, page, tagging};
use crate::error::AwsError;
use crate::{Answer, arn, fields, note, tags};

/// What a reference to a task definition leads to.
pub(super) enum Found<'a> {
    Unknown,
    Revision(&'a Registered),
}

/// `family` (its newest ACTIVE revision), `family:revision` or an ARN.
pub(super) fn find<'a>(platform: &'a Platform, reference: &str) -> Found<'a> {
    let reference = arn::resource(reference, "ecs", "task-definition").unwrap_or(reference);
    let found = match reference.split_once(':') {
        Some((family, number)) => {
            number.parse().ok().and_then(|number| platform.task_definition(family, number))
        }
        None => platform.family(reference).iter().rev().find(|r| r.active),
    };
    found.map_or(Found::Unknown, Found::Revision)
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let reference = fields::text(input, "taskDefinition").unwrap_or_default();
    let Found::Revision(registered) = find(platform, reference) else {
        return Err(errors::client("Unable to describe task definition."));
    };
    let mut answer = json!({ "taskDefinition": view(platform, registered) });
    if fields::wants_tags(input) {
        let own = tagging::of_task_definition(platform, registered);
        answer["tags"] = tags::write(&own, tags::SMALL);
    }
    Ok(Answer::Now(answer))
}

pub(super) fn deregister(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let reference = fields::text(input, "taskDefinition").unwrap_or_default();
    let short = arn::resource(reference, "ecs", "task-definition").unwrap_or(reference);
    if !short.contains(':') {
        return Err(errors::client("Revision is missing."));
    }
    let Found::Revision(registered) = find(platform, reference) else {
        return Err(errors::client("The specified task definition does not exist."));
    };
    let family = registered.definition.family.clone();
    let revision = registered.definition.revision;
    let command = Command::DeregisterTaskDefinition { family: family.clone(), revision };
    Answer::after(vec![command], move |platform| {
        let registered = platform.task_definition(&family, revision);
        json!({ "taskDefinition": registered.map(|r| view(platform, r)) })
    })
}

/// ACTIVE, INACTIVE, or DELETE_IN_PROGRESS from DeleteTaskDefinitions on (ECS-TD-8).
pub(super) fn status(platform: &Platform, registered: &Registered) -> &'static str {
    let definition = &registered.definition;
    let arn = arn::task_definition(platform.identity(), &definition.family, definition.revision);
    match registered.active {
        true => "ACTIVE",
        false if note::read(platform, &arn).get("deleteRequestedAt").is_some() => {
            "DELETE_IN_PROGRESS"
        }
        false => "INACTIVE",
    }
}

/// DeleteTaskDefinitions. Numbers of revisions are never given out again, so a revision stays, as
/// one that is being deleted.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = fields::texts(input, "taskDefinitions");
    if asked.is_empty() || asked.len() > 10 {
        return Err(errors::invalid_parameter("taskDefinitions must have 1 to 10 elements."));
    }
    let (mut found, mut failures, mut commands) = (Vec::new(), Vec::new(), Vec::new());
    for asked in asked {
        let short = arn::resource(asked, "ecs", "task-definition").unwrap_or(asked);
        if !short.contains(':') {
            return Err(errors::client("Revision is missing."));
        }
        let Found::Revision(registered) = find(platform, asked) else {
            failures.push(super::missing(asked.to_owned()));
            continue;
        };
        let definition = &registered.definition;
        let (family, revision) = (definition.family.clone(), definition.revision);
        let arn = arn::task_definition(platform.identity(), &family, revision);
        if registered.active {
            failures.push(json!({
                "arn": arn,
                "reason": "The specified task definition is still in ACTIVE status. Please deregister the target and try again.",
            }));
            continue;
        }
        let mut said = note::read(platform, &arn);
        if said.get("deleteRequestedAt").is_none() {
            said["deleteRequestedAt"] = fields::time(platform.now());
            commands.push(note::write(&arn, &said));
        }
        found.push((family, revision));
    }
    Answer::after(commands, move |platform| {
        let views: Vec<Value> = found
            .iter()
            .filter_map(|(family, revision)| platform.task_definition(family, *revision))
            .map(|registered| view(platform, registered))
            .collect();
        json!({ "taskDefinitions": views, "failures": failures })
    })
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    // The name says prefix, the operation means the whole family.
    let family = fields::text(input, "familyPrefix");
    let wanted = fields::text(input, "status").unwrap_or("ACTIVE");
    let descending = fields::text(input, "sort") == Some("DESC");
    let mut revisions: Vec<(&str, u32)> = platform
        .families()
        .filter(|(name, _)| family.is_none_or(|family| family == *name))
        .flat_map(|(name, revisions)| revisions.iter().map(move |r| (name, r)))
        .filter(|(_, r)| status(platform, r) == wanted)
        .map(|(name, r)| (name, r.definition.revision))
        .collect();
    // The order of the keys: `family 0000000007`. A blank sorts before every letter of a family.
    let key = |(family, revision): &(&str, u32)| format!("{family} {revision:010}");
    revisions.sort_by_cached_key(key);
    if descending {
        revisions.reverse();
    }
    let page = page(input, revisions, key, descending, 100)?;
    let arn = |(family, revision): &(&str, u32)| {
        arn::task_definition(platform.identity(), family, *revision)
    };
    let arns: Vec<String> = page.entries.iter().map(arn).collect();
    let mut answer = json!({ "taskDefinitionArns": arns });
    fields::set(&mut answer, "nextToken", page.next);
    Ok(Answer::Now(answer))
}

pub(super) fn list_families(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let prefix = fields::text(input, "familyPrefix").unwrap_or_default();
    let status = fields::text(input, "status").unwrap_or("ACTIVE");
    let families: Vec<String> = platform
        .families()
        .filter(|(name, _)| name.starts_with(prefix))
        .filter(|(_, revisions)| {
            let any_active = revisions.iter().any(|r| r.active);
            // A family is INACTIVE when none of its revisions is ACTIVE.
            matches!((status, any_active), ("ACTIVE", true) | ("INACTIVE", false) | ("ALL", _))
        })
        .map(|(name, _)| name.to_owned())
        .collect();
    let page = page(input, families, String::clone, false, 100)?;
    Ok(Answer::Now(super::arns("families", page)))
}
