//! What the tests share: a store in a directory of its own, helper processes that do not outlive
//! their test, waiting for a condition with a deadline.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use neargate_logs::{EventPage, GetEvents, LogEvent, LogStore, StreamWriter};

/// A store with one group, `g`, made at time 0.
pub(crate) struct Rig {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: LogStore,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = LogStore::open(dir.path()).expect("a store");
        store.create_group("g", None, BTreeMap::new(), 0).expect("a group");
        Self { dir, store }
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn writer(&self, stream: &str) -> StreamWriter {
        StreamWriter::open(self.root(), "g", stream, 0).expect("a writer")
    }

    /// Every event of a stream, page by page from its head.
    pub(crate) fn all(&self, stream: &str) -> Vec<LogEvent> {
        let get = GetEvents { group: "g", stream, from_head: true, ..GetEvents::default() };
        let mut page = self.store.get_events(&get).expect("a page");
        let mut events = Vec::new();
        while !page.events.is_empty() {
            let EventPage { events: part, next_forward_token, .. } = page;
            events.extend(part);
            let next = GetEvents { token: Some(&next_forward_token), ..get };
            page = self.store.get_events(&next).expect("a page");
        }
        events
    }

    pub(crate) fn texts(&self, stream: &str) -> Vec<String> {
        self.all(stream).iter().map(|event| event.text().into_owned()).collect()
    }

    /// The only directory with segments of that stream.
    pub(crate) fn stream_dir(&self, stream: &str) -> PathBuf {
        self.root().join("groups/g/streams").join(stream)
    }

    /// The files of a stream with that extension, in order.
    pub(crate) fn files(&self, stream: &str, extension: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.stream_dir(stream)).expect("a stream's directory");
        let mut files: Vec<PathBuf> =
            entries.map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|path| path.extension().is_some_and(|e| e == extension));
        files.sort();
        files
    }
}

/// A helper process that ends with its test.
pub(crate) struct Helper(pub(crate) Child);

impl Helper {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_neargate-logs-helper"))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the helper starts");
        Self(child)
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("a helper to kill");
        self.0.wait().expect("the helper's end");
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited 30 s until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
