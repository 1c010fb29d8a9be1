//! Engines and shims are killed between every two steps of a task's life: the same process goes
//! on, nothing starts twice, and no exit is made up.

use std::sync::Arc;

use neargate_core::effect::TaskLaunch;
use neargate_core::id::TaskId;
use neargate_core::input::{ContainerHealth, Exit, Observation};
use neargate_core::task_definition::{ContainerHealthCheck, RestartPolicy};
use neargate_runtime::Secrets;

use crate::machine::{assert_as_before, traces};
use crate::rig::{APP, Rig, is_alive, kill, on_all, wait_until};

/// Where a task's life is interrupted: right after this has been reported or seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Attached,
    Pulled,
    Started,
    Healthy,
    Stopping,
    Exited,
    Released,
}

const STEPS: [Step; 7] = [
    Step::Attached,
    Step::Pulled,
    Step::Started,
    Step::Healthy,
    Step::Stopping,
    Step::Exited,
    Step::Released,
];

/// What is killed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Engine,
    Shim,
    /// The engine, and while it is dead the shim.
    Both,
}

/// Asked to stop, it says so and waits until it may.
const SCRIPT: &str = "trap 'echo stopping; until busybox test -e go; do busybox sleep 0.02; done; \
                      exit 7' TERM; echo up; while :; do busybox sleep 0.02; done";

fn task(rig: &Rig) -> Arc<TaskLaunch> {
    rig.script_with(SCRIPT, |container| {
        container.health_check = Some(ContainerHealthCheck {
            command: ["CMD", "busybox", "test", "!", "-e", "sick"].map(str::to_owned).into(),
            interval_ms: 20,
            timeout_ms: 20_000,
            retries: 2,
            start_period_ms: 0,
        });
    })
}

/// Makes the wish that leads to this step and waits for its answer.
fn reach(rig: &Rig, launch: &Arc<TaskLaunch>, step: Step) {
    let (runtime, id) = (rig.runtime(), launch.task);
    match step {
        Step::Attached => {
            runtime.attach_network(Arc::clone(launch));
            rig.wait_attached(id);
        }
        Step::Pulled => {
            runtime.pull_images(Arc::clone(launch));
            rig.wait_pulled(id);
        }
        Step::Started => {
            runtime.start_container(Arc::clone(launch), APP.to_owned(), Ok(Secrets::new()));
            rig.wait_started(id, APP);
            rig.wait_log(id, "up");
        }
        Step::Healthy => rig.wait_health(id, ContainerHealth::Healthy),
        Step::Stopping => {
            runtime.stop_container(id, APP);
            rig.wait_log(id, "stopping");
        }
        Step::Exited => {
            let dir = rig.dir(id);
            let exited =
                rig.reports().iter().any(|o| matches!(o, Observation::ContainerExited { .. }));
            if !exited && !dir.join("exit").exists() {
                // The container may end before the command in it does.
                let _ended_with_it = rig.exec(id, "echo x > go");
            }
            rig.wait_exit(id);
        }
        Step::Released => rig.release(id),
    }
}

/// `false` when there is nothing there to be killed.
fn interrupt(rig: &mut Rig, id: TaskId, killed: Killed) -> bool {
    let shim = rig.pid_in(id, "shim.pid").filter(|pid| is_alive(*pid));
    if killed != Killed::Engine && shim.is_none() {
        return false;
    }
    if killed != Killed::Shim {
        rig.kill_engine();
    }
    if killed != Killed::Engine {
        rig.kill_shim(id);
    }
    if killed != Killed::Shim {
        rig.start_engine();
    }
    true
}

/// One life, interrupted once. The engine's next wish is the one it had made last, as a core's is
/// that cannot know whether it was carried out.
fn live(rig: &mut Rig, at: Step, killed: Killed) {
    let launch = task(rig);
    let id = launch.task;
    let context = format!("{}: {killed:?} killed at {at:?}", rig.driver);
    let mut process = None;
    let mut interrupted = false;
    for step in STEPS {
        reach(rig, &launch, step);
        if step == Step::Started {
            process = rig.pid_in(id, "pid");
        }
        if step == at {
            interrupted = interrupt(rig, id, killed);
            if step == Step::Healthy {
                // Whoever checks it now, it is still checked.
                rig.exec_text(id, "echo x > sick");
                rig.wait_health(id, ContainerHealth::Unhealthy);
                let told = rig.reports();
                let forgot = told.iter().any(|o| {
                    let unknown = ContainerHealth::Unknown;
                    matches!(o, Observation::ContainerHealth { health, .. } if *health == unknown)
                });
                assert!(!forgot, "{context}: what was known of its health stays so: {told:#?}");
                rig.forget_reports();
                rig.exec_text(id, "busybox rm sick");
            }
            reach(rig, &launch, step);
        }
        if (Step::Started..Step::Released).contains(&step) {
            assert_eq!(rig.pid_in(id, "pid"), process, "{context}: the same process");
        }
    }
    assert_eq!(rig.log(id).matches("up\n").count(), 1, "{context}: it started once");
    let exits: Vec<Exit> = rig
        .reports()
        .iter()
        .filter_map(|o| match o {
            Observation::ContainerExited { task, exit, .. } if *task == id => Some(*exit),
            _ => None,
        })
        .collect();
    let seen_by_the_first_shim = !interrupted || killed == Killed::Engine || at >= Step::Exited;
    for exit in &exits {
        // A shim that took over is told by newer kernels; nobody makes an exit up.
        let told = *exit == Exit::Code(7) || (*exit == Exit::Unknown && !seen_by_the_first_shim);
        assert!(told, "{context}: {exit:?}");
    }
}

fn interrupted_at_every_step(rig: &mut Rig, killed: Killed) {
    // So that what stays of the first task is there before.
    rig.release(rig.ready(&rig.script("echo up"), "up"));
    let before = traces(rig);
    for step in STEPS {
        rig.forget_reports();
        live(rig, step, killed);
        assert_as_before(rig, &before);
    }
}

on_all! {
    fn an_engine_killed_between_every_two_steps(driver) {
        interrupted_at_every_step(&mut Rig::new(driver), Killed::Engine);
    }
}

on_all! {
    fn a_shim_killed_between_every_two_steps(driver) {
        interrupted_at_every_step(&mut Rig::new(driver), Killed::Shim);
    }
}

on_all! {
    fn both_killed_between_every_two_steps(driver) {
        interrupted_at_every_step(&mut Rig::new(driver), Killed::Both);
    }
}

on_all! {
    /// Its shim saw it, so its code is exact, although no engine was there.
    fn an_exit_while_no_engine_ran_is_exact(driver) {
        let mut rig = Rig::new(driver);
        let script = "echo up; until busybox test -e go; do busybox sleep 0.02; done; exit 9";
        let id = rig.ready(&rig.script(script), "up");
        rig.kill_engine();
        let _ended_with_it = rig.exec(id, "echo x > go");
        wait_until("it exited", || rig.dir(id).join("exit").exists());
        for _ in 0..2 {
            rig.start_engine();
            assert_eq!(rig.wait_exit(id), Exit::Code(9));
            rig.kill_engine();
        }
    }
}

on_all! {
    /// Exited when nobody was there to see it: unknown, to every engine that asks, and never 0.
    fn an_exit_that_nobody_saw_is_unknown(driver) {
        let mut rig = Rig::new(driver);
        rig.release(rig.ready(&rig.script("echo up"), "up"));
        let before = traces(&rig);
        let script = "echo up; until busybox test -e go; do busybox sleep 0.02; done; exit 0";
        let id = rig.ready(&rig.script(script), "up");
        let process = rig.pid(id);
        rig.kill_engine();
        // The command is in the container before its shim is dead, and lets it go afterwards.
        rig.kill_shim(id);
        let _ended_with_it = rig.exec(id, "echo x > go");
        wait_until("it is dead", || !is_alive(process));
        for _ in 0..2 {
            rig.start_engine();
            assert_eq!(rig.wait_exit(id), Exit::Unknown);
            rig.kill_engine();
        }
        rig.start_engine();
        rig.release(id);
        assert_as_before(&rig, &before);
    }
}

on_all! {
    /// Killed at any moment of the start, the shim leaves a container that runs and is known, or
    /// one that failed; in neither case anything twice, or for ever.
    fn a_shim_killed_while_it_starts(driver) {
        let rig = Rig::new(driver);
        rig.release(rig.ready(&rig.script("echo up"), "up"));
        let before = traces(&rig);
        for moment in ["spec.json", "shim.pid", "bundle", "root", "pid"] {
            for _ in 0..3 {
                rig.forget_reports();
                let id = rig.start(&rig.script("echo up; exec busybox sleep 1000"));
                let dir = rig.dir(id);
                wait_until(moment, || dir.join(moment).exists() || dir.join("pid").exists());
                wait_until("its shim is known", || rig.pid_in(id, "shim.pid").is_some());
                rig.kill_shim(id);
                let runs = rig.wait_for("verdict", |seen| {
                    seen.iter().find_map(|o| match o {
                        Observation::ContainerStarted { task, .. } if *task == id => Some(true),
                        Observation::ContainerFailed { task, .. } if *task == id => Some(false),
                        _ => None,
                    })
                });
                if runs {
                    rig.runtime().kill_container(id, APP);
                    let exit = rig.wait_exit(id);
                    assert!(matches!(exit, Exit::Signal(9) | Exit::Unknown), "{exit:?}");
                }
                rig.release(id);
                assert!(rig.log(id).matches("up").count() <= 1, "nothing starts twice");
                assert_as_before(&rig, &before);
            }
        }
    }
}

on_all! {
    /// ECS-TD-18: whoever has taken over restarts as well.
    fn a_container_that_was_taken_over_is_restarted(driver) {
        let rig = Rig::new(driver);
        let script = "echo x >> runs; echo run; n=$(busybox wc -l < runs); \
                      busybox test $n = 1 || exit 42; busybox sleep 1000";
        let id = rig.ready(&rig.script_with(script, |container| {
            container.restart_policy =
                Some(RestartPolicy { ignored_exit_codes: vec![42], attempt_period_ms: 0 });
        }), "run");
        let first = rig.kill_shim(id);
        rig.wait_taken_over(id, first);
        kill(rig.pid(id));
        assert_eq!(rig.wait_exit(id), Exit::Code(42));
        assert_eq!(rig.log(id), "run\nrun\n");
    }
}

on_all! {
    /// A machine on which shims die again and again keeps its containers; only their exits are lost.
    fn shims_that_keep_dying_cost_the_exit_code_only(driver) {
        let rig = Rig::new(driver);
        let id = rig.ready(&rig.script("echo up; exec busybox sleep 1000"), "up");
        let process = rig.pid(id);
        let mut dead = None;
        // One more than are started in a container's stead.
        for _ in 0..9 {
            wait_until("a shim", || {
                rig.pid_in(id, "shim.pid").is_some_and(|shim| Some(shim) != dead && is_alive(shim))
            });
            dead = rig.pid_in(id, "shim.pid");
            rig.kill_shim(id);
        }
        assert!(is_alive(process), "{driver}: it runs on");
        rig.runtime().kill_container(id, APP);
        assert_eq!(rig.wait_exit(id), Exit::Unknown);
    }
}

on_all! {
    /// Whoever takes over clears away copies of the dead shim, which have its file open; not an
    /// engine that has it open to read it.
    fn a_reader_of_the_shims_file_is_not_taken_for_a_copy_of_it(driver) {
        let rig = Rig::new(driver);
        let id = rig.ready(&rig.script("echo up; exec busybox sleep 1000"), "up");
        let open = std::fs::File::open(rig.dir(id).join("shim.pid")).expect("a shim");
        let mut reader = std::process::Command::new("sleep")
            .arg("1000")
            .stdin(open)
            .spawn()
            .expect("sleep runs");
        let first = rig.kill_shim(id);
        rig.wait_taken_over(id, first);
        let ended = reader.try_wait().expect("ours");
        let _ended = reader.kill();
        reader.wait().expect("ours");
        assert_eq!(ended, None, "{driver}: it was left alone");
    }
}
