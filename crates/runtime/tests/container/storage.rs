//! What a task's containers may write in all (ECS-TD-5), and that nothing of it stays.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::machine::{Backend, Container, on_both, wait_until};

/// Writes so many MiB to a file, says how that went, and how many MiB are there.
fn write(file: &str, mib: u32) -> String {
    format!(
        "dd if=/dev/zero of={file} bs=1M count={mib}; echo {file} $(($(stat -c %s {file}) >> 20))"
    )
}

/// MiB in a file, as [`write`] said.
#[track_caller]
fn written(said: &str, file: &str) -> u32 {
    let line = said.lines().find_map(|line| line.strip_prefix(file)?.trim().parse().ok());
    line.unwrap_or_else(|| panic!("no {file} in {said}"))
}

fn limited(backend: Backend, script: &str) -> Container {
    Container::new(backend, script).sandbox("storage_mib", json!(64))
}

on_both! {
    fn ecs_td_5_writes_beyond_the_storage_are_refused(backend) {
        let script = format!("{}; rm /big; {}; exit 0", write("/big", 80), write("/small", 20));
        let mut container = limited(backend, &script);
        container.start();
        assert_eq!(container.wait_exit(), json!({ "Code": 0 }));
        let log = container.log();
        assert!(log.contains("No space left on device"), "{log}");
        assert!((48..64).contains(&written(&log, "/big")), "{log}");
        assert_eq!(written(&log, "/small"), 20, "what is removed is free again: {log}");
        assert!(!container.dir().join("warnings").exists(), "the limit could be set");
        container.assert_nothing_left();
    }
}

on_both! {
    /// The storage is the task's: its containers share the space, and see nothing of each other.
    fn ecs_td_5_containers_share_the_storage(backend) {
        let mut app = limited(backend, "echo up; exec sleep 1000").ready("up");
        let mut side = app.beside("side", "echo up; exec sleep 1000").ready("up");
        assert_eq!(app.loop_devices().len(), 1);
        let said = app.exec_text(&write("/app", 30));
        assert_eq!(written(&said, "/app"), 30);
        let output = side.exec(&["sh", "-c", &write("/side", 50)]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.contains("No space left on device"), "{errors}");
        assert!((15..34).contains(&written(&String::from_utf8_lossy(&output.stdout), "/side")));
        assert_eq!(side.exec_text("ls /app 2>/dev/null || echo none"), "none\n");
        // What one wrote stays as long as the task, so the other gets no more.
        app.stop(Signal::SIGKILL);
        app.wait_exit();
        let output = side.exec(&["sh", "-c", "dd if=/dev/zero of=/more bs=1M count=20"]);
        assert!(!output.status.success());
        side.stop(Signal::SIGKILL);
        side.wait_exit();
        side.assert_nothing_left();
    }
}

on_both! {
    /// Two shims that begin at the same moment do not make a file system each.
    fn containers_that_start_at_once_share_the_storage(backend) {
        for _ in 0..5 {
            let mut app = limited(backend, "echo up; exec sleep 1000");
            let mut others = ["b", "c", "d"].map(|name| app.beside(name, "echo up; exec sleep 1000"));
            app.start();
            for other in &mut others {
                other.start();
            }
            app.wait_log("up");
            app.wait_pid();
            for other in &others {
                other.wait_log("up");
                other.wait_pid();
            }
            assert_eq!(app.loop_devices().len(), 1);
            app.stop(Signal::SIGKILL);
            app.wait_exit();
            for other in &mut others {
                other.stop(Signal::SIGKILL);
                other.wait_exit();
            }
            app.assert_nothing_left();
        }
    }
}

on_both! {
    fn who_asks_for_no_storage_has_what_the_disk_has(backend) {
        let mut container = Container::new(backend, &write("/big", 80));
        container.start();
        assert_eq!(container.wait_exit(), json!({ "Code": 0 }));
        assert_eq!(written(&container.log(), "/big"), 80);
        assert_eq!(container.loop_devices(), Vec::<String>::new());
        assert!(!container.dir().with_file_name("storage.ext4").exists());
        container.assert_nothing_left();
    }
}

on_both! {
    /// The container keeps its storage without its shim; restarted by the next one, it finds what it
    /// had written, and its limit.
    fn ecs_td_5_the_storage_outlives_the_shim(backend) {
        let again = write("/second", 50);
        let script = format!(
            "test -e /first && {{ ls /first; {again}; exit 0; }}; \
             dd if=/dev/zero of=/first bs=1M count=30; trap 'exit 6' TERM; echo up; \
             while :; do sleep 0.01; done"
        );
        let mut container = limited(backend, &script)
            .with(|spec| {
                spec["restart"] = json!({ "ignored_exit_codes": [0], "attempt_period_ms": 0 });
            })
            .ready("up");
        container.kill_shim();
        assert_eq!(container.loop_devices().len(), 1);
        container.adopt();
        wait_until("taken over", || {
            let shim = std::fs::read_to_string(container.dir().join("shim.pid")).unwrap_or_default();
            let pid = shim.split(' ').next().unwrap_or_default().to_owned();
            !pid.is_empty() && std::fs::exists(format!("/proc/{pid}")).unwrap_or(false)
        });
        container.signal(Signal::SIGTERM);
        assert_eq!(container.wait_exit(), json!({ "Code": 0 }));
        let log = container.log();
        assert!(log.contains("/first\n") && log.contains("No space left on device"), "{log}");
        assert!((15..34).contains(&written(&log, "/second")), "{log}");
        container.assert_nothing_left();
    }
}

on_both! {
    /// Everything is killed and nobody clears up: the kernel takes the mount and the device away.
    fn the_storage_goes_with_the_last_process(backend) {
        let mut container = limited(backend, "echo up; exec sleep 1000").ready("up");
        assert_eq!(container.loop_devices().len(), 1);
        container.kill_shim();
        container.signal(Signal::SIGKILL);
        wait_until("its loop device is gone", || container.loop_devices().is_empty());
        container.adopt();
        assert_eq!(container.wait_exit(), json!("Unknown"));
        container.assert_nothing_left();
    }
}

on_both! {
    /// Killed at any moment of a start, also while the file system is made.
    fn a_shim_killed_while_it_makes_storage_leaves_nothing(backend) {
        for delay_ms in [0, 2, 4, 6, 8, 10, 13, 16, 20, 25, 32, 40, 60, 90] {
            let mut container = limited(backend, "exec sleep 1000");
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
