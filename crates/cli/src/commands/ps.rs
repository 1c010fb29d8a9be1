//! `neargate ps`

use clap::Args;
use neargate_engine::api::PlatformView;

use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::out;
use crate::render::views;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  neargate ps
  neargate ps --all              with the tasks that stopped lately, and why
  neargate ps --json | jq '.services[] | select(.healthy < .desired)'")]
pub(crate) struct Ps {
    /// Also list tasks that have stopped
    #[arg(long, short)]
    all: bool,
    /// Print {"services":[...],"tasks":[...],"loadBalancers":[...]}
    #[arg(long)]
    json: bool,
}

impl Ps {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut view = Client::connect(&global.home()?)?.platform()?;
        if !self.all {
            view.tasks.retain(|task| task.status != "STOPPED");
        }
        if self.json {
            out::json(&view)?;
        } else {
            out::data(&tables(&view))?;
        }
        Ok(())
    }
}

/// Everything, one table after the other.
fn tables(view: &PlatformView) -> String {
    let colours = super::stdout_colours();
    let mut parts = vec![
        views::services(&view.services, colours),
        views::tasks(&view.tasks, colours),
        views::load_balancers(view, colours),
    ];
    parts.retain(|part| !part.is_empty());
    if !view.lost_zones.is_empty() {
        parts.push(format!(
            "{}\n",
            colours.bad(&format!("lost zones: {}", view.lost_zones.join(", ")))
        ));
    }
    match parts.is_empty() {
        true => "nothing runs\n".to_owned(),
        false => parts.join("\n"),
    }
}
