//! What must hold whatever the disk does: everything acknowledged comes back, in order; nothing
//! that failed does; damage is reported, never skipped.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::error::Error;
use crate::frame::HEADER_LEN;
use crate::simulated_disk::{Faults, SimulatedDisk};
use crate::store::{Recovered, Store};

#[derive(Clone, Debug)]
enum Step {
    /// Entries of these sizes in one call.
    Append(Vec<usize>),
    Snapshot,
    Reopen,
}

/// A user of the store who knows what the store must hold.
struct User {
    disk: SimulatedDisk,
    store: Option<Store>,
    /// Every acknowledged entry since the beginning.
    acknowledged: Vec<Vec<u8>>,
    attempts: u32,
}

impl User {
    fn new(disk: SimulatedDisk) -> Self {
        Self { disk, store: None, acknowledged: Vec::new(), attempts: 0 }
    }

    /// Carries out one step. Returns the entries in flight when the power failed during it.
    fn take(&mut self, step: &Step) -> Vec<Vec<u8>> {
        let Some(store) = &mut self.store else {
            self.open(&[]);
            return Vec::new();
        };
        match step {
            Step::Append(sizes) => {
                let entries: Vec<Vec<u8>> = sizes.iter().map(|size| self.entry(*size)).collect();
                let store = self.store.as_mut().expect("seen above");
                match store.append(&entries) {
                    Ok(()) => self.acknowledged.extend(entries),
                    Err(_) if self.disk.is_dead() => return entries,
                    Err(_) => {}
                }
            }
            Step::Snapshot => {
                let state = (self.acknowledged.len() as u64).to_le_bytes();
                let _may_fail = store.snapshot(&state);
            }
            Step::Reopen => {
                self.store = None;
                self.open(&[]);
            }
        }
        Vec::new()
    }

    /// Unlike any other entry, also unlike the same one tried again.
    fn entry(&mut self, size: usize) -> Vec<u8> {
        self.attempts += 1;
        let mut entry = self.attempts.to_le_bytes().to_vec();
        entry.resize(4 + size, 0xAB);
        entry
    }

    /// Opens and checks, with `in_flight` entries that may or may not be there, all or none.
    fn open(&mut self, in_flight: &[Vec<u8>]) {
        match Store::open_on(Box::new(self.disk.clone())) {
            Ok((store, recovered)) => {
                self.store = Some(store);
                self.check(&recovered, in_flight);
            }
            Err(Error::Full { .. } | Error::Io { .. }) => {}
            Err(error) => panic!("a store no one damaged must open: {error}"),
        }
    }

    fn check(&mut self, recovered: &Recovered, in_flight: &[Vec<u8>]) {
        let base = recovered.snapshot.as_ref().map_or(0, |state| {
            u64::from_le_bytes(state.as_slice().try_into().expect("eight bytes")) as usize
        });
        let mut everything = self.acknowledged[..base].to_vec();
        everything.extend(recovered.entries.iter().cloned());
        if everything.len() != self.acknowledged.len() {
            self.acknowledged.extend_from_slice(in_flight);
        }
        assert_eq!(everything, self.acknowledged);
    }
}

fn generator(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    }
}

/// Runs the steps with the power failing at `at`, crashes, and goes on twice more.
fn run_with_power_cut(steps: &[Step], at: u64, seed: u64) {
    let disk = SimulatedDisk::default();
    let mut user = User::new(disk.clone());
    let mut random = generator(seed);
    for power_fails_at in [at, at / 2, at / 3] {
        disk.set_faults(Faults { power_fails_at: Some(power_fails_at), ..Faults::default() });
        let mut in_flight = Vec::new();
        for step in steps {
            in_flight = user.take(step);
            if disk.is_dead() {
                break;
            }
        }
        user.store = None;
        disk.crash(&mut random);
        user.open(&in_flight);
        assert!(user.store.is_some(), "with power, the store opens");
    }
    for step in steps {
        user.take(step);
    }
    user.take(&Step::Reopen);
}

fn fixed_steps() -> Vec<Step> {
    vec![
        Step::Reopen,
        Step::Append(vec![3]),
        Step::Append(vec![40, 0, 7]),
        Step::Snapshot,
        Step::Append(vec![1, 1]),
        Step::Append(vec![100]),
        Step::Reopen,
        Step::Append(vec![20]),
        Step::Snapshot,
        Step::Snapshot,
        Step::Append(vec![5, 60]),
    ]
}

/// The power fails at every operation of a fixed script, with 40 outcomes each.
#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    let steps = fixed_steps();
    let disk = SimulatedDisk::default();
    let mut user = User::new(disk.clone());
    steps.iter().for_each(|step| drop(user.take(step)));
    let operations = disk.operations();
    assert!(operations > 30, "the script does something: {operations}");
    for at in 0..operations {
        for seed in 0..40 {
            run_with_power_cut(&steps, at, seed);
        }
    }
}

/// A journal of three batches after a snapshot, with the ends of its batches.
fn small_journal() -> (BTreeMap<String, Vec<u8>>, Vec<usize>) {
    let disk = SimulatedDisk::default();
    let (mut store, _) = Store::open_on(Box::new(disk.clone())).expect("opens");
    store.snapshot(b"state").expect("snapshot");
    let mut ends = Vec::new();
    for entries in [vec![b"one".to_vec()], vec![b"two".to_vec(), Vec::new()], vec![vec![9; 50]]] {
        store.append(&entries).expect("append");
        ends.push(store.journal_bytes() as usize);
    }
    (disk.contents(), ends)
}

fn reopen(contents: &BTreeMap<String, Vec<u8>>) -> Result<(Store, Recovered), Error> {
    Store::open_on(Box::new(SimulatedDisk::with_contents(contents)))
}

/// Entries of the first `batches` of [`small_journal`].
fn first_entries(batches: usize) -> Vec<Vec<u8>> {
    let per_batch = [vec![b"one".to_vec()], vec![b"two".to_vec(), Vec::new()], vec![vec![9; 50]]];
    per_batch[..batches].concat()
}

/// Cut at every byte: the whole batches before the cut, and the store goes on from there.
#[test]
fn a_journal_cut_at_any_byte_gives_the_batches_before_the_cut() {
    let (contents, ends) = small_journal();
    for cut in HEADER_LEN..=*ends.last().expect("three") {
        let mut contents = contents.clone();
        contents.get_mut("segment-0000000002").expect("is there").truncate(cut);
        let (mut store, recovered) = reopen(&contents).expect("opens");
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(recovered.entries, first_entries(whole), "cut at {cut}");
        assert_eq!(recovered.snapshot.as_deref(), Some(&b"state"[..]));
        let kept = if whole == 0 { HEADER_LEN } else { ends[whole - 1] };
        assert_eq!(recovered.discarded_bytes, (cut - kept) as u64);
        store.append(&[b"more".to_vec()]).expect("goes on");
    }
}

/// Every bit of every byte: the damage is named with its file, or it is in the last batch, where it
/// cannot be told from a write cut short. No wrong entry ever comes out.
#[test]
fn a_flipped_bit_anywhere_is_reported_or_cuts_off_the_last_batch() {
    let (contents, ends) = small_journal();
    let last_batch = ends[1]..ends[2];
    for (file, bytes) in &contents {
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut contents = contents.clone();
            contents.get_mut(file).expect("is there")[at] ^= 1 << bit;
            let in_last_batch = file.starts_with("segment") && last_batch.contains(&at);
            match reopen(&contents) {
                Ok((_, recovered)) => {
                    assert!(in_last_batch, "{file}:{at} was not noticed");
                    assert_eq!(recovered.entries, first_entries(2));
                }
                Err(Error::Damaged { path, offset, .. }) => {
                    assert!(!in_last_batch, "{file}:{at}");
                    assert!(path.ends_with(file), "{file}:{at} blamed on {path:?}");
                    assert!(offset as usize <= at, "{file}:{at} blamed on {offset}");
                }
                Err(error) => panic!("{file}:{at}: {error}"),
            }
        }
    }
}

#[test]
fn damage_before_the_last_segment_and_missing_segments_are_reported() {
    let disk = SimulatedDisk::default();
    let (mut store, _) = Store::open_on(Box::new(disk.clone())).expect("opens");
    store.append(&[b"one".to_vec()]).expect("append");
    store.snapshot(b"state").expect("snapshot");
    store.append(&[b"two".to_vec()]).expect("append");
    let before = disk.contents();
    store.snapshot(b"later").expect("snapshot");
    store.append(&[b"three".to_vec()]).expect("append");
    // As if the second snapshot had never been renamed: segments 2 and 3 both count.
    let mut contents = disk.contents();
    contents.remove("snapshot-0000000003");
    contents.extend(before);
    let (_, recovered) = reopen(&contents).expect("opens");
    assert_eq!(recovered.entries, [b"two".to_vec(), b"three".to_vec()]);

    let mut cut = contents.clone();
    cut.get_mut("segment-0000000002").expect("is there").pop();
    let error = reopen(&cut).err().expect("damaged");
    assert!(matches!(error, Error::Damaged { .. }), "{error}");

    contents.remove("segment-0000000002");
    let error = reopen(&contents).err().expect("missing");
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    assert!(error.to_string().contains("segment-0000000002"), "{error}");
}

/// A full disk refuses the entry, keeps everything else, and works again when there is room.
#[test]
fn a_full_disk_refuses_and_recovers() {
    let disk = SimulatedDisk::default();
    let mut user = User::new(disk.clone());
    user.take(&Step::Reopen);
    user.take(&Step::Append(vec![10]));
    let used: usize = disk.contents().values().map(Vec::len).sum();
    for room in 0..80 {
        disk.set_faults(Faults { capacity: Some(used + room), ..Faults::default() });
        let store = user.store.as_mut().expect("open");
        let error = store.append(&[vec![1; 100]]).expect_err("full");
        assert!(matches!(error, Error::Full { .. }), "{error}");
        let error = store.snapshot(&[1; 200]).expect_err("full");
        assert!(matches!(error, Error::Full { .. }), "{error}");
        assert_eq!(disk.contents().values().map(Vec::len).sum::<usize>(), used, "all given back");
    }
    disk.set_faults(Faults::default());
    user.take(&Step::Append(vec![100]));
    user.take(&Step::Reopen);
    assert_eq!(user.acknowledged.len(), 2);
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec(0_usize..200, 1..5).prop_map(Step::Append),
        2 => Just(Step::Snapshot),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_script_survives_any_power_cut(
        steps in proptest::collection::vec(step(), 1..25),
        at in 0_u64..120,
        seed in any::<u64>(),
    ) {
        run_with_power_cut(&steps, at, seed);
    }

    #[test]
    fn any_script_survives_a_failing_sync_and_a_full_disk(
        steps in proptest::collection::vec(step(), 1..25),
        sync_fails_at in 0_u64..60,
        capacity in 100_usize..2000,
        seed in any::<u64>(),
    ) {
        let disk = SimulatedDisk::default();
        let mut user = User::new(disk.clone());
        let sync_fails_at = Some(sync_fails_at);
        disk.set_faults(Faults { sync_fails_at, capacity: Some(capacity), power_fails_at: None });
        for step in &steps {
            user.take(step);
        }
        user.store = None;
        disk.crash(generator(seed));
        user.open(&[]);
        prop_assert!(user.store.is_some());
    }
}
