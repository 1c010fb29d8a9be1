//! Replication groups: shards of nodes, each node a cluster of its own.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::{CLUSTERS, GROUPS, arn_of, catalogue, clusters, name, named, nodes, paged, record};
use super::{parameter_groups, settings};
use crate::error::{self, AwsError};
use crate::{Answer, fields, note, tags};

const LONGEST_NAME: usize = 40;
/// Replicas that a shard can have.
pub(super) const MOST_REPLICAS: u64 = 5;
/// Hash slots of a group in cluster mode.
const SLOTS: usize = 16_384;

fn not_found(name: &str) -> AwsError {
    let why = format!("Replication group {name} not found.");
    error::client("ReplicationGroupNotFoundFault", why)
}

/// The group of that name.
pub(super) fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let name = named(input, "ReplicationGroupId");
    match GROUPS.get(platform, &name) {
        Some(record) => Ok((name, record)),
        None => Err(not_found(&name)),
    }
}

/// The members of each shard, the primary first.
pub(super) fn shards(record: &Value) -> Vec<Vec<String>> {
    let shards = fields::list(record, "shards").iter();
    let names = |shard: &Value| {
        let names = shard.as_array().into_iter().flatten();
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    shards.map(names).collect()
}

/// The name of a member: `<group>-001`, or `<group>-0001-001` in cluster mode.
pub(super) fn member(group: &str, clustered: bool, shard: usize, node: usize) -> String {
    match clustered {
        true => format!("{group}-{:04}-{:03}", shard + 1, node + 1),
        false => format!("{group}-{:03}", node + 1),
    }
}

fn refuse<T>(why: &str) -> Result<T, AwsError> {
    Err(error::client("InvalidParameterCombination", why))
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = name(input, "ReplicationGroupId", LONGEST_NAME)?;
    if GROUPS.has(platform, &name) {
        let why = "Replication group with specified id already exists.";
        return Err(error::client("ReplicationGroupAlreadyExists", why));
    }
    let engine = fields::text(input, "Engine").unwrap_or("redis");
    if engine == "memcached" {
        return refuse("Replication groups are for redis and valkey only.");
    }
    let shape = Shape::of(input)?;
    let mut like = settings::defaults();
    note::merge(&mut like, &note::members(input, &["AtRestEncryptionEnabled"]));
    settings::apply(platform, &mut like, input)?;
    if !fields::sent(input, "CacheNodeType") {
        return Err(error::client(
            "InvalidParameterValue",
            "The request must contain the parameter CacheNodeType.",
        ));
    }
    let clustered = cluster_mode(platform, &mut like, input, shape.shards)?;
    let failover = fields::flag(input, "AutomaticFailoverEnabled").unwrap_or(clustered);
    check_failover(failover, fields::flag(input, "MultiAZEnabled"), shape.replicas, clustered)?;
    let nodes = 0..=shape.replicas as usize;
    let shards: Vec<Vec<String>> = (0..shape.shards as usize)
        .map(|s| nodes.clone().map(|n| member(&name, clustered, s, n)).collect())
        .collect();
    if let Some(taken) = shards.iter().flatten().find(|m| CLUSTERS.has(platform, m)) {
        let why = format!("Cache cluster {taken} already exists.");
        return Err(error::client("CacheClusterAlreadyExists", why));
    }
    let mut view = json!({
        "ReplicationGroupId": name,
        "ARN": arn_of(platform, "replicationgroup", &name),
        "Status": "available",
        "ReplicationGroupCreateTime": fields::time(platform.now()),
        "ClusterEnabled": clustered,
        "ClusterMode": if clustered { "enabled" } else { "disabled" },
        "AutomaticFailover": on(failover),
        "MultiAZ": on(fields::flag(input, "MultiAZEnabled").unwrap_or(false)),
        "DataTiering": on(fields::flag(input, "DataTieringEnabled").unwrap_or(false)),
        "PendingModifiedValues": {},
        "UserGroupIds": fields::texts(input, "UserGroupIds"),
    });
    fields::set(&mut view, "KmsKeyId", fields::text(input, "KmsKeyId"));
    let mut record = record(view, input);
    record["port"] =
        json!(fields::number(input, "Port").unwrap_or_else(|| catalogue::port(engine)));
    record["zones"] = json!(fields::texts(input, "PreferredCacheClusterAZs"));
    record["shards"] = json!(shards);
    record["like"] = like;
    describe_itself(&mut record, input);
    answer(platform, name, record)
}

fn on(flag: bool) -> &'static str {
    if flag { "enabled" } else { "disabled" }
}

/// How many shards of how many replicas.
struct Shape {
    shards: u64,
    replicas: u64,
}

impl Shape {
    fn of(input: &Value) -> Result<Shape, AwsError> {
        let clusters = fields::number(input, "NumCacheClusters");
        let shards = fields::number(input, "NumNodeGroups");
        let replicas = fields::number(input, "ReplicasPerNodeGroup");
        if clusters.is_some() && (shards.is_some_and(|n| n > 1) || replicas.is_some()) {
            return refuse(
                "NumCacheClusters cannot be used with NumNodeGroups and ReplicasPerNodeGroup.",
            );
        }
        let zones = fields::texts(input, "PreferredCacheClusterAZs").len() as u64;
        let replicas = match (clusters, replicas) {
            (Some(0), _) => return refuse("A replication group needs at least one cache cluster."),
            (Some(clusters), _) => clusters - 1,
            (None, Some(replicas)) => replicas,
            (None, None) => zones.saturating_sub(1),
        };
        if replicas > MOST_REPLICAS {
            let why = format!("A shard can have at most {MOST_REPLICAS} replicas.");
            return Err(error::client("InvalidParameterValue", why));
        }
        Ok(Shape { shards: shards.unwrap_or(1).max(1), replicas })
    }
}

/// Whether the group is in cluster mode: its parameters say so, or it has several shards.
fn cluster_mode(
    platform: &Platform,
    like: &mut Value,
    input: &Value,
    shards: u64,
) -> Result<bool, AwsError> {
    let group = fields::owned(&like["CacheParameterGroup"], "CacheParameterGroupName");
    let group = group.unwrap_or_default();
    let by_parameters = parameter_groups::cluster_mode(platform, &group).unwrap_or(false);
    let wanted = shards > 1 || fields::text(input, "ClusterMode") == Some("enabled");
    let is_default = !fields::sent(input, "CacheParameterGroupName");
    if wanted && !by_parameters && is_default {
        let group = format!("{group}{}", parameter_groups::CLUSTER_ON);
        like["CacheParameterGroup"]["CacheParameterGroupName"] = json!(group);
    } else if wanted && !by_parameters && shards > 1 {
        return refuse(
            "Several node groups need a parameter group with cluster-enabled set to yes.",
        );
    }
    Ok(wanted || by_parameters)
}

fn check_failover(
    failover: bool,
    zones: Option<bool>,
    replicas: u64,
    clustered: bool,
) -> Result<(), AwsError> {
    if failover && replicas == 0 && !clustered {
        return Err(error::client(
            "InvalidParameterValue",
            "Must specify at least two cache clusters in order to auto failover.",
        ));
    }
    if !failover && clustered {
        return refuse("Automatic failover must be enabled for a group in cluster mode.");
    }
    if zones == Some(true) && !failover {
        return Err(error::client(
            "InvalidParameterValue",
            "Must have automatic failover enabled to enable Multi-AZ.",
        ));
    }
    Ok(())
}

/// What is the group's own and not its members'.
fn describe_itself(record: &mut Value, input: &Value) {
    let view = &mut record["view"];
    fields::set(view, "Description", fields::text(input, "ReplicationGroupDescription"));
    fields::set(view, "SnapshottingClusterId", fields::text(input, "SnapshottingClusterId"));
    if record["like"]["TransitEncryptionEnabled"] == true {
        let mode = fields::text(input, "TransitEncryptionMode");
        let mode = mode.or(fields::text(&record["view"], "TransitEncryptionMode"));
        record["view"]["TransitEncryptionMode"] = json!(mode.unwrap_or("required"));
    } else if let Some(view) = record["view"].as_object_mut() {
        view.remove("TransitEncryptionMode");
    }
}

/// Members of the group's view that are as its clusters'.
const SHOWN: [&str; 11] = [
    "AtRestEncryptionEnabled",
    "AuthTokenEnabled",
    "AutoMinorVersionUpgrade",
    "CacheNodeType",
    "Engine",
    "IpDiscovery",
    "LogDeliveryConfigurations",
    "NetworkType",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "TransitEncryptionEnabled",
];

/// Keeps the group and all its members as the record has them; who is not in it any more goes.
pub(super) fn commands(platform: &Platform, name: &str, mut record: Value) -> Vec<Command> {
    let shards = shards(&record);
    let before = GROUPS.get(platform, name).map(|old| self::shards(&old)).unwrap_or_default();
    let gone = before.iter().flatten().filter(|m| !shards.iter().flatten().any(|now| now == *m));
    let mut commands: Vec<Command> = gone.map(|member| CLUSTERS.remove(member)).collect();
    let shown = note::members(&record["like"], &SHOWN);
    note::merge(&mut record["view"], &shown);
    record["view"]["MemberClusters"] = json!(shards.iter().flatten().collect::<Vec<_>>());
    settle(platform, name, &mut record, &shards);
    let zones = fields::texts(&record, "zones");
    for (n, member) in shards.iter().flat_map(|shard| shard.iter().enumerate()) {
        let like = note::members(&record["like"], &settings::ALIKE);
        let zone = nodes::zone(platform, &zones, n);
        commands.push(put_member(platform, name, member, &record, (like, zone)));
    }
    commands.push(GROUPS.put(name, &record));
    commands
}

/// Keeps one member.
fn put_member(
    platform: &Platform,
    group: &str,
    member: &str,
    of: &Value,
    (mut view, zone): (Value, String),
) -> Command {
    let old = CLUSTERS.get(platform, member);
    let since = old.as_ref().map(|old| old["view"]["CacheClusterCreateTime"].clone());
    note::merge(
        &mut view,
        &json!({
            "CacheClusterId": member,
            "ARN": arn_of(platform, "cluster", member),
            "CacheClusterStatus": "available",
            "CacheClusterCreateTime": since.unwrap_or_else(|| fields::time(platform.now())),
            "NumCacheNodes": 1,
            "ReplicationGroupId": group,
            "ReplicationGroupLogDeliveryEnabled": false,
            "CacheSecurityGroups": [],
            "PendingModifiedValues": {},
        }),
    );
    fields::set(
        &mut view,
        "TransitEncryptionMode",
        fields::text(&of["view"], "TransitEncryptionMode"),
    );
    let mut record = json!({ "view": view, "port": of["port"], "zones": [zone] });
    // A member has the group's tags until it gets its own.
    tags::note(&mut record, &tags::noted(old.as_ref().unwrap_or(of)));
    clusters::settle(platform, &mut record);
    CLUSTERS.put(member, &record)
}

/// Makes node groups and endpoints anew.
fn settle(platform: &Platform, name: &str, record: &mut Value, shards: &[Vec<String>]) {
    let clustered = record["view"]["ClusterEnabled"] == true;
    let tls = record["like"]["TransitEncryptionEnabled"] == true;
    let port = record["port"].clone();
    let zones = fields::texts(record, "zones");
    let endpoint = |front: &str, middle: &str| nodes::endpoint(platform, front, middle, &port);
    let group = |(s, shard): (usize, &Vec<String>)| {
        let member = |(n, member): (usize, &String)| {
            let mut view = json!({
                "CacheClusterId": member,
                "CacheNodeId": "0001",
                "PreferredAvailabilityZone": nodes::zone(platform, &zones, n),
            });
            if !clustered {
                view["CurrentRole"] = json!(if n == 0 { "primary" } else { "replica" });
                view["ReadEndpoint"] = match tls {
                    true => endpoint(member, ""),
                    false => endpoint(member, ".0001"),
                };
            }
            view
        };
        let members: Vec<Value> = shard.iter().enumerate().map(member).collect();
        let mut view = json!({
            "NodeGroupId": format!("{:04}", s + 1),
            "Status": "available",
            "NodeGroupMembers": members,
        });
        if clustered {
            let (from, until) = (s * SLOTS / shards.len(), (s + 1) * SLOTS / shards.len());
            view["Slots"] = json!(format!("{from}-{}", until - 1));
        } else if tls {
            view["PrimaryEndpoint"] = endpoint(&format!("master.{name}"), "");
            view["ReaderEndpoint"] = endpoint(&format!("replica.{name}"), "");
        } else {
            view["PrimaryEndpoint"] = endpoint(name, ".ng.0001");
            view["ReaderEndpoint"] = endpoint(&format!("{name}-ro"), "");
        }
        view
    };
    let groups: Vec<Value> = shards.iter().enumerate().map(group).collect();
    let configuration = clustered.then(|| match tls {
        true => endpoint(&format!("clustercfg.{name}"), ""),
        false => endpoint(name, ".clustercfg"),
    });
    record["view"]["NodeGroups"] = json!(groups);
    fields::set(&mut record["view"], "ConfigurationEndpoint", configuration);
}

/// Keeps the group and answers with it.
pub(super) fn answer(platform: &Platform, name: String, record: Value) -> Result<Answer, AwsError> {
    Answer::after(
        commands(platform, &name, record),
        move |platform| json!({ "ReplicationGroup": GROUPS.get(platform, &name).map(|mut r| r["view"].take()) }),
    )
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let wanted = fields::sent(input, "ReplicationGroupId");
    let wanted = wanted.then(|| named(input, "ReplicationGroupId"));
    if let Some(name) = wanted.as_ref().filter(|name| !GROUPS.has(platform, name)) {
        return Err(not_found(name));
    }
    let found = GROUPS
        .all(platform)
        .filter(|(name, _)| wanted.as_ref().is_none_or(|w| w == name))
        .map(|(name, mut record)| (name, record["view"].take()));
    Ok(Answer::Now(paged(input, "ReplicationGroups", found.collect())?))
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = find(platform, input)?;
    settings::apply(platform, &mut record["like"], input)?;
    describe_itself(&mut record, input);
    let clustered = record["view"]["ClusterEnabled"] == true;
    let now = |member: &str| record["view"][member] == "enabled";
    let failover =
        fields::flag(input, "AutomaticFailoverEnabled").unwrap_or(now("AutomaticFailover"));
    let zones = fields::flag(input, "MultiAZEnabled").unwrap_or(now("MultiAZ"));
    let mut shards = shards(&record);
    let replicas = shards.first().map_or(0, |shard| shard.len() as u64 - 1);
    check_failover(failover, Some(zones), replicas, clustered)?;
    record["view"]["AutomaticFailover"] = json!(on(failover));
    record["view"]["MultiAZ"] = json!(on(zones));
    if let Some(primary) = fields::text(input, "PrimaryClusterId") {
        for shard in &mut shards {
            if let Some(at) = shard.iter().position(|member| member == primary) {
                shard.swap(0, at);
            }
        }
        record["shards"] = json!(shards);
    }
    let mut users: Vec<String> =
        fields::texts(&record["view"], "UserGroupIds").into_iter().map(str::to_owned).collect();
    let gone = fields::texts(input, "UserGroupIdsToRemove");
    let all_gone = fields::flag(input, "RemoveUserGroups").unwrap_or(false);
    users.retain(|id| !all_gone && !gone.contains(&id.as_str()));
    users.extend(fields::texts(input, "UserGroupIdsToAdd").into_iter().map(str::to_owned));
    record["view"]["UserGroupIds"] = json!(users);
    answer(platform, name, record)
}

/// A cluster that is made as a further replica of a group.
pub(super) fn adopt(
    platform: &Platform,
    input: &Value,
    group: &str,
    member: &str,
) -> Result<Answer, AwsError> {
    let mut record = GROUPS.get(platform, group).ok_or_else(|| not_found(group))?;
    let mut shards = shards(&record);
    if record["view"]["ClusterEnabled"] == true {
        return refuse("A cluster cannot be added to a replication group in cluster mode.");
    }
    if let Some(shard) = shards.first_mut() {
        if shard.len() as u64 > MOST_REPLICAS {
            let why = format!("A shard can have at most {MOST_REPLICAS} replicas.");
            return Err(error::client("NodeQuotaForClusterExceeded", why));
        }
        shard.push(member.to_owned());
    }
    record["shards"] = json!(shards);
    if let Some(zone) = fields::text(input, "PreferredAvailabilityZone") {
        let at = shards.first().map_or(0, Vec::len) - 1;
        let zones: Vec<String> = {
            let known = fields::texts(&record, "zones");
            (0..at).map(|n| nodes::zone(platform, &known, n)).chain([zone.to_owned()]).collect()
        };
        record["zones"] = json!(zones);
    }
    let name = member.to_owned();
    Answer::after(commands(platform, group, record), move |platform| {
        let mut view = CLUSTERS.get(platform, &name).map(|mut r| r["view"].take());
        if let Some(view) = view.as_mut().and_then(Value::as_object_mut) {
            view.remove("CacheNodes");
        }
        json!({ "CacheCluster": view })
    })
}

/// A member goes: the group without it.
pub(super) fn release(platform: &Platform, group: &str, member: &str) -> Result<Command, AwsError> {
    let mut record = GROUPS.get(platform, group).ok_or_else(|| not_found(group))?;
    let mut shards = shards(&record);
    if shards.iter().any(|shard| shard.first().is_some_and(|primary| primary == member)) {
        let why = format!("Cache cluster {member} is the primary of replication group {group}.");
        return Err(error::client("InvalidCacheClusterState", why));
    }
    for shard in &mut shards {
        shard.retain(|known| known != member);
    }
    record["view"]["MemberClusters"] = json!(shards.iter().flatten().collect::<Vec<_>>());
    record["shards"] = json!(shards);
    settle(platform, group, &mut record, &shards);
    Ok(GROUPS.put(group, &record))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, record) = find(platform, input)?;
    let shards = shards(&record);
    let mut commands: Vec<Command> =
        shards.iter().flatten().map(|member| CLUSTERS.remove(member)).collect();
    commands.push(GROUPS.remove(&name));
    let mut view = record["view"].clone();
    view["Status"] = json!("deleting");
    Answer::after(commands, move |_| json!({ "ReplicationGroup": view }))
}
