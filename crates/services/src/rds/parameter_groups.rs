//! DB parameter groups and the parameters that were set in them. What an engine's defaults are is
//! not kept: a listing shows what somebody set.

use neargate_core::Platform;
use serde_json::{Map, Value, json};

use super::{INSTANCES, PARAMETER_GROUPS, arn_of, name, paged, record};
use crate::error::{self, AwsError};
use crate::{Answer, fields};

/// Every family has a group of its own that nobody made.
pub(super) const DEFAULT: &str = "default.";

pub(super) fn not_found(name: &str) -> AwsError {
    error::client("DBParameterGroupNotFound", format!("DBParameterGroup not found: {name}"))
}

fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let name = fields::text(input, "DBParameterGroupName").unwrap_or_default();
    let key = name.to_ascii_lowercase();
    match PARAMETER_GROUPS.get(platform, &key) {
        Some(record) => Ok((key, record)),
        None => default(platform, &key).map(|record| (key, record)).ok_or_else(|| not_found(name)),
    }
}

/// The group that comes with a family.
fn default(platform: &Platform, name: &str) -> Option<Value> {
    let family = name.strip_prefix(DEFAULT)?;
    Some(json!({ "view": {
        "DBParameterGroupName": name,
        "DBParameterGroupFamily": family,
        "Description": format!("Default parameter group for {family}"),
        "DBParameterGroupArn": arn_of(platform, "pg", name),
    } }))
}

/// Whether an instance may be in the group of that name.
pub(super) fn exists(platform: &Platform, name: &str) -> bool {
    name.starts_with(DEFAULT) || PARAMETER_GROUPS.has(platform, &name.to_ascii_lowercase())
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = name(input, "DBParameterGroupName")?;
    if PARAMETER_GROUPS.has(platform, &name) {
        let why = format!("Parameter group {name} already exists");
        return Err(error::client("DBParameterGroupAlreadyExists", why));
    }
    let view = json!({
        "DBParameterGroupName": name,
        "DBParameterGroupFamily": fields::text(input, "DBParameterGroupFamily"),
        "Description": fields::text(input, "Description"),
        "DBParameterGroupArn": arn_of(platform, "pg", &name),
    });
    let put = PARAMETER_GROUPS.put(&name, &record(view.clone(), input));
    Answer::after(vec![put], move |_| json!({ "DBParameterGroup": view }))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    if fields::sent(input, "DBParameterGroupName") {
        let (_, record) = find(platform, input)?;
        return Ok(Answer::Now(json!({ "DBParameterGroups": [record["view"]] })));
    }
    let all = PARAMETER_GROUPS.all(platform);
    let views = all.map(|(name, mut record)| (name, record["view"].take())).collect();
    Ok(Answer::Now(paged(input, "DBParameterGroups", views)?))
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
            "ParameterValue": value["ParameterValue"],
            "ApplyMethod": value["ApplyMethod"],
            "Source": "user",
            "ApplyType": if value["ApplyMethod"] == "pending-reboot" { "static" } else { "dynamic" },
            "DataType": "string",
            "IsModifiable": true,
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
        return Err(error::client("InvalidParameterValue", why));
    }
    Ok((name, record))
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = own(platform, input)?;
    for parameter in fields::list(input, "Parameters") {
        let (Some(key), Some(value)) =
            (fields::text(parameter, "ParameterName"), parameter.get("ParameterValue"))
        else {
            let why = "Each parameter needs ParameterName, ParameterValue and ApplyMethod.";
            return Err(error::client("InvalidParameterValue", why));
        };
        let method = fields::text(parameter, "ApplyMethod").unwrap_or("immediate");
        record["parameters"][key] = json!({ "ParameterValue": value, "ApplyMethod": method });
    }
    let put = PARAMETER_GROUPS.put(&name, &record);
    Answer::after(vec![put], move |_| json!({ "DBParameterGroupName": name }))
}

pub(super) fn reset(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = own(platform, input)?;
    let all = fields::flag(input, "ResetAllParameters").unwrap_or(false);
    let named = fields::list(input, "Parameters");
    let named: Vec<&str> = named.iter().filter_map(|p| fields::text(p, "ParameterName")).collect();
    if let Some(set) = record.get_mut("parameters").and_then(Value::as_object_mut) {
        set.retain(|key, _| !all && !named.contains(&key.as_str()));
    }
    let put = PARAMETER_GROUPS.put(&name, &record);
    Answer::after(vec![put], move |_| json!({ "DBParameterGroupName": name }))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, _) = own(platform, input)?;
    let uses = |instance: &Value| {
        let groups = fields::list(&instance["view"], "DBParameterGroups");
        groups.iter().any(|group| group["DBParameterGroupName"] == name)
    };
    if INSTANCES.all(platform).any(|(_, instance)| uses(&instance)) {
        let why = format!(
            "One or more database instances are still members of this parameter group {name}, so \
             the group cannot be deleted"
        );
        return Err(error::client("InvalidDBParameterGroupState", why));
    }
    Answer::after(vec![PARAMETER_GROUPS.remove(&name)], |_| json!({}))
}
