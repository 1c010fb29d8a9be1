//! The edge against nginx and haproxy: requests per CPU-second of the proxy, for a small answer on
//! kept connections. Rounds of all three are interleaved, because only what runs under the same
//! load of the machine can be compared; the CPU time of the proxy is compared and not the
//! throughput, because that is the load generator's on a small machine.
//!
//! Every proxy routes by ten path rules of which the request meets the seventh, to a group of two
//! targets in turn over kept connections, and adds X-Forwarded-For, -Proto, -Port and a trace id.
//! Access logs are off. One worker each.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use neargate_core::id::Generation;
use neargate_core::load_balancer::{
    Action, Condition, ListenerSpec, Rule, TargetAddress, TargetGroupSpec, TargetHealthCheck,
    WeightedTargetGroup,
};
use neargate_core::target_health::TargetState;
use neargate_edge::control::{Change, FromEdge, Target, ToEdge};

/// Path rules of every proxy, and the one the requests meet.
const RULES: u32 = 10;
const HIT: u32 = 7;
/// What the backends answer with.
const BODY: &str = "{\"service\":\"order\",\"status\":\"ok\",\"items\":[1,2,3,4,5,6,7,8],\
                    \"currency\":\"EUR\",\"total\":\"1234.56\"}";
/// How long a program has to come up.
const PATIENCE: Duration = Duration::from_secs(20);
/// The promise of SPECIFICATION.md.
const PROMISE: f64 = 1.2;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Interleaved rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds per proxy and round.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Kept connections of the load generator.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Bytes of the answer; without it, a small one of about 100 bytes.
    #[arg(long)]
    body: Option<usize>,
    /// Fail when the edge is below 1.2 times the better of the two.
    #[arg(long)]
    check: bool,
    /// Leave nginx and haproxy out (for profiling, and for comparing builds).
    #[arg(long)]
    only_edge: bool,
    /// Also measure the edge of another build of this program.
    #[arg(long, value_name = "XTASK")]
    also: Vec<PathBuf>,
}

/// How the benchmark starts the edge.
#[derive(clap::Args)]
pub(crate) struct ProcessArguments {
    /// Control socket.
    socket: PathBuf,
}

/// The edge with one worker, until it is killed or the benchmark ends. An edge leaves Ctrl-C to
/// others, so an interrupted benchmark would leave it behind.
pub(crate) fn process(arguments: &ProcessArguments) -> Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM)?;
    let mut options = neargate_edge::Options::new(arguments.socket.clone());
    options.workers = Some(1);
    Ok(neargate_edge::run(&options)?)
}

/// A process that ends with its owner.
struct Running {
    child: Child,
}

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Self { child })
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Proxy {
    name: String,
    port: u16,
    process: Running,
    rounds: Vec<Round>,
}

#[derive(Clone, Copy)]
struct Round {
    requests: f64,
    cpu_seconds: f64,
    /// The part of it spent in the kernel.
    system_seconds: f64,
    wall_seconds: f64,
}

impl Round {
    fn per_cpu_second(self) -> f64 {
        self.requests / self.cpu_seconds.max(0.01)
    }
}

/// Runs the comparison and prints a table.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let home = directory.path();
    let backends = [free_port()?, free_port()?];
    let _backend = start_backend(home, backends, arguments.body)?;
    let mut proxies = Vec::new();
    // An edge goes on without its engine, so the connections need not be kept.
    proxies.push(start_edge(home, "edge".to_owned(), &std::env::current_exe()?, backends)?);
    for build in &arguments.also {
        let name = build.file_name().unwrap_or_default().to_string_lossy().into_owned();
        proxies.push(start_edge(home, name, build, backends)?);
    }
    if !arguments.only_edge {
        proxies.push(start_nginx(home, backends)?);
        proxies.push(start_haproxy(home, backends)?);
    }
    for proxy in &proxies {
        check_answer(proxy)?;
    }
    for proxy in &mut proxies {
        // Not measured: connections are made, caches are warm.
        load(proxy.port, arguments.connections, 1)?;
    }
    for round in 1..=arguments.rounds {
        for proxy in &mut proxies {
            let measured = measure(proxy, arguments)?;
            proxy.rounds.push(measured);
            note(&format!(
                "round {round} {:8} {:>8.0} requests per CPU-second",
                proxy.name,
                measured.per_cpu_second()
            ));
        }
    }
    report(&proxies, arguments)
}

fn note(text: &str) {
    // Progress is for people; a closed stderr is their wish.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn report(proxies: &[Proxy], arguments: &Arguments) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} rounds of {} s, {} connections, 1 worker, {} bytes of answer, rule {HIT} of {RULES}",
        arguments.rounds,
        arguments.seconds,
        arguments.connections,
        arguments.body.unwrap_or(BODY.len())
    )?;
    writeln!(
        out,
        "| proxy | requests per CPU-second | CPU us per request | in the kernel | requests/s |"
    )?;
    writeln!(out, "|---|---|---|---|---|")?;
    let typical =
        |p: &Proxy, of: fn(Round) -> f64| median(p.rounds.iter().map(|r| of(*r)).collect());
    for proxy in proxies {
        let rate = typical(proxy, Round::per_cpu_second);
        let wall = typical(proxy, |round| round.requests / round.wall_seconds);
        let kernel = typical(proxy, |round| 1e6 * round.system_seconds / round.requests);
        let each = 1e6 / rate;
        writeln!(out, "| {} | {rate:.0} | {each:.2} | {kernel:.2} | {wall:.0} |", proxy.name)?;
    }
    let Some((edge, peers)) = proxies.split_first().filter(|(_, peers)| !peers.is_empty()) else {
        return Ok(());
    };
    let mut worst = f64::INFINITY;
    for peer in peers {
        let other_build = arguments.also.iter().any(|b| b.ends_with(&peer.name));
        // Round by round, so that both sides of each ratio met the same machine.
        let pairs = edge.rounds.iter().zip(&peer.rounds);
        let ratios: Vec<f64> =
            pairs.map(|(e, p)| e.per_cpu_second() / p.per_cpu_second()).collect();
        let ratio = median(ratios.clone());
        if !other_build {
            worst = worst.min(ratio);
        }
        let (low, high) = ratios
            .iter()
            .fold((f64::INFINITY, 0.0f64), |(low, high), r| (low.min(*r), high.max(*r)));
        writeln!(out, "edge / {}: {ratio:.2} (rounds from {low:.2} to {high:.2})", peer.name)?;
    }
    if arguments.only_edge {
        return Ok(());
    }
    writeln!(out, "against the better of them: {worst:.2}, promised {PROMISE}")?;
    if arguments.check {
        ensure!(worst >= PROMISE, "the edge is at {worst:.2} of the better one, below {PROMISE}");
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

fn measure(proxy: &Proxy, arguments: &Arguments) -> Result<Round> {
    let pid = proxy.process.pid();
    let (before, started) = (cpu_seconds(pid)?, Instant::now());
    let requests = load(proxy.port, arguments.connections, arguments.seconds)?;
    let wall_seconds = started.elapsed().as_secs_f64();
    let (user, system) = cpu_seconds(pid)?;
    Ok(Round {
        requests,
        cpu_seconds: user + system - before.0 - before.1,
        system_seconds: system - before.1,
        wall_seconds,
    })
}

/// User and system time of a process with all its threads.
pub(crate) fn cpu_seconds(pid: u32) -> Result<(f64, f64)> {
    /// Ticks per second of `/proc`, the same on every Linux.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} has ended"))?;
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
    let fields: Vec<&str> =
        stat.rsplit_once(')').context("unreadable stat")?.1.split_whitespace().collect();
    let ticks = |index: usize| -> Result<f64> {
        Ok(fields.get(index).context("short stat")?.parse::<f64>()?)
    };
    Ok((ticks(11)? / TICKS, ticks(12)? / TICKS))
}

/// Runs wrk; the number of requests answered with 2xx.
fn load(port: u16, connections: u32, seconds: u32) -> Result<f64> {
    let url = format!("http://127.0.0.1:{port}/svc{HIT}/orders/42");
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), &url])
        .output()
        .context("cannot start wrk; install the Debian package `wrk`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(!text.contains("Non-2xx"), "not every answer was a 2xx:\n{text}");
    ensure!(!text.contains("Socket errors"), "connections failed:\n{text}");
    let requests = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))
        .with_context(|| format!("wrk said something unexpected:\n{text}"))?;
    Ok(requests.0.parse()?)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn wait_for(port: u16, what: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        ensure!(Instant::now() < deadline, "{what} does not listen on port {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// One request by hand: the proxy answers with the backend's body.
fn check_answer(proxy: &Proxy) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET /svc{HIT}/x HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer)?;
    ensure!(
        answer.starts_with("HTTP/1.1 200") && answer.contains(BODY),
        "{} answers wrongly:\n{answer}",
        proxy.name
    );
    Ok(())
}

fn nginx(home: &Path, name: &str, http: &str) -> Result<Running> {
    let config = home.join(format!("{name}.conf"));
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid {home}/{name}.pid; error_log \
         {home}/{name}.log;\nevents {{ worker_connections 4096; }}\nhttp {{ access_log off; \
         client_body_temp_path {home}/{name}-b; proxy_temp_path {home}/{name}-p; \
         fastcgi_temp_path {home}/{name}-f; uwsgi_temp_path {home}/{name}-u; scgi_temp_path \
         {home}/{name}-s; keepalive_requests 1000000000; keepalive_timeout 60s;\n{http}\n}}\n",
        home = home.display()
    );
    fs::write(&config, text)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(home).arg("-c").arg(&config);
    Running::start(command.stderr(Stdio::null()))
        .context("install the Debian package `nginx-light`")
}

fn start_backend(home: &Path, ports: [u16; 2], body: Option<usize>) -> Result<Running> {
    let answer = match body {
        None => format!("return 200 '{BODY}';"),
        Some(size) => {
            fs::write(
                home.join("body"),
                BODY.to_owned() + &" ".repeat(size.saturating_sub(BODY.len())),
            )?;
            format!("root {}; rewrite ^ /body break;", home.display())
        }
    };
    let servers: String = ports
        .iter()
        .map(|port| {
            format!(
                "server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ default_type \
                 application/json; {answer} }} }}\n"
            )
        })
        .collect();
    let backend = nginx(home, "backend", &servers)?;
    wait_for(ports[0], "the backend")?;
    wait_for(ports[1], "the backend")?;
    Ok(backend)
}

fn start_nginx(home: &Path, backends: [u16; 2]) -> Result<Proxy> {
    let port = free_port()?;
    let upstreams: String = (1..=RULES)
        .map(|n| {
            format!(
                "upstream svc{n} {{ server 127.0.0.1:{}; server 127.0.0.1:{}; keepalive 256; \
                 keepalive_requests 1000000000; }}\n",
                backends[0], backends[1]
            )
        })
        .collect();
    let locations: String = (1..=RULES)
        .map(|n| format!("location /svc{n}/ {{ proxy_pass http://svc{n}; }}\n"))
        .collect();
    let http = format!(
        "{upstreams}server {{ listen 127.0.0.1:{port} backlog=1024; proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; proxy_set_header Host $host; proxy_set_header \
         X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; \
         proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Amzn-Trace-Id \
         \"Root=1-$msec-$request_id\";\n{locations}}}"
    );
    let process = nginx(home, "nginx", &http)?;
    wait_for(port, "nginx")?;
    Ok(Proxy { name: "nginx".to_owned(), port, process, rounds: Vec::new() })
}

fn start_haproxy(home: &Path, backends: [u16; 2]) -> Result<Proxy> {
    let port = free_port()?;
    let rules: String =
        (1..=RULES).map(|n| format!("  use_backend svc{n} if {{ path_beg /svc{n}/ }}\n")).collect();
    let groups: String = (1..=RULES)
        .map(|n| {
            format!(
                "backend svc{n}\n  balance roundrobin\n  http-reuse always\n  server a \
                 127.0.0.1:{}\n  server b 127.0.0.1:{}\n",
                backends[0], backends[1]
            )
        })
        .collect();
    let text = format!(
        "global\n  nbthread 1\n  maxconn 4096\ndefaults\n  mode http\n  timeout connect 10s\n  \
         timeout client 60s\n  timeout server 60s\n  option forwardfor\nfrontend front\n  bind \
         127.0.0.1:{port}\n  http-request set-header X-Forwarded-Proto http\n  http-request \
         set-header X-Forwarded-Port %[dst_port]\n  http-request set-header X-Amzn-Trace-Id \
         Root=1-%[date,hex]-%[rand,hex]%[rand,hex]\n{rules}{groups}"
    );
    let config = home.join("haproxy.cfg");
    fs::write(&config, text)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-q").arg("-f").arg(&config);
    let process = Running::start(command.stderr(Stdio::null()))
        .context("install the Debian package `haproxy`")?;
    wait_for(port, "haproxy")?;
    Ok(Proxy { name: "haproxy".to_owned(), port, process, rounds: Vec::new() })
}

/// Starts the edge of a build and tells it the system as an engine would.
fn start_edge(home: &Path, name: String, build: &Path, backends: [u16; 2]) -> Result<Proxy> {
    let socket = home.join(format!("{name}.sock"));
    let mut command = Command::new(build);
    let process = Running::start(command.arg("edge-process").arg(&socket))?;
    let deadline = Instant::now() + PATIENCE;
    let mut engine = loop {
        match UnixStream::connect(&socket) {
            Ok(stream) => break stream,
            Err(error) if Instant::now() > deadline => bail!("the edge does not answer: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut line = serde_json::to_vec(&ToEdge::Sync {
        generation: Generation(1),
        state: edge_state(backends),
    })?;
    line.push(b'\n');
    engine.write_all(&line)?;
    engine.set_read_timeout(Some(PATIENCE))?;
    let mut port = None;
    let mut healthy = 0;
    for line in BufReader::new(engine.try_clone()?).lines() {
        match serde_json::from_str(&line?)? {
            FromEdge::ListenerBound { result, .. } => {
                port = Some(result.map_err(anyhow::Error::msg)?);
            }
            FromEdge::TargetHealth { health, .. } if health.state == TargetState::Healthy => {
                healthy += 1;
            }
            _ => {}
        }
        if let Some(port) = port.filter(|_| healthy == 2 * RULES) {
            return Ok(Proxy { name, port, process, rounds: Vec::new() });
        }
    }
    bail!("the edge hung up")
}

fn edge_state(backends: [u16; 2]) -> Vec<Change> {
    let action = |n: u32| {
        Action::Forward(vec![WeightedTargetGroup { target_group: format!("svc{n}"), weight: 1 }])
    };
    let rules = (1..=RULES).map(|n| Rule {
        priority: n,
        conditions: vec![Condition::PathPattern(vec![format!("/svc{n}/*")])],
        action: action(n),
    });
    let not_found = Action::FixedResponse {
        status: 404,
        content_type: "text/plain".to_owned(),
        body: "no rule".to_owned(),
    };
    let spec = ListenerSpec {
        load_balancer: "bench".to_owned(),
        port: 80,
        host_port: 0,
        default_action: not_found,
        rules: rules.collect(),
    };
    let groups = (1..=RULES).map(|n| Change::TargetGroup {
        spec: TargetGroupSpec {
            name: format!("svc{n}"),
            port: backends[0],
            health_check: TargetHealthCheck::default(),
            deregistration_delay_ms: 0,
            tags: std::collections::BTreeMap::new(),
        },
        sources: Vec::new(),
        targets: backends
            .iter()
            .map(|port| Target {
                address: TargetAddress { ip: Ipv4Addr::LOCALHOST, port: *port },
                draining: false,
            })
            .collect(),
    });
    let listener = Change::Listener { spec, idle_timeout_ms: 60_000 };
    groups.chain(std::iter::once(listener)).collect()
}
