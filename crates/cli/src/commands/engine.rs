//! `neargate serve` and the processes behind the platform: the engine, and the programs tasks are
//! made of.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::cli::{AuthChoice, Driver, Global};
use crate::failure::{Failure, HOME_IN_USE};
use crate::stand_in;

#[derive(Debug, Args)]
#[command(after_help = "\
Ctrl-C ends the engine only: tasks and load balancer go on, and the next `neargate serve` or
`neargate up` on the same home takes them over. `neargate down` stops everything.

Examples:
  neargate serve
  neargate serve --port 0 --home /tmp/test --resettable    for a test suite
  neargate serve --auth strict    and AWS_SHARED_CREDENTIALS_FILE=<home>/credentials for clients")]
pub(crate) struct Serve {
    #[command(flatten)]
    options: EngineOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Engine {
    /// Leave the session of whoever started it
    #[arg(long)]
    detached: bool,
    #[command(flatten)]
    options: EngineOptions,
}

#[derive(Debug, Args)]
struct EngineOptions {
    /// Port of the AWS endpoint on 127.0.0.1; 0 lets the machine choose
    #[arg(long, value_name = "N", default_value_t = neargate_engine::DEFAULT_PORT)]
    port: u16,
    /// Platform seconds per real second [default: that of the tasks which still run, or 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pace: Option<u32>,
    /// AWS account, twelve digits [default: 000000000000]
    #[arg(long, value_name = "ID", value_parser = account)]
    account: Option<String>,
    /// AWS region [default: us-east-1]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Region of a platform that is new or empty
    #[arg(long, value_name = "NAME", hide = true, default_value = neargate_engine::DEFAULT_REGION)]
    default_region: String,
    /// How tasks are run [default: as those which still run, or the best this machine offers]
    #[arg(long, value_enum, default_value_t = Driver::Auto)]
    driver: Driver,
    /// Who may send requests to the AWS endpoint [default: as on this home last, or any]
    #[arg(long, value_enum)]
    auth: Option<AuthChoice>,
    /// Serve POST /_neargate/reset, which empties the platform; not with --auth strict
    #[arg(long)]
    resettable: bool,
}

fn account(text: &str) -> Result<String, String> {
    match text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("expected twelve digits".to_owned()),
    }
}

impl Serve {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        self.options.run(global)
    }
}

impl Engine {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        if self.detached {
            // Fails only for the leader of a process group, which no terminal ends by accident.
            let _already_apart = nix::unistd::setsid();
        }
        self.options.run(global)
    }
}

impl EngineOptions {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let home = global.home()?;
        let binary = std::env::current_exe().context("cannot tell the path of this program")?;
        let options = neargate_engine::Options {
            port: self.port,
            pace: self.pace,
            account: self.account.clone(),
            region: self.region.clone(),
            default_region: self.default_region.clone(),
            auth: self.auth.map(Into::into),
            resettable: self.resettable,
            driver: match self.driver.name() {
                None => None,
                Some(name) => Some(name.parse().context("--driver")?),
            },
            ..neargate_engine::Options::new(home.path().to_owned(), binary)
        };
        neargate_engine::run(&options).map_err(|error| {
            let in_use = matches!(error, neargate_engine::EngineError::HomeInUse { .. });
            let failure = Failure::from(error);
            if in_use { Failure { code: HOME_IN_USE, ..failure } } else { failure }
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Shim {
    /// Directory of the container
    directory: PathBuf,
}

impl Shim {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        done(neargate_runtime::shim::main(&[self.directory.clone().into_os_string()]), "the shim")
    }
}

#[derive(Debug, Args)]
pub(crate) struct StandIn {
    #[command(subcommand)]
    command: Option<StandInCommand>,
}

#[derive(Debug, Subcommand)]
enum StandInCommand {
    /// Exit 0 when the service in this environment is healthy, else 1
    Check,
}

impl StandIn {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self.command {
            None => done(stand_in::serve(), "the stand-in service"),
            Some(StandInCommand::Check) => done(stand_in::check(), "the health check"),
        }
    }
}

fn done(code: ExitCode, who: &str) -> Result<(), Failure> {
    if code == ExitCode::SUCCESS { Ok(()) } else { Err(Failure::new(format!("{who} failed"))) }
}
