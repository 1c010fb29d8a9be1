//! The command line against an engine made of a closure: what it sends, what it prints where, and
//! how it exits.

mod support;

use std::path::Path;
use std::process::{Output, Stdio};

use neargate_engine::api::{
    ContainerView, EventView, PlatformView, Request, Response, ServiceView, TaskView,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::fake_engine::{self, FakeEngine, deployment, respond, service, task, view};
use support::{Running, neargate, wait_until};

fn run(home: &Path, arguments: &[&str]) -> Output {
    neargate().arg("--home").arg(home).args(arguments).output().expect("run")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(output), stderr(output));
}

/// design.md "Command line": the shape is a contract.
#[test]
fn ps_json_has_the_promised_shape() {
    let mut shown = view(&["user"]);
    shown.tasks.push(TaskView { status: "STOPPED".into(), ..task("b", "user") });
    let engine = FakeEngine::showing(shown);
    let output = run(engine.path(), &["ps", "--json"]);
    assert_exit(&output, 0);
    let value: Value = serde_json::from_slice(&output.stdout).expect("json");
    for field in ["name", "desired", "running", "healthy", "revision", "url"] {
        assert!(!value["services"][0][field].is_null(), "{field}");
    }
    for field in ["id", "service", "zone", "address", "status", "health", "capacity"] {
        assert!(!value["tasks"][0][field].is_null(), "{field}");
    }
    assert!(value["loadBalancers"].is_array());
    assert_eq!(value["tasks"].as_array().expect("tasks").len(), 1, "stopped ones need --all");
    let all: Value = serde_json::from_slice(&run(engine.path(), &["ps", "--json", "--all"]).stdout)
        .expect("json");
    assert_eq!(all["tasks"].as_array().expect("tasks").len(), 2);
}

#[test]
fn status_json_has_the_promised_shape() {
    let engine = FakeEngine::showing(view(&[]));
    let output = run(engine.path(), &["status", "--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(value["engine"]["pid"], fake_engine::ENGINE_PID);
    assert_eq!(value["engine"]["endpoint"], "http://127.0.0.1:4566");
    assert_eq!(value["edge"]["pid"], 12);
    assert_eq!((&value["driver"], &value["pace"]), (&json!("process"), &json!(20)));
    assert_eq!(value["home"], "/somewhere");
}

#[test]
fn without_an_engine_commands_say_so() {
    let home = tempfile::tempdir().expect("home");
    for arguments in [&["ps"][..], &["status", "--json"], &["deploy", "x"], &["chaos", "spot"]] {
        let output = run(home.path(), arguments);
        assert_exit(&output, 1);
        assert!(output.stdout.is_empty());
        assert!(
            stderr(&output).starts_with("error: no platform runs on the home"),
            "{arguments:?}"
        );
        assert!(stderr(&output).contains("hint: "));
    }
    let output = run(home.path(), &["down"]);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("no platform runs"));
}

#[test]
fn output_without_a_terminal_has_no_colours_and_a_closed_pipe_is_no_error() {
    let engine = FakeEngine::showing(view(&["user", "worker"]));
    let output = run(engine.path(), &["ps"]);
    assert_exit(&output, 0);
    assert!(!stdout(&output).contains('\x1b'));
    assert!(stdout(&output).contains("http://127.0.0.1:8080/user"));
    let (reader, writer) = std::io::pipe().expect("pipe");
    drop(reader);
    let mut command = neargate();
    command.arg("--home").arg(engine.path()).arg("ps");
    let output = command.stdout(writer).stderr(Stdio::piped()).output().expect("run");
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "");
}

#[test]
fn unknown_services_change_nothing_and_name_near_ones() {
    let engine = FakeEngine::showing(view(&["user-test"]));
    for arguments in [
        &["deploy", "usr-test"][..],
        &["scale", "usr-test", "2"],
        &["rollback", "usr-test"],
        &["logs", "usr-test"],
    ] {
        let output = run(engine.path(), arguments);
        assert_exit(&output, 2);
        assert_eq!(
            stderr(&output),
            "error: there is no service `usr-test`\nhint: did you mean `user-test`?\n"
        );
    }
    assert!(engine.commands().is_empty());
}

/// Shows the views one after the other, the last one for ever, from when commands have come.
fn showing_after_commands(before: PlatformView, after: Vec<PlatformView>) -> FakeEngine {
    let mut commanded = false;
    let mut after = after.into_iter();
    let mut shown = before;
    FakeEngine::start(move |request| {
        commanded |= matches!(request, Request::Commands { .. });
        if commanded
            && matches!(request, Request::Platform)
            && let Some(next) = after.next()
        {
            shown = next;
        }
        respond(request, &shown)
    })
}

fn with_deployments(
    deployments: Vec<neargate_engine::api::DeploymentView>,
    steady: bool,
) -> PlatformView {
    let service = ServiceView { deployments, steady, ..service("user") };
    PlatformView { services: vec![service], ..PlatformView::default() }
}

#[test]
fn deploy_waits_for_its_own_deployment() {
    let rolling = with_deployments(
        vec![
            deployment("ecs-svc/2", "PRIMARY", "IN_PROGRESS"),
            deployment("ecs-svc/1", "ACTIVE", "COMPLETED"),
        ],
        false,
    );
    let done = with_deployments(vec![deployment("ecs-svc/2", "PRIMARY", "COMPLETED")], true);
    let engine = showing_after_commands(view(&["user"]), vec![rolling.clone(), rolling, done]);
    let output = run(engine.path(), &["deploy", "user", "--image", "u:2", "--env-var", "A=b=c"]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("steady"));
    assert!(stderr(&output).contains("user 1/1 running, 1 healthy, IN_PROGRESS\n"));
    let expected = json!({ "DeployChanges": {
        "service": { "cluster": "main", "service": "user" },
        "image": "u:2", "environment": { "A": "b=c" },
    }});
    assert_eq!(engine.commands(), [expected]);
}

#[test]
fn deploy_without_changes_is_forced() {
    let engine = FakeEngine::showing(view(&["user"]));
    let output = run(engine.path(), &["deploy", "main/user", "--json"]);
    assert_exit(&output, 0);
    let value: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(value["revision"], "user:1");
    assert_eq!(engine.commands()[0]["Deploy"]["force"], true);
}

#[test]
fn a_deployment_that_is_rolled_back_exits_1_and_says_why() {
    let mut failed = deployment("ecs-svc/2", "ACTIVE", "FAILED");
    failed.failed_tasks = 3;
    failed.rollout_state_reason = "tasks failed to start.".into();
    let first = with_deployments(vec![deployment("ecs-svc/2", "PRIMARY", "IN_PROGRESS")], false);
    let rolling_back = with_deployments(
        vec![deployment("ecs-svc/3", "PRIMARY", "IN_PROGRESS"), failed.clone()],
        false,
    );
    let mut rolled_back =
        with_deployments(vec![deployment("ecs-svc/3", "PRIMARY", "COMPLETED"), failed], true);
    let missing = "CannotPullContainerError: `u:9` does not exist";
    rolled_back.tasks = vec![TaskView {
        status: "STOPPED".into(),
        started_by: "ecs-svc/2".into(),
        stopped_reason: Some(missing.into()),
        containers: vec![ContainerView {
            name: "web".into(),
            status: "STOPPED".into(),
            health: "UNKNOWN".into(),
            exit_code: None,
            reason: None,
            log: None,
        }],
        ..task("bad", "user")
    }];
    let engine = showing_after_commands(view(&["user"]), vec![first, rolling_back, rolled_back]);
    let output = run(engine.path(), &["deploy", "user", "--image", "u:9"]);
    assert_exit(&output, 1);
    let text = stderr(&output);
    for part in ["ecs-svc/2 failed and was rolled back to user:1", "3 tasks in a row", missing] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn waiting_ends_at_the_timeout_with_the_reason() {
    let mut stuck = view(&["user"]);
    stuck.services[0].steady = false;
    stuck.services[0].reason = Some("no room for Spot tasks".into());
    let engine = FakeEngine::showing(stuck);
    let output = run(engine.path(), &["scale", "user", "1", "--timeout", "0"]);
    assert_exit(&output, 1);
    assert!(stderr(&output).contains("not steady after 0 s"), "{}", stderr(&output));
    assert!(stderr(&output).contains("no room for Spot tasks"));
}

#[test]
fn what_the_engine_rejects_exits_2() {
    let engine = FakeEngine::start(|request| match request {
        Request::Commands { .. } => Response::Rejected("revision 9 does not exist".into()),
        other => respond(other, &view(&["user"])),
    });
    let output = run(engine.path(), &["rollback", "user", "--to", "9"]);
    assert_exit(&output, 2);
    assert_eq!(stderr(&output), "error: revision 9 does not exist\n");
}

#[test]
fn tasks_are_stopped_by_a_unique_prefix() {
    let mut shown = view(&["user"]);
    shown.tasks = vec![task("ab1", "user"), task("ab2", "user")];
    let engine = FakeEngine::showing(shown);
    assert_exit(&run(engine.path(), &["stop-task", "ab"]), 2);
    assert!(engine.commands().is_empty());
    assert_exit(&run(engine.path(), &["stop-task", "ab2", "--reason", "drill"]), 0);
    let id = format!("{:0<32}", "ab2");
    assert_eq!(engine.commands(), [json!({ "StopTask": { "task": id, "reason": "drill" } })]);
}

#[test]
fn chaos_sends_what_it_says() {
    let engine = FakeEngine::showing(view(&["worker"]));
    assert_exit(&run(engine.path(), &["chaos", "spot", "worker", "--count", "1"]), 0);
    assert_exit(&run(engine.path(), &["chaos", "spot", "--capacity"]), 0);
    let output = run(engine.path(), &["chaos", "zone", "us-east-1a"]);
    assert_eq!(stderr(&output), "zone us-east-1a is lost with 1 tasks\n");
    let worker = json!({ "cluster": "main", "service": "worker" });
    assert_eq!(
        engine.commands(),
        [
            json!({ "InterruptSpot": { "service": worker, "count": 1 } }),
            json!({ "SetSpotCapacity": { "available": true } }),
            json!({ "LoseZone": { "zone": "us-east-1a" } }),
        ]
    );
}

#[test]
fn events_are_followed_without_repeating_any() {
    let mut calls = 0;
    let engine = FakeEngine::start(move |request| match request {
        Request::Events { .. } => {
            calls += 1;
            let event = |n: u64| EventView {
                id: n.to_string(),
                created_at_ms: 1_700_000_000_000 + n,
                message: format!("(service user) event {n}."),
            };
            Response::Events((1..=calls).map(event).collect())
        }
        other => respond(other, &view(&["user"])),
    });
    let output = run(engine.path(), &["events", "user"]);
    assert_eq!(stdout(&output), "2023-11-14 22:13:20  (service user) event 1.\n");
    let mut command = neargate();
    command.arg("--home").arg(engine.path()).args(["events", "user", "--follow", "--json"]);
    let mut following = Running::spawn(&mut command);
    for n in 1..=4 {
        assert_eq!(following.event()["id"], n.to_string());
    }
}

#[test]
fn logs_show_and_follow_every_task() {
    let mut shown = view(&["user"]);
    shown.tasks = vec![task("aa", "user"), task("cc", "other")];
    let later = {
        let mut later = shown.clone();
        later.tasks.push(task("bb", "user"));
        later
    };
    let mut polls = 0;
    let engine = FakeEngine::start(move |request| {
        polls += 1;
        respond(request, if polls < 3 { &shown } else { &later })
    });
    let write = |id: &str, text: &str| {
        let directory = engine.path().join("tasks").join(format!("{id:0<32}")).join("web");
        std::fs::create_dir_all(&directory).expect("directory");
        std::fs::write(directory.join("output.log"), text).expect("write");
    };
    write("aa", "one\ntwo\n");
    write("bb", "three\n");
    write("cc", "not ours\n");
    let output = run(engine.path(), &["logs", "user", "--lines", "1"]);
    assert_eq!(stdout(&output), "aa000000/web | two\n");
    let mut command = neargate();
    command.arg("--home").arg(engine.path()).args(["logs", "user", "-f"]);
    let mut following = Running::spawn(&mut command);
    for expected in ["aa000000/web | one", "aa000000/web | two", "bb000000/web | three"] {
        assert_eq!(following.line(), expected);
    }
}

#[test]
fn down_waits_for_the_answer() {
    let engine = FakeEngine::showing(view(&["user"]));
    let output = run(engine.path(), &["down", "--json"]);
    assert_exit(&output, 0);
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).expect("json"),
        json!({"stopped": true})
    );
    assert!(engine.asked.lock().expect("lock").iter().any(|r| matches!(r, Request::Down)));
}

/// A folder with a small system: one service with a load balancer.
fn small_system() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("directory");
    std::fs::write(directory.path().join("neargate.yaml"), SMALL).expect("write");
    directory
}

const SMALL: &str = include_str!("small.yaml");

#[test]
fn up_with_a_bad_description_exits_2_and_starts_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let home = directory.path().join("home");
    let write = |text: &str| {
        std::fs::write(directory.path().join("neargate.yaml"), text).expect("write");
    };
    let path = directory.path().to_str().expect("text");
    write("nonsense: 1\n");
    let output = run(&home, &["up", path, "--detach"]);
    assert_exit(&output, 2);
    let text = stderr(&output);
    assert!(text.starts_with("error: ") && text.contains("neargate.yaml:1:"), "{text}");
    let output = run(&home, &["up", "/does/not/exist"]);
    assert_exit(&output, 2);
    write(SMALL);
    let output = run(&home, &["up", path, "--env", "moon"]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("no environment `moon`"), "{}", stderr(&output));
    let output = run(&home, &["up", path, "--driver", "docker"]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("possible values: auto, container, process"));
    assert!(!home.exists(), "nothing was changed");
}

#[test]
fn up_refuses_an_engine_that_runs_differently() {
    let engine = FakeEngine::showing(view(&[]));
    let system = small_system();
    let path = system.path().to_str().expect("text");
    let output = run(engine.path(), &["up", path, "--pace", "3"]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("--pace 20, not 3"), "{}", stderr(&output));
    assert!(engine.commands().is_empty());
}

/// The platform after `up` of the small system, steady.
fn small_platform() -> PlatformView {
    let mut shown = view(&["web"]);
    shown.services[0].cluster = "small-cluster".into();
    shown.load_balancers = vec![neargate_engine::api::LoadBalancerView {
        name: "small-alb".into(),
        url: "http://127.0.0.1:8099".into(),
        listeners: vec![neargate_engine::api::ListenerView {
            port: 80,
            host_port: Some(8099),
            error: None,
        }],
    }];
    shown
}

#[test]
fn up_sends_one_request_and_prints_services_once_steady() {
    let mut starting = small_platform();
    starting.services[0].steady = false;
    starting.services[0].reason = Some("tasks are starting".into());
    let engine =
        showing_after_commands(view(&[]), vec![starting.clone(), starting, small_platform()]);
    let system = small_system();
    let path = system.path().to_str().expect("text");
    let output = run(engine.path(), &["up", path, "--detach", "--ephemeral-ports"]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("http://127.0.0.1:8080/web"), "{}", stdout(&output));
    assert!(
        stderr(&output).contains("web 1/1 running, 1 healthy, recovering: tasks are starting\n")
    );
    let commands = engine.commands();
    let kinds: Vec<&String> =
        commands.iter().filter_map(|c| c.as_object()?.keys().next()).collect();
    assert_eq!(kinds.iter().filter(|k| **k == "PutService").count(), 1, "{kinds:?}");
    let subnet = commands.iter().find(|c| c["PutSubnet"].is_object()).expect("subnet");
    // As described, on every driver: where tasks listen on this machine is the core's business.
    assert_eq!(subnet["PutSubnet"]["base"], "10.0.1.0");
    let listener = commands.iter().find(|c| c["PutListener"].is_object()).expect("listener");
    assert_eq!(listener["PutListener"]["host_port"], 0);
}

#[test]
fn up_says_which_listener_is_taken() {
    let mut shown = small_platform();
    shown.load_balancers[0].listeners[0].host_port = None;
    shown.load_balancers[0].listeners[0].error = Some("port 8099 is taken".into());
    let engine = FakeEngine::showing(shown);
    let system = small_system();
    let output = run(engine.path(), &["up", system.path().to_str().expect("text"), "--detach"]);
    assert_exit(&output, 1);
    assert!(stderr(&output).contains("port 8099 is taken"), "{}", stderr(&output));
}

#[test]
fn attached_up_takes_the_platform_down_on_ctrl_c() {
    let engine = FakeEngine::showing(small_platform());
    let system = small_system();
    let mut command = neargate();
    command.arg("--home").arg(engine.path()).arg("up").arg(system.path());
    let mut attached = Running::spawn(&mut command);
    assert!(attached.line().starts_with("SERVICE"), "the table comes first");
    wait_until("it is attached", || {
        let asked = engine.asked.lock().expect("lock");
        asked.iter().any(|r| matches!(r, Request::Events { .. })).then_some(())
    });
    attached.signal(Signal::SIGINT);
    assert_eq!(attached.ended().code(), Some(0), "{}", attached.stderr());
    assert!(engine.asked.lock().expect("lock").iter().any(|r| matches!(r, Request::Down)));
}

#[test]
fn help_and_completions_need_nothing() {
    for arguments in [&["--help"][..], &["up", "--help"], &["--version"]] {
        assert_exit(&neargate().args(arguments).output().expect("run"), 0);
    }
    for (shell, sign) in
        [("bash", "_neargate()"), ("zsh", "#compdef neargate"), ("fish", "complete -c neargate")]
    {
        let output = neargate().args(["completions", shell]).output().expect("run");
        assert!(stdout(&output).contains(sign), "{shell}");
    }
    assert_exit(&neargate().arg("frobnicate").output().expect("run"), 2);
}

#[test]
fn doctor_looks_at_this_machine() {
    let home = tempfile::tempdir().expect("home");
    let output = run(home.path(), &["doctor", "--port", "0", "--json"]);
    let findings: Value = serde_json::from_slice(&output.stdout).expect("json");
    let checks: Vec<&str> =
        findings.as_array().expect("list").iter().filter_map(|f| f["check"].as_str()).collect();
    for check in ["kernel", "loopback 127.0.0.0/8", "open files", "disk", "home", "engine"] {
        assert!(checks.contains(&check), "{check}: {checks:?}");
    }
    let engine = FakeEngine::showing(small_platform());
    let output = run(engine.path(), &["doctor"]);
    let version = fake_engine::status().engine.version;
    assert!(
        stdout(&output).contains(&format!("pid {}, version {version}", fake_engine::ENGINE_PID))
    );
}
