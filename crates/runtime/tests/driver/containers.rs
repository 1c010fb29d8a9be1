//! Containers as processes: start, output, exit, stop, health, restarts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::machine::{APP, Machine, kill, launch, processes_of, wait_until};
use neargate_core::input::{ContainerHealth, Exit, Observation};
use neargate_core::task_definition::{ContainerDefinition, ContainerHealthCheck, RestartPolicy};
use neargate_runtime::ImageSource;
use neargate_runtime::Secrets;
use nix::sys::signal::Signal;

#[test]
fn a_task_goes_from_network_to_exit_with_its_output() {
    let machine = Machine::new();
    let launch = machine.script("echo out; echo err >&2; exit 7");
    machine.runtime().attach_network(Arc::clone(&launch));
    machine.runtime().pull_images(Arc::clone(&launch));
    machine.runtime().start_container(Arc::clone(&launch), APP.to_owned(), Ok(Secrets::new()));
    assert_eq!(machine.wait_exit(launch.task), Exit::Code(7));
    let task = launch.task;
    let container = APP.to_owned();
    assert_eq!(
        machine.reports(),
        [
            Observation::NetworkAttached { task },
            Observation::ImagesPulled { task },
            Observation::ContainerStarted { task, container: container.clone() },
            Observation::ContainerExited { task, container, exit: Exit::Code(7) },
        ]
    );
    assert_eq!(machine.log(task), "out\nerr\n");
    machine.runtime().release_task(task);
    machine.wait_for("release", |o| *o == Observation::TaskReleased { task });
    assert!(machine.runtime().known_tasks().is_empty());
    assert_eq!(machine.log(task), "out\nerr\n", "kept for a while");
}

/// How a process ends is what is reported: ECS-TASK-8 for the signals.
#[test]
fn ecs_task_8_exit_codes_and_signals() {
    let machine = Machine::new();
    for (script, exit) in [
        ("exit 0", Exit::Code(0)),
        ("exit 255", Exit::Code(255)),
        ("kill -SEGV $$", Exit::Signal(11)),
        ("kill -KILL $$", Exit::Signal(9)),
        // A real-time signal has no name.
        ("kill -40 $$", Exit::Signal(40)),
    ] {
        let task = machine.start(&machine.script(script));
        assert_eq!(machine.wait_exit(task), exit, "{script}");
    }
}

#[test]
fn stop_is_sigterm_to_the_process_and_kill_is_sigkill() {
    let machine = Machine::new();
    let polite =
        machine.script("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done");
    let polite = machine.start(&polite);
    wait_until("up", || machine.log(polite).contains("up"));
    machine.runtime().stop_container(polite, APP);
    assert_eq!(machine.wait_exit(polite), Exit::Code(3));
    assert_eq!(machine.log(polite), "up\nbye\n");

    let stubborn = machine.script("trap '' TERM; echo up; while :; do sleep 0.01; done");
    let stubborn = machine.start(&stubborn);
    wait_until("up", || machine.log(stubborn).contains("up"));
    machine.runtime().stop_container(stubborn, APP);
    machine.runtime().kill_container(stubborn, APP);
    assert_eq!(machine.wait_exit(stubborn), Exit::Signal(9));
    assert_eq!(machine.wait_exit(stubborn).code(), Some(137));
}

/// Asked to stop before its process exists, a container gets the signal once it does.
#[test]
fn a_stop_right_after_the_start_is_not_lost() {
    let machine = Machine::new();
    for _ in 0..10 {
        let launch = machine.script("exec sleep 1000");
        machine.start(&launch);
        machine.runtime().stop_container(launch.task, APP);
        assert_eq!(machine.wait_exit(launch.task), Exit::Signal(15));
    }
}

/// The end of the container is the end of all its processes, also of those that left its group.
#[test]
fn nothing_of_a_container_outlives_it() {
    let machine = Machine::new();
    let launch = machine.script("sleep 1000 & setsid sleep 1000 & (setsid sleep 1000 &) ; exit 0");
    let task = machine.start(&launch);
    assert_eq!(machine.wait_exit(task), Exit::Code(0));
    wait_until("shim gone", || processes_of(&machine, task).is_empty());
}

#[test]
fn every_wish_may_be_made_twice() {
    let machine = Machine::new();
    let launch = machine.script("echo started; exec sleep 1000");
    let task = machine.start(&launch);
    machine.wait_started(task);
    wait_until("output", || machine.log(task).contains("started"));
    let pid = machine.pid(task, "pid");

    machine.forget_reports();
    machine.start(&launch);
    machine.wait_started(task);
    assert_eq!(machine.pid(task, "pid"), pid, "the same process is reported");
    assert_eq!(machine.log(task), "started\n");

    machine.runtime().stop_container(task, APP);
    assert_eq!(machine.wait_exit(task), Exit::Signal(15));
    for _ in 0..2 {
        machine.forget_reports();
        machine.runtime().stop_container(task, APP);
        assert_eq!(machine.wait_exit(task), Exit::Signal(15), "reported again");
    }
    machine.forget_reports();
    machine.runtime().start_container(Arc::clone(&launch), APP.to_owned(), Ok(Secrets::new()));
    machine.wait_started(task);
    assert_eq!(machine.wait_exit(task), Exit::Signal(15), "not started again");

    for _ in 0..2 {
        machine.forget_reports();
        machine.runtime().release_task(task);
        machine.wait_for("release", |o| *o == Observation::TaskReleased { task });
    }
    machine.forget_reports();
    machine.runtime().stop_container(task, APP);
    assert_eq!(machine.wait_exit(task), Exit::Unknown, "nobody knows, and it is not guessed");
}

/// The environment is the definition's and ours; signal masks and descriptors are clean.
#[test]
fn the_process_starts_clean() {
    // Inherited by whatever this process starts, as a careless starter of the engine would have it.
    let _pipe = nix::unistd::pipe().expect("a pipe");
    let machine = Machine::new();
    let script = "env; grep Sig /proc/self/status; ls /proc/self/fd | wc -l; pwd";
    let launch = machine.script_with(script, |container| {
        container.environment.insert("MODE".into(), "test".into());
        container.nofile = Some((100, 200));
    });
    let task = machine.start(&launch);
    machine.wait_exit(task);
    let log = machine.log(task);
    let line = |start: &str| log.lines().find(|l| l.starts_with(start)).unwrap_or_default();
    assert_eq!(line("MODE="), "MODE=test");
    assert_eq!(line("HOST="), format!("HOST={}", launch.address));
    assert_eq!(line("NEARGATE_CONTAINER="), "NEARGATE_CONTAINER=app");
    assert_eq!(line("CARGO"), "", "nothing of ours leaks");
    for mask in ["SigBlk:\t", "SigIgn:\t"] {
        let bits = u64::from_str_radix(&line(mask)[mask.len()..], 16).expect("a mask");
        // Real-time signals are left as whoever started the engine had them.
        assert_eq!(bits & 0x7fff_ffff, 0, "{mask}{bits:x}");
    }
    // 0, 1, 2 and the one `ls` reads the directory with.
    assert!(log.lines().any(|l| l.trim() == "4"), "{log}");
    assert!(log.contains("/app/work"), "{log}");
}

#[test]
fn ecs_td_24_the_nofile_limit_holds_as_far_as_the_machine_grants_it() {
    let machine = Machine::new();
    let task = machine.start(&machine.script_with("ulimit -Sn; ulimit -Hn", |container| {
        container.nofile = Some((100, 200));
    }));
    machine.wait_exit(task);
    assert_eq!(machine.log(task), "100\n200\n");

    let granted = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let Some(granted) = granted else { return };
    let task = machine.start(&machine.script_with("ulimit -Hn", |container| {
        container.nofile = Some((100, granted + 1));
    }));
    machine.wait_exit(task);
    assert_eq!(machine.log(task), format!("{granted}\n"));
}

/// ECS-STOP-8: what cannot be made says so, with the image as the user wrote it.
#[test]
fn ecs_stop_8_images_and_commands_that_are_not_there() {
    const IMAGE: &str = "000000000000.dkr.ecr.us-east-1.amazonaws.com/shop/api:v9";
    let machine = Machine::new();
    machine.runtime().pull_images(launch(vec![ContainerDefinition::new(APP, IMAGE)]));
    let reason = machine.wait_reason();
    assert!(reason.starts_with("CannotPullContainerError: "), "{reason}");
    assert!(reason.contains(IMAGE), "{reason}");

    machine.forget_reports();
    machine.start(&machine.script_with("", |c| c.entry_point = vec!["/no/such/program".into()]));
    let reason = machine.wait_reason();
    assert!(reason.starts_with("CannotStartContainerError: "), "{reason}");
    assert!(reason.contains("/no/such/program"), "{reason}");

    machine.forget_reports();
    let outside = launch(vec![ContainerDefinition::new(APP, "sh:v1")]);
    let outside = neargate_core::effect::TaskLaunch {
        address: std::net::Ipv4Addr::new(192, 0, 2, 1),
        ..(*outside).clone()
    };
    machine.runtime().attach_network(Arc::new(outside));
    let reason = machine.wait_reason();
    assert!(reason.contains("192.0.2.1") && reason.contains("private-a"), "{reason}");
}

#[test]
fn image_sources_are_kept() {
    let mut machine = Machine::new();
    let source = ImageSource::Binary {
        path: "neargate".into(),
        arguments: vec!["stand-in".into()],
        fixed_arguments: true,
        tags: None,
    };
    let sources = BTreeMap::from([("shop/api".to_owned(), source.clone())]);
    machine.runtime().put_images(sources).expect("written");
    machine.kill_engine();
    machine.restart_engine();
    assert_eq!(machine.runtime().images().get("shop/api"), Some(&source));
    assert_eq!(machine.runtime().images().len(), 2, "what was there stays");
}

fn check(command: &[&str], interval_ms: u64, start_period_ms: u64) -> Option<ContainerHealthCheck> {
    Some(ContainerHealthCheck {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        interval_ms,
        timeout_ms: 2_000,
        retries: 2,
        start_period_ms,
    })
}

/// ECS-TD-13, ECS-TD-14, ECS-TD-15: unhealthy, healthy and back as the check's result changes, and
/// failures in the start period do not count.
#[test]
fn ecs_td_13_health_follows_the_check() {
    let machine = Machine::new();
    let script = "while :; do sleep 1; done";
    // In the container's environment and directory.
    let task = machine.start(&machine.script_with(script, |container| {
        container.environment.insert("FLAG".into(), "healthy".into());
        container.health_check = check(&["CMD-SHELL", "test -e $FLAG"], 20, 100_000);
    }));
    machine.wait_started(task);
    let flag = machine.dir(task).join("work/healthy");
    std::fs::write(&flag, "").expect("written");
    machine.wait_health(task, ContainerHealth::Healthy);
    std::fs::remove_file(&flag).expect("removed");
    machine.wait_health(task, ContainerHealth::Unhealthy);
    machine.forget_reports();
    std::fs::write(&flag, "").expect("written");
    machine.wait_health(task, ContainerHealth::Healthy);
    assert_eq!(machine.reports().len(), 1, "only changes are reported: {:?}", machine.reports());
}

/// ECS-TD-13: a check that takes too long has failed, and is killed with all it started.
#[test]
fn ecs_td_13_a_hanging_check_fails_and_is_killed() {
    let machine = Machine::new();
    let task = machine.start(&machine.script_with("exec sleep 1000", |container| {
        container.health_check = check(&["CMD-SHELL", "sleep 777 & sleep 777"], 10, 0);
        container.health_check.as_mut().expect("set").timeout_ms = 50;
    }));
    machine.wait_health(task, ContainerHealth::Unhealthy);
    // Shim, container, and at most one check with its two children.
    assert!(processes_of(&machine, task).len() <= 5);
    machine.runtime().kill_container(task, APP);
    machine.wait_exit(task);
    wait_until("all gone", || processes_of(&machine, task).is_empty());
}

/// ECS-TD-13: CMD finds the Neargate binary by its name.
#[test]
fn ecs_td_13_the_binary_is_on_the_path_of_checks() {
    let machine = Machine::new();
    // `neargate-shim` without arguments exits with 2: found, and failed.
    let script = "neargate-shim; echo $?";
    let task = machine.start(&machine.script(script));
    machine.wait_exit(task);
    assert_eq!(machine.log(task), "2\n");

    let task = machine.start(&machine.script_with("exec sleep 1000", |container| {
        container.health_check = check(&["CMD", "no-such-program"], 10, 0);
    }));
    machine.wait_health(task, ContainerHealth::Unhealthy);
}

fn restarting(ignored_exit_codes: Vec<i32>, attempt_period_ms: u64) -> Option<RestartPolicy> {
    Some(RestartPolicy { ignored_exit_codes, attempt_period_ms })
}

/// ECS-TD-18: restarted in place until an ignored code, without a word to the outside.
#[test]
fn ecs_td_18_a_container_restarts_until_an_ignored_exit_code() {
    let machine = Machine::new();
    let script = "echo run >> runs; test $(wc -l < runs) -lt 3 || exit 42; exit 1";
    let task = machine.start(&machine.script_with(script, |container| {
        container.restart_policy = restarting(vec![42], 0);
    }));
    assert_eq!(machine.wait_exit(task), Exit::Code(42));
    let runs = std::fs::read_to_string(machine.dir(task).join("work/runs")).expect("runs");
    assert_eq!(runs.lines().count(), 3);
    let starts = machine.reports();
    let is_start = |o: &&Observation| matches!(o, Observation::ContainerStarted { .. });
    assert_eq!(starts.iter().filter(is_start).count(), 1);
}

/// ECS-TD-18: not when it ran shorter than the attempt period, and not when it was to stop.
#[test]
fn ecs_td_18_no_restart_after_a_short_run_or_a_stop() {
    let machine = Machine::new();
    let short = machine.start(&machine.script_with("exit 1", |container| {
        container.restart_policy = restarting(Vec::new(), 300_000);
    }));
    assert_eq!(machine.wait_exit(short), Exit::Code(1));

    let stopped = machine.start(&machine.script_with("exec sleep 1000", |container| {
        container.restart_policy = restarting(Vec::new(), 0);
    }));
    machine.wait_started(stopped);
    let first = machine.pid(stopped, "pid");
    kill(first, Signal::SIGKILL);
    wait_until("restarted", || {
        machine.dir(stopped).join("pid").exists() && machine.pid(stopped, "pid") != first
    });
    machine.runtime().stop_container(stopped, APP);
    assert_eq!(machine.wait_exit(stopped), Exit::Signal(15));
}

/// Many tasks at once, twice over: all report, and nothing is left, no process and no directory.
#[test]
fn fifty_starts_and_stops_leave_nothing() {
    let machine = Machine::new();
    for _ in 0..2 {
        let tasks: Vec<_> =
            (0..25).map(|_| machine.start(&machine.script("exec sleep 1000"))).collect();
        for task in &tasks {
            machine.wait_started(*task);
        }
        let shims: Vec<_> = tasks.iter().map(|task| machine.pid(*task, "shim.pid")).collect();
        for task in &tasks {
            machine.runtime().stop_container(*task, APP);
        }
        for task in &tasks {
            assert_eq!(machine.wait_exit(*task), Exit::Signal(15));
            machine.runtime().release_task(*task);
        }
        for task in &tasks {
            let task = *task;
            machine.wait_for("release", |o| *o == Observation::TaskReleased { task });
            wait_until("no process", || processes_of(&machine, task).is_empty());
        }
        for shim in shims {
            let stat = format!("/proc/{shim}");
            wait_until("reaped", || !std::fs::exists(&stat).expect("/proc"));
        }
    }
    assert_eq!(machine.runtime().known_tasks(), []);
    let left = std::fs::read_dir(machine.home.path().join("tasks")).expect("readable").count();
    assert_eq!(left, 0);
}

/// Releasing kills what still runs, shim and all.
#[test]
fn a_release_ends_what_still_runs() {
    let machine = Machine::new();
    let launch = machine.script("trap '' TERM; setsid sleep 1000 & while :; do sleep 0.01; done");
    let task = machine.start(&launch);
    machine.wait_started(task);
    machine.runtime().release_task(task);
    machine.wait_for("release", |o| *o == Observation::TaskReleased { task });
    wait_until("no process", || processes_of(&machine, task).is_empty());
    assert!(machine.runtime().known_tasks().is_empty());
}

/// A home so deep that a socket's address cannot hold its path.
#[test]
fn a_deep_home_directory_works() {
    let top = tempfile::tempdir().expect("temporary directory");
    let deep = top.path().join("d".repeat(80)).join("e".repeat(80));
    std::fs::create_dir_all(&deep).expect("created");
    let machine = Machine::at(tempfile::tempdir_in(deep).expect("temporary directory"), 1);
    let task = machine.start(&machine.script("exit 5"));
    assert_eq!(machine.wait_exit(task), Exit::Code(5));
}
