//! The shim alone, as `neargate shim ...` is in the full binary: for this crate's own tests.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((command, arguments)) if command == "shim" => neargate_runtime::shim::main(arguments),
        _ => ExitCode::from(2),
    }
}
