//! VPCs. A new one has a security group, a network ACL and a route table of its own; the latter two
//! need not be written down before they are changed.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::network::{SecurityGroupSpec, VpcSpec};
use serde_json::{Value, json};

use super::kinds::{ENDPOINT, INTERNET_GATEWAY, NAT_GATEWAY, NETWORK_ACL, ROUTE_TABLE, VPC};
use super::{
    described, in_use, network_acls, now, permissions, range, route_tables, security_groups,
    silent, tagging,
};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields, names};

/// Attributes with their values in a new VPC.
const ATTRIBUTES: &[(&str, &str, bool)] = &[
    ("EnableDnsSupport", "enableDnsSupport", true),
    ("EnableDnsHostnames", "enableDnsHostnames", false),
    ("EnableNetworkAddressUsageMetrics", "enableNetworkAddressUsageMetrics", false),
];

/// The VPC with that id.
pub(super) fn find<'a>(platform: &'a Platform, id: &str) -> Result<&'a VpcSpec, AwsError> {
    let name = names::vpc_name(platform, id);
    name.and_then(|name| platform.vpc(&name)).ok_or_else(|| VPC.not_found(id))
}

/// The one set of DHCP options there is.
fn dhcp_options_id(platform: &Platform) -> String {
    format!("dopt-0{:016x}", arn::derived(&[b"dopt", platform.identity().account.as_bytes()]))
}

fn view(platform: &Platform, vpc: &VpcSpec) -> Value {
    let id = names::vpc_id(&vpc.name);
    let said = VPC.records.get(platform, &id).unwrap_or_default();
    let association = arn::derived(&[b"vpc-cidr-assoc", id.as_bytes()]);
    let cidr = range::show((vpc.base, vpc.prefix));
    json!({
        "VpcId": id,
        "CidrBlock": cidr,
        "CidrBlockAssociationSet": [{
            "AssociationId": format!("vpc-cidr-assoc-0{association:016x}"),
            "CidrBlock": cidr,
            "CidrBlockState": { "State": "associated" },
        }],
        "DhcpOptionsId": dhcp_options_id(platform),
        "InstanceTenancy": fields::text(&said, "InstanceTenancy").unwrap_or("default"),
        "IsDefault": false,
        "OwnerId": platform.identity().account,
        "State": "available",
    })
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    VPC.list(platform, input, platform.vpcs().map(|vpc| view(platform, vpc)).collect())
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    if fields::flag(input, "AmazonProvidedIpv6CidrBlock") == Some(true)
        || fields::sent(input, "Ipv6CidrBlock")
    {
        return Err(error::client("UnsupportedOperation", "Neargate has IPv4 addresses only"));
    }
    let Some(text) = fields::text(input, "CidrBlock") else {
        let message = "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.";
        return Err(error::client("MissingParameter", message));
    };
    let (base, prefix) = range::read(text)?;
    if !(16..=28).contains(&prefix) {
        let message = format!("The CIDR '{text}' is invalid.");
        return Err(error::client("InvalidVpc.Range", message));
    }
    let mut ids = Ids::of(platform);
    let id = ids.id("vpc");
    let group = ids.id("sg");
    let owner = &platform.identity().account;
    let rules = permissions::of_default_group(&mut ids, owner, &group);
    let tenancy = fields::text(input, "InstanceTenancy").unwrap_or("default");
    let mut commands = vec![
        Command::PutVpc(VpcSpec { name: id.clone(), base, prefix }),
        VPC.records.put(&id, &json!({ "InstanceTenancy": tenancy })),
        ids.taken(),
    ];
    let described = "default VPC security group";
    commands.push(security_groups::made(&group, "default", described));
    let spec = SecurityGroupSpec {
        name: group.clone(),
        vpc: id.clone(),
        ingress: Vec::new(),
        egress: Vec::new(),
    };
    commands.extend(permissions::put(platform, spec, &rules, &[]));
    commands.extend(tagging::on_new(&VPC, &id, input));
    Answer::after(commands, move |platform| {
        let mut vpc = find(platform, &id).map(|vpc| view(platform, vpc)).unwrap_or_default();
        vpc["Tags"] = tagging::view(platform, &id);
        json!({ "Vpc": vpc })
    })
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "VpcId").unwrap_or_default();
    let vpc = find(platform, id)?.name.clone();
    if !names::is_of_client(&vpc) {
        return Err(described("vpc", id));
    }
    let of_vpc = |record: &Value| fields::text(record, "VpcId") == Some(&vpc);
    let alive = |record: &Value| fields::text(record, "State") != Some("deleted");
    let is_main =
        |record: &Value| route_tables::is_main_table(record) || route_tables::is_own(record);
    let default = |record: &Value| fields::flag(record, "IsDefault") == Some(true);
    let own = security_groups::default_group(platform, &vpc);
    let used = platform.subnets().any(|s| s.spec.vpc == vpc)
        || platform.security_groups().any(|g| g.vpc == vpc && Some(&g.name) != own.as_ref())
        || ENDPOINT.recorded(platform).iter().any(of_vpc)
        || NAT_GATEWAY.recorded(platform).iter().any(|r| of_vpc(r) && alive(r))
        || ROUTE_TABLE.recorded(platform).iter().any(|r| of_vpc(r) && !is_main(r))
        || NETWORK_ACL.recorded(platform).iter().any(|r| of_vpc(r) && !default(r))
        || INTERNET_GATEWAY
            .recorded(platform)
            .iter()
            .any(|r| fields::list(r, "Attachments").iter().any(of_vpc));
    if used {
        return Err(in_use("vpc", id));
    }
    let mut commands = Vec::new();
    if let Some(group) = own {
        commands.extend(security_groups::gone(platform, &group));
    }
    commands.push(Command::DeleteVpc { name: vpc.clone() });
    commands.push(VPC.records.remove(&vpc));
    commands.extend(tagging::forget(platform, &vpc));
    for table in route_tables::of_vpc(platform, &vpc) {
        commands.extend(route_tables::gone(platform, &table));
    }
    commands.extend(network_acls::default_gone(platform, &vpc));
    Answer::after(commands, silent)
}

pub(super) fn describe_attribute(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "VpcId").unwrap_or_default();
    let vpc = find(platform, id)?;
    let id = names::vpc_id(&vpc.name);
    let asked = fields::text(input, "Attribute").unwrap_or_default();
    let Some((member, ..)) = ATTRIBUTES.iter().find(|(_, name, _)| *name == asked) else {
        return Err(super::invalid(format!("Value ({asked}) for parameter attribute is invalid.")));
    };
    let value = attribute(platform, &id, member);
    now(json!({ "VpcId": id, *member: { "Value": value } }))
}

/// Whether the VPC with that id has the attribute.
pub(super) fn attribute(platform: &Platform, id: &str, member: &str) -> bool {
    let said = VPC.records.get(platform, id).unwrap_or_default();
    let unset = ATTRIBUTES.iter().any(|(known, _, unset)| *known == member && *unset);
    fields::flag(&said, member).unwrap_or(unset)
}

pub(super) fn modify_attribute(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "VpcId").unwrap_or_default();
    let id = names::vpc_id(&find(platform, id)?.name);
    let mut said = VPC.records.get(platform, &id).unwrap_or_else(|| json!({}));
    for (member, ..) in ATTRIBUTES {
        if let Some(value) = input.get(*member).and_then(|v| fields::flag(v, "Value")) {
            said[*member] = json!(value);
        }
    }
    Answer::after(vec![VPC.records.put(&id, &said)], silent)
}

/// The options every VPC has: Amazon's name server and the region's domain.
pub(super) fn dhcp_options(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = dhcp_options_id(platform);
    let asked = fields::texts(input, "DhcpOptionsIds");
    if let Some(unknown) = asked.iter().find(|asked| **asked != id) {
        let message = format!("The dhcpOption ID '{unknown}' does not exist");
        return Err(error::client("InvalidDhcpOptionID.NotFound", message));
    }
    let domain = neargate_core::metadata::internal_domain(&platform.identity().region);
    now(json!({ "DhcpOptions": [{
        "DhcpOptionsId": id,
        "OwnerId": platform.identity().account,
        "DhcpConfigurations": [
            { "Key": "domain-name", "Values": [{ "Value": domain }] },
            { "Key": "domain-name-servers", "Values": [{ "Value": "AmazonProvidedDNS" }] },
        ],
        "Tags": [],
    }] }))
}

/// The id of the VPC that the input names.
pub(super) fn check(platform: &Platform, input: &Value) -> Result<String, AwsError> {
    let id = fields::text(input, "VpcId").unwrap_or_default();
    Ok(names::vpc_id(&find(platform, id)?.name))
}
