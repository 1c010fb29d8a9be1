//! `neargate rollback`

use clap::Args;
use neargate_core::input::Command;

use super::deploy::Waiting;
use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::lookup;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  neargate rollback auth-service           to the revision before the current one
  neargate rollback auth-service --to 3    to revision 3 of its task definition family")]
pub(crate) struct Rollback {
    /// Service, or cluster/service
    service: String,
    /// Revision number
    #[arg(long, value_name = "REV")]
    to: Option<u32>,
    #[command(flatten)]
    waiting: Waiting,
}

impl Rollback {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut client = Client::connect(&global.home()?)?;
        let view = client.platform()?;
        let service = lookup::key(lookup::service(&view, &self.service)?);
        let command = Command::Rollback { service: service.clone(), revision: self.to };
        self.waiting.send_and_wait(&mut client, command, &service, None)
    }
}
