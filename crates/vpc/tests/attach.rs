//! Task interfaces: addresses of their own, gone without a trace, and what they cost.

#![allow(clippy::print_stderr, reason = "measurements, for whoever looks")]

mod support;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use neargate_core::network::Internet;
use neargate_vpc::{Error, Vpc, mac_address, tear_down};
use support::{
    Ended, Network, anywhere, assert_nothing_left, echo, eni, everything, greeting, group,
    output_in, subnet, tcp, vpc,
};

/// Everything of the host's own network that could be touched.
fn host_network() -> Vec<String> {
    let here = Path::new("/proc/thread-self/ns/net");
    let mut state = vec![
        output_in(here, "ip", &["-j", "addr"]),
        output_in(here, "ip", &["-j", "route", "show", "table", "all"]),
        output_in(here, "ip", &["-j", "rule"]),
        output_in(here, "nft", &["list", "ruleset"]),
    ];
    for name in ["ipv4/ip_forward", "ipv6/conf/all/disable_ipv6", "ipv4/conf/all/rp_filter"] {
        state.push(fs::read_to_string(Path::new("/proc/sys/net").join(name)).expect(name));
    }
    state
}

fn open_network() -> Network {
    let network = Network::with_vpc(Internet::None);
    network.put_group(group("open", vec![tcp(1, 65535, anywhere())], everything())).expect("group");
    network
}

#[test]
fn two_tasks_listen_on_the_same_port_and_reach_each_other_and_themselves() {
    let network = open_network();
    let near = network.task("near", [10, 0, 1, 4], &["open"]);
    let same = network.task("same", [10, 0, 1, 5], &["open"]);
    let far = network.task("far", [10, 0, 2, 4], &["open"]);
    let _servers = [near.serve(8000), same.serve(8000), far.serve(8000)];
    near.reaches(&same, 8000);
    near.reaches(&far, 8000);
    far.reaches(&near, 8000);
    near.reaches(&near, 8000);
    assert_eq!(near.connect([127, 0, 0, 1], 8000), Ended::Answered("near".into()));
    assert_eq!(far.connect(same.address, 8001), Ended::Refused, "nobody listens there");
}

#[test]
fn an_interface_looks_as_in_a_vpc() {
    let network = open_network();
    let pin = network.attach(eni("t", [10, 0, 1, 77], &["open"])).expect("attached");
    let addresses = output_in(&pin, "ip", &["-br", "addr"]);
    let lines: Vec<Vec<&str>> =
        addresses.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["lo", "UNKNOWN", "127.0.0.1/8"], "up, without IPv6");
    assert_eq!(lines[1][1..], ["UP", "10.0.1.77/24"], "without IPv6");
    assert!(lines[1][0].starts_with("eth0@"), "{addresses}");
    assert_eq!(lines.len(), 2);
    let route = output_in(&pin, "ip", &["route", "show", "default"]);
    assert_eq!(route.trim(), "default via 10.0.1.1 dev eth0 proto static");
    let link = output_in(&pin, "ip", &["link", "show", "eth0"]);
    assert!(link.contains("mtu 9001"), "{link}");
    assert!(link.contains(&mac_address([10, 0, 1, 77].into())), "{link}");
    assert!(link.contains("02:4e:0a:00:01:4d"), "{link}");
}

#[test]
fn attaching_again_changes_nothing_and_detaching_again_is_fine() {
    let network = open_network();
    let task = network.task("t", [10, 0, 1, 4], &["open"]);
    let peer = network.task("p", [10, 0, 1, 5], &["open"]);
    let _server = task.serve(80);
    let mut stream = peer.dial((task.address, 80).into(), support::DEADLINE).expect("connected");
    assert_eq!(greeting(&mut stream), "t");
    for _ in 0..3 {
        network.attach(eni("t", [10, 0, 1, 4], &["open"])).expect("again");
        assert_eq!(echo(&mut stream, "still there"), "still there");
        assert_eq!(network.attached().len(), 2);
    }
    peer.reaches(&task, 80);
    for _ in 0..3 {
        network.detach("t").expect("detached");
    }
    network.detach("never-there").expect("nothing to do");
    assert_eq!(network.attached(), [eni("p", [10, 0, 1, 5], &["open"])]);
    assert!(!network.dir().join("tasks/t").exists());
}

#[test]
fn an_address_of_a_former_task_is_reachable_at_once() {
    let network = open_network();
    let peer = network.task("peer", [10, 0, 1, 4], &["open"]);
    let far = network.task("far", [10, 0, 2, 4], &["open"]);
    for id in ["first", "second", "third"] {
        let task = network.task(id, [10, 0, 1, 5], &["open"]);
        let _server = task.serve(80);
        let before = peer.timeouts() + far.timeouts();
        peer.reaches(&task, 80);
        far.reaches(&task, 80);
        // A lost first packet would cost a second.
        assert_eq!(peer.timeouts() + far.timeouts(), before, "{id}");
        network.detach(id).expect("detached");
        peer.gets_nothing_from([10, 0, 1, 5], 80);
    }
}

#[test]
fn the_first_task_of_a_subnet_is_reachable_at_once() {
    let network = open_network();
    let far = network.task("far", [10, 0, 2, 4], &["open"]);
    let _server = far.serve(80);
    for n in 0..25 {
        // The bridge wakes with its first port, and sleeps again after the last.
        let task = network.task("task", [10, 0, 1, 4 + n], &["open"]);
        task.reaches(&far, 80);
        assert_eq!(task.timeouts(), 0, "{n}");
        network.detach("task").expect("detached");
    }
}

#[test]
fn an_address_may_change_hands_while_its_former_holder_is_still_going() {
    let network = open_network();
    let peer = network.task("peer", [10, 0, 1, 4], &["open"]);
    network.task("task-0", [10, 0, 1, 5], &["open"]);
    for n in 1..20 {
        let (old, new) = (format!("task-{}", n - 1), format!("task-{n}"));
        thread::scope(|scope| {
            let vpc: &Vpc = &network;
            let going = scope.spawn(|| vpc.detach(&old));
            support::wait_until("the address is free", || {
                vpc.attach(eni(&new, [10, 0, 1, 5], &["open"])).is_ok()
            });
            going.join().expect("no panic").expect("detached");
        });
        let task = network.task(&new, [10, 0, 1, 5], &["open"]);
        let _server = task.serve(80);
        peer.reaches(&task, 80);
    }
}

#[test]
fn attaching_and_detaching_a_task_at_once_ends_in_one_or_the_other() {
    let network = open_network();
    let vpc: &Vpc = &network;
    let pin = network.dir().join("tasks/t");
    for round in 0..30 {
        thread::scope(|scope| {
            scope.spawn(|| vpc.detach("t").expect("detached"));
            scope.spawn(|| vpc.attach(eni("t", [10, 0, 1, 4], &["open"])).expect("attached"));
            scope.spawn(|| vpc.attach(eni("t", [10, 0, 2, 4], &["open"])).expect("attached"));
        });
        let is_attached = !network.attached().is_empty();
        let has_namespace = neargate_vpc::netns::NetNs::open(&pin).is_ok();
        assert_eq!(is_attached, has_namespace, "round {round}");
        let ports = output_in(&network.namespace(), "ip", &["-br", "link", "show", "type", "veth"]);
        assert_eq!(ports.lines().count(), usize::from(is_attached), "round {round}: {ports}");
    }
}

#[test]
fn a_task_that_moves_or_lost_its_namespace_gets_a_new_interface() {
    let network = open_network();
    let peer = network.task("peer", [10, 0, 2, 4], &["open"]);
    network.task("t", [10, 0, 1, 4], &["open"]);
    let moved = network.task("t", [10, 0, 1, 9], &["open"]);
    let _server = moved.serve(80);
    peer.reaches(&moved, 80);
    assert_eq!(network.attached().len(), 2);
    let pin = network.dir().join("tasks/t");
    nix::mount::umount2(&pin, nix::mount::MntFlags::MNT_DETACH).expect("unmounted by somebody");
    let again = network.task("t", [10, 0, 1, 9], &["open"]);
    let _server = again.serve(80);
    peer.reaches(&again, 80);
}

#[test]
fn counters_are_the_tasks_own() {
    let network = open_network();
    let sender = network.task("sender", [10, 0, 1, 4], &["open"]);
    let receiver = network.task("receiver", [10, 0, 2, 4], &["open"]);
    let _server = receiver.serve(80);
    let mut stream = sender.dial((receiver.address, 80).into(), support::DEADLINE).expect("dial");
    greeting(&mut stream);
    echo(&mut stream, &"x".repeat(100_000));
    let (sent, received) = (
        network.stats("sender").expect("stats").expect("attached"),
        network.stats("receiver").expect("stats").expect("attached"),
    );
    assert!(sent.tx_bytes > 100_000 && received.rx_bytes > 100_000, "{sent:?} {received:?}");
    assert!(sent.tx_packets > 5 && sent.rx_packets > 1, "{sent:?}");
    assert_eq!(network.stats("nobody").expect("stats"), None);
}

#[test]
fn what_cannot_be_is_refused_with_a_sentence() {
    let network = open_network();
    network.put_interface("alb", &[[10, 0, 101, 9].into()], &["open".into()]).expect("alb");
    network.add_service_address([10, 0, 1, 3].into()).expect("a service");
    network.task("first", [10, 0, 1, 4], &["open"]);
    let attach = |id: &str, address, groups: &[&str]| {
        network.attach(eni(id, address, groups)).expect_err(id).to_string()
    };
    assert_eq!(attach("t", [10, 0, 1, 4], &[]), "address 10.0.1.4 already belongs to task first");
    assert_eq!(
        attach("t", [10, 0, 101, 9], &[]),
        "address 10.0.101.9 already belongs to interface alb"
    );
    assert!(attach("t", [10, 0, 1, 3], &[]).contains("a service of the platform"));
    for reserved in [[10, 0, 1, 0], [10, 0, 1, 1], [10, 0, 1, 255]] {
        assert!(attach("t", reserved, &[]).contains("reserved"), "{reserved:?}");
    }
    assert_eq!(attach("t", [10, 0, 9, 4], &[]), "subnet elsewhere does not exist; put it first");
    assert_eq!(
        attach("t", [10, 0, 1, 5], &["open", "none"]),
        "security group none in VPC production does not exist; put it first"
    );
    assert!(attach("../t", [10, 0, 1, 5], &[]).contains("task id \"../t\""));
    let refused = |result: Result<(), Error>| result.expect_err("refused").to_string();
    assert_eq!(
        refused(network.put_vpc(vpc("other", [10, 0, 64, 0], 18))),
        "VPC other has the range 10.0.64.0/18, which overlaps production (10.0.0.0/16)"
    );
    assert!(refused(network.put_vpc(vpc("production", [10, 0, 0, 0], 24))).contains("in use by"));
    assert!(refused(network.put_vpc(vpc("wide", [10, 0, 0, 0], 7))).contains("between 8 and 28"));
    let overlapping = subnet("x-a", "production", [10, 0, 1, 0], Internet::None);
    assert!(refused(network.put_subnet(overlapping)).contains("overlaps private-a (10.0.1.0/24)"));
    let outside = subnet("x-a", "production", [10, 1, 1, 0], Internet::None);
    assert!(refused(network.put_subnet(outside)).contains("does not lie in 10.0.0.0/16"));
    let moved = subnet("private-a", "production", [10, 0, 7, 0], Internet::None);
    assert_eq!(refused(network.put_subnet(moved)), "subnet private-a is in use by task first");
    assert_eq!(
        refused(network.remove_subnet("public-a")),
        "subnet public-a is in use by interface alb"
    );
    assert!(refused(network.remove_vpc("production")).contains("in use by subnet"));
    assert!(refused(network.remove_group("open")).contains("in use by task first"));
    let taken = refused(network.put_interface("b", &[[10, 0, 1, 4].into()], &[]));
    assert_eq!(taken, "address 10.0.1.4 already belongs to task first");
    assert!(refused(network.put_interface("b", &[[10, 9, 1, 4].into()], &[])).contains("one VPC"));
    assert_eq!(network.attached().len(), 1, "nothing of all that stands");
}

#[test]
fn subnets_and_vpcs_come_and_go() {
    let network = open_network();
    let bridges = || output_in(&network.namespace(), "ip", &["-br", "link"]);
    network.remove_subnet("private-b").expect("removed");
    network.remove_subnet("private-b").expect("gone already");
    assert!(!bridges().contains("sub0a00020024"), "{}", bridges());
    let moved = subnet("private-a", "production", [10, 0, 2, 0], Internet::None);
    network.put_subnet(moved).expect("moved while idle");
    assert!(bridges().contains("sub0a00020024") && !bridges().contains("sub0a00010024"));
    for name in ["private-a", "public-a", "public-b"] {
        network.remove_subnet(name).expect(name);
    }
    network.remove_group("open").expect("removed");
    network.remove_vpc("production").expect("removed");
    assert_eq!(bridges().lines().count(), 1, "only the loopback: {}", bridges());
}

#[test]
fn the_host_keeps_its_own_network_and_200_tasks_leave_nothing() {
    let before = host_network();
    let network = open_network();
    network.put_interface("alb", &[[10, 0, 101, 9].into()], &["open".into()]).expect("alb");
    network.add_service_address([169, 254, 170, 2].into()).expect("metadata");
    network.attach(eni("warm-up", [10, 0, 1, 4], &["open"])).expect("attached");
    network.detach("warm-up").expect("detached");
    let mut slowest = (Duration::ZERO, Duration::ZERO);
    let mut total = (Duration::ZERO, Duration::ZERO);
    for n in 0..200 {
        let id = format!("task-{n}");
        let start = Instant::now();
        network.attach(eni(&id, [10, 0, 1, 10 + n], &["open"])).expect("attached");
        let attached = start.elapsed();
        network.detach(&id).expect("detached");
        let detached = start.elapsed() - attached;
        slowest = (slowest.0.max(attached), slowest.1.max(detached));
        total = (total.0 + attached, total.1 + detached);
    }
    eprintln!(
        "one after the other: attach {:?} (slowest {:?}), detach {:?} (slowest {:?})",
        total.0 / 200,
        slowest.0,
        total.1 / 200,
        slowest.1
    );
    assert_eq!(host_network(), before, "while it stands");
    let links = output_in(&network.namespace(), "ip", &["-br", "link"]);
    assert_eq!(links.lines().count(), 5, "the loopback and four bridges: {links}");
    for dir in ["tasks", "records"] {
        assert_eq!(fs::read_dir(network.dir().join(dir)).expect("dir").count(), 0, "{dir}");
    }
    drop(network);
    assert_eq!(host_network(), before, "when it is gone");
}

#[test]
fn many_at_once_are_all_whole() {
    let network = open_network();
    let server = network.task("server", [10, 0, 2, 4], &["open"]);
    let _server = server.serve(80);
    let start = Instant::now();
    let durations: Vec<Duration> = thread::scope(|scope| {
        let (network, server) = (&network, &server);
        let threads: Vec<_> = (0..32u8)
            .map(|n| {
                scope.spawn(move || {
                    let start = Instant::now();
                    let id = format!("task-{n}");
                    network.attach(eni(&id, [10, 0, 1, 10 + n], &["open"])).expect("attached");
                    let took = start.elapsed();
                    let task = network.task(&id, [10, 0, 1, 10 + n], &["open"]);
                    task.reaches(server, 80);
                    // Whole means: not even the first packet was lost, nor waited for the gateway.
                    assert_eq!(task.timeouts(), 0, "{id}");
                    took
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let all = start.elapsed();
    let slowest = durations.iter().max().expect("some");
    eprintln!(
        "32 at once: all attached and answered after {all:?}, the slowest attached in {slowest:?}"
    );
    let ports = output_in(&network.namespace(), "ip", &["-br", "link", "show", "type", "veth"]);
    assert_eq!(ports.lines().count(), 33);
    let start = Instant::now();
    thread::scope(|scope| {
        let network: &Vpc = &network;
        for n in 0..32u8 {
            scope.spawn(move || network.detach(&format!("task-{n}")).expect("detached"));
        }
    });
    eprintln!("32 at once: all detached after {:?}", start.elapsed());
    let ports = output_in(&network.namespace(), "ip", &["-br", "link", "show", "type", "veth"]);
    assert_eq!(ports.lines().count(), 1, "the server's");
}

#[test]
fn tearing_down_takes_a_network_away_from_those_inside() {
    let mut network = open_network();
    let task = network.task("t", [10, 0, 1, 4], &["open"]);
    let platform = network.platform();
    for n in 0..20 {
        network.attach(eni(&format!("more-{n}"), [10, 0, 2, 10 + n], &["open"])).expect("attached");
    }
    network.abandon();
    let start = Instant::now();
    tear_down(&network.dir()).expect("torn down");
    eprintln!("21 tasks and 4 subnets torn down in {:?}", start.elapsed());
    assert_nothing_left(&network.dir());
    let links = |net: &support::Task| {
        net.run(|| std::process::Command::new("ip").args(["-br", "link"]).output())
            .map(|output| String::from_utf8_lossy(&output.stdout).lines().count())
            .expect("ip runs")
    };
    assert_eq!((links(&task), links(&platform)), (1, 1), "nothing but the loopback is left");
    tear_down(&network.dir()).expect("nothing to do");
}
