//! Cache parameter groups and the parameters that were set in them. What an engine's defaults are
//! is not kept: a listing shows what somebody set.

use neargate_core::Platform;
use serde_json::{Map, Value, json};

use super::{CLUSTERS, PARAMETER_GROUPS, arn_of, name, named, paged, record};
use crate::error::{self, AwsError};
use crate::{Answer, fields};

/// Every family has groups of its own that nobody made.
pub(super) const DEFAULT: &str = "default.";
/// The end of the name of those whose caches are in cluster mode.
pub(super) const CLUSTER_ON: &str = ".cluster.on";
/// The parameter that says the same in a group that somebody made.
const CLUSTER_ENABLED: &str = "cluster-enabled";
const FAMILIES: [&str; 8] = [
    "memcached1.4",
    "memcached1.5",
    "memcached1.6",
    "redis5.0",
    "redis6.x",
    "redis7",
    "valkey7",
    "valkey8",
];

pub(super) fn not_found(name: &str) -> AwsError {
    let why = format!("CacheParameterGroup {name} not found.");
    error::client("CacheParameterGroupNotFound", why)
}

fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let name = named(input, "CacheParameterGroupName");
    let found = PARAMETER_GROUPS.get(platform, &name).or_else(|| default(platform, &name));
    found.map(|record| (name.clone(), record)).ok_or_else(|| not_found(&name))
}

/// The group that comes with a family.
fn default(platform: &Platform, name: &str) -> Option<Value> {
    let family = name.strip_prefix(DEFAULT)?;
    let family = family.strip_suffix(CLUSTER_ON).unwrap_or(family);
    FAMILIES.contains(&family).then(|| {
        json!({ "view": {
            "CacheParameterGroupName": name,
            "CacheParameterGroupFamily": family,
            "Description": format!("Default parameter group for {family}"),
            "IsGlobal": false,
            "ARN": arn_of(platform, "parametergroup", name),
        } })
    })
}

/// Whether caches in the group of that name are in cluster mode; `None` when there is no such group.
pub(super) fn cluster_mode(platform: &Platform, name: &str) -> Option<bool> {
    if default(platform, name).is_some() {
        return Some(name.ends_with(CLUSTER_ON));
    }
    let record = PARAMETER_GROUPS.get(platform, name)?;
    Some(record["parameters"][CLUSTER_ENABLED] == "yes")
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = name(input, "CacheParameterGroupName", 255)?;
    if PARAMETER_GROUPS.has(platform, &name) {
        let why = format!("Cache parameter group {name} already exists.");
        return Err(error::client("CacheParameterGroupAlreadyExists", why));
    }
    let family = fields::text(input, "CacheParameterGroupFamily").unwrap_or_default();
    if !FAMILIES.contains(&family) {
        let why =
            format!("CacheParameterGroupFamily {family} is not a valid parameter group family.");
        return Err(error::client("InvalidParameterValue", why));
    }
    let view = json!({
        "CacheParameterGroupName": name,
        "CacheParameterGroupFamily": family,
        "Description": fields::text(input, "Description"),
        "IsGlobal": false,
        "ARN": arn_of(platform, "parametergroup", &name),
    });
    let put = PARAMETER_GROUPS.put(&name, &record(view.clone(), input));
    Answer::after(vec![put], move |_| json!({ "CacheParameterGroup": view }))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    if fields::sent(input, "CacheParameterGroupName") {
        let (_, record) = find(platform, input)?;
        return Ok(Answer::Now(json!({ "CacheParameterGroups": [record["view"]] })));
    }
    let all = PARAMETER_GROUPS.all(platform);
    let views = all.map(|(name, mut record)| (name, record["view"].take())).collect();
    Ok(Answer::Now(paged(input, "CacheParameterGroups", views)?))
}

pub(super) fn parameters(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, record) = find(platform, input)?;
    let none = Map::new();
    let set = record.get("parameters").and_then(Value::as_object).unwrap_or(&none);
    // The others are the engine's and the system's, of which none is kept.
    let shown = fields::text(input, "Source").is_none_or(|source| source == "user");
    let views = set.iter().filter(|_| shown).map(|(name, value)| {
        let view = json!({
            "ParameterName": name,
            "ParameterValue": value,
            "Source": "user",
            "DataType": "string",
            "IsModifiable": true,
            "ChangeType": "immediate",
        });
        (name.as_str(), view)
    });
    Ok(Answer::Now(paged(input, "Parameters", views.collect())?))
}

/// A group that somebody made, to be changed.
fn own(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let (name, record) = find(platform, input)?;
    if name.starts_with(DEFAULT) {
        let why = format!("The parameter group {name} is a default one and cannot be changed.");
        return Err(error::client("InvalidCacheParameterGroupState", why));
    }
    Ok((name, record))
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = own(platform, input)?;
    for parameter in fields::list(input, "ParameterNameValues") {
        let (Some(key), Some(value)) =
            (fields::text(parameter, "ParameterName"), parameter.get("ParameterValue"))
        else {
            let why = "Each parameter needs ParameterName and ParameterValue.";
            return Err(error::client("InvalidParameterValue", why));
        };
        record["parameters"][key] = value.clone();
    }
    let put = PARAMETER_GROUPS.put(&name, &record);
    Answer::after(vec![put], move |_| json!({ "CacheParameterGroupName": name }))
}

pub(super) fn reset(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = own(platform, input)?;
    let all = fields::flag(input, "ResetAllParameters").unwrap_or(false);
    let named = fields::list(input, "ParameterNameValues");
    let named: Vec<&str> = named.iter().filter_map(|p| fields::text(p, "ParameterName")).collect();
    if let Some(set) = record.get_mut("parameters").and_then(Value::as_object_mut) {
        set.retain(|key, _| !all && !named.contains(&key.as_str()));
    }
    let put = PARAMETER_GROUPS.put(&name, &record);
    Answer::after(vec![put], move |_| json!({ "CacheParameterGroupName": name }))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, _) = own(platform, input)?;
    let mut clusters = CLUSTERS.all(platform);
    let group =
        |cluster: &Value| cluster["view"]["CacheParameterGroup"]["CacheParameterGroupName"].clone();
    if clusters.any(|(_, cluster)| group(&cluster) == name) {
        let why = format!(
            "One or more cache clusters are still members of this parameter group {name}, so the \
             group cannot be deleted."
        );
        return Err(error::client("InvalidCacheParameterGroupState", why));
    }
    Answer::after(vec![PARAMETER_GROUPS.remove(&name)], |_| json!({}))
}
