//! Why the engine could not start or go on, in words for the person who started it.

use std::io;
use std::path::PathBuf;

/// Why the engine ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another engine holds the home.
    #[error(
        "another engine{} runs on the home {home}; stop it with `neargate down --home {home}`, or \
         use another --home",
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(),
        home = home.display(),
    )]
    HomeInUse {
        /// The state directory.
        home: PathBuf,
        /// Who holds it, when known.
        pid: Option<u32>,
    },
    /// The port of the AWS endpoint is taken.
    #[error(
        "port {port} of 127.0.0.1 is taken{}; free it, or choose another one with --port",
        holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// `<name> (process <pid>)`, when it could be found out.
        holder: Option<String>,
    },
    /// The journal cannot be read or is not to be trusted.
    #[error("cannot read the journal of the home {}", home.display())]
    Journal {
        /// The state directory.
        home: PathBuf,
        /// What is wrong with it.
        source: neargate_store::Error,
    },
    /// The journal was read, but a record makes no sense to this version.
    #[error("the journal of the home {} cannot be used: {problem}", home.display())]
    Records {
        /// The state directory.
        home: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The home belongs to another account or region.
    #[error(
        "the platform in {} is account {found} in {found_region}, not {wanted} in {wanted_region}; \
         leave --account and --region out, or use another --home",
        home.display()
    )]
    OtherIdentity {
        /// The state directory.
        home: PathBuf,
        /// Account of the platform.
        found: String,
        /// Region of the platform.
        found_region: String,
        /// Account asked for.
        wanted: String,
        /// Region asked for.
        wanted_region: String,
    },
    /// Tasks, edge and platform time of the home go at another pace.
    #[error(
        "the platform in {} runs with --pace {found}, not {wanted}; leave --pace out, take it down \
         first, or use another --home",
        home.display()
    )]
    OtherPace {
        /// The state directory.
        home: PathBuf,
        /// Pace of the platform.
        found: u32,
        /// Pace asked for.
        wanted: u32,
    },
    /// The tasks of the home were made by another driver.
    #[error(
        "the tasks of {} were made by the driver {found}, not {wanted}; leave --driver out, take it \
         down first, or use another --home",
        home.display()
    )]
    OtherDriver {
        /// The state directory.
        home: PathBuf,
        /// Driver of the platform.
        found: neargate_runtime::Driver,
        /// Driver asked for.
        wanted: neargate_runtime::Driver,
    },
    /// The driver asked for does not work on this machine.
    #[error(
        "the driver {wanted} does not work here: {why}; `neargate doctor` says more, and without \
         --driver the best that works is taken"
    )]
    NoDriver {
        /// Driver asked for.
        wanted: neargate_runtime::Driver,
        /// What is missing.
        why: String,
    },
    /// No loopback network is free for the platform's addresses.
    #[error(
        "{address} (UDP and TCP) cannot be used for the platform's DNS: {source}; another platform \
         on this machine may hold it: stop that one, or use another --home"
    )]
    Loopback {
        /// What was tried last.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A file or directory of the home cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The part that runs tasks cannot work on this machine.
    #[error("cannot run tasks on this machine: {0}")]
    Runtime(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system refused something every engine needs.
    #[error("cannot {action}: {source}")]
    System {
        /// What was being done.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// More reports wait for a journal that cannot be written than fit into memory.
    #[error(
        "{waiting} reports wait for the journal, which cannot be written; the engine stops, tasks \
         and traffic go on: free disk space and start it again"
    )]
    JournalStuck {
        /// How many.
        waiting: usize,
    },
}
