//! Engines and shims are killed; containers go on, are found again, and no exit code is made up.

use crate::machine::{APP, Machine, is_alive, kill, processes_of, wait_until};
use neargate_core::input::{ContainerHealth, Exit, Observation};
use neargate_core::task_definition::ContainerHealthCheck;
use neargate_runtime::Secrets;
use nix::sys::signal::Signal;

fn exits(observations: &[Observation]) -> Vec<Exit> {
    observations
        .iter()
        .filter_map(|o| match o {
            Observation::ContainerExited { exit, .. } => Some(*exit),
            _ => None,
        })
        .collect()
}

#[test]
fn a_new_engine_adopts_the_same_processes() {
    let mut machine = Machine::new();
    let launch = machine.script_with("exec sleep 1000", |container| {
        container.health_check = Some(ContainerHealthCheck {
            command: vec!["CMD".into(), "true".into()],
            interval_ms: 20,
            timeout_ms: 2_000,
            retries: 3,
            start_period_ms: 1_000,
        });
    });
    let task = machine.start(&launch);
    machine.wait_health(task, ContainerHealth::Healthy);
    let pids = (machine.pid(task, "shim.pid"), machine.pid(task, "pid"));

    machine.kill_engine();
    let recovered = machine.restart_engine();
    let container = APP.to_owned();
    assert_eq!(
        recovered,
        [
            Observation::ContainerStarted { task, container: container.clone() },
            Observation::ContainerHealth { task, container, health: ContainerHealth::Healthy },
        ]
    );
    assert_eq!(machine.runtime().known_tasks(), [task]);
    // The core may ask again for what it was not told of: the same process answers.
    machine.runtime().start_container(launch, APP.to_owned(), Ok(Secrets::new()));
    machine.wait_started(task);
    assert_eq!((machine.pid(task, "shim.pid"), machine.pid(task, "pid")), pids);

    machine.runtime().stop_container(task, APP);
    assert_eq!(machine.wait_exit(task), Exit::Signal(15));
}

#[test]
fn exits_while_no_engine_ran_are_reported() {
    let mut machine = Machine::new();
    let tasks = ["read line < go; exit 9", "read line < go; kill -SEGV $$"]
        .map(|script| machine.start(&machine.script(&format!("mkfifo go; echo ready; {script}"))));
    for task in tasks {
        wait_until("ready", || machine.log(task).contains("ready"));
    }
    machine.kill_engine();
    for task in tasks {
        std::fs::write(machine.dir(task).join("work/go"), "now\n").expect("it reads");
        wait_until("exited", || machine.dir(task).join("exit").exists());
    }
    let mut found = exits(&machine.restart_engine());
    found.sort_by_key(|exit| exit.code());
    assert_eq!(found, [Exit::Code(9), Exit::Signal(11)]);
    assert!(exits(&machine.restart_engine()).len() == 2, "and reported to the next one as well");
}

/// With its shim killed a container runs on, keeps its output, and can be stopped. Its exit code is
/// unknown, or what the kernel told the shim that took over.
#[test]
fn a_killed_shim_costs_the_exit_code_and_nothing_else() {
    let machine = Machine::new();
    let script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done";
    let task = machine.start(&machine.script(script));
    machine.wait_started(task);
    wait_until("up", || machine.log(task).contains("up"));
    let shim = machine.pid(task, "shim.pid");
    kill(shim, Signal::SIGKILL);
    wait_until("shim reaped", || !std::fs::exists(format!("/proc/{shim}")).expect("/proc"));
    assert!(exits(&machine.reports()).is_empty(), "it runs on");
    machine.runtime().stop_container(task, APP);
    let exit = machine.wait_exit(task);
    assert!(matches!(exit, Exit::Unknown | Exit::Code(0)), "{exit:?}");
    assert_eq!(machine.log(task), "up\nbye\n");
}

#[test]
fn a_shim_killed_while_no_engine_ran_is_noticed() {
    let mut machine = Machine::new();
    let lives = machine.start(&machine.script("exec sleep 1000"));
    let died = machine.start(&machine.script("exec sleep 1000"));
    for task in [lives, died] {
        machine.wait_started(task);
    }
    let pids = [lives, died].map(|task| machine.pid(task, "shim.pid"));
    machine.kill_engine();
    for pid in pids {
        kill(pid, Signal::SIGKILL);
        wait_until("shim dead", || !is_alive(pid));
    }
    let pid = machine.pid(died, "pid");
    kill(pid, Signal::SIGKILL);
    wait_until("container dead", || !is_alive(pid));

    let recovered = machine.restart_engine();
    let died_exits: Vec<_> = recovered
        .iter()
        .filter(|o| matches!(o, Observation::ContainerExited { task, .. } if *task == died))
        .cloned()
        .collect();
    assert_eq!(exits(&died_exits), [Exit::Unknown]);
    assert_eq!(exits(&recovered).len(), 1, "the other one lives");
    machine.runtime().kill_container(lives, APP);
    let exit = machine.wait_exit(lives);
    // Newer kernels tell the shim that took over.
    assert!(matches!(exit, Exit::Unknown | Exit::Signal(9)), "{exit:?}");
    // Once unknown, always unknown: the next engine is told the same.
    machine.kill_engine();
    assert_eq!(exits(&machine.restart_engine()), [exit, Exit::Unknown]);
}

/// What a container without shim leaves behind is found by its marks.
#[test]
fn left_over_processes_of_a_container_without_shim_are_killed() {
    let machine = Machine::new();
    let task = machine.start(&machine.script("setsid sleep 1000 & echo up; exec sleep 1000"));
    machine.wait_started(task);
    wait_until("both run", || machine.log(task).contains("up"));
    kill(machine.pid(task, "shim.pid"), Signal::SIGKILL);
    kill(machine.pid(task, "pid"), Signal::SIGKILL);
    assert_eq!(machine.wait_exit(task), Exit::Unknown);
    wait_until("all gone", || processes_of(&machine, task).is_empty());
}

/// An engine killed before it started the shim leaves a directory that says nothing ran: asked
/// again, the container starts; a second shim for it does nothing.
#[test]
fn a_container_prepared_but_not_started_starts_once() {
    let mut machine = Machine::new();
    let launch = machine.script("echo started; exec sleep 1000");
    let task = machine.start(&launch);
    machine.wait_started(task);
    let spec = std::fs::read(machine.dir(task).join("spec.json")).expect("spec");
    machine.runtime().release_task(task);
    machine.wait_for("release", |o| *o == Observation::TaskReleased { task });
    machine.kill_engine();
    std::fs::create_dir_all(machine.dir(task).join("work")).expect("created");
    std::fs::write(machine.dir(task).join("spec.json"), spec).expect("written");

    assert_eq!(machine.restart_engine(), []);
    machine.start(&launch);
    machine.wait_started(task);
    wait_until("output", || !machine.log(task).is_empty());
    let mut second = std::process::Command::new(env!("CARGO_BIN_EXE_neargate-shim"))
        .arg("shim")
        .arg(machine.dir(task))
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("runs");
    wait_until("the second shim leaves", || !is_alive(second.id()));
    assert!(second.wait().expect("reaped").success());
    assert_eq!(machine.log(task), "started\n");
}

/// Stopping what was prepared but never started must not leave the core waiting.
#[test]
fn a_container_that_never_started_is_reported_as_gone() {
    let mut machine = Machine::new();
    let launch = machine.script("exit 0");
    machine.kill_engine();
    std::fs::create_dir_all(machine.dir(launch.task).join("work")).expect("created");
    assert_eq!(machine.restart_engine(), []);
    machine.runtime().stop_container(launch.task, APP);
    assert_eq!(machine.wait_exit(launch.task), Exit::Unknown);
}

/// The shim is out of reach of what ends a terminal session.
#[test]
fn signals_of_a_terminal_do_not_end_the_shim() {
    let machine = Machine::new();
    let task = machine.start(&machine.script("read line; exec sleep 1000"));
    machine.wait_started(task);
    let shim = machine.pid(task, "shim.pid");
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGPIPE] {
        kill(shim, signal);
    }
    machine.runtime().kill_container(task, APP);
    let exit = machine.wait_exit(task);
    assert!(matches!(exit, Exit::Code(_) | Exit::Signal(9)), "seen by its shim: {exit:?}");
}
