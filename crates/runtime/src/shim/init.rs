//! `initProcessEnabled`: a first process that hands signals on to the program and reaps orphans.
//!
//! With libcontainer it is the copy of the shim that libcontainer made, after it has given up its
//! privileges, so that the image needs no helper program. An external runtime starts programs only:
//! it gets this one, with the libraries it runs on, mounted where the image has nothing
//! ([`Guest`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::SigSet;
use rustix::process::{Pid, WaitOptions, WaitStatus};

use super::close_inherited;
use super::workload::Workload;

/// Signals with a name; the real-time ones after them carry no meaning to hand on.
const SIGNALS: i32 = 31;

/// Where a container finds this program. In a file system in memory of its own, so also under a
/// read-only root.
const PLACE: &str = "/dev/init";
/// What of the environment would change how this program itself is loaded.
const OF_THE_LOADER: &str = "LD_";
/// Hands a variable on to the program alone.
const VARIABLE: &str = "--variable";
/// The program could not be run, as shells say it: not found, or refused.
const NOT_FOUND: u8 = 127;
const REFUSED: u8 = 126;

/// This program as the first process of a container that somebody else makes.
pub(super) struct Guest {
    /// What is run in place of the container's command.
    pub(super) argv: Vec<String>,
    /// The environment it is run in.
    pub(super) environment: BTreeMap<String, String>,
    /// Files of this machine, and where they are found inside. Read-only.
    pub(super) files: Vec<(PathBuf, PathBuf)>,
}

impl Guest {
    /// For this command in this environment.
    ///
    /// # Errors
    /// `/proc` is not readable.
    pub(super) fn new(argv: &[String], environment: &BTreeMap<String, String>) -> io::Result<Self> {
        let program = fs::read_link("/proc/self/exe")?;
        let mapped = mapped_files(&fs::read_to_string("/proc/self/maps")?);
        let mut files = vec![(program.clone(), Path::new(PLACE).join("neargate"))];
        let mut loader = None;
        for library in mapped.iter().filter(|path| **path != program) {
            for name in names_of(library) {
                let inside = Path::new(PLACE).join(&name);
                if name.to_string_lossy().starts_with("ld") && loader.is_none() {
                    loader = Some(inside.clone());
                }
                files.push((library.clone(), inside));
            }
        }
        // Not by the path that is written in the program: there the image has its own loader.
        let mut all = match loader {
            None => Vec::new(),
            Some(loader) => {
                vec![loader.display().to_string(), "--library-path".into(), PLACE.into()]
            }
        };
        all.extend([format!("{PLACE}/neargate"), "shim".into(), "init".into()]);
        let (apart, environment): (BTreeMap<_, _>, BTreeMap<_, _>) =
            environment.clone().into_iter().partition(|(name, _)| name.starts_with(OF_THE_LOADER));
        for (name, value) in apart {
            all.extend([VARIABLE.to_owned(), format!("{name}={value}")]);
        }
        all.push("--".into());
        all.extend_from_slice(argv);
        Ok(Self { argv: all, environment, files })
    }
}

/// Files that are mapped as code.
fn mapped_files(maps: &str) -> BTreeSet<PathBuf> {
    maps.lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let access = fields.nth(1)?;
            let path = fields.nth(3).filter(|path| path.starts_with('/'))?;
            access.contains('x').then(|| PathBuf::from(path))
        })
        .collect()
}

/// A library's own name, and those of the links beside it by which programs ask for it.
fn names_of(library: &Path) -> Vec<OsString> {
    let Some(own) = library.file_name() else { return Vec::new() };
    let mut names = vec![own.to_owned()];
    let beside = library.parent().and_then(|folder| fs::read_dir(folder).ok());
    for entry in beside.into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_symlink())
            && fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(own))
        {
            names.push(entry.file_name());
        }
    }
    names
}

/// `neargate shim init [--variable NAME=VALUE]... -- COMMAND...`, inside a container.
#[expect(clippy::print_stderr, reason = "the container's log is where people look")]
pub(super) fn main(arguments: &[OsString]) -> ExitCode {
    let mut environment: BTreeMap<String, String> =
        std::env::vars_os().map(|(name, value)| (lossy(&name), lossy(&value))).collect();
    let mut arguments = arguments.iter();
    while let Some(flag) = arguments.next().filter(|flag| *flag == VARIABLE) {
        let (_, Some(variable)) = (flag, arguments.next()) else { break };
        if let Some((name, value)) = lossy(variable).split_once('=') {
            environment.insert(name.to_owned(), value.to_owned());
        }
    }
    // What ended the loop was the mark before the command.
    let workload = Workload {
        argv: arguments.map(|argument| lossy(argument)).collect(),
        environment,
        capabilities: BTreeSet::new(),
        seccomp: false,
    };
    let error = run(&workload);
    eprintln!("{error}");
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { REFUSED })
}

fn lossy(text: &std::ffi::OsStr) -> String {
    text.to_string_lossy().into_owned()
}

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
