//! Getting, filtering and putting events.

use neargate_logs::{
    BatchError, Error, EventPage, FilterEvents, FilterPattern, GetEvents, ListStreams, LogEvent,
    PutEvent, SegmentLimits, StreamOrder, StreamWriter,
};
use proptest::prelude::*;

use crate::harness::Rig;

/// One append: which stream, and the times of its events.
type Append = (u8, Vec<i64>);

/// Writes with tiny segments, so that several take part.
fn fill(rig: &Rig, appends: &[Append], padding: usize) {
    let limits = SegmentLimits { bytes: 3000, ..SegmentLimits::default() };
    for (stream, times) in appends {
        let stream = format!("s{stream}");
        let mut writer = StreamWriter::open_with(rig.root(), "g", &stream, 0, limits).unwrap();
        for time in times {
            let text = format!("{stream} {time} {}", "x".repeat(padding));
            writer.push(*time, 99, text.as_bytes());
        }
        writer.commit(99).unwrap();
    }
}

fn times_of(appends: &[Append], wanted: impl Fn(u8, i64) -> bool) -> Vec<i64> {
    let all = appends.iter().flat_map(|(s, times)| times.iter().map(|time| (*s, *time)));
    let mut times: Vec<i64> = all.filter(|(s, t)| wanted(*s, *t)).map(|(_, t)| t).collect();
    times.sort_unstable();
    times
}

fn appends() -> impl Strategy<Value = Vec<Append>> {
    let times = proptest::collection::vec(0..60_i64, 1..12);
    proptest::collection::vec((0..3_u8, times), 1..12)
}

fn in_order_and_once(events: &[LogEvent]) -> bool {
    events.is_sorted_by(|a, b| (a.timestamp_ms, a.sequence) < (b.timestamp_ms, b.sequence))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn cwl_get_1_pages_together_are_all_events_once_in_order(
        appends in appends(),
        limit in 1..9_usize,
        start in proptest::option::of(0..60_i64),
        end in proptest::option::of(0..60_i64),
        is_forward in any::<bool>(),
        padding in prop_oneof![Just(0), Just(300)],
    ) {
        let rig = Rig::new();
        rig.store.create_stream("g", "s0", 0).unwrap();
        fill(&rig, &appends, padding);
        let get = GetEvents {
            group: "g",
            stream: "s0",
            start_ms: start,
            end_ms: end,
            from_head: is_forward,
            limit: Some(limit),
            token: None,
        };
        let next = |page: &EventPage| if is_forward {
            page.next_forward_token.clone()
        } else {
            page.next_backward_token.clone()
        };
        let mut page = rig.store.get_events(&get).unwrap();
        let mut events: Vec<LogEvent> = Vec::new();
        loop {
            prop_assert!(events.len() <= 200, "pages end");
            let part = page.events.clone();
            let at = if is_forward { events.len() } else { 0 };
            events.splice(at..at, part);
            let token = next(&page);
            page = rig.store.get_events(&GetEvents { token: Some(&token), ..get }).unwrap();
            if page.events.is_empty() {
                prop_assert_eq!(next(&page), token, "the end is told by the same token");
                break;
            }
        }
        prop_assert!(in_order_and_once(&events));
        let times: Vec<i64> = events.iter().map(|event| event.timestamp_ms).collect();
        let wanted = |s, t| s == 0 && start.is_none_or(|b| t >= b) && end.is_none_or(|e| t < e);
        prop_assert_eq!(times, times_of(&appends, wanted));
    }

    #[test]
    fn cwl_flt_1_filtered_pages_together_are_all_matches_once_interleaved_by_time(
        appends in appends(),
        limit in 1..9_usize,
        start in proptest::option::of(0..60_i64),
        end in proptest::option::of(0..60_i64),
        stream in proptest::option::of(0..3_u8),
        digit in proptest::option::of(0..6_i64),
    ) {
        let rig = Rig::new();
        fill(&rig, &appends, 10);
        let prefix = stream.map(|number| format!("s{number}"));
        let pattern = digit.map(|digit| {
            FilterPattern::parse(&format!("[stream, time = {digit}*, text]")).unwrap()
        });
        let filter = FilterEvents {
            group: "g",
            prefix: prefix.as_deref(),
            start_ms: start,
            end_ms: end,
            pattern: pattern.as_ref(),
            limit: Some(limit),
            ..FilterEvents::default()
        };
        let mut page = rig.store.filter_events(&filter).unwrap();
        let mut events = page.events;
        while let Some(token) = page.next_token {
            prop_assert!(events.len() <= 200, "pages end");
            let next = FilterEvents { token: Some(&token), ..filter };
            page = rig.store.filter_events(&next).unwrap();
            prop_assert!(page.events.len() <= limit);
            events.extend(page.events);
        }
        let times: Vec<i64> = events.iter().map(|found| found.event.timestamp_ms).collect();
        let wanted = |s, t: i64| stream.is_none_or(|only| s == only)
            && start.is_none_or(|b| t >= b)
            && end.is_none_or(|e| t <= e)
            && digit.is_none_or(|digit| t.to_string().starts_with(&digit.to_string()));
        prop_assert_eq!(times, times_of(&appends, wanted));
        let mut ids: Vec<String> = events.iter().map(|found| found.event_id()).collect();
        prop_assert!(ids.iter().all(|id| id.len() == 56));
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), events.len());
    }
}

#[test]
fn cwl_get_1_without_from_head_the_latest_come_first() {
    let rig = Rig::new();
    let mut writer = rig.writer("s");
    for i in 0..10 {
        writer.append(i, format!("{i}").as_bytes()).unwrap();
    }
    let get = GetEvents { group: "g", stream: "s", limit: Some(3), ..GetEvents::default() };
    let page = rig.store.get_events(&get).unwrap();
    let texts = |page: &EventPage| -> Vec<String> {
        page.events.iter().map(|event| event.text().into_owned()).collect()
    };
    assert_eq!(texts(&page), ["7", "8", "9"]);
    let before = GetEvents { token: Some(&page.next_backward_token), ..get };
    assert_eq!(texts(&rig.store.get_events(&before).unwrap()), ["4", "5", "6"]);
    let after = GetEvents { token: Some(&page.next_forward_token), ..get };
    let end = rig.store.get_events(&after).unwrap();
    assert_eq!((texts(&end).len(), &end.next_forward_token), (0, &page.next_forward_token));
    writer.append(10, b"10").unwrap();
    assert_eq!(texts(&rig.store.get_events(&after).unwrap()), ["10"], "the token goes on");
}

#[test]
fn cwl_get_1_a_page_has_at_most_a_mebibyte_and_at_least_one_event() {
    let rig = Rig::new();
    rig.store.create_stream("g", "s", 0).unwrap();
    let message = vec![b'x'; (1 << 20) - 26];
    let now = 1_800_000_000_000;
    for i in 0..2 {
        let event = PutEvent { timestamp_ms: now + i, message: &message };
        rig.store.put_events("g", "s", &[event], now).unwrap();
    }
    let get = GetEvents { group: "g", stream: "s", from_head: true, ..GetEvents::default() };
    assert_eq!(rig.store.get_events(&get).unwrap().events.len(), 1);
    assert_eq!(rig.all("s").len(), 2);
}

#[test]
fn a_time_range_of_a_large_stream_is_read_without_the_rest() {
    let rig = Rig::new();
    let mut writer = rig.writer("s");
    for i in 0..100_000_i64 {
        writer.push(i, i, format!("{i} {}", "x".repeat(180)).as_bytes());
        if i % 1000 == 0 {
            writer.commit(i).unwrap();
        }
    }
    writer.flush(100_000).unwrap();
    drop(writer);
    assert!(rig.files("s", "log").len() >= 2, "the test covers several segments");
    // Whoever read the first megabytes would miss that they are gone.
    let first = rig.files("s", "log").remove(0);
    let file = std::fs::OpenOptions::new().write(true).open(&first).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0; 8 << 20], 4096).unwrap();
    let get = GetEvents {
        group: "g",
        stream: "s",
        start_ms: Some(60_000),
        end_ms: Some(60_010),
        from_head: true,
        ..GetEvents::default()
    };
    let events = rig.store.get_events(&get).unwrap().events;
    let times: Vec<i64> = events.iter().map(|event| event.timestamp_ms).collect();
    assert_eq!(times, (60_000..60_010).collect::<Vec<_>>());
}

#[test]
fn put_events_are_checked_and_what_is_out_of_time_is_left_out() {
    let rig = Rig::new();
    let now = 1_800_000_000_000;
    let event = |timestamp_ms| PutEvent { timestamp_ms, message: b"m" };
    let put = |events: &[PutEvent<'_>]| rig.store.put_events("g", "s", events, now);
    assert!(matches!(put(&[event(now)]), Err(Error::NoSuchStream { .. })));
    rig.store.create_stream("g", "s", 0).unwrap();
    assert!(matches!(put(&[]), Err(Error::Batch(BatchError::Empty))));
    let outcome = put(&[event(now), event(now + 3 * 60 * 60 * 1000)]).unwrap();
    assert_eq!(outcome.rejected.too_new_start, Some(1));
    assert_eq!(outcome.next_sequence, 2);
    rig.store.put_retention("g", Some(1)).unwrap();
    let outcome = put(&[event(now - 25 * 60 * 60 * 1000)]).unwrap();
    assert_eq!(outcome.rejected.expired_end, Some(1));
    assert_eq!(rig.all("s").len(), 1);
}

#[test]
fn put_events_go_into_a_stream_that_a_shim_has_open() {
    let rig = Rig::new();
    let now = 1_800_000_000_000;
    let mut shim = rig.writer("s");
    shim.append(now, b"from the shim").unwrap();
    let event = PutEvent { timestamp_ms: now - 1000, message: b"from a client" };
    rig.store.put_events("g", "s", &[event], now).unwrap();
    shim.append(now + 1, b"from the shim again").unwrap();
    let events = rig.all("s");
    assert_eq!(events[0].message, b"from a client", "in the order of time");
    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [2, 1, 3]);
}

#[test]
fn bad_requests_are_told_apart() {
    let rig = Rig::new();
    rig.store.create_stream("g", "s", 0).unwrap();
    let get = GetEvents { group: "g", stream: "s", ..GetEvents::default() };
    let answer = |get: GetEvents<'_>| rig.store.get_events(&get).unwrap_err();
    assert!(matches!(answer(GetEvents { limit: Some(0), ..get }), Error::InvalidRequest { .. }));
    assert!(matches!(
        answer(GetEvents { limit: Some(10_001), ..get }),
        Error::InvalidRequest { .. }
    ));
    assert!(matches!(answer(GetEvents { token: Some("x"), ..get }), Error::InvalidToken { .. }));
    assert!(matches!(answer(GetEvents { stream: "t", ..get }), Error::NoSuchStream { .. }));
    assert!(matches!(answer(GetEvents { group: "h", ..get }), Error::NoSuchGroup { .. }));
    assert!(matches!(answer(GetEvents { stream: "a:b", ..get }), Error::InvalidStreamName { .. }));
    let both =
        FilterEvents { group: "g", streams: &["s"], prefix: Some("s"), ..FilterEvents::default() };
    assert!(matches!(rig.store.filter_events(&both), Err(Error::InvalidRequest { .. })));
    let missing = FilterEvents { group: "g", streams: &["t"], ..FilterEvents::default() };
    assert!(matches!(rig.store.filter_events(&missing), Err(Error::NoSuchStream { .. })));
    let list = ListStreams {
        group: "g",
        prefix: Some("s"),
        order: StreamOrder::LastEventTime,
        ..ListStreams::default()
    };
    assert!(matches!(rig.store.streams(&list), Err(Error::InvalidRequest { .. })));
}
