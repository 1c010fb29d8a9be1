//! What stands in the kernel, read back by the `nft` program, is what was derived.

mod support;

use std::net::Ipv4Addr;

use neargate_core::network::{Internet, Peer, Protocol};
use support::{
    Network, anywhere, eni, everything, group, members_of, output_in, rule, subnet, tcp, vpc,
};

/// `nft` wraps long element lists; words in order are what counts.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lines(text: &str) -> String {
    text.lines().map(|line| line.trim().to_owned() + "\n").collect()
}

#[test]
fn every_kind_of_rule_of_a_task() {
    let network = Network::with_vpc(Internet::None);
    let strange = "Grüße an alle";
    let ingress = vec![
        tcp(80, 80, members_of("alb")),
        tcp(8000, 8008, members_of(strange)),
        rule(Protocol::Udp, (53, 53), anywhere()),
        rule(Protocol::Udp, None, Peer::Range(Ipv4Addr::new(10, 0, 0, 0), 12)),
        rule(Protocol::Icmp, None, Peer::Range(Ipv4Addr::new(10, 1, 2, 3), 32)),
        rule(Protocol::All, None, members_of("tasks")),
        rule(Protocol::Tcp, None, anywhere()),
        rule(Protocol::All, None, anywhere()),
    ];
    network.put_group(group("tasks", ingress, everything())).expect("group");
    network.put_group(group(strange, vec![], vec![])).expect("group");
    let pin = network.attach(eni("t", [10, 0, 1, 4], &["tasks"])).expect("attached");
    network.attach(eni("u", [10, 0, 1, 5], &["tasks", strange])).expect("attached");
    let listed = output_in(&pin, "nft", &["list", "ruleset"]);
    let wanted = "table ip neargate {
        set sg-Gr__e_an_alle/152c0d9b {
            type ipv4_addr
            elements = { 10.0.1.5 }
        }

        set sg-alb {
            type ipv4_addr
        }

        set sg-tasks {
            type ipv4_addr
            elements = { 10.0.1.4, 10.0.1.5 }
        }

        chain input {
            type filter hook input priority filter; policy drop;
            iif \"lo\" accept
            ct state established,related accept
            ip saddr @sg-alb tcp dport 80 accept
            ip saddr @sg-Gr__e_an_alle/152c0d9b tcp dport 8000-8008 accept
            udp dport 53 accept
            ip saddr 10.0.0.0/12 meta l4proto udp accept
            ip saddr 10.1.2.3 meta l4proto icmp accept
            ip saddr @sg-tasks accept
            meta l4proto tcp accept
            accept
        }

        chain output {
            type filter hook output priority filter; policy drop;
            oif \"lo\" accept
            ct state established,related accept
            ip saddr != 10.0.1.4 drop
            ip daddr 10.0.0.2 udp dport 53 accept
            ip daddr 10.0.0.2 tcp dport 53 accept
            ip daddr 169.254.169.253 udp dport 53 accept
            ip daddr 169.254.169.253 tcp dport 53 accept
            ip daddr 169.254.170.2 tcp dport 80 accept
            accept
        }
    }";
    assert_eq!(lines(&listed), lines(wanted));
}

#[test]
fn every_kind_of_rule_of_the_platform() {
    let network = Network::with_vpc(Internet::Nat);
    network.put_vpc(vpc("staging", [10, 9, 0, 0], 16)).expect("VPC");
    network.put_subnet(subnet("s-a", "staging", [10, 9, 3, 0], Internet::None)).expect("subnet");
    let ingress = vec![
        tcp(80, 80, anywhere()),
        tcp(81, 81, Peer::Range(Ipv4Addr::new(10, 0, 1, 0), 24)),
        tcp(82, 82, Peer::Range(Ipv4Addr::new(192, 168, 0, 0), 16)),
        tcp(83, 83, members_of("alb")),
    ];
    network.put_group(group("alb", ingress, everything())).expect("group");
    network.put_interface("alb", &[[10, 0, 101, 9].into()], &["alb".into()]).expect("alb");
    for address in [[10, 0, 0, 2], [169, 254, 169, 253], [169, 254, 170, 2]] {
        network.add_service_address(address.into()).expect("service");
    }
    let mut public = eni("t", [10, 0, 101, 4], &[]);
    public.public_ip = true;
    network.attach(public).expect("attached");
    let listed = output_in(&network.namespace(), "nft", &["list", "ruleset"]);
    let wanted = "table ip neargate {
        set interface-alb {
            type ipv4_addr
            elements = { 10.0.101.9 }
        }

        set public-addresses {
            type ipv4_addr
            elements = { 10.0.101.4 }
        }

        set sg-alb {
            type ipv4_addr
            elements = { 10.0.101.9 }
        }

        chain prerouting {
            type nat hook prerouting priority dstnat; policy accept;
            ip saddr 10.0.0.0/16 ip daddr 10.0.0.2 udp dport 53 dnat to 169.254.169.253:53
            ip saddr 10.0.0.0/16 ip daddr 10.0.0.2 tcp dport 53 dnat to 169.254.169.253:53
            ip saddr 10.9.0.0/16 ip daddr 10.9.0.2 udp dport 53 dnat to 169.254.169.253:53
            ip saddr 10.9.0.0/16 ip daddr 10.9.0.2 tcp dport 53 dnat to 169.254.169.253:53
            ip daddr 10.0.0.0/16 accept
            ip daddr 10.9.0.0/16 accept
            ip daddr 169.254.0.0/16 accept
            ip daddr 127.0.0.0/8 accept
            ip daddr 224.0.0.0/4 accept
            ip saddr 10.0.1.0/24 meta l4proto tcp redirect to :15001
            ip saddr 10.0.1.0/24 meta l4proto udp dnat to 169.254.169.253:15001
            ip saddr 10.0.2.0/24 meta l4proto tcp redirect to :15001
            ip saddr 10.0.2.0/24 meta l4proto udp dnat to 169.254.169.253:15001
            ip saddr @public-addresses meta l4proto tcp redirect to :15001
            ip saddr @public-addresses meta l4proto udp dnat to 169.254.169.253:15001
        }

        chain input {
            type filter hook input priority filter; policy drop;
            iif \"lo\" accept
            ct state established,related accept
            ct status dnat tcp dport 15001 accept
            ip saddr 10.0.0.0/16 ip daddr 10.0.0.2 accept
            ip daddr 169.254.169.253 accept
            ip daddr 169.254.170.2 accept
            ip daddr @interface-alb ip saddr 10.0.0.0/16 tcp dport 80 accept
            ip daddr @interface-alb ip saddr 10.0.1.0/24 tcp dport 81 accept
            ip daddr @interface-alb ip saddr @sg-alb tcp dport 83 accept
        }

        chain forward {
            type filter hook forward priority filter; policy drop;
            ip saddr 10.0.0.0/16 ip daddr 10.0.0.0/16 accept
            ip saddr 10.9.0.0/16 ip daddr 10.9.0.0/16 accept
        }

        chain output {
            type filter hook output priority filter; policy drop;
            oif \"lo\" accept
            ct state established,related accept
            ip saddr @interface-alb ip daddr 10.0.0.0/16 accept
        }
    }";
    assert_eq!(lines(&listed), lines(wanted));
    let derived = neargate_vpc::platform_ruleset(&network.wish(), &Default::default()).to_string();
    let without_members = |text: &str| {
        let kept = text.lines().filter(|line| !line.trim_start().starts_with("elements"));
        lines(&kept.collect::<Vec<_>>().join("\n"))
    };
    assert_eq!(without_members(&derived), without_members(&listed), "the printed form is nft's");
}

#[test]
fn a_thousand_rules_and_ten_thousand_members_fit() {
    let network = Network::with_vpc(Internet::None);
    network.put_vpc(vpc("large", [172, 16, 0, 0], 12)).expect("VPC");
    let mut wide = subnet("wide-a", "large", [172, 16, 0, 0], Internet::None);
    wide.prefix = 16;
    network.put_subnet(wide).expect("subnet");
    let ingress = (1..=1000).map(|port| tcp(port, port, members_of("many"))).collect();
    let mut spec = group("many", ingress, everything());
    spec.vpc = "large".into();
    network.put_group(spec).expect("group");
    let addresses: Vec<Ipv4Addr> =
        (0..10_000u32).map(|n| Ipv4Addr::from(0xac10_0000 + 4096 + n)).collect();
    // One interface stands for as many tasks.
    network.put_interface("many", &addresses, &["many".into()]).expect("interface");
    let mut task = eni("t", [172, 16, 1, 4], &["many"]);
    task.subnet = "wide-a".into();
    let pin = network.attach(task).expect("attached");
    let listed = output_in(&pin, "nft", &["list", "chain", "ip", "neargate", "input"]);
    assert_eq!(listed.matches("dport").count(), 1000);
    let listed = words(&output_in(&pin, "nft", &["list", "set", "ip", "neargate", "sg-many"]));
    assert_eq!(listed.matches("172.16.").count(), 10_001);
}

#[test]
fn somebody_who_meddles_with_the_table_is_put_right_by_the_next_change() {
    let network = Network::with_vpc(Internet::None);
    let ingress = || vec![tcp(80, 80, members_of("tasks"))];
    network.put_group(group("tasks", ingress(), everything())).expect("group");
    let pin = network.attach(eni("t", [10, 0, 1, 4], &["tasks"])).expect("attached");
    let before = output_in(&pin, "nft", &["list", "ruleset"]);
    output_in(&pin, "nft", &["flush", "ruleset"]);
    network.attach(eni("u", [10, 0, 1, 5], &["tasks"])).expect("attached");
    network.detach("u").expect("detached");
    assert_eq!(output_in(&pin, "nft", &["list", "ruleset"]), before);
}
