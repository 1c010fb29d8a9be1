//! Start, output, exit, stop, restart.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::machine::{Backend, Container, on_both, wait_until};

on_both! {
    fn a_container_runs_from_its_layers_and_leaves_nothing(backend) {
        let script = "echo out; echo err >&2; echo $MODE; hostname; echo pid $$; exit 7";
        let mut container = Container::new(backend, script);
        container.start();
        assert_eq!(container.wait_exit(), json!({ "Code": 7 }));
        assert_eq!(container.log(), "out\nerr\ntest\nip-10-0-1-5.ec2.internal\npid 1\n");
        container.assert_nothing_left();
    }
}

on_both! {
    /// Upper layers win and hide; the layers themselves are never written to.
    fn layers_are_stacked_and_stay_as_they_are(backend) {
        let script = "cat /etc/over; ls /opaque; test -e /gone || echo hidden; echo x > /etc/over";
        let container = Container::new(backend, script);
        let (low, high) = (container.layer(), container.layer().with_file_name("high"));
        for (path, text) in [
            (low.join("etc/over"), "low\n"),
            (low.join("gone"), ""),
            (low.join("opaque/old"), ""),
            (high.join("etc/over"), "high\n"),
            (high.join("opaque/new"), ""),
        ] {
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        nix::sys::stat::mknod(
            &high.join("gone"),
            nix::sys::stat::SFlag::S_IFCHR,
            nix::sys::stat::Mode::empty(),
            0,
        )
        .expect("root may");
        rustix::fs::lsetxattr(
            high.join("opaque"),
            "trusted.overlay.opaque",
            b"y",
            rustix::fs::XattrFlags::empty(),
        )
        .expect("root may");
        let container = container.sandbox("layers", json!([low, high]));
        let over = high.join("etc/over");
        let output = container.output();
        assert_eq!(output, "high\nnew\nhidden\n");
        assert!(!over.exists(), "the test's directory went with the container");
    }
}

on_both! {
    /// ECS-TASK-8. The first process of a PID namespace does not die of signals from inside, and
    /// of SIGTERM only if it wants to, as in Docker.
    fn ecs_task_8_signals_end_it_as_in_docker(backend) {
        let mut polite = Container::new(
            backend,
            "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done",
        )
        .ready("up");
        polite.stop(Signal::SIGTERM);
        assert_eq!(polite.wait_exit(), json!({ "Code": 3 }));
        assert_eq!(polite.log(), "up\nbye\n");

        let mut deaf = Container::new(backend, "echo up; while :; do sleep 0.01; done").ready("up");
        deaf.stop(Signal::SIGTERM);
        deaf.stop(Signal::SIGKILL);
        assert_eq!(deaf.wait_exit(), json!({ "Signal": 9 }));
        deaf.assert_nothing_left();

        let mut quit = Container::new(
            backend,
            "trap 'exit 4' QUIT; echo up; while :; do sleep 0.01; done",
        )
        .ready("up");
        quit.stop(Signal::SIGQUIT);
        assert_eq!(quit.wait_exit(), json!({ "Code": 4 }), "an image's STOPSIGNAL");
    }
}

on_both! {
/// With an init process the program dies of SIGTERM like anywhere, orphans are reaped, and the exit
/// code is the program's.
fn an_init_process_hands_signals_on_and_reaps(backend) {
    let start =
        |script| Container::new(backend, script).sandbox("init_process", json!(true));
    let script = "echo pid $$; (sleep 0.05 &); \
                  while ps -o ppid,stat | grep -q '^ *1 *S'; do sleep 0.01; done; \
                  ps -o stat | grep -c Z; echo up; exec sleep 1000";
    let mut container = start(script).ready("up");
    container.stop(Signal::SIGTERM);
    assert_eq!(container.wait_exit(), json!({ "Code": 143 }));
    assert!(!container.log().contains("pid 1\n"), "{}", container.log());
    assert!(container.log().contains("\n0\nup\n"), "no zombie: {}", container.log());
    container.assert_nothing_left();

    let mut own = start("kill -SEGV $$");
    own.start();
    assert_eq!(own.wait_exit(), json!({ "Code": 139 }));
    let mut missing = Container::command(backend, &["no-such-program"])
        .sandbox("init_process", json!(true));
    missing.start();
    let said = match backend {
        Backend::Libcontainer => missing.wait_failure(),
        // It starts the init process, and knows of no other.
        Backend::Runc => {
            assert_eq!(missing.wait_exit(), json!({ "Code": 127 }));
            missing.log()
        }
    };
    assert!(said.contains("executable file not found in $PATH"), "{said}");
}
}

/// What the image's own programs are to be loaded with does not reach the init process, which is
/// none of them; a read-only root and a user without rights are no hindrance.
#[test]
fn an_init_process_under_runc_needs_nothing_of_the_image() {
    let output =
        Container::new(Backend::Runc, "echo $LD_PRELOAD; id -u; tr '\\0' ' ' < /proc/1/environ")
            .sandbox("init_process", json!(true))
            .sandbox("readonly_root", json!(true))
            .sandbox("user", json!("app"))
            .with(|spec| {
                spec["environment"] = json!({ "LD_PRELOAD": "/no/such/library.so", "PLAIN": "x" });
            })
            .output();
    assert!(output.starts_with("/no/such/library.so\n1000\n"), "{output}");
    let own = output.rsplit('\n').next().unwrap_or_default();
    assert!(own.contains("PLAIN=x") && !own.contains("LD_PRELOAD"), "{output}");
}

on_both! {
    fn environment_user_and_working_directory(backend) {
        let script = "id; pwd; echo $HOME $HOSTNAME $PATH; touch made && echo writable; env | wc -l";
        let output = Container::new(backend, script)
            .sandbox("user", json!("app"))
            .sandbox("working_directory", json!("/srv/new/place"))
            .output();
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines[0], "uid=1000(app) gid=1001(app) groups=33(www),44(log),1001(app)");
        assert_eq!(lines[1], "/srv/new/place");
        assert_eq!(
            lines[2],
            "/srv/app ip-10-0-1-5.ec2.internal \
             /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        );
        assert_eq!(lines[3], "writable", "made for the user");
        // MODE, HOME, HOSTNAME, PATH, and what the shell sets: PWD, SHLVL.
        assert_eq!(lines[4], "6", "nothing of the host's: {output}");
    }
}

on_both! {
    fn a_program_that_is_not_there_is_a_failure_that_says_so(backend) {
        for (argv, said) in [
            ("no-such-program", "executable file not found in $PATH"),
            ("/no/such/program", "no such file or directory"),
            ("/etc/passwd", "ermission denied"),
        ] {
            let mut container = Container::command(backend, &[argv]);
            container.start();
            let failure = container.wait_failure();
            assert!(failure.starts_with("CannotStartContainerError: "), "{failure}");
            assert!(failure.contains(said) && failure.contains(argv), "{failure}");
            assert!(container.exit().is_none());
            container.assert_nothing_left();
        }
        let mut nobody = Container::new(backend, "true").sandbox("user", json!("nobody"));
        nobody.start();
        let failure = nobody.wait_failure();
        assert!(failure.contains("unable to find user nobody"), "{failure}");
        nobody.assert_nothing_left();
    }
}

on_both! {
    /// ECS-TD-18: a restart is the same container again, with what it wrote.
    fn ecs_td_18_a_restart_keeps_what_was_written(backend) {
        let script = "echo x >> /runs; n=$(wc -l < /runs); echo run $n $SECRET; exit $n";
        let mut container = Container::new(backend, script).with(|spec| {
            spec["restart"] = json!({ "ignored_exit_codes": [3], "attempt_period_ms": 0 });
            spec["secret_names"] = json!(["SECRET"]);
        });
        container.secrets.insert("SECRET".into(), "swordfish".into());
        container.start();
        assert_eq!(container.wait_exit(), json!({ "Code": 3 }));
        assert_eq!(container.log(), "run 1 swordfish\nrun 2 swordfish\nrun 3 swordfish\n");
        container.assert_nothing_left();
    }
}

on_both! {
    /// ECS-SEC: values of secrets are in the process and nowhere on the disk.
    fn secrets_are_in_no_file(backend) {
        let mut container = Container::new(backend, "test $SECRET = swordfish && echo up; exec sleep 1000")
            .with(|spec| spec["secret_names"] = json!(["SECRET"]));
        container.secrets.insert("SECRET".into(), "swordfish".into());
        let mut container = container.ready("up");
        assert_eq!(container.exec_text("echo $SECRET"), "swordfish\n", "as in docker exec");
        let found = std::process::Command::new("grep")
            .args(["-rl", "--devices=skip", "swordfish"])
            .arg(container.dir())
            .output()
            .expect("grep runs");
        // The description holds the test's script, which names the value; nothing else does.
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        let others: Vec<&str> = found
            .lines()
            .filter(|file| {
                let text = std::fs::read_to_string(file).unwrap_or_default();
                text.replace("$SECRET = swordfish", "").contains("swordfish")
            })
            .collect();
        assert_eq!(others, Vec::<&str>::new());
        container.stop(Signal::SIGKILL);
        container.wait_exit();

        let mut untold = Container::new(backend, "true")
            .with(|spec| spec["secret_names"] = json!(["SECRET"]));
        untold.start();
        let failure = untold.wait_failure();
        assert!(failure.contains("secret SECRET was not handed over"), "{failure}");
    }
}

on_both! {
    /// All processes of a container go with its first.
    fn nothing_of_a_container_outlives_it(backend) {
        let script = "sleep 1000 & setsid sleep 1000 & (setsid sleep 1000 &); exit 0";
        let mut container = Container::new(backend, script);
        container.start();
        assert_eq!(container.wait_exit(), json!({ "Code": 0 }));
        container.assert_nothing_left();
    }
}

on_both! {
    /// ECS-TD-13: the check runs inside, where the files are.
    fn ecs_td_13_health_checks_run_inside(backend) {
        let mut container = Container::new(backend, "echo up; sleep 1000 & wait").with(|spec| {
            spec["health_check"] = json!({
                "argv": ["/bin/sh", "-c", "test -e /healthy && test $MODE = test"],
                "timeout_ms": 5_000,
                "schedule": { "interval_ms": 20, "retries": 2, "start_period_ms": 0 },
            });
        });
        container.start();
        let health = |container: &Container| {
            std::fs::read_to_string(container.dir().join("health")).unwrap_or_default()
        };
        wait_until("unhealthy", || health(&container) == "\"Unhealthy\"");
        container.exec_text("touch /healthy");
        wait_until("healthy", || health(&container) == "\"Healthy\"");
        container.stop(Signal::SIGKILL);
        container.wait_exit();
        container.assert_nothing_left();
    }
}

on_both! {
    /// A check that takes too long has failed, and nothing of it stays.
    fn a_check_that_takes_too_long_is_ended(backend) {
        let mut container = Container::new(backend, "echo up; exec sleep 1000").with(|spec| {
            spec["health_check"] = json!({
                "argv": ["/bin/sh", "-c", "sleep 7777; true"],
                "timeout_ms": 50,
                "schedule": { "interval_ms": 20, "retries": 1, "start_period_ms": 0 },
            });
        });
        container = container.ready("up");
        wait_until("unhealthy", || {
            let health = std::fs::read_to_string(container.dir().join("health"));
            health.is_ok_and(|health| health == "\"Unhealthy\"")
        });
        // At most the one that runs right now, of the many there were.
        let processes = container.exec_text("ps -o args");
        assert!(processes.matches("sleep 7777").count() <= 2, "{processes}");
        container.stop(Signal::SIGKILL);
        container.wait_exit();
    }
}

#[test]
fn a_runtime_is_found_by_name_and_missed_by_name() {
    let container = |program: &str| {
        Container::new(Backend::Runc, "true").sandbox("backend", json!({ "runc": program }))
    };
    container("runc").output();
    let mut missing = container("no-such-runtime");
    missing.start();
    assert!(missing.wait_failure().contains("no-such-runtime is not installed"));
    missing.assert_nothing_left();
}
