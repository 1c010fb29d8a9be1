//! Measurements and chores: `cargo run --release -p xtask -- <task>`.

mod container_bench;
mod core_bench;
mod counting_allocator;
mod edge_bench;
mod models;
mod requirements;
mod up_breakdown;
mod wire_bench;

use std::ffi::OsString;
use std::process::ExitCode;

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
    /// Compare starting a container with runc and podman; needs root.
    ContainerBench(container_bench::Arguments),
    /// Cost of the core per task, and speed of the simulator.
    CoreBench(core_bench::Arguments),
    /// Compare the edge with nginx and haproxy: requests per CPU-second.
    EdgeBench(edge_bench::Arguments),
    /// Make the AWS service models of `wire` from the installed botocore package.
    Models(models::Arguments),
    /// Make the page of requirements from the tests that name them.
    Requirements(requirements::Arguments),
    /// Where the time of `neargate up` goes.
    UpBreakdown(up_breakdown::Arguments),
    /// Compare the AWS endpoint with moto's server.
    WireBench(wire_bench::Arguments),
    /// The edge alone, as the benchmark starts it.
    #[command(hide = true)]
    EdgeProcess(edge_bench::ProcessArguments),
}

fn main() -> anyhow::Result<ExitCode> {
    // The shim of the containers that are measured: before there is any thread, as in `neargate`.
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some((command, arguments)) = arguments.split_first()
        && command == "shim"
    {
        return Ok(neargate_runtime::shim::main(arguments));
    }
    match Arguments::parse().task {
        Task::ContainerBench(arguments) => container_bench::run(&arguments)?,
        Task::CoreBench(arguments) => core_bench::run(&arguments)?,
        Task::EdgeBench(arguments) => edge_bench::run(&arguments)?,
        Task::Models(arguments) => models::run(&arguments)?,
        Task::Requirements(arguments) => requirements::run(&arguments)?,
        Task::UpBreakdown(arguments) => up_breakdown::run(&arguments)?,
        Task::WireBench(arguments) => wire_bench::run(&arguments)?,
        Task::EdgeProcess(arguments) => edge_bench::process(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
