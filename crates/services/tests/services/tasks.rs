//! Tasks: describe, list, stop, protect.

use neargate_core::input::{Exit, Observation};
use serde_json::{Value, json};

use crate::rig::{Rig, text};

fn arns(rig: &mut Rig, status: &str) -> Vec<String> {
    let input = json!({ "cluster": "main", "serviceName": "web", "desiredStatus": status });
    let listed = rig.ecs("ListTasks", input);
    listed["taskArns"].as_array().expect("a list").iter().map(text).collect()
}

fn describe(rig: &mut Rig, tasks: &[String]) -> Value {
    rig.ecs("DescribeTasks", json!({ "cluster": "main", "tasks": tasks, "include": ["TAGS"] }))
}

/// ECS-TASK-1 to ECS-TASK-11, ECS-NET-1, ECS-NET-3.
#[test]
fn a_task_is_described_through_its_life() {
    let mut rig = Rig::new();
    rig.create_service(1);
    let own = arns(&mut rig, "RUNNING");
    assert_eq!(own.len(), 1);
    let young = describe(&mut rig, &own)["tasks"][0].clone();
    assert_eq!(young["lastStatus"], "PROVISIONING");
    assert_eq!(young["attachments"][0]["status"], "ATTACHING");
    rig.settle();
    let task = describe(&mut rig, &own)["tasks"][0].clone();
    assert_eq!(task["lastStatus"], "RUNNING");
    assert_eq!(task["desiredStatus"], "RUNNING");
    assert_eq!(task["group"], "service:web");
    assert_eq!(task["availabilityZone"], "us-east-1a");
    assert_eq!(task["cpu"], "256");
    let details = task["attachments"][0]["details"].as_array().expect("a list");
    let names: Vec<&str> = details.iter().filter_map(|d| d["name"].as_str()).collect();
    assert_eq!(
        names,
        ["subnetId", "networkInterfaceId", "macAddress", "privateDnsName", "privateIPv4Address"]
    );
    assert_eq!(details[0]["value"], "subnet-a");
    let address = text(&details[4]["value"]);
    assert!(address.starts_with("127.9.1."));
    let container = &task["containers"][0];
    assert_eq!(container["networkInterfaces"][0]["privateIpv4Address"], json!(address));
    assert_eq!(container["lastStatus"], "RUNNING");
    assert!(text(&container["runtimeId"]).len() == 43, "ECS-META-4");
    assert!(task["version"].as_u64() > young["version"].as_u64(), "ECS-TASK-10");
    assert!(task["startedAt"].as_f64() > task["createdAt"].as_f64());
    let services = rig.ecs("DescribeServices", json!({ "cluster": "main", "services": ["web"] }));
    assert_eq!(task["startedBy"], services["services"][0]["deployments"][0]["id"], "ECS-TASK-11");
}

/// The runbooks' `--query 'tasks[0].stoppedReason'` and `containers[0].exitCode`.
#[test]
fn runbook_a_stopped_task_says_why() {
    let mut rig = Rig::new();
    rig.create_service(1);
    rig.settle();
    let own = arns(&mut rig, "RUNNING");
    let task = rig.platform.tasks().next().expect("a task").id;
    let container = "app".to_owned();
    rig.observe(Observation::ContainerExited { task, container, exit: Exit::OutOfMemory });
    rig.observe(Observation::TaskReleased { task });
    let stopped = describe(&mut rig, &own)["tasks"][0].clone();
    assert_eq!(stopped["desiredStatus"], "STOPPED");
    assert_eq!(stopped["stoppedReason"], "Essential container in task exited", "ECS-STOP-1");
    assert_eq!(stopped["stopCode"], "EssentialContainerExited");
    assert_eq!(stopped["containers"][0]["exitCode"], 137, "ECS-STOP-7");
    assert_eq!(arns(&mut rig, "STOPPED"), own);
    assert_ne!(arns(&mut rig, "RUNNING"), own, "replaced");
    assert_eq!(arns(&mut rig, "PENDING"), Vec::<String>::new(), "ECS-TASK-5");
}

/// ECS-TASK-6, ECS-STOP-2, ERR-ECS-14.
#[test]
fn ecs_task_6_stop_task_answers_while_it_still_runs() {
    let mut rig = Rig::new();
    rig.create_service(1);
    rig.settle();
    let own = arns(&mut rig, "RUNNING");
    let stopped = rig.ecs("StopTask", json!({ "cluster": "main", "task": own[0] }));
    assert_eq!(stopped["task"]["desiredStatus"], "STOPPED");
    assert_ne!(stopped["task"]["lastStatus"], "STOPPED");
    assert_eq!(stopped["task"]["stoppedReason"], "Task stopped by user");
    assert_eq!(stopped["task"]["stopCode"], "UserInitiated");
    let unknown = json!({ "cluster": "main", "task": "0".repeat(32) });
    let refusal = rig.refuses("ecs", "StopTask", unknown);
    let message = "The referenced task was not found.".to_owned();
    assert_eq!(refusal, ("InvalidParameterException".to_owned(), message));
    let (_, message) =
        rig.refuses("ecs", "DescribeTasks", json!({ "cluster": "main", "tasks": [] }));
    assert_eq!(message, "Tasks cannot be empty.", "ERR-ECS-8");
    let missing = describe(&mut rig, &["f".repeat(32)]);
    assert_eq!(missing["failures"][0]["reason"], "MISSING", "ERR-ECS-5");
    let (code, _) =
        rig.refuses("ecs", "DescribeTasks", json!({ "cluster": "main", "tasks": ["x"] }));
    assert_eq!(code, "InvalidParameterException");
}

/// ECS-PROT-1, ERR-ECS-13.
#[test]
fn ecs_prot_1_protection_is_given_and_taken() {
    let mut rig = Rig::new();
    rig.create_service(1);
    rig.settle();
    let own = arns(&mut rig, "RUNNING");
    let tasks = json!([own[0], "f".repeat(32)]);
    let on = json!({ "cluster": "main", "tasks": tasks, "protectionEnabled": true });
    let answer = rig.ecs("UpdateTaskProtection", on);
    assert_eq!(answer["protectedTasks"][0]["protectionEnabled"], true);
    let expected = rig.now.plus(120 * 60_000).0 as f64 / 1000.0;
    assert_eq!(answer["protectedTasks"][0]["expirationDate"], expected, "two hours unless said");
    assert_eq!(answer["failures"][0]["reason"], "MISSING");
    let off = json!({ "cluster": "main", "tasks": [own[0]], "protectionEnabled": false });
    rig.ecs("UpdateTaskProtection", off);
    let now = rig.ecs("GetTaskProtection", json!({ "cluster": "main" }));
    assert_eq!(now["protectedTasks"][0]["protectionEnabled"], false);
    let long = json!({
        "cluster": "main", "tasks": [own[0]], "protectionEnabled": true, "expiresInMinutes": 2881,
    });
    assert_eq!(rig.refuses("ecs", "UpdateTaskProtection", long).0, "InvalidParameterException");
    let negative = json!({
        "cluster": "main", "tasks": [own[0]], "protectionEnabled": true, "expiresInMinutes": -1,
    });
    assert_eq!(rig.refuses("ecs", "UpdateTaskProtection", negative).0, "InvalidParameterException");
}

/// ECS-PROT-2: a task that a newer deployment replaces is not protected any more.
#[test]
fn ecs_prot_2_protection_that_would_block_a_deployment_is_refused() {
    let mut rig = Rig::new();
    rig.create_service(1);
    rig.settle();
    let own = arns(&mut rig, "RUNNING");
    let protect = |on: bool| json!({ "cluster": "main", "tasks": own, "protectionEnabled": on });
    let before = rig.ecs("UpdateTaskProtection", protect(true));
    assert_eq!(before["failures"], json!([]));
    rig.register("web");
    let update = json!({ "cluster": "main", "service": "web", "taskDefinition": "web:2" });
    rig.ecs("UpdateService", update);
    let answer = rig.ecs("UpdateTaskProtection", protect(true));
    assert_eq!(answer["protectedTasks"], json!([]));
    assert_eq!(answer["failures"][0]["reason"], "DEPLOYMENT_BLOCKED");
    assert_eq!(answer["failures"][0]["arn"], own[0]);
    let off = rig.ecs("UpdateTaskProtection", protect(false));
    assert_eq!(off["protectedTasks"][0]["protectionEnabled"], false);
}

/// ECS-TD-28.
#[test]
fn ecs_td_28_tasks_carry_the_tags_they_shall() {
    let mut rig = Rig::new();
    rig.create_service(1);
    let tags = json!([{ "key": "env", "value": "prod" }]);
    let arn = "arn:aws:ecs:us-east-1:000000000000:service/main/web";
    rig.ecs("TagResource", json!({ "resourceArn": arn, "tags": tags }));
    let propagate = json!({
        "cluster": "main",
        "service": "web",
        "propagateTags": "SERVICE",
        "enableECSManagedTags": true,
    });
    rig.ecs("UpdateService", propagate);
    let own = arns(&mut rig, "RUNNING");
    assert_eq!(
        describe(&mut rig, &own)["tasks"][0]["tags"],
        json!([
            { "key": "aws:ecs:clusterName", "value": "main" },
            { "key": "aws:ecs:serviceName", "value": "web" },
            { "key": "env", "value": "prod" },
        ])
    );
}

#[test]
fn list_tasks_goes_page_by_page() {
    let mut rig = Rig::new();
    rig.create_service(5);
    let (mut all, mut token) = (Vec::new(), json!(null));
    loop {
        let input =
            json!({ "cluster": "main", "family": "web", "maxResults": 2, "nextToken": token });
        let page = rig.ecs("ListTasks", input);
        all.extend(page["taskArns"].as_array().expect("a list").iter().map(text));
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
    let none = rig.ecs("ListTasks", json!({ "cluster": "main", "family": "other" }));
    assert_eq!(none["taskArns"], json!([]));
}
