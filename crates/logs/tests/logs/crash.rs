//! Processes are killed in the middle; files are cut and damaged. Nothing a reader could see is
//! lost, nothing is shown that was not written.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use neargate_logs::{DeliveryMode, LogEvent, Pump, PumpState};

use crate::harness::{Helper, Rig, wait_until};

fn assert_whole(events: &[LogEvent]) {
    for (event, want) in events.iter().zip(1..) {
        assert_eq!(event.sequence, want);
        let padding = "x".repeat(usize::try_from(want % 700).unwrap());
        assert_eq!(event.text(), format!("{want} {padding}"));
    }
}

#[test]
fn a_writer_killed_in_the_middle_loses_nothing_that_was_seen() {
    let rig = Rig::new();
    let root = rig.root().to_str().unwrap();
    let mut seen = 0;
    for round in 0..40 {
        let batch = ["1", "7", "200", "3000"][round % 4];
        let mut helper = Helper::start(&["write", root, "s", batch]);
        let info = || rig.store.stream_info("g", "s");
        wait_until("the writer goes on", || info().is_ok_and(|i| i.next_sequence > seen + 300));
        helper.kill();
        let next = info().unwrap().next_sequence;
        assert!(next > seen + 300, "round {round}: {next} after {seen}");
        seen = next;
    }
    let events = rig.all("s");
    assert!(events.len() as u64 >= seen - 1);
    assert_whole(&events);
    assert!(rig.files("s", "log").len() > 3, "the test covers rotation");
}

#[test]
fn every_torn_tail_is_cut_off_by_the_next_writer() {
    let rig = Rig::new();
    let mut writer = rig.writer("s");
    writer.append(1, b"one").unwrap();
    let whole = fs::read(&rig.files("s", "log")[0]).unwrap();
    writer.append(2, b"two").unwrap();
    drop(writer);
    let path = &rig.files("s", "log")[0];
    let both = fs::read(path).unwrap();
    for length in whole.len()..both.len() {
        fs::write(path, &both[..length]).unwrap();
        assert_eq!(rig.texts("s"), ["one"], "a reader passes over it");
        let mut writer = rig.writer("s");
        assert_eq!(fs::read(path).unwrap(), whole, "cut at {length}");
        writer.append(3, b"three").unwrap();
        assert_eq!(rig.texts("s"), ["one", "three"], "cut at {length}");
    }
}

#[test]
fn damage_in_the_middle_hides_one_event_only() {
    let rig = Rig::new();
    let mut writer = rig.writer("s");
    for i in 0..10 {
        writer.append(i, format!("event {i}").as_bytes()).unwrap();
    }
    drop(writer);
    let path = &rig.files("s", "log")[0];
    let file = OpenOptions::new().write(true).open(path).unwrap();
    // The fifth record's message: 32 bytes of file header, 39 for each record.
    file.write_at(b"#", 32 + 4 * 39 + 33).unwrap();
    let mut writer = rig.writer("s");
    writer.append(10, b"event 10").unwrap();
    let texts = rig.texts("s");
    assert_eq!(texts.len(), 10);
    assert!(!texts.contains(&"event 4".to_owned()) && texts.contains(&"event 10".to_owned()));
}

#[test]
fn a_missing_or_damaged_index_is_rebuilt() {
    let rig = Rig::new();
    let mut writer = rig.writer("s");
    for i in 0..2000 {
        writer.push(i, i, format!("{i} {}", "x".repeat(200)).as_bytes());
    }
    writer.commit(2000).unwrap();
    drop(writer);
    let index = rig.files("s", "idx").remove(0);
    let whole = fs::read(&index).unwrap();
    assert!(whole.len() > 400, "several blocks");
    for damaged in [&[][..], &whole[..100], &[0; 640], b"garbage"] {
        fs::write(&index, damaged).unwrap();
        assert_eq!(rig.all("s").len(), 2000);
        drop(rig.writer("s"));
        assert_eq!(fs::read(&index).unwrap(), whole, "a writer completes it");
    }
    fs::remove_file(&index).unwrap();
    assert_eq!(rig.all("s").len(), 2000);
}

#[test]
fn readers_in_other_processes_see_whole_events_while_a_writer_writes() {
    let rig = Rig::new();
    let root = rig.root().to_str().unwrap();
    let _writer = Helper::start(&["write", root, "s", "50"]);
    wait_until("there is a stream", || rig.store.stream_info("g", "s").is_ok());
    // Two readers that share nothing with each other or with the writer.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let store = neargate_logs::LogStore::open(rig.root()).unwrap();
                let mut seen = 0;
                while seen < 5000 {
                    let get = neargate_logs::GetEvents {
                        group: "g",
                        stream: "s",
                        limit: Some(500),
                        ..Default::default()
                    };
                    let events = store.get_events(&get).unwrap().events;
                    assert!(events.is_sorted_by_key(|event| event.timestamp_ms));
                    for event in &events {
                        let text = event.text();
                        assert!(text.starts_with(&format!("{} ", event.sequence)));
                    }
                    let latest = events.iter().map(|event| event.sequence).max().unwrap_or(0);
                    assert!(latest >= seen, "what was seen stays");
                    seen = latest;
                }
            });
        }
    });
}

#[test]
fn writers_in_two_processes_take_turns() {
    let rig = Rig::new();
    let root = rig.root().to_str().unwrap();
    let mut helpers = [(); 2].map(|()| Helper::start(&["write", root, "s", "20"]));
    let mut own = rig.writer("s");
    let info = || rig.store.stream_info("g", "s");
    let mut appended = 0;
    wait_until("all have written much", || {
        own.append(0, b"own").unwrap();
        appended += 1;
        info().is_ok_and(|i| i.next_sequence > 3000) && appended > 20
    });
    helpers.iter_mut().for_each(Helper::kill);
    let mut sequences: Vec<u64> = rig.all("s").iter().map(|event| event.sequence).collect();
    sequences.sort_unstable();
    let want: Vec<u64> = (1..=sequences.len() as u64).collect();
    assert_eq!(sequences, want, "each sequence once");
    let mine = rig.texts("s").iter().filter(|text| *text == "own").count();
    assert_eq!(mine, appended);
}

#[test]
fn a_new_shim_goes_on_with_the_pipe_of_a_killed_one() {
    let rig = Rig::new();
    let root = rig.root().to_str().unwrap();
    let fifo = rig.root().join("output");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // As a container does it: for reading and writing, so that it survives its shim.
    let container = OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let mut shim = Helper::start(&["pump", root, "s", fifo.to_str().unwrap(), "blocking"]);
    std::io::Write::write_all(&mut &container, b"before\n").unwrap();
    wait_until("the first line is there", || {
        rig.store.stream_info("g", "s").is_ok() && rig.texts("s") == ["before"]
    });
    shim.kill();
    std::io::Write::write_all(&mut &container, b"meanwhile\n").unwrap();
    let reader = fs::File::open(&fifo).unwrap();
    let mut pump = Pump::new(reader.into(), rig.writer("s"), DeliveryMode::Blocking, None).unwrap();
    std::io::Write::write_all(&mut &container, b"after").unwrap();
    assert_eq!(pump.ready(1).unwrap(), PumpState::Open);
    drop(container);
    pump.finish(2).unwrap();
    let mut texts = rig.texts("s");
    texts.sort();
    assert_eq!(texts, ["after", "before", "meanwhile"]);
}
