//! `neargate exec`

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;

use anyhow::Context as _;
use clap::Args;
use neargate_engine::api::{ContainerView, TaskView};

use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::lookup;

#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is the command's own. With a terminal on standard input and output the command gets
one of its own, as `aws ecs execute-command --interactive` gives it.

Examples:
  neargate exec auth-service -- ls /
  neargate exec auth-service --task 8f3a -- sh")]
pub(crate) struct Exec {
    /// Service, or cluster/service, or the first digits of a task's id
    service: String,
    /// The first digits of one task's id [default: the service's longest running task]
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// One of the task's containers [default: its first]
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Command and arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

impl Exec {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let home = global.home()?;
        let view = Client::connect(&home)?.platform()?;
        let named = lookup::service(&view, &self.service);
        let standalone = lookup::task(&view, &self.service).ok().filter(|_| named.is_err());
        let task = match self.task.as_deref().map(|id| lookup::task(&view, id)).transpose()? {
            Some(task) => task,
            // A task that belongs to no service goes by its id alone.
            None if let Some(task) = standalone => task,
            None => {
                let service = lookup::key(named?);
                let own = view.tasks.iter().filter(|t| {
                    t.service == service.service
                        && t.cluster == service.cluster
                        && t.status == "RUNNING"
                });
                own.min_by_key(|t| t.started_at_ms).ok_or_else(|| {
                    Failure::bad_input(format!("{service} has no running task"))
                        .hint("`neargate ps` shows what its tasks do")
                })?
            }
        };
        let container = self.container(task)?;
        let directory = home.container(&task.id, &container.name).ok_or_else(|| {
            Failure::bad_input(format!("`{}` is no container's name", container.name))
        })?;
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let program = std::env::current_exe().context("cannot tell the path of this program")?;
        let mut shim = std::process::Command::new(&program);
        shim.args(["shim", "exec"]).arg(directory);
        if terminal {
            shim.arg("--tty");
        }
        // Joining a container takes a process with one thread: from here on this is another program.
        let error = shim.arg("--").args(&self.command).exec();
        Err(anyhow::Error::new(error)
            .context(format!("cannot start {} shim", program.display()))
            .into())
    }

    fn container<'a>(&self, task: &'a TaskView) -> Result<&'a ContainerView, Failure> {
        let running: Vec<&ContainerView> =
            task.containers.iter().filter(|c| c.status == "RUNNING").collect();
        let wanted = |c: &&&ContainerView| self.container.as_ref().is_none_or(|n| *n == c.name);
        running.iter().find(wanted).copied().ok_or_else(|| {
            let names: Vec<&str> = running.iter().map(|c| c.name.as_str()).collect();
            let what = match &self.container {
                Some(name) => format!("no running container `{name}`"),
                None => "no running container".to_owned(),
            };
            let failure = Failure::bad_input(format!("task {} has {what}", task.id));
            if names.is_empty() {
                failure
            } else {
                failure.hint(format!("it has {}", names.join(", ")))
            }
        })
    }
}
