//! Old events go away; streams and sequences stay.

use neargate_logs::{GetEvents, SegmentLimits, StreamWriter};

use crate::harness::Rig;

const DAY: i64 = 24 * 60 * 60 * 1000;

#[test]
fn segments_with_nothing_newer_are_deleted_and_the_writer_goes_on() {
    let rig = Rig::new();
    rig.store.put_retention("g", Some(3)).unwrap();
    let mut writer = rig.writer("s");
    for i in 0..100 {
        writer.append(DAY + i, b"old").unwrap();
    }
    assert_eq!(rig.store.expire(4 * DAY).unwrap().segments, 0, "not older than three days yet");
    assert_eq!(rig.all("s").len(), 100);
    let expired = rig.store.expire(5 * DAY).unwrap();
    assert_eq!(expired.segments, 1);
    assert!(expired.bytes > 3000);
    assert_eq!(rig.all("s").len(), 0);
    let info = rig.store.stream_info("g", "s").unwrap();
    assert_eq!((info.last_event_ms, info.stored_bytes, info.next_sequence), (None, 0, 101));
    writer.append(5 * DAY, b"new").unwrap();
    let events = rig.all("s");
    assert_eq!((events.len(), events[0].sequence), (1, 101));
    assert_eq!(rig.store.expire(5 * DAY).unwrap().segments, 0);
}

#[test]
fn old_events_beside_newer_ones_are_hidden() {
    let rig = Rig::new();
    let mut writer = rig.writer("s");
    for day in 1..=10 {
        let text = format!("day {day}{}", " ".repeat(100_000));
        writer.append(day * DAY, text.as_bytes()).unwrap();
    }
    rig.store.put_retention("g", Some(5)).unwrap();
    assert_eq!(rig.store.expire(10 * DAY).unwrap().segments, 0);
    let texts = rig.texts("s");
    let days: Vec<&str> = texts.iter().map(|text| text.trim_end()).collect();
    assert_eq!(days, ["day 5", "day 6", "day 7", "day 8", "day 9", "day 10"]);
    let get = GetEvents { group: "g", stream: "s", ..GetEvents::default() };
    let page = rig.store.get_events(&get).unwrap();
    assert_eq!(page.events.len(), 6, "from the tail as well");
    assert_eq!(rig.store.stream_info("g", "s").unwrap().first_event_ms, Some(5 * DAY));
}

#[test]
fn a_segment_ends_after_a_day_so_that_it_can_go() {
    let rig = Rig::new();
    rig.store.put_retention("g", Some(1)).unwrap();
    let mut writer = rig.writer("s");
    for hour in 0..72 {
        let now = DAY + hour * DAY / 24;
        writer.append(now, b"each hour").unwrap();
        writer.tick(now + 1500).unwrap();
    }
    assert_eq!(rig.files("s", "log").len(), 4);
    rig.store.expire(4 * DAY).unwrap();
    assert!(rig.files("s", "log").len() <= 2);
    assert_eq!(rig.all("s").len(), 24);
}

#[test]
fn groups_without_retention_keep_everything() {
    let rig = Rig::new();
    rig.writer("s").append(0, b"ancient").unwrap();
    rig.store.expire(100_000 * DAY).unwrap();
    assert_eq!(rig.texts("s"), ["ancient"]);
}

#[test]
fn only_segments_that_are_over_go() {
    let rig = Rig::new();
    rig.store.put_retention("g", Some(1)).unwrap();
    let limits = SegmentLimits { bytes: 1000, ..SegmentLimits::default() };
    let mut writer = StreamWriter::open_with(rig.root(), "g", "s", 0, limits).unwrap();
    for i in 0..100 {
        writer.append(i * DAY / 10, &[b'x'; 100]).unwrap();
    }
    let before = rig.files("s", "log").len();
    let expired = rig.store.expire(10 * DAY).unwrap();
    assert_eq!(rig.files("s", "log").len() as u64, before as u64 - expired.segments);
    assert_eq!(rig.files("s", "idx").len(), rig.files("s", "log").len());
    let times: Vec<i64> = rig.all("s").iter().map(|event| event.timestamp_ms).collect();
    assert_eq!(times, (90..100).map(|i| i * DAY / 10).collect::<Vec<_>>());
}
