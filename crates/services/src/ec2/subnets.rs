//! Subnets: what tasks and load balancers get their addresses from.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::network::{Subnet, SubnetSpec};
use serde_json::{Value, json};

use super::kinds::{ENDPOINT, NAT_GATEWAY, SUBNET};
use super::routing::Routing;
use super::{
    described, in_use, invalid, network_acls, places, range, route_tables, silent, tagging, vpcs,
};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields, names};

/// The subnet with that id.
pub(super) fn find<'a>(platform: &'a Platform, id: &str) -> Result<&'a Subnet, AwsError> {
    let name = names::subnet_name(platform, id);
    name.and_then(|name| platform.subnet(&name)).ok_or_else(|| SUBNET.not_found(id))
}

fn view(platform: &Platform, subnet: &Subnet) -> Value {
    let spec = &subnet.spec;
    let id = names::subnet_id(&spec.name);
    let said = SUBNET.records.get(platform, &id).unwrap_or_default();
    let flag = |member: &str| fields::flag(&said, member).unwrap_or(false);
    let host_names = fields::text(&said, "PrivateDnsHostnameTypeOnLaunch").unwrap_or("ip-name");
    json!({
        "SubnetId": id,
        "SubnetArn": arn::of(platform.identity(), "ec2", format_args!("subnet/{id}")),
        "VpcId": names::vpc_id(&spec.vpc),
        "CidrBlock": range::show((spec.base, spec.prefix)),
        "AvailabilityZone": spec.zone,
        "AvailabilityZoneId": places::zone_id(&spec.zone),
        "AvailableIpAddressCount": subnet.available(),
        "OwnerId": platform.identity().account,
        "State": "available",
        "DefaultForAz": false,
        "MapPublicIpOnLaunch": flag("MapPublicIpOnLaunch"),
        "MapCustomerOwnedIpOnLaunch": false,
        "AssignIpv6AddressOnCreation": false,
        "Ipv6Native": false,
        "EnableDns64": flag("EnableDns64"),
        "Ipv6CidrBlockAssociationSet": [],
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": host_names,
            "EnableResourceNameDnsARecord": flag("EnableResourceNameDnsARecordOnLaunch"),
            "EnableResourceNameDnsAAAARecord": flag("EnableResourceNameDnsAAAARecordOnLaunch"),
        },
    })
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    SUBNET.list(platform, input, platform.subnets().map(|s| view(platform, s)).collect())
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let vpc = vpcs::find(platform, fields::text(input, "VpcId").unwrap_or_default())?;
    if fields::sent(input, "Ipv6CidrBlock") || fields::flag(input, "Ipv6Native") == Some(true) {
        return Err(error::client("UnsupportedOperation", "Neargate has IPv4 addresses only"));
    }
    let Some(text) = fields::text(input, "CidrBlock") else {
        let message = "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.";
        return Err(error::client("MissingParameter", message));
    };
    let cidr = range::read(text)?;
    if !(16..=28).contains(&cidr.1) || !range::contains((vpc.base, vpc.prefix), cidr) {
        let message = format!("The CIDR '{text}' is invalid.");
        return Err(error::client("InvalidSubnet.Range", message));
    }
    let mut others = platform.subnets().filter(|s| s.spec.vpc == vpc.name);
    if others.any(|s| range::overlap((s.spec.base, s.spec.prefix), cidr)) {
        let message = format!("The CIDR '{text}' conflicts with another subnet");
        return Err(error::client("InvalidSubnet.Conflict", message));
    }
    let mut ids = Ids::of(platform);
    let id = ids.id("subnet");
    let spec = SubnetSpec {
        name: id.clone(),
        vpc: vpc.name.clone(),
        internet: Routing::of(platform, &names::vpc_id(&vpc.name)).internet(&id),
        zone: places::chosen_zone(platform, input)?,
        base: cidr.0,
        prefix: cidr.1,
    };
    let mut commands = vec![Command::PutSubnet(spec), ids.taken()];
    commands.extend(tagging::on_new(&SUBNET, &id, input));
    Answer::after(commands, move |platform| {
        let mut subnet = find(platform, &id).map(|s| view(platform, s)).unwrap_or_default();
        subnet["Tags"] = tagging::view(platform, &id);
        json!({ "Subnet": subnet })
    })
}

/// One attribute at a time, as EC2 wants it; what a task gets says the service, not the subnet.
pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "SubnetId").unwrap_or_default();
    let id = names::subnet_id(&find(platform, id)?.spec.name);
    let mut said = SUBNET.records.get(platform, &id).unwrap_or_else(|| json!({}));
    for member in [
        "MapPublicIpOnLaunch",
        "EnableDns64",
        "EnableResourceNameDnsARecordOnLaunch",
        "EnableResourceNameDnsAAAARecordOnLaunch",
    ] {
        if let Some(value) = input.get(member).and_then(|v| fields::flag(v, "Value")) {
            said[member] = json!(value);
        }
    }
    if let Some(kind) = fields::text(input, "PrivateDnsHostnameTypeOnLaunch") {
        said["PrivateDnsHostnameTypeOnLaunch"] = json!(kind);
    }
    for member in ["AssignIpv6AddressOnCreation", "MapCustomerOwnedIpOnLaunch"] {
        let value = input.get(member).and_then(|v| fields::flag(v, "Value"));
        if value == Some(true) {
            return Err(invalid(format!("Neargate does not have {member}")));
        }
    }
    Answer::after(vec![SUBNET.records.put(&id, &said)], silent)
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "SubnetId").unwrap_or_default();
    let subnet = &find(platform, id)?.spec;
    if !names::is_of_client(&subnet.name) {
        return Err(described("subnet", id));
    }
    let alive = |record: &Value| fields::text(record, "State") != Some("deleted");
    let here = |record: &Value| fields::text(record, "SubnetId") == Some(id);
    let used = NAT_GATEWAY.recorded(platform).iter().any(|nat| here(nat) && alive(nat))
        || ENDPOINT.recorded(platform).iter().any(|e| fields::texts(e, "SubnetIds").contains(&id));
    if used {
        return Err(in_use("subnet", id));
    }
    let mut commands = vec![Command::DeleteSubnet { name: subnet.name.clone() }];
    if SUBNET.records.has(platform, id) {
        commands.push(SUBNET.records.remove(id));
    }
    commands.extend(route_tables::subnet_gone(platform, &names::vpc_id(&subnet.vpc), id));
    commands.extend(network_acls::subnet_gone(platform, id));
    commands.extend(tagging::forget(platform, id));
    Answer::after(commands, silent)
}
