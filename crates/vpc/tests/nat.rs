//! The way out: there where a subnet has one, with the outside played by a namespace beside.

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use neargate_core::network::{Internet, Protocol};
use neargate_vpc::LINK_LOCAL_RESOLVER;
use neargate_vpc::nat_gateway;
use neargate_vpc::nat_gateway::datagrams::{self, Patience};
use neargate_vpc::netns::{HostNamespace, NetNs};
use support::{
    DEADLINE, Ended, Network, Server, Task, anywhere, ended, eni, group, rule, wait_until,
};
use tokio::sync::oneshot;

/// Documentation addresses: nobody has them, so what answers is what we play.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// A NAT gateway in a thread of its own. Connections to [`OUTSIDE`] go to a server of the host's
/// loopback, all others to a port where nobody listens.
struct Gateway {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Gateway {
    fn start(network: &Network, server: u16) -> Self {
        let host = Arc::new(HostNamespace::capture().expect("the host's namespace"));
        let nobody = unused_port();
        let platform = NetNs::open(&network.namespace()).expect("the platform's namespace");
        let listener = nat_gateway::listen(&platform).expect("a listener");
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let dial = move |to: SocketAddrV4| {
                    let port = if *to.ip() == OUTSIDE { server } else { nobody };
                    nat_gateway::dial(host.clone(), (Ipv4Addr::LOCALHOST, port).into_v4())
                };
                tokio::select! {
                    ended = nat_gateway::serve(listener, dial) => panic!("{ended:?}"),
                    _ = stopped => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

trait IntoV4 {
    fn into_v4(self) -> SocketAddrV4;
}

impl IntoV4 for (Ipv4Addr, u16) {
    fn into_v4(self) -> SocketAddrV4 {
        SocketAddrV4::new(self.0, self.1)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        let thread = self.thread.take().expect("dropped once");
        assert!(thread.join().is_ok() || thread::panicking());
    }
}

fn unused_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

fn network(internet: Internet) -> Network {
    let network = Network::with_vpc(internet);
    let open = || vec![rule(Protocol::All, None, anywhere())];
    network.put_group(group("open", open(), open())).expect("group");
    network
        .put_group(group("https", vec![], vec![support::tcp(443, 443, anywhere())]))
        .expect("group");
    network
}

fn outside_server() -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    Server::start("outside".into(), listener)
}

fn public_task(network: &Network, has_address: bool) -> Task {
    let id = format!("public-{has_address}");
    let address = [10, 0, 101, if has_address { 4 } else { 5 }];
    let mut eni = eni(&id, address, &["open"]);
    eni.public_ip = has_address;
    network.attach(eni).expect("attached");
    // Attached again as it is, to have it as a place.
    let pin = network.dir().join("tasks").join(&id);
    Task { name: id, address: address.into(), net: NetNs::open(&pin).expect("a pin") }
}

#[test]
fn tasks_behind_nat_get_out_and_public_ones_with_an_address() {
    let network = network(Internet::Nat);
    let server = outside_server();
    let _gateway = Gateway::start(&network, server.port);
    let private = network.task("private", [10, 0, 1, 4], &["open"]);
    let answered = Ended::Answered("outside".into());
    assert_eq!(private.connect(OUTSIDE, 443), answered);
    assert_eq!(private.connect(OUTSIDE, 80), answered);
    assert_eq!(public_task(&network, true).connect(OUTSIDE, 443), answered);
    public_task(&network, false).gets_nothing_from(OUTSIDE, 443);
    let limited = network.task("limited", [10, 0, 1, 5], &["https"]);
    assert_eq!(limited.connect(OUTSIDE, 443), answered);
    limited.gets_nothing_from(OUTSIDE, 80);
    // Whoever is not redirected is no customer of the gateway.
    private.gets_nothing_from([10, 0, 1, 1], nat_gateway::PORT);
}

#[test]
fn without_a_way_out_silence() {
    let network = network(Internet::None);
    let server = outside_server();
    let _gateway = Gateway::start(&network, server.port);
    let private = network.task("private", [10, 0, 1, 4], &["open"]);
    private.gets_nothing_from(OUTSIDE, 443);
    private.gets_nothing_from([169, 254, 169, 254], 80);
    assert_eq!(
        public_task(&network, true).connect(OUTSIDE, 443),
        Ended::Answered("outside".into())
    );
    for name in ["private-a", "private-b"] {
        let base = if name == "private-a" { [10, 0, 1, 0] } else { [10, 0, 2, 0] };
        let spec = support::subnet(name, "production", base, Internet::Nat);
        network.put_subnet(spec).expect("now with a way out");
    }
    assert_eq!(private.connect(OUTSIDE, 443), Ended::Answered("outside".into()));
    private.gets_nothing_from([169, 254, 169, 254], 80);
}

#[test]
fn a_destination_that_refuses_refuses() {
    let network = network(Internet::Nat);
    let server = outside_server();
    let _gateway = Gateway::start(&network, server.port);
    let private = network.task("private", [10, 0, 1, 4], &["open"]);
    assert_eq!(private.connect([198, 51, 100, 8], 443), Ended::Refused);
}

#[test]
fn bytes_ends_and_resets_pass_in_both_directions() {
    let network = network(Internet::Nat);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let _gateway = Gateway::start(&network, port);
    let private = network.task("private", [10, 0, 1, 4], &["open"]);

    let mut task = private.dial((OUTSIDE, 443).into(), DEADLINE).expect("accepted");
    let (mut outside, _) = listener.accept().expect("carried on");
    let large = vec![7u8; 3_000_000];
    let copy = large.clone();
    let writer = thread::spawn(move || {
        task.write_all(&copy).expect("written");
        task.shutdown(std::net::Shutdown::Write).expect("half closed");
        let mut answer = String::new();
        task.read_to_string(&mut answer).expect("an answer after the end");
        answer
    });
    outside.set_read_timeout(Some(DEADLINE)).expect("a limit");
    let mut received = Vec::new();
    outside.read_to_end(&mut received).expect("everything");
    assert!(received == large);
    outside.write_all(b"thanks").expect("written");
    drop(outside);
    assert_eq!(writer.join().expect("no panic"), "thanks");

    let mut task = private.dial((OUTSIDE, 443).into(), DEADLINE).expect("accepted");
    let (mut outside, _) = listener.accept().expect("carried on");
    task.set_read_timeout(Some(DEADLINE)).expect("a limit");
    outside.write_all(b"x").expect("written");
    task.read_exact(&mut [0]).expect("the gateway is carrying");
    socket2::SockRef::from(&outside).set_linger(Some(std::time::Duration::ZERO)).expect("linger");
    drop(outside);
    let error = task.read(&mut [0; 8]).expect_err("a reset stays a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

/// The gateway for datagrams, in a thread of its own. Those to [`OUTSIDE`] go to the first port
/// of the host's loopback, those to any other address to the second.
struct DatagramGateway {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl DatagramGateway {
    fn start(network: &Network, servers: [u16; 2], patience: Patience) -> Self {
        network.add_service_address(LINK_LOCAL_RESOLVER).expect("the gateway's address");
        let host = HostNamespace::capture().expect("the host's namespace");
        let platform = NetNs::open(&network.namespace()).expect("the platform's namespace");
        let socket = datagrams::listen(&platform).expect("a socket");
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let open = move |to: SocketAddrV4| {
                    let port = servers[usize::from(*to.ip() != OUTSIDE)];
                    host.udp_socket(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
                };
                tokio::select! {
                    ended = datagrams::serve(socket, patience, open) => panic!("{ended:?}"),
                    _ = stopped => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for DatagramGateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        let thread = self.thread.take().expect("dropped once");
        assert!(thread.join().is_ok() || thread::panicking());
    }
}

fn outside_socket() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.set_read_timeout(Some(DEADLINE)).expect("a limit");
    let port = socket.local_addr().expect("an address").port();
    (socket, port)
}

/// A socket in a task that does not wait for ever.
fn task_socket(task: &Task) -> UdpSocket {
    let socket = task.run(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a limit");
    socket
}

fn hear(socket: &UdpSocket) -> (String, std::net::SocketAddr) {
    let mut buffer = vec![0; 70_000];
    let (length, from) = socket.recv_from(&mut buffer).expect("a datagram");
    (String::from_utf8_lossy(&buffer[..length]).into_owned(), from)
}

#[test]
fn datagrams_get_out_where_there_is_a_way_and_a_rule() {
    let network = network(Internet::Nat);
    network
        .put_group(group("dns-out", vec![], vec![rule(Protocol::Udp, (5353, 5353), anywhere())]))
        .expect("group");
    let (server, port) = outside_socket();
    let _gateway = DatagramGateway::start(&network, [port, unused_port()], Patience::default());
    let _server = support::UdpServer::start("outside".into(), server);
    let answer = Some("outside".to_owned());
    let silence = Duration::from_millis(250);

    let private = network.task("private", [10, 0, 1, 4], &["open"]);
    assert_eq!(private.asks(OUTSIDE, 53, DEADLINE), answer);
    assert_eq!(public_task(&network, true).asks(OUTSIDE, 53, DEADLINE), answer);
    assert_eq!(public_task(&network, false).asks(OUTSIDE, 53, silence), None);
    let limited = network.task("limited", [10, 0, 1, 5], &["dns-out"]);
    assert_eq!(limited.asks(OUTSIDE, 5353, DEADLINE), answer);
    assert_eq!(limited.asks(OUTSIDE, 53, silence), None);
    // Whoever is not redirected is no customer of the gateway.
    assert_eq!(private.asks(LINK_LOCAL_RESOLVER, nat_gateway::PORT, silence), None);
    for name in ["private-a", "private-b"] {
        let base = if name == "private-a" { [10, 0, 1, 0] } else { [10, 0, 2, 0] };
        let spec = support::subnet(name, "production", base, Internet::None);
        network.put_subnet(spec).expect("now without a way out");
    }
    assert_eq!(private.asks(OUTSIDE, 53, silence), None);
}

/// From one port of a task to two destinations: each answer comes from whom it was asked, to the
/// byte, and what somebody else sends does not come at all.
#[test]
fn answers_come_from_whom_they_were_asked() {
    let network = network(Internet::Nat);
    let (outside, port) = outside_socket();
    let (other, other_port) = outside_socket();
    let _gateway = DatagramGateway::start(&network, [port, other_port], Patience::default());
    let private = network.task("private", [10, 0, 1, 4], &["open"]);
    let task = task_socket(&private);
    let far: Ipv4Addr = [203, 0, 113, 9].into();
    task.send_to(b"one", (OUTSIDE, 53)).expect("sent");
    task.send_to(b"two", (far, 53)).expect("sent");
    let (first, from_first) = hear(&outside);
    let (second, from_second) = hear(&other);
    assert_eq!((first.as_str(), second.as_str()), ("one", "two"));
    assert_ne!(from_first, from_second, "each flow has a port of its own");

    let (stranger, _) = outside_socket();
    stranger.send_to(b"forged", from_first).expect("sent");
    let large = "x".repeat(60_000);
    other.send_to(b"of two", from_second).expect("answered");
    let (text, from) = hear(&task);
    assert_eq!((text.as_str(), from), ("of two", (far, 53).into()));
    outside.send_to(large.as_bytes(), from_first).expect("answered");
    let (text, from) = hear(&task);
    assert!(text == large, "{} bytes", text.len());
    assert_eq!(from, (OUTSIDE, 53).into());

    // Asked again, it is the same flow.
    task.send_to(b"again", (OUTSIDE, 53)).expect("sent");
    assert_eq!(hear(&outside), ("again".to_owned(), from_first));
}

/// Nothing stays open for ever: a flow ends when nothing has come for a while, and one that goes
/// on after an answer later than one that does not.
#[test]
fn flows_end() {
    let network = network(Internet::Nat);
    let (outside, port) = outside_socket();
    let patience = Patience { brief: Duration::from_millis(200), lasting: DEADLINE * 6 };
    let _gateway = DatagramGateway::start(&network, [port, port], patience);
    let private = network.task("private", [10, 0, 1, 4], &["open"]);

    let brief = task_socket(&private);
    brief.send_to(b"question", (OUTSIDE, 53)).expect("sent");
    let (_, first) = hear(&outside);
    wait_until("its port outside is free again", || UdpSocket::bind(first).is_ok());
    brief.send_to(b"later", (OUTSIDE, 53)).expect("sent");
    let (_, second) = hear(&outside);

    outside.send_to(b"answer", second).expect("answered");
    hear(&brief);
    brief.send_to(b"more", (OUTSIDE, 53)).expect("sent");
    assert_eq!(hear(&outside).1, second);
    thread::sleep(patience.brief * 2);
    outside.send_to(b"late", second).expect("answered");
    assert_eq!(hear(&brief).0, "late");
}

/// One task cannot take the flows of the others.
#[test]
fn a_task_has_so_many_flows_and_no_more() {
    let network = network(Internet::Nat);
    let (outside, port) = outside_socket();
    let _gateway = DatagramGateway::start(&network, [port, port], Patience::default());
    let greedy = network.task("greedy", [10, 0, 1, 4], &["open"]);
    let modest = network.task("modest", [10, 0, 1, 5], &["open"]);
    let socket = task_socket(&greedy);
    let mut heard = 0;
    outside.set_read_timeout(Some(Duration::from_millis(250))).expect("a limit");
    for port in 1..=600 {
        socket.send_to(b"x", (OUTSIDE, port)).expect("sent");
        heard += usize::from(outside.recv(&mut [0; 8]).is_ok());
        if heard < usize::from(port) {
            break;
        }
    }
    assert_eq!(heard, 512, "those of one task");
    task_socket(&modest).send_to(b"modest", (OUTSIDE, 53)).expect("sent");
    outside.set_read_timeout(Some(DEADLINE)).expect("a limit");
    assert_eq!(hear(&outside).0, "modest");
}

/// A VPC's own resolver address, base + 2, is the resolver's: by UDP and TCP, from the subnet that
/// has it in its range as from others, and not from other VPCs.
#[test]
fn the_resolver_answers_at_the_vpcs_second_address() {
    let network = network(Internet::Nat);
    network
        .put_subnet(support::subnet("first", "production", [10, 0, 0, 0], Internet::None))
        .expect("a subnet");
    network.put_vpc(support::vpc("staging", [10, 9, 0, 0], 16)).expect("a VPC");
    network
        .put_subnet(support::subnet("s-a", "staging", [10, 9, 3, 0], Internet::None))
        .expect("a subnet");
    let own: Ipv4Addr = [10, 0, 0, 2].into();
    network.add_service_address(LINK_LOCAL_RESOLVER).expect("the resolver's address");
    network.add_service_address(own).expect("its other address");
    let platform = network.platform();
    let _servers =
        (platform.serve_udp(LINK_LOCAL_RESOLVER, 53), platform.serve_at(LINK_LOCAL_RESOLVER, 53));
    let far = network.task("far", [10, 0, 1, 4], &[]);
    let mut eni = eni("near", [10, 0, 0, 4], &[]);
    eni.subnet = "first".into();
    let pin = network.attach(eni).expect("attached");
    let near = Task {
        name: "near".into(),
        address: [10, 0, 0, 4].into(),
        net: NetNs::open(&pin).expect("a pin"),
    };
    for task in [&far, &near] {
        let name = &task.name;
        assert_eq!(task.asks(own, 53, DEADLINE), Some("platform".into()), "{name}");
        assert_eq!(task.connect(own, 53), Ended::Answered("platform".into()), "{name}");
        assert_eq!(task.asks(LINK_LOCAL_RESOLVER, 53, DEADLINE), Some("platform".into()));
    }
    let mut eni = support::eni("stranger", [10, 9, 3, 4], &[]);
    eni.subnet = "s-a".into();
    let pin = network.attach(eni).expect("attached");
    let stranger = Task {
        name: "stranger".into(),
        address: [10, 9, 3, 4].into(),
        net: NetNs::open(&pin).expect("a pin"),
    };
    stranger.gets_nothing_from(own, 53);
    assert_eq!(stranger.asks(LINK_LOCAL_RESOLVER, 53, DEADLINE), Some("platform".into()));
}

#[test]
fn a_second_gateway_is_told_that_there_is_one() {
    let network = network(Internet::Nat);
    let server = outside_server();
    let _gateway = Gateway::start(&network, server.port);
    let platform = NetNs::open(&network.namespace()).expect("the platform's namespace");
    let error = nat_gateway::listen(&platform).expect_err("taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn a_host_listener_is_reachable_from_the_host_after_the_move() {
    let network = Network::new();
    let pin = network.namespace();
    let host_thread = NetNs::current().expect("the host's namespace");
    // A thread stands for the edge's process.
    let (listener, inside, wrong) = thread::spawn(move || {
        let host = HostNamespace::capture().expect("captured");
        neargate_vpc::netns::enter(&pin).expect("entered");
        let listener = host.tcp_listen((Ipv4Addr::LOCALHOST, 0).into()).expect("a listener");
        let inside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener inside");
        let wrong = host.tcp_listen(listener.local_addr().expect("an address"));
        (listener, inside, wrong.map(drop))
    })
    .join()
    .expect("no panic");
    assert_eq!(wrong.expect_err("taken").kind(), std::io::ErrorKind::AddrInUse);
    listener.set_nonblocking(false).expect("blocking");
    let (to_host, to_inside) =
        (listener.local_addr().expect("an address"), inside.local_addr().expect("an address"));
    let _server = Server::start("edge".into(), listener);
    let dial = |to| {
        let connect = || std::net::TcpStream::connect_timeout(&to, DEADLINE);
        ended(host_thread.run(connect).expect("the host's namespace"))
    };
    wait_until("the host's listener answers", || dial(to_host) == Ended::Answered("edge".into()));
    if to_inside.port() != to_host.port() {
        assert_eq!(dial(to_inside), Ended::Refused, "what listens inside is not the host's");
    }
}
