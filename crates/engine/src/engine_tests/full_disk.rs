//! The journal cannot be written: nothing changes, nothing is lost, and it is said plainly.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use neargate_core::input::{Command, Exit};
use neargate_store::Store;

use super::machine::Machine;
use super::rig::{FakeEdge, as_if_killed, bytes, eventually, start_with};
use super::samples::{name, system};
use crate::ledger::Journal;

/// A store on a disk that is full at times.
struct OnFullDisk {
    store: Store,
    full: Arc<AtomicBool>,
    refusals: Arc<AtomicUsize>,
}

impl OnFullDisk {
    fn journal(
        full: &Arc<AtomicBool>,
        refusals: &Arc<AtomicUsize>,
    ) -> impl FnOnce(Store) -> Box<dyn Journal> {
        let (full, refusals) = (Arc::clone(full), Arc::clone(refusals));
        move |store| Box::new(OnFullDisk { store, full, refusals })
    }

    fn check(&self) -> Result<(), neargate_store::Error> {
        if !self.full.load(Ordering::Acquire) {
            return Ok(());
        }
        self.refusals.fetch_add(1, Ordering::AcqRel);
        Err(neargate_store::Error::Full {
            action: "append to",
            path: PathBuf::from("journal/segment-1"),
            source: std::io::ErrorKind::StorageFull.into(),
        })
    }
}

impl Journal for OnFullDisk {
    fn append(&mut self, entries: &[Vec<u8>]) -> Result<(), neargate_store::Error> {
        self.check()?;
        self.store.append(entries)
    }

    fn snapshot(&mut self, state: &[u8]) -> Result<(), neargate_store::Error> {
        self.check()?;
        self.store.snapshot(state)
    }

    fn journal_bytes(&self) -> u64 {
        self.store.journal_bytes()
    }
}

/// Issue 2, "a full disk: said plainly, nothing lost".
#[test]
fn commands_are_refused_reports_are_kept_and_all_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let _edge = FakeEdge::start(dir.path());
    let full = Arc::new(AtomicBool::new(false));
    let refusals = Arc::new(AtomicUsize::new(0));
    let engine = start_with(dir.path(), &machine, OnFullDisk::journal(&full, &refusals));
    engine.accepted(system("auth", 2));
    engine.until_steady();

    full.store(true, Ordering::Release);
    let before = bytes(&as_if_killed(dir.path()).expect("a platform"));
    let view = engine.view();
    for _ in 0..2 {
        let why = engine.rejected(vec![Command::Scale { service: name("auth"), desired_count: 5 }]);
        assert!(why.starts_with("nothing changed: the journal cannot be written"), "{why}");
        assert!(why.contains("the disk is full"), "{why}");
    }
    let victim = *machine.state().tasks.first().expect("tasks run");
    machine.exit(victim, Exit::Code(9));
    // The report meets a full disk more than once.
    let so_far = refusals.load(Ordering::Acquire);
    eventually("more attempts", || (refusals.load(Ordering::Acquire) >= so_far + 3).then_some(()));
    // Questions are answered as before, by what is durable.
    assert_eq!(engine.view().services, view.services);
    assert_eq!(machine.state().starts, 2, "no effect without its input on disk");
    assert_eq!(bytes(&as_if_killed(dir.path()).expect("a platform")), before);

    full.store(false, Ordering::Release);
    eventually("the kept report", || {
        let view = engine.view();
        let task = view.tasks.into_iter().find(|t| t.id == victim.to_string());
        task.filter(|t| t.status == "STOPPED")
    });
    engine.until_steady();
    engine.accepted(vec![Command::Scale { service: name("auth"), desired_count: 3 }]);
    engine.until_steady();
    assert_eq!(machine.state().starts, 4);
    engine.stop();
}

/// A command that comes just when there is room again is not refused because of earlier failures.
#[test]
fn the_next_command_tries_again_at_once() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let full = Arc::new(AtomicBool::new(false));
    let refusals = Arc::new(AtomicUsize::new(0));
    let engine = start_with(dir.path(), &machine, OnFullDisk::journal(&full, &refusals));
    let cluster = || vec![Command::PutCluster { name: "main".into() }];
    full.store(true, Ordering::Release);
    engine.rejected(cluster());
    full.store(false, Ordering::Release);
    engine.accepted(cluster());
    engine.stop();
}

/// Images must be durable before a command that refers to them.
#[test]
fn commands_are_refused_when_their_images_cannot_be_remembered() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let engine = start_with(dir.path(), &machine, |store| Box::new(store));
    let image = neargate_runtime::ImageSource::Binary {
        path: "neargate".into(),
        arguments: Vec::new(),
        fixed_arguments: true,
        tags: None,
    };
    let request = || crate::api::Request::Commands {
        commands: vec![Command::PutCluster { name: "main".into() }],
        images: [("shop/web".to_owned(), image.clone())].into(),
        secrets: Vec::new(),
    };
    machine.state().images_fail = true;
    let before = bytes(&as_if_killed(dir.path()).expect("a platform"));
    let response = engine.send(request());
    let crate::api::Response::Rejected(why) = response else { panic!("{response:?}") };
    assert_eq!(why, "nothing changed: could not write images.json");
    assert_eq!(bytes(&as_if_killed(dir.path()).expect("a platform")), before);
    machine.state().images_fail = false;
    assert!(matches!(engine.send(request()), crate::api::Response::Accepted));
    assert_eq!(machine.state().images.len(), 1);
    engine.stop();
}
