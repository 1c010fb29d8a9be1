//! Log groups: create, describe, delete.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::log_group::LogGroupSpec;
use serde_json::{Value, json};

use super::{errors, filters, group, name_of, subject, tagging};
use crate::error::{self, AwsError};
use crate::{Answer, fields, note, page, tags};

/// A page has as many groups unless the input says fewer, which the model checks (CWL-GRP-5).
const PAGE: usize = 50;
/// CWL-GRP-4.
const DEFAULT_CLASS: &str = "STANDARD";
/// What a client said about a group and the platform does not act on.
const NOTED: [&str; 3] = ["kmsKeyId", "logGroupClass", "deletionProtectionEnabled"];

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::owned(input, "logGroupName").unwrap_or_default();
    // CWL-GRP-1.
    if name.starts_with("aws/") {
        return Err(errors::invalid_parameter(
            "Log groups starting with aws/ are reserved for AWS.",
        ));
    }
    if platform.log_group(&name).is_some() {
        return Err(errors::exists());
    }
    let subject = subject(platform, &name);
    let mut said = note::members(input, &NOTED);
    said["createdAt"] = json!(platform.now().0);
    tags::note(&mut said, &tagging::sent(input));
    let put = Command::PutLogGroup(LogGroupSpec { name, retention_days: None });
    Answer::after(vec![put, note::write(&subject, &said)], |_| json!({}))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = group(platform, input, "logGroupName")?.name.clone();
    let subject = subject(platform, &name);
    if is_protected(&note::read(platform, &subject)) {
        let why =
            "The log group is protected against deletion: turn its deletion protection off first.";
        return Err(error::client("ValidationException", why));
    }
    let mut commands = filters::forget_all(platform, &name);
    commands.extend([Command::DeleteLogGroup { name }, note::forget(&subject)]);
    Answer::after(commands, |_| json!({}))
}

pub(super) fn protect(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let subject = subject(platform, &group(platform, input, "logGroupIdentifier")?.name);
    let mut said = note::read(platform, &subject);
    note::merge(&mut said, &note::members(input, &["deletionProtectionEnabled"]));
    Answer::after(vec![note::write(&subject, &said)], |_| json!({}))
}

fn is_protected(said: &Value) -> bool {
    fields::flag(said, "deletionProtectionEnabled").unwrap_or(false)
}

fn class(said: &Value) -> &str {
    fields::text(said, "logGroupClass").unwrap_or(DEFAULT_CLASS)
}

fn view(platform: &Platform, group: &LogGroupSpec) -> Value {
    let arn = subject(platform, &group.name);
    let said = note::read(platform, &arn);
    let mut view = json!({
        "logGroupName": group.name,
        "metricFilterCount": filters::metric_filters(platform, group),
        // CWL-GRP-3.
        "arn": format!("{arn}:*"),
        "logGroupArn": arn,
        "logGroupClass": class(&said),
        "deletionProtectionEnabled": is_protected(&said),
    });
    // Of a group that a description file asked for, nobody noted the time.
    fields::set(&mut view, "creationTime", fields::number(&said, "createdAt"));
    fields::set(&mut view, "retentionInDays", group.retention_days);
    fields::set(&mut view, "kmsKeyId", fields::owned(&said, "kmsKeyId"));
    view
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let prefix = fields::text(input, "logGroupNamePrefix");
    let pattern = fields::text(input, "logGroupNamePattern").map(str::to_ascii_lowercase);
    let identifiers = fields::texts(input, "logGroupIdentifiers");
    let ways = [prefix.is_some(), pattern.is_some(), !identifiers.is_empty()];
    if ways.iter().filter(|used| **used).count() > 1 {
        return Err(errors::invalid_parameter(
            "Only one of LogGroup name prefix, LogGroup name pattern and LogGroup identifiers can \
             be used.",
        ));
    }
    let names: Vec<&str> = identifiers.into_iter().map(name_of).collect();
    let wanted = |group: &&LogGroupSpec| {
        let name = group.name.as_str();
        prefix.is_none_or(|prefix| name.starts_with(prefix))
            // CWL-GRP-5: anywhere in the name, whatever the case.
            && pattern.as_ref().is_none_or(|p| name.to_ascii_lowercase().contains(p.as_str()))
            && (names.is_empty() || names.contains(&name))
    };
    let wanted_class = fields::text(input, "logGroupClass");
    let of_class = |group: &&LogGroupSpec| {
        wanted_class.is_none_or(|wanted| {
            class(&note::read(platform, &subject(platform, &group.name))) == wanted
        })
    };
    let found: Vec<&LogGroupSpec> = platform.log_groups().filter(wanted).filter(of_class).collect();
    let size = fields::number(input, "limit").map_or(PAGE, |limit| limit as usize);
    let token = fields::text(input, "nextToken");
    let page = page::page(found, |group| group.name.clone(), false, token, size)
        .map_err(|_| errors::invalid_parameter("The specified nextToken is invalid."))?;
    let views: Vec<Value> = page.entries.iter().map(|group| view(platform, group)).collect();
    let mut answer = json!({ "logGroups": views });
    fields::set(&mut answer, "nextToken", page.next);
    Ok(Answer::Now(answer))
}
