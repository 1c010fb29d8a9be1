//! VPCs, subnets, security groups and discovery services: known by name inside, by id or ARN outside.
//!
//! What came in by its AWS id keeps it as its name. What was named in `neargate.yaml` shows an id
//! made from that name, and may be asked for by either.

use neargate_core::Platform;
use neargate_core::data_plane::Name;
use neargate_core::platform::Identity;

use crate::arn;

/// `<prefix>-<17 hex digits>`, or the name itself when it has that prefix already.
fn shown(prefix: &str, name: &str) -> String {
    if name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-')) {
        return name.to_owned();
    }
    format!("{prefix}-0{:016x}", arn::derived(&[prefix.as_bytes(), name.as_bytes()]))
}

/// The subnet id of a subnet's name.
pub(crate) fn subnet_id(name: &str) -> String {
    shown("subnet", name)
}

/// The name of the subnet with that id or name.
pub(crate) fn subnet_name(platform: &Platform, id: &str) -> Option<String> {
    let mut names = platform.subnets().map(|s| s.spec.name.as_str());
    names.find(|name| *name == id || subnet_id(name) == id).map(str::to_owned)
}

/// The security group id of a security group's name.
pub(crate) fn security_group_id(name: &str) -> String {
    shown("sg", name)
}

/// The name of the security group with that id, if it has one; else the id.
pub(crate) fn security_group_name(platform: &Platform, id: &str) -> String {
    let mut names = platform.security_groups().map(|group| group.name.as_str());
    names.find(|name| security_group_id(name) == id).unwrap_or(id).to_owned()
}

/// The VPC id of a VPC's name.
pub(crate) fn vpc_id(name: &str) -> String {
    shown("vpc", name)
}

/// The name of the VPC with that id or name.
pub(crate) fn vpc_name(platform: &Platform, id: &str) -> Option<String> {
    let mut names = platform.vpcs().map(|vpc| vpc.name.as_str());
    names.find(|name| *name == id || vpc_id(name) == id).map(str::to_owned)
}

/// Whether a client made the part of a VPC that has this name, which is then its id.
pub(crate) fn is_of_client(name: &str) -> bool {
    let id = ["vpc-", "subnet-", "sg-"].iter().find_map(|prefix| name.strip_prefix(prefix));
    id.is_some_and(|id| id.len() == 17 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The id of a namespace.
pub(crate) fn namespace_id(namespace: &str) -> String {
    format!("ns-{:016x}", arn::derived(&[b"ns", namespace.as_bytes()]))
}

/// The id of a discovery service.
pub(crate) fn discovery_id(dns_name: &str) -> String {
    format!("srv-{:016x}", arn::derived(&[b"srv", dns_name.as_bytes()]))
}

/// The ARN of a discovery service.
pub(crate) fn discovery_arn(identity: &Identity, dns_name: &str) -> String {
    let id = discovery_id(dns_name);
    arn::of(identity, "servicediscovery", format_args!("service/{id}"))
}

/// The discovery service with that ARN or id.
pub(crate) fn discovery<'a>(platform: &'a Platform, id: &str) -> Option<&'a Name> {
    let id = arn::resource(id, "servicediscovery", "service").unwrap_or(id);
    platform.names().find(|n| discovery_id(&n.spec.dns_name()) == id)
}
