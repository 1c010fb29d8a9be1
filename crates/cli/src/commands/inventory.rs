//! `neargate inventory`

use clap::Args;

use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::out;
use crate::render::table;

#[derive(Debug, Args)]
#[command(
    after_help = "Secret values are never shown.\n\nExamples:\n  neargate inventory\n  neargate inventory --json | jq '.services'"
)]
pub(crate) struct Inventory {
    /// Print {"KIND":{"NAME":{...}}}: everything with what was asked for
    #[arg(long)]
    json: bool,
}

impl Inventory {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let inventory = Client::connect(&global.home()?)?.inventory()?;
        if self.json {
            out::json(&inventory)?;
            return Ok(());
        }
        let rows: Vec<Vec<table::Cell>> = inventory
            .iter()
            .flat_map(|(kind, things)| things.keys().map(move |name| (kind, name)))
            .map(|(kind, name)| vec![kind.as_str().into(), name.as_str().into()])
            .collect();
        out::data(&table::render(&["KIND", "NAME"], &rows))?;
        Ok(())
    }
}
