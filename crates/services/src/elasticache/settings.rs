//! Settings that clusters and replication groups have alike.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{catalogue, parameter_groups, subnet_groups};
use crate::error::{self, AwsError};
use crate::{fields, names, note};

/// Members that are taken as they are.
const PLAIN: [&str; 8] = [
    "AutoMinorVersionUpgrade",
    "CacheNodeType",
    "IpDiscovery",
    "NetworkType",
    "PreferredMaintenanceWindow",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "TransitEncryptionEnabled",
];
/// Members of a cluster that every member of a replication group has from its group.
pub(super) const ALIKE: [&str; 17] = [
    "AtRestEncryptionEnabled",
    "AuthTokenEnabled",
    "AutoMinorVersionUpgrade",
    "CacheNodeType",
    "CacheParameterGroup",
    "CacheSubnetGroupName",
    "Engine",
    "EngineVersion",
    "IpDiscovery",
    "LogDeliveryConfigurations",
    "NetworkType",
    "NotificationConfiguration",
    "PreferredMaintenanceWindow",
    "SecurityGroups",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "TransitEncryptionEnabled",
];

/// What a cache is like unless its input says otherwise.
pub(super) fn defaults() -> Value {
    json!({
        "AutoMinorVersionUpgrade": true,
        "IpDiscovery": "ipv4",
        "NetworkType": "ipv4",
        "PreferredMaintenanceWindow": "sun:05:00-sun:06:00",
        "SnapshotRetentionLimit": 0,
        "SnapshotWindow": "08:00-09:00",
        "TransitEncryptionEnabled": false,
        "AtRestEncryptionEnabled": false,
        "AuthTokenEnabled": false,
        "LogDeliveryConfigurations": [],
        "CacheSecurityGroups": [],
        "SecurityGroups": [],
    })
}

/// Puts what the input says of engine, parameters and version into the view.
fn apply_engine(platform: &Platform, view: &mut Value, input: &Value) -> Result<(), AwsError> {
    let engine = fields::text(input, "Engine").or(fields::text(view, "Engine"));
    let engine = engine.unwrap_or("redis").to_owned();
    let is_new = !fields::sent(view, "Engine");
    let changes = is_new || fields::text(view, "Engine") != Some(engine.as_str());
    view["Engine"] = json!(engine);
    let wanted = fields::text(input, "EngineVersion");
    let mut family = None;
    if changes || wanted.is_some() {
        let version = catalogue::choose(&engine, wanted)?;
        view["EngineVersion"] = json!(version.full);
        family = Some(version.family);
    }
    let group = match (fields::text(input, "CacheParameterGroupName"), family) {
        (Some(name), _) => Some(name.to_ascii_lowercase()),
        (None, Some(family)) if changes => Some(format!("{}{family}", parameter_groups::DEFAULT)),
        _ => None,
    };
    if let Some(group) = group {
        if parameter_groups::cluster_mode(platform, &group).is_none() {
            return Err(parameter_groups::not_found(&group));
        }
        view["CacheParameterGroup"] = json!({
            "CacheParameterGroupName": group,
            "ParameterApplyStatus": "in-sync",
            "CacheNodeIdsToReboot": [],
        });
    }
    Ok(())
}

/// Puts what the input says into the view of a cluster.
pub(super) fn apply(platform: &Platform, view: &mut Value, input: &Value) -> Result<(), AwsError> {
    apply_engine(platform, view, input)?;
    note::merge(view, &note::members(input, &PLAIN));
    // Weekdays come back in small letters.
    let window = fields::text(input, "PreferredMaintenanceWindow").map(str::to_ascii_lowercase);
    fields::set(view, "PreferredMaintenanceWindow", window);
    if fields::sent(input, "CacheSubnetGroupName") {
        let group = super::named(input, "CacheSubnetGroupName");
        subnet_groups::find(platform, &group)?;
        view["CacheSubnetGroupName"] = json!(group);
    } else if !fields::sent(view, "CacheSubnetGroupName") {
        view["CacheSubnetGroupName"] = json!("default");
    }
    let groups = fields::texts(input, "SecurityGroupIds");
    if !groups.is_empty() {
        let groups = groups.into_iter();
        view["SecurityGroups"] =
            groups.map(|id| json!({ "SecurityGroupId": id, "Status": "active" })).collect();
    } else if fields::list(view, "SecurityGroups").is_empty() {
        let id = names::security_group_id("default");
        view["SecurityGroups"] = json!([{ "SecurityGroupId": id, "Status": "active" }]);
    }
    notification(view, input);
    auth(view, input)?;
    logs(view, input);
    Ok(())
}

fn notification(view: &mut Value, input: &Value) {
    if let Some(topic) = fields::text(input, "NotificationTopicArn") {
        let status = fields::text(input, "NotificationTopicStatus").unwrap_or("active");
        view["NotificationConfiguration"] = json!({ "TopicArn": topic, "TopicStatus": status });
    } else if fields::text(input, "NotificationTopicStatus") == Some("inactive")
        && let Some(view) = view.as_object_mut()
    {
        view.remove("NotificationConfiguration");
    }
}

/// Of an auth token only remains that there is one.
fn auth(view: &mut Value, input: &Value) -> Result<(), AwsError> {
    if fields::text(input, "AuthTokenUpdateStrategy") == Some("DELETE") {
        view["AuthTokenEnabled"] = json!(false);
        return Ok(());
    }
    let Some(token) = fields::text(input, "AuthToken") else { return Ok(()) };
    if view["TransitEncryptionEnabled"] != true {
        let why = "AuthToken requires TransitEncryptionEnabled.";
        return Err(error::client("InvalidParameterCombination", why));
    }
    let allowed = |c: char| c.is_ascii_graphic() && !"@\"/".contains(c);
    if !(16..=128).contains(&token.len()) || !token.chars().all(allowed) {
        let why = "Invalid AuthToken provided: it must have 16 to 128 printable characters, without \
                   spaces, '@', '\"' and '/'.";
        return Err(error::client("InvalidParameterValue", why));
    }
    view["AuthTokenEnabled"] = json!(true);
    Ok(())
}

/// Deliveries of logs, one per type; one with `Enabled: false` ends.
fn logs(view: &mut Value, input: &Value) {
    let mut all: Vec<Value> = fields::list(view, "LogDeliveryConfigurations").to_vec();
    for wanted in fields::list(input, "LogDeliveryConfigurations") {
        all.retain(|known| known["LogType"] != wanted["LogType"]);
        if fields::flag(wanted, "Enabled") == Some(false) {
            continue;
        }
        let names = ["LogType", "DestinationType", "DestinationDetails", "LogFormat"];
        let mut delivery = note::members(wanted, &names);
        delivery["Status"] = json!("active");
        all.push(delivery);
    }
    view["LogDeliveryConfigurations"] = json!(all);
}
