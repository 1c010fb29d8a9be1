//! An edge in this process, an engine that talks to it, backends and clients made of plain sockets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use neargate_core::id::Generation;
use neargate_core::load_balancer::{
    Action, Condition, ListenerSpec, Rule, TargetAddress, TargetGroupSpec, TargetHealthCheck,
    WeightedTargetGroup,
};
use neargate_core::target_health::{TargetHealth, TargetState};
use neargate_edge::control::{Change, FromEdge, Target, ToEdge};
use neargate_edge::{Options, run_until};

/// However slow the machine, nothing here takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A loopback address that nothing else on this machine uses, so that a port seen free on it stays
/// free.
pub(crate) fn own_ip() -> Ipv4Addr {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let next = u8::try_from(NEXT.fetch_add(1, Ordering::SeqCst)).unwrap();
    Ipv4Addr::new(127, 64 + next, high, low)
}

/// An address nobody listens on.
pub(crate) fn nobody() -> TargetAddress {
    let closed = TcpListener::bind((own_ip(), 0)).unwrap();
    let SocketAddr::V4(address) = closed.local_addr().unwrap() else { unreachable!() };
    TargetAddress { ip: *address.ip(), port: address.port() }
}

/// Waits until `ready` gives a value.
pub(crate) fn eventually<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[derive(Default)]
struct Heard {
    messages: Vec<FromEdge>,
    closed: bool,
}

/// The engine's end of one control connection.
pub(crate) struct Engine {
    stream: UnixStream,
    heard: Arc<(Mutex<Heard>, Condvar)>,
    generation: u64,
}

impl Engine {
    pub(crate) fn connect(socket: &PathBuf) -> Self {
        let stream = eventually("the control socket", || UnixStream::connect(socket).ok());
        let heard = Arc::new((Mutex::new(Heard::default()), Condvar::new()));
        let (reader, inbox) = (stream.try_clone().unwrap(), heard.clone());
        thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                inbox.0.lock().unwrap().messages.push(serde_json::from_str(&line).unwrap());
                inbox.1.notify_all();
            }
            inbox.0.lock().unwrap().closed = true;
            inbox.1.notify_all();
        });
        Self { stream, heard, generation: 0 }
    }

    pub(crate) fn say(&mut self, message: &ToEdge) {
        let mut line = serde_json::to_vec(message).unwrap();
        line.push(b'\n');
        self.stream.write_all(&line).unwrap();
    }

    /// Waits for a message, old or new.
    pub(crate) fn hear<T>(&self, what: &str, mut pick: impl FnMut(&FromEdge) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = self.heard.0.lock().unwrap();
        loop {
            // The newest is what counts.
            if let Some(found) = heard.messages.iter().rev().find_map(&mut pick) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never heard: {what}; heard {:?}", heard.messages);
            heard = self.heard.1.wait_timeout(heard, left).unwrap().0;
        }
    }

    /// Waits until the edge hangs up.
    pub(crate) fn hear_the_end(&self) {
        eventually("the edge hangs up", || self.heard.0.lock().unwrap().closed.then_some(()));
    }

    pub(crate) fn messages(&self) -> Vec<FromEdge> {
        self.heard.0.lock().unwrap().messages.clone()
    }

    pub(crate) fn forget(&self) {
        self.heard.0.lock().unwrap().messages.clear();
    }

    pub(crate) fn hear_applied(&self) {
        let generation = Generation(self.generation);
        self.hear("Applied", |m| {
            matches!(m, FromEdge::Applied { generation: g } if *g >= generation).then_some(())
        });
    }

    /// Sends one change and waits until no request can be routed by the state before.
    pub(crate) fn apply(&mut self, change: Change) {
        self.generation += 1;
        self.say(&ToEdge::Apply { generation: Generation(self.generation), change });
        self.hear_applied();
    }

    pub(crate) fn sync(&mut self, state: Vec<Change>) {
        self.generation += 1;
        self.say(&ToEdge::Sync { generation: Generation(self.generation), state });
        self.hear_applied();
    }

    /// The machine's port of a listener.
    pub(crate) fn port(&self, listener: u16) -> u16 {
        self.hear("ListenerBound", |m| match m {
            FromEdge::ListenerBound { port, result: Ok(host_port), .. } if *port == listener => {
                Some(*host_port)
            }
            _ => None,
        })
    }

    /// Newest health heard of a target.
    pub(crate) fn health(&self, group: &str, address: TargetAddress) -> Option<TargetHealth> {
        self.messages().iter().rev().find_map(|m| match m {
            FromEdge::TargetHealth { target_group, target, health }
                if target_group == group && *target == address =>
            {
                Some(health.clone())
            }
            _ => None,
        })
    }

    pub(crate) fn wait_state(&self, group: &str, address: TargetAddress, state: TargetState) {
        let what = format!("{address} in {group} {state:?}");
        eventually(&what, || self.health(group, address).filter(|h| h.state == state));
    }

    pub(crate) fn is_idle(&self, address: TargetAddress) -> bool {
        self.messages()
            .iter()
            .any(|m| matches!(m, FromEdge::TargetIdle { target, .. } if *target == address))
    }
}

/// An edge running in a thread of this process.
pub(crate) struct Edge {
    pub(crate) socket: PathBuf,
    _directory: tempfile::TempDir,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Edge {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("edge.sock");
        let mut options = Options::new(socket.clone());
        options.workers = Some(2);
        change(&mut options);
        let (end, ended) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            run_until(&options, async move {
                // A dropped sender ends the edge too.
                let _ = ended.await;
            })
            .unwrap();
        });
        Self { socket, _directory: directory, end: Some(end), thread: Some(thread) }
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine::connect(&self.socket)
    }

    /// Waits for an edge that was told to end.
    pub(crate) fn join(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

/// A request as a backend got it, or a response as a client got it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) first_line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) header_count: usize,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn status(&self) -> u16 {
        self.first_line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn path(&self) -> &str {
        self.first_line.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads messages off a connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) reader: BufReader<TcpStream>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    pub(crate) fn connect(port: u16) -> Self {
        Self::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap())
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(n) if n > 0 && line.ends_with('\n') => Some(line.trim_end().to_owned()),
            _ => None,
        }
    }

    pub(crate) fn read_head(&mut self) -> Option<Message> {
        let mut message = Message { first_line: self.line()?, ..Message::default() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(message);
            }
            let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
            message.headers.insert(name.to_ascii_lowercase(), value.to_owned());
            message.header_count += 1;
        }
    }

    /// Reads a body as the headers frame it; `None` when it is cut short.
    pub(crate) fn read_body(&mut self, message: &mut Message, until_close: bool) -> Option<()> {
        if message.header("transfer-encoding") == "chunked" {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).ok()?;
                let mut chunk = vec![0; size + 2];
                self.reader.read_exact(&mut chunk).ok()?;
                if size == 0 {
                    return Some(());
                }
                message.body.extend_from_slice(&chunk[..size]);
            }
        }
        match message.header("content-length").parse() {
            Ok(length) => {
                message.body = vec![0; length];
                self.reader.read_exact(&mut message.body).ok()
            }
            Err(_) if until_close => self.reader.read_to_end(&mut message.body).ok().map(|_| ()),
            Err(_) => Some(()),
        }
    }

    /// The next whole request.
    pub(crate) fn request(&mut self) -> Option<Message> {
        let mut message = self.read_head()?;
        self.read_body(&mut message, false)?;
        Some(message)
    }

    /// The next whole response to a request that was no HEAD.
    pub(crate) fn response(&mut self) -> Option<Message> {
        let mut message = self.read_head()?;
        if matches!(message.status(), 204 | 304) {
            return Some(message);
        }
        self.read_body(&mut message, true)?;
        Some(message)
    }

    /// Sends a request, reads the response.
    pub(crate) fn ask(&mut self, request: &str) -> Option<Message> {
        self.stream.write_all(request.as_bytes()).ok()?;
        self.response()
    }

    /// Whether the other side has closed.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.reader.read(&mut [0; 1]), Ok(0) | Err(_))
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test.example\r\n\r\n")
}

/// One request on its own connection.
pub(crate) fn ask(port: u16, request: &str) -> Message {
    Wire::connect(port).ask(request).expect("a response")
}

/// An answer with this body.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A server whose connections are each handled by a closure in a thread.
pub(crate) struct Backend {
    pub(crate) address: TargetAddress,
    stopped: Arc<AtomicBool>,
    /// Requests that are no probes, as far as `custom` counts them.
    arrived: Arc<AtomicUsize>,
    pub(crate) requests: Arc<Mutex<Vec<Message>>>,
}

impl Backend {
    /// Every connection is handed to `serve`.
    pub(crate) fn raw(serve: impl Fn(Wire) + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), serve)
    }

    pub(crate) fn on(listener: TcpListener, serve: impl Fn(Wire) + Send + Sync + 'static) -> Self {
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!() };
        let backend = Self {
            address: TargetAddress { ip: *address.ip(), port: address.port() },
            stopped: Arc::default(),
            arrived: Arc::default(),
            requests: Arc::default(),
        };
        let stopped = backend.stopped.clone();
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let serve = serve.clone();
                thread::spawn(move || serve(Wire::new(stream)));
            }
        });
        backend
    }

    /// Answers every request, probes with 200.
    pub(crate) fn answering(answer: impl Fn(&Message) -> String + Send + Sync + 'static) -> Self {
        let requests: Arc<Mutex<Vec<Message>>> = Arc::default();
        let seen = requests.clone();
        let mut backend = Self::raw(move |mut wire| {
            while let Some(request) = wire.request() {
                let reply = if is_probe(&request) {
                    ok("")
                } else {
                    let reply = answer(&request);
                    seen.lock().unwrap().push(request);
                    reply
                };
                if wire.stream.write_all(reply.as_bytes()).is_err() {
                    return;
                }
            }
        });
        backend.requests = requests;
        backend
    }

    /// Probes pass; every other connection is handed to `serve` with its first request read.
    pub(crate) fn custom(serve: impl Fn(Message, Wire) + Send + Sync + 'static) -> Self {
        let arrived: Arc<AtomicUsize> = Arc::default();
        let count = arrived.clone();
        let mut backend = Self::raw(move |mut wire| {
            if let Some(request) = wire.read_head() {
                if is_probe(&request) {
                    wire.write(&ok(""));
                } else {
                    count.fetch_add(1, Ordering::SeqCst);
                    serve(request, wire);
                }
            }
        });
        backend.arrived = arrived;
        backend
    }

    /// Waits until so many requests have come to a `custom` backend.
    pub(crate) fn wait_arrived(&self, count: usize) {
        let arrived = || (self.arrived.load(Ordering::SeqCst) >= count).then_some(());
        eventually("the request arrives", arrived);
    }

    /// Answers with its name.
    pub(crate) fn named(name: &'static str) -> Self {
        Self::answering(move |_| ok(name))
    }

    pub(crate) fn target(&self) -> Target {
        Target { address: self.address, draining: false }
    }

    pub(crate) fn last_request(&self) -> Message {
        self.requests.lock().unwrap().last().cloned().expect("a request")
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accept loop so that it ends and closes the port.
        let _ = TcpStream::connect((self.address.ip, self.address.port));
    }
}

pub(crate) fn is_probe(request: &Message) -> bool {
    request.header("user-agent") == "ELB-HealthChecker/2.0"
}

pub(crate) fn draining(target: Target) -> Target {
    Target { draining: true, ..target }
}

pub(crate) fn group_spec(name: &str) -> TargetGroupSpec {
    TargetGroupSpec {
        name: name.to_owned(),
        port: 80,
        health_check: TargetHealthCheck {
            interval_ms: 100,
            timeout_ms: 2_000,
            healthy_threshold: 2,
            ..Default::default()
        },
        deregistration_delay_ms: 1_000,
        tags: BTreeMap::new(),
    }
}

pub(crate) fn group(name: &str, targets: &[Target]) -> Change {
    Change::TargetGroup { spec: group_spec(name), targets: targets.to_vec(), sources: vec![] }
}

pub(crate) fn forward(groups: &[(&str, u32)]) -> Action {
    let weighted = groups
        .iter()
        .map(|(name, weight)| WeightedTargetGroup { target_group: (*name).into(), weight: *weight })
        .collect();
    Action::Forward(weighted)
}

pub(crate) fn path_rule(priority: u32, path: &str, action: Action) -> Rule {
    let conditions = vec![Condition::PathPattern(vec![path.to_owned()])];
    Rule { priority, conditions, action }
}

pub(crate) fn listener_spec(port: u16, default_action: Action, rules: Vec<Rule>) -> ListenerSpec {
    ListenerSpec { load_balancer: "lb".into(), port, host_port: 0, default_action, rules }
}

pub(crate) fn listener(port: u16, default_action: Action, rules: Vec<Rule>) -> Change {
    Change::Listener { spec: listener_spec(port, default_action, rules), idle_timeout_ms: 60_000 }
}

/// An edge with one listener on port 80 forwarding to group `g` with these backends, all healthy.
pub(crate) fn simple(backends: &[&Backend]) -> (Edge, Engine, u16) {
    simple_with(backends, 60_000)
}

pub(crate) fn simple_with(backends: &[&Backend], idle_timeout_ms: u64) -> (Edge, Engine, u16) {
    let edge = Edge::start();
    let mut engine = edge.engine();
    let targets: Vec<_> = backends.iter().map(|b| b.target()).collect();
    let spec = listener_spec(80, forward(&[("g", 1)]), vec![]);
    engine.sync(vec![group("g", &targets), Change::Listener { spec, idle_timeout_ms }]);
    for backend in backends {
        engine.wait_state("g", backend.address, TargetState::Healthy);
    }
    let port = engine.port(80);
    (edge, engine, port)
}
