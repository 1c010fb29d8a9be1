//! Following streams while they are written.

use std::time::{Duration, Instant};

use neargate_logs::{Dropped, Follow, FollowFrom, Followed, Follower, SegmentLimits, StreamWriter};

use crate::harness::{Helper, Rig, wait_until};

fn texts(items: &[Followed]) -> Vec<String> {
    let text = |item: &Followed| match item {
        Followed::Event(found) => format!("{}: {}", found.stream, found.event.text()),
        Followed::Dropped { stream, notice } => format!("{stream}: -{}", notice.dropped.lines),
    };
    items.iter().map(text).collect()
}

fn next_within(follower: &mut Follower, limit: Duration) -> Vec<Followed> {
    let deadline = Instant::now() + limit;
    loop {
        let items = follower.take_new().unwrap();
        if !items.is_empty() || Instant::now() >= deadline {
            return items;
        }
        follower.wait(deadline.saturating_duration_since(Instant::now())).unwrap();
    }
}

#[test]
fn what_is_appended_arrives_at_once() {
    let rig = Rig::new();
    let mut writer = rig.writer("s");
    writer.append(1, b"before").unwrap();
    let follow = Follow { group: "g", ..Follow::default() };
    let mut follower = rig.store.follow(&follow, FollowFrom::Now).unwrap();
    assert_eq!(texts(&follower.take_new().unwrap()), [""; 0]);
    assert!(follower.wake_fd().is_some(), "this machine has inotify");
    let mut slowest = Duration::ZERO;
    for i in 0..20 {
        let writing = std::thread::scope(|scope| {
            let append = scope.spawn(|| {
                let at = Instant::now();
                writer.append(i, format!("line {i}").as_bytes()).unwrap();
                at
            });
            let items = next_within(&mut follower, Duration::from_secs(10));
            assert_eq!(texts(&items), [format!("s: line {i}")]);
            append.join().unwrap()
        });
        slowest = slowest.max(writing.elapsed());
    }
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
}

#[test]
fn from_the_beginning_or_a_time_on_across_segments() {
    let rig = Rig::new();
    let limits = SegmentLimits { bytes: 500, ..SegmentLimits::default() };
    let mut writer = StreamWriter::open_with(rig.root(), "g", "s", 0, limits).unwrap();
    for i in 0..50 {
        writer.append(i, format!("{i}").as_bytes()).unwrap();
    }
    let follow = Follow { group: "g", streams: &["s"], ..Follow::default() };
    for (from, first) in [(FollowFrom::Beginning, 0), (FollowFrom::Time(20), 20)] {
        let mut follower = rig.store.follow(&follow, from).unwrap();
        let want: Vec<String> = (first..50).map(|i| format!("s: {i}")).collect();
        assert_eq!(texts(&follower.take_new().unwrap()), want);
        assert_eq!(texts(&follower.take_new().unwrap()), [""; 0]);
    }
    let mut follower = rig.store.follow(&follow, FollowFrom::Now).unwrap();
    for i in 50..60 {
        writer.append(i, format!("{i}").as_bytes()).unwrap();
    }
    assert_eq!(texts(&follower.take_new().unwrap()).len(), 10);
}

#[test]
fn new_streams_are_found_and_others_left_out() {
    let rig = Rig::new();
    let follow = Follow { group: "g", prefix: "web/", ..Follow::default() };
    let mut follower = rig.store.follow(&follow, FollowFrom::Now).unwrap();
    rig.writer("api/1").append(1, b"other").unwrap();
    rig.writer("web/1").append(2, b"first").unwrap();
    let mut items = Vec::new();
    wait_until("the new stream is found", || {
        items.extend(follower.take_new().unwrap());
        !items.is_empty()
    });
    assert_eq!(texts(&items), ["web/1: first"]);
}

#[test]
fn a_stream_made_anew_is_followed_from_its_beginning() {
    let rig = Rig::new();
    let mut writer = rig.writer("s");
    for i in 0..20 {
        writer.append(i, b"old").unwrap();
    }
    let follow = Follow { group: "g", ..Follow::default() };
    let mut follower = rig.store.follow(&follow, FollowFrom::Now).unwrap();
    rig.store.delete_stream("g", "s").unwrap();
    rig.writer("s").append(30, b"new").unwrap();
    let mut items = Vec::new();
    wait_until("the new one is found", || {
        items.extend(follower.take_new().unwrap());
        !items.is_empty()
    });
    assert_eq!(texts(&items), ["s: new"]);
}

#[test]
fn a_follower_learns_what_was_dropped() {
    let rig = Rig::new();
    let mut writer = rig.writer("s");
    let follow = Follow { group: "g", ..Follow::default() };
    let mut follower = rig.store.follow(&follow, FollowFrom::Beginning).unwrap();
    writer.count_dropped(Dropped { lines: 3, bytes: 30 });
    writer.append(1, b"after").unwrap();
    assert_eq!(texts(&follower.take_new().unwrap()), ["s: after", "s: -3"]);
}

#[test]
fn nothing_is_missed_or_told_twice_while_a_process_writes_and_is_killed() {
    let rig = Rig::new();
    let root = rig.root().to_str().unwrap();
    let follow = Follow { group: "g", ..Follow::default() };
    let mut follower = rig.store.follow(&follow, FollowFrom::Now).unwrap();
    let mut seen: u64 = 0;
    for _ in 0..3 {
        let goal = seen + 2000;
        let mut helper = Helper::start(&["write", root, "s", "40"]);
        let mut take = |items: Vec<Followed>| {
            for item in items {
                let Followed::Event(found) = item else { panic!("nothing was dropped") };
                seen += 1;
                assert_eq!(found.event.sequence, seen);
            }
            seen
        };
        wait_until("much is written", || take(follower.take_new().unwrap()) > goal);
        helper.kill();
        loop {
            let items = follower.take_new().unwrap();
            if items.is_empty() {
                break;
            }
            take(items);
        }
    }
    assert_eq!(rig.store.stream_info("g", "s").unwrap().next_sequence, seen + 1);
}
