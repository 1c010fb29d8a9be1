//! A network in a directory of its own, and small programs that live in its tasks.

#![allow(dead_code, unreachable_pub, reason = "every test file uses its own part")]

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use neargate_core::network::{
    Internet, Peer, Protocol, SecurityGroupSpec, SecurityRule, SubnetSpec, VpcSpec,
};
use neargate_vpc::netns::{NetNs, run_in};
use neargate_vpc::{Eni, Vpc, tear_down};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// Long enough for a loaded machine; what works takes well under a millisecond.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How long something must stay silent to count as blocked. Whether the path works at all is
/// shown by a connection beside it that is allowed.
const SILENCE: Duration = Duration::from_millis(250);

/// A network that is gone when the test ends, however it ends.
pub struct Network {
    vpc: Option<Vpc>,
    dir: TempDir,
}

impl Network {
    pub fn new() -> Self {
        Vpc::probe().expect("these tests need root, or a user+mount+net namespace of their own");
        let dir = TempDir::new().expect("a temporary directory");
        let vpc = Vpc::open(&dir.path().join("vpc")).expect("a new network");
        Self { vpc: Some(vpc), dir }
    }

    pub fn dir(&self) -> PathBuf {
        self.dir.path().join("vpc")
    }

    /// Opens the network again, as after a crash of its owner.
    pub fn reopen(&mut self) {
        self.vpc = None;
        self.vpc = Some(Vpc::open(&self.dir()).expect("the network is found again"));
    }

    /// Gives up the handle, as a killed owner does.
    pub fn abandon(&mut self) {
        self.vpc = None;
    }

    /// Two zones, each with a public subnet (10.0.101.0/24, ...) and a private one (10.0.1.0/24,
    /// ...); private ones have a way out through NAT where `internet` says so.
    pub fn with_vpc(internet: Internet) -> Self {
        let network = Self::new();
        network.put_vpc(vpc("production", [10, 0, 0, 0], 16)).expect("a VPC");
        for (name, base, internet) in [
            ("public-a", [10, 0, 101, 0], Internet::Gateway),
            ("public-b", [10, 0, 102, 0], Internet::Gateway),
            ("private-a", [10, 0, 1, 0], internet),
            ("private-b", [10, 0, 2, 0], internet),
        ] {
            network.put_subnet(subnet(name, "production", base, internet)).expect("a subnet");
        }
        network
    }

    /// Attaches a task by the last part of its name: `tasks-1` in `private-a` gets 10.0.1.x.
    pub fn task(&self, id: &str, address: [u8; 4], groups: &[&str]) -> Task {
        self.attach(eni(id, address, groups)).map(|pin| Task::at(id, address, &pin)).expect(id)
    }

    /// The platform's own namespace as a place to connect from and serve in.
    pub fn platform(&self) -> Task {
        Task::at("platform", [0, 0, 0, 0], &self.namespace())
    }

    /// The same, connecting from one of its addresses as a load balancer's probes and requests do.
    pub fn platform_at(&self, address: impl Into<Ipv4Addr>) -> Task {
        Task { address: address.into(), ..self.platform() }
    }
}

impl Deref for Network {
    type Target = Vpc;

    fn deref(&self) -> &Vpc {
        self.vpc.as_ref().expect("the network was not abandoned")
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.vpc = None;
        let torn_down = tear_down(&self.dir());
        if !thread::panicking() {
            torn_down.expect("the network is torn down");
            assert_nothing_left(&self.dir());
        }
    }
}

/// No mount and no file below `dir`.
pub fn assert_nothing_left(dir: &Path) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let ours = |line: &&str| line.contains(dir.to_str().expect("a plain path"));
    assert_eq!(mounts.lines().find(ours), None);
    assert!(!dir.exists(), "{} is left", dir.display());
}

pub fn vpc(name: &str, base: [u8; 4], prefix: u8) -> VpcSpec {
    VpcSpec { name: name.into(), base: base.into(), prefix }
}

pub fn subnet(name: &str, vpc: &str, base: [u8; 4], internet: Internet) -> SubnetSpec {
    let zone = format!("us-east-1{}", name.chars().last().expect("a name"));
    SubnetSpec { name: name.into(), vpc: vpc.into(), internet, zone, base: base.into(), prefix: 24 }
}

/// The interface of a task; its third byte tells the subnet.
pub fn eni(id: &str, address: [u8; 4], groups: &[&str]) -> Eni {
    let subnet = match address[2] {
        1 => "private-a",
        2 => "private-b",
        101 => "public-a",
        102 => "public-b",
        _ => "elsewhere",
    };
    Eni {
        task: id.into(),
        subnet: subnet.into(),
        address: address.into(),
        groups: groups.iter().map(ToString::to_string).collect(),
        public_ip: false,
    }
}

pub fn group(
    name: &str,
    ingress: Vec<SecurityRule>,
    egress: Vec<SecurityRule>,
) -> SecurityGroupSpec {
    SecurityGroupSpec { name: name.into(), vpc: "production".into(), ingress, egress }
}

pub fn rule(protocol: Protocol, ports: impl Into<Option<(u16, u16)>>, peer: Peer) -> SecurityRule {
    SecurityRule { protocol, ports: ports.into(), peer }
}

pub fn tcp(first: u16, last: u16, peer: Peer) -> SecurityRule {
    rule(Protocol::Tcp, (first, last), peer)
}

pub fn anywhere() -> Peer {
    Peer::Range(Ipv4Addr::UNSPECIFIED, 0)
}

pub fn members_of(name: &str) -> Peer {
    Peer::Group(name.into())
}

/// What a group that says nothing about egress has.
pub fn everything() -> Vec<SecurityRule> {
    vec![rule(Protocol::All, None, anywhere())]
}

/// A namespace and who lives there.
pub struct Task {
    pub name: String,
    pub address: Ipv4Addr,
    pub net: NetNs,
}

/// How an attempt to connect ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The other side said its name.
    Answered(String),
    /// At once: nobody listens there.
    Refused,
    /// Silence.
    Dropped,
}

impl Task {
    fn at(name: &str, address: [u8; 4], pin: &Path) -> Self {
        Self { name: name.into(), address: address.into(), net: NetNs::open(pin).expect("a pin") }
    }

    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.net.run(work).expect("the namespace can be entered")
    }

    /// Listens on a port. Whoever connects is told the task's name; then what it says comes back.
    pub fn serve(&self, port: u16) -> Server {
        self.serve_at(Ipv4Addr::UNSPECIFIED, port)
    }

    pub fn serve_at(&self, address: Ipv4Addr, port: u16) -> Server {
        let listener = self.run(|| TcpListener::bind((address, port))).expect("a free port");
        Server::start(self.name.clone(), listener)
    }

    /// Answers every datagram to a port with the task's name.
    pub fn serve_udp(&self, address: Ipv4Addr, port: u16) -> UdpServer {
        let socket = self.run(|| UdpSocket::bind((address, port))).expect("a free port");
        UdpServer::start(self.name.clone(), socket)
    }

    pub fn dial(&self, to: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
        let socket = self.run(|| Socket::new(Domain::IPV4, Type::STREAM, None))?;
        // Where the namespace has one address, the kernel takes that by itself.
        if self.name == "platform" {
            socket.bind(&SocketAddr::from((self.address, 0)).into())?;
        }
        socket.connect_timeout(&to.into(), limit)?;
        Ok(socket.into())
    }

    /// How often TCP waited in vain so far: a second for each packet of a handshake that was lost.
    pub fn timeouts(&self) -> u64 {
        let table = self.run(|| fs::read_to_string("/proc/thread-self/net/netstat"));
        let table = table.expect("counters");
        let mut lines = table.lines().filter(|line| line.starts_with("TcpExt:"));
        let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
        let position = names.split(' ').position(|name| name == "TCPTimeouts").expect("a column");
        values.split(' ').nth(position).and_then(|value| value.parse().ok()).expect("a number")
    }

    /// Connects and reads who is there.
    pub fn connect(&self, to: impl Into<Ipv4Addr>, port: u16) -> Ended {
        self.connect_within(to.into(), port, DEADLINE)
    }

    fn connect_within(&self, to: Ipv4Addr, port: u16, limit: Duration) -> Ended {
        ended(self.dial((to, port).into(), limit))
    }

    /// How connecting ends; what should not work is not waited for as long.
    pub fn ends(&self, to: &Task, port: u16, should_work: bool) -> Ended {
        self.connect_within(to.address, port, if should_work { DEADLINE } else { SILENCE })
    }

    /// Fails unless the server answers.
    #[track_caller]
    pub fn reaches(&self, to: &Task, port: u16) {
        let answer = self.connect(to.address, port);
        let wanted = Ended::Answered(to.name.clone());
        assert_eq!(answer, wanted, "{} -> {}:{port} is allowed", self.name, to.name);
    }

    /// Fails unless nothing at all comes back.
    #[track_caller]
    pub fn is_kept_from(&self, to: &Task, port: u16) {
        self.gets_nothing_from(to.address, port);
    }

    #[track_caller]
    pub fn gets_nothing_from(&self, to: impl Into<Ipv4Addr>, port: u16) {
        let to = to.into();
        let answer = self.connect_within(to, port, SILENCE);
        assert_eq!(answer, Ended::Dropped, "{} -> {to}:{port} is not allowed", self.name);
    }

    /// Whether a datagram is answered.
    pub fn asks(&self, to: impl Into<Ipv4Addr>, port: u16, limit: Duration) -> Option<String> {
        let to = to.into();
        let socket = self.run(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
        socket.set_read_timeout(Some(limit)).expect("a limit");
        socket.send_to(b"who", (to, port)).ok()?;
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[track_caller]
    pub fn is_answered(&self, to: &Task, port: u16) {
        assert_eq!(self.asks(to.address, port, DEADLINE).as_ref(), Some(&to.name));
    }

    #[track_caller]
    pub fn is_not_answered(&self, to: &Task, port: u16) {
        assert_eq!(self.asks(to.address, port, SILENCE), None);
    }

    /// Whether an echo request comes back.
    pub fn pings(&self, to: Ipv4Addr, is_allowed: bool) -> bool {
        let socket = self.run(|| Socket::new(Domain::IPV4, Type::RAW, Some(1.into())));
        let mut socket = socket.expect("CAP_NET_RAW");
        let limit = if is_allowed { DEADLINE } else { SILENCE };
        socket.set_read_timeout(Some(limit)).expect("a limit");
        // Echo request, identifier 0x4e47, number 1, with its checksum.
        let request = [8, 0, !0x56_u8, !0x48_u8, 0x4e, 0x47, 0, 1];
        if socket.send_to(&request, &SocketAddr::from((to, 0)).into()).is_err() {
            return false;
        }
        let mut buffer = [0; 128];
        while let Ok(length) = socket.read(&mut buffer) {
            // After the IP header: echo reply with our identifier.
            if length >= 28 && buffer[20] == 0 && buffer[24..26] == [0x4e, 0x47] {
                return true;
            }
        }
        false
    }
}

/// What became of an attempt to connect.
pub fn ended(stream: io::Result<TcpStream>) -> Ended {
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) if is_refusal(&error) => return Ended::Refused,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ended::Dropped,
        // The local filter of egress says so at once.
        Err(error) if error.raw_os_error() == Some(1) => return Ended::Dropped,
        Err(error) => panic!("connect: {error}"),
    };
    stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
    let mut line = String::new();
    match BufReader::new(stream).read_line(&mut line) {
        Ok(_) => Ended::Answered(line.trim_end().into()),
        Err(error) if is_refusal(&error) => Ended::Refused,
        Err(error) => panic!("read: {error}"),
    }
}

/// A reset may come before or after the connection is seen to stand.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}

/// Says something and reads it back.
#[track_caller]
pub fn echo(stream: &mut TcpStream, word: &str) -> String {
    stream.write_all(format!("{word}\n").as_bytes()).expect("the connection stands");
    greeting(stream)
}

/// Reads one line. Nothing more was said, so nothing is lost in the reader.
#[track_caller]
pub fn greeting(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
    let mut line = String::new();
    BufReader::new(&mut *stream).read_line(&mut line).expect("the connection stands");
    line.trim_end().into()
}

/// Ends when dropped.
pub struct Server {
    pub port: u16,
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(name: String, listener: TcpListener) -> Self {
        let own = listener.try_clone().expect("a descriptor");
        let port = listener.local_addr().expect("an address").port();
        let thread = thread::spawn(move || {
            // Shutting the listener down ends it.
            while let Ok((stream, _)) = own.accept() {
                let name = name.clone();
                thread::spawn(move || answer(stream, &name));
            }
        });
        Self { port, listener, thread: Some(thread) }
    }
}

fn answer(mut stream: TcpStream, name: &str) {
    // Whoever hung up does not want an answer.
    if stream.write_all(format!("{name}\n").as_bytes()).is_err() {
        return;
    }
    let Ok(reader) = stream.try_clone() else { return };
    for line in BufReader::new(reader).lines().map_while(Result::ok) {
        if stream.write_all(format!("{line}\n").as_bytes()).is_err() {
            return;
        }
    }
    drop(stream.shutdown(Shutdown::Write));
}

impl Drop for Server {
    fn drop(&mut self) {
        let socket = socket2::SockRef::from(&self.listener);
        drop(socket.shutdown(Shutdown::Both));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Ends when dropped.
pub struct UdpServer {
    socket: UdpSocket,
    thread: Option<JoinHandle<()>>,
}

impl UdpServer {
    pub fn start(name: String, socket: UdpSocket) -> Self {
        let own = socket.try_clone().expect("a descriptor");
        let thread = thread::spawn(move || {
            let mut buffer = [0; 64];
            // A shut down socket reads nothing, from nobody.
            while let Ok((length, from)) = own.recv_from(&mut buffer) {
                if length == 0 {
                    break;
                }
                drop(own.send_to(name.as_bytes(), from));
            }
        });
        Self { socket, thread: Some(thread) }
    }
}

impl Drop for UdpServer {
    fn drop(&mut self) {
        drop(socket2::SockRef::from(&self.socket).shutdown(Shutdown::Both));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Waits until something is so.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        thread::yield_now();
    }
}

/// What a program prints inside a namespace.
pub fn output_in(pin: &Path, program: &str, arguments: &[&str]) -> String {
    let run = || std::process::Command::new(program).args(arguments).output();
    let output = run_in(pin, run).expect("the namespace can be entered");
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
