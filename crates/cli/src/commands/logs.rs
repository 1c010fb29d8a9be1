//! `neargate logs`

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use neargate_core::service::ServiceName;
use neargate_engine::api::PlatformView;

use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::home::Home;
use crate::render::{Colours, short_id};
use crate::{lookup, out};

/// How often `--follow` looks for new lines and new tasks.
const POLL: Duration = Duration::from_millis(200);

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
            for (source, path) in sources(&view, &home, &service, task.as_deref()) {
                let Entry::Vacant(place) = tails.entry(source) else { continue };
                // A task that came while we follow is shown from its beginning.
                let lines = if first { Some(self.lines) } else { None };
                if let Some(tail) = Tail::open(&path, lines)? {
                    place.insert(tail);
                }
            }
            for ((task, container), tail) in &mut tails {
                show(tail, task, container, colours)?;
            }
            if !self.follow {
                return Ok(());
            }
            first = false;
            std::thread::sleep(POLL);
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
) -> Vec<(Source, PathBuf)> {
    view.tasks
        .iter()
        .filter(|t| t.service == service.service && t.cluster == service.cluster)
        .filter(|t| task.is_none_or(|id| t.id == id))
        .flat_map(|t| {
            t.containers.iter().filter_map(|c| {
                let path = home.container_log(&t.id, &c.name)?;
                Some(((t.id.clone(), c.name.clone()), path))
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

/// A file that is being written, read line by line.
struct Tail {
    path: PathBuf,
    reader: BufReader<File>,
    /// A line whose end has not been written yet.
    partial: Vec<u8>,
    /// Lines to show before what comes.
    first: VecDeque<String>,
}

impl Tail {
    /// Opens the file at its last so many lines (`None`: at its beginning); `None` when there is
    /// no such file.
    fn open(path: &Path, lines: Option<usize>) -> anyhow::Result<Option<Tail>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot open {}", path.display()));
            }
        };
        let mut tail = Tail {
            path: path.to_owned(),
            reader: BufReader::new(file),
            partial: Vec::new(),
            first: VecDeque::new(),
        };
        if let Some(count) = lines {
            tail.skip_to_last(count)?;
        }
        Ok(Some(tail))
    }

    /// Reads to the end, keeping the last so many lines.
    fn skip_to_last(&mut self, count: usize) -> anyhow::Result<()> {
        while let Some(line) = self.next_line()? {
            self.first.push_back(line);
            if self.first.len() > count {
                self.first.pop_front();
            }
        }
        Ok(())
    }

    /// The lines that were completed since the last call.
    fn new_lines(&mut self) -> anyhow::Result<Vec<String>> {
        let mut lines: Vec<String> = self.first.drain(..).collect();
        // Cut off by its owner: it begins anew.
        let length = self.reader.get_ref().metadata().map(|m| m.len());
        if let (Ok(length), Ok(position)) = (length, self.reader.stream_position())
            && length < position
        {
            self.reader.seek(SeekFrom::Start(0))?;
            self.partial.clear();
        }
        while let Some(line) = self.next_line()? {
            lines.push(line);
        }
        Ok(lines)
    }

    fn next_line(&mut self) -> anyhow::Result<Option<String>> {
        // A line without end must not fill our memory.
        const LINE_MAX: u64 = 1 << 20;
        let mut limited = self.reader.by_ref().take(LINE_MAX);
        let read = limited
            .read_until(b'\n', &mut self.partial)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        if read == 0 || (self.partial.last() != Some(&b'\n') && (read as u64) < LINE_MAX) {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&self.partial);
        let line = line.trim_end_matches(['\n', '\r']).to_owned();
        self.partial.clear();
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_last_lines_then_whatever_comes_complete() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("output.log");
        assert!(Tail::open(&path, Some(1)).unwrap().is_none());
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntwo\nthree\nfo").unwrap();
        let mut tail = Tail::open(&path, Some(2)).unwrap().unwrap();
        assert_eq!(tail.new_lines().unwrap(), ["two", "three"]);
        assert!(tail.new_lines().unwrap().is_empty(), "`fo` has no end yet");
        file.write_all(b"ur\r\n\xff\n").unwrap();
        assert_eq!(tail.new_lines().unwrap(), ["four", "\u{fffd}"]);
        let mut from_start = Tail::open(&path, None).unwrap().unwrap();
        assert_eq!(from_start.new_lines().unwrap().len(), 5);
        file.set_len(0).unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"again\n").unwrap();
        assert_eq!(tail.new_lines().unwrap(), ["again"]);
    }
}
