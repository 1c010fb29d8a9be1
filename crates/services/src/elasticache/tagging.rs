//! Tags of everything that has an ARN.

use std::collections::BTreeMap;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{CLUSTERS, GROUPS, PARAMETER_GROUPS, SUBNET_GROUPS};
use crate::error::{self, AwsError};
use crate::records::Records;
use crate::{Answer, arn, fields, tags};

/// The record that an ARN names.
fn find(platform: &Platform, input: &Value) -> Result<(Records, String, Value), AwsError> {
    let text = fields::text(input, "ResourceName").unwrap_or_default();
    let (service, resource) = arn::parse(text).unwrap_or_default();
    let (kind, name) = resource.split_once(':').unwrap_or_default();
    let (records, code) = match (service, kind) {
        ("elasticache", "cluster") => (CLUSTERS, "CacheClusterNotFound"),
        ("elasticache", "replicationgroup") => (GROUPS, "ReplicationGroupNotFoundFault"),
        ("elasticache", "subnetgroup") => (SUBNET_GROUPS, "CacheSubnetGroupNotFoundFault"),
        ("elasticache", "parametergroup") => (PARAMETER_GROUPS, "CacheParameterGroupNotFound"),
        _ => return Err(error::client("InvalidARN", format!("{text} is no ARN of ElastiCache."))),
    };
    match records.get(platform, name) {
        Some(record) => Ok((records, name.to_owned(), record)),
        None => Err(error::client(code, format!("{text} is either not present or not available."))),
    }
}

fn listed(own: &BTreeMap<String, String>) -> Value {
    json!({ "TagList": tags::write(own, tags::LARGE) })
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
    Answer::after(vec![records.put(&key, &record)], move |_| listed(&own))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, _, record) = find(platform, input)?;
    Ok(Answer::Now(listed(&tags::noted(&record))))
}

pub(super) fn add(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let new = tags::read(fields::list(input, "Tags"), tags::LARGE);
    change(platform, input, |own| own.extend(new))
}

pub(super) fn remove(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let keys = fields::texts(input, "TagKeys");
    change(platform, input, |own| own.retain(|key, _| !keys.contains(&key.as_str())))
}
