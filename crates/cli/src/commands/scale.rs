//! `neargate scale`

use clap::Args;
use neargate_core::input::Command;

use super::deploy::Waiting;
use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::lookup;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  neargate scale auth-service 4\n  neargate scale auth-service 0"
)]
pub(crate) struct Scale {
    /// Service, or cluster/service
    service: String,
    /// How many tasks
    count: u32,
    #[command(flatten)]
    waiting: Waiting,
}

impl Scale {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut client = Client::connect(&global.home()?)?;
        let view = client.platform()?;
        let service = lookup::key(lookup::service(&view, &self.service)?);
        let command = Command::Scale { service: service.clone(), desired_count: self.count };
        self.waiting.send_and_wait(&mut client, command, &service, Some(self.count))
    }
}
