//! Changes under load, draining, and what acknowledgements promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use neargate_core::target_health::{HealthReason, TargetState};
use neargate_edge::control::Change;

use crate::harness::*;

/// Clients that never stop asking, on kept and on new connections.
struct Hammer {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<Vec<String>>>,
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Hammer {
    fn start(port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicUsize::new(0));
        let threads = (0..4)
            .map(|client| {
                let (stop, asked) = (stop.clone(), asked.clone());
                thread::spawn(move || {
                    let mut failures = Vec::new();
                    let mut wire = Wire::connect(port);
                    while !stop.load(Ordering::SeqCst) {
                        if client % 2 == 0 {
                            wire = Wire::connect(port);
                        }
                        match wire.ask(&get("/")) {
                            Some(response) if response.status() == 200 => {}
                            other => {
                                failures.push(format!("{other:?}"));
                                wire = Wire::connect(port);
                            }
                        }
                        asked.fetch_add(1, Ordering::SeqCst);
                    }
                    failures
                })
            })
            .collect();
        Self { stop, threads, asked }
    }

    /// Waits until so many more requests are through.
    fn wait(&self, more: usize) {
        let goal = self.asked.load(Ordering::SeqCst) + more;
        eventually("requests", || (self.asked.load(Ordering::SeqCst) >= goal).then_some(()));
    }

    fn finish(self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            assert_eq!(thread.join().unwrap(), Vec::<String>::new(), "failed requests");
        }
    }
}

#[test]
fn alb_tg_10_targets_are_replaced_under_load_without_losing_a_request() {
    let first = Backend::named("0");
    let (_edge, mut engine, port) = simple(&[&first]);
    let hammer = Hammer::start(port);
    hammer.wait(50);
    let mut old = first;
    for _ in 0..5 {
        let new = Backend::named("n");
        engine.apply(group("g", &[old.target(), new.target()]));
        engine.wait_state("g", new.address, TargetState::Healthy);
        hammer.wait(20);
        engine.apply(group("g", &[draining(old.target()), new.target()]));
        let idle = old.address;
        eventually("the drained target is idle", || engine.is_idle(idle).then_some(()));
        let before = old.requests.lock().unwrap().len();
        // Idle means it may go: nothing it does now can hurt anyone.
        hammer.wait(20);
        assert_eq!(old.requests.lock().unwrap().len(), before, "a drained target got a request");
        drop(old);
        engine.apply(group("g", &[new.target()]));
        old = new;
    }
    hammer.finish();
}

#[test]
fn rules_change_under_load_without_losing_a_request() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let (_edge, mut engine, port) = simple(&[&a]);
    engine.apply(group("h", &[b.target()]));
    let hammer = Hammer::start(port);
    for round in 0..20 {
        let to = if round % 2 == 0 { "h" } else { "g" };
        engine.apply(listener(80, forward(&[(to, 1)]), vec![]));
        // Acknowledged: from here on not one request goes the old way.
        let other = if to == "h" { &a } else { &b };
        let before = other.requests.lock().unwrap().len();
        hammer.wait(10);
        let after = other.requests.lock().unwrap().len();
        // Requests chosen before may still be on their way to the backend's list.
        assert!(after - before <= 4, "{} requests by the old rules", after - before);
    }
    hammer.finish();
}

#[test]
fn alb_tg_10_draining_waits_for_what_is_in_flight() {
    let (go, wait) = sync_channel::<()>(1);
    let wait = std::sync::Mutex::new(wait);
    let slow = Backend::custom(move |_, mut wire| {
        wait.lock().unwrap().recv().unwrap();
        wire.write(&ok("slow"));
    });
    let (_edge, mut engine, port) = simple(&[&slow]);
    let mut wire = Wire::connect(port);
    wire.write(&get("/"));
    let target = slow.address;
    slow.wait_arrived(1);
    engine.apply(group("g", &[draining(slow.target())]));
    let health = engine.health("g", target).unwrap();
    assert_eq!(health.state, TargetState::Draining);
    assert_eq!(health.reason, Some(HealthReason::DeregistrationInProgress));
    assert_eq!(ask(port, &get("/")).status(), 503, "no new requests");
    assert!(!engine.is_idle(target), "a request is still in flight");
    go.send(()).unwrap();
    assert_eq!(wire.response().unwrap().text(), "slow");
    eventually("idle", || engine.is_idle(target).then_some(()));
}

#[test]
fn alb_tg_10_a_request_longer_than_the_delay_is_cut_with_a_502() {
    let slow = Backend::custom(|_, mut wire| {
        wire.read_head();
    });
    let (_edge, mut engine, port) = simple(&[&slow]);
    let mut wire = Wire::connect(port);
    wire.write(&get("/"));
    slow.wait_arrived(1);
    engine.apply(group("g", &[draining(slow.target())]));
    engine.apply(group("g", &[]));
    assert_eq!(wire.response().unwrap().status(), 502);
}

#[test]
fn a_listener_that_is_removed_lets_its_requests_finish() {
    let (go, wait) = sync_channel::<()>(1);
    let wait = std::sync::Mutex::new(wait);
    let slow = Backend::custom(move |_, mut wire| {
        wait.lock().unwrap().recv().unwrap();
        wire.write(&ok("slow"));
    });
    let (_edge, mut engine, port) = simple(&[&slow]);
    let mut kept = Wire::connect(port);
    let mut busy = Wire::connect(port);
    let mut waiting = Wire::connect(port);
    busy.write(&get("/"));
    slow.wait_arrived(1);
    engine.apply(Change::RemoveListener { load_balancer: "lb".into(), port: 80 });
    eventually("the port is closed", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err().then_some(())
    });
    // Connected before, its request comes only now: it is still served.
    waiting.write(&get("/late"));
    go.send(()).unwrap();
    assert_eq!(busy.response().unwrap().text(), "slow");
    assert!(busy.is_closed());
    go.send(()).unwrap();
    assert_eq!(waiting.response().unwrap().text(), "slow");
    assert!(kept.is_closed());
}

#[test]
fn a_target_registered_again_serves_again() {
    let backend = Backend::named("ok");
    let (_edge, mut engine, port) = simple(&[&backend]);
    engine.apply(group("g", &[draining(backend.target())]));
    assert_eq!(ask(port, &get("/")).status(), 503);
    engine.forget();
    engine.apply(group("g", &[backend.target()]));
    engine.wait_state("g", backend.address, TargetState::Healthy);
    assert_eq!(ask(port, &get("/")).text(), "ok");
}
