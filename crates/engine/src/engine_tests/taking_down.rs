//! Down and reset.

use neargate_core::input::Command;
use neargate_edge::control::ToEdge;

use super::machine::Machine;
use super::rig::{FakeEdge, as_if_killed, eventually, start};
use super::samples::{name, run, scaling, system};
use crate::api::{Request, Response};
use crate::engine::Ended;
use crate::event::{Event, Reply};
use crate::take_down::{Next, next};

/// design.md "Command line": everything is gone, then the edge, then comes the answer.
#[test]
fn down_stops_every_task_then_the_edge_then_answers() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let edge = FakeEdge::start(dir.path());
    let engine = start(dir.path(), &machine);
    engine.accepted(system("auth", 3));
    engine.accepted(scaling("auth"));
    engine.until_steady();
    let view = engine.view();
    assert_eq!((view.scaling.len(), view.alarms.len()), (1, 5));
    engine.accepted(vec![run("auth")]);
    eventually("the standalone task", || (machine.state().containers.len() == 4).then_some(()));
    engine.accepted(vec![Command::LoseZone { zone: "us-east-1a".into() }]);
    let (reply, answer) = Reply::pair();
    engine.events.send(Event::Request(Request::Down, reply)).expect("the engine runs");
    let (second, second_answer) = Reply::pair();
    engine.events.send(Event::Request(Request::Down, second)).expect("the engine runs");
    let Ok(Ended::Down(replies)) = engine.ended() else { panic!("not taken down") };
    assert_eq!(replies.len(), 2, "everyone who asked is told");
    assert!(machine.state().tasks.is_empty() && machine.state().containers.is_empty());
    assert_eq!(edge.told(0).last(), Some(&ToEdge::Shutdown));
    assert_eq!(edge.connections(), 1, "no other edge was looked for");
    drop((answer, second_answer));
    let left = as_if_killed(dir.path()).expect("a platform");
    assert_eq!(next(&left), Next::Done);
    assert_eq!((left.scalable_targets().count(), left.alarms().count()), (0, 0));
    assert_eq!(left.lost_zones().count(), 0, "the next platform has all its zones");
}

/// A down that was cut short by a kill leaves a platform that knows it is leaving.
#[test]
fn without_an_edge_down_ends_too_and_refuses_commands_meanwhile() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let engine = start(dir.path(), &machine);
    engine.accepted(system("auth", 2));
    eventually("running containers", || (machine.state().containers.len() == 2).then_some(()));
    let (reply, _answer) = Reply::pair();
    let (late, late_answer) = Reply::pair();
    let scale = Request::Commands {
        commands: vec![Command::Scale { service: name("auth"), desired_count: 9 }],
        images: Default::default(),
        secrets: Vec::new(),
    };
    engine.events.send(Event::Request(Request::Down, reply)).expect("the engine runs");
    engine.events.send(Event::Request(scale, late)).expect("the engine runs");
    let response = late_answer.response.blocking_recv().expect("answered");
    let Response::Rejected(why) = response else { panic!("{response:?}") };
    assert!(why.contains("being taken down"), "{why}");
    // ECS-TASK-4: their targets are withdrawn, so the tasks wait for an edge to say so.
    let left = eventually("the decision", || {
        as_if_killed(dir.path()).filter(|p| matches!(next(p), Next::Wait))
    });
    assert!(left.tasks().all(|t| !t.is_wanted()));
    let _edge = FakeEdge::start(dir.path());
    assert!(matches!(engine.ended(), Ok(Ended::Down(_))));
    assert!(machine.state().tasks.is_empty());
}

/// design.md "Command line": reset empties the platform, and it can be filled again.
#[test]
fn reset_gives_an_empty_platform_that_works() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let edge = FakeEdge::start(dir.path());
    let engine = start(dir.path(), &machine);
    for round in 1..=2 {
        engine.accepted(system("auth", 2));
        let service = engine.until_steady();
        assert_eq!(service.revision, "auth:1", "numbering starts over, round {round}");
        let (reply, answer) = Reply::pair();
        engine.events.send(Event::Reset(reply)).expect("the engine runs");
        let response = answer.response.blocking_recv().expect("answered");
        assert!(matches!(response, Response::Accepted), "{response:?}");
        let view = engine.view();
        assert!(view.services.is_empty() && view.tasks.is_empty());
        assert!(view.load_balancers.is_empty() && view.target_groups.is_empty());
        assert!(machine.state().tasks.is_empty());
        let connection = eventually("the empty wish", || {
            let connection = edge.connections().checked_sub(1)?;
            (connection >= round && !edge.told(connection).is_empty()).then_some(connection)
        });
        let told = edge.told(connection);
        assert!(matches!(&told[0], ToEdge::Sync { state, .. } if state.is_empty()), "{told:?}");
    }
    engine.stop();
    let left = as_if_killed(dir.path()).expect("a platform");
    assert_eq!(left.services().count(), 0, "and it stays empty");
}
