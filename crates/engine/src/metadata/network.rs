//! A task's network interface in its metadata (ECS-META-4).

use std::net::Ipv4Addr;

use neargate_core::Platform;
use neargate_core::metadata::{internal_domain, mac_address, private_dns_name};
use neargate_core::task::{Phase, Task};
use serde_json::{Value, json};

/// Of a range of addresses, the first after its base is the router, the second answers DNS.
fn nth(base: Ipv4Addr, n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(base).wrapping_add(n))
}

/// The list `Networks`; `None` before there is an interface.
pub(super) fn networks(platform: &Platform, task: &Task) -> Option<Value> {
    if task.phase == Phase::Provisioning {
        return None;
    }
    let region = &platform.identity().region;
    let mut network = json!({
        "NetworkMode": "awsvpc",
        "IPv4Addresses": [task.address],
        "AttachmentIndex": 0,
        "MACAddress": mac_address(task.address),
        "DomainNameSearchList": [internal_domain(region)],
        "PrivateDNSName": private_dns_name(task.address, region),
    });
    if let Some(subnet) = platform.subnet(&task.subnet) {
        let (base, prefix) = subnet.range();
        network["IPv4SubnetCIDRBlock"] = json!(format!("{base}/{prefix}"));
        network["SubnetGatewayIpv4Address"] = json!(format!("{}/{prefix}", nth(base, 1)));
        if let Some(vpc) = platform.vpc(&subnet.spec.vpc) {
            network["DomainNameServers"] = json!([nth(vpc.base, 2)]);
        }
    }
    Some(json!([network]))
}
