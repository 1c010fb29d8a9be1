//! Tasks that belong to no service, run for real by an ECS client.

use serde_json::{Value, json};

use crate::client::Client;
use crate::platform::{Platform, system};

const CLUSTER: &str = "microservices-cluster";

/// The input of RunTask for what one of the system's services runs, where it runs.
pub(crate) fn run(client: &mut Client, more: &Value) -> Value {
    let services = json!({ "cluster": CLUSTER, "services": ["test-auth-service"] });
    let described = client.ecs("DescribeServices", &services);
    let service = &described["services"][0];
    let mut input = json!({
        "cluster": CLUSTER,
        "taskDefinition": service["taskDefinition"],
        "networkConfiguration": service["networkConfiguration"],
        "launchType": "FARGATE",
    });
    for (name, value) in more.as_object().expect("members") {
        input[name] = value.clone();
    }
    input
}

fn container(client: &mut Client, definition: &Value) -> Value {
    let input = json!({ "taskDefinition": definition });
    let answer = client.ecs("DescribeTaskDefinition", &input);
    answer["taskDefinition"]["containerDefinitions"][0]["name"].clone()
}

/// ECS-TASK-1, ECS-TD-9, ECS-STOP-2: one runs to its end with the exit code its overrides gave it,
/// one is stopped, one is left for `down`.
#[test]
fn a_standalone_task_runs_to_its_end_and_nobody_replaces_it() {
    let platform = Platform::up(&system("microservices"), &["--env", "test"]);
    let mut client = Client::of(&platform);
    let plain = run(&mut client, &json!({}));
    let name = container(&mut client, &plain["taskDefinition"]);
    let environment = json!([
        { "name": "STANDIN_EXIT_CODE", "value": "7" },
        { "name": "STANDIN_EXIT_AFTER_MS", "value": "100" },
    ]);
    let ending = run(
        &mut client,
        &json!({
            "startedBy": "migration",
            "overrides": { "containerOverrides": [{ "name": name, "environment": environment }] },
        }),
    );
    let before = platform.view()["tasks"].as_array().map_or(0, Vec::len);
    let started = client.ecs("RunTask", &ending);
    let task = started["tasks"][0]["taskArn"].clone();
    let one = json!({ "cluster": CLUSTER, "tasks": [task] });
    platform.until("the task has ended", |_| {
        Client::of(&platform).ecs("DescribeTasks", &one)["tasks"][0]["lastStatus"] == "STOPPED"
    });
    let ended = client.ecs("DescribeTasks", &one)["tasks"][0].clone();
    assert_eq!(ended["stopCode"], "EssentialContainerExited");
    assert_eq!(ended["containers"][0]["exitCode"], 7, "{ended:#}");
    assert_eq!(ended["startedBy"], "migration");
    assert_eq!(platform.view()["tasks"].as_array().map_or(0, Vec::len), before + 1);

    let running = client.ecs("RunTask", &plain)["tasks"][0]["taskArn"].clone();
    let left = client.ecs("RunTask", &plain)["tasks"][0]["taskArn"].clone();
    let both = json!({ "cluster": CLUSTER, "tasks": [running, left] });
    platform.until("both run", |_| {
        let tasks = Client::of(&platform).ecs("DescribeTasks", &both);
        (0..2).all(|index| tasks["tasks"][index]["lastStatus"] == "RUNNING")
    });
    let id = running.as_str().and_then(|arn| arn.rsplit('/').next()).expect("an id");
    let said = platform.exec(id, &["/bin/echo", "inside"]);
    assert_eq!(said.trim(), "inside");
    platform.ok(&["stop-task", id]);
    platform.until("the stopped one is gone", |_| {
        let tasks = Client::of(&platform).ecs("DescribeTasks", &both);
        tasks["tasks"][0]["lastStatus"] == "STOPPED"
    });
    let stopped = client.ecs("DescribeTasks", &both)["tasks"].clone();
    assert_eq!(stopped[0]["stopCode"], "UserInitiated");
    assert_eq!(stopped[1]["lastStatus"], "RUNNING");
    platform.ok(&["down"]);
}
