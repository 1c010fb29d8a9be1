//! From security groups to the rules of one task's namespace (pure).
//!
//! The filter stands inside the task's own namespace, where connection tracking works without
//! touching anything shared, and where the task, having no CAP_NET_ADMIN, cannot reach it. Traffic
//! must pass the sender's egress rules there and the receiver's ingress rules in the receiver's
//! namespace. What AWS never filters passes always: the VPC's resolver, the task metadata and
//! credentials endpoint, and answers and errors of connections that were let through.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use neargate_core::network::{Peer, Protocol, SecurityRule};

use crate::eni::Eni;
use crate::range::Range;
use crate::ruleset::{
    Addresses, Chain, Hook, ICMP, Rule, Ruleset, Side, TCP, Test, UDP, Verdict, accept,
};
use crate::wish::{Wish, vpc_range};

/// Answers DNS queries in every VPC, beside the VPC's base address + 2.
pub const LINK_LOCAL_RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);
/// Answers task metadata and credentials (ECS-META-1, ECS-META-6).
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);

pub(crate) const DNS_PORT: u16 = 53;
const HTTP_PORT: u16 = 80;
/// The longest name a set may have, less what a distinguishing end takes.
const SET_NAME_MAX: usize = 200;

/// Addresses of tasks that have a public address behind an internet gateway.
pub(crate) const PUBLIC_SET: &str = "public-addresses";

/// The VPC's own resolver address.
#[must_use]
pub fn resolver(vpc: Range) -> Ipv4Addr {
    vpc.nth(2)
}

/// The rules of a task's namespace. `members` has the addresses behind each set; sets it does not
/// know are empty.
#[must_use]
pub fn task_ruleset(wish: &Wish, eni: &Eni, members: &BTreeMap<String, Addresses>) -> Ruleset {
    let groups: Vec<_> = eni.groups.iter().filter_map(|name| wish.groups.get(name)).collect();
    let mut input = vec![accept([Test::FromLoopback]), accept([Test::OfConnection])];
    for rule in groups.iter().flat_map(|group| &group.ingress) {
        push(&mut input, accept(rule_tests(rule, Side::Source)));
    }
    let mut output = vec![
        accept([Test::ToLoopback]),
        accept([Test::OfConnection]),
        // As the source check of an ENI.
        Rule {
            tests: vec![Test::NotIn(Side::Source, Range::single(eni.address))],
            verdict: Verdict::Drop,
        },
    ];
    let of_vpc = wish.vpc_of(eni.address).map(|vpc| resolver(vpc_range(vpc)));
    for address in of_vpc.into_iter().chain([LINK_LOCAL_RESOLVER]) {
        output.extend([UDP, TCP].map(|protocol| service(address, protocol, DNS_PORT)));
    }
    output.push(service(METADATA, TCP, HTTP_PORT));
    for rule in groups.iter().flat_map(|group| &group.egress) {
        push(&mut output, accept(rule_tests(rule, Side::Destination)));
    }
    ruleset(
        vec![
            Chain { hook: Hook::Input, rules: input },
            Chain { hook: Hook::Output, rules: output },
        ],
        members,
    )
}

/// Chains and the sets they refer to.
pub(crate) fn ruleset(chains: Vec<Chain>, members: &BTreeMap<String, Addresses>) -> Ruleset {
    let of = |name: &str| members.get(name).cloned().unwrap_or_default();
    let names = Ruleset::referenced(&chains);
    let sets = names.into_iter().map(|name| (name.to_owned(), of(name))).collect();
    Ruleset { sets, chains: Arc::new(chains) }
}

/// Groups of one task often allow the same; once is enough.
fn push(rules: &mut Vec<Rule>, rule: Rule) {
    if !rules.contains(&rule) {
        rules.push(rule);
    }
}

fn service(address: Ipv4Addr, protocol: u8, port: u16) -> Rule {
    accept([
        Test::In(Side::Destination, Range::single(address)),
        Test::Protocol(protocol),
        Test::Ports(port, port),
    ])
}

/// The tests of one security group rule; `peer` is the side its peer is on.
pub(crate) fn rule_tests(rule: &SecurityRule, peer: Side) -> Vec<Test> {
    let mut tests = Vec::new();
    match &rule.peer {
        Peer::Range(base, prefix) => match Range::new(*base, *prefix) {
            Range::ANYWHERE => {}
            range => tests.push(Test::In(peer, range)),
        },
        Peer::Group(name) => tests.push(Test::InSet(peer, set_name(name))),
    }
    let number = match rule.protocol {
        Protocol::All => return tests,
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
        Protocol::Icmp => ICMP,
    };
    tests.push(Test::Protocol(number));
    if let (Protocol::Tcp | Protocol::Udp, Some((first, last))) = (rule.protocol, rule.ports) {
        tests.push(Test::Ports(first, last));
    }
    tests
}

/// Who is behind each set: members of the groups, and who has a public address. Sets whose members
/// are as in `before` are the very same value, so that comparing them costs nothing.
pub(crate) fn members<'a>(
    wish: &Wish,
    tasks: impl Iterator<Item = &'a Eni>,
    before: &BTreeMap<String, Addresses>,
) -> BTreeMap<String, Addresses> {
    let mut sets: BTreeMap<String, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    let mut by_group: BTreeMap<&str, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    let mut public = BTreeSet::new();
    for eni in tasks {
        for group in &eni.groups {
            by_group.entry(group).or_default().insert(eni.address);
        }
        if wish.is_public(eni) {
            public.insert(eni.address);
        }
    }
    for (name, interface) in &wish.interfaces {
        sets.insert(interface_set(name), interface.addresses.clone());
        for group in &interface.groups {
            by_group.entry(group).or_default().extend(&interface.addresses);
        }
    }
    sets.insert(PUBLIC_SET.into(), public);
    sets.extend(by_group.into_iter().map(|(group, addresses)| (set_name(group), addresses)));
    sets.into_iter()
        .map(|(name, addresses)| {
            let same = before.get(&name).filter(|before| ***before == addresses);
            let shared = same.map_or_else(|| Arc::new(addresses), Arc::clone);
            (name, shared)
        })
        .collect()
}

/// The set of a group's members.
pub(crate) fn set_name(group: &str) -> String {
    format!("sg-{}", printable(group))
}

/// The set of the addresses of one of the platform's interfaces.
pub(crate) fn interface_set(name: &str) -> String {
    format!("interface-{}", printable(name))
}

/// Names may have characters that `nft` does not print in a form it reads again; such names get an
/// end that keeps them apart, with a character that others do not have.
fn printable(name: &str) -> String {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fine: String =
        name.chars().map(|c| if is_fine(c) { c } else { '_' }).take(SET_NAME_MAX).collect();
    match fine == name {
        true => fine,
        false => format!("{fine}/{:08x}", fnv1a(name.as_bytes())),
    }
}

fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use neargate_core::network::{Internet, SecurityGroupSpec, SubnetSpec, VpcSpec};
    use proptest::prelude::*;

    use super::*;
    use crate::wish::Interface;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
    const NAMES: [&str; 3] = ["red", "green", "blue"];

    /// A new connection, as the filter sees it.
    #[derive(Clone, Debug)]
    struct Packet {
        peer: Ipv4Addr,
        protocol: u8,
        port: u16,
    }

    /// Few addresses and ports, so that rules and packets meet.
    fn address() -> impl Strategy<Value = Ipv4Addr> {
        (10u8..16).prop_map(|last| Ipv4Addr::new(10, 0, 0, last))
    }

    fn packet() -> impl Strategy<Value = Packet> {
        let protocol = prop_oneof![Just(TCP), Just(UDP), Just(ICMP), Just(47)];
        (address(), protocol, 1u16..8).prop_map(|(peer, protocol, port)| Packet {
            peer,
            protocol,
            port,
        })
    }

    fn security_rule() -> impl Strategy<Value = SecurityRule> {
        let protocol = prop_oneof![
            Just(Protocol::All),
            Just(Protocol::Tcp),
            Just(Protocol::Udp),
            Just(Protocol::Icmp)
        ];
        let ports = proptest::option::of((1u16..8, 0u16..3).prop_map(|(a, n)| (a, a + n)));
        let peer = prop_oneof![
            (address(), 28u8..=32).prop_map(|(base, prefix)| Peer::Range(base, prefix)),
            Just(Peer::Range(Ipv4Addr::UNSPECIFIED, 0)),
            proptest::sample::select(&NAMES).prop_map(|name| Peer::Group(name.into())),
            Just(Peer::Group("nobody".into())),
        ];
        (protocol, ports, peer).prop_map(|(protocol, ports, peer)| SecurityRule {
            protocol,
            ports,
            peer,
        })
    }

    fn memberships() -> impl Strategy<Value = Vec<String>> {
        proptest::sample::subsequence(NAMES.to_vec(), 0..=3)
            .prop_map(|names| names.into_iter().map(Into::into).collect())
    }

    fn platform() -> impl Strategy<Value = (Wish, Vec<Eni>)> {
        let rules = || proptest::collection::vec(security_rule(), 0..4);
        let groups = proptest::array::uniform3((rules(), rules()));
        let groups_of = proptest::array::uniform4(memberships());
        (groups, groups_of).prop_map(|(rules, groups_of)| {
            let vpc = VpcSpec { name: "v".into(), base: [10, 0, 0, 0].into(), prefix: 16 };
            let subnet = SubnetSpec {
                name: "s".into(),
                vpc: "v".into(),
                internet: Internet::None,
                zone: "z".into(),
                base: vpc.base,
                prefix: 24,
            };
            let mut wish = Wish::default();
            wish.vpcs.insert("v".into(), vpc);
            wish.subnets.insert("s".into(), subnet);
            for (name, (ingress, egress)) in NAMES.into_iter().zip(rules) {
                let name = name.to_owned();
                let vpc = "v".into();
                let spec = SecurityGroupSpec { name: name.clone(), vpc, ingress, egress };
                wish.groups.insert(name, spec);
            }
            let [own, second, third, interface] = groups_of;
            let addresses = [[10, 0, 0, 14].into()].into();
            wish.interfaces.insert("alb".into(), Interface { addresses, groups: interface });
            let enis = [own, second, third].into_iter().zip(10u8..).map(|(groups, last)| Eni {
                task: format!("task-{last}"),
                subnet: "s".into(),
                address: [10, 0, 0, last].into(),
                groups,
                public_ip: false,
            });
            (wish, enis.collect())
        })
    }

    /// What AWS says of a rule, in as few words as possible.
    fn allows(rule: &SecurityRule, packet: &Packet, wish: &Wish, enis: &[Eni]) -> bool {
        let protocol = match rule.protocol {
            Protocol::All => true,
            Protocol::Tcp => packet.protocol == TCP,
            Protocol::Udp => packet.protocol == UDP,
            Protocol::Icmp => packet.protocol == ICMP,
        };
        let has_ports = matches!(rule.protocol, Protocol::Tcp | Protocol::Udp);
        let ports = !has_ports
            || rule.ports.is_none_or(|(first, last)| (first..=last).contains(&packet.port));
        let peer = match &rule.peer {
            Peer::Range(base, prefix) => Range::new(*base, *prefix).contains(packet.peer),
            Peer::Group(name) => {
                let by_task =
                    enis.iter().any(|e| e.address == packet.peer && e.groups.contains(name));
                let by_interface = wish
                    .interfaces
                    .values()
                    .any(|i| i.addresses.contains(&packet.peer) && i.groups.contains(name));
                by_task || by_interface
            }
        };
        protocol && ports && peer
    }

    /// What the kernel makes of a chain: the first rule that matches, or else the policy.
    fn passes(rules: &Ruleset, hook: Hook, packet: &Packet) -> bool {
        let (source, destination) = match hook {
            Hook::Input => (packet.peer, OWN),
            _ => (OWN, packet.peer),
        };
        let chain = rules.chains.iter().find(|chain| chain.hook == hook).expect("the chain");
        let matches = |test: &Test| {
            let of = |side: &Side| match side {
                Side::Source => source,
                Side::Destination => destination,
            };
            match test {
                Test::FromLoopback | Test::ToLoopback => false,
                Test::OfConnection | Test::Redirected => false,
                Test::Protocol(number) => packet.protocol == *number,
                Test::Ports(first, last) => (*first..=*last).contains(&packet.port),
                Test::In(side, range) => range.contains(of(side)),
                Test::NotIn(side, range) => !range.contains(of(side)),
                Test::InSet(side, name) => rules.sets[name].contains(&of(side)),
            }
        };
        let decides = |rule: &&Rule| rule.tests.iter().all(matches);
        chain.rules.iter().find(decides).is_some_and(|rule| rule.verdict == Verdict::Accept)
    }

    proptest! {
        #[test]
        fn a_connection_passes_when_a_rule_of_a_group_allows_it(
            (wish, enis) in platform(), packets in proptest::collection::vec(packet(), 16),
        ) {
            let sets = members(&wish, enis.iter(), &BTreeMap::new());
            let rules = task_ruleset(&wish, &enis[0], &sets);
            let groups: Vec<_> = enis[0].groups.iter().map(|name| &wish.groups[name]).collect();
            for packet in packets.iter().filter(|packet| packet.peer != OWN) {
                let lets_in = groups.iter().flat_map(|g| &g.ingress);
                let lets_in = lets_in.into_iter().any(|rule| allows(rule, packet, &wish, &enis));
                prop_assert_eq!(passes(&rules, Hook::Input, packet), lets_in, "in: {:?}", packet);
                let lets_out = groups.iter().flat_map(|g| &g.egress);
                let lets_out = lets_out.into_iter().any(|rule| allows(rule, packet, &wish, &enis));
                prop_assert_eq!(passes(&rules, Hook::Output, packet), lets_out, "out: {:?}", packet);
            }
        }

        #[test]
        fn unchanged_members_are_the_same_value((wish, enis) in platform()) {
            let before = members(&wish, enis.iter(), &BTreeMap::new());
            let after = members(&wish, enis.iter().skip(1), &before);
            for (name, addresses) in &after {
                let is_same = before.get(name) == Some(addresses);
                prop_assert_eq!(is_same, before.get(name).is_some_and(|b| Arc::ptr_eq(b, addresses)));
            }
            let rules = task_ruleset(&wish, &enis[0], &before);
            prop_assert_eq!(rules.over(&after), task_ruleset(&wish, &enis[0], &after));
        }
    }
}
