//! The host stays as it is while a platform runs, and nothing is left of one that is gone.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::platform::{Platform, kill, system};

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs {program}: {error}"));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What a platform must not change: addresses, links, routes, forwarding.
fn host_network() -> [String; 4] {
    [
        output("ip", &["-o", "addr"]),
        output("ip", &["-o", "link"]),
        output("ip", &["route"]),
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("readable"),
    ]
    // Counters of time pass.
    .map(|text| text.replace("valid_lft", "").lines().map(cut).collect::<Vec<_>>().join("\n"))
}

fn cut(line: &str) -> &str {
    line.split(" forever").next().unwrap_or(line)
}

/// Mounts, control groups and processes that belong to a home.
fn traces(home: &Path) -> BTreeSet<String> {
    let home = home.to_str().expect("UTF-8");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
    let mounts = mounts.lines().filter(|line| line.contains(home)).map(str::to_owned);
    let processes = output("pgrep", &["-af", home]);
    let processes = processes.lines().filter(|line| !line.contains("pgrep")).map(str::to_owned);
    mounts.chain(processes).collect()
}

#[test]
fn the_hosts_network_stays_as_it_is_and_nothing_is_left() {
    let before = host_network();
    let platform = Platform::up(&system("microservices"), &["--env", "test"]);
    assert_eq!(host_network(), before, "while it runs");
    assert!(traces(platform.home()).iter().any(|trace| trace.contains("nsfs")));
    platform.ok(&["down"]);
    assert_eq!(traces(platform.home()), BTreeSet::new());
    assert_eq!(host_network(), before, "afterwards");
}

/// With engine, edge and every shim killed, `down` still finds everything.
#[test]
fn after_kill_9_of_everything_down_leaves_nothing() {
    let before = host_network();
    let platform = Platform::up(&system("microservices"), &["--env", "test"]);
    let home = platform.home().to_str().expect("UTF-8").to_owned();
    for line in output("pgrep", &["-af", &home]).lines() {
        let ours = ["engine", "edge", "shim"].iter().any(|part| line.contains(part));
        let pid = line.split(' ').next().and_then(|pid| pid.parse().ok());
        if let (true, Some(pid)) = (ours && !line.contains("pgrep"), pid) {
            kill(pid, "KILL");
        }
    }
    platform.ok(&["down"]);
    assert_eq!(traces(platform.home()), BTreeSet::new());
    assert_eq!(host_network(), before);
}
