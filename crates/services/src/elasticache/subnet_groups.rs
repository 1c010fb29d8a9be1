//! Cache subnet groups.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{CLUSTERS, SUBNET_GROUPS, arn_of, named, paged, record};
use crate::error::{self, AwsError};
use crate::{Answer, fields, place};

/// The record of the group of that name.
pub(super) fn find(platform: &Platform, name: &str) -> Result<Value, AwsError> {
    SUBNET_GROUPS.get(platform, name).ok_or_else(|| {
        let why = format!("Cache Subnet Group {name} does not exist.");
        error::client("CacheSubnetGroupNotFoundFault", why)
    })
}

/// Puts the subnets of the input into the view.
fn settle(platform: &Platform, view: &mut Value, input: &Value) {
    let places = place::places(platform, &fields::texts(input, "SubnetIds"));
    view["VpcId"] = json!(places.first().map(|place| place.vpc.clone()));
    let subnets = places.into_iter().map(|place| {
        json!({
            "SubnetIdentifier": place.subnet,
            "SubnetAvailabilityZone": { "Name": place.zone },
            "SupportedNetworkTypes": ["ipv4"],
        })
    });
    view["Subnets"] = subnets.collect();
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = named(input, "CacheSubnetGroupName");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._ ".contains(c);
    if name.is_empty() || name == "default" || !name.chars().all(allowed) {
        let why = format!("The parameter CacheSubnetGroupName is not valid: {name}");
        return Err(error::client("InvalidParameterValue", why));
    }
    if SUBNET_GROUPS.has(platform, &name) {
        let why = format!("Cache subnet group {name} already exists.");
        return Err(error::client("CacheSubnetGroupAlreadyExists", why));
    }
    let mut view = json!({
        "CacheSubnetGroupName": name,
        "CacheSubnetGroupDescription": fields::text(input, "CacheSubnetGroupDescription"),
        "ARN": arn_of(platform, "subnetgroup", &name),
        "SupportedNetworkTypes": ["ipv4"],
    });
    settle(platform, &mut view, input);
    let put = SUBNET_GROUPS.put(&name, &record(view.clone(), input));
    Answer::after(vec![put], move |_| json!({ "CacheSubnetGroup": view }))
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = named(input, "CacheSubnetGroupName");
    let mut record = find(platform, &name)?;
    let mut view = record["view"].take();
    let description = fields::text(input, "CacheSubnetGroupDescription");
    fields::set(&mut view, "CacheSubnetGroupDescription", description);
    if !fields::list(input, "SubnetIds").is_empty() {
        settle(platform, &mut view, input);
    }
    record["view"] = view.clone();
    let put = SUBNET_GROUPS.put(&name, &record);
    Answer::after(vec![put], move |_| json!({ "CacheSubnetGroup": view }))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let wanted = fields::sent(input, "CacheSubnetGroupName");
    let wanted = wanted.then(|| named(input, "CacheSubnetGroupName"));
    if let Some(name) = &wanted {
        find(platform, name)?;
    }
    let all = SUBNET_GROUPS.all(platform);
    let found = all.filter(|(name, _)| wanted.as_ref().is_none_or(|w| w == name));
    let views = found.map(|(name, mut record)| (name, record["view"].take())).collect();
    Ok(Answer::Now(paged(input, "CacheSubnetGroups", views)?))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = named(input, "CacheSubnetGroupName");
    find(platform, &name)?;
    let mut clusters = CLUSTERS.all(platform);
    if clusters.any(|(_, cluster)| cluster["view"]["CacheSubnetGroupName"] == name) {
        let why = format!("Cache subnet group {name} is currently in use by a cache cluster.");
        return Err(error::client("CacheSubnetGroupInUse", why));
    }
    Answer::after(vec![SUBNET_GROUPS.remove(&name)], |_| json!({}))
}
