//! Subnets, security groups and namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use neargate_core::network::{Peer, Protocol, SecurityGroupSpec, SecurityRule};

use crate::diagnostics::shown;
use crate::document::{self, PortRange};
use crate::resolve::scope::{Scope, words};
use crate::structure::index;
use crate::system::{Nat, Network, Subnet};

/// The network; `None` when too little of it is right to look further.
pub(crate) fn resolve(
    network: Option<&document::Network>,
    region: &str,
    scope: &mut Scope<'_>,
) -> Option<Network> {
    let Some(network) = network else {
        scope.say(&[], "`network` is missing; expected `name`, `cidr` and `subnets` of a VPC");
        return None;
    };
    let name = scope.required(&["network", "name"], network.name.as_ref(), "a name");
    if let Some(name) = &name {
        scope.name(&["network", "name"], name, "a network name", 64, words::key_letter);
    }
    let whole = scope.required(&["network", "cidr"], network.cidr.as_ref(), "e.g. 10.0.0.0/16");
    let whole = whole.and_then(|text| range(&["network", "cidr"], &text, scope));
    let name = name?;
    if network.subnets.is_empty() {
        scope.say(&["network", "subnets"], "expected at least one subnet");
    }
    let subnets = subnets(network, &name, whole, region, scope);
    let mut security_groups = Vec::new();
    for key in scope.keys(&["network", "securityGroups"]) {
        let Some(group) = network.security_groups.get(&key) else { continue };
        security_groups.push(security_group(network, &name, &key, group, scope));
    }
    let nat = match network.nat {
        None | Some(document::Nat::None) => Nat::None,
        Some(document::Nat::Single) => Nat::Single,
        Some(document::Nat::PerZone) => Nat::PerZone,
    };
    if nat != Nat::None && !subnets.iter().any(|subnet| subnet.public) {
        let message = "a NAT gateway needs a public subnet; expected one with `public: true`";
        scope.say(&["network", "nat"], message);
    }
    Some(Network { name, cidr: whole?, subnets, security_groups, nat })
}

fn range(path: &[&str], text: &str, scope: &mut Scope<'_>) -> Option<(Ipv4Addr, u8)> {
    match words::cidr(text, 16, 28) {
        Ok(range) => Some(range),
        Err(expected) => {
            scope.say(path, &format!("{} is not right; {expected}", shown(text)));
            None
        }
    }
}

fn subnets(
    network: &document::Network,
    network_name: &str,
    whole: Option<(Ipv4Addr, u8)>,
    region: &str,
    scope: &mut Scope<'_>,
) -> Vec<Subnet> {
    let mut subnets: Vec<Subnet> = Vec::new();
    for key in scope.keys(&["network", "subnets"]) {
        let Some(subnet) = network.subnets.get(&key) else { continue };
        let path = ["network", "subnets", key.as_str()];
        let at = |last| ["network", "subnets", key.as_str(), last];
        scope.name(&path, &key, "a subnet name", 64, words::key_letter);
        let zone = scope.required(&at("zone"), subnet.zone.as_ref(), &format!("e.g. {region}a"));
        if let Some(zone) = &zone
            && words::is_region(region)
            && !zone
                .strip_prefix(region)
                .is_some_and(|end| end.len() == 1 && end.bytes().all(|b| b.is_ascii_lowercase()))
        {
            let message =
                format!("{} is not a zone of {region}; expected e.g. {region}a", shown(zone));
            scope.say(&at("zone"), &message);
        }
        let cidr = scope.required(&at("cidr"), subnet.cidr.as_ref(), "e.g. 10.0.1.0/24");
        let cidr = cidr.and_then(|text| range(&at("cidr"), &text, scope));
        let (Some(zone), Some(cidr)) = (zone, cidr) else { continue };
        if let Some(whole) = whole
            && !(cidr.1 >= whole.1 && words::overlap(cidr, whole))
        {
            let message = format!(
                "{}/{} is outside the network; expected a part of {}/{}",
                cidr.0, cidr.1, whole.0, whole.1
            );
            scope.say(&at("cidr"), &message);
        }
        if let Some(other) = subnets.iter().find(|other| words::overlap(other.cidr, cidr)) {
            let message = format!(
                "{}/{} overlaps {}/{} of {}; expected a range of its own",
                cidr.0,
                cidr.1,
                other.cidr.0,
                other.cidr.1,
                shown(
                    other
                        .name
                        .strip_prefix(network_name)
                        .unwrap_or(&other.name)
                        .trim_start_matches('-')
                )
            );
            scope.say(&at("cidr"), &message);
        }
        let name = full_name(network_name, &key);
        let public = subnet.public.unwrap_or(false);
        let isolated = subnet.isolated.unwrap_or(false);
        if public && isolated {
            let message = "a public subnet is not isolated; expected one of the two";
            scope.say(&at("isolated"), message);
        }
        subnets.push(Subnet { name, zone, cidr, public, isolated });
    }
    subnets
}

/// Subnets and groups of all networks live side by side on one machine.
fn full_name(network: &str, key: &str) -> String {
    format!("{network}-{key}")
}

fn security_group(
    network: &document::Network,
    network_name: &str,
    key: &str,
    group: &document::SecurityGroup,
    scope: &mut Scope<'_>,
) -> SecurityGroupSpec {
    let path = ["network", "securityGroups", key];
    scope.name(&path, key, "a security group name", 64, words::key_letter);
    let mut rule = |direction: &str,
                    number: usize,
                    end: &str,
                    port: Option<&PortRange>,
                    protocol: Option<document::Protocol>,
                    peer: &str| {
        let base = ["network", "securityGroups", key, direction, index(number)];
        let at = |last| {
            let mut path = base.to_vec();
            path.push(last);
            path
        };
        let protocol = match protocol {
            None | Some(document::Protocol::Tcp) => Protocol::Tcp,
            Some(document::Protocol::Udp) => Protocol::Udp,
            Some(document::Protocol::All) => Protocol::All,
        };
        let ports = match (protocol, port) {
            (Protocol::All, None) => None,
            (Protocol::All, Some(_)) => {
                scope.say(&at("port"), "protocol `all` has no ports; expected `tcp` or `udp`");
                None
            }
            (_, None) => {
                let message = "`port` is missing; expected a port, a range, or `protocol: all`";
                scope.say(&base, message);
                None
            }
            (_, Some(port)) => {
                let ports = port_range(port);
                if ports.is_none() {
                    let message = "expected a port of 1 to 65535, or a range such as 3000-4000";
                    scope.say(&at("port"), message);
                }
                ports
            }
        };
        let peer = match peer {
            "anywhere" => Peer::Range(Ipv4Addr::UNSPECIFIED, 0),
            name if network.security_groups.contains_key(name) => {
                Peer::Group(full_name(network_name, name))
            }
            text if text.contains('/') => match words::cidr(text, 0, 32) {
                Ok((address, prefix)) => Peer::Range(address, prefix),
                Err(expected) => {
                    scope.say(&at(end), &format!("{} is not right; {expected}", shown(text)));
                    Peer::Range(Ipv4Addr::UNSPECIFIED, 0)
                }
            },
            text => {
                let groups = network.security_groups.keys().map(String::as_str);
                let known = groups.chain(["anywhere", "an address range"]);
                scope.unknown(&at(end), "security group", text, known);
                Peer::Range(Ipv4Addr::UNSPECIFIED, 0)
            }
        };
        SecurityRule { protocol, ports, peer }
    };
    let ingress = group.ingress.iter().enumerate();
    let ingress = ingress
        .map(|(i, r)| rule("ingress", i, "from", r.port.as_ref(), r.protocol, &r.from))
        .collect();
    let egress = match &group.egress {
        // As EC2 makes a group: everything may leave.
        None => vec![EVERYTHING],
        Some(rules) => rules
            .iter()
            .enumerate()
            .map(|(i, r)| rule("egress", i, "to", r.port.as_ref(), r.protocol, &r.to))
            .collect(),
    };
    let name = full_name(network_name, key);
    SecurityGroupSpec { name, vpc: network_name.to_owned(), ingress, egress }
}

/// Anything to or from anywhere.
const EVERYTHING: SecurityRule = SecurityRule {
    protocol: Protocol::All,
    ports: None,
    peer: Peer::Range(Ipv4Addr::UNSPECIFIED, 0),
};

/// The group of what names no other: its members reach each other, and everything outside. Where
/// it has no members it lets nothing through, as the modules of Terraform have it.
pub(crate) fn default_group(network_name: &str, has_members: bool) -> SecurityGroupSpec {
    let name = default_group_name(network_name);
    let among_members =
        SecurityRule { protocol: Protocol::All, ports: None, peer: Peer::Group(name.clone()) };
    let vpc = network_name.to_owned();
    match has_members {
        true => {
            let (ingress, egress) = (vec![among_members], vec![EVERYTHING]);
            SecurityGroupSpec { name, vpc, ingress, egress }
        }
        false => SecurityGroupSpec { name, vpc, ingress: Vec::new(), egress: Vec::new() },
    }
}

/// Every VPC has a group of this kind, as on AWS.
pub(crate) fn default_group_name(network_name: &str) -> String {
    full_name(network_name, "default")
}

fn port_range(port: &PortRange) -> Option<(u16, u16)> {
    let (low, high) = match port {
        PortRange::One(port) => {
            let port = u16::try_from(*port).ok()?;
            (port, port)
        }
        PortRange::Range(text) => {
            let (low, high) = text.split_once('-')?;
            (low.trim().parse().ok()?, high.trim().parse().ok()?)
        }
    };
    (low >= 1 && low <= high).then_some((low, high))
}

/// Key to DNS name of the private namespaces.
pub(crate) fn namespaces(
    namespaces: &BTreeMap<String, document::Namespace>,
    scope: &mut Scope<'_>,
) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (key, namespace) in namespaces {
        let path = ["namespaces", key, "name"];
        let Some(name) = scope.required(&path, namespace.name.as_ref(), "e.g. shop.local") else {
            continue;
        };
        if !words::is_dns_name(&name) {
            let message = format!("{} is not a DNS name; expected e.g. shop.local", shown(&name));
            scope.say(&path, &message);
        }
        if !seen.insert(name.clone()) {
            scope.say(&path, &format!("the namespace {} stands twice", shown(&name)));
        }
        names.insert(key.clone(), name);
    }
    names
}
