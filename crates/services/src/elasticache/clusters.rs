//! Cache clusters: on their own, and as members of replication groups.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::replication_groups;
use super::{CLUSTERS, GROUPS, arn_of, catalogue, name, named, nodes, paged, record, settings};
use crate::error::{self, AwsError};
use crate::{Answer, fields, note};

const LONGEST_NAME: usize = 50;
/// Nodes that a cluster of Memcached can have.
const MOST_NODES: u64 = 40;

fn not_found(name: &str) -> AwsError {
    error::client("CacheClusterNotFound", format!("CacheCluster {name} not found."))
}

/// The cluster of that name.
pub(super) fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let name = named(input, "CacheClusterId");
    match CLUSTERS.get(platform, &name) {
        Some(record) => Ok((name, record)),
        None => Err(not_found(&name)),
    }
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = name(input, "CacheClusterId", LONGEST_NAME)?;
    if CLUSTERS.has(platform, &name) {
        let why = "Cache cluster already exists.";
        return Err(error::client("CacheClusterAlreadyExists", why));
    }
    if let Some(group) = fields::text(input, "ReplicationGroupId") {
        return replication_groups::adopt(platform, input, &group.to_ascii_lowercase(), &name);
    }
    let mut view = settings::defaults();
    note::merge(
        &mut view,
        &json!({
            "CacheClusterId": name,
            "ARN": arn_of(platform, "cluster", &name),
            "CacheClusterStatus": "available",
            "CacheClusterCreateTime": fields::time(platform.now()),
            "NumCacheNodes": fields::number(input, "NumCacheNodes").unwrap_or(1),
            "ReplicationGroupLogDeliveryEnabled": false,
            "PendingModifiedValues": {},
        }),
    );
    settings::apply(platform, &mut view, input)?;
    if !fields::sent(&view, "CacheNodeType") {
        let why = "The request must contain the parameter CacheNodeType.";
        return Err(error::client("InvalidParameterValue", why));
    }
    if fields::sent(input, "OutpostMode") || fields::sent(input, "PreferredOutpostArn") {
        fields::set(&mut view, "PreferredOutpostArn", fields::text(input, "PreferredOutpostArn"));
    }
    let engine = fields::owned(&view, "Engine").unwrap_or_default();
    let port = fields::number(input, "Port").unwrap_or_else(|| catalogue::port(&engine));
    let zones = fields::texts(input, "PreferredAvailabilityZones");
    let zones = match fields::text(input, "PreferredAvailabilityZone") {
        Some(zone) => vec![zone],
        None => zones,
    };
    check_nodes(&view, &engine)?;
    let crosses = fields::text(input, "AZMode") == Some("cross-az");
    if crosses && view["NumCacheNodes"] == 1 {
        let why = "AZMode cross-az needs more than one node.";
        return Err(error::client("InvalidParameterCombination", why));
    }
    // Nodes are in one zone unless somebody says otherwise.
    let zones = match (crosses, zones.is_empty()) {
        (false, true) => vec![nodes::zone(platform, &[], 0)],
        _ => zones.into_iter().map(str::to_owned).collect(),
    };
    let mut record = record(view, input);
    record["port"] = json!(port);
    record["zones"] = json!(zones);
    settle(platform, &mut record);
    let key = name.clone();
    Answer::after(
        vec![CLUSTERS.put(&name, &record)],
        move |platform| json!({ "CacheCluster": CLUSTERS.get(platform, &key).map(|r| without_nodes(&r["view"])) }),
    )
}

fn check_nodes(view: &Value, engine: &str) -> Result<(), AwsError> {
    let nodes = fields::number(view, "NumCacheNodes").unwrap_or(1);
    let most = if engine == "memcached" { MOST_NODES } else { 1 };
    if (1..=most).contains(&nodes) {
        return Ok(());
    }
    let why =
        format!("Cannot create a {engine} cluster with {nodes} nodes: 1 to {most} are possible.");
    Err(error::client("InvalidParameterValue", why))
}

/// Makes the nodes and endpoints anew from the settings.
pub(super) fn settle(platform: &Platform, record: &mut Value) {
    let port = record["port"].clone();
    let kept = record.clone();
    let zones = fields::texts(&kept, "zones");
    let view = &mut record["view"];
    view["CacheNodes"] = nodes::nodes(platform, view, &port, &zones);
    let nodes = fields::list(view, "CacheNodes").iter();
    let mut at: Vec<&str> = nodes.filter_map(|n| n["CustomerAvailabilityZone"].as_str()).collect();
    at.dedup();
    let shown = if at.len() == 1 { at[0] } else { "Multiple" };
    view["PreferredAvailabilityZone"] = json!(shown);
    if view["Engine"] == "memcached" {
        let id = fields::owned(view, "CacheClusterId").unwrap_or_default();
        view["ConfigurationEndpoint"] = nodes::endpoint(platform, &id, ".cfg", &port);
    }
}

/// As a listing shows it that did not ask for nodes.
fn without_nodes(view: &Value) -> Value {
    let mut view = view.clone();
    if let Some(view) = view.as_object_mut() {
        view.remove("CacheNodes");
    }
    view
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let wanted = fields::sent(input, "CacheClusterId").then(|| named(input, "CacheClusterId"));
    if let Some(name) = wanted.as_ref().filter(|name| !CLUSTERS.has(platform, name)) {
        return Err(not_found(name));
    }
    let with_nodes = fields::flag(input, "ShowCacheNodeInfo").unwrap_or(false);
    let alone = fields::flag(input, "ShowCacheClustersNotInReplicationGroups").unwrap_or(false);
    let found = CLUSTERS
        .all(platform)
        .filter(|(name, _)| wanted.as_ref().is_none_or(|w| w == name))
        .filter(|(_, record)| !alone || !fields::sent(&record["view"], "ReplicationGroupId"))
        .map(|(name, mut record)| {
            let view = record["view"].take();
            (name, if with_nodes { view } else { without_nodes(&view) })
        });
    Ok(Answer::Now(paged(input, "CacheClusters", found.collect())?))
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = find(platform, input)?;
    settings::apply(platform, &mut record["view"], input)?;
    let new_zones = fields::texts(input, "NewAvailabilityZones");
    if !new_zones.is_empty()
        && let Some(zones) = record["zones"].as_array_mut()
    {
        zones.extend(new_zones.into_iter().map(|zone| json!(zone)));
    }
    if let Some(nodes) = fields::number(input, "NumCacheNodes") {
        record["view"]["NumCacheNodes"] = json!(nodes);
        let engine = fields::owned(&record["view"], "Engine").unwrap_or_default();
        check_nodes(&record["view"], &engine)?;
    }
    settle(platform, &mut record);
    let view = without_nodes(&record["view"]);
    let put = CLUSTERS.put(&name, &record);
    Answer::after(vec![put], move |_| json!({ "CacheCluster": view }))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, record) = find(platform, input)?;
    let mut commands: Vec<Command> = vec![CLUSTERS.remove(&name)];
    if let Some(group) = fields::text(&record["view"], "ReplicationGroupId")
        && GROUPS.has(platform, group)
    {
        commands.push(replication_groups::release(platform, group, &name)?);
    }
    let mut view = without_nodes(&record["view"]);
    view["CacheClusterStatus"] = json!("deleting");
    Answer::after(commands, move |_| json!({ "CacheCluster": view }))
}
