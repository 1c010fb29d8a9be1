//! A platform of its own for one test, driven by the command line as a user would.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(90);

/// The systems of the repository.
pub(crate) fn system(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systems").join(name)
}

/// A running platform; taken down when dropped.
pub(crate) struct Platform {
    home: TempDir,
    /// An engine in the foreground of the test.
    serving: Option<Child>,
    started: BTreeMap<u32, &'static str>,
}

impl Platform {
    /// An empty home.
    pub(crate) fn new() -> Self {
        let home = tempfile::Builder::new().prefix("neargate-e2e").tempdir().expect("a home");
        Self { home, serving: None, started: BTreeMap::new() }
    }

    /// `neargate up SYSTEM --detach` with free ports, 20 times faster than real time.
    pub(crate) fn up(system: &Path, options: &[&str]) -> Self {
        let mut platform = Self::new();
        let path = system.to_str().expect("UTF-8");
        let mut arguments =
            vec!["up", path, "--detach", "--ephemeral-ports", "--port", "0", "--pace", "20"];
        arguments.extend(["--driver", crate::DRIVER]);
        arguments.extend_from_slice(options);
        platform.ok(&arguments);
        platform.note_processes();
        platform
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neargate"));
        command.args(arguments).arg("--home").arg(self.home.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    /// Runs a command that must succeed; its stdout.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "neargate {arguments:?}: {}\n{}{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.engine_log(),
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs a command in a task or service; its stdout.
    #[allow(dead_code, reason = "not every test program runs commands in tasks")]
    pub(crate) fn exec(&self, who: &str, command: &[&str]) -> String {
        let mut exec = Command::new(env!("CARGO_BIN_EXE_neargate"));
        exec.arg("exec").arg("--home").arg(self.home.path()).args([who, "--"]).args(command);
        let output = exec.stdin(Stdio::null()).output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        serde_json::from_str(&self.ok(&with_json)).expect("JSON")
    }

    fn engine_log(&self) -> String {
        let log = std::fs::read_to_string(self.home.path().join("engine.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    pub(crate) fn status(&self) -> Value {
        self.json(&["status"])
    }

    /// Brings the engine of the home back without applying anything.
    pub(crate) fn serve(&mut self) {
        let mut command = self.command(&["serve", "--port", "0", "--driver", crate::DRIVER]);
        self.serving = Some(command.stderr(Stdio::null()).spawn().expect("serve starts"));
        self.until("the engine answers", |_| true);
        self.note_processes();
    }

    /// Remembers engine and edge, to end them should `down` not.
    pub(crate) fn note_processes(&mut self) {
        let status = self.status();
        for part in ["engine", "edge"] {
            if let Some(pid) = status[part]["pid"].as_u64() {
                self.started.insert(pid as u32, part);
            }
        }
    }

    pub(crate) fn engine_pid(&self) -> i32 {
        self.status()["engine"]["pid"].as_i64().expect("engine pid") as i32
    }

    /// Everything, straight from the engine.
    pub(crate) fn view(&self) -> Value {
        view(self.home.path()).expect("the engine answers")
    }

    pub(crate) fn service(&self, name: &str) -> Value {
        find_service(&self.view(), name)
    }

    /// The URL of a service.
    pub(crate) fn url(&self, service: &str) -> String {
        self.service(service)["url"].as_str().expect("a url").to_owned()
    }

    /// Ids of the tasks of a service that are RUNNING and wanted.
    pub(crate) fn running_tasks(&self, service: &str) -> Vec<Value> {
        let view = self.view();
        let tasks = view["tasks"].as_array().expect("tasks").iter();
        tasks
            .filter(|t| t["service"] == service)
            .filter(|t| t["status"] == "RUNNING" && t["desiredStatus"] == "RUNNING")
            .cloned()
            .collect()
    }

    /// Waits until the view satisfies the condition.
    pub(crate) fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(view) = view(self.home.path()).filter(|v| condition(v)) {
                return view;
            }
            assert!(Instant::now() < deadline, "never: {what}\n{}", self.engine_log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn until_steady(&self, service: &str) -> Value {
        self.until(&format!("{service} steady"), |v| find_service(v, service)["steady"] == true)
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.run(&["down"]);
        if let Some(mut engine) = self.serving.take() {
            let _ = engine.kill();
            let _ = engine.wait();
        }
        for pid in self.started.keys() {
            kill(*pid as i32, "KILL");
        }
    }
}

/// Sends a signal by name to one process.
pub(crate) fn kill(pid: i32, signal: &str) {
    let _ =
        Command::new("kill").args(["-s", signal, &pid.to_string()]).stderr(Stdio::null()).status();
}

pub(crate) fn is_alive(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'),
        Err(_) => false,
    }
}

fn view(home: &Path) -> Option<Value> {
    let mut socket = UnixStream::connect(home.join("engine.sock")).ok()?;
    socket.write_all(b"\"Platform\"\n").ok()?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).ok()?;
    let answer: Value = serde_json::from_str(&line).ok()?;
    answer.get("Platform").cloned()
}

pub(crate) fn find_service(view: &Value, name: &str) -> Value {
    let services = view["services"].as_array().map(Vec::as_slice).unwrap_or_default();
    services.iter().find(|s| s["name"] == name).cloned().unwrap_or(Value::Null)
}

/// Healthy targets of a target group.
fn healthy_targets(view: &Value) -> BTreeMap<String, usize> {
    let groups = view["targetGroups"].as_array().map(Vec::as_slice).unwrap_or_default();
    groups
        .iter()
        .map(|group| {
            let targets = group["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
            let healthy = targets.iter().filter(|t| t["state"] == "healthy").count();
            (group["name"].as_str().unwrap_or_default().to_owned(), healthy)
        })
        .collect()
}

/// Watches the fewest healthy targets per target group while it lives.
pub(crate) struct LowWater {
    stop: Arc<AtomicBool>,
    lowest: Arc<Mutex<BTreeMap<String, usize>>>,
    thread: Option<JoinHandle<()>>,
}

impl LowWater {
    pub(crate) fn watch(platform: &Platform) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let lowest = Arc::new(Mutex::new(BTreeMap::new()));
        let home = platform.home().to_owned();
        let (stop_too, lowest_too) = (Arc::clone(&stop), Arc::clone(&lowest));
        let thread = std::thread::spawn(move || {
            while !stop_too.load(Ordering::Relaxed) {
                if let Some(view) = view(&home) {
                    let mut lowest = lowest_too.lock().expect("not poisoned");
                    for (group, healthy) in healthy_targets(&view) {
                        let entry = lowest.entry(group).or_insert(healthy);
                        *entry = healthy.min(*entry);
                    }
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { stop, lowest, thread: Some(thread) }
    }

    /// The fewest healthy targets seen, by target group.
    pub(crate) fn finish(mut self) -> BTreeMap<String, usize> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the watch ends");
        }
        let lowest = self.lowest.lock().expect("not poisoned");
        lowest.clone()
    }
}

/// Fixed-rate load in the background.
pub(crate) struct Load {
    child: Option<Child>,
    pub(crate) started: Instant,
}

impl Load {
    /// 200 requests per second over the URLs until it is finished.
    pub(crate) fn start(platform: &Platform, urls: &[String]) -> Self {
        let mut command =
            platform.command(&["load", "--rate", "200", "--duration", "300", "--json"]);
        command.args(urls).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().expect("load starts");
        Self { child: Some(child), started: Instant::now() }
    }

    /// Ends it, but not before it has run long enough to mean something, and gives its report.
    pub(crate) fn finish(mut self) -> Value {
        let left = Duration::from_secs(3).saturating_sub(self.started.elapsed());
        std::thread::sleep(left);
        let child = self.child.take().expect("once");
        kill(child.id() as i32, "INT");
        let output = child.wait_with_output().expect("load ends");
        serde_json::from_slice(&output.stdout).expect("a report")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// No request failed, and there were enough of them to mean something.
pub(crate) fn assert_flawless(report: &Value) {
    assert_eq!(report["failed"], 0, "{report:#}");
    assert!(report["ok"].as_u64() >= Some(300), "{report:#}");
}
