//! WebSocket and other upgrades.

use std::io::{Read, Write};

use neargate_edge::control::{Change, ToEdge};

use crate::harness::*;

/// Accepts the upgrade, then echoes in capitals.
fn echo() -> Backend {
    Backend::custom(|request, mut wire| {
        assert_eq!(request.header("connection"), "upgrade");
        assert_eq!(request.header("upgrade"), "websocket");
        wire.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: x\r\n\r\nHELLO",
        );
        let mut buf = [0; 1024];
        while let Ok(read) = wire.reader.read(&mut buf) {
            if read == 0 || wire.stream.write_all(&buf[..read].to_ascii_uppercase()).is_err() {
                break;
            }
        }
        let _ = wire.stream.shutdown(std::net::Shutdown::Both);
    })
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";

fn expect(wire: &mut Wire, text: &str) {
    let mut buf = vec![0; text.len()];
    wire.reader.read_exact(&mut buf).unwrap();
    assert_eq!(String::from_utf8_lossy(&buf), text);
}

fn open(port: u16) -> Wire {
    let mut wire = Wire::connect(port);
    // What follows right behind the request belongs to the tunnel.
    wire.write(&format!("{UPGRADE}early"));
    let head = wire.read_head().unwrap();
    assert_eq!(head.status(), 101);
    assert_eq!(head.header("upgrade"), "websocket");
    assert_eq!(head.header("sec-websocket-accept"), "x");
    expect(&mut wire, "HELLOEARLY");
    wire
}

#[test]
fn upgrades_become_tunnels_and_count_as_in_flight() {
    let backend = echo();
    let (_edge, mut engine, port) = simple(&[&backend]);
    let mut wire = open(port);
    for round in 0..100 {
        wire.write(&format!("round {round}"));
        expect(&mut wire, &format!("ROUND {round}"));
    }
    engine.apply(group("g", &[draining(backend.target())]));
    wire.write("still here");
    expect(&mut wire, "STILL HERE");
    assert!(!engine.is_idle(backend.address));
    drop(wire);
    eventually("idle", || engine.is_idle(backend.address).then_some(()));
}

#[test]
fn a_refused_upgrade_is_a_normal_answer() {
    let backend = Backend::answering(|_| ok("no"));
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    assert_eq!(wire.ask(UPGRADE).unwrap().text(), "no");
    assert_eq!(wire.ask(&get("/")).unwrap().text(), "no");
}

#[test]
fn alb_hdr_7_an_idle_tunnel_is_closed() {
    let backend = echo();
    let (_edge, _engine, port) = simple_with(&[&backend], 400);
    let mut wire = open(port);
    assert!(wire.is_closed());
}

#[test]
fn tunnels_end_with_the_deregistration_delay_and_with_the_edge() {
    let backend = echo();
    let (edge, mut engine, port) = simple(&[&backend]);
    let mut wire = open(port);
    engine.apply(group("g", &[draining(backend.target())]));
    engine.apply(group("g", &[]));
    assert!(wire.is_closed());

    engine.apply(group("g", &[backend.target()]));
    let mut wire = open(port);
    engine.apply(Change::RemoveListener { load_balancer: "lb".into(), port: 80 });
    wire.write("x");
    expect(&mut wire, "X");
    engine.say(&ToEdge::Shutdown);
    assert!(wire.is_closed());
    edge.join();
}
