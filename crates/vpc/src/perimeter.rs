//! The rules of the platform's own namespace (pure): VPCs apart, the load balancers' security
//! groups, services every task may use, and the way out through the NAT gateway.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use neargate_core::network::{Internet, Peer, SecurityRule};

use crate::nat_gateway;
use crate::range::Range;
use crate::ruleset::{
    Addresses, Chain, Hook, Rule, Ruleset, Side, TCP, Test, UDP, Verdict, accept,
};
use crate::security_group::{
    DNS_PORT, LINK_LOCAL_RESOLVER, PUBLIC_SET, interface_set, resolver, rule_tests, ruleset,
};
use crate::wish::{Wish, subnet_range, vpc_range};

/// The rules of the platform's namespace.
#[must_use]
pub fn platform_ruleset(wish: &Wish, members: &BTreeMap<String, Addresses>) -> Ruleset {
    let chains = [
        (Hook::Redirect, outbound(wish)),
        (Hook::Input, input(wish)),
        (Hook::Forward, forward(wish)),
        (Hook::Output, output(wish)),
    ];
    ruleset(chains.into_iter().map(|(hook, rules)| Chain { hook, rules }).collect(), members)
}

fn within(side: Side, range: Range) -> Test {
    Test::In(side, range)
}

/// TCP and UDP from where there is a way out, to addresses outside, go to the NAT gateway. Other
/// protocols have no way out. A VPC's own resolver address is another one of the resolver.
fn outbound(wish: &Wish) -> Vec<Rule> {
    let mut rules = resolvers(wish);
    let inside = wish.vpcs.values().map(vpc_range);
    let never = [Range::LINK_LOCAL, Range::LOOPBACK, Range::MULTICAST];
    rules.extend(inside.chain(never).map(|range| accept([within(Side::Destination, range)])));
    let behind_nat = wish.subnets.values().filter(|subnet| subnet.internet == Internet::Nat);
    let sources = behind_nat
        .map(|subnet| within(Side::Source, subnet_range(subnet)))
        .chain([Test::InSet(Side::Source, PUBLIC_SET.into())]);
    for source in sources {
        let rule = |protocol, verdict| Rule {
            tests: vec![source.clone(), Test::Protocol(protocol)],
            verdict,
        };
        rules.push(rule(TCP, Verdict::Redirect(nat_gateway::PORT)));
        rules.push(rule(UDP, Verdict::To(nat_gateway::DATAGRAMS)));
    }
    rules
}

/// Only where the resolver is: without it the address may be somebody's who answers himself.
fn resolvers(wish: &Wish) -> Vec<Rule> {
    if !wish.service_addresses.contains(&LINK_LOCAL_RESOLVER) {
        return Vec::new();
    }
    let of_vpc = |range: Range| {
        [UDP, TCP].map(|protocol| Rule {
            tests: vec![
                within(Side::Source, range),
                within(Side::Destination, Range::single(resolver(range))),
                Test::Protocol(protocol),
                Test::Ports(DNS_PORT, DNS_PORT),
            ],
            verdict: Verdict::To(SocketAddrV4::new(LINK_LOCAL_RESOLVER, DNS_PORT)),
        })
    };
    wish.vpcs.values().map(vpc_range).flat_map(of_vpc).collect()
}

fn input(wish: &Wish) -> Vec<Rule> {
    let mut rules = vec![
        accept([Test::FromLoopback]),
        accept([Test::OfConnection]),
        // Only what the redirection brought, or the gateway would be a service for everybody.
        accept([Test::Redirected, Test::Protocol(TCP), nat_port()]),
    ];
    for address in &wish.service_addresses {
        let to = within(Side::Destination, Range::single(*address));
        rules.push(match wish.vpc_of(*address) {
            Some(vpc) => accept([within(Side::Source, vpc_range(vpc)), to]),
            None => accept([to]),
        });
    }
    rules.extend(of_interfaces(wish, Side::Source));
    rules
}

fn nat_port() -> Test {
    Test::Ports(nat_gateway::PORT, nat_gateway::PORT)
}

fn forward(wish: &Wish) -> Vec<Rule> {
    let ranges = wish.vpcs.values().map(vpc_range);
    ranges.map(|vpc| accept([within(Side::Source, vpc), within(Side::Destination, vpc)])).collect()
}

fn output(wish: &Wish) -> Vec<Rule> {
    let mut rules = vec![accept([Test::ToLoopback]), accept([Test::OfConnection])];
    rules.extend(of_interfaces(wish, Side::Destination));
    rules
}

/// Ingress (the peer is the source) or egress rules of the platform's interfaces.
fn of_interfaces(wish: &Wish, peer: Side) -> Vec<Rule> {
    let own = match peer {
        Side::Source => Side::Destination,
        Side::Destination => Side::Source,
    };
    let mut rules = Vec::new();
    for (name, interface) in &wish.interfaces {
        // All its addresses are of one VPC, and peers are of the same: nobody else can be one.
        let Some(vpc) = interface.addresses.first().and_then(|a| wish.vpc_of(*a)) else { continue };
        for group in interface.groups.iter().filter_map(|group| wish.groups.get(group)) {
            let of_group = match peer {
                Side::Source => &group.ingress,
                Side::Destination => &group.egress,
            };
            for rule in of_group.iter().filter_map(|rule| within_vpc(rule, vpc_range(vpc))) {
                let mut tests = vec![Test::InSet(own, interface_set(name))];
                tests.extend(rule_tests(&rule, peer));
                rules.push(accept(tests));
            }
        }
    }
    rules
}

/// What of a rule concerns a VPC.
fn within_vpc(rule: &SecurityRule, vpc: Range) -> Option<SecurityRule> {
    let peer = match &rule.peer {
        Peer::Range(base, prefix) => {
            let reachable = Range::new(*base, *prefix).intersection(vpc)?;
            Peer::Range(reachable.base(), reachable.prefix())
        }
        group => group.clone(),
    };
    Some(SecurityRule { peer, ..rule.clone() })
}
