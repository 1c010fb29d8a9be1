//! `neargate chaos`

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use neargate_core::input::Command;
use neargate_engine::api::PlatformView;

use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::{lookup, out};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  neargate chaos spot                        reclaim every Spot task, with the two-minute notice
  neargate chaos spot worker --count 1       one task of one service
  neargate chaos spot --no-capacity          reclaim all, and Spot has no room for new ones
  neargate chaos spot --capacity             Spot has room again
  neargate chaos zone us-east-1a             every task of the zone is killed, none placed there
  neargate chaos zone us-east-1a --restore   the zone is back")]
pub(crate) struct Chaos {
    #[command(subcommand)]
    fault: Fault,
}

#[derive(Debug, Subcommand)]
enum Fault {
    /// Take FARGATE_SPOT tasks away
    Spot {
        /// Only tasks of this service (or cluster/service)
        #[arg(conflicts_with = "capacity")]
        service: Option<String>,
        /// At most so many tasks
        #[arg(long, conflicts_with = "capacity")]
        count: Option<u32>,
        /// Also let no new Spot task be placed
        #[arg(long, conflicts_with = "capacity")]
        no_capacity: bool,
        /// Let Spot tasks be placed again; takes none away
        #[arg(long)]
        capacity: bool,
    },
    /// Take an availability zone away
    Zone {
        /// Zone, e.g. us-east-1a
        zone: String,
        /// Give it back
        #[arg(long)]
        restore: bool,
    },
}

impl Chaos {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut client = Client::connect(&global.home()?)?;
        let view = client.platform()?;
        let (commands, note) = plan(&view, &self.fault)?;
        client.commands(commands, BTreeMap::new(), Vec::new())?;
        out::note(&note);
        Ok(())
    }
}

/// What to ask of the platform, and what to tell the user.
fn plan(view: &PlatformView, fault: &Fault) -> Result<(Vec<Command>, String), Failure> {
    let running = |task: &&neargate_engine::api::TaskView| task.desired_status == "RUNNING";
    match fault {
        Fault::Spot { capacity: true, .. } => Ok((
            vec![Command::SetSpotCapacity { available: true }],
            "Spot has capacity again\n".to_owned(),
        )),
        Fault::Spot { service, count, no_capacity, .. } => {
            let service = match service {
                Some(text) => Some(lookup::key(lookup::service(view, text)?)),
                None => None,
            };
            let spot = view
                .tasks
                .iter()
                .filter(running)
                .filter(|t| t.capacity == "FARGATE_SPOT")
                .filter(|t| {
                    service
                        .as_ref()
                        .is_none_or(|s| s.service == t.service && s.cluster == t.cluster)
                })
                .count();
            let spot = count.map_or(spot, |count| spot.min(count as usize));
            let mut commands = Vec::new();
            if *no_capacity {
                commands.push(Command::SetSpotCapacity { available: false });
            }
            commands.push(Command::InterruptSpot { service, count: *count });
            let room = if *no_capacity { "; Spot has no capacity for new ones" } else { "" };
            Ok((commands, format!("{spot} Spot tasks get their interruption notice{room}\n")))
        }
        Fault::Zone { zone, restore: true } => {
            if !view.lost_zones.contains(zone) {
                let failure = Failure::bad_input(format!("zone `{zone}` is not lost"));
                return Err(match view.lost_zones.as_slice() {
                    [] => failure.hint("no zone is lost"),
                    lost => failure.hint(format!("lost zones: {}", lost.join(", "))),
                });
            }
            let commands = vec![Command::RestoreZone { zone: zone.clone() }];
            Ok((commands, format!("zone {zone} is back\n")))
        }
        Fault::Zone { zone, restore: false } => {
            let tasks = view.tasks.iter().filter(running).filter(|t| t.zone == *zone).count();
            let commands = vec![Command::LoseZone { zone: zone.clone() }];
            Ok((commands, format!("zone {zone} is lost with {tasks} tasks\n")))
        }
    }
}

#[cfg(test)]
mod tests {
    use neargate_engine::api::TaskView;

    use super::*;
    use crate::outcome::samples;

    #[test]
    fn spot_counts_what_it_takes() {
        let mut view = samples::view(&["worker"]);
        view.tasks = (0..3)
            .map(|n| TaskView {
                capacity: "FARGATE_SPOT".into(),
                ..samples::task(&format!("t{n}"), "worker")
            })
            .chain([samples::task("t9", "worker")])
            .collect();
        let spot = |count, no_capacity| Fault::Spot {
            service: Some("worker".into()),
            count,
            no_capacity,
            capacity: false,
        };
        let (commands, note) = plan(&view, &spot(None, false)).unwrap();
        assert_eq!(
            (commands.len(), note.as_str()),
            (1, "3 Spot tasks get their interruption notice\n")
        );
        let (commands, note) = plan(&view, &spot(Some(1), true)).unwrap();
        assert_eq!(commands[0], Command::SetSpotCapacity { available: false });
        assert!(note.starts_with("1 Spot tasks") && note.contains("no capacity"));
    }

    #[test]
    fn only_a_lost_zone_can_be_restored() {
        let mut view = samples::view(&[]);
        let restore = Fault::Zone { zone: "us-east-1a".into(), restore: true };
        assert_eq!(plan(&view, &restore).unwrap_err().code, 2);
        view.lost_zones = vec!["us-east-1a".into()];
        assert!(plan(&view, &restore).is_ok());
    }
}
