//! kill -9 of the engine: traffic goes on, nothing acknowledged is lost, tasks are re-adopted.

use serde_json::Value;

use crate::platform::{Load, Platform, assert_flawless, is_alive, kill, system};

fn container_pids(platform: &Platform) -> Vec<i32> {
    let mut pids = Vec::new();
    let tasks = platform.home().join("tasks");
    for task in std::fs::read_dir(&tasks).expect("tasks").flatten() {
        for container in std::fs::read_dir(task.path()).expect("containers").flatten() {
            if let Ok(text) = std::fs::read_to_string(container.path().join("pid")) {
                pids.extend(text.split_whitespace().next().and_then(|p| p.parse::<i32>().ok()));
            }
        }
    }
    pids.sort_unstable();
    pids
}

pub(crate) fn kill_engine(platform: &Platform) {
    let engine = platform.engine_pid();
    kill(engine, "KILL");
    platform_gone(engine);
}

fn platform_gone(pid: i32) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while is_alive(pid) {
        assert!(std::time::Instant::now() < deadline, "{pid} does not die");
        std::thread::yield_now();
    }
}

#[test]
fn an_engine_killed_under_load_fails_no_request_and_restarts_no_task() {
    let mut platform = Platform::up(&system("microservices"), &["--env", "production"]);
    platform.ok(&["scale", "auth-service", "2"]);
    let before = container_pids(&platform);
    let urls = ["auth-service", "gmail-service"].map(|s| platform.url(s));
    let edge = platform.status()["edge"]["pid"].clone();
    let load = Load::start(&platform, &urls);

    kill_engine(&platform);
    // A task turns bad while nobody decides anything: the edge takes it out by itself.
    let answer = http_get(&format!("{}?health=fail", urls[0]));
    let bad = answer["task"].as_str().expect("task").to_owned();
    until_task_gets_nothing(&urls[0], &bad);

    platform.serve();
    platform.until("the edge is connected", |_| platform.status()["edge"]["pid"].is_u64());
    assert_eq!(platform.status()["edge"]["pid"], edge, "the edge lives on");
    let survivors = container_pids(&platform);
    let kept = before.iter().filter(|pid| survivors.contains(pid)).count();
    assert!(kept >= before.len() - 1, "only the unhealthy task may be replaced");
    platform.until("the unhealthy task is replaced", |v| {
        v["tasks"].as_array().expect("tasks").iter().any(|t| {
            t["id"] == bad.as_str()
                && t["stoppedReason"].as_str().is_some_and(|r| r.contains("health checks"))
        })
    });
    platform.until_steady("auth-service");
    assert_flawless(&load.finish());
}

/// Nothing is left behind although the engine was not there to be asked.
#[test]
fn down_ends_what_an_engine_left_behind_when_it_was_killed() {
    let platform = Platform::up(&system("microservices"), &["--env", "test"]);
    let containers = container_pids(&platform);
    assert_eq!(containers.len(), 4);
    let edge = platform.status()["edge"]["pid"].as_i64().expect("edge pid") as i32;
    kill_engine(&platform);
    platform.ok(&["down"]);
    platform_gone(edge);
    containers.into_iter().for_each(platform_gone);
}

/// Acknowledged is durable: each change is there after a kill at once after its answer.
#[test]
fn acknowledged_changes_survive_and_missed_exits_are_reported() {
    let mut platform = Platform::up(&system("microservices"), &["--env", "production"]);
    let tasks = platform.running_tasks("ai-router");
    let task = tasks[0]["id"].as_str().expect("id").to_owned();
    platform.ok(&["deploy", "gmail-service", "--env-var", "MARK=durable"]);
    let revision = platform.service("gmail-service")["revision"].clone();
    let doomed = container_pid(&platform, &task);
    kill_engine(&platform);
    kill(doomed, "KILL");
    platform_gone(doomed);

    // What still runs has a region and a pace; another one is refused before anything is touched.
    for (option, value, found) in [("--region", "eu-central-1", "us-west-2"), ("--pace", "5", "20")]
    {
        let output = platform.run(&["serve", "--port", "0", option, value]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(value) && stderr.contains(found), "{stderr}");
    }
    platform.serve();
    let view = platform.until("the missed exit is reported", |v| {
        let stopped = |t: &Value| t["id"] == task.as_str() && t["status"] == "STOPPED";
        v["tasks"].as_array().expect("tasks").iter().any(stopped)
    });
    let stopped = view["tasks"].as_array().expect("tasks").iter();
    let stopped = stopped.into_iter().find(|t| t["id"] == task.as_str()).expect("task");
    assert_eq!(stopped["containers"][0]["exitCode"], 137, "{stopped:#}");
    assert_eq!(stopped["stopCode"], "EssentialContainerExited");
    platform.until_steady("ai-router");
    assert_eq!(platform.service("gmail-service")["revision"], revision);
}

fn container_pid(platform: &Platform, task: &str) -> i32 {
    let folder = platform.home().join("tasks").join(task);
    let containers = std::fs::read_dir(folder).expect("task folder").flatten();
    let pid = containers.filter_map(|c| std::fs::read_to_string(c.path().join("pid")).ok()).next();
    let pid = pid.expect("a container with a pid");
    pid.split_whitespace().next().and_then(|p| p.parse().ok()).expect("a pid")
}

pub(crate) fn http_get(url: &str) -> Value {
    use std::io::{Read as _, Write as _};
    let rest = url.strip_prefix("http://").expect("http");
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut socket = std::net::TcpStream::connect(authority).expect("connects");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("sends");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("answers");
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{e} in {answer}"))
}

fn until_task_gets_nothing(url: &str, task: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        if (0..20).all(|_| http_get(url)["task"] != task) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "the edge keeps choosing {task}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
