//! DB subnet groups.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{INSTANCES, SUBNET_GROUPS, arn_of, paged, record};
use crate::error::{self, AwsError};
use crate::{Answer, fields, place};

/// The group of that name, as the API shows it.
pub(super) fn find(platform: &Platform, name: &str) -> Result<Value, AwsError> {
    let found = SUBNET_GROUPS.get(platform, &name.to_ascii_lowercase());
    found.ok_or_else(|| {
        let why = format!("DB subnet group '{name}' does not exist.");
        error::client("DBSubnetGroupNotFoundFault", why)
    })
}

/// Puts the subnets of the input into the view.
fn settle(platform: &Platform, view: &mut Value, input: &Value) -> Result<(), AwsError> {
    let places = place::places(platform, &fields::texts(input, "SubnetIds"));
    let Some(first) = places.first().map(|place| (place.zone.clone(), place.vpc.clone())) else {
        let why = "The request must contain the parameter SubnetIds.";
        return Err(error::client("InvalidParameterValue", why));
    };
    if places.iter().all(|place| place.zone == first.0) {
        let why = format!(
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current \
             AZ coverage: {}. Add subnets to cover at least 2 AZs.",
            first.0
        );
        return Err(error::client("DBSubnetGroupDoesNotCoverEnoughAZs", why));
    }
    view["VpcId"] = json!(first.1);
    let subnets = places.into_iter().map(|place| {
        json!({
            "SubnetIdentifier": place.subnet,
            "SubnetAvailabilityZone": { "Name": place.zone },
            "SubnetOutpost": {},
            "SubnetStatus": "Active",
        })
    });
    view["Subnets"] = subnets.collect();
    Ok(())
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "DBSubnetGroupName").unwrap_or_default().to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_ ".contains(c);
    if name == "default" || !name.chars().all(allowed) {
        let why = format!("The parameter DBSubnetGroupName is not a valid identifier: {name}");
        return Err(error::client("InvalidParameterValue", why));
    }
    if SUBNET_GROUPS.has(platform, &name) {
        let why = format!("The DB subnet group '{name}' already exists.");
        return Err(error::client("DBSubnetGroupAlreadyExists", why));
    }
    let mut view = json!({
        "DBSubnetGroupName": name,
        "DBSubnetGroupDescription": fields::text(input, "DBSubnetGroupDescription"),
        "SubnetGroupStatus": "Complete",
        "DBSubnetGroupArn": arn_of(platform, "subgrp", &name),
        "SupportedNetworkTypes": ["IPV4"],
    });
    settle(platform, &mut view, input)?;
    let put = SUBNET_GROUPS.put(&name, &record(view.clone(), input));
    Answer::after(vec![put], move |_| json!({ "DBSubnetGroup": view }))
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "DBSubnetGroupName").unwrap_or_default().to_ascii_lowercase();
    let mut record = find(platform, &name)?;
    let mut view = record["view"].take();
    let description = fields::text(input, "DBSubnetGroupDescription");
    fields::set(&mut view, "DBSubnetGroupDescription", description);
    settle(platform, &mut view, input)?;
    record["view"] = view.clone();
    let put = SUBNET_GROUPS.put(&name, &record);
    Answer::after(vec![put], move |_| json!({ "DBSubnetGroup": view }))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let wanted = fields::text(input, "DBSubnetGroupName").map(str::to_ascii_lowercase);
    if let Some(name) = &wanted {
        find(platform, name)?;
    }
    let all = SUBNET_GROUPS.all(platform);
    let found = all.filter(|(name, _)| wanted.as_ref().is_none_or(|w| w == name));
    let views = found.map(|(name, mut record)| (name, record["view"].take())).collect();
    Ok(Answer::Now(paged(input, "DBSubnetGroups", views)?))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "DBSubnetGroupName").unwrap_or_default().to_ascii_lowercase();
    find(platform, &name)?;
    let user = INSTANCES.all(platform).find(|(_, instance)| instance["subnetGroup"] == name);
    if let Some((user, _)) = user {
        let why = format!(
            "Cannot delete the subnet group '{name}' because at least one database instance: \
             {user} is still using it."
        );
        return Err(error::client("InvalidDBSubnetGroupStateFault", why));
    }
    Answer::after(vec![SUBNET_GROUPS.remove(&name)], |_| json!({}))
}
