//! Measurements and chores: `cargo run --release -p xtask -- <task>`.

mod core_bench;
mod counting_allocator;
mod edge_bench;
mod models;

use clap::{Parser, Subcommand};

// As in the `neargate` binary, so that what is measured here is what runs there.
#[global_allocator]
static ALLOCATOR: counting_allocator::Counting = counting_allocator::Counting;

/// Measurements and chores of the project.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Cost of the core per task, and speed of the simulator.
    CoreBench(core_bench::Arguments),
    /// Compare the edge with nginx and haproxy: requests per CPU-second.
    EdgeBench(edge_bench::Arguments),
    /// Make the AWS service models of `wire` from the installed botocore package.
    Models(models::Arguments),
    /// The edge alone, as the benchmark starts it.
    #[command(hide = true)]
    EdgeProcess(edge_bench::ProcessArguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::CoreBench(arguments) => core_bench::run(&arguments),
        Task::EdgeBench(arguments) => edge_bench::run(&arguments),
        Task::Models(arguments) => models::run(&arguments),
        Task::EdgeProcess(arguments) => edge_bench::process(&arguments),
    }
}
