//! Network ACLs: kept, not applied; security groups are what decides on this machine.
//!
//! Every VPC has one of its own, which needs no record before it is changed. A subnet belongs to
//! it unless another was chosen.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::kinds::NETWORK_ACL;
use super::{in_use, invalid, silent, tagging, vpcs};
use crate::error::{self, AwsError};
use crate::records::{Ids, Records, table};
use crate::{Answer, arn, fields, names};

/// Which ACL a subnet was put under, by subnet.
const ASSOCIATIONS: Records = table("ec2", "network-acl-association");
/// The last rule, which cannot be changed.
const LAST: u64 = 32_767;

fn own_id(vpc: &str) -> String {
    format!("acl-0{:016x}", arn::derived(&[b"acl", vpc.as_bytes()]))
}

fn entry(number: u64, egress: bool, action: &str) -> Value {
    json!({
        "RuleNumber": number,
        "Protocol": "-1",
        "RuleAction": action,
        "Egress": egress,
        "CidrBlock": "0.0.0.0/0",
    })
}

fn own(platform: &Platform, vpc: &str) -> Value {
    let id = own_id(vpc);
    NETWORK_ACL.records.get(platform, &id).unwrap_or_else(|| {
        json!({
            "NetworkAclId": id,
            "VpcId": vpc,
            "IsDefault": true,
            "Entries": [entry(100, true, "allow"), entry(100, false, "allow")],
        })
    })
}

fn of_vpc(platform: &Platform, vpc: &str) -> Vec<Value> {
    let own = own(platform, vpc);
    let others = NETWORK_ACL.recorded(platform).into_iter();
    let others = others.filter(|acl| acl["VpcId"] == vpc && acl["IsDefault"] == json!(false));
    std::iter::once(own).chain(others).collect()
}

/// The ACL with that id.
pub(super) fn get(platform: &Platform, id: &str) -> Result<Value, AwsError> {
    if let Some(acl) = NETWORK_ACL.records.get(platform, id) {
        return Ok(acl);
    }
    let mut vpcs = platform.vpcs().map(|vpc| names::vpc_id(&vpc.name));
    let vpc = vpcs.find(|vpc| own_id(vpc) == id).ok_or_else(|| NETWORK_ACL.not_found(id))?;
    Ok(own(platform, &vpc))
}

/// The association of a subnet: its id and the ACL.
fn association(platform: &Platform, vpc: &str, subnet: &str) -> Value {
    ASSOCIATIONS.get(platform, subnet).unwrap_or_else(|| {
        let number = arn::derived(&[b"aclassoc", subnet.as_bytes()]);
        json!({
            "NetworkAclAssociationId": format!("aclassoc-0{number:016x}"),
            "NetworkAclId": own_id(vpc),
            "SubnetId": subnet,
        })
    })
}

fn associations(platform: &Platform) -> Vec<Value> {
    let subnets = platform.subnets().map(|s| &s.spec);
    subnets
        .map(|s| association(platform, &names::vpc_id(&s.vpc), &names::subnet_id(&s.name)))
        .collect()
}

fn view(platform: &Platform, mut acl: Value, associations: &[Value]) -> Value {
    let own: Vec<&Value> =
        associations.iter().filter(|a| a["NetworkAclId"] == acl["NetworkAclId"]).collect();
    acl["Associations"] = json!(own);
    acl["OwnerId"] = json!(platform.identity().account);
    if let Some(entries) = acl["Entries"].as_array_mut() {
        entries.extend([entry(LAST, true, "deny"), entry(LAST, false, "deny")]);
    }
    acl
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let associations = associations(platform);
    let vpcs = platform.vpcs().map(|vpc| names::vpc_id(&vpc.name));
    let acls = vpcs.flat_map(|vpc| of_vpc(platform, &vpc));
    let views = acls.map(|acl| view(platform, acl, &associations)).collect();
    NETWORK_ACL.list(platform, input, views)
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let vpc = vpcs::check(platform, input)?;
    let mut ids = Ids::of(platform);
    let id = ids.id("acl");
    let acl = json!({ "NetworkAclId": id, "VpcId": vpc, "IsDefault": false, "Entries": [] });
    let mut commands = vec![NETWORK_ACL.records.put(&id, &acl), ids.taken()];
    commands.extend(tagging::on_new(&NETWORK_ACL, &id, input));
    Answer::after(commands, move |platform| {
        let mut acl = view(platform, acl, &[]);
        acl["Tags"] = tagging::view(platform, &id);
        json!({ "NetworkAcl": acl })
    })
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "NetworkAclId").unwrap_or_default();
    let acl = get(platform, id)?;
    if acl["IsDefault"] == json!(true) {
        return Err(invalid(format!("cannot delete default network ACL {id}")));
    }
    if associations(platform).iter().any(|a| a["NetworkAclId"] == id) {
        return Err(in_use("networkAcl", id));
    }
    let mut commands = vec![NETWORK_ACL.records.remove(id)];
    commands.extend(tagging::forget(platform, id));
    Answer::after(commands, silent)
}

/// What a VPC's own ACL leaves.
pub(super) fn default_gone(platform: &Platform, vpc: &str) -> Vec<Command> {
    let id = own_id(vpc);
    let record = NETWORK_ACL.records.has(platform, &id).then(|| NETWORK_ACL.records.remove(&id));
    record.into_iter().chain(tagging::forget(platform, &id)).collect()
}

/// What a subnet leaves.
pub(super) fn subnet_gone(platform: &Platform, subnet: &str) -> Option<Command> {
    ASSOCIATIONS.has(platform, subnet).then(|| ASSOCIATIONS.remove(subnet))
}

fn is_at(entry: &Value, input: &Value) -> bool {
    ["RuleNumber", "Egress"].iter().all(|member| entry[*member] == input[*member])
}

fn new_entry(input: &Value) -> Result<Value, AwsError> {
    let number = fields::number(input, "RuleNumber").unwrap_or(0);
    if !(1..LAST).contains(&number) {
        return Err(invalid(format!(
            "Value ({number}) for parameter ruleNumber is invalid. It must be between 1 and 32766."
        )));
    }
    let mut entry = json!({
        "RuleNumber": number,
        "Egress": fields::flag(input, "Egress").unwrap_or(false),
    });
    for member in
        ["Protocol", "RuleAction", "CidrBlock", "Ipv6CidrBlock", "PortRange", "IcmpTypeCode"]
    {
        fields::set(&mut entry, member, input.get(member).filter(|v| !v.is_null()).cloned());
    }
    Ok(entry)
}

fn change_entries(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut Vec<Value>, &str) -> Result<(), AwsError>,
) -> Result<Answer, AwsError> {
    let id = fields::text(input, "NetworkAclId").unwrap_or_default();
    let mut acl = get(platform, id)?;
    let mut entries = fields::list(&acl, "Entries").to_vec();
    change(&mut entries, id)?;
    entries.sort_by_key(|e| (fields::flag(e, "Egress"), fields::number(e, "RuleNumber")));
    acl["Entries"] = Value::Array(entries);
    Answer::after(vec![NETWORK_ACL.records.put(id, &acl)], silent)
}

fn no_entry(id: &str, input: &Value) -> AwsError {
    let (number, egress) = (&input["RuleNumber"], &input["Egress"]);
    error::client(
        "InvalidNetworkAclEntry.NotFound",
        format!(
            "The network acl entry (network-acl-id: {id}, rule-number: {number}, egress: {egress}) does not exist"
        ),
    )
}

pub(super) fn create_entry(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let new = new_entry(input)?;
    change_entries(platform, input, |entries, _| {
        if entries.iter().any(|entry| is_at(entry, input)) {
            let message = format!(
                "The network acl entry identified by {} already exists.",
                new["RuleNumber"]
            );
            return Err(error::client("NetworkAclEntryAlreadyExists", message));
        }
        entries.push(new);
        Ok(())
    })
}

pub(super) fn replace_entry(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let new = new_entry(input)?;
    change_entries(platform, input, |entries, id| {
        let known = entries.iter_mut().find(|entry| is_at(entry, input));
        *known.ok_or_else(|| no_entry(id, input))? = new;
        Ok(())
    })
}

pub(super) fn delete_entry(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change_entries(platform, input, |entries, id| {
        let before = entries.len();
        entries.retain(|entry| !is_at(entry, input));
        if entries.len() == before { Err(no_entry(id, input)) } else { Ok(()) }
    })
}

pub(super) fn replace_association(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "AssociationId").unwrap_or_default();
    let acl = get(platform, fields::text(input, "NetworkAclId").unwrap_or_default())?;
    let all = associations(platform);
    let Some(known) = all.iter().find(|a| a["NetworkAclAssociationId"] == id) else {
        let message = format!("The association ID '{id}' does not exist");
        return Err(error::client("InvalidAssociationID.NotFound", message));
    };
    let mut ids = Ids::of(platform);
    let new = ids.id("aclassoc");
    let mut moved = known.clone();
    moved["NetworkAclAssociationId"] = json!(new);
    moved["NetworkAclId"] = acl["NetworkAclId"].clone();
    let subnet = fields::text(&moved, "SubnetId").unwrap_or_default();
    let commands = vec![ASSOCIATIONS.put(subnet, &moved), ids.taken()];
    Answer::after(commands, move |_| json!({ "NewAssociationId": new }))
}
