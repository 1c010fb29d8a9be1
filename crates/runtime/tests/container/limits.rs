//! Memory, CPU, processes, open files.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::machine::{Container, on_both, wait_until};

on_both! {
    /// ECS-STOP-7: told as such, whether the container's own limit or the task's was hit.
    fn ecs_stop_7_out_of_memory(backend) {
        for (own, task) in [(Some(24), None), (None, Some(24))] {
            let mut container = Container::new(backend, "exec dd if=/dev/zero of=/dev/null bs=200M count=1")
                .sandbox("limits", json!({ "memory_mib": own }))
                .sandbox("task_limits", json!({ "memory_mib": task }));
            container.start();
            assert_eq!(container.wait_exit(), json!("OutOfMemory"), "own {own:?}, task {task:?}");
            container.assert_nothing_left();
        }
    }
}

on_both! {
    /// A quarter of a CPU is a quarter of a CPU: a hard ceiling of the task.
    fn the_cpu_quota_of_a_task_holds_it_back(backend) {
        let mut container = Container::new(backend, "echo up; while :; do :; done")
            .sandbox("task_limits", json!({ "cpu_quota": 256 }))
            .sandbox("limits", json!({ "cpu_share": 128 }))
            .ready("up");
        let throttled = |container: &Container| -> u64 {
            let stat = container.cgroup_file("", "cpu", "cpu.stat", "cpu.stat");
            let line = stat.lines().find_map(|line| line.strip_prefix("nr_throttled "));
            line.and_then(|count| count.parse().ok()).expect("a count")
        };
        let ticks = |container: &Container| -> u64 {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", container.pid()));
            let stat = stat.expect("it lives");
            let fields: Vec<&str> = stat.rsplit_once(") ").expect("stat").1.split(' ').collect();
            fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
        };
        let (began, before) = (Instant::now(), ticks(&container));
        wait_until("throttled for a while", || {
            throttled(&container) >= 10 && began.elapsed() > Duration::from_secs(1)
        });
        let used = (ticks(&container) - before) as f64 / 100.0 / began.elapsed().as_secs_f64();
        assert!(used < 0.35, "used {used} of a CPU");
        container.stop(Signal::SIGKILL);
        container.wait_exit();
        container.assert_nothing_left();
    }
}

on_both! {
    fn processes_and_open_files_are_limited(backend) {
        let script = "ulimit -n; ulimit -Hn; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done; \
                      echo never";
        let mut container = Container::new(backend, script)
            .with(|spec| spec["nofile"] = json!([123, 456]))
            .sandbox("limits", json!({ "pids": 8 }));
        container.start();
        container.wait_exit();
        let log = container.log();
        assert!(log.starts_with("123\n456\n"), "{log}");
        assert!(log.contains("can't fork") && !log.contains("never"), "{log}");
        container.assert_nothing_left();
    }
}

on_both! {
    /// Two containers of a task share its limits, and the group goes with the last of them.
    fn a_task_shares_its_limits(backend) {
        let mut container = Container::new(backend, "echo up; exec sleep 1000")
            .sandbox("task_limits", json!({ "memory_mib": 64, "cpu_quota": 512 }))
            .sandbox("limits", json!({ "memory_mib": 32, "memory_reservation_mib": 16 }))
            .ready("up");
        let memory = |group: &str| {
            container
                .cgroup_file(group, "memory", "memory.limit_in_bytes", "memory.max")
                .trim()
                .to_owned()
        };
        assert_eq!(memory(""), (64 << 20).to_string());
        assert_eq!(memory("app"), (32 << 20).to_string());
        assert!(!container.dir().join("warnings").exists(), "all limits could be set");
        container.stop(Signal::SIGKILL);
        container.wait_exit();
        container.assert_nothing_left();
    }
}
