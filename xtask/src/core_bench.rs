//! What the core costs: CPU per task of a rollout of everything, bytes per task, and how fast the
//! simulator goes.
//!
//! The inputs are recorded once from the modelled world; what is measured is only the core taking
//! them again. CPU time is measured, not time on the wall, because machines are shared.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use neargate_core::{Identity, Platform};
use neargate_sim::rollout::{Journal, journal};
use neargate_sim::{Options, simulate};
use nix::time::{ClockId, clock_gettime};

use crate::counting_allocator::bytes_held;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Numbers of services, each of ten tasks.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,10000")]
    services: Vec<usize>,
    /// Seeds for the speed of the simulator.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// How often each size is measured; the best counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

const TASKS: u32 = 10;

/// Measures and prints.
#[allow(clippy::print_stdout)] // The result is data on stdout.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("services  tasks    inputs    create CPU s  rollout CPU s  us/task  bytes/task");
    for services in &arguments.services {
        let journal = journal(*services, TASKS).map_err(|error| anyhow!(error))?;
        let tasks = *services * TASKS as usize;
        let mut best: Option<(Duration, Duration, usize)> = None;
        for _ in 0..arguments.rounds {
            let round = measure(&journal)?;
            if best.is_none_or(|best| round.1 < best.1) {
                best = Some(round);
            }
        }
        let (create, rollout, bytes) = best.context("at least one round is needed")?;
        println!(
            "{services:>8}  {tasks:>7}  {:>8}  {:>12.3}  {:>13.3}  {:>7.1}  {:>10}",
            journal.inputs.len(),
            create.as_secs_f64(),
            rollout.as_secs_f64(),
            rollout.as_secs_f64() * 1e6 / tasks as f64,
            bytes / tasks
        );
    }
    let before = cpu()?;
    let mut simulated_ms = 0;
    for seed in 0..arguments.seeds {
        let report = simulate(seed, &Options::of_seed(seed));
        ensure!(report.failure.is_none(), "{report}");
        simulated_ms += report.virtual_ms;
    }
    let spent = (cpu()? - before).as_secs_f64();
    let hours = simulated_ms as f64 / 3_600_000.0;
    println!(
        "simulator: {} seeds, {hours:.0} platform hours, {:.0} hours per CPU second",
        arguments.seeds,
        hours / spent
    );
    Ok(())
}

/// CPU to the first steady state, CPU of the rollout, and bytes held at the steady state.
fn measure(journal: &Journal) -> Result<(Duration, Duration, usize)> {
    let identity = Identity { account: "000000000000".to_owned(), region: "us-east-1".to_owned() };
    let (create, rollout) = journal.inputs.split_at(journal.steady_after);
    let started = cpu()?;
    let (mut platform, bytes) = bytes_held(|| {
        let mut platform = Platform::new(identity, journal.seed);
        for (at, input) in create {
            platform.step(*at, input);
        }
        platform
    });
    let steady = cpu()?;
    for (at, input) in rollout {
        platform.step(*at, input);
    }
    let done = cpu()?;
    let finished =
        platform.services().all(|s| s.steady_since.is_some() && s.deployments.len() == 1);
    ensure!(finished, "the rollout did not complete when taken again");
    Ok((steady - started, done - steady, bytes))
}

fn cpu() -> Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).context("reading CPU time")?;
    Ok(time.into())
}
