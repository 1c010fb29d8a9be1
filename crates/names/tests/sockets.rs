//! Server and resolver over real sockets, each test with its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use neargate_names::{Instance, NameRecords, Table, Upstream, resolve, resolve_srv, serve};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(10);

/// A server on a free port; it ends with the runtime.
fn server(table: &Table) -> (Runtime, SocketAddr) {
    server_before(table, None)
}

/// One that asks this other one for what it does not know.
fn server_before(table: &Table, upstream: Option<SocketAddr>) -> (Runtime, SocketAddr) {
    let upstream = upstream.map(|server| Upstream {
        servers: vec![server],
        open: Arc::new(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))),
    });
    let runtime = Runtime::new().expect("runtime");
    let table = table.clone();
    let address = runtime.block_on(async {
        // A port free for TCP may be taken for UDP: try until one is free for both.
        loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("tcp");
            let address = tcp.local_addr().expect("address");
            if let Ok(udp) = tokio::net::UdpSocket::bind(address).await {
                tokio::spawn(serve(table, upstream, udp, tcp));
                return address;
            }
        }
    });
    (runtime, address)
}

fn records(n: u8, port: Option<u16>) -> NameRecords {
    let instances = (1..=n)
        .map(|n| Instance {
            id: format!("{:032x}", u128::from(n)),
            address: Ipv4Addr::new(127, 0, 2, n),
            port,
            healthy: true,
        })
        .collect();
    NameRecords { ttl_s: 60, instances }
}

/// DISC-NS-9: the resolver of a VPC knows public names too, and its own names stay its own.
#[test]
fn disc_ns_9_other_names_are_asked_of_the_machines_resolvers() {
    let (ours, theirs) = (Table::new(), Table::new());
    theirs.set("www.example.com", records(2, None)).expect("valid");
    theirs.set("api.shop.local", records(9, None)).expect("valid");
    ours.set("api.shop.local", records(1, None)).expect("valid");
    let (_theirs, upstream) = server(&theirs);
    let (_ours, server) = server_before(&ours, Some(upstream));
    let count = |name: &str| resolve(server, name, PATIENCE).map(|found| found.len());
    assert_eq!(count("www.example.com").expect("forwarded"), 2);
    assert_eq!(count("api.shop.local").expect("ours"), 1);
    assert_eq!(count("web.shop.local").expect_err("ours, and missing").kind(), ErrorKind::NotFound);
    assert_eq!(count("nosuch.example.com").expect_err("theirs").kind(), ErrorKind::NotFound);
}

/// A question nobody answers ends as a failed lookup, not in silence.
#[test]
fn without_an_answer_the_lookup_fails() {
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("socket");
    let nobody = closed.local_addr().expect("address");
    drop(closed);
    let (_runtime, server) = server_before(&Table::new(), Some(nobody));
    assert!(resolve(server, "www.example.com", PATIENCE).is_err());
}

#[test]
fn names_resolve_and_follow_publications() {
    let table = Table::new();
    let (_runtime, server) = server(&table);
    let names = |name: &str| resolve(server, name, PATIENCE);

    assert_eq!(
        names("api.shop.local").expect_err("unknown zone").kind(),
        ErrorKind::ConnectionRefused
    );
    table.set("api.shop.local", records(3, None)).expect("valid");
    let mut found = names("API.shop.local").expect("resolves");
    found.sort();
    assert_eq!(found, [1, 2, 3].map(|n| Ipv4Addr::new(127, 0, 2, n)));
    table.set("api.shop.local", records(0, None)).expect("valid");
    assert_eq!(names("api.shop.local").expect_err("no instance").kind(), ErrorKind::NotFound);
}

/// Eight SRV records do not fit 512 bytes: the resolver goes on over TCP.
#[test]
fn a_truncated_answer_is_fetched_over_tcp() {
    let table = Table::new();
    table.set("api.shop.local", records(8, Some(8080))).expect("valid");
    let (_runtime, server) = server(&table);
    let mut targets = resolve_srv(server, "api.shop.local", PATIENCE).expect("resolves");
    targets.sort_by_key(|t| t.address);
    assert_eq!(targets.len(), 8);
    assert_eq!(targets[0].target, format!("{:032x}.api.shop.local", 1));
    assert_eq!(targets[0].address, Some(Ipv4Addr::new(127, 0, 2, 1)));
    assert_eq!(targets[0].port, 8080);
}

#[test]
fn garbage_does_not_stop_the_server() {
    let table = Table::new();
    table.set("api.shop.local", records(1, None)).expect("valid");
    let (_runtime, server) = server(&table);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("socket");
    for packet in [&b""[..], b"x", &[0xff; 700], &[0; 12]] {
        socket.send_to(packet, server).expect("sent");
    }
    let mut stream = TcpStream::connect(server).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.write_all(&[0, 3, 1, 2, 3]).expect("sent");
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).ok(), Some(0), "closed without an answer");
    assert!(resolve(server, "api.shop.local", PATIENCE).is_ok());
}

#[test]
fn a_silent_server_is_a_timeout_that_names_it() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("socket");
    let server = silent.local_addr().expect("address");
    let error = resolve(server, "api.shop.local", Duration::from_millis(60)).expect_err("silent");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains(&server.to_string()), "{error}");
}
