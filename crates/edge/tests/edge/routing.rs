//! Rules, actions, round robin and weights through real listeners.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use neargate_core::load_balancer::{Action, Condition, Rule};
use neargate_core::target_health::TargetState;
use neargate_edge::control::Change;

use crate::harness::*;

#[test]
fn alb_rule_1_priorities_hosts_and_paths() {
    let (test, stage, host, rest) = (
        Backend::named("test"),
        Backend::named("stage"),
        Backend::named("host"),
        Backend::named("rest"),
    );
    let edge = Edge::start();
    let mut engine = edge.engine();
    let host_rule = Rule {
        priority: 5,
        conditions: vec![
            Condition::HostHeader(vec!["*.internal.example".into()]),
            Condition::PathPattern(vec!["/h?/*".into()]),
        ],
        action: forward(&[("host", 1)]),
    };
    engine.sync(vec![
        listener(
            80,
            forward(&[("rest", 1)]),
            vec![
                path_rule(20, "/stage/*", forward(&[("stage", 1)])),
                path_rule(10, "/test/*", forward(&[("test", 1)])),
                host_rule,
            ],
        ),
        group("test", &[test.target()]),
        group("stage", &[stage.target()]),
        group("host", &[host.target()]),
        group("rest", &[rest.target()]),
    ]);
    let port = engine.port(80);
    for (path, host, expected) in [
        ("/test/x?q=/stage/", "a.example", "test"),
        ("/stage/", "a.example", "stage"),
        ("/test", "a.example", "rest"),
        ("/TEST/x", "a.example", "rest"),
        ("/h1/x", "API.Internal.Example:8080", "host"),
        ("/h1/x", "internal.example", "rest"),
        ("/h11/x", "a.internal.example", "rest"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(ask(port, &request).text(), expected, "{path} {host}");
    }
}

#[test]
fn alb_act_5_and_8_redirects_and_fixed_responses() {
    let edge = Edge::start();
    let mut engine = edge.engine();
    let fixed = Action::FixedResponse {
        status: 418,
        content_type: "text/plain".into(),
        body: "short and stout".into(),
    };
    let redirect = Action::Redirect {
        protocol: "HTTPS".into(),
        host: "#{host}".into(),
        port: "443".into(),
        path: "/#{path}".into(),
        query: "#{query}".into(),
        status: 301,
    };
    engine.sync(vec![listener(80, fixed, vec![path_rule(1, "/go/*", redirect)])]);
    let mut wire = Wire::connect(engine.port(80));
    let response = wire.ask(&get("/")).unwrap();
    assert_eq!((response.status(), response.text().as_str()), (418, "short and stout"));
    assert_eq!(response.header("content-type"), "text/plain");
    assert_eq!(response.header("server"), "awselb/2.0");
    let response = wire.ask(&get("/go/a?b=c")).unwrap();
    assert_eq!(response.status(), 301);
    assert_eq!(response.header("location"), "https://test.example:443/go/a?b=c");
}

#[test]
fn alb_tg_4_round_robin_across_connections_and_workers() {
    let backends = [Backend::named("a"), Backend::named("b"), Backend::named("c")];
    let (_edge, mut engine, port) = simple(&backends.each_ref());
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut wires: Vec<_> = (0..6).map(|_| Wire::connect(port)).collect();
    for _ in 0..10 {
        for wire in &mut wires {
            *counts.entry(wire.ask(&get("/")).unwrap().text()).or_default() += 1;
        }
    }
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [20, 20, 20], "{counts:?}");
    engine.say(&neargate_edge::control::ToEdge::GetMetrics);
    let metrics = engine.hear("Metrics", |m| match m {
        neargate_edge::control::FromEdge::Metrics(metrics) => Some(metrics.clone()),
        _ => None,
    });
    let group = &metrics.target_groups[0];
    assert_eq!((group.requests, group.target_codes), (60, [60, 0, 0, 0]));
    assert!(group.targets.iter().all(|(_, requests)| *requests == 20), "{group:?}");
    assert!(group.response_time_us_sum > 0);
}

#[test]
fn alb_act_2_and_3_weights_without_fallback() {
    let (blue, green) = (Backend::named("blue"), Backend::named("green"));
    let edge = Edge::start();
    let mut engine = edge.engine();
    let shares = [("blue", 3), ("green", 1), ("off", 0), ("empty", 1)];
    engine.sync(vec![
        listener(80, forward(&shares), vec![]),
        group("blue", &[blue.target()]),
        group("green", &[green.target()]),
        group("off", &[blue.target()]),
    ]);
    let mut wire = Wire::connect(engine.port(80));
    let mut counts: HashMap<String, usize> = HashMap::new();
    for _ in 0..100 {
        let response = wire.ask(&get("/")).unwrap();
        let key = if response.status() == 200 { response.text() } else { "503".to_owned() };
        *counts.entry(key).or_default() += 1;
    }
    assert!(counts["blue"].abs_diff(60) <= 2, "{counts:?}");
    assert!(counts["green"].abs_diff(20) <= 2, "{counts:?}");
    assert!(counts["503"].abs_diff(20) <= 2, "{counts:?}");
}

#[test]
fn listeners_are_separate() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let edge = Edge::start();
    let mut engine = edge.engine();
    engine.sync(vec![
        group("a", &[a.target()]),
        group("b", &[b.target()]),
        listener(80, forward(&[("a", 1)]), vec![]),
        listener(8443, forward(&[("b", 1)]), vec![]),
    ]);
    assert_eq!(ask(engine.port(80), &get("/")).text(), "a");
    assert_eq!(ask(engine.port(8443), &get("/")).text(), "b");
    assert_eq!(b.last_request().header("x-forwarded-port"), "8443");
    assert_eq!(b.last_request().header("host"), "test.example:8443");
}

/// BX-24: tasks let in what comes from the load balancer, so requests and probes must come from
/// the load balancer's own addresses.
#[test]
fn bx_24_requests_and_probes_come_from_the_load_balancers_addresses() {
    let seen: Arc<Mutex<BTreeSet<(bool, IpAddr)>>> = Arc::default();
    let peers = Arc::clone(&seen);
    let backend = Backend::raw(move |mut wire| {
        let peer = wire.stream.peer_addr().unwrap().ip();
        while let Some(request) = wire.request() {
            peers.lock().unwrap().insert((is_probe(&request), peer));
            wire.write(&ok(""));
        }
    });
    let edge = Edge::start();
    let mut engine = edge.engine();
    let sources = [Ipv4Addr::new(127, 0, 5, 1), Ipv4Addr::new(127, 0, 5, 2)];
    engine.sync(vec![
        listener(80, forward(&[("g", 1)]), vec![]),
        Change::TargetGroup {
            spec: group_spec("g"),
            targets: vec![backend.target()],
            sources: sources.to_vec(),
        },
    ]);
    let port = engine.port(80);
    engine.wait_state("g", backend.address, TargetState::Healthy);
    ask(port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let both = eventually("probes from both addresses", || {
        let seen = seen.lock().unwrap();
        sources.iter().all(|s| seen.contains(&(true, (*s).into()))).then(|| seen.clone())
    });
    assert!(both.iter().all(|(_, peer)| sources.iter().any(|s| IpAddr::from(*s) == *peer)));
    assert!(both.iter().any(|(probe, _)| !probe));
}
