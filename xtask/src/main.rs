//! Measurements and chores: `cargo run --release -p xtask -- <task>`.

mod edge_bench;

use clap::{Parser, Subcommand};

// As in the `neargate` binary, so that what is measured here is what runs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measurements and chores of the project.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Compare the edge with nginx and haproxy: requests per CPU-second.
    EdgeBench(edge_bench::Arguments),
    /// The edge alone, as the benchmark starts it.
    #[command(hide = true)]
    EdgeProcess(edge_bench::ProcessArguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::EdgeBench(arguments) => edge_bench::run(&arguments),
        Task::EdgeProcess(arguments) => edge_bench::process(&arguments),
    }
}
