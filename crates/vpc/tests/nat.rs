//! The way out: there where a subnet has one, with the outside played by a namespace beside.

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::sync::Arc;
use std::thread;

use neargate_core::network::{Internet, Protocol};
use neargate_vpc::nat_gateway;
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
