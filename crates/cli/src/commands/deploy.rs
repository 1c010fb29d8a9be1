//! `neargate deploy`

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use neargate_core::input::Command;

use super::wait;
use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::render::views;
use crate::{lookup, out, outcome};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  neargate deploy auth-service                          the same revision anew
  neargate deploy auth-service --image auth:2.0         another image
  neargate deploy auth-service --env-var LOG_LEVEL=debug
Exit code 1 when the deployment failed or was rolled back; the reason is printed.")]
pub(crate) struct Deploy {
    /// Service, or cluster/service
    service: String,
    /// Image for the first essential container
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Variable to set in every container; may be repeated
    #[arg(long, value_name = "K=V", value_parser = key_value)]
    env_var: Vec<(String, String)>,
    #[command(flatten)]
    waiting: Waiting,
}

/// Options of every command that waits for a service.
#[derive(Debug, Args)]
pub(crate) struct Waiting {
    /// Give up waiting after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    timeout: u64,
    /// Print the service as `ps --json` shows it
    #[arg(long)]
    json: bool,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

impl Deploy {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut client = Client::connect(&global.home()?)?;
        let view = client.platform()?;
        let service = lookup::key(lookup::service(&view, &self.service)?);
        let environment: BTreeMap<String, String> = self.env_var.iter().cloned().collect();
        let command = if self.image.is_none() && environment.is_empty() {
            Command::Deploy { service: service.clone(), task_definition: None, force: true }
        } else {
            let image = self.image.clone();
            Command::DeployChanges { service: service.clone(), image, environment }
        };
        self.waiting.send_and_wait(&mut client, command, &service, None)
    }
}

impl Waiting {
    /// Sends one command about one service and waits until the service is steady on what it asked
    /// for.
    pub(super) fn send_and_wait(
        &self,
        client: &mut Client,
        command: Command,
        service: &neargate_core::service::ServiceName,
        desired: Option<u32>,
    ) -> Result<(), Failure> {
        let interrupts = Interrupts::catch()?;
        client.commands(vec![command], BTreeMap::new(), Vec::new())?;
        let accepted = client.platform()?;
        let mut goal = wait::goal_from(&accepted, std::slice::from_ref(service));
        for expected in goal.services.values_mut() {
            expected.desired = desired;
        }
        let timeout = Duration::from_secs(self.timeout);
        let view = wait::until_steady_or_interrupted(client, &goal, timeout, &interrupts)?;
        let Some(steady) = outcome::find(&view, service) else {
            return Err(Failure::new(format!("service {service} is gone")));
        };
        if self.json {
            out::json(steady)?;
        } else {
            let table = views::services(std::slice::from_ref(steady), super::stdout_colours());
            out::data(&table)?;
        }
        Ok(())
    }
}
