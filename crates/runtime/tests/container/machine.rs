//! One container for a test: a layer, a directory, a shim, and an end that leaves nothing.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use neargate_logs::{GetEvents, LogStore};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// How long anything may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const SHIM: &str = env!("CARGO_BIN_EXE_neargate-shim");
const GROUP_NAME: &str = "/ecs/shop/app";
const STREAM_NAME: &str = "ecs/app/1";
const PASSWD: &str = "root::0:0:root:/root:/bin/sh\napp:x:1000:1001::/srv/app:/bin/sh\n";
const GROUP: &str = "root:x:0:\napp:x:1001:\nwww:x:33:app\nlog:x:44:app\n";

/// Who makes the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Libcontainer,
    Runc,
}

/// Turns a test body into one test per backend.
macro_rules! on_both {
    ($(#[$doc:meta])* fn $name:ident($backend:ident) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            fn body($backend: $crate::machine::Backend) $body

            #[test]
            fn libcontainer() {
                body($crate::machine::Backend::Libcontainer);
            }

            #[test]
            fn runc() {
                body($crate::machine::Backend::Runc);
            }
        }
    };
}
pub(crate) use on_both;

/// A container's description and, once started, the container.
pub(crate) struct Container {
    home: Arc<tempfile::TempDir>,
    name: &'static str,
    /// Unique on this machine, also among control groups.
    platform: String,
    pub(crate) spec: Value,
    pub(crate) secrets: BTreeMap<String, String>,
    shims: Vec<Child>,
}

impl Container {
    /// One that runs this script.
    pub(crate) fn new(backend: Backend, script: &str) -> Self {
        Self::command(backend, &["/bin/sh", "-c", script])
    }

    pub(crate) fn command(backend: Backend, argv: &[&str]) -> Self {
        require_root();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let platform = format!("/neargate/test-{}-{number}", std::process::id());
        let home = Arc::new(tempfile::tempdir().expect("a directory"));
        let layer = home.path().join("layer");
        make_layer(&layer);
        let backend = match backend {
            Backend::Libcontainer => json!("libcontainer"),
            Backend::Runc => json!({ "runc": runc() }),
        };
        let task = format!("{:032x}", (u128::from(std::process::id()) << 64) + u128::from(number));
        let spec = json!({
            "task": task, "container": "app", "argv": argv, "environment": { "MODE": "test" },
            "nofile": null, "health_check": null, "restart": null,
            "socket": home.path().join("engine.sock"),
            "sandbox": {
                "backend": backend, "layers": [layer], "hostname": "ip-10-0-1-5.ec2.internal",
                "cgroup": format!("{platform}/task"),
            },
        });
        std::fs::create_dir_all(home.path().join("task/app/work")).expect("made");
        let (name, secrets, shims) = ("app", BTreeMap::new(), Vec::new());
        Self { home, name, platform, spec, secrets, shims }
    }

    /// One more of the same task, which runs this script.
    pub(crate) fn beside(&self, name: &'static str, script: &str) -> Self {
        let (home, platform, mut spec) =
            (Arc::clone(&self.home), self.platform.clone(), self.spec.clone());
        spec["container"] = json!(name);
        spec["argv"] = json!(["/bin/sh", "-c", script]);
        std::fs::create_dir_all(home.path().join("task").join(name).join("work")).expect("made");
        Self { home, name, platform, spec, secrets: BTreeMap::new(), shims: Vec::new() }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.spec);
        self
    }

    /// Changes the sandbox part of the description.
    pub(crate) fn sandbox(self, key: &str, value: Value) -> Self {
        self.with(|spec| spec["sandbox"][key] = value)
    }

    /// Lets its output go to a log stream.
    pub(crate) fn logged(self) -> Self {
        let root = self.logs();
        let store = LogStore::open(&root).expect("a log store");
        store.create_group(GROUP_NAME, None, BTreeMap::new(), 0).expect("a group");
        self.with(|spec| {
            spec["log"] = json!({ "root": root, "group": GROUP_NAME, "stream": STREAM_NAME });
        })
    }

    fn logs(&self) -> PathBuf {
        self.home.path().join("logs")
    }

    /// The lines in its log stream.
    pub(crate) fn events(&self) -> Vec<String> {
        let store = LogStore::open(&self.logs()).expect("a log store");
        let mut lines = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = store.get_events(&GetEvents {
                group: GROUP_NAME,
                stream: STREAM_NAME,
                start_ms: None,
                end_ms: None,
                from_head: true,
                limit: None,
                token: token.as_deref(),
            });
            let Ok(page) = page else { return lines };
            lines.extend(page.events.iter().map(|event| event.text().into_owned()));
            if token.as_ref() == Some(&page.next_forward_token) {
                return lines;
            }
            token = Some(page.next_forward_token);
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.home.path().join("task").join(self.name)
    }

    /// Loop devices with a file of its home behind them.
    pub(crate) fn loop_devices(&self) -> Vec<String> {
        let place = self.home.path().display().to_string();
        std::fs::read_dir("/sys/block")
            .expect("/sys")
            .flatten()
            .filter_map(|entry| {
                std::fs::read_to_string(entry.path().join("loop/backing_file")).ok()
            })
            .filter(|file| file.contains(&place))
            .collect()
    }

    pub(crate) fn layer(&self) -> PathBuf {
        self.home.path().join("layer")
    }

    /// A file the engine would write beside the description.
    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.dir().join(name), text).expect("written");
    }

    /// Starts its shim.
    pub(crate) fn start(&mut self) {
        self.file("spec.json", &self.spec.to_string());
        self.spawn_shim(&[]);
    }

    /// Starts a shim that takes over.
    pub(crate) fn adopt(&mut self) {
        self.spawn_shim(&["--adopt"]);
    }

    fn spawn_shim(&mut self, flags: &[&str]) {
        // With a umask that would keep other users out of a container's own directories.
        let mut shim = Command::new("/bin/sh")
            .args(["-c", "umask 077; exec \"$@\"", "sh", SHIM, "shim"])
            .args(flags)
            .arg(self.dir())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the shim starts");
        let mut stdin = shim.stdin.take().expect("piped");
        if !self.secrets.is_empty() {
            let text = serde_json::to_vec(&self.secrets).expect("json");
            stdin.write_all(&text).expect("read by the shim");
        }
        self.shims.push(shim);
    }

    /// Starts it and waits for this line of its output.
    pub(crate) fn ready(mut self, line: &str) -> Self {
        self.start();
        self.wait_log(line);
        self.wait_pid();
        self
    }

    #[track_caller]
    pub(crate) fn wait_log(&self, text: &str) {
        wait_until(&format!("\"{text}\" in the output"), || {
            assert_eq!(self.failure(), None, "it started");
            self.log().contains(text)
        });
    }

    #[track_caller]
    pub(crate) fn wait_pid(&self) -> i32 {
        wait_until("a process", || {
            assert_eq!(self.failure(), None, "it started");
            self.dir().join("pid").exists()
        });
        self.pid()
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid_in("pid")
    }

    /// The first number of a file in its directory.
    pub(crate) fn pid_in(&self, file: &str) -> i32 {
        let text = std::fs::read_to_string(self.dir().join(file)).expect("written");
        text.split(' ').next().and_then(|pid| pid.parse().ok()).expect("a pid")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir().join("output.log")).unwrap_or_default()
    }

    pub(crate) fn failure(&self) -> Option<String> {
        std::fs::read_to_string(self.dir().join("failed")).ok()
    }

    pub(crate) fn exit(&self) -> Option<Value> {
        serde_json::from_slice(&std::fs::read(self.dir().join("exit")).ok()?).ok()
    }

    /// How it ended, once it has, and its shim too.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self) -> Value {
        wait_until("an exit", || {
            assert_eq!(self.failure(), None, "it started; output:\n{}", self.log());
            self.exit().is_some()
        });
        self.wait_shims();
        self.exit().expect("just seen")
    }

    #[track_caller]
    pub(crate) fn wait_failure(&mut self) -> String {
        wait_until("a failure", || self.failure().is_some());
        self.wait_shims();
        self.failure().expect("just seen")
    }

    #[track_caller]
    pub(crate) fn wait_shims(&mut self) {
        for mut shim in self.shims.drain(..) {
            let deadline = Instant::now() + PATIENCE;
            while shim.try_wait().expect("our child").is_none() {
                assert!(Instant::now() < deadline, "never: the shim's end");
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Its whole output, once it has ended with code 0.
    #[track_caller]
    pub(crate) fn output(mut self) -> String {
        self.start();
        let exit = self.wait_exit();
        assert_eq!(exit, json!({ "Code": 0 }), "output:\n{}", self.log());
        let log = self.log();
        self.assert_nothing_left();
        log
    }

    pub(crate) fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).expect("it lives");
    }

    /// As an engine's wish to stop: no restart any more, then the signal.
    pub(crate) fn stop(&self, signal: Signal) {
        self.file("stopping", "");
        self.signal(signal);
    }

    /// SIGKILL to the newest shim, reaped.
    pub(crate) fn kill_shim(&mut self) {
        let mut shim = self.shims.pop().expect("it was started");
        shim.kill().expect("ours");
        shim.wait().expect("ours");
    }

    /// `neargate shim exec` with these arguments.
    pub(crate) fn exec(&self, argv: &[&str]) -> Output {
        self.exec_command(argv).output().expect("runs")
    }

    pub(crate) fn exec_command(&self, argv: &[&str]) -> Command {
        // As a shell script does that has a file open: descriptors without close-on-exec.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "exec \"$@\" 7</dev/null", "sh", SHIM, "shim", "exec"])
            .arg(self.dir())
            .arg("--")
            .args(argv);
        command.stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub(crate) fn exec_text(&self, script: &str) -> String {
        let output = self.exec(&["/bin/sh", "-c", script]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}: {}: {errors}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// A number from the control group of the task (`""`) or the container (`"app"`), under the
    /// name of the version this machine has.
    pub(crate) fn cgroup_file(&self, group: &str, controller: &str, v1: &str, v2: &str) -> String {
        let below = |mount: PathBuf| {
            mount.join(self.platform.trim_start_matches('/')).join("task").join(group)
        };
        let old = below(Path::new("/sys/fs/cgroup").join(controller)).join(v1);
        let new = below(PathBuf::from("/sys/fs/cgroup")).join(v2);
        std::fs::read_to_string(&old)
            .or_else(|_| std::fs::read_to_string(&new))
            .unwrap_or_else(|e| panic!("neither {} nor {}: {e}", old.display(), new.display()))
    }

    /// Everything outside of the container's directory that would tell that it was ever there.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        let name = self.platform.rsplit('/').next().expect("a name");
        let mut groups = Vec::new();
        find_directories(Path::new("/sys/fs/cgroup"), name, &mut groups);
        assert_eq!(groups, Vec::<PathBuf>::new(), "control groups are left");
        let place = self.home.path().display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("/proc");
        let mounts: Vec<&str> = mounts.lines().filter(|line| line.contains(&place)).collect();
        assert_eq!(mounts, Vec::<&str>::new(), "mounts are left");
        wait_until("its processes are gone", || processes_mentioning(&place).is_empty());
        wait_until("its loop devices are gone", || self.loop_devices().is_empty());
        for state in ["state", "bundle", "runc"] {
            assert!(!self.dir().join(state).exists(), "{state} is left");
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        for shim in &mut self.shims {
            let _ended = shim.kill();
            let _reaped = shim.wait();
        }
        // Also when the test failed half-way.
        if let Ok(text) = std::fs::read_to_string(self.dir().join("pid"))
            && self.exit().is_none()
            && let Some(pid) = text.split(' ').next().and_then(|pid| pid.parse().ok())
        {
            let _ended = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        }
        if self.dir().join("spec.json").exists() {
            let adopter = Command::new(SHIM)
                .args(["shim", "--adopt"])
                .arg(self.dir())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            let _best_effort = adopter;
        }
    }
}

fn find_directories(dir: &Path, name: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())) {
        if entry.file_name() == name {
            found.push(entry.path());
        }
        find_directories(&entry.path(), name, found);
    }
}

/// Living processes with this text in command line or mount table.
fn processes_mentioning(text: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()) && *pid != own)
        .filter(|pid| {
            let read = |file: &str| {
                std::fs::read(format!("/proc/{pid}/{file}"))
                    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                    .unwrap_or_default()
            };
            read("cmdline").contains(text) || read("mountinfo").contains(text)
        })
        .collect()
}

#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn require_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "the container tests make namespaces and control groups: run them as root"
    );
}

fn runc() -> PathBuf {
    find("runc", "runc")
}

fn find(program: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("these tests need {program}: apt-get install -y {package}"))
}

/// A root with busybox under all its names, and two users.
fn make_layer(layer: &Path) {
    static APPLETS: OnceLock<(PathBuf, Vec<String>)> = OnceLock::new();
    let (busybox, applets) = APPLETS.get_or_init(|| {
        let busybox = find("busybox", "busybox-static");
        let list = Command::new(&busybox).arg("--list").output().expect("busybox runs");
        let names = String::from_utf8(list.stdout).expect("names");
        (busybox, names.lines().map(str::to_owned).collect())
    });
    for dir in ["bin", "etc", "root", "tmp", "srv/app"] {
        std::fs::create_dir_all(layer.join(dir)).expect("made");
    }
    std::fs::copy(busybox, layer.join("bin/busybox")).expect("copied");
    for applet in applets.iter().filter(|name| *name != "busybox") {
        symlink("busybox", layer.join("bin").join(applet)).expect("linked");
    }
    std::fs::write(layer.join("etc/passwd"), PASSWD).expect("written");
    std::fs::write(layer.join("etc/group"), GROUP).expect("written");
}
