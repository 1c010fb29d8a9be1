//! Addresses of the platform itself in its VPC: a load balancer's.

mod support;

use std::net::Ipv4Addr;

use neargate_core::network::Internet;
use support::{
    DEADLINE, Network, anywhere, echo, everything, greeting, group, members_of, output_in, tcp,
};

fn network() -> Network {
    let network = Network::with_vpc(Internet::None);
    let egress = vec![tcp(8000, 8001, members_of("tasks"))];
    network.put_group(group("alb", vec![tcp(80, 80, anywhere())], egress)).expect("group");
    let ingress = vec![tcp(8000, 8010, members_of("alb"))];
    network.put_group(group("tasks", ingress, everything())).expect("group");
    network
        .put_group(group("other", vec![tcp(1, 65535, anywhere())], everything()))
        .expect("group");
    network
}

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 101, 9);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 102, 9);
const C: Ipv4Addr = Ipv4Addr::new(10, 0, 102, 10);

#[test]
fn a_load_balancer_connects_by_its_egress_rules_from_every_address_of_its_own() {
    let network = network();
    network.put_interface("alb", &[A, B], &["alb".into()]).expect("alb");
    network.put_interface("stranger", &[C], &["other".into()]).expect("stranger");
    let task = network.task("task", [10, 0, 1, 4], &["tasks"]);
    let other = network.task("other", [10, 0, 1, 5], &["other"]);
    let _servers = [task.serve(8001), task.serve(8002), other.serve(8001)];
    for own in [A, B].map(|address| network.platform_at(address)) {
        own.reaches(&task, 8001);
        // Its egress.
        own.is_kept_from(&task, 8002);
        own.is_kept_from(&other, 8001);
    }
    // Their ingress.
    network.platform_at(C).is_kept_from(&task, 8001);
    network.platform_at(C).reaches(&other, 8001);
    // A gateway's address is no interface.
    network.platform_at([10, 0, 1, 1]).is_kept_from(&other, 8001);
}

#[test]
fn addresses_and_groups_follow_the_wish_and_connections_go_on() {
    let network = network();
    let addresses = || output_in(&network.namespace(), "ip", &["-br", "-4", "addr"]);
    for _ in 0..2 {
        network.put_interface("alb", &[A, B], &["alb".into()]).expect("alb");
        assert!(addresses().contains("10.0.101.9/32") && addresses().contains("10.0.102.9/32"));
    }
    let task = network.task("task", [10, 0, 1, 4], &["tasks"]);
    let _server = task.serve(8000);
    let from_a = network.platform_at(A);
    let mut stream = from_a.dial((task.address, 8000).into(), DEADLINE).expect("allowed");
    assert_eq!(greeting(&mut stream), "task");

    network.put_interface("alb", &[A], &["alb".into()]).expect("one address less");
    assert!(addresses().contains("10.0.101.9/32") && !addresses().contains("10.0.102.9"));
    assert_eq!(echo(&mut stream, "on"), "on");
    // Another may have it now, a task too.
    network.put_interface("second", &[B], &["alb".into()]).expect("free");
    network.platform_at(B).reaches(&task, 8000);
    network.remove_interface("second").expect("removed");
    network.remove_interface("second").expect("gone already");
    let heir = network.task("heir", [10, 0, 102, 9], &["other"]);
    heir.is_kept_from(&task, 8000);

    network.put_interface("alb", &[A], &[]).expect("without groups");
    assert_eq!(echo(&mut stream, "and on"), "and on");
    from_a.is_kept_from(&task, 8000);
    network.remove_interface("alb").expect("removed");
    assert!(!addresses().contains("/32"), "{}", addresses());
}
