//! `neargate events`

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use neargate_engine::api::EventView;

use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::render::{Colours, time};
use crate::{lookup, out};

/// How often `--follow` looks for new events.
const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  neargate events auth-service\n  neargate events main/auth-service --follow"
)]
pub(crate) struct Events {
    /// Service, or cluster/service
    service: String,
    /// Go on showing new events until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Print [{"id","createdAtMs","message"}...], oldest first; one object per line with --follow
    #[arg(long)]
    json: bool,
}

impl Events {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut client = Client::connect(&global.home()?)?;
        let view = client.platform()?;
        let name = lookup::key(lookup::service(&view, &self.service)?);
        let colours = super::stdout_colours();
        if self.json && !self.follow {
            out::json(&client.events(&name.cluster, &name.service)?)?;
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        loop {
            for event in client.events(&name.cluster, &name.service)? {
                if seen.insert(event.id.clone()) {
                    let mut line = match self.json {
                        true => serde_json::to_string(&event)?,
                        false => line(&event, colours),
                    };
                    line.push('\n');
                    out::data(&line)?;
                }
            }
            if !self.follow {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Time and message of an event.
pub(super) fn line(event: &EventView, colours: Colours) -> String {
    format!("{}  {}", colours.dim(&time(event.created_at_ms)), event.message)
}
