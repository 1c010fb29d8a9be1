//! Finds the engine of a home, or starts one that outlives this command.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use neargate_engine::AuthMode;
use neargate_engine::api::Status;

use crate::client::Client;
use crate::failure::{Failure, HOME_IN_USE};
use crate::home::Home;
use crate::interrupt::Interrupts;

/// A fresh engine answers within milliseconds; recovery of a long journal takes longer.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How often the socket is tried meanwhile.
const POLL: Duration = Duration::from_millis(5);
/// Lines of the engine's own words shown when it does not start.
const TAIL_LINES: usize = 10;

/// What the engine is to be like; `None` takes what runs, or the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Platform seconds per real second.
    pub(crate) pace: Option<u32>,
    /// Port of the AWS endpoint.
    pub(crate) port: Option<u16>,
    /// How tasks are run.
    pub(crate) driver: Option<String>,
    /// Who may send requests to the AWS endpoint.
    pub(crate) auth: Option<AuthMode>,
    /// Region of a platform that is about to be made; it stands in every ARN.
    pub(crate) region: Option<String>,
}

/// The running engine of the home; starts it when there is none. `true` when it was started.
pub(crate) fn ensure(
    home: &Home,
    wanted: &Wanted,
    interrupts: &Interrupts,
) -> Result<(Client, Status, bool), Failure> {
    let (mut client, started) = match Client::find(home)? {
        Some(client) => (client, false),
        None => (start(home, wanted, interrupts)?, true),
    };
    let status = client.status()?;
    if let Some(conflict) = conflict(&status, wanted) {
        return Err(Failure::bad_input(conflict).hint(format!(
            "leave the option out, stop that engine with `neargate down --home {home}`, or use \
             another --home"
        )));
    }
    Ok((client, status, started))
}

/// Why the running engine is not the one that is wanted.
fn conflict(status: &Status, wanted: &Wanted) -> Option<String> {
    let differs = |what: &str, runs: &str, asked: &str| {
        format!("the engine of {} runs with {what} {runs}, not {asked}", status.home)
    };
    if let Some(pace) = wanted.pace.filter(|pace| *pace != status.pace) {
        return Some(differs("--pace", &status.pace.to_string(), &pace.to_string()));
    }
    if let Some(driver) = wanted.driver.as_ref().filter(|driver| **driver != status.driver) {
        return Some(differs("--driver", &status.driver, driver));
    }
    if let Some(auth) = wanted.auth.filter(|auth| *auth != status.auth) {
        return Some(differs("--auth", &status.auth.to_string(), &auth.to_string()));
    }
    let port = status.engine.endpoint.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    match (wanted.port, port) {
        (Some(asked), Some(runs)) if asked != 0 && asked != runs => {
            Some(differs("--port", &runs.to_string(), &asked.to_string()))
        }
        _ => None,
    }
}

fn start(home: &Home, wanted: &Wanted, interrupts: &Interrupts) -> Result<Client, Failure> {
    home.create()?;
    let log_path = home.engine_log();
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .open(&log_path)
        .with_context(|| format!("cannot open {}", log_path.display()))?;
    let log_start = log.seek(SeekFrom::End(0))?;
    let mut child = spawn(home, wanted, &log)?;
    let began = crate::clock::now();
    loop {
        // Look at the child first: its socket may be from an engine that was there before it.
        let ended = child.try_wait()?;
        if let Some(client) = Client::find(home)? {
            return Ok(client);
        }
        let late = began.elapsed() > START_TIMEOUT;
        if let Some(exit) = ended {
            // Somebody else was faster, or one that was killed is not quite gone yet.
            let overtaken = exit.code() == Some(i32::from(HOME_IN_USE));
            if overtaken && !late {
                child = spawn(home, wanted, &log)?;
                continue;
            }
            let words = tail(&mut log, log_start);
            return Err(Failure::new(format!("the engine did not start ({exit}){words}"))
                .hint(format!("its log is {}", log_path.display())));
        }
        if late {
            let words = tail(&mut log, log_start);
            stop(&mut child);
            return Err(Failure::new(format!(
                "the engine did not answer within {} s{words}",
                START_TIMEOUT.as_secs()
            ))
            .hint(format!("its log is {}", log_path.display())));
        }
        if interrupts.wait(POLL) {
            stop(&mut child);
            return Err(Failure::new("interrupted while the engine was starting"));
        }
    }
}

/// Starts an engine in a session of its own.
fn spawn(home: &Home, wanted: &Wanted, log: &std::fs::File) -> Result<Child, Failure> {
    let program = std::env::current_exe().context("cannot tell the path of this program")?;
    let mut command = std::process::Command::new(&program);
    command.arg("engine").arg("--detached").arg("--home").arg(home.path());
    if let Some(port) = wanted.port {
        command.arg("--port").arg(port.to_string());
    }
    if let Some(pace) = wanted.pace {
        command.arg("--pace").arg(pace.to_string());
    }
    if let Some(driver) = &wanted.driver {
        command.arg("--driver").arg(driver);
    }
    if let Some(auth) = wanted.auth {
        command.arg("--auth").arg(auth.to_string());
    }
    if let Some(region) = &wanted.region {
        command.arg("--default-region").arg(region);
    }
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .spawn()
        .with_context(|| format!("cannot start {} engine", program.display()))?;
    Ok(child)
}

/// Ends the engine this command has just started and nobody uses.
fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The end of what the engine has written since this start, as further lines of the message.
fn tail(log: &mut std::fs::File, start: u64) -> String {
    let mut bytes = Vec::new();
    let read = log.seek(SeekFrom::Start(start)).and_then(|_| log.read_to_end(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..]
        .iter()
        .map(|line| format!("\n  {}", line.strip_prefix("error: ").unwrap_or(line)))
        .collect()
}

#[cfg(test)]
mod tests {
    use neargate_engine::api::{EdgeStatus, EngineStatus};

    use super::*;

    #[test]
    fn only_options_that_were_given_can_conflict() {
        let status = Status {
            engine: EngineStatus {
                pid: 1,
                endpoint: "http://127.0.0.1:4566".to_owned(),
                version: "0.1.0".to_owned(),
                cpu_ms: 0,
            },
            edge: EdgeStatus { pid: None },
            driver: "process".to_owned(),
            driver_note: None,
            auth: AuthMode::Strict,
            pace: 20,
            home: "/h".to_owned(),
            dns: "127.9.0.2:53".to_owned(),
        };
        let check = |pace, port, driver: Option<&str>| {
            conflict(
                &status,
                &Wanted { pace, port, driver: driver.map(str::to_owned), ..Wanted::default() },
            )
        };
        assert_eq!(check(None, None, None), None);
        assert_eq!(check(Some(20), Some(4566), Some("process")), None);
        assert_eq!(check(None, Some(0), None), None);
        assert_eq!(
            check(Some(1), None, None).unwrap(),
            "the engine of /h runs with --pace 20, not 1"
        );
        let any = Wanted { auth: Some(AuthMode::Any), ..Wanted::default() };
        assert!(conflict(&status, &any).unwrap().contains("--auth strict, not any"));
        assert!(check(None, Some(1), None).unwrap().contains("--port 4566, not 1"));
        assert!(check(None, None, Some("container")).unwrap().contains("--driver process"));
    }
}
