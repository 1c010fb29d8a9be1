//! `neargate down`

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use clap::Args;
use neargate_engine::api::TaskView;

use crate::cli::Global;
use crate::client::Client;
use crate::engine_process::{self, Wanted};
use crate::failure::Failure;
use crate::home::Home;
use crate::interrupt::Interrupts;
use crate::out;

/// Longest drain (ALB-TG-2) plus longest stop timeout (ECS-TD-12), and some more, at pace 1.
const TIMEOUT: Duration = Duration::from_secs(3600 + 120 + 60);

/// How often the answer, the user and the platform are looked at.
const POLL: Duration = Duration::from_millis(20);
/// A quick end needs no progress.
const QUIET: Duration = Duration::from_secs(1);
/// How long the engine may take to end after its answer.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  neargate down\n  neargate down --home /tmp/second")]
pub(crate) struct Down {
    /// Print `{"stopped":true}`, or false when nothing was running
    #[arg(long)]
    json: bool,
}

impl Down {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let home = global.home()?;
        let interrupts = Interrupts::catch()?;
        let client = match Client::find(&home)? {
            // Tasks and edge outlive an engine that was killed; only an engine can end them well.
            None if home.has_survivors() => {
                let any_port = Wanted { port: Some(0), ..Wanted::default() };
                Some(engine_process::ensure(&home, &any_port, &interrupts)?.0)
            }
            found => found,
        };
        let stopped = client.is_some();
        if let Some(client) = client {
            take_down(&home, client, &interrupts)?;
        }
        match (self.json, stopped) {
            (true, _) => out::json(&serde_json::json!({ "stopped": stopped }))?,
            (false, true) => out::note("everything is stopped\n"),
            (false, false) => out::note(&format!("no platform runs on the home {home}\n")),
        }
        Ok(())
    }
}

/// Stops everything and waits for it, down to the engine's own end. Another Ctrl-C gives up
/// waiting.
pub(crate) fn take_down(
    home: &Home,
    mut client: Client,
    interrupts: &Interrupts,
) -> Result<(), Failure> {
    let engine = client.status()?.engine.pid;
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name("down".to_owned()).spawn(move || {
        let _ = sender.send(client.down(TIMEOUT));
    })?;
    let began = crate::clock::now();
    let mut reported = None;
    loop {
        match receiver.recv_timeout(POLL) {
            Ok(outcome) => {
                outcome?;
                break;
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new("waiting for the engine broke off"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if interrupts.wait(Duration::ZERO) {
            return Err(Failure::new(still_running(home)).hint(
                "the engine goes on stopping them; `neargate ps --all` shows how far it is",
            ));
        }
        if began.elapsed() > QUIET {
            // Draining can take minutes; somebody who watches wants to see it move.
            let left = running_tasks(home).map(|tasks| tasks.len());
            if left != reported {
                if let Some(left) = left {
                    out::note(&format!("{left} tasks left\n"));
                }
                reported = left;
            }
        }
    }
    // The next `up` must not meet an engine that is about to go.
    let answered = crate::clock::now();
    while is_alive(engine) && answered.elapsed() < GRACE {
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Whether the process exists and is more than a zombie.
fn is_alive(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(_) => false,
        Ok(stat) => {
            let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
            !state.starts_with(['Z', 'X'])
        }
    }
}

/// The tasks that have not stopped; `None` when the engine does not say.
fn running_tasks(home: &Home) -> Option<Vec<TaskView>> {
    let mut view = Client::find(home).ok()??.platform().ok()?;
    view.tasks.retain(|task| task.status != "STOPPED");
    Some(view.tasks)
}

fn still_running(home: &Home) -> String {
    match running_tasks(home) {
        None => "interrupted; the engine does not answer any more".to_owned(),
        Some(tasks) => {
            let lines: Vec<String> = tasks
                .iter()
                .map(|task| format!("\n  task {} of {} ({})", task.id, task.service, task.status))
                .collect();
            format!("interrupted; still running: {} tasks{}", tasks.len(), lines.concat())
        }
    }
}
