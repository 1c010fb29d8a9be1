//! Shims are killed; containers go on, are taken over, and no exit code is made up.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::machine::{Backend, Container, on_both, wait_until};

on_both! {
    fn a_container_that_lost_its_shim_is_taken_over(backend) {
        let script = "trap 'exit 6' TERM; echo up; while :; do sleep 0.01; done";
        let mut container = Container::new(backend, script).with(|spec| {
            spec["health_check"] = json!({
                "argv": ["test", "-e", "/healthy"],
                "timeout_ms": 5_000,
                "schedule": { "interval_ms": 20, "retries": 100_000, "start_period_ms": 0 },
            });
        });
        container.start();
        container.wait_log("up");
        let pid = container.wait_pid();
        container.kill_shim();
        assert_eq!(container.exec_text("echo lives"), "lives\n");
        container.adopt();
        container.exec_text("touch /healthy");
        wait_until("the new shim checks its health", || {
            std::fs::read_to_string(container.dir().join("health")).is_ok_and(|h| h == "\"Healthy\"")
        });
        assert_eq!(container.pid(), pid, "the same process");
        container.stop(Signal::SIGTERM);
        let exit = container.wait_exit();
        // Newer kernels tell; in no case is it made up.
        assert!(exit == json!({ "Code": 6 }) || exit == json!("Unknown"), "{exit}");
        container.assert_nothing_left();
    }
}

on_both! {
    /// Restarts go on after a take-over, with the secrets the container itself still had.
    fn a_taken_over_container_is_restarted(backend) {
        let script = "echo x >> /runs; echo run $(wc -l < /runs) $SECRET; \
                      test $(wc -l < /runs) = 1 || exit 0; trap 'exit 6' TERM; echo up; \
                      while :; do sleep 0.01; done";
        let mut container = Container::new(backend, script).with(|spec| {
            spec["restart"] = json!({ "ignored_exit_codes": [0], "attempt_period_ms": 0 });
            spec["secret_names"] = json!(["SECRET"]);
        });
        container.secrets.insert("SECRET".into(), "swordfish".into());
        container.start();
        container.wait_log("up");
        container.wait_pid();
        container.kill_shim();
        container.secrets.clear();
        container.adopt();
        wait_until("taken over", || {
            let shim = std::fs::read_to_string(container.dir().join("shim.pid")).unwrap_or_default();
            let pid = shim.split(' ').next().unwrap_or_default().to_owned();
            !pid.is_empty() && std::fs::exists(format!("/proc/{pid}")).unwrap_or(false)
        });
        container.signal(Signal::SIGTERM);
        assert_eq!(container.wait_exit(), json!({ "Code": 0 }));
        assert_eq!(container.log(), "run 1 swordfish\nup\nrun 2 swordfish\n");
        container.assert_nothing_left();
    }
}

on_both! {
    fn an_end_that_nobody_saw_is_unknown(backend) {
        let mut container = Container::new(backend, "echo up; read line < /dev/zero").ready("up");
        container.kill_shim();
        container.signal(Signal::SIGKILL);
        let pid = container.pid();
        wait_until("dead", || {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |s| s.contains(") Z "))
        });
        container.adopt();
        assert_eq!(container.wait_exit(), json!("Unknown"));
        container.assert_nothing_left();
        container.adopt();
        container.wait_shims();
        assert_eq!(container.exit(), Some(json!("Unknown")), "once unknown, always unknown");
    }
}

on_both! {
    /// Killed at any moment of a start, a shim leaves what the next one takes over or clears away.
    fn a_shim_killed_at_any_moment_leaves_nothing_for_ever(backend) {
        for delay_ms in [0, 1, 2, 3, 5, 8, 12, 18, 26, 40, 60, 90] {
            let mut container = Container::new(backend, "exec sleep 1000");
            container.start();
            std::thread::sleep(std::time::Duration::from_millis(delay_ms));
            container.kill_shim();
            container.adopt();
            wait_until("a verdict", || {
                container.failure().is_some() || container.dir().join("pid").exists()
            });
            if container.failure().is_none() {
                container.stop(Signal::SIGKILL);
                container.wait_exit();
            } else {
                container.wait_shims();
            }
            container.assert_nothing_left();
        }
    }
}

#[test]
fn a_second_shim_does_nothing() {
    let mut container =
        Container::new(Backend::Libcontainer, "echo up; exec sleep 1000").ready("up");
    let pid = container.pid();
    container.adopt();
    container.start();
    assert_eq!(container.pid(), pid);
    container.stop(Signal::SIGKILL);
    container.wait_exit();
    assert_eq!(container.log(), "up\n");
}

on_both! {
    fn many_in_a_row_leave_nothing(backend) {
        for _ in 0..20 {
            Container::new(backend, "true").output();
        }
    }
}

/// The same for plain processes, where there is nothing to enter.
#[test]
fn a_plain_process_is_taken_over_and_entered() {
    let script = "trap 'exit 6' TERM; echo up; while :; do sleep 0.01; done";
    let mut container = Container::new(Backend::Libcontainer, script).with(|spec| {
        spec.as_object_mut().expect("an object").remove("sandbox");
        spec["environment"] = json!({ "MODE": "test", "PATH": "/usr/bin:/bin" });
        spec["secret_names"] = json!(["SECRET"]);
    });
    container.secrets.insert("SECRET".into(), "swordfish".into());
    let mut container = container.ready("up");
    container.kill_shim();
    container.secrets.clear();
    container.adopt();
    let work = container.dir().join("work").display().to_string();
    assert_eq!(container.exec_text("echo $MODE $SECRET; pwd"), format!("test swordfish\n{work}\n"));
    assert_eq!(container.exec(&["sh", "-c", "exit 42"]).status.code(), Some(42));
    container.stop(Signal::SIGTERM);
    let exit = container.wait_exit();
    assert!(exit == json!({ "Code": 6 }) || exit == json!("Unknown"), "{exit}");
}
