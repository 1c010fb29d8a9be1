//! What a container definition says, and what the container finds.

use std::collections::BTreeMap;

use neargate_core::input::Exit;
use neargate_core::log_group::LogGroupSpec;
use neargate_core::task_definition::LogConfiguration;
use neargate_logs::{GetEvents, LogStore};
use neargate_runtime::Secrets;

use crate::machine::files_with;
use crate::rig::{APP, Rig, is_alive, kill, on_all, on_containers, wait_until};

on_all! {
    fn the_environment_is_the_definitions(driver) {
        let rig = Rig::new(driver);
        let launch = rig.script_with("busybox env; busybox pwd; exit 0", |container| {
            container.environment = BTreeMap::from([("MODE".into(), "a b\"c".into())]);
        });
        let id = rig.start(&launch);
        assert_eq!(rig.wait_exit(id), Exit::Code(0));
        let log = rig.log(id);
        for line in ["MODE=a b\"c", "AWS_REGION=us-east-1", "AWS_EXECUTION_ENV=AWS_ECS_FARGATE"] {
            assert!(log.lines().any(|found| found == line), "{line} in {log}");
        }
        assert!(!log.contains("CARGO"), "nothing of ours: {log}");
    }
}

on_all! {
    /// ECS-SEC: values of secrets are in the process and in no file of the home; a take-over finds
    /// them again.
    fn secrets_are_in_no_file(driver) {
        const VALUE: &str = "swordfish-of-the-conformance-suite";
        let rig = Rig::new(driver);
        let script = "echo length ${#SECRET}; busybox sleep 1000";
        let launch = rig.script_with(script, |container| {
            // One that is secret and plain at once is secret.
            container.environment.insert("SECRET".into(), "plain".into());
        });
        let secrets = Secrets::from([("SECRET".to_owned(), VALUE.to_owned())]);
        let id = rig.start_with(&launch, secrets);
        rig.wait_log(id, &format!("length {}\n", VALUE.len()));
        assert_eq!(files_with(rig.home(), VALUE), Vec::<std::path::PathBuf>::new());
        rig.wait_started(id, APP);
        assert_eq!(rig.exec_text(id, "echo $SECRET"), format!("{VALUE}\n"));
        rig.kill_shim(id);
        assert_eq!(rig.exec_text(id, "echo $SECRET"), format!("{VALUE}\n"));
        assert_eq!(files_with(rig.home(), VALUE), Vec::<std::path::PathBuf>::new());
        rig.release(id);
        assert_eq!(files_with(rig.home(), VALUE), Vec::<std::path::PathBuf>::new());
    }
}

on_all! {
    /// A secret that could not be had is the reason why the container does not start.
    fn a_missing_secret_is_a_failure(driver) {
        let rig = Rig::new(driver);
        let launch = rig.script("exit 0");
        let why = "ResourceInitializationError: no such secret".to_owned();
        rig.runtime().attach_network(std::sync::Arc::clone(&launch));
        rig.runtime().start_container(std::sync::Arc::clone(&launch), APP.into(), Err(why.clone()));
        let found = rig.wait_for("failure", |seen| {
            seen.iter().find_map(|o| match o {
                neargate_core::input::Observation::ContainerFailed { reason, .. } => {
                    Some(reason.clone())
                }
                _ => None,
            })
        });
        assert_eq!(found, why);
    }
}

on_containers! {
    /// ECS-STOP-7: over the limit of the container or of the task, it is told as such.
    fn ecs_stop_7_out_of_memory(driver) {
        let rig = Rig::new(driver);
        let script = "exec busybox dd if=/dev/zero of=/dev/null bs=900M count=1";
        for own in [Some(24), None] {
            let id = rig.start(&rig.script_with(script, |container| container.memory_mib = own));
            assert_eq!(rig.wait_exit(id), Exit::OutOfMemory, "own limit {own:?}");
            rig.release(id);
        }
    }
}

on_containers! {
    /// ECS-TD-3: the container sees its share: its control group says a quarter of a CPU.
    fn ecs_td_3_the_cpu_limit_is_the_tasks(driver) {
        let rig = Rig::new(driver);
        let id = rig.ready(&rig.script("echo up; while :; do :; done"), "up");
        let cgroups = std::fs::read_to_string(format!("/proc/{}/cgroup", rig.pid(id)))
            .expect("it lives");
        // Version 1 names the controller, version 2 has one line; the task's group is the parent.
        let lines: Vec<Vec<&str>> =
            cgroups.lines().map(|line| line.splitn(3, ':').collect()).collect();
        let of_cpu = |line: &&Vec<&str>| line[1].split(',').any(|controller| controller == "cpu");
        let own = lines.iter().find(of_cpu).or_else(|| lines.iter().find(|line| line[0] == "0"));
        let own = own.expect("a control group")[2];
        let task = std::path::Path::new(own).parent().expect("the task's").to_owned();
        let task = task.strip_prefix("/").expect("absolute");
        let read = |file: &str| {
            ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"]
                .iter()
                .find_map(|root| {
                    std::fs::read_to_string(std::path::Path::new(root).join(task).join(file)).ok()
                })
        };
        let quota = match (read("cpu.cfs_quota_us"), read("cpu.cfs_period_us"), read("cpu.max")) {
            (Some(quota), Some(period), _) => format!("{} {}", quota.trim(), period.trim()),
            (_, _, Some(max)) => max.trim().to_owned(),
            other => panic!("no quota of {}: {other:?}", task.display()),
        };
        let numbers: Vec<f64> = quota.split(' ').filter_map(|n| n.parse().ok()).collect();
        assert_eq!(numbers[0] / numbers[1], 0.25, "{quota}");
        wait_until("it is held back", || {
            let stat = read("cpu.stat").unwrap_or_default();
            stat.lines().any(|line| {
                line.strip_prefix("nr_throttled ").is_some_and(|count| count != "0")
            })
        });
    }
}

on_all! {
    fn ecs_td_24_open_files_are_limited(driver) {
        let rig = Rig::new(driver);
        let launch = rig.script_with("ulimit -Sn; ulimit -Hn; exit 0", |container| {
            container.nofile = Some((123, 456));
        });
        let id = rig.start(&launch);
        rig.wait_exit(id);
        assert_eq!(rig.log(id), "123\n456\n");
    }
}

on_all! {
    /// A command in a running container ends with its own code and has the container's environment;
    /// there is none in one that is gone.
    fn a_command_runs_inside(driver) {
        const WORDS: &str = "echo \"$HOME $HOSTNAME $PATH $MODE\"";
        let rig = Rig::new(driver);
        let script = format!("{WORDS}; echo x > here; echo up; busybox sleep 1000");
        let launch = rig.script_with(&script, |container| {
            container.environment.insert("MODE".into(), "test".into());
        });
        let id = rig.ready(&launch, "up\n");
        assert_eq!(format!("{}up\n", rig.exec_text(id, WORDS)), rig.log(id));
        let output = rig.exec(id, "echo $MODE; busybox cat here; echo err >&2; exit 42");
        assert_eq!(output.status.code(), Some(42));
        assert_eq!((&*output.stdout, &*output.stderr), (&b"test\nx\n"[..], &b"err\n"[..]));
        assert_eq!(rig.exec(id, "kill -9 $$").status.code(), Some(137));
        rig.runtime().kill_container(id, APP);
        rig.wait_exit(id);
        let gone = rig.exec(id, "true");
        assert_eq!(gone.status.code(), Some(1));
        let said = String::from_utf8_lossy(&gone.stderr).into_owned();
        assert!(said.contains("not running"), "{said}");
    }
}

/// The lines of a log stream, or none while it is not there.
fn events(rig: &Rig, group: &str, stream: &str) -> Vec<String> {
    let store = LogStore::open(&neargate_runtime::log_store(rig.home())).expect("a log store");
    let page = store.get_events(&GetEvents {
        group,
        stream,
        start_ms: None,
        end_ms: None,
        from_head: true,
        limit: None,
        token: None,
    });
    page.map(|page| page.events.iter().map(|event| event.text().into_owned()).collect())
        .unwrap_or_default()
}

on_all! {
    /// ECS-TD-21: output is in `<prefix>/<container>/<task>` of the group, whichever shim carries it
    /// there, and it stays when the task goes.
    fn ecs_td_21_output_goes_to_the_log_group(driver) {
        const GROUP: &str = "/ecs/shop/api";
        let rig = Rig::new(driver);
        rig.runtime().put_log_group(&LogGroupSpec { name: GROUP.into(), retention_days: None });
        let log = LogConfiguration::new(GROUP.into(), "api".into());
        let stream = |id| log.stream(APP, id);
        let script = "trap 'echo bye; exit 0' TERM; echo out; echo err >&2; \
                      until busybox test -e go; do busybox sleep 0.02; done; echo again; \
                      while :; do busybox sleep 0.02; done";
        let id = rig.start(&rig.script_with(script, |container| container.log = Some(log.clone())));
        rig.wait_started(id, APP);
        wait_until("both lines", || events(&rig, GROUP, &stream(id)).len() == 2);
        let first = rig.kill_shim(id);
        rig.wait_taken_over(id, first);
        rig.exec_text(id, "echo x > go");
        wait_until("the third line", || events(&rig, GROUP, &stream(id)).len() == 3);
        rig.runtime().stop_container(id, APP);
        let exit = rig.wait_exit(id);
        assert!(matches!(exit, Exit::Code(0) | Exit::Unknown), "{exit:?}");
        assert_eq!(events(&rig, GROUP, &stream(id)), ["out", "err", "again", "bye"]);
        rig.release(id);
        assert_eq!(events(&rig, GROUP, &stream(id)), ["out", "err", "again", "bye"]);
    }
}

on_all! {
    /// What a container wrote is kept, although its shim never read it and both are dead before
    /// another shim is there.
    fn last_words_are_kept_when_container_and_shim_die(driver) {
        const GROUP: &str = "/ecs/shop/api";
        let rig = Rig::new(driver);
        rig.runtime().put_log_group(&LogGroupSpec { name: GROUP.into(), retention_days: None });
        let log = LogConfiguration::new(GROUP.into(), "api".into());
        let stream = |id| log.stream(APP, id);
        let script = "echo up; until busybox test -e go; do busybox sleep 0.02; done; \
                      echo last words; echo x > said; exec busybox sleep 1000";
        let id = rig.start(&rig.script_with(script, |container| container.log = Some(log.clone())));
        rig.wait_started(id, APP);
        wait_until("the first line", || events(&rig, GROUP, &stream(id)) == ["up"]);
        let (shim, process) = (rig.pid_in(id, "shim.pid").expect("a shim"), rig.pid(id));
        let stop = nix::sys::signal::Signal::SIGSTOP;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(shim), stop).expect("it lives");
        rig.exec_text(id, "echo x > go; until busybox test -e said; do busybox sleep 0.02; done");
        kill(process);
        wait_until("the container is dead", || !is_alive(process));
        assert_eq!(events(&rig, GROUP, &stream(id)), ["up"], "{driver}: nobody has read it");
        kill(shim);
        assert_eq!(rig.wait_exit(id), Exit::Unknown);
        assert_eq!(events(&rig, GROUP, &stream(id)), ["up", "last words"]);
        rig.release(id);
    }
}
