//! The edge's own life: ports taken and freed, engines that come and go, the end.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::sync_channel;

use neargate_core::id::Generation;
use neargate_edge::control::{Change, FromEdge, ToEdge};

use crate::harness::*;

/// An edge whose listeners bind an address of their own, and one backend it serves.
fn on_own_ip() -> (Edge, Ipv4Addr, Backend) {
    let ip = own_ip();
    (Edge::start_with(|options| options.listen = ip), ip, Backend::named("ok"))
}

fn answer_at(ip: Ipv4Addr, port: u16) -> String {
    let mut wire = Wire::new(TcpStream::connect((ip, port)).unwrap());
    wire.ask(&get("/")).unwrap().text()
}

#[test]
fn a_taken_port_is_reported_once_and_bound_when_free() {
    let (edge, ip, backend) = on_own_ip();
    let holder = TcpListener::bind((ip, 0)).unwrap();
    let taken = holder.local_addr().unwrap().port();
    let mut engine = edge.engine();
    let mut spec = listener_spec(80, forward(&[("g", 1)]), vec![]);
    spec.host_port = taken;
    engine.sync(vec![
        group("g", &[backend.target()]),
        Change::Listener { spec, idle_timeout_ms: 60_000 },
    ]);
    let problem = engine.hear("a failed bind", |m| match m {
        FromEdge::ListenerBound { result: Err(problem), .. } => Some(problem.clone()),
        _ => None,
    });
    let expected = format!(
        "cannot listen on {ip}:{taken}: the port is taken by process {} (",
        std::process::id()
    );
    assert!(problem.starts_with(&expected), "{problem}");
    drop(holder);
    assert_eq!(engine.port(80), taken);
    let failures = engine
        .messages()
        .iter()
        .filter(|m| matches!(m, FromEdge::ListenerBound { result: Err(_), .. }))
        .count();
    assert_eq!(failures, 1);
    assert_eq!(answer_at(ip, taken), "ok");
}

#[test]
fn a_listener_moves_to_another_port() {
    let (edge, ip, backend) = on_own_ip();
    let mut engine = edge.engine();
    let put = |host_port| {
        let mut spec = listener_spec(80, forward(&[("g", 1)]), vec![]);
        spec.host_port = host_port;
        Change::Listener { spec, idle_timeout_ms: 60_000 }
    };
    engine.sync(vec![group("g", &[backend.target()]), put(0)]);
    let old = engine.port(80);
    let free = TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap().port();
    engine.apply(put(free));
    assert_eq!(engine.port(80), free);
    assert_eq!(answer_at(ip, free), "ok");
    eventually("the old port is closed", || TcpStream::connect((ip, old)).is_err().then_some(()));
}

#[test]
fn the_newest_connection_is_the_engine() {
    let edge = Edge::start();
    let first = edge.engine();
    first.hear("Hello", |m| matches!(m, FromEdge::Hello { .. }).then_some(()));
    let mut second = edge.engine();
    first.hear_the_end();
    second.sync(vec![]);
}

#[test]
fn sync_removes_what_it_does_not_name_and_keeps_requests_in_flight() {
    let (go, wait) = sync_channel::<()>(1);
    let wait = std::sync::Mutex::new(wait);
    let slow = Backend::custom(move |_, mut wire| {
        wait.lock().unwrap().recv().unwrap();
        wire.write(&ok("slow"));
    });
    let (edge, mut engine, port) = simple(&[&slow]);
    engine.apply(listener(81, forward(&[("other", 1)]), vec![]));
    engine.apply(group("other", &[slow.target()]));
    let other = engine.port(81);
    let mut wire = Wire::connect(port);
    wire.write(&get("/"));
    slow.wait_arrived(1);
    let mut engine = edge.engine();
    engine.sync(vec![
        group("g", &[draining(slow.target())]),
        listener(80, forward(&[("g", 1)]), vec![]),
    ]);
    eventually("the unnamed listener is closed", || {
        std::net::TcpStream::connect(("127.0.0.1", other)).is_err().then_some(())
    });
    engine.say(&ToEdge::GetMetrics);
    let groups = engine.hear("Metrics", |m| match m {
        FromEdge::Metrics(m) => Some(m.target_groups.clone()),
        _ => None,
    });
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].requests, 1, "counters are kept");
    assert!(!engine.is_idle(slow.address), "what is in flight is kept");
    go.send(()).unwrap();
    assert_eq!(wire.response().unwrap().text(), "slow");
    eventually("idle", || engine.is_idle(slow.address).then_some(()));

    // A new engine hears of idle targets again.
    let mut third = edge.engine();
    third.sync(vec![
        group("g", &[draining(slow.target())]),
        listener(80, forward(&[("g", 1)]), vec![]),
    ]);
    eventually("idle again", || third.is_idle(slow.address).then_some(()));
}

#[test]
fn an_engine_that_counts_from_the_start_again_is_understood() {
    let backend = Backend::named("ok");
    let (edge, mut engine, _port) = simple(&[&backend]);
    for _ in 0..5 {
        engine.apply(group("g", &[backend.target()]));
    }
    engine.apply(group("g", &[draining(backend.target())]));
    let mut next = edge.engine();
    next.sync(vec![
        group("g", &[draining(backend.target())]),
        listener(80, forward(&[("g", 1)]), vec![]),
    ]);
    eventually("idle", || next.is_idle(backend.address).then_some(()));
    let foreign = next
        .messages()
        .into_iter()
        .find(|m| matches!(m, FromEdge::Applied { generation } if *generation > Generation(1)));
    assert_eq!(foreign, None);
}

#[test]
fn nonsense_on_the_control_socket_ends_only_that_connection() {
    use std::io::Write;
    let backend = Backend::named("ok");
    let (edge, engine, port) = simple(&[&backend]);
    let mut stream = std::os::unix::net::UnixStream::connect(&edge.socket).unwrap();
    stream.write_all(b"{\"Sync\": 7}\n").unwrap();
    engine.hear_the_end();
    assert_eq!(ask(port, &get("/")).text(), "ok");
    let mut engine = edge.engine();
    engine.sync(vec![]);
}

#[test]
fn shutdown_finishes_what_is_in_flight() {
    let (go, wait) = sync_channel::<()>(1);
    let wait = std::sync::Mutex::new(wait);
    let slow = Backend::custom(move |_, mut wire| {
        wait.lock().unwrap().recv().unwrap();
        wire.write(&ok("slow"));
    });
    let (edge, mut engine, port) = simple(&[&slow]);
    let mut busy = Wire::connect(port);
    busy.write(&get("/"));
    slow.wait_arrived(1);
    engine.say(&ToEdge::Shutdown);
    eventually("the port is closed", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err().then_some(())
    });
    go.send(()).unwrap();
    assert_eq!(busy.response().unwrap().text(), "slow");
    let socket = edge.socket.clone();
    edge.join();
    assert!(!socket.exists());
}

#[test]
fn two_edges_on_one_socket() {
    let edge = Edge::start();
    let _engine = edge.engine();
    let options = neargate_edge::Options::new(edge.socket.clone());
    let refused = neargate_edge::run_until(&options, std::future::pending());
    assert!(matches!(refused, Err(neargate_edge::EdgeError::AlreadyRunning { .. })), "{refused:?}");
}

#[test]
fn names_are_answered() {
    let dns = {
        let socket = std::net::UdpSocket::bind((own_ip(), 0)).unwrap();
        socket.local_addr().unwrap()
    };
    let edge = Edge::start_with(|options| options.dns = Some(dns));
    let mut engine = edge.engine();
    let name = |healthy| Change::Name {
        dns_name: "api.test.local".into(),
        ttl_s: 10,
        instances: vec![neargate_edge::control::Instance {
            id: neargate_core::id::TaskId(7),
            address: [127, 0, 0, 77].into(),
            port: Some(80),
            healthy,
        }],
    };
    engine.sync(vec![name(true)]);
    // Asks the way a stub resolver does: header, one question, A IN.
    let ask = || {
        let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in ["api", "test", "local"] {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend_from_slice(label.as_bytes());
        }
        query.extend_from_slice(&[0, 0, 1, 0, 1]);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send_to(&query, dns).unwrap();
        let mut answer = [0; 512];
        let read = socket.recv(&mut answer).unwrap();
        answer[..read].to_vec()
    };
    let answer = ask();
    assert!(answer.windows(4).any(|w| w == [127, 0, 0, 77]), "{answer:?}");
    engine.sync(vec![]);
    assert!(!ask().windows(4).any(|w| w == [127, 0, 0, 77]));
}
