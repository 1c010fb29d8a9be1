//! The shim alone, as `neargate shim <dir>` is in the full binary: for this crate's own tests.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(command), Some(dir)) if command == "shim" => {
            neargate_runtime::shim::main(Path::new(&dir))
        }
        _ => ExitCode::from(2),
    }
}
