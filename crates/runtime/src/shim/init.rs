//! `initProcessEnabled`: a first process that hands signals on to the program and reaps orphans.
//!
//! It is the copy of the shim that libcontainer made, after it has given up its privileges, so that
//! the image needs no helper program.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::SigSet;
use rustix::process::{Pid, WaitOptions, WaitStatus};

use super::close_inherited;
use super::workload::Workload;

/// Signals with a name; the real-time ones after them carry no meaning to hand on.
const SIGNALS: i32 = 31;

/// A signal, and whether it came since it was last looked for.
type Caught = Vec<(i32, Arc<AtomicBool>)>;

/// Starts the program and stays until it has ended; then ends as it did. Returns only when it could
/// not be started.
pub(super) fn run(workload: &Workload) -> io::Error {
    match start(workload) {
        Err(error) => error,
        Ok((program, caught)) => {
            let code = attend(program, &caught);
            #[expect(
                clippy::disallowed_methods,
                reason = "this is a copy of the shim: what it would drop is not its own"
            )]
            std::process::exit(code)
        }
    }
}

fn start(workload: &Workload) -> io::Result<(Pid, Caught)> {
    let _only_for_people = rustix::thread::set_name(c"init");
    // Before the program is there, so that none is lost. Handlers end at exec: it begins with the
    // defaults.
    let mut caught = Vec::new();
    for signal in (1..=SIGNALS).filter(|s| !signal_hook::consts::FORBIDDEN.contains(s)) {
        let flag = Arc::new(AtomicBool::new(false));
        // The C library keeps two for itself.
        if signal_hook::flag::register(signal, Arc::clone(&flag)).is_ok() {
            caught.push((signal, flag));
        }
    }
    let (program, arguments) = workload
        .argv
        .split_first()
        .ok_or_else(|| io::Error::other("there is no command to run"))?;
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(&workload.environment)
        .process_group(0)
        .spawn()
        .map_err(|error| workload.refused(error))?;
    // All that is open here is the shim's: its lock, its output, and the pipe whose closing says
    // that the program runs.
    close_inherited();
    Ok((Pid::from_child(&child), caught))
}

/// Until the program ends; its exit code, as a shell would have it.
fn attend(program: Pid, caught: &Caught) -> i32 {
    // From here on signals come only while this waits, so none is overlooked before a wait.
    let _cannot_fail = SigSet::all().thread_block();
    loop {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid == program
                && let Some(code) = code_of(status)
            {
                return code;
            }
        }
        for (signal, flag) in caught {
            if flag.swap(false, Ordering::Relaxed) && *signal != libc::SIGCHLD {
                hand_on(program, *signal);
            }
        }
        let _one_came = SigSet::empty().suspend();
    }
}

fn hand_on(program: Pid, signal: i32) {
    if let Some(signal) = rustix::process::Signal::from_named_raw(signal) {
        // Not reaped yet, so its id is still its own.
        let _just_ended = rustix::process::kill_process(program, signal);
    }
}

fn code_of(status: WaitStatus) -> Option<i32> {
    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal))
}
