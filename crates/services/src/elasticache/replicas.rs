//! How many nodes a replication group has, and which of them leads.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::replication_groups::{MOST_REPLICAS, answer, find, member, shards};
use crate::error::{self, AwsError};
use crate::{Answer, fields};

/// The shards as they are to be: how many replicas the one with that id gets.
fn wanted(input: &Value, shard: usize) -> Option<u64> {
    let configured = fields::list(input, "ReplicaConfiguration").iter();
    let id = format!("{:04}", shard + 1);
    let own = configured
        .filter(|c| c["NodeGroupId"] == *id)
        .find_map(|c| fields::number(c, "NewReplicaCount"));
    own.or(fields::number(input, "NewReplicaCount"))
}

/// Lengthens a shard with names that are not in it, or cuts it.
fn resize(shard: &mut Vec<String>, group: &str, clustered: bool, number: usize, nodes: usize) {
    shard.truncate(nodes);
    let mut next = 0;
    while shard.len() < nodes {
        let name = member(group, clustered, number, next);
        if !shard.contains(&name) {
            shard.push(name);
        }
        next += 1;
    }
}

fn change(platform: &Platform, input: &Value, up: bool) -> Result<Answer, AwsError> {
    let (name, mut record) = find(platform, input)?;
    let clustered = record["view"]["ClusterEnabled"] == true;
    let mut shards = shards(&record);
    let leaving = fields::texts(input, "ReplicasToRemove");
    for (number, shard) in shards.iter_mut().enumerate() {
        let replicas = shard.len() as u64 - 1;
        let primary = shard.first().cloned().unwrap_or_default();
        shard.retain(|m| *m == primary || !leaving.contains(&m.as_str()));
        let Some(count) = wanted(input, number) else { continue };
        let fits = if up { count > replicas } else { count < replicas };
        if !fits || count > MOST_REPLICAS {
            let why = format!("The shard has {replicas} replicas and cannot get {count} this way.");
            return Err(error::client("InvalidParameterValue", why));
        }
        resize(shard, &name, clustered, number, count as usize + 1);
    }
    let alone = shards.iter().any(|shard| shard.len() == 1);
    if alone && !clustered && record["view"]["AutomaticFailover"] == "enabled" {
        let why = "Automatic failover needs at least one replica.";
        return Err(error::client("InvalidParameterCombination", why));
    }
    record["shards"] = json!(shards);
    answer(platform, name, record)
}

pub(super) fn increase(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, true)
}

pub(super) fn decrease(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, false)
}

pub(super) fn reshard(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = find(platform, input)?;
    if record["view"]["ClusterEnabled"] != true {
        let why = format!("Replication group {name} is not in cluster mode.");
        return Err(error::client("InvalidReplicationGroupState", why));
    }
    let count = fields::number(input, "NodeGroupCount").unwrap_or(1).max(1) as usize;
    let mut shards = shards(&record);
    let nodes = shards.first().map_or(1, Vec::len);
    let leaving = fields::texts(input, "NodeGroupsToRemove");
    let staying = fields::texts(input, "NodeGroupsToRetain");
    if count < shards.len() {
        let mut number = 0;
        shards.retain(|_| {
            number += 1;
            let id = format!("{number:04}");
            let named = !leaving.is_empty() || !staying.is_empty();
            match named {
                true => {
                    !leaving.contains(&id.as_str())
                        && (staying.is_empty() || staying.contains(&id.as_str()))
                }
                false => number <= count,
            }
        });
    }
    for number in shards.len()..count {
        let mut shard = Vec::new();
        resize(&mut shard, &name, true, number, nodes);
        shards.push(shard);
    }
    record["shards"] = json!(shards);
    answer(platform, name, record)
}

/// The first replica takes the lead.
pub(super) fn failover(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = find(platform, input)?;
    let id = fields::text(input, "NodeGroupId").unwrap_or_default();
    let mut shards = shards(&record);
    let at = id.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let Some(shard) = at.and_then(|at| shards.get_mut(at)) else {
        let why = format!("Node group {id} not found.");
        return Err(error::client("NodeGroupNotFoundFault", why));
    };
    if shard.len() < 2 {
        let why = "Replication group must have at least one replica to fail over to.";
        return Err(error::client("InvalidReplicationGroupState", why));
    }
    shard.swap(0, 1);
    record["shards"] = json!(shards);
    answer(platform, name, record)
}
