//! `neargate stop-task`

use std::collections::BTreeMap;

use clap::Args;
use neargate_core::input::Command;

use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::{lookup, out};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  neargate stop-task 01ab34cd\n  neargate stop-task 01ab --reason drill"
)]
pub(crate) struct StopTask {
    /// Task id, or the beginning of one
    task: String,
    /// Shown as the task's stopped reason
    #[arg(long)]
    reason: Option<String>,
    /// Print {"task","service"}
    #[arg(long)]
    json: bool,
}

impl StopTask {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut client = Client::connect(&global.home()?)?;
        let view = client.platform()?;
        let task = lookup::task(&view, &self.task)?;
        if task.status == "STOPPED" {
            return Err(Failure::bad_input(format!("task {} has already stopped", task.id)));
        }
        let command = Command::StopTask { task: task.id.parse()?, reason: self.reason.clone() };
        client.commands(vec![command], BTreeMap::new(), Vec::new())?;
        if self.json {
            out::json(&serde_json::json!({ "task": task.id, "service": task.service }))?;
        } else {
            out::note(&format!("stopping task {} of {}\n", task.id, task.service));
        }
        Ok(())
    }
}
