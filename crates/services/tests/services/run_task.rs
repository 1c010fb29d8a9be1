//! RunTask: tasks without a service.

use neargate_core::input::{Command, Exit, Observation};
use serde_json::{Value, json};

use crate::rig::{Rig, members, text};

fn run(more: Value) -> Value {
    let mut input = json!({
        "cluster": "main",
        "taskDefinition": "job",
        "launchType": "FARGATE",
        "networkConfiguration": Rig::network(),
    });
    for (name, value) in more.as_object().expect("members") {
        input[name] = value.clone();
    }
    input
}

fn list(rig: &mut Rig, more: Value) -> Vec<String> {
    let mut input = json!({ "cluster": "main" });
    for (name, value) in more.as_object().expect("members") {
        input[name] = value.clone();
    }
    let listed = rig.ecs("ListTasks", input);
    listed["taskArns"].as_array().expect("a list").iter().map(text).collect()
}

/// ECS-TASK-1, ECS-TASK-7, ECS-TASK-11: from RunTask to STOPPED, beside a service that is not
/// touched and does not show it.
#[test]
fn a_standalone_task_is_described_through_its_life() {
    let mut rig = Rig::new();
    rig.create_service(1);
    rig.register("job");
    let input = run(json!({
        "count": 2,
        "startedBy": "deploy-42",
        "tags": [{ "key": "run", "value": "nightly" }],
        "enableECSManagedTags": true,
        "enableExecuteCommand": true,
        "overrides": {
            "cpu": "512",
            "memory": "1GB",
            "taskRoleArn": "arn:aws:iam::000000000000:role/job",
            "containerOverrides": [{
                "name": "app",
                "command": ["migrate", "--now"],
                "environment": [{ "name": "MODE", "value": "once" }],
            }],
        },
    }));
    let answer = rig.ecs("RunTask", input);
    assert_eq!(answer["failures"], json!([]));
    let young = &answer["tasks"][0];
    assert_eq!(
        members(young, &["lastStatus", "desiredStatus", "group", "startedBy", "cpu", "memory"]),
        json!({
            "lastStatus": "PROVISIONING", "desiredStatus": "RUNNING", "group": "family:job",
            "startedBy": "deploy-42", "cpu": "512", "memory": "1024",
        })
    );
    assert_eq!(young["overrides"]["containerOverrides"][0]["command"], json!(["migrate", "--now"]));
    assert_eq!(young["overrides"]["taskRoleArn"], "arn:aws:iam::000000000000:role/job");
    assert_eq!(
        young["tags"],
        json!([
            { "key": "aws:ecs:clusterName", "value": "main" },
            { "key": "run", "value": "nightly" },
        ])
    );
    let started = list(&mut rig, json!({ "startedBy": "deploy-42" }));
    assert_eq!(started.len(), 2);
    assert_eq!(list(&mut rig, json!({ "family": "job" })), started);
    assert_eq!(list(&mut rig, json!({ "serviceName": "web" })).len(), 1);
    rig.settle();
    // What runs is what the overrides made of the definition.
    let task = rig.platform.standalone_tasks().next().expect("one of the two").clone();
    let container = &task.definition().containers[0];
    assert_eq!(
        (container.command.join(" "), &*container.environment["MODE"]),
        ("migrate --now".into(), "once")
    );
    assert_eq!(task.definition().task_role.as_deref(), Some("arn:aws:iam::000000000000:role/job"));
    let services = rig.ecs("DescribeServices", json!({ "cluster": "main", "services": ["web"] }));
    assert_eq!(services["services"][0]["runningCount"], 1);
    assert_eq!(
        rig.ecs("ListServices", json!({ "cluster": "main" }))["serviceArns"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    let exit = Exit::Code(3);
    rig.observe(Observation::ContainerExited { task: task.id, container: "app".into(), exit });
    rig.observe(Observation::TaskReleased { task: task.id });
    let input = json!({ "cluster": "main", "tasks": [task.id.to_string()] });
    let stopped = rig.ecs("DescribeTasks", input)["tasks"][0].clone();
    assert_eq!(
        members(&stopped, &["lastStatus", "stopCode", "stoppedReason"]),
        json!({
            "lastStatus": "STOPPED", "stopCode": "EssentialContainerExited",
            "stoppedReason": "Essential container in task exited",
        })
    );
    assert_eq!(stopped["containers"][0]["exitCode"], 3);
    assert_eq!(list(&mut rig, json!({ "family": "job" })).len(), 1, "nobody replaces it");
    // ECS-PROT-2.
    let other = list(&mut rig, json!({ "family": "job" }));
    let input = json!({ "cluster": "main", "tasks": other, "protectionEnabled": true });
    assert_eq!(rig.ecs("UpdateTaskProtection", input)["failures"][0]["reason"], "TASK_NOT_VALID");
    let (code, message) = rig.refuses("ecs", "DeleteCluster", json!({ "cluster": "main" }));
    assert_eq!(code, "ClusterContainsServicesException", "{message}");
}

/// ECS-API RunTask, clientToken: a repetition starts nothing and shows the same tasks.
#[test]
fn the_same_token_means_the_same_tasks() {
    let mut rig = Rig::new();
    rig.register("job");
    let arns = |answer: &Value| -> Vec<String> {
        answer["tasks"].as_array().expect("a list").iter().map(|t| text(&t["taskArn"])).collect()
    };
    let one = run(json!({ "count": 3, "clientToken": "abc" }));
    let first = rig.ecs("RunTask", one.clone());
    let again = rig.ecs("RunTask", one);
    assert_eq!(arns(&first), arns(&again));
    assert_eq!(list(&mut rig, json!({})).len(), 3);
    let other = run(json!({ "count": 2, "clientToken": "abc" }));
    assert_eq!(rig.refuses("ecs", "RunTask", other).0, "ConflictException");
    // Without one, every request stands for itself.
    rig.ecs("RunTask", run(json!({})));
    rig.ecs("RunTask", run(json!({})));
    assert_eq!(list(&mut rig, json!({})).len(), 5);
}

/// ERR-ECS-12: what has no place is a failure, not an error.
#[test]
fn err_ecs_12_what_has_no_place_is_in_failures() {
    let mut rig = Rig::new();
    rig.register("job");
    rig.commands(vec![Command::SetSpotCapacity { available: false }]);
    let mut input = run(json!({
        "count": 4,
        "capacityProviderStrategy": [
            { "capacityProvider": "FARGATE", "base": 1, "weight": 0 },
            { "capacityProvider": "FARGATE_SPOT", "weight": 1 },
        ],
    }));
    input.as_object_mut().expect("an object").remove("launchType");
    let answer = rig.ecs("RunTask", input);
    assert_eq!(answer["tasks"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["tasks"][0]["capacityProviderName"], "FARGATE");
    let failures = answer["failures"].as_array().expect("a list");
    assert_eq!(failures.len(), 3);
    let reason = text(&failures[0]["reason"]);
    assert!(reason.starts_with("Capacity is unavailable at this time."), "{reason}");
}

/// ERR-ECS-3, ERR-ECS-6 to ERR-ECS-8.
#[test]
fn what_run_task_refuses() {
    let mut rig = Rig::new();
    rig.register("job");
    rig.register("old");
    rig.ecs("DeregisterTaskDefinition", json!({ "taskDefinition": "old:1" }));
    let app = |more: Value| json!({ "overrides": { "containerOverrides": [more] } });
    let cases = [
        (json!({ "cluster": "none" }), "ClusterNotFoundException", "Cluster not found."),
        (json!({ "taskDefinition": "none" }), "ClientException", "TaskDefinition not found."),
        (
            json!({ "taskDefinition": "old:1" }),
            "InvalidParameterException",
            "TaskDefinition is inactive",
        ),
        (json!({ "count": 11 }), "InvalidParameterException", "count must be between 1 and 10."),
        (json!({ "count": 0 }), "InvalidParameterException", "count must be between 1 and 10."),
        (
            json!({ "networkConfiguration": null }),
            "InvalidParameterException",
            "Network Configuration must be provided",
        ),
        (json!({ "launchType": "EC2" }), "UnsupportedFeatureException", "Fargate only"),
        (json!({ "group": "service:web" }), "InvalidParameterException", "reserved"),
        (
            json!({ "propagateTags": "SERVICE" }),
            "InvalidParameterException",
            "task definition only",
        ),
        (
            json!({ "overrides": { "cpu": "300" } }),
            "ClientException",
            "No Fargate configuration exists",
        ),
        (
            app(json!({ "name": "other", "command": ["x"] })),
            "InvalidParameterException",
            "not a container",
        ),
        (app(json!({ "command": ["x"] })), "ClientException", "must name its container"),
    ];
    for (more, code, message) in cases {
        let (found, said) = rig.refuses("ecs", "RunTask", run(more.clone()));
        assert_eq!(found, code, "{more}");
        assert!(said.contains(message), "{more}: {said}");
    }
    assert_eq!(list(&mut rig, json!({})), Vec::<String>::new());
    rig.ecs("RunTask", run(json!({})));
    let (code, _) = rig.refuses("ecs", "DeleteCluster", json!({ "cluster": "main" }));
    assert_eq!(code, "ClusterContainsTasksException", "ERR-ECS-11");
}

/// Who asks for a session learns what does the same here; who may not is told as ECS tells it.
#[test]
fn execute_command_names_the_way_that_works() {
    let mut rig = Rig::new();
    rig.register("job");
    let closed = rig.ecs("RunTask", run(json!({})))["tasks"][0]["taskArn"].clone();
    let open = run(json!({ "enableExecuteCommand": true }));
    let open = text(&rig.ecs("RunTask", open)["tasks"][0]["taskArn"]);
    rig.settle();
    let input = |task: Value| json!({ "cluster": "main", "task": task, "command": "ls", "interactive": true });
    let (code, message) = rig.refuses("ecs", "ExecuteCommand", input(closed));
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("execute command was not enabled"), "{message}");
    let (code, message) = rig.refuses("ecs", "ExecuteCommand", input(json!(open)));
    assert_eq!(code, "TargetNotConnectedException");
    let id = open.rsplit('/').next().unwrap_or_default();
    assert!(message.contains(&format!("neargate exec {id} -- ls")), "{message}");
}
