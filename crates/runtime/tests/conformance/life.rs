//! A task's life: what is promised of it, and that nothing of it stays.

use std::sync::Arc;

use neargate_core::effect::TaskLaunch;
use neargate_core::input::{ContainerHealth, Exit, Observation};
use neargate_core::task_definition::{ContainerHealthCheck, RestartPolicy};
use neargate_runtime::Secrets;

use crate::machine::{assert_as_before, traces};
use crate::promises::{FAILS_WITH, PROMISES, Program, Promise, Report, Wish};
use crate::rig::{APP, Rig, is_alive, kill, on_all, on_containers, shell, wait_until};

/// Platform milliseconds go by this much faster.
const PACE: u32 = 100;
/// SIGTERM is a request it grants.
pub(crate) const POLITE: &str = "trap 'exit 0' TERM; echo up; while :; do busybox sleep 0.02; done";
const STUBBORN: &str = "trap '' TERM; echo up; while :; do busybox sleep 0.02; done";

fn task_of(rig: &Rig, program: Program) -> Arc<TaskLaunch> {
    let check = |command: &str| {
        Some(ContainerHealthCheck {
            command: ["CMD", "busybox", command].map(str::to_owned).into(),
            interval_ms: 5_000,
            timeout_ms: 20_000,
            retries: 2,
            start_period_ms: 10_000,
        })
    };
    let fails = format!("exit {FAILS_WITH}");
    let script = match program {
        Program::Stubborn => STUBBORN,
        Program::Ends => "exit 0",
        Program::Fails => &fails,
        _ => POLITE,
    };
    rig.script_with(script, |container| match program {
        Program::Unstartable => container.entry_point = vec!["/no/such/program".into()],
        Program::Missing => container.image = "busybox:v9".into(),
        Program::Healthy => container.health_check = check("true"),
        Program::Sick => container.health_check = check("false"),
        _ => {}
    })
}

fn is(observation: &Observation, report: Report) -> bool {
    match (observation, report) {
        (Observation::NetworkAttached { .. }, Report::Attached)
        | (Observation::ImagesPulled { .. }, Report::Pulled)
        | (Observation::ContainerStarted { .. }, Report::Started)
        | (Observation::TaskReleased { .. }, Report::Released) => true,
        (Observation::TaskFailed { reason, .. }, Report::TaskFailed(start))
        | (Observation::ContainerFailed { reason, .. }, Report::Failed(start)) => {
            reason.starts_with(start)
        }
        (Observation::ContainerHealth { health, .. }, Report::Healthy) => {
            *health == ContainerHealth::Healthy
        }
        (Observation::ContainerHealth { health, .. }, Report::Unhealthy) => {
            *health == ContainerHealth::Unhealthy
        }
        (Observation::ContainerExited { exit, .. }, Report::Exited(code)) => {
            *exit == Exit::Code(code)
        }
        (Observation::ContainerExited { exit, .. }, Report::Signalled) => {
            matches!(exit, Exit::Signal(9 | 15))
        }
        (Observation::ContainerExited { exit, .. }, Report::Gone) => *exit == Exit::Unknown,
        _ => false,
    }
}

fn make(rig: &Rig, launch: &Arc<TaskLaunch>, wish: Wish) {
    let runtime = rig.runtime();
    match wish {
        Wish::Attach => runtime.attach_network(Arc::clone(launch)),
        Wish::Pull => runtime.pull_images(Arc::clone(launch)),
        Wish::Start => {
            runtime.start_container(Arc::clone(launch), APP.to_owned(), Ok(Secrets::new()));
        }
        Wish::Stop => runtime.stop_container(launch.task, APP),
        Wish::Kill => runtime.kill_container(launch.task, APP),
        Wish::Release => runtime.release_task(launch.task),
    }
}

fn keeps(rig: &Rig, promise: &Promise) {
    let launch = task_of(rig, promise.program);
    let mut expected = Vec::new();
    rig.forget_reports();
    for (wishes, reports) in promise.life {
        for wish in *wishes {
            make(rig, &launch, *wish);
        }
        expected.extend_from_slice(reports);
        rig.wait_for(&format!("{reports:?} after {wishes:?} of \"{}\"", promise.name), |seen| {
            (seen.len() >= expected.len()).then_some(())
        });
        let seen = rig.reports();
        let matches = seen.len() == expected.len()
            && seen.iter().zip(&expected).all(|(seen, expected)| is(seen, *expected));
        assert!(
            matches,
            "{}: \"{}\", after {wishes:?}: {seen:#?} instead of {expected:?}",
            rig.driver, promise.name
        );
        let runs = expected.last() == Some(&Report::Started);
        if runs && !matches!(promise.program, Program::Ends | Program::Fails) {
            rig.wait_log(launch.task, "up");
        }
        assert!(rig.log(launch.task).matches("up").count() <= 1, "nothing starts twice");
    }
}

on_all! {
    /// The table, and behind every life of it a machine as before.
    fn what_is_promised_is_kept(driver) {
        let rig = Rig::paced(driver, PACE);
        let mut before = None;
        for promise in PROMISES {
            keeps(&rig, promise);
            match &before {
                None => before = Some(traces(&rig)),
                Some(before) => assert_as_before(&rig, before),
            }
        }
    }
}

on_all! {
    /// All that a container starts goes with it, also what left its process group.
    fn nothing_of_a_task_outlives_its_release(driver) {
        let rig = Rig::new(driver);
        rig.release(rig.ready(&rig.script("echo up"), "up"));
        let before = traces(&rig);
        let sleepers = "busybox sleep 1000 & busybox setsid busybox sleep 1000 & \
                        (busybox setsid busybox sleep 1000 &) ; echo up; ";
        let ends = rig.ready(&rig.script(&format!("{sleepers} exit 0")), "up");
        assert_eq!(rig.wait_exit(ends), Exit::Code(0));
        let runs = rig.ready(&rig.script(&format!("{sleepers} busybox sleep 1000")), "up");
        assert!(traces(&rig).len() > before.len(), "there is something to be removed");
        rig.release(ends);
        rig.release(runs);
        assert_as_before(&rig, &before);
    }
}

on_all! {
    /// Released in the middle of its start, before anybody could know that it runs.
    fn a_task_released_while_it_starts_leaves_nothing(driver) {
        let rig = Rig::new(driver);
        rig.release(rig.ready(&rig.script("echo up"), "up"));
        let before = traces(&rig);
        for moment in ["spec.json", "shim.pid", "bundle", "root", "pid"] {
            for _ in 0..3 {
                let id = rig.start(&rig.script("exec busybox sleep 1000"));
                let dir = rig.dir(id);
                wait_until(moment, || dir.join(moment).exists() || dir.join("pid").exists());
                rig.release(id);
                assert_as_before(&rig, &before);
            }
        }
    }
}

on_containers! {
    /// ECS-TD-16: containers of a task share its network, and nothing else.
    fn two_containers_of_a_task_share_localhost(driver) {
        let rig = Rig::new(driver);
        let server = shell(
            "server",
            "echo hello > page; echo up; exec busybox httpd -f -p 127.0.0.1:8080 -h /",
        );
        let client = shell(
            APP,
            "until busybox wget -q -O - http://127.0.0.1:8080/page 2>/dev/null; do busybox sleep 0.02; done; \
             busybox test -e page || echo own files; busybox ps > list; busybox wc -l < list; exit 5",
        );
        let launch = rig.task(vec![server, client]);
        rig.start(&launch);
        rig.runtime().start_container(Arc::clone(&launch), "server".into(), Ok(Secrets::new()));
        assert_eq!(rig.wait_exit(launch.task), Exit::Code(5));
        // The header, the shell and ps.
        assert_eq!(rig.log(launch.task), "hello\nown files\n3\n");
        // Another task does not reach it there.
        let stranger = rig.script("busybox wget -q -O - http://127.0.0.1:8080/page || exit 6");
        let stranger = rig.start(&stranger);
        assert_eq!(rig.wait_exit(stranger), Exit::Code(6));
        rig.release(launch.task);
    }
}

on_all! {
    /// ECS-TD-18: restarted in place until an ignored code, without a word to the outside.
    fn ecs_td_18_restarts_in_place(driver) {
        let rig = Rig::new(driver);
        let script = "echo x >> runs; echo run; n=$(busybox wc -l < runs); \
                      busybox test $n -lt 3 || exit 42; exit 1";
        let id = rig.start(&rig.script_with(script, |container| {
            container.restart_policy =
                Some(RestartPolicy { ignored_exit_codes: vec![42], attempt_period_ms: 0 });
        }));
        assert_eq!(rig.wait_exit(id), Exit::Code(42));
        assert_eq!(rig.log(id), "run\nrun\nrun\n");
        let started = |o: &&Observation| matches!(o, Observation::ContainerStarted { .. });
        assert_eq!(rig.reports().iter().filter(started).count(), 1, "{:#?}", rig.reports());
    }
}

on_all! {
    /// ECS-TD-18: a container that was asked to stop is not restarted.
    fn ecs_td_18_no_restart_after_a_stop(driver) {
        let rig = Rig::new(driver);
        let id = rig.ready(&rig.script_with(POLITE, |container| {
            container.restart_policy =
                Some(RestartPolicy { ignored_exit_codes: Vec::new(), attempt_period_ms: 0 });
        }), "up");
        let first = rig.pid(id);
        kill(first);
        wait_until("it was restarted", || rig.log(id).matches("up").count() == 2);
        wait_until("its process is known", || rig.pid_in(id, "pid").is_some_and(|p| p != first));
        rig.runtime().stop_container(id, APP);
        assert_eq!(rig.wait_exit(id), Exit::Code(0));
        assert!(!is_alive(rig.pid(id)));
    }
}

on_all! {
    /// ECS-TD-13: from healthy to unhealthy and back, told when it changes.
    fn ecs_td_13_health_follows_the_check(driver) {
        let rig = Rig::new(driver);
        let id = rig.ready(&rig.script_with("echo x > flag; echo up; busybox sleep 1000", |container| {
            container.health_check = Some(ContainerHealthCheck {
                command: ["CMD", "busybox", "test", "-e", "flag"].map(str::to_owned).into(),
                interval_ms: 20,
                timeout_ms: 20_000,
                retries: 2,
                start_period_ms: 0,
            });
        }), "up");
        rig.wait_health(id, ContainerHealth::Healthy);
        rig.exec_text(id, "busybox rm flag");
        rig.wait_health(id, ContainerHealth::Unhealthy);
        rig.forget_reports();
        rig.exec_text(id, "echo x > flag");
        rig.wait_health(id, ContainerHealth::Healthy);
        assert_eq!(rig.reports().len(), 1, "only changes are told: {:#?}", rig.reports());
    }
}
