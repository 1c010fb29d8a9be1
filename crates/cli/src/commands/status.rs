//! `neargate status`

use clap::Args;

use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::out;
use crate::render::table;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  neargate status\n  neargate status --json | jq .engine.pid")]
pub(crate) struct Status {
    /// Print {"engine":{"pid","endpoint",...},"edge":{"pid"},"driver","auth","pace","home","dns"}
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let status = Client::connect(&global.home()?)?.status()?;
        if self.json {
            out::json(&status)?;
            return Ok(());
        }
        let edge = status.edge.pid.map_or("restarting".to_owned(), |pid| pid.to_string());
        let rows = [
            ("engine", format!("pid {}, version {}", status.engine.pid, status.engine.version)),
            ("engine CPU", format!("{:.1} s", status.engine.cpu_ms as f64 / 1000.0)),
            ("edge", format!("pid {edge}")),
            ("endpoint", status.engine.endpoint),
            ("names", format!("{} (DNS)", status.dns)),
            ("driver", status.driver),
            ("auth", status.auth.to_string()),
            ("pace", status.pace.to_string()),
            ("home", status.home),
        ];
        let rows: Vec<Vec<table::Cell>> =
            rows.into_iter().map(|(name, value)| vec![name.into(), value.into()]).collect();
        out::data(&table::render(&["WHAT", "VALUE"], &rows))?;
        Ok(())
    }
}
