//! `neargate logs`

use std::collections::btree_map::{BTreeMap, Entry};
use std::time::Duration;

use clap::Args;
use neargate_core::service::ServiceName;
use neargate_engine::api::PlatformView;

use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::home::Home;
use crate::render::{Colours, short_id};
use crate::tail::{Place, Tail};
use crate::{lookup, out};

/// How often `--follow` looks for new lines.
const POLL: Duration = Duration::from_millis(50);
/// Once in so many looks it looks for new tasks too.
const LOOKS_PER_VIEW: u32 = 10;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  neargate logs auth-service                  the last 100 lines of each container
  neargate logs auth-service -f --lines 0     only what comes from now on, of new tasks too
  neargate logs auth-service --task 01ab      of one task")]
pub(crate) struct Logs {
    /// Service, or cluster/service
    service: String,
    /// Go on showing new lines until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Only this task (the beginning of its id is enough)
    #[arg(long)]
    task: Option<String>,
    /// So many lines of each container, from the end
    #[arg(long, short = 'n', default_value_t = 100)]
    lines: usize,
}

/// One container's output: task id and container name.
type Source = (String, String);

impl Logs {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let home = global.home()?;
        let mut client = Client::connect(&home)?;
        let view = client.platform()?;
        let service = lookup::key(lookup::service(&view, &self.service)?);
        let task = match &self.task {
            Some(prefix) => Some(lookup::task(&view, prefix)?.id.clone()),
            None => None,
        };
        let colours = super::stdout_colours();
        let mut tails: BTreeMap<Source, Tail> = BTreeMap::new();
        let mut view = view;
        let mut first = true;
        loop {
            for (source, place) in sources(&view, &home, &service, task.as_deref()) {
                let Entry::Vacant(entry) = tails.entry(source) else { continue };
                // A task that came while we follow is shown from its beginning.
                let lines = if first { Some(self.lines) } else { None };
                if let Some(tail) = Tail::open(&place, lines)? {
                    entry.insert(tail);
                }
            }
            for _ in 0..LOOKS_PER_VIEW {
                for ((task, container), tail) in &mut tails {
                    show(tail, task, container, colours)?;
                }
                if !self.follow {
                    return Ok(());
                }
                std::thread::sleep(POLL);
            }
            first = false;
            view = client.platform()?;
        }
    }
}

/// The containers whose output is wanted.
fn sources(
    view: &PlatformView,
    home: &Home,
    service: &ServiceName,
    task: Option<&str>,
) -> Vec<(Source, Place)> {
    view.tasks
        .iter()
        .filter(|t| t.service == service.service && t.cluster == service.cluster)
        .filter(|t| task.is_none_or(|id| t.id == id))
        .flat_map(|t| {
            t.containers.iter().filter_map(|c| {
                let place = match &c.log {
                    Some((group, stream)) => Place::Stream {
                        store: home.log_store(),
                        group: group.clone(),
                        stream: stream.clone(),
                    },
                    None => Place::File(home.container_log(&t.id, &c.name)?),
                };
                Some(((t.id.clone(), c.name.clone()), place))
            })
        })
        .collect()
}

/// Writes what is new, each line under the name of its task and container.
fn show(tail: &mut Tail, task: &str, container: &str, colours: Colours) -> anyhow::Result<()> {
    let lines = tail.new_lines()?;
    if lines.is_empty() {
        return Ok(());
    }
    let name = format!("{}/{container}", short_id(task));
    let prefix = colours.tag(&format!("{name} |"));
    let text: String = lines.iter().map(|line| format!("{prefix} {line}\n")).collect();
    out::data(&text)
}
