//! Tags of everything that has an ARN.

use std::collections::BTreeMap;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{INSTANCES, PARAMETER_GROUPS, SNAPSHOTS, SUBNET_GROUPS};
use crate::error::{self, AwsError};
use crate::records::Records;
use crate::{Answer, arn, fields, tags};

/// The record that an ARN names.
fn find(platform: &Platform, input: &Value) -> Result<(Records, String, Value), AwsError> {
    let text = fields::text(input, "ResourceName").unwrap_or_default();
    let invalid = || {
        let why = format!("Invalid resource name: {text}");
        error::client("InvalidParameterValue", why)
    };
    let (service, resource) = arn::parse(text).ok_or_else(invalid)?;
    let (kind, name) = resource.split_once(':').ok_or_else(invalid)?;
    let (records, code) = match (service, kind) {
        ("rds", "db") => (INSTANCES, "DBInstanceNotFound"),
        ("rds", "subgrp") => (SUBNET_GROUPS, "DBSubnetGroupNotFoundFault"),
        ("rds", "pg") => (PARAMETER_GROUPS, "DBParameterGroupNotFound"),
        ("rds", "snapshot") => (SNAPSHOTS, "DBSnapshotNotFound"),
        _ => return Err(invalid()),
    };
    match records.get(platform, name) {
        Some(record) => Ok((records, name.to_owned(), record)),
        None => Err(error::client(code, format!("Could not find a resource named {text}."))),
    }
}

fn change(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<Answer, AwsError> {
    let (records, key, mut record) = find(platform, input)?;
    let mut own = tags::noted(&record);
    change(&mut own);
    tags::note(&mut record, &own);
    Answer::after(vec![records.put(&key, &record)], |_| json!({}))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, _, record) = find(platform, input)?;
    Ok(Answer::Now(json!({ "TagList": tags::write(&tags::noted(&record), tags::LARGE) })))
}

pub(super) fn add(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let new = tags::read(fields::list(input, "Tags"), tags::LARGE);
    change(platform, input, |own| own.extend(new))
}

pub(super) fn remove(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let keys = fields::texts(input, "TagKeys");
    change(platform, input, |own| own.retain(|key, _| !keys.contains(&key.as_str())))
}
