//! Operations of AWS clients that come together: durable with one append, and nobody learns of any of
//! them before.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};

use neargate_store::Store;
use serde_json::{Value, json};

use super::machine::Machine;
use super::rig::{Running, as_if_killed, bytes, eventually, start_with};
use crate::aws::{Answered, Asks, AwsCall};
use crate::event::Event;
use crate::ledger::Journal;

/// A store that tells of every append that makes clusters, and waits to be told how it goes.
struct AtTheGate {
    store: Store,
    /// How many clusters an append makes.
    arrived: SyncSender<usize>,
    /// Whether there is room for it.
    goes: Arc<Mutex<Receiver<bool>>>,
}

impl Journal for AtTheGate {
    fn append(&mut self, entries: &[Vec<u8>]) -> Result<(), neargate_store::Error> {
        let makes_one = |entry: &&Vec<u8>| String::from_utf8_lossy(entry).contains("PutCluster");
        let clusters = entries.iter().filter(makes_one).count();
        if clusters > 0 {
            self.arrived.send(clusters).expect("the test waits");
            if !self.goes.lock().expect("whole").recv().expect("the test says so") {
                return Err(neargate_store::Error::Full {
                    action: "append to",
                    path: PathBuf::from("journal/segment-1"),
                    source: std::io::ErrorKind::StorageFull.into(),
                });
            }
        }
        self.store.append(entries)
    }

    fn snapshot(&mut self, state: &[u8]) -> Result<(), neargate_store::Error> {
        self.store.snapshot(state)
    }

    fn journal_bytes(&self) -> u64 {
        self.store.journal_bytes()
    }
}

fn ask(engine: &Running, operation: &str, input: Value) -> Receiver<Answered> {
    let asks = Asks::Operation(operation.to_owned(), input);
    let (call, answered) = AwsCall::new("ecs", asks, None);
    engine.events.send(Event::Aws(call)).expect("the engine runs");
    answered
}

fn create(engine: &Running, name: &str) -> Receiver<Answered> {
    ask(engine, "CreateCluster", json!({ "clusterName": name }))
}

fn clusters(answered: &Receiver<Answered>) -> usize {
    let answer = answered.recv().expect("answered").result().expect("a list");
    answer["clusterArns"].as_array().expect("a list").len()
}

#[test]
fn what_comes_together_is_durable_together_or_not_at_all() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (arrived, arrivals) = sync_channel(1);
    let (go, goes) = sync_channel(1);
    let goes = Arc::new(Mutex::new(goes));
    let machine = Machine::default();
    let engine =
        start_with(dir.path(), &machine, |store| Box::new(AtTheGate { store, arrived, goes }));
    let first = create(&engine, "one");
    assert_eq!(arrivals.recv(), Ok(1));
    // These come while the first is written.
    let second = create(&engine, "two");
    let listed = ask(&engine, "ListClusters", json!({}));
    let third = create(&engine, "three");
    assert!(matches!(first.try_recv(), Err(TryRecvError::Empty)));
    go.send(true).expect("waited for");
    assert!(first.recv().expect("answered").result().is_ok());
    assert_eq!(arrivals.recv(), Ok(2), "both with one append");
    for waiting in [&second, &listed, &third] {
        assert!(matches!(waiting.try_recv(), Err(TryRecvError::Empty)), "not durable yet");
    }
    go.send(true).expect("waited for");
    assert!(second.recv().expect("answered").result().is_ok());
    assert_eq!(clusters(&listed), 2, "as it was when it was asked");
    assert!(third.recv().expect("answered").result().is_ok());
    assert!(bytes(&as_if_killed(dir.path()).expect("a platform")).contains("three"));

    // The same with a full disk.
    let fourth = create(&engine, "four");
    assert_eq!(arrivals.recv(), Ok(1));
    let fifth = create(&engine, "five");
    let listed = ask(&engine, "ListClusters", json!({}));
    go.send(true).expect("waited for");
    assert!(fourth.recv().expect("answered").result().is_ok());
    assert_eq!(arrivals.recv(), Ok(1));
    go.send(false).expect("waited for");
    for refused in [fifth, listed] {
        let error = refused.recv().expect("answered").result().expect_err("refused");
        assert_eq!(error.status, 503);
        assert!(error.message.contains("nothing changed"), "{error}");
        assert!(error.message.contains("the disk is full"), "{error}");
    }
    assert_eq!(clusters(&ask(&engine, "ListClusters", json!({}))), 4);
    assert!(!bytes(&as_if_killed(dir.path()).expect("a platform")).contains("five"));
    // The journal is tried again after a while.
    go.send(true).expect("waited for");
    let again = || create(&engine, "five").recv().expect("answered").result().ok();
    eventually("room on the disk", again);
    engine.stop();
}
