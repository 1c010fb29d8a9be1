//! What can be typed, and what becomes of a command's result.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::failure::Failure;
use crate::home::Home;
use crate::out;

/// Runs an ECS Fargate platform on this machine, for real.
#[derive(Debug, Parser)]
#[command(
    name = "neargate",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  neargate up systems/microservices --detach     start a system and wait until it is steady
  neargate ps                                    what runs, and where it answers
  neargate deploy auth-service --env-var LOG=debug  a rolling deployment, exit 1 if rolled back
  neargate chaos zone us-east-1a                 lose a zone; `--restore` brings it back
  neargate down                                  stop everything

Exit codes: 0 done and steady, 1 not (the reason is printed), 2 bad input and nothing changed."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// State directory of the platform [default: NEARGATE_HOME, $XDG_STATE_HOME/neargate or
    /// ~/.local/state/neargate]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
}

impl Global {
    /// The home to work on.
    pub(crate) fn home(&self) -> Result<Home, Failure> {
        Home::resolve(self.home.as_deref())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a system from its neargate.yaml and wait until every service is steady
    Up(commands::up::Up),
    /// Stop every task, the load balancer and the engine
    Down(commands::down::Down),
    /// Run the engine alone, in the foreground
    Serve(commands::engine::Serve),
    /// List services, tasks and load balancers
    Ps(commands::ps::Ps),
    /// Show the engine and the load balancer's processes
    Status(commands::status::Status),
    /// Make a system's images known without bringing it up
    Images(commands::images::Images),
    /// Write a system's neargate.yaml as Terraform
    Terraform(commands::terraform::Terraform),
    /// List everything the platform is made of, whoever asked for it
    Inventory(commands::inventory::Inventory),
    /// Show what has happened to a service, in ECS's words
    Events(commands::events::Events),
    /// Show what a service's containers have written
    Logs(commands::logs::Logs),
    /// Run a command in one of a service's containers
    Exec(commands::exec::Exec),
    /// Set the secrets that containers are given
    Secret(commands::secret::Secret),
    /// Deploy a service anew, with another image or other variables, and wait for the outcome
    Deploy(commands::deploy::Deploy),
    /// Go back to an earlier revision and wait for the outcome
    Rollback(commands::rollback::Rollback),
    /// Set how many tasks a service runs and wait until they do
    Scale(commands::scale::Scale),
    /// Stop one task; its service replaces it
    StopTask(commands::stop_task::StopTask),
    /// Rehearse a failure
    Chaos(commands::chaos::Chaos),
    /// Check whether this machine can run a platform
    Doctor(commands::doctor::Doctor),
    /// Print a completion script for a shell
    Completions(commands::completions::Completions),
    /// The control plane process
    #[command(hide = true)]
    Engine(commands::engine::Engine),
    /// The data plane process
    #[command(hide = true)]
    Edge(commands::edge::Edge),
    /// The process that starts and watches one container
    #[command(hide = true)]
    Shim(commands::engine::Shim),
    /// The service that stands in for an application
    #[command(hide = true)]
    StandIn(commands::engine::StandIn),
    /// Send requests at a fixed rate and account for every one
    #[command(hide = true)]
    Load(commands::load::Load),
}

/// How tasks are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Driver {
    /// The best this machine offers
    Auto,
    /// Containers with their own network
    Container,
    /// The same, made by the program runc
    #[value(hide = true)]
    Runc,
    /// Plain processes, each task on its own loopback address
    Process,
}

impl Driver {
    /// What the engine is told; `None` leaves the choice to it.
    pub(crate) fn name(self) -> Option<String> {
        let value = self.to_possible_value()?;
        (self != Driver::Auto).then(|| value.get_name().to_owned())
    }
}

/// Who may send requests to the AWS endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthChoice {
    /// Everybody on this machine, with any credentials
    Any,
    /// Who signs with the access key in the home's file `credentials`, or as a task's role
    Strict,
}

impl From<AuthChoice> for neargate_engine::AuthMode {
    fn from(choice: AuthChoice) -> Self {
        match choice {
            AuthChoice::Any => Self::Any,
            AuthChoice::Strict => Self::Strict,
        }
    }
}

/// Parses the arguments, runs the command and prints its failure once.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.errors.iter().any(|e| e.is::<out::ReaderGone>()) => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            out::note(&failure.render());
            ExitCode::from(failure.code)
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Up(command) => command.run(global),
        Command::Down(command) => command.run(global),
        Command::Serve(command) => command.run(global),
        Command::Ps(command) => command.run(global),
        Command::Status(command) => command.run(global),
        Command::Images(command) => command.run(global),
        Command::Terraform(command) => command.run(global),
        Command::Inventory(command) => command.run(global),
        Command::Events(command) => command.run(global),
        Command::Logs(command) => command.run(global),
        Command::Deploy(command) => command.run(global),
        Command::Rollback(command) => command.run(global),
        Command::Exec(command) => command.run(global),
        Command::Secret(command) => command.run(global),
        Command::Scale(command) => command.run(global),
        Command::StopTask(command) => command.run(global),
        Command::Chaos(command) => command.run(global),
        Command::Doctor(command) => command.run(global),
        Command::Completions(command) => command.run(),
        Command::Engine(command) => command.run(global),
        Command::Edge(command) => command.run(global),
        Command::Shim(command) => command.run(),
        Command::StandIn(command) => command.run(),
        Command::Load(command) => command.run(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// design.md "Command line" is a contract.
    #[test]
    fn the_contract_parses() {
        for line in [
            "up",
            "up systems/x --env test --env stage --detach --driver process --pace 20 --home /h",
            "up --driver auto --port 0 --ephemeral-ports --timeout 60 --json",
            "down --json",
            "serve --resettable --port 4566 --pace 5",
            "ps --json",
            "status --json",
            "inventory --json",
            "images systems/x",
            "events main/user --follow",
            "logs user -f --task abc --lines 5",
            "deploy user --image repo:2 --env-var A=b --env-var C=d=e",
            "rollback user --to 3",
            "scale user 4",
            "stop-task 01ab --reason test",
            "chaos spot user --count 1 --no-capacity",
            "chaos spot --capacity",
            "chaos zone us-east-1a --restore",
            "doctor --json",
            "completions fish",
            "load http://127.0.0.1:1/ http://127.0.0.1:2/ --rate 200 --duration 10 --json",
            "stand-in check",
        ] {
            let words = std::iter::once("neargate").chain(line.split(' '));
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "chaos spot --capacity --no-capacity",
            "chaos spot user --capacity",
            "up --pace 0",
            "scale user -1",
            "deploy user --env-var NOVALUE",
            "up --driver docker",
            "exec user",
        ] {
            let words = std::iter::once("neargate").chain(line.split(' '));
            let error = Cli::try_parse_from(words).err().unwrap_or_else(|| panic!("{line}"));
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
