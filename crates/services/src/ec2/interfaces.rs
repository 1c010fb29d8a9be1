//! Network interfaces: those of tasks and load balancers, read off the platform, and those that
//! interface endpoints would have.

use std::net::Ipv4Addr;

use neargate_core::Platform;
use neargate_core::metadata;
use neargate_core::network::Subnet;
use neargate_core::task::Phase;
use serde_json::{Value, json};

use super::kinds::{ENDPOINT, INTERFACE};
use super::{places, security_groups};
use crate::error::AwsError;
use crate::{Answer, arn, fields, names};

/// An address of the subnet's range for something that is not really there.
pub(super) fn made_up_address(subnet: &Subnet, whose: &str) -> Ipv4Addr {
    let spec = &subnet.spec;
    let size = 1_u64 << (32 - spec.prefix.clamp(8, 28));
    let offset = 4 + arn::derived(&[whose.as_bytes()]) % (size - 5);
    Ipv4Addr::from(u32::from(spec.base).wrapping_add(u32::try_from(offset).unwrap_or(4)))
}

/// The id of a part's interface in a subnet.
pub(super) fn id(whose: &str, subnet: &str) -> String {
    format!("eni-0{:016x}", arn::derived(&[b"eni", whose.as_bytes(), subnet.as_bytes()]))
}

struct Interface {
    id: String,
    subnet: String,
    address: Ipv4Addr,
    groups: Vec<String>,
    description: String,
    kind: &'static str,
    attachment: String,
}

fn view(platform: &Platform, interface: Interface) -> Option<Value> {
    let spec = &platform.subnet(&interface.subnet)?.spec;
    let identity = platform.identity();
    let groups = interface.groups.iter().map(|name| security_groups::identifier(platform, name));
    let address = interface.address.to_string();
    let host = metadata::private_dns_name(interface.address, &identity.region);
    Some(json!({
        "NetworkInterfaceId": interface.id,
        "SubnetId": names::subnet_id(&spec.name),
        "VpcId": names::vpc_id(&spec.vpc),
        "AvailabilityZone": spec.zone,
        "AvailabilityZoneId": places::zone_id(&spec.zone),
        "Description": interface.description,
        "Groups": groups.collect::<Vec<_>>(),
        "InterfaceType": interface.kind,
        "MacAddress": metadata::mac_address(interface.address),
        "OwnerId": identity.account,
        "PrivateIpAddress": address,
        "PrivateDnsName": host,
        "PrivateIpAddresses": [{ "Primary": true, "PrivateIpAddress": address, "PrivateDnsName": host }],
        "RequesterId": "amazon-aws",
        "RequesterManaged": true,
        "SourceDestCheck": true,
        "Status": "in-use",
        "Attachment": {
            "AttachmentId": interface.attachment,
            "DeviceIndex": 1,
            "InstanceOwnerId": "amazon-aws",
            "Status": "attached",
            "DeleteOnTermination": false,
        },
        "TagSet": [],
    }))
}

fn all(platform: &Platform) -> Vec<Interface> {
    let identity = platform.identity();
    let mut all = Vec::new();
    for task in platform.tasks().filter(|t| t.phase != Phase::Stopped) {
        let number = arn::derived(&[&task.id.0.to_le_bytes(), b"interface"]);
        let attachment = arn::derived_uuid(&[&task.id.0.to_le_bytes(), b"attachment"]);
        all.push(Interface {
            id: format!("eni-0{number:016x}"),
            subnet: task.subnet.to_string(),
            address: task.address,
            groups: task.revision.security_groups.clone(),
            description: arn::of(identity, "ecs", format_args!("attachment/{attachment}")),
            kind: "interface",
            attachment: format!("eni-attach-0{number:016x}"),
        });
    }
    for balancer in platform.load_balancers() {
        let name = &balancer.spec.name;
        for (subnet, address) in &balancer.addresses {
            let whose = format!("app/{name}/{:016x}", balancer.arn_id);
            all.push(Interface {
                id: id(&whose, subnet),
                subnet: subnet.clone(),
                address: *address,
                groups: balancer.spec.security_groups.clone(),
                attachment: format!("eni-attach-0{:016x}", arn::derived(&[whose.as_bytes()])),
                description: format!("ELB {whose}"),
                kind: "interface",
            });
        }
    }
    for endpoint in ENDPOINT.recorded(platform) {
        let whose = fields::text(&endpoint, "VpcEndpointId").unwrap_or_default();
        let groups = fields::list(&endpoint, "Groups").iter();
        let groups: Vec<String> = groups
            .filter_map(|group| fields::text(group, "GroupId"))
            .map(|id| names::security_group_name(platform, id))
            .collect();
        for subnet_id in fields::texts(&endpoint, "SubnetIds") {
            let name = names::subnet_name(platform, subnet_id);
            let Some(subnet) = name.and_then(|name| platform.subnet(&name)) else { continue };
            all.push(Interface {
                id: id(whose, subnet_id),
                subnet: subnet.spec.name.clone(),
                address: made_up_address(subnet, whose),
                groups: groups.clone(),
                description: format!("VPC Endpoint Interface {whose}"),
                kind: "vpc_endpoint",
                attachment: format!("eni-attach-0{:016x}", arn::derived(&[whose.as_bytes()])),
            });
        }
    }
    all
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let views = all(platform).into_iter().filter_map(|interface| view(platform, interface));
    INTERFACE.list(platform, input, views.collect())
}
