//! The systems' runbooks, by the aws CLI: what people type in AWS runs as it stands against a
//! platform that `neargate up` made, with nothing but the endpoint's address given.
//!
//! `<system>.txt` is a transcript: a line that begins with `$ ` is a command, those after it are what
//! it prints, `*` standing for any characters. Without such lines, only its success counts. Needs
//! the aws CLI, version 2 (or `NEARGATE_AWS`, its path), skopeo and curl, so it is built with the
//! feature `client-tests` only.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A platform of one system; taken down when dropped.
struct Platform {
    home: TempDir,
}

impl Platform {
    fn up(system: &str, environment: &[&str]) -> Platform {
        let home = tempfile::Builder::new().prefix("neargate-runbook").tempdir().expect("a home");
        let platform = Platform { home };
        let system = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systems").join(system);
        let system = system.to_str().expect("UTF-8");
        let options = ["--detach", "--ephemeral-ports", "--port", "0", "--pace", "20"];
        let up = [&["up", system, "--driver", "process"], &options[..], environment].concat();
        let up = platform.neargate(&up);
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        platform
    }

    fn neargate(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neargate"));
        command.args(arguments).arg("--home").arg(self.home.path()).stdin(Stdio::null());
        command.output().expect("the binary runs")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.neargate(arguments).stdout).expect("JSON")
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _reported_elsewhere = self.neargate(&["down"]);
    }
}

/// The aws CLI of version 2: one of that name on the path, of which there may be several.
fn aws() -> PathBuf {
    let given = std::env::var_os("NEARGATE_AWS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join("aws"));
    let mut candidates = given.into_iter().chain(found);
    let is_second = |aws: &PathBuf| {
        let version = Command::new(aws).arg("--version").output();
        version.is_ok_and(|output| output.stdout.starts_with(b"aws-cli/2"))
    };
    candidates.find(is_second).expect("an aws CLI of version 2 on the path, or in NEARGATE_AWS")
}

/// Whether a line is what was expected, `*` standing for any characters.
fn fits(expected: &str, line: &str) -> bool {
    match expected.split_once('*') {
        None => expected == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            let places = line.char_indices().map(|(place, _)| place).chain([line.len()]);
            places.into_iter().any(|place| fits(rest, &line[place..]))
        }),
    }
}

#[test]
fn modular_template() {
    runs_as_it_stands("modular-template", "us-east-1", &[]);
}

#[test]
fn backend_booking() {
    runs_as_it_stands("backend-booking", "eu-west-2", &[]);
}

#[test]
fn microservices() {
    runs_as_it_stands("microservices", "us-west-2", &[]);
}

#[test]
fn customer_order_portal() {
    runs_as_it_stands("customer-order-portal", "us-west-2", &[]);
}

#[test]
fn broxiva() {
    runs_as_it_stands("broxiva", "us-east-1", &["--env", "prod"]);
}

/// Types a system's transcript, line by line, and says which lines answered otherwise.
fn runs_as_it_stands(system: &str, region: &str, environment: &[&str]) {
    let platform = Platform::up(system, environment);
    let status = platform.json(&["status", "--json"]);
    let url = status["engine"]["endpoint"].as_str().expect("an endpoint").to_owned();
    let load_balancer = platform.json(&["ps", "--json"])["loadBalancers"][0]["url"].clone();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runbook");
    let transcript = std::fs::read_to_string(folder.join(format!("{system}.txt"))).expect(system);
    let aws = aws();
    let scratch = tempfile::tempdir().expect("a directory");
    // Releases of version 2 before AWS_ENDPOINT_URL was known take the option only.
    let wrapper = scratch.path().join("bin/aws");
    std::fs::create_dir(scratch.path().join("bin")).expect("made");
    let script = format!(
        "#!/bin/sh\nexec '{}' --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"\n",
        aws.display()
    );
    std::fs::write(&wrapper, script).expect("written");
    std::fs::set_permissions(&wrapper, Permissions::from_mode(0o755)).expect("executable");
    let mut directories = vec![scratch.path().join("bin")];
    directories.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let path = std::env::join_paths(directories).expect("a path");
    let shell = |line: &str| {
        let mut bash = Command::new("bash");
        bash.current_dir(scratch.path())
            .env("PATH", &path)
            .env("HOME", scratch.path())
            .stdin(Stdio::null());
        bash.env("AWS_ENDPOINT_URL", &url).env("AWS_REGION", region);
        bash.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "x").env("AWS_PAGER", "");
        bash.env("REGISTRY", url.trim_start_matches("http://"));
        bash.env("SCRIPTS", &folder);
        bash.env("LOAD_BALANCER", load_balancer.as_str().unwrap_or_default());
        bash.args(["-euo", "pipefail", "-c", line]).output().expect("bash runs")
    };
    let mut problems = Vec::new();
    for entry in transcript.split("\n$ ").skip(1) {
        let mut lines = entry.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let command = lines.next().expect("a command");
        let expected: Vec<&str> = lines.collect();
        let output = shell(command);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let found: Vec<&str> = printed.lines().collect();
        let is_right = expected.is_empty()
            || (found.len() == expected.len()
                && expected.iter().zip(&found).all(|(expected, line)| fits(expected, line)));
        if !output.status.success() || !is_right {
            let errors = String::from_utf8_lossy(&output.stderr);
            problems.push(format!("$ {command}\n{}\n{printed}{errors}", output.status));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
