//! `neargate`: one binary, several programs.
//!
//! Which program runs is decided on the bare arguments, before a runtime or thread exists: the shim
//! forks, so it must stay single-threaded, and the stand-in service starts dozens of times at once,
//! so it skips everything it does not need.

mod cli;
mod client;
mod clock;
mod commands;
mod engine_process;
mod failure;
mod home;
mod http1;
mod interrupt;
mod load;
mod lookup;
mod out;
mod outcome;
mod render;
mod stand_in;
mod tail;

use std::ffi::OsString;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(|a| a.to_str().unwrap_or("")).collect();
    match words.as_slice() {
        ["shim", first, ..] if !matches!(*first, "-h" | "--help") => {
            neargate_runtime::shim::main(&arguments[1..])
        }
        ["stand-in"] => stand_in::serve(),
        ["stand-in", "check"] => stand_in::check(),
        _ => cli::main(),
    }
}
