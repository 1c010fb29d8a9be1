//! What the core costs: CPU per task of a rollout of everything, bytes per task, and how fast the
//! simulator goes.
//!
//! The inputs are recorded once from the modelled world; what is measured is only the core taking
//! them again. CPU time is measured, not time on the wall, because machines are shared. Sizes take
//! turns, and a small one is repeated until it has handled as many tasks as a turn of the largest,
//! so that each is measured equally long and under the same load. The allocator keeps the memory
//! it was given: otherwise the larger sizes would measure the kernel handing out pages.

use std::os::unix::process::CommandExt;
use std::process::Command;
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
    /// Turns of each size; the middle one counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

const TASKS: u32 = 10;
/// Tells mimalloc when to give memory back, which it reads when the process starts.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// A size, and what its turns gave.
struct Size {
    services: usize,
    journal: Journal,
    /// Repetitions in a turn.
    repeat: usize,
    create: Vec<Duration>,
    rollout: Vec<Duration>,
    bytes: usize,
}

/// Measures and prints.
#[allow(clippy::print_stdout)] // The result is data on stdout.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if std::env::var_os(PURGE_DELAY).is_none() {
        let program = std::env::current_exe().context("finding this program")?;
        let error =
            Command::new(program).args(std::env::args_os().skip(1)).env(PURGE_DELAY, "-1").exec();
        return Err(error).context("starting again with an allocator that keeps its memory");
    }
    println!("services  tasks    inputs    create CPU s  rollout CPU s  us/task  bytes/task");
    let largest = arguments.services.iter().copied().max().unwrap_or_default();
    let mut sizes = Vec::new();
    for &services in &arguments.services {
        ensure!(services > 0, "a size of 0 services measures nothing; expected 1 or more");
        let journal = journal(services, TASKS).map_err(|error| anyhow!(error))?;
        let repeat = largest.div_ceil(services);
        let (create, rollout) = (Vec::new(), Vec::new());
        sizes.push(Size { services, journal, repeat, create, rollout, bytes: 0 });
    }
    for size in &mut sizes {
        // Memory is touched for the first time here.
        measure(&size.journal)?;
    }
    for _ in 0..arguments.rounds {
        for size in &mut sizes {
            let (mut create, mut rollout) = (Duration::ZERO, Duration::ZERO);
            for _ in 0..size.repeat {
                let round = measure(&size.journal)?;
                create += round.0;
                rollout += round.1;
                size.bytes = round.2;
            }
            size.create.push(create / u32::try_from(size.repeat)?);
            size.rollout.push(rollout / u32::try_from(size.repeat)?);
        }
    }
    for mut size in sizes {
        let tasks = size.services * TASKS as usize;
        let (create, rollout) = (middle(&mut size.create), middle(&mut size.rollout));
        println!(
            "{:>8}  {tasks:>7}  {:>8}  {:>12.4}  {:>13.4}  {:>7.1}  {:>10}",
            size.services,
            size.journal.inputs.len(),
            create.as_secs_f64(),
            rollout.as_secs_f64(),
            rollout.as_secs_f64() * 1e6 / tasks as f64,
            size.bytes / tasks
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

fn middle(turns: &mut [Duration]) -> Duration {
    turns.sort_unstable();
    turns.get(turns.len() / 2).copied().unwrap_or_default()
}

fn cpu() -> Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).context("reading CPU time")?;
    Ok(time.into())
}
