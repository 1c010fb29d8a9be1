//! Security groups: the platform's, with a name and a description that only clients care for.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::network::SecurityGroupSpec;
use serde_json::{Value, json};

use super::kinds::GROUP;
use super::{described, invalid, now, permissions, tagging, vpcs};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields, names};

/// The security group with that id.
pub(super) fn find<'a>(
    platform: &'a Platform,
    id: &str,
) -> Result<&'a SecurityGroupSpec, AwsError> {
    let mut groups = platform.security_groups();
    groups.find(|g| names::security_group_id(&g.name) == id).ok_or_else(|| {
        error::client("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"))
    })
}

/// The same, if it may be changed by a client.
pub(super) fn find_own<'a>(
    platform: &'a Platform,
    id: &str,
) -> Result<&'a SecurityGroupSpec, AwsError> {
    let group = find(platform, id)?;
    match names::is_of_client(&group.name) {
        true => Ok(group),
        false => Err(described("security group", id)),
    }
}

/// What its VPC knows it by.
fn group_name(platform: &Platform, group: &SecurityGroupSpec) -> String {
    let said = GROUP.records.get(platform, &group.name).unwrap_or_default();
    let by_network = group.name.strip_prefix(&group.vpc).and_then(|n| n.strip_prefix('-'));
    fields::owned(&said, "GroupName").unwrap_or_else(|| by_network.unwrap_or(&group.name).into())
}

/// The name of the group in a VPC of whatever is put in no other.
pub(crate) fn default_group(platform: &Platform, vpc: &str) -> Option<String> {
    let mut groups = platform.security_groups().filter(|g| g.vpc == vpc);
    groups.find(|g| group_name(platform, g) == "default").map(|g| g.name.clone())
}

/// As lists of groups show one.
pub(super) fn identifier(platform: &Platform, name: &str) -> Value {
    let id = names::security_group_id(name);
    let found = platform.security_groups().find(|g| g.name == name);
    let name = found.map_or_else(|| id.clone(), |g| group_name(platform, g));
    json!({ "GroupId": id, "GroupName": name })
}

fn view(platform: &Platform, group: &SecurityGroupSpec) -> Value {
    let id = names::security_group_id(&group.name);
    let said = GROUP.records.get(platform, &id).unwrap_or_default();
    let rules = permissions::of(platform, group);
    json!({
        "GroupId": id,
        "GroupName": group_name(platform, group),
        "Description": fields::text(&said, "Description").unwrap_or("described in neargate.yaml"),
        "OwnerId": platform.identity().account,
        "VpcId": names::vpc_id(&group.vpc),
        "SecurityGroupArn": arn_of(platform, &id),
        "IpPermissions": permissions::joined(&rules, false),
        "IpPermissionsEgress": permissions::joined(&rules, true),
    })
}

fn arn_of(platform: &Platform, id: &str) -> String {
    arn::of(platform.identity(), "ec2", format_args!("security-group/{id}"))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = fields::texts(input, "GroupNames");
    let all = platform.security_groups().map(|group| view(platform, group));
    let named = |group: &Value| {
        asked.is_empty() || asked.contains(&fields::text(group, "GroupName").unwrap_or_default())
    };
    GROUP.list(platform, input, all.filter(named).collect())
}

pub(super) fn for_vpc(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let vpc = vpcs::find(platform, fields::text(input, "VpcId").unwrap_or_default())?;
    let groups = platform.security_groups().filter(|group| group.vpc == vpc.name);
    let views: Vec<Value> = groups
        .map(|group| {
            let whole = view(platform, group);
            let id = whole["GroupId"].as_str().unwrap_or_default();
            json!({
                "GroupId": id,
                "GroupName": whole["GroupName"],
                "Description": whole["Description"],
                "OwnerId": whole["OwnerId"],
                "PrimaryVpcId": whole["VpcId"],
                "Tags": tagging::view(platform, id),
            })
        })
        .collect();
    now(json!({ "SecurityGroupForVpcs": views }))
}

/// The record of a new group.
pub(super) fn made(id: &str, name: &str, description: &str) -> Command {
    let record = json!({ "GroupName": name, "Description": description });
    GROUP.records.put(id, &record)
}

/// What takes a group away with all that belongs to it.
pub(super) fn gone(platform: &Platform, name: &str) -> Vec<Command> {
    let mut commands =
        vec![Command::DeleteSecurityGroup { name: name.to_owned() }, GROUP.records.remove(name)];
    commands.extend(permissions::gone(platform, name));
    commands.extend(tagging::forget(platform, name));
    commands
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let Some(vpc) = fields::text(input, "VpcId") else {
        let message = "No default VPC for this user; a VpcId must be given";
        return Err(error::client("VPCIdNotSpecified", message));
    };
    let vpc = vpcs::find(platform, vpc)?.name.clone();
    let name = fields::text(input, "GroupName").unwrap_or_default();
    let description = fields::text(input, "Description").unwrap_or_default();
    if name.is_empty() || name.len() > 255 || name.starts_with("sg-") {
        return Err(invalid(format!(
            "Invalid security group name '{name}'. Group names must have 1 to 255 characters and may not be in the format sg-*."
        )));
    }
    let mut groups = platform.security_groups().filter(|group| group.vpc == vpc);
    if name == "default" || groups.any(|group| group_name(platform, group) == name) {
        return Err(error::client(
            "InvalidGroup.Duplicate",
            format!("The security group '{name}' already exists for VPC '{}'", names::vpc_id(&vpc)),
        ));
    }
    let mut ids = Ids::of(platform);
    let id = ids.id("sg");
    let rules = [permissions::everything_out(&mut ids, &platform.identity().account, &id)];
    let mut commands = vec![ids.taken()];
    commands.push(made(&id, name, description));
    let spec = SecurityGroupSpec { name: id.clone(), vpc, ingress: Vec::new(), egress: Vec::new() };
    commands.extend(permissions::put(platform, spec, &rules, &[]));
    commands.extend(tagging::on_new(&GROUP, &id, input));
    Answer::after(commands, move |platform| {
        json!({
            "GroupId": id,
            "SecurityGroupArn": arn_of(platform, &id),
            "Tags": tagging::view(platform, &id),
        })
    })
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let Some(id) = fields::text(input, "GroupId") else {
        return Err(error::client("MissingParameter", "The request must contain the GroupId"));
    };
    let group = find_own(platform, id)?;
    if group_name(platform, group) == "default" {
        let message =
            format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(error::client("CannotDelete", message));
    }
    Answer::after(gone(platform, &group.name), {
        let id = id.to_owned();
        move |_| json!({ "Return": true, "GroupId": id })
    })
}
