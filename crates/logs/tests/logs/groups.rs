//! Groups and streams: creating, listing, deleting.

use std::collections::BTreeMap;

use neargate_logs::{
    Error, ListGroups, ListStreams, LogStore, Page, StreamInfo, StreamOrder, StreamWriter,
};

use crate::harness::Rig;

fn names<T>(page: &Page<T>, name: impl Fn(&T) -> &str) -> Vec<&str> {
    page.items.iter().map(name).collect()
}

#[test]
fn groups_are_durable_listed_and_deleted() {
    let rig = Rig::new();
    let tags = BTreeMap::from([("team".to_owned(), "web".to_owned())]);
    rig.store.create_group("/ecs/prod/api", Some(14), tags.clone(), 1000).unwrap();
    rig.store.create_group("/ecs/prod/web", None, BTreeMap::new(), 2000).unwrap();
    let again = rig.store.create_group("/ecs/prod/api", None, BTreeMap::new(), 0);
    assert!(matches!(again, Err(Error::GroupExists { .. })));

    // Another store, as after a restart.
    let store = LogStore::open(rig.root()).unwrap();
    let info = store.group_info("/ecs/prod/api").unwrap();
    assert_eq!((info.created_ms, info.retention_days, info.tags), (1000, Some(14), tags));
    let by_prefix = ListGroups { prefix: Some("/ecs/"), ..ListGroups::default() };
    let page = store.groups(&by_prefix).unwrap();
    assert_eq!(names(&page, |group| &group.name), ["/ecs/prod/api", "/ecs/prod/web"]);
    let by_pattern = ListGroups { pattern: Some("WEB"), ..ListGroups::default() };
    assert_eq!(names(&store.groups(&by_pattern).unwrap(), |g| &g.name), ["/ecs/prod/web"]);

    let first = store.groups(&ListGroups { limit: Some(2), ..ListGroups::default() }).unwrap();
    let token = first.next_token.as_deref();
    let second = store.groups(&ListGroups { limit: Some(2), token, ..ListGroups::default() });
    assert_eq!(first.items.len(), 2);
    assert_eq!(names(&second.unwrap(), |group| &group.name), ["g"]);

    store.change_tags("/ecs/prod/api", BTreeMap::new(), &["team"]).unwrap();
    assert!(store.group_info("/ecs/prod/api").unwrap().tags.is_empty());
    store.delete_group("/ecs/prod/api").unwrap();
    assert!(matches!(store.group_info("/ecs/prod/api"), Err(Error::NoSuchGroup { .. })));
    assert!(matches!(store.delete_group("/ecs/prod/api"), Err(Error::NoSuchGroup { .. })));
    store.create_group("/ecs/prod/api", None, BTreeMap::new(), 5000).unwrap();
    assert_eq!(store.stream_names("/ecs/prod/api", "").unwrap(), [""; 0]);
}

#[test]
fn cwl_grp_2_retention_is_one_of_the_allowed_numbers() {
    let rig = Rig::new();
    for days in [1, 30, 3653] {
        rig.store.put_retention("g", Some(days)).unwrap();
        assert_eq!(rig.store.group_info("g").unwrap().retention_days, Some(days));
    }
    for days in [0, 2, 31, 4000] {
        let error = rig.store.put_retention("g", Some(days)).unwrap_err();
        assert!(error.to_string().contains("1, 3, 5, 7, 14"), "{error}");
    }
    rig.store.put_retention("g", None).unwrap();
    assert_eq!(rig.store.group_info("g").unwrap().retention_days, None);
}

#[test]
fn cwl_grp_5_streams_are_listed_by_name_or_by_latest_event() {
    let rig = Rig::new();
    for (stream, at) in [("web/a", 300), ("web/b", 100), ("api/c", 200)] {
        rig.writer(stream).append(at, b"hello").unwrap();
    }
    rig.store.create_stream("g", "web/empty", 0).unwrap();
    let again = rig.store.create_stream("g", "web/a", 0);
    assert!(matches!(again, Err(Error::StreamExists { .. })));

    let all = |list: ListStreams<'_>| -> Vec<String> {
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let here = ListStreams { token: token.as_deref(), limit: Some(1), ..list };
            let page = rig.store.streams(&here).unwrap();
            names.extend(page.items.into_iter().map(|info| info.name));
            token = page.next_token;
            if token.is_none() {
                return names;
            }
        }
    };
    let list = ListStreams { group: "g", ..ListStreams::default() };
    assert_eq!(all(list), ["api/c", "web/a", "web/b", "web/empty"]);
    assert_eq!(all(ListStreams { prefix: Some("web/"), ..list }), ["web/a", "web/b", "web/empty"]);
    assert_eq!(
        all(ListStreams { is_descending: true, ..list }),
        ["web/empty", "web/b", "web/a", "api/c"]
    );
    let by_time = ListStreams { order: StreamOrder::LastEventTime, ..list };
    assert_eq!(all(by_time), ["web/empty", "web/b", "api/c", "web/a"]);
    assert_eq!(
        all(ListStreams { is_descending: true, ..by_time }),
        ["web/a", "api/c", "web/b", "web/empty"]
    );
}

#[test]
fn a_stream_says_its_times_and_sizes() {
    let rig = Rig::new();
    let mut writer = StreamWriter::open(rig.root(), "g", "s", 77).unwrap();
    writer.push(500, 900, b"late");
    writer.push(100, 901, b"early");
    writer.commit(901).unwrap();
    let want = StreamInfo {
        name: "s".to_owned(),
        created_ms: 77,
        first_event_ms: Some(100),
        last_event_ms: Some(500),
        last_ingestion_ms: Some(901),
        stored_bytes: 4 + 5 + 2 * 26,
        next_sequence: 3,
    };
    assert_eq!(rig.store.stream_info("g", "s").unwrap(), want);
}

#[test]
fn a_stream_that_was_deleted_and_made_anew_starts_anew() {
    let rig = Rig::new();
    let mut old = rig.writer("s");
    old.append(1, b"old").unwrap();
    assert_eq!(rig.texts("s"), ["old"]);
    rig.store.delete_stream("g", "s").unwrap();
    assert!(matches!(rig.store.delete_stream("g", "s"), Err(Error::NoSuchStream { .. })));
    assert!(old.append(2, b"nowhere").unwrap_err().is_gone());
    let mut new = rig.writer("s");
    new.append(3, b"new").unwrap();
    old.append(4, b"old again").unwrap();
    assert_eq!(rig.texts("s"), ["new", "old again"]);
}

#[test]
fn a_writer_needs_its_group() {
    let rig = Rig::new();
    let answer = StreamWriter::open(rig.root(), "missing", "s", 0);
    assert!(matches!(answer, Err(Error::NoSuchGroup { .. })));
    assert!(matches!(rig.store.stream_names("missing", ""), Err(Error::NoSuchGroup { .. })));
}

#[test]
fn the_longest_names_work() {
    let rig = Rig::new();
    let group = "/a".repeat(256);
    let stream = "ü/".repeat(256);
    rig.store.create_group(&group, None, BTreeMap::new(), 0).unwrap();
    let mut writer = StreamWriter::open(rig.root(), &group, &stream, 0).unwrap();
    writer.append(1, b"x").unwrap();
    assert_eq!(rig.store.stream_names(&group, "").unwrap(), [stream.as_str()]);
    rig.store.delete_stream(&group, &stream).unwrap();
    assert_eq!(rig.store.stream_names(&group, "").unwrap(), [""; 0]);
    rig.store.delete_group(&group).unwrap();
    let left: Vec<_> = std::fs::read_dir(rig.root().join("groups")).unwrap().collect();
    assert_eq!(left.len(), 1, "only g: {left:?}");
}
