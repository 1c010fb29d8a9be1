//! Probes, health states and fail-open with real targets.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use neargate_core::target_health::{HealthReason, TargetState};
use neargate_edge::control::{Change, FromEdge, Target};

use crate::harness::*;

/// A backend whose probes get this status; other requests get its name.
fn with_health(name: &'static str) -> (Backend, Arc<AtomicUsize>) {
    let status = Arc::new(AtomicUsize::new(200));
    let health = status.clone();
    let backend = Backend::raw(move |mut wire| {
        while let Some(request) = wire.request() {
            if is_probe(&request) {
                let status = health.load(Ordering::SeqCst);
                wire.write(&format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
            } else {
                wire.write(&ok(name));
            }
        }
    });
    (backend, status)
}

fn answers(port: u16) -> Vec<String> {
    let mut seen: Vec<_> = (0..12).map(|_| ask(port, &get("/")).text()).collect();
    seen.sort();
    seen.dedup();
    seen
}

#[test]
fn alb_hc_6_unhealthy_targets_are_taken_out_and_come_back() {
    let (a, a_health) = with_health("a");
    let (b, _) = with_health("b");
    let (_edge, engine, port) = simple(&[&a, &b]);
    assert_eq!(answers(port), ["a", "b"]);
    a_health.store(503, Ordering::SeqCst);
    engine.wait_state("g", a.address, TargetState::Unhealthy);
    let reason = engine.health("g", a.address).unwrap().reason;
    assert_eq!(reason, Some(HealthReason::ResponseCodeMismatch(503)));
    assert_eq!(answers(port), ["b"]);
    a_health.store(200, Ordering::SeqCst);
    engine.wait_state("g", a.address, TargetState::Healthy);
    assert_eq!(answers(port), ["a", "b"]);
}

#[test]
fn alb_hc_11_fail_open_when_no_target_is_healthy() {
    let (a, a_health) = with_health("a");
    let (b, b_health) = with_health("b");
    let (_edge, mut engine, port) = simple(&[&a, &b]);
    a_health.store(500, Ordering::SeqCst);
    b_health.store(404, Ordering::SeqCst);
    engine.wait_state("g", a.address, TargetState::Unhealthy);
    engine.wait_state("g", b.address, TargetState::Unhealthy);
    assert_eq!(answers(port), ["a", "b"]);
    engine.apply(group("g", &[draining(a.target()), b.target()]));
    assert_eq!(answers(port), ["b"], "draining targets are not part of it");
}

#[test]
fn alb_tg_9_a_target_is_healthy_as_soon_as_it_listens() {
    let target = nobody();
    let edge = Edge::start();
    let mut engine = edge.engine();
    let mut spec = group_spec("g");
    spec.health_check.interval_ms = 3_600_000;
    let targets = vec![Target { address: target, draining: false }];
    engine.sync(vec![
        Change::TargetGroup { spec, targets, sources: vec![] },
        listener(80, forward(&[("g", 1)]), vec![]),
    ]);
    eventually("initial checking", || {
        engine.health("g", target).filter(|h| h.reason == Some(HealthReason::InitialHealthChecking))
    });
    std::thread::sleep(Duration::from_millis(100));
    let started = Instant::now();
    let _backend = Backend::on(TcpListener::bind((target.ip, target.port)).unwrap(), |mut wire| {
        if wire.request().is_some() {
            wire.write(&ok(""));
        }
    });
    engine.wait_state("g", target, TargetState::Healthy);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let never_unhealthy = engine.messages().iter().all(|m| {
        !matches!(m, FromEdge::TargetHealth { health, .. } if health.state == TargetState::Unhealthy)
    });
    assert!(never_unhealthy);
}

#[test]
fn alb_hc_7_reasons() {
    let silent = Backend::raw(|wire| {
        std::thread::sleep(Duration::from_secs(30));
        drop(wire);
    });
    let refused = nobody();
    let edge = Edge::start();
    let mut engine = edge.engine();
    let mut spec = group_spec("g");
    spec.health_check.timeout_ms = 50;
    let targets = vec![silent.target(), Target { address: refused, draining: false }];
    engine.sync(vec![
        Change::TargetGroup { spec, targets, sources: vec![] },
        listener(80, forward(&[("g", 1)]), vec![]),
    ]);
    engine.wait_state("g", silent.address, TargetState::Unhealthy);
    engine.wait_state("g", refused, TargetState::Unhealthy);
    let reason = |address| engine.health("g", address).unwrap().reason.unwrap();
    assert_eq!(reason(silent.address), HealthReason::Timeout);
    assert_eq!(reason(refused), HealthReason::FailedHealthChecks);
}

#[test]
fn alb_hc_9_groups_that_no_listener_uses_are_not_probed() {
    let backend = Backend::named("ok");
    let edge = Edge::start();
    let mut engine = edge.engine();
    engine.sync(vec![group("g", &[backend.target()])]);
    let health = engine.health("g", backend.address).unwrap();
    assert_eq!(health.state, TargetState::Unused);
    assert_eq!(health.reason, Some(HealthReason::NotInUse));
    engine.apply(listener(80, forward(&[("g", 1)]), vec![]));
    engine.wait_state("g", backend.address, TargetState::Healthy);
    engine.apply(Change::RemoveListener { load_balancer: "lb".into(), port: 80 });
    engine.wait_state("g", backend.address, TargetState::Unused);
}

#[test]
fn probing_and_routing_go_on_without_the_engine_and_sync_keeps_health() {
    let (a, a_health) = with_health("a");
    let (b, _) = with_health("b");
    let (edge, engine, port) = simple(&[&a, &b]);
    drop(engine);
    assert_eq!(answers(port), ["a", "b"]);
    a_health.store(503, Ordering::SeqCst);
    eventually("the sick target is taken out", || (answers(port) == ["b"]).then_some(()));

    let mut engine = edge.engine();
    engine.hear("Hello", |m| match m {
        FromEdge::Hello { pid, .. } => (*pid == std::process::id()).then_some(()),
        _ => None,
    });
    engine.sync(vec![
        group("g", &[a.target(), b.target()]),
        listener(80, forward(&[("g", 1)]), vec![]),
    ]);
    assert_eq!(engine.port(80), port, "the socket is the same");
    let states: Vec<_> = engine
        .messages()
        .iter()
        .filter_map(|m| match m {
            FromEdge::TargetHealth { target, health, .. } => Some((*target, health.state)),
            _ => None,
        })
        .collect();
    assert_eq!(states.len(), 2, "each target once: {states:?}");
    assert!(states.contains(&(a.address, TargetState::Unhealthy)), "{states:?}");
    assert!(states.contains(&(b.address, TargetState::Healthy)), "{states:?}");
    assert_eq!(answers(port), ["b"]);
}
