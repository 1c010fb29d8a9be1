//! kill -9 of engine, edge and shims in the midst of every step of a service's life and between
//! every two of them: each step is reached, every container that nobody asked to stop keeps its
//! process, traffic comes back, and nothing is left in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::platform::{Platform, find_service, is_alive, kill, system};

const SERVICE: &str = "auth-service";
const PATIENCE: Duration = Duration::from_secs(60);

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Engine,
    Edge,
    Shims,
    /// All of them, the engine first, so that nobody is there to see the others go.
    Everything,
}

impl Victim {
    fn is(self, victim: Self) -> bool {
        self == victim || self == Self::Everything
    }

    /// Kills it. What the engine does not bring back, nobody does: so it is started again, last.
    fn strike(self, platform: &mut Platform) {
        let engine = platform.engine_pid();
        let edge = platform.status()["edge"]["pid"].as_i64().and_then(|pid| pid.try_into().ok());
        if self.is(Self::Engine) {
            end(engine);
        }
        if let Some(edge) = edge.filter(|_| self.is(Self::Edge)) {
            end(edge);
        }
        if self.is(Self::Shims) {
            pids(platform, "shim.pid").into_values().for_each(end);
        }
        if self.is(Self::Engine) {
            platform.serve();
        }
    }
}

fn end(pid: i32) {
    kill(pid, "KILL");
    wait_until(&format!("process {pid} is dead"), || !is_alive(pid));
}

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The living processes that the containers' directories name in this file, by directory.
fn pids(platform: &Platform, file: &str) -> BTreeMap<String, i32> {
    let mut found = BTreeMap::new();
    let Ok(tasks) = std::fs::read_dir(platform.home().join("tasks")) else { return found };
    for task in tasks.flatten() {
        for container in std::fs::read_dir(task.path()).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(container.path().join(file)).unwrap_or_default();
            let pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok());
            if let Some(pid) = pid.filter(|pid| is_alive(*pid)) {
                found.insert(container.path().display().to_string(), pid);
            }
        }
    }
    found
}

fn answers(url: &str) -> bool {
    let Some((authority, path)) =
        url.strip_prefix("http://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))
    else {
        return false;
    };
    let ask = || -> std::io::Result<String> {
        let mut socket = TcpStream::connect(authority)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        write!(socket, "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

fn is_steady(view: &Value, tasks: usize) -> bool {
    let running = |task: &&Value| {
        task["service"] == SERVICE
            && task["status"] == "RUNNING"
            && task["desiredStatus"] == "RUNNING"
    };
    let all = view["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let others = |task: &&Value| task["service"] == SERVICE && task["status"] != "STOPPED";
    find_service(view, SERVICE)["steady"] == true
        && all.iter().filter(running).count() == tasks
        && all.iter().filter(others).count() == tasks
}

/// A service's life, and what is killed all along it.
struct Life {
    platform: Platform,
    victim: Victim,
    /// Every process of a container there ever was.
    seen: BTreeSet<i32>,
}

impl Life {
    fn begin(victim: Victim) -> Self {
        let platform = Platform::up(&system("microservices"), &["--env", "production"]);
        Self { platform, victim, seen: BTreeSet::new() }
    }

    /// A step, with the blow while it is under way and another one after it.
    fn step(&mut self, arguments: &[&str], done: impl Fn(&Value) -> bool) {
        let context = format!("{:?} killed in {arguments:?}", self.victim);
        // Its engine may be killed under it: what counts is what comes of it.
        let mut command = self.platform.command(arguments);
        let mut command =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        self.platform.until(&format!("{context}: begun"), |view| {
            find_service(view, SERVICE)["steady"] == false || done(view)
        });
        self.victim.strike(&mut self.platform);
        let _its_engine_may_be_gone = command.wait();
        self.reach(&context, done);
        self.blow(&context);
    }

    /// Waits until a step is done; says what happened when it never is.
    fn reach(&self, context: &str, done: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(&self.platform.view()) {
            if Instant::now() > deadline {
                panic!("never: {context}: done\n{}", self.platform.ok(&["events"]));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A blow between two steps changes nothing.
    fn blow(&mut self, context: &str) {
        wait_until(&format!("{context}: every container has a shim"), || {
            pids(&self.platform, "shim.pid").keys().eq(pids(&self.platform, "pid").keys())
        });
        let (before, shims) = (pids(&self.platform, "pid"), pids(&self.platform, "shim.pid"));
        self.seen.extend(before.values());
        self.victim.strike(&mut self.platform);
        for service in [SERVICE, "gmail-service", "calendar-service", "ai-router"] {
            self.platform.until_steady(service);
            let url = self.platform.url(service);
            wait_until(&format!("{context}: {url} answers"), || answers(&url));
        }
        wait_until(&format!("{context}: every shim is back"), || {
            let now = pids(&self.platform, "shim.pid");
            let replaced = now.iter().all(|(container, pid)| shims.get(container) != Some(pid));
            now.keys().eq(before.keys()) && (replaced || !self.victim.is(Victim::Shims))
        });
        assert_eq!(pids(&self.platform, "pid"), before, "{context}: the same processes");
    }

    /// Taken down, with the blow in the midst of it; taken down again, nothing is left.
    fn end(mut self) {
        let mut down = self.platform.command(&["down"]);
        let mut down = down.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        let began = |platform: &Platform| pids(platform, "pid").len() < self.seen_alive();
        wait_until("down begins", || began(&self.platform));
        // Whatever of it is still there.
        let pid_of = |part: &str| {
            let status = self.platform.run(&["status", "--json"]);
            let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
            status[part]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
        };
        let (engine, edge) = (pid_of("engine"), pid_of("edge"));
        for (victim, pid) in [(Victim::Engine, engine), (Victim::Edge, edge)] {
            if let Some(pid) = pid.filter(|_| self.victim.is(victim)) {
                end(pid);
            }
        }
        if self.victim.is(Victim::Shims) {
            pids(&self.platform, "shim.pid").into_values().for_each(end);
        }
        let _its_engine_may_be_gone = down.wait();
        self.platform.ok(&["down"]);
        self.seen.extend(pids(&self.platform, "pid").values());
        for pid in std::mem::take(&mut self.seen) {
            wait_until(&format!("{pid} is gone"), || !is_alive(pid));
        }
        let left = traces(&self.platform);
        assert_eq!(left, BTreeSet::<String>::new(), "{:?} killed", self.victim);
    }

    fn seen_alive(&self) -> usize {
        self.seen.iter().filter(|pid| is_alive(**pid)).count().max(1)
    }
}

/// Mounts and processes that belong to the home.
fn traces(platform: &Platform) -> BTreeSet<String> {
    let home = platform.home().to_str().expect("UTF-8");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("/proc");
    let mut found: BTreeSet<String> =
        mounts.lines().filter(|line| line.contains(home)).map(str::to_owned).collect();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(home) {
            found.insert(line);
        }
    }
    found
}

/// A container gets eight shims in another's stead (`TAKE_OVERS`): no more blows than that.
fn killed_all_along(victim: Victim) {
    let mut life = Life::begin(victim);
    life.blow(&format!("{victim:?} killed after up"));
    // Two, so that as many starts as can fail by the blow are too few for the circuit breaker.
    life.step(&["scale", SERVICE, "2"], |view| is_steady(view, 2));
    let before = life.platform.service(SERVICE)["revision"].clone();
    life.step(&["deploy", SERVICE, "--env-var", "MARK=1"], |view| {
        is_steady(view, 2) && find_service(view, SERVICE)["revision"] != before
    });
    let task = life.platform.running_tasks(SERVICE)[0]["id"].as_str().expect("id").to_owned();
    life.step(&["stop-task", &task], |view| {
        let all = view["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let stopped = all.iter().any(|t| t["id"] == task.as_str() && t["status"] == "STOPPED");
        is_steady(view, 2) && stopped
    });
    life.end();
}

#[test]
fn the_engine_killed_all_along_a_services_life() {
    killed_all_along(Victim::Engine);
}

#[test]
fn the_edge_killed_all_along_a_services_life() {
    killed_all_along(Victim::Edge);
}

#[test]
fn the_shims_killed_all_along_a_services_life() {
    killed_all_along(Victim::Shims);
}

#[test]
fn everything_killed_all_along_a_services_life() {
    killed_all_along(Victim::Everything);
}
