//! Acknowledged means durable; what comes back is what was, to the byte.

use neargate_core::Platform;
use neargate_core::alarm::AlarmState;
use neargate_core::id::{Generation, TaskId};
use neargate_core::input::{Command, Exit, Input, Observation};
use neargate_core::scaling::PolicyKind;
use neargate_core::time::Time;
use neargate_store::Store;

use super::machine::Machine;
use super::rig::{FakeEdge, as_if_killed, bytes, eventually, genesis, identity, start};
use super::samples::{definition, name, scaling, service, system};
use crate::ledger::Ledger;

/// Issue 2, point 5: the moment a command is answered it is in what kill -9 would leave.
#[test]
fn an_accepted_command_survives_a_kill_at_the_moment_of_the_answer() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let engine = start(dir.path(), &machine);
    engine.accepted(system("auth", 2));
    let left = as_if_killed(dir.path()).expect("a platform");
    assert!(left.service(&name("auth")).is_some());
    for desired_count in [3, 1, 4] {
        engine.accepted(vec![Command::Scale { service: name("auth"), desired_count }]);
        let left = as_if_killed(dir.path()).expect("a platform");
        assert_eq!(left.service(&name("auth")).expect("there").spec.desired_count, desired_count);
    }
    engine.accepted(scaling("auth"));
    let state = Command::SetAlarmState {
        name: "slow".into(),
        state: AlarmState::Alarm,
        reason: "rehearsed".into(),
        reason_data: None,
    };
    engine.accepted(vec![state]);
    let left = as_if_killed(dir.path()).expect("a platform");
    let target = left.scalable_target(&name("auth")).expect("there");
    let PolicyKind::TargetTracking(tracking) = &target.policies["cpu"].spec.kind else {
        panic!("{target:?}")
    };
    // Exactly: the journal is text.
    assert_eq!(tracking.target_value, 0.1 + 0.2);
    assert!(target.policies["cpu"].alarms().all(|(_, name)| left.alarm(name).is_some()));
    assert_eq!(left.alarm("slow").expect("there").state, AlarmState::Alarm);
    engine.stop();
}

/// Issue 2, point 5: running tasks are taken over as they are; exits in between are reported.
#[test]
fn the_next_engine_takes_running_tasks_over_and_learns_what_it_missed() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let _edge = FakeEdge::start(dir.path());
    let engine = start(dir.path(), &machine);
    engine.accepted(system("auth", 3));
    let before = engine.until_steady();
    assert_eq!(machine.state().starts, 3);
    engine.stop();

    let victim = *machine.state().tasks.first().expect("tasks run");
    machine.exit(victim, Exit::Code(3));
    let stranger = TaskId(12345);
    machine.state().tasks.insert(stranger);

    let engine = start(dir.path(), &machine);
    let stopped = eventually("the missed exit", || {
        let view = engine.view();
        view.tasks.into_iter().find(|t| t.id == victim.to_string() && t.status == "STOPPED")
    });
    assert_eq!(stopped.containers[0].exit_code, Some(3));
    let after = engine.until_steady();
    assert_eq!(after.deployments[0].id, before.deployments[0].id);
    assert_eq!(machine.state().starts, 4, "only the one that ended was replaced");
    assert!(!machine.state().tasks.contains(&stranger), "nobody's task is released");
    engine.stop();
}

/// What was asked for and may not have been done is asked for again.
#[test]
fn outstanding_effects_are_carried_out_by_the_next_engine() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let engine = start(dir.path(), &machine);
    engine.accepted(system("auth", 1));
    eventually("a container", || (machine.state().starts == 1).then_some(()));
    engine.stop();
    // As if the engine had been killed between journal and effect.
    let forgetful = Machine::default();
    let _edge = FakeEdge::start(dir.path());
    let engine = start(dir.path(), &forgetful);
    engine.until_steady();
    assert!(forgetful.state().starts >= 1);
    engine.stop();
}

/// A container that ran, of which nothing is left, has ended in an unknown way.
#[test]
fn a_task_that_vanished_from_the_machine_counts_as_ended() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let machine = Machine::default();
    let _edge = FakeEdge::start(dir.path());
    let engine = start(dir.path(), &machine);
    engine.accepted(system("auth", 1));
    engine.until_steady();
    let task = engine.view().tasks[0].id.clone();
    engine.stop();
    let engine = start(dir.path(), &Machine::default());
    let stopped = eventually("the end of the vanished task", || {
        engine.view().tasks.into_iter().find(|t| t.id == task && t.status == "STOPPED")
    });
    assert_eq!(stopped.containers[0].exit_code, None);
    assert_eq!(stopped.stopped_reason.as_deref(), Some("Essential container in task exited"));
    engine.until_steady();
    engine.stop();
}

fn refused() -> Vec<Vec<Command>> {
    let with = |change: &dyn Fn(&mut neargate_core::service::ServiceSpec)| {
        let mut spec = service("auth", 1);
        change(&mut spec);
        Command::PutService(Box::new(spec))
    };
    let mut wrong_size = definition("auth");
    wrong_size.memory_mib = 513;
    vec![
        vec![Command::Scale { service: name("nobody"), desired_count: 1 }],
        vec![Command::Rollback { service: name("auth"), revision: None }],
        vec![Command::Rollback { service: name("auth"), revision: Some(99) }],
        vec![Command::DeleteService { service: name("auth"), force: false }],
        vec![Command::DeleteTargetGroup { name: "auth-tg".into() }],
        vec![Command::DeleteLoadBalancer { name: "none".into() }],
        vec![Command::StopTask { task: TaskId(1), reason: None }],
        vec![Command::LoseZone { zone: "nowhere-1a".into() }],
        vec![Command::InterruptSpot { service: None, count: None }],
        vec![Command::PutTaskDefinition(Box::new(wrong_size))],
        vec![with(&|s| s.subnets.clear())],
        vec![with(&|s| s.load_balancers[0].port = 81)],
        vec![with(&|s| s.name.cluster = "other".into())],
        vec![with(&|s| s.deployment.maximum_percent = 50)],
        vec![Command::PutCluster { name: "second".into() }, with(&|s| s.subnets.clear())],
    ]
}

/// Every way of being refused leaves the platform as a tick would, or the journal, which holds a
/// tick in its place, would lead elsewhere.
#[test]
fn a_refused_command_is_a_tick() {
    let mut platform = Platform::new(identity(), 1);
    let up = platform.step(Time(1_000), &Input::Commands(system("auth", 2)));
    assert!(up.result.is_ok());
    for commands in refused() {
        let (mut refused, mut ticked) = (platform.clone(), platform.clone());
        let now = Time(50_000);
        let outcome = refused.step(now, &Input::Commands(commands.clone()));
        assert!(outcome.result.is_err(), "{commands:?}");
        ticked.step(now, &Input::Tick);
        assert_eq!(bytes(&refused), bytes(&ticked), "{commands:?}");
    }
}

/// Small deterministic choices.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn random_input(dice: &mut Dice, platform: &Platform) -> Input {
    let tasks: Vec<TaskId> = platform.tasks().map(|t| t.id).collect();
    let task = match tasks.len() as u64 {
        0 => TaskId(1),
        n => tasks[usize::try_from(dice.below(n)).expect("small")],
    };
    let container = "web".to_owned();
    let mut refusals = refused();
    match dice.below(12) {
        0 => Input::Tick,
        1 => {
            let desired_count = u32::try_from(dice.below(5)).expect("small");
            Input::Commands(vec![Command::Scale { service: name("auth"), desired_count }])
        }
        2 => {
            let index = usize::try_from(dice.below(refusals.len() as u64)).expect("small");
            Input::Commands(refusals.swap_remove(index))
        }
        3 => Input::Commands(vec![Command::Deploy {
            service: name("auth"),
            task_definition: None,
            force: true,
        }]),
        4 => Input::Observed(Observation::TaskFailed { task, reason: "no image".into() }),
        5 => Input::Observed(Observation::ContainerExited { task, container, exit: Exit::Code(1) }),
        6 => Input::Observed(Observation::TaskReleased { task }),
        7 => Input::Observed(Observation::ImagesPulled { task }),
        8 => Input::Observed(Observation::ContainerStarted { task, container }),
        9 => Input::Observed(Observation::DataPlaneApplied { generation: Generation(u64::MAX) }),
        _ => Input::Observed(Observation::NetworkAttached { task }),
    }
}

/// Whatever happens, in whatever batches, with or without snapshots in between: what the journal
/// gives back is the platform, byte for byte, and it goes on in the same way.
#[test]
fn replay_gives_the_platform_to_the_byte() {
    for seed in 0..8 {
        let dir = tempfile::tempdir().expect("temporary directory");
        let journal = dir.path().join("journal");
        let (store, recovered) = Store::open(&journal).expect("store");
        let mut ledger =
            Ledger::open(Box::new(store), &recovered, &genesis(&identity())).expect("ledger");
        let mut dice = Dice(seed);
        let mut now = Time(1_000_000);
        ledger.commit(now, vec![Input::Commands(system("auth", 3))]).expect("durable");
        for _ in 0..40 {
            now = now.plus(dice.below(30_000));
            let inputs: Vec<Input> =
                (0..=dice.below(6)).map(|_| random_input(&mut dice, ledger.platform())).collect();
            let count = inputs.len();
            let commit = ledger.commit(now, inputs).expect("durable");
            assert_eq!(commit.results.len(), count);
            if dice.below(10) == 0 {
                ledger.snapshot_now();
            }
        }
        let live = bytes(ledger.platform());
        drop(ledger);
        let left = as_if_killed(dir.path()).expect("a platform");
        assert_eq!(bytes(&left), live, "seed {seed}");
    }
}

/// A long journal becomes a snapshot by itself, and nothing changes by it.
#[test]
fn a_long_journal_becomes_a_snapshot() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, recovered) = Store::open(&dir.path().join("journal")).expect("store");
    let mut ledger =
        Ledger::open(Box::new(store), &recovered, &genesis(&identity())).expect("ledger");
    ledger.commit(Time(1), vec![Input::Commands(system("auth", 3))]).expect("durable");
    for round in 0..30 {
        ledger.commit(Time(round), vec![Input::Tick; 100]).expect("durable");
        ledger.snapshot_if_due();
    }
    let live = bytes(ledger.platform());
    drop(ledger);
    let (_store, recovered) = Store::open(&dir.path().join("journal")).expect("store");
    assert!(recovered.snapshot.is_some());
    assert!(recovered.entries.len() < 2_100, "{}", recovered.entries.len());
    assert_eq!(bytes(&as_if_killed_after(&recovered)), live);
}

fn as_if_killed_after(recovered: &neargate_store::Recovered) -> Platform {
    crate::record::replay(recovered).expect("ours").expect("a platform")
}

/// Another version's journal, or somebody else's bytes, are refused and not guessed at.
#[test]
fn journals_of_other_formats_are_refused() {
    for (entry, why) in [
        (
            &br#"{"Genesis":{"format":3,"seed":1,"identity":{"account":"0","region":"r"}}}"#[..],
            "format 3",
        ),
        (br#"{"Input":{"now":1,"input":"Tick"}}"#, "genesis"),
        (br#"{"Unheard":1}"#, "record 1"),
    ] {
        let recovered =
            neargate_store::Recovered { entries: vec![entry.to_vec()], ..Default::default() };
        let error = crate::record::replay(&recovered).expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
    }
}
