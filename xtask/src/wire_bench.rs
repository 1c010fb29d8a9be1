//! The AWS endpoint against moto's server: wall time and CPU per request on one kept connection,
//! the same for every request of a Terraform apply, the time from start to the first answer, and
//! memory at rest. Both servers run side by side and are asked in turns, because only what runs
//! under the same load of the machine can be compared.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// How long a server has to come up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The promise of SPECIFICATION.md: at most this part of the peer's.
const PROMISE: f64 = 0.2;
/// What the apply that is watched makes; nothing of it needs a pause longer than ten seconds.
const CONFIGURATION: &str = include_str!("wire_bench.tf");

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The program to measure [default: `neargate` beside this one].
    #[arg(long)]
    neargate: Option<PathBuf>,
    /// The peer.
    #[arg(long, default_value = "moto_server")]
    moto: PathBuf,
    /// Calls of each operation and server.
    #[arg(long, default_value_t = 500)]
    calls: u32,
    /// Leave the Terraform apply out.
    #[arg(long)]
    no_apply: bool,
}

/// Runs the comparison and prints it.
#[allow(clippy::print_stdout)] // The result is data on stdout.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
    let neargate = match &arguments.neargate {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("neargate"),
    };
    let ours = Server::neargate(&neargate, &folder.path().join("home"))?;
    let peer = Server::moto(&arguments.moto)?;
    println!("start to first answer: neargate {:.0} ms", ours.started.as_secs_f64() * 1e3);
    println!("resident at rest: neargate {} MiB", resident_kib(ours.pid())? / 1024);

    println!("| request | neargate ms | moto ms | ratio | neargate CPU ms | moto CPU ms | ratio |");
    println!("|---|---|---|---|---|---|---|");
    let mut worst: f64 = 0.0;
    let scenes = [ours.scene()?, peer.scene()?];
    for name in ["DescribeClusters", "DescribeServices", "DescribeTargetHealth", "PutParameter"] {
        let mut totals = [Cost::default(), Cost::default()];
        let rounds = 5;
        for _ in 0..rounds {
            for ((server, scene), total) in [&ours, &peer].into_iter().zip(&scenes).zip(&mut totals)
            {
                total.add(server.calls(&scene.request(name), arguments.calls / rounds)?);
            }
        }
        worst = worst.max(row(name, &totals));
    }
    if !arguments.no_apply {
        let totals = [apply(&ours, folder.path(), "ours")?, apply(&peer, folder.path(), "peer")?];
        let name = format!("an apply ({} and {} requests)", totals[0].count, totals[1].count);
        worst = worst.max(row(&name, &totals));
    }
    println!("the worst ratio is {worst:.3}, promised {PROMISE}");
    Ok(())
}

/// One line of the table; the worse of both ratios.
#[allow(clippy::print_stdout)] // The result is data on stdout.
fn row(name: &str, [ours, peer]: &[Cost; 2]) -> f64 {
    let (wall, cpu) = (ours.wall_ms() / peer.wall_ms(), ours.cpu_ms() / peer.cpu_ms());
    println!(
        "| {name} | {:.3} | {:.3} | {wall:.3} | {:.3} | {:.3} | {cpu:.3} |",
        ours.wall_ms(),
        peer.wall_ms(),
        ours.cpu_ms(),
        peer.cpu_ms()
    );
    wall.max(cpu)
}

/// What a number of requests took.
#[derive(Clone, Copy, Default)]
struct Cost {
    count: u32,
    wall: Duration,
    cpu: Duration,
}

impl Cost {
    fn add(&mut self, other: Cost) {
        self.count += other.count;
        self.wall += other.wall;
        self.cpu += other.cpu;
    }

    fn wall_ms(&self) -> f64 {
        self.wall.as_secs_f64() * 1e3 / f64::from(self.count.max(1))
    }

    fn cpu_ms(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / f64::from(self.count.max(1))
    }
}

/// A request without its connection.
#[derive(Clone)]
struct Ask {
    service: &'static str,
    /// Value of X-Amz-Target; none is a query.
    target: Option<&'static str>,
    body: String,
}

impl Ask {
    fn json(service: &'static str, target: &'static str, body: Value) -> Ask {
        Ask { service, target: Some(target), body: body.to_string() }
    }

    fn bytes(&self) -> Vec<u8> {
        let content_type = match self.target {
            Some(target) => format!("application/x-amz-json-1.1\r\nX-Amz-Target: {target}"),
            None => "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
        };
        format!(
            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nAuthorization: \
             AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{}/aws4_request, \
             SignedHeaders=host, Signature=00\r\nContent-Length: {}\r\n\r\n{}",
            self.service,
            self.body.len(),
            self.body
        )
        .into_bytes()
    }
}

/// What the requests are about.
struct Scene {
    target_group: String,
}

impl Scene {
    fn request(&self, name: &str) -> Ask {
        const ECS: &str = "ecs";
        match name {
            "DescribeClusters" => Ask::json(
                ECS,
                "AmazonEC2ContainerServiceV20141113.DescribeClusters",
                json!({ "clusters": ["main"], "include": ["TAGS"] }),
            ),
            "DescribeServices" => Ask::json(
                ECS,
                "AmazonEC2ContainerServiceV20141113.DescribeServices",
                json!({ "cluster": "main", "services": ["web"], "include": ["TAGS"] }),
            ),
            "DescribeTargetHealth" => Ask {
                service: "elasticloadbalancing",
                target: None,
                body: format!(
                    "Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn={}",
                    self.target_group.replace(':', "%3A").replace('/', "%2F")
                ),
            },
            _ => Ask::json(
                "ssm",
                "AmazonSSM.PutParameter",
                json!({ "Name": "/shop/url", "Value": "http://x", "Type": "String", "Overwrite": true }),
            ),
        }
    }
}

/// A running server.
struct Server {
    child: Child,
    port: u16,
    started: Duration,
    /// A home to be taken down, and by which program.
    home: Option<(PathBuf, PathBuf)>,
}

impl Server {
    fn neargate(program: &Path, home: &Path) -> Result<Server> {
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["serve", "--driver", "process", "--port", &port.to_string(), "--home"]);
        let mut server = Server::start(command.arg(home), port)?;
        server.home = Some((program.to_owned(), home.to_owned()));
        Ok(server)
    }

    fn moto(program: &Path) -> Result<Server> {
        let port = free_port()?;
        let mut command = Command::new(program);
        Server::start(command.args(["-H", "127.0.0.1", "-p", &port.to_string()]), port)
            .context("install moto from PyPI: pip install 'moto[server]'")
    }

    fn start(command: &mut Command, port: u16) -> Result<Server> {
        let began = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let mut server = Server { child, port, started: Duration::ZERO, home: None };
        let identity = Ask {
            service: "sts",
            target: None,
            body: "Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
        };
        while server.connect().and_then(|mut c| c.ask(&identity)).is_err() {
            ensure!(began.elapsed() < PATIENCE, "no answer on port {port}");
            std::thread::sleep(Duration::from_millis(1));
        }
        server.started = began.elapsed();
        Ok(server)
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn connect(&self) -> Result<Connection> {
        Connection::open(self.port)
    }

    /// Makes what the requests are about.
    fn scene(&self) -> Result<Scene> {
        let mut connection = self.connect()?;
        let mut ecs = |target, body| connection.ask(&Ask::json("ecs", target, body));
        ecs("AmazonEC2ContainerServiceV20141113.CreateCluster", json!({ "clusterName": "main" }))?;
        let definition = json!({
            "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
            "cpu": "256", "memory": "512",
            "containerDefinitions": [{ "name": "app", "image": "shop/app:1", "essential": true }],
        });
        ecs("AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition", definition)?;
        let subnets = self.query("ec2", "Action=DescribeSubnets&Version=2016-11-15")?;
        let subnet = match between(&subnets, "<subnetId>", "</subnetId>") {
            Some(subnet) => subnet.to_owned(),
            // No default network: one is made.
            None => {
                let vpc = "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16";
                let vpc = self.query("ec2", vpc)?;
                let vpc = between(&vpc, "<vpcId>", "</vpcId>").context("no VPC")?;
                let subnet = format!(
                    "Action=CreateSubnet&Version=2016-11-15&VpcId={vpc}&CidrBlock=10.0.1.0%2F24"
                );
                let subnet = self.query("ec2", &subnet)?;
                between(&subnet, "<subnetId>", "</subnetId>").context("no subnet")?.to_owned()
            }
        };
        let service = json!({
            "cluster": "main", "serviceName": "web", "taskDefinition": "web", "desiredCount": 0,
            "launchType": "FARGATE",
            "networkConfiguration": {
                "awsvpcConfiguration": { "subnets": [subnet], "securityGroups": [] },
            },
        });
        let mut connection = self.connect()?;
        connection.ask(&Ask::json(
            "ecs",
            "AmazonEC2ContainerServiceV20141113.CreateService",
            service,
        ))?;
        let group = "Action=CreateTargetGroup&Version=2015-12-01&Name=web&Port=80&Protocol=HTTP\
                     &TargetType=ip&VpcId=vpc-1";
        let vpcs = self.query("ec2", "Action=DescribeVpcs&Version=2016-11-15")?;
        let vpc = between(&vpcs, "<vpcId>", "</vpcId>").context("no VPC")?;
        let group = self.query("elasticloadbalancing", &group.replace("vpc-1", vpc))?;
        let target_group = between(&group, "<TargetGroupArn>", "</TargetGroupArn>");
        Ok(Scene { target_group: target_group.context("no target group")?.to_owned() })
    }

    fn query(&self, service: &'static str, body: &str) -> Result<String> {
        self.connect()?.ask(&Ask { service, target: None, body: body.to_owned() })
    }

    /// So many calls on one connection.
    fn calls(&self, ask: &Ask, count: u32) -> Result<Cost> {
        let mut connection = self.connect()?;
        connection.ask(ask)?;
        let (cpu, began) = (cpu_time(self.pid())?, Instant::now());
        for _ in 0..count {
            connection.ask(ask)?;
        }
        Ok(Cost { count, wall: began.elapsed(), cpu: cpu_time(self.pid())?.saturating_sub(cpu) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((program, home)) = &self.home {
            let _ended = Command::new(program).arg("down").arg("--home").arg(home).output();
        }
        let _ended_already = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// A connection that is kept as long as the server keeps it.
struct Connection {
    port: u16,
    stream: BufReader<TcpStream>,
}

impl Connection {
    fn open(port: u16) -> Result<Connection> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Connection { port, stream: BufReader::new(stream) })
    }

    /// The answer's body; an answer that is no success is an error.
    fn ask(&mut self, ask: &Ask) -> Result<String> {
        self.stream.get_mut().write_all(&ask.bytes())?;
        let (status, kept, body) = read_answer(&mut self.stream)?;
        if !kept {
            *self = Connection::open(self.port)?;
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        ensure!(status == 200, "{}: {status} {text}", ask.body);
        Ok(text)
    }
}

/// Status, whether the connection is kept, and the body.
fn read_answer(stream: &mut impl BufRead) -> Result<(u16, bool, Vec<u8>)> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).context("no status line")?.parse()?;
    let mut kept = line.starts_with("HTTP/1.1");
    let mut length = None;
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        match header.split_once(": ") {
            Some(("content-length", value)) => length = Some(value.parse()?),
            Some(("connection", value)) => kept = value != "close",
            _ if header.is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok((status, kept && length.is_some(), body))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inner, _)| inner)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// CPU time of a process: the larger of what its threads have and what the process is charged
/// with. The first counts finely, the second also threads that have ended.
fn cpu_time(pid: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end in between.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0_u64);
    }
    let (user, system) = crate::edge_bench::cpu_seconds(pid)?;
    Ok(Duration::from_nanos(nanoseconds).max(Duration::from_secs_f64(user + system)))
}

fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
}

/// A Terraform apply through a counting door; what its requests took of the server.
fn apply(server: &Server, folder: &Path, name: &str) -> Result<Cost> {
    let root = folder.join(name);
    fs::create_dir(&root)?;
    fs::write(root.join("main.tf"), CONFIGURATION)?;
    let door = Door::open(server.port)?;
    let terraform = |arguments: &[&str]| -> Result<()> {
        let output = Command::new("terraform")
            .args(arguments)
            .args(["-input=false", "-no-color"])
            .current_dir(&root)
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", door.port))
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .output()
            .context("running terraform")?;
        if !output.status.success() {
            bail!("terraform {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    };
    terraform(&["init"])?;
    let cpu = cpu_time(server.pid())?;
    terraform(&["apply", "-auto-approve"])?;
    Ok(Cost {
        count: u32::try_from(door.count.load(Ordering::Relaxed))?,
        wall: *door.waited.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        cpu: cpu_time(server.pid())?.saturating_sub(cpu),
    })
}

/// Hands requests on and measures how long their answers take.
struct Door {
    port: u16,
    count: Arc<AtomicU64>,
    waited: Arc<Mutex<Duration>>,
}

impl Door {
    fn open(to: u16) -> Result<Door> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let door = Door {
            port: listener.local_addr()?.port(),
            count: Arc::default(),
            waited: Arc::default(),
        };
        let (count, waited) = (Arc::clone(&door.count), Arc::clone(&door.waited));
        // Ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (count, waited) = (Arc::clone(&count), Arc::clone(&waited));
                std::thread::spawn(move || {
                    // The client has gone, or the server: either shows elsewhere.
                    let _ended = hand_on(stream, to, &count, &waited);
                });
            }
        });
        Ok(door)
    }
}

fn hand_on(from: TcpStream, to: u16, count: &AtomicU64, waited: &Mutex<Duration>) -> Result<()> {
    from.set_nodelay(true)?;
    let mut client = BufReader::new(from);
    loop {
        let (head, length) = read_head(&mut client)?;
        let mut body = vec![0; length];
        client.read_exact(&mut body)?;
        let began = Instant::now();
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
        server.set_nodelay(true)?;
        let mut server = BufReader::new(server);
        server.get_mut().write_all(&[head.as_bytes(), &body].concat())?;
        let (answer_head, answer_length) = read_head(&mut server)?;
        let mut answer = vec![0; if head.starts_with("HEAD ") { 0 } else { answer_length }];
        server.read_exact(&mut answer)?;
        *waited.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += began.elapsed();
        count.fetch_add(1, Ordering::Relaxed);
        client.get_mut().write_all(&[answer_head.as_bytes(), &answer].concat())?;
        if !answer_head.starts_with("HTTP/1.1") || answer_head.contains("onnection: close") {
            return Ok(());
        }
    }
}

/// A head with its empty line, and the length of the body that follows.
fn read_head(stream: &mut impl BufRead) -> Result<(String, usize)> {
    let mut head = String::new();
    let mut length = 0;
    loop {
        let start = head.len();
        ensure!(stream.read_line(&mut head)? > 0, "the other side is gone");
        let line = head[start..].trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse()?;
        }
        if line.is_empty() {
            return Ok((head, length));
        }
    }
}
