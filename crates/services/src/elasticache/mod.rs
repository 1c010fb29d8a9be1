//! Amazon ElastiCache: clusters, replication groups with their member clusters, subnet groups and
//! parameter groups.
//!
//! All of them are records: a cache is available from the moment it is made, its endpoints have the
//! right shape, and nothing listens there. Changes take effect at once. An auth token is checked and
//! dropped: a group only knows that it has one.

mod catalogue;
mod clusters;
mod nodes;
mod parameter_groups;
mod replicas;
mod replication_groups;
mod settings;
mod subnet_groups;
mod tagging;

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Table, arn, fields, page, tags};

pub(crate) const OPERATIONS: Table = &[
    ("AddTagsToResource", tagging::add),
    ("CreateCacheCluster", clusters::create),
    ("CreateCacheParameterGroup", parameter_groups::create),
    ("CreateCacheSubnetGroup", subnet_groups::create),
    ("CreateReplicationGroup", replication_groups::create),
    ("DecreaseReplicaCount", replicas::decrease),
    ("DeleteCacheCluster", clusters::delete),
    ("DeleteCacheParameterGroup", parameter_groups::delete),
    ("DeleteCacheSubnetGroup", subnet_groups::delete),
    ("DeleteReplicationGroup", replication_groups::delete),
    ("DescribeCacheClusters", clusters::describe),
    ("DescribeCacheEngineVersions", catalogue::engine_versions),
    ("DescribeCacheParameterGroups", parameter_groups::describe),
    ("DescribeCacheParameters", parameter_groups::parameters),
    ("DescribeCacheSubnetGroups", subnet_groups::describe),
    ("DescribeEvents", catalogue::events),
    ("DescribeReplicationGroups", replication_groups::describe),
    ("IncreaseReplicaCount", replicas::increase),
    ("ListTagsForResource", tagging::list),
    ("ModifyCacheCluster", clusters::modify),
    ("ModifyCacheParameterGroup", parameter_groups::modify),
    ("ModifyCacheSubnetGroup", subnet_groups::modify),
    ("ModifyReplicationGroup", replication_groups::modify),
    ("ModifyReplicationGroupShardConfiguration", replicas::reshard),
    ("RemoveTagsFromResource", tagging::remove),
    ("ResetCacheParameterGroup", parameter_groups::reset),
    ("TestFailover", replicas::failover),
];

/// `{"view": as the API shows it, "tags": {..}}`, each by its name.
const CLUSTERS: Records = table("elasticache", "cluster");
/// Also with `"like"`, the settings that every member has, `"shards"` and `"replicas"`.
const GROUPS: Records = table("elasticache", "replicationgroup");
const SUBNET_GROUPS: Records = table("elasticache", "subnetgroup");
/// Also with `"parameters": {name: value}`.
const PARAMETER_GROUPS: Records = table("elasticache", "parametergroup");

/// A listing has as many entries unless the input says fewer.
const PAGE: u64 = 100;

fn arn_of(platform: &Platform, kind: &str, name: &str) -> String {
    arn::of(platform.identity(), "elasticache", format_args!("{kind}:{name}"))
}

/// The record of something that was just named, with the tags of the input.
fn record(view: Value, input: &Value) -> Value {
    let mut record = json!({ "view": view });
    tags::note(&mut record, &tags::read(fields::list(input, "Tags"), tags::LARGE));
    record
}

/// One page of a listing, with the marker of the next.
fn paged(input: &Value, member: &str, entries: Vec<(&str, Value)>) -> Result<Value, AwsError> {
    let size = fields::number(input, "MaxRecords").unwrap_or(PAGE) as usize;
    let marker = fields::text(input, "Marker");
    let page = page::page(entries, |(key, _)| (*key).to_owned(), false, marker, size)
        .map_err(|_| error::client("InvalidParameterValue", "Invalid or expired marker."))?;
    let views: Vec<Value> = page.entries.into_iter().map(|(_, view)| view).collect();
    let mut answer = json!({ member: views });
    fields::set(&mut answer, "Marker", page.next);
    Ok(answer)
}

/// A name as ElastiCache takes it: letters, digits and hyphens, kept in small letters.
fn name(input: &Value, member: &str, longest: usize) -> Result<String, AwsError> {
    let name = fields::text(input, member).unwrap_or_default().to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let whole = begins && name.chars().all(allowed) && !name.ends_with('-');
    if whole && !name.contains("--") && name.len() <= longest {
        return Ok(name);
    }
    let why = format!(
        "The parameter {member} is not a valid identifier. Identifiers must begin with a letter; \
         must contain only ASCII letters, digits, and hyphens; must not end with a hyphen or \
         contain two consecutive hyphens; and must not be longer than {longest} characters."
    );
    Err(error::client("InvalidParameterValue", why))
}

/// The lower-case name that a member gives.
fn named(input: &Value, member: &str) -> String {
    fields::text(input, member).unwrap_or_default().to_ascii_lowercase()
}
