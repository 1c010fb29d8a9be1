//! `neargate doctor`

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use clap::Args;
use nix::sys::resource::{Resource, getrlimit};
use serde::Serialize;

use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::home::Home;
use crate::out;
use crate::render::Colours;

/// Descriptors the edge may need with a few hundred connections on both sides.
const OPEN_FILES_WANTED: u64 = 4096;
const MIB: u64 = 1 << 20;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  neargate doctor
  neargate doctor systems/microservices    also checks the listener ports of that system")]
pub(crate) struct Doctor {
    /// Folder of a neargate.yaml, or such a file, whose listener ports are checked too
    system: Option<PathBuf>,
    /// Port of the AWS endpoint
    #[arg(long, default_value_t = neargate_engine::DEFAULT_PORT)]
    port: u16,
    /// Print [{"check","verdict","found","advice"}...]
    #[arg(long)]
    json: bool,
}

/// What one check says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do about it.
    advice: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// As it should be.
    Ok,
    /// Works, with something missing.
    Warn,
    /// A platform cannot run.
    Fail,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Finding {
        Finding { check, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Warn, advice: Some(advice.into()), ..Finding::ok(check, found) }
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Fail, advice: Some(advice.into()), ..Finding::ok(check, found) }
    }
}

impl Doctor {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let home = global.home()?;
        let ports = match &self.system {
            Some(path) => listener_ports(path)?,
            None => Vec::new(),
        };
        let findings = examine(&home, self.port, &ports);
        if self.json {
            out::json(&findings)?;
        } else {
            out::data(&render(&findings, super::stdout_colours()))?;
        }
        match findings.iter().filter(|f| f.verdict == Verdict::Fail).count() {
            0 => Ok(()),
            failed => Err(Failure::new(format!("{failed} checks failed"))),
        }
    }
}

fn examine(home: &Home, endpoint_port: u16, listener_ports: &[u16]) -> Vec<Finding> {
    let engine = Client::find(home);
    let running = matches!(engine, Ok(Some(_)));
    let mut findings = vec![
        kernel(),
        user(),
        user_namespaces(Path::new("/proc/sys")),
        cgroups(Path::new("/sys/fs/cgroup")),
        containers(home),
        loopback(),
        open_files(),
        disk(home),
        writable(home),
    ];
    findings.extend(processes(engine));
    if !running {
        findings.push(port("AWS endpoint port", endpoint_port, "choose another with --port"));
        let advice = "stop what uses it, or start with --ephemeral-ports";
        findings.extend(listener_ports.iter().map(|p| port("listener port", *p, advice)));
    }
    findings
}

/// Host ports the system's listeners want.
fn listener_ports(path: &Path) -> Result<Vec<u16>, Failure> {
    let system = super::up::load(path)?;
    Ok(super::up::host_ports(&system))
}

fn kernel() -> Finding {
    let release = nix::sys::utsname::uname()
        .map(|name| format!("{} {}", name.sysname().display(), name.release().display()));
    match release {
        Ok(release) if release.starts_with("Linux ") => Finding::ok("kernel", release),
        Ok(other) => Finding::warn(
            "kernel",
            other,
            "only Linux is tested; other systems may lack loopback addresses besides 127.0.0.1",
        ),
        Err(error) => Finding::warn("kernel", format!("unknown ({error})"), "check `uname -a`"),
    }
}

fn user() -> Finding {
    match nix::unistd::geteuid() {
        root if root.is_root() => Finding::ok("user", "root"),
        other => Finding::ok("user", format!("uid {other}; the process driver needs no root")),
    }
}

fn user_namespaces(proc_sys: &Path) -> Finding {
    let read = |name: &str| std::fs::read_to_string(proc_sys.join(name)).unwrap_or_default();
    let most: u64 = read("user/max_user_namespaces").trim().parse().unwrap_or(0);
    let unprivileged = read("kernel/unprivileged_userns_clone").trim() != "0";
    let advice = "not needed by the process driver; the container driver will want them";
    match (most, unprivileged) {
        (0, _) => Finding::warn("user namespaces", "off", advice),
        (_, false) => Finding::warn("user namespaces", "for root only", advice),
        (most, true) => Finding::ok("user namespaces", format!("up to {most}")),
    }
}

fn cgroups(root: &Path) -> Finding {
    let advice = "CPU and memory limits are not enforced by the process driver anyway";
    if root.join("cgroup.controllers").exists() {
        Finding::ok("cgroups", "version 2")
    } else if root.join("memory").exists() {
        Finding::ok("cgroups", "version 1")
    } else {
        Finding::warn("cgroups", "not found", advice)
    }
}

/// Every task of the process driver has its own address in 127.0.0.0/8.
/// Found out by starting a container, not by asking for versions.
fn containers(home: &Home) -> Finding {
    const CHECK: &str = "containers";
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Finding::warn(CHECK, format!("unknown ({error})"), "try again"),
    };
    // The probe needs a directory; the home may not exist yet, nor be wanted.
    let place = if home.path().is_dir() { home.path().to_owned() } else { std::env::temp_dir() };
    let found = match neargate_runtime::examine(&program, &place) {
        Ok(found) => found,
        Err(why) => return without_containers(&why),
    };
    if !found.libcontainer.works && !found.runc.works {
        // Of the two, runc needs less.
        return without_containers(&found.runc.reason);
    }
    let parts = [
        ("overlay", &found.overlay),
        ("CPU limit", &found.cpu_limit),
        ("memory limit", &found.memory_limit),
        ("process limit", &found.pids_limit),
        ("seccomp", &found.seccomp),
        ("ephemeral storage limit", &found.storage_limit),
    ];
    let (works, lacks): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(_, part)| part.works);
    let names: Vec<&str> = works.iter().map(|(name, _)| *name).collect();
    let own = if found.libcontainer.works { "work" } else { "work with runc only" };
    let text =
        format!("{own}: {}; at most {} open files each", names.join(", "), found.nofile_ceiling);
    match lacks.as_slice() {
        [] => Finding::ok(CHECK, text),
        lacks => {
            let reasons: Vec<&str> = lacks.iter().map(|(_, part)| part.reason.as_str()).collect();
            Finding::warn(CHECK, text, reasons.join("; "))
        }
    }
}

fn without_containers(why: &str) -> Finding {
    let mut advice =
        "tasks run as plain processes on loopback addresses (driver process)".to_owned();
    if !nix::unistd::geteuid().is_root() {
        advice.push_str(
            "; with runc installed, `unshare -Urmnpf --mount-proc` gives a shell in which containers \
             work without limits, reachable from in there (README: without root)",
        );
    }
    Finding::warn("containers", format!("do not work: {why}"), advice)
}

fn loopback() -> Finding {
    let address = Ipv4Addr::new(127, 113, 7, 1);
    let attempt = || -> std::io::Result<()> {
        let listener = TcpListener::bind(SocketAddrV4::new(address, 0))?;
        TcpStream::connect(listener.local_addr()?).map(|_| ())
    };
    match attempt() {
        Ok(()) => Finding::ok("loopback 127.0.0.0/8", "usable"),
        Err(error) => Finding::fail(
            "loopback 127.0.0.0/8",
            format!("{address} cannot be used: {error}"),
            "the whole range must be usable: see `ip address show dev lo`",
        ),
    }
}

fn open_files() -> Finding {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if hard < OPEN_FILES_WANTED => Finding::warn(
            "open files",
            format!("{soft}, at most {hard}"),
            format!("raise the hard limit to {OPEN_FILES_WANTED} for many connections"),
        ),
        Ok((soft, hard)) if soft < 1024 => Finding::warn(
            "open files",
            format!("{soft}, at most {hard}"),
            format!("run `ulimit -n {OPEN_FILES_WANTED}` first"),
        ),
        Ok((soft, hard)) => Finding::ok("open files", format!("{soft}, at most {hard}")),
        Err(error) => Finding::warn("open files", error.to_string(), "check `ulimit -n`"),
    }
}

/// The nearest part of the path that exists.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("/"))
}

fn disk(home: &Home) -> Finding {
    let path = existing(home.path());
    match nix::sys::statvfs::statvfs(path) {
        Ok(stat) => {
            let free = stat.blocks_available() * stat.fragment_size();
            let found = format!("{} MiB free at {}", free / MIB, path.display());
            match free / MIB {
                0..64 => Finding::fail("disk", found, "free some space, or choose another --home"),
                64..1024 => Finding::warn("disk", found, "logs and journal grow: free some space"),
                _ => Finding::ok("disk", found),
            }
        }
        Err(error) => Finding::warn("disk", format!("{}: {error}", path.display()), "check `df`"),
    }
}

fn writable(home: &Home) -> Finding {
    let path = existing(home.path());
    let probe = path.join(format!(".neargate-doctor-{}", std::process::id()));
    match std::fs::write(&probe, b"x").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => Finding::ok("home", format!("{home} can be written")),
        Err(error) => Finding::fail(
            "home",
            format!("cannot write in {}: {error}", path.display()),
            "choose another directory with --home",
        ),
    }
}

fn port(check: &'static str, port: u16, advice: &str) -> Finding {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Finding::ok(check, format!("{port} is free")),
        Err(error) => Finding::fail(check, format!("{port} cannot be used: {error}"), advice),
    }
}

fn processes(engine: Result<Option<Client>, Failure>) -> Vec<Finding> {
    let mut client = match engine {
        Ok(None) => return vec![Finding::ok("engine", "does not run on this home")],
        Ok(Some(client)) => client,
        Err(failure) => {
            return vec![Finding::fail("engine", failure.render(), "see engine.log in the home")];
        }
    };
    let status = match client.status() {
        Ok(status) => status,
        Err(failure) => {
            return vec![Finding::fail("engine", failure.render(), "see engine.log in the home")];
        }
    };
    let ours = env!("CARGO_PKG_VERSION");
    let engine = format!("pid {}, version {}", status.engine.pid, status.engine.version);
    let mut findings = vec![match status.engine.version == ours {
        true => Finding::ok("engine", engine),
        false => Finding::warn(
            "engine",
            engine,
            format!("this command line is version {ours}: restart with `neargate down` and `up`"),
        ),
    }];
    findings.push(match status.edge.pid {
        // The engine replaces an edge of another version by itself.
        Some(pid) => Finding::ok("edge", format!("pid {pid}, same version as the engine")),
        None => Finding::warn("edge", "is being restarted", "look again in a moment"),
    });
    if let Ok(view) = client.platform() {
        for listener in view.load_balancers.iter().flat_map(|balancer| &balancer.listeners) {
            if let Some(error) = &listener.error {
                findings.push(Finding::fail(
                    "listener port",
                    format!("{}: {error}", listener.port),
                    "stop what uses it; the load balancer keeps trying",
                ));
            }
        }
    }
    findings
}

fn render(findings: &[Finding], colours: Colours) -> String {
    let width = findings.iter().map(|f| f.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Ok => colours.good("ok  "),
            Verdict::Warn => colours.busy("warn"),
            Verdict::Fail => colours.bad("fail"),
        };
        let found = finding.found.trim_end().replace('\n', " ");
        text.push_str(&format!("{verdict}  {:width$}  {found}", finding.check));
        if let Some(advice) = &finding.advice {
            text.push_str(&format!(" - {advice}"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each_with_what_to_do() {
        let findings = [
            Finding::ok("kernel", "Linux 6"),
            Finding::fail("home", "cannot write\n", "choose another"),
        ];
        assert_eq!(
            render(&findings, Colours(false)),
            "ok    kernel  Linux 6\nfail  home    cannot write - choose another\n"
        );
    }

    #[test]
    fn a_taken_port_fails_and_a_free_one_does_not() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let number = taken.local_addr().unwrap().port();
        assert_eq!(port("p", number, "x").verdict, Verdict::Fail);
        assert_eq!(port("p", 0, "x").verdict, Verdict::Ok);
    }

    #[test]
    fn switched_off_features_are_warnings() {
        let directory = tempfile::tempdir().unwrap();
        let proc_sys = directory.path();
        assert_eq!(user_namespaces(proc_sys).verdict, Verdict::Warn);
        std::fs::create_dir_all(proc_sys.join("user")).unwrap();
        std::fs::write(proc_sys.join("user/max_user_namespaces"), "100\n").unwrap();
        assert_eq!(user_namespaces(proc_sys).verdict, Verdict::Ok);
        assert_eq!(cgroups(proc_sys).verdict, Verdict::Warn);
    }
}
