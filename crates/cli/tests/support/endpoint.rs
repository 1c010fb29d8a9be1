//! An endpoint of its own for one case.

#![allow(dead_code, reason = "each test program uses another part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

/// An engine answers within this time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running engine with nothing in it; taken down when dropped.
pub(crate) struct Endpoint {
    home: TempDir,
    engine: Child,
    region: String,
    pub(crate) url: String,
}

impl Endpoint {
    /// Starts an engine on a free port, twenty times faster than real time.
    pub(crate) fn start() -> Result<Endpoint> {
        Endpoint::start_in("us-east-1")
    }

    /// The same in another region.
    pub(crate) fn start_in(region: &str) -> Result<Endpoint> {
        let home = tempfile::Builder::new().prefix("neargate-terraform").tempdir()?;
        let engine = serve(home.path(), 0, region)?;
        let region = region.to_owned();
        let mut endpoint = Endpoint { home, engine, region, url: String::new() };
        endpoint.await_answer()?;
        Ok(endpoint)
    }

    /// Kills the engine with no time for anything, and starts another at the same address.
    pub(crate) fn kill_and_restart(&mut self) -> Result<()> {
        self.engine.kill()?;
        self.engine.wait()?;
        let port = self.url.rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.context("an address with a port")?;
        self.engine = serve(self.home.path(), port, &self.region)?;
        self.await_answer()
    }

    fn await_answer(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            if began.elapsed() > PATIENCE || self.engine.try_wait()?.is_some() {
                bail!("neargate serve does not answer:\n{}", self.log());
            }
            // Each try is a process of its own, so this does not spin.
            let output = self.run(&["status", "--json"])?;
            if output.status.success() {
                let status: Value = serde_json::from_slice(&output.stdout)?;
                self.url = status["engine"]["endpoint"].as_str().unwrap_or_default().to_owned();
                return Ok(());
            }
        }
    }

    /// The command, on this endpoint's home.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neargate"));
        command.args(arguments).arg("--home").arg(self.home.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(arguments).output()?)
    }

    /// A command that must succeed.
    pub(crate) fn must(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(
            output.status.success(),
            "neargate {arguments:?}:\n{}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        Ok(text(&output.stdout))
    }

    /// What a listing says.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.run(&[arguments, &["--json"]].concat())?;
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!("neargate {arguments:?}: {}", String::from_utf8_lossy(&output.stderr))
        })
    }

    /// What the platform is made of, by kind and name.
    pub(crate) fn inventory(&self) -> Result<BTreeMap<String, BTreeMap<String, Value>>> {
        Ok(serde_json::from_value(self.json(&["inventory"])?)?)
    }

    /// The last lines that the engine wrote.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.home.path().join("serve.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

fn serve(home: &Path, port: u16, region: &str) -> Result<Child> {
    let mut options = std::fs::OpenOptions::new();
    let log = options.create(true).append(true).open(home.join("serve.log"))?;
    Command::new(env!("CARGO_BIN_EXE_neargate"))
        .args(["serve", "--driver", "process", "--pace", "20"])
        .args(["--port", &port.to_string(), "--region", region, "--home"])
        .arg(home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("starting neargate serve")
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let down = self.run(&["down"]);
        if !down.is_ok_and(|output| output.status.success()) {
            let _gone_already = self.engine.kill();
        }
        let _ended = self.engine.wait();
    }
}
