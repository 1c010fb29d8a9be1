//! What the edge is told, and what becomes of what it says.

use std::os::unix::net::UnixListener;

use neargate_core::id::Generation;
use neargate_core::input::Command;
use neargate_core::target_health::{HealthReason, TargetHealth, TargetState};
use neargate_edge::control::{Change, FromEdge, ToEdge};

use super::machine::Machine;
use super::rig::{FakeEdge, NO_PID, as_if_killed, eventually, start};
use super::samples::{name, system};
use crate::api::{Request, Response};

fn generations(messages: &[ToEdge]) -> Vec<Generation> {
    let generation = |m: &ToEdge| match m {
        ToEdge::Sync { generation, .. } | ToEdge::Apply { generation, .. } => Some(*generation),
        _ => None,
    };
    messages.iter().filter_map(generation).collect()
}

/// Every connection begins with the whole wish; after it come the changes, each once, in order.
#[test]
fn a_connection_begins_with_sync_and_goes_on_with_changes_in_order() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let edge = FakeEdge::start(dir.path());
    let engine = start(dir.path(), &Machine::default());
    eventually("the first Sync", || (!edge.told(0).is_empty()).then_some(()));
    engine.accepted(system("auth", 2));
    engine.until_steady();
    let told = edge.told(0);
    assert_eq!(told[0], ToEdge::Sync { generation: Generation(0), state: Vec::new() });
    let generations = generations(&told);
    let expected: Vec<Generation> = (0..generations.len() as u64).map(Generation).collect();
    assert_eq!(generations, expected);
    assert_eq!(engine.edge_pid(), Some(NO_PID));
    engine.stop();
}

/// What happened while no edge was there needs no queue.
#[test]
fn a_new_connection_gets_the_whole_state_at_its_generation() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let edge = FakeEdge::start(dir.path());
    let engine = start(dir.path(), &Machine::default());
    engine.accepted(system("auth", 2));
    engine.until_steady();
    edge.hang_up();
    eventually("a second connection", || (!edge.told(1).is_empty()).then_some(()));
    let left = as_if_killed(dir.path()).expect("a platform");
    let told = edge.told(1);
    let ToEdge::Sync { generation, state } = &told[0] else { panic!("{told:?}") };
    assert_eq!(*generation, left.published());
    let targets = state.iter().find_map(|change| match change {
        Change::TargetGroup { spec, targets, .. } if spec.name == "auth-tg" => Some(targets.len()),
        _ => None,
    });
    assert_eq!(targets, Some(2));
    assert!(state.iter().any(|c| matches!(c, Change::Listener { .. })));
    engine.stop();
}

/// A restarted engine finds the edge that lived on, and says everything again.
#[test]
fn the_next_engine_finds_the_edge() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let edge = FakeEdge::start(dir.path());
    let engine = start(dir.path(), &machine);
    engine.accepted(system("auth", 1));
    engine.until_steady();
    engine.stop();
    let engine = start(dir.path(), &machine);
    eventually("a second connection", || (!edge.told(1).is_empty()).then_some(()));
    assert!(matches!(&edge.told(1)[0], ToEdge::Sync { state, .. } if !state.is_empty()));
    engine.until_steady();
    engine.stop();
}

/// ECS-SVC-8: an unhealthy target is replaced, so what the edge says reaches the scheduler.
#[test]
fn what_the_edge_says_is_observed() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let edge = FakeEdge::start(dir.path());
    let engine = start(dir.path(), &machine);
    engine.accepted(system("auth", 1));
    engine.until_steady();
    let view = engine.view();
    assert_eq!(view.load_balancers[0].listeners[0].host_port, Some(8080));
    let left = as_if_killed(dir.path()).expect("a platform");
    let target = left.target_groups().next().expect("a group").targets[0].address;
    let reason = Some(HealthReason::Timeout);
    let health = TargetHealth { state: TargetState::Unhealthy, reason };
    edge.say(FromEdge::TargetHealth { target_group: "auth-tg".into(), target, health });
    eventually("a replacement", || (machine.state().starts == 2).then_some(()));
    let request = Request::Events { cluster: None, service: "auth".into() };
    let Response::Events(events) = engine.send(request) else { panic!("no events") };
    assert!(events.iter().any(|e| e.message.contains("Request timed out")), "{events:?}");
    engine.stop();
}

/// An edge that talks nonsense loses the connection and gets another chance.
#[test]
fn nonsense_from_the_edge_breaks_only_the_connection() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let socket = UnixListener::bind(dir.path().join("edge.sock")).expect("bound");
    let engine = start(dir.path(), &Machine::default());
    for words in ["no json\n", "{\"Applied\":{\"generation\":1}}\n"] {
        let (mut stream, _) = socket.accept().expect("the engine connects");
        std::io::Write::write_all(&mut stream, words.as_bytes()).expect("sent");
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut rest).expect("closed by the engine");
    }
    assert_eq!(engine.edge_pid(), None);
    engine.accepted(vec![Command::PutCluster { name: "main".into() }]);
    engine.stop();
}

/// An edge of another version is told to end, and nothing of the wish.
#[test]
fn an_edge_of_another_version_is_replaced() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let old = FakeEdge::of_version(dir.path(), "0.0.0-old");
    let engine = start(dir.path(), &Machine::default());
    eventually("its end", || (!dir.path().join("edge.sock").exists()).then_some(()));
    assert_eq!(old.told(0), [ToEdge::Shutdown]);
    let new = FakeEdge::start(dir.path());
    let first = eventually("the new edge", || new.told(0).into_iter().next());
    assert!(matches!(first, ToEdge::Sync { .. }), "{first:?}");
    engine.accepted(system("auth", 1));
    engine.until_steady();
    engine.accepted(vec![Command::Scale { service: name("auth"), desired_count: 0 }]);
    assert_eq!(old.connections(), 1);
    engine.stop();
}
