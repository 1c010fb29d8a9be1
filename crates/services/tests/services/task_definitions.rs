//! Task definitions: register, describe, list, deregister.

use serde_json::{Value, json};

use crate::rig::{Rig, text};

fn full() -> Value {
    json!({
        "family": "orders-task",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": ".5 vCPU",
        "memory": "1GB",
        "executionRoleArn": "arn:aws:iam::000000000000:role/exec",
        "taskRoleArn": "arn:aws:iam::000000000000:role/task",
        "runtimePlatform": { "cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX" },
        "ephemeralStorage": { "sizeInGiB": 30 },
        "volumes": [{ "name": "scratch" }],
        "tags": [{ "key": "team", "value": "orders" }],
        "containerDefinitions": [
            {
                "name": "api",
                "image": "orders:1",
                "essential": true,
                "cpu": 256,
                "memory": 512,
                "portMappings": [{ "containerPort": 8080, "name": "http", "appProtocol": "http" }],
                "environment": [{ "name": "B", "value": "2" }, { "name": "A", "value": "1" }],
                "secrets": [{ "name": "S", "valueFrom": "arn:aws:ssm:::parameter/s" }],
                "dependsOn": [{ "containerName": "migrate", "condition": "SUCCESS" }],
                "healthCheck": { "command": ["CMD-SHELL", "true"], "startPeriod": 10 },
                "logConfiguration": { "logDriver": "awslogs", "options": {
                    "awslogs-group": "/ecs/orders",
                    "awslogs-region": "us-east-1",
                    "awslogs-stream-prefix": "ecs",
                    "mode": "non-blocking",
                }},
                "ulimits": [{ "name": "nofile", "softLimit": 1024, "hardLimit": 4096 }],
                "stopTimeout": 60,
                "linuxParameters": { "initProcessEnabled": true },
                "mountPoints": [{ "sourceVolume": "scratch", "containerPath": "/tmp" }],
                "dockerLabels": { "a": "b" },
            },
            { "name": "migrate", "image": "orders:1", "essential": false },
        ],
    })
}

/// Everything that was sent comes back, completed, with sizes in units (ECS-TD-3).
#[test]
fn a_definition_is_described_as_it_was_sent() {
    let mut rig = Rig::new();
    let answer = rig.ecs("RegisterTaskDefinition", full());
    assert_eq!(answer["tags"], full()["tags"]);
    let read = json!({ "taskDefinition": "orders-task", "include": ["TAGS"] });
    let described = rig.ecs("DescribeTaskDefinition", read);
    assert_eq!(described["tags"], full()["tags"]);
    let definition = &described["taskDefinition"];
    assert_eq!(definition, &answer["taskDefinition"]);
    assert_eq!((&definition["cpu"], &definition["memory"]), (&json!("512"), &json!("1024")));
    assert_eq!(definition["ephemeralStorage"]["sizeInGiB"], 30);
    assert_eq!(definition["status"], "ACTIVE");
    for member in ["volumes", "runtimePlatform", "requiresCompatibilities", "taskRoleArn"] {
        assert_eq!(definition[member], full()[member], "{member}");
    }
    let api = &definition["containerDefinitions"][0];
    let sent = &full()["containerDefinitions"][0];
    for (member, value) in sent.as_object().expect("an object") {
        if !["portMappings", "healthCheck"].contains(&member.as_str()) {
            assert_eq!(&api[member], value, "{member}");
        }
    }
    assert_eq!(
        api["portMappings"],
        json!([{ "containerPort": 8080, "hostPort": 8080, "protocol": "tcp", "name": "http", "appProtocol": "http" }])
    );
    assert_eq!(api["healthCheck"]["interval"], 30, "ECS-TD-13");
    assert_eq!(definition["containerDefinitions"][1]["environment"], json!([]));
    // And the platform got the meaning.
    let registered = rig.platform.task_definition("orders-task", 1).expect("registered");
    let container = &registered.definition.containers[0];
    assert_eq!(container.log.as_ref().map(|l| l.group.as_str()), Some("/ecs/orders"));
    assert_eq!((container.nofile, container.stop_timeout_ms), (Some((1024, 4096)), 60_000));
    assert!(container.init_process && container.health_check.is_some());
    assert_eq!(container.secrets.len(), 1);
}

/// What `neargate up` registered reads like what a client would have sent: sent again, it is equal.
#[test]
fn a_definition_from_elsewhere_reads_the_same() {
    let mut rig = Rig::new();
    rig.ecs("RegisterTaskDefinition", full());
    let mut definition =
        (*rig.platform.task_definition("orders-task", 1).expect("there").definition).clone();
    definition.family = "other".into();
    let command = neargate_core::input::Command::PutTaskDefinition(Box::new(definition.clone()));
    rig.commands(vec![command]);
    let read = json!({ "taskDefinition": "other:1" });
    let mut described = rig.ecs("DescribeTaskDefinition", read)["taskDefinition"].clone();
    described["tags"] = full()["tags"].clone();
    rig.ecs("RegisterTaskDefinition", described);
    let again = rig.platform.task_definition("other", 2).expect("registered");
    definition.revision = 2;
    assert_eq!(*again.definition, definition);
}

/// ERR-ECS-10, ECS-TD-1 to ECS-TD-26.
#[test]
fn err_ecs_10_refusals_of_register() {
    let mut rig = Rig::new();
    let invalid_cpu = "Invalid 'cpu' setting for task. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.";
    for (pointer, value, message) in [
        ("/cpu", json!(null), "Fargate requires that 'cpu' be defined at the task level."),
        ("/memory", json!(null), "Fargate requires that 'memory' be defined at the task level."),
        ("/cpu", json!("much"), invalid_cpu),
        ("/memory", json!("600"), "No Fargate configuration exists for given values"),
        (
            "/networkMode",
            json!("bridge"),
            "Fargate only supports network mode \u{2018}awsvpc\u{2019}.",
        ),
        (
            "/executionRoleArn",
            json!(null),
            "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
        ),
        (
            "/containerDefinitions/0/image",
            json!(null),
            "Container.image should not be null or empty.",
        ),
        (
            "/containerDefinitions/0/portMappings/0/hostPort",
            json!(80),
            "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
        ),
        ("/ephemeralStorage/sizeInGiB", json!(20), "EphemeralStorage size should be at least 21"),
        ("/ephemeralStorage/sizeInGiB", json!(201), "EphemeralStorage size should be at most 200"),
        ("/containerDefinitions/0/essential", json!(false), "At least one container"),
        ("/containerDefinitions/1/essential", json!(true), "Invalid setting for container 'api'"),
        ("/containerDefinitions/1/name", json!("api"), "Container name 'api' is used"),
        ("/containerDefinitions/0/stopTimeout", json!(121), "Invalid setting for container 'api'"),
        ("/containerDefinitions/0/healthCheck/interval", json!(4), "Invalid setting for container"),
        ("/containerDefinitions/0/ulimits/0/name", json!("core"), "Invalid setting for container"),
        ("/family", json!("a b"), "Invalid family name 'a b'"),
        (
            "/containerDefinitions/1/dependsOn",
            json!([{ "containerName": "api", "condition": "START" }]),
            "Invalid setting for container 'api'. Its dependencies lead back",
        ),
    ] {
        let mut input = full();
        let (parent, member) = pointer.rsplit_once('/').expect("a path");
        input.pointer_mut(parent).expect("there")[member] = value;
        let (code, said) = rig.refuses("ecs", "RegisterTaskDefinition", input);
        assert_eq!(code, "ClientException", "{pointer}");
        assert!(said.starts_with(message), "{pointer}: {said}");
    }
    assert_eq!(rig.platform.family("orders-task").len(), 0, "nothing was registered");
}

/// ECS-TD-7, ECS-TD-8, ERR-ECS-6; runbook: list-task-definitions --family-prefix orders-task.
#[test]
fn ecs_td_7_revisions_count_up_and_are_listed() {
    let mut rig = Rig::new();
    for _ in 0..11 {
        rig.register("orders-task");
    }
    rig.register("orders-task-2");
    let list = |rig: &mut Rig, mut input: Value| {
        input["familyPrefix"] = json!("orders-task");
        let page = rig.ecs("ListTaskDefinitions", input);
        let arns: Vec<String> =
            page["taskDefinitionArns"].as_array().expect("a list").iter().map(text).collect();
        let short = |arn: &String| arn.rsplit('/').next().expect("a part").to_owned();
        (arns.iter().map(short).collect::<Vec<_>>(), page["nextToken"].clone())
    };
    let (all, _) = list(&mut rig, json!({}));
    assert_eq!(all.len(), 11, "this family only");
    assert_eq!((all[1].as_str(), all[10].as_str()), ("orders-task:2", "orders-task:11"));
    let (newest, token) = list(&mut rig, json!({ "sort": "DESC", "maxResults": 2 }));
    assert_eq!(newest, ["orders-task:11", "orders-task:10"]);
    let (next, _) = list(&mut rig, json!({ "sort": "DESC", "maxResults": 2, "nextToken": token }));
    assert_eq!(next, ["orders-task:9", "orders-task:8"]);
    let gone = rig.ecs("DeregisterTaskDefinition", json!({ "taskDefinition": "orders-task:11" }));
    assert_eq!(gone["taskDefinition"]["status"], "INACTIVE");
    assert!(gone["taskDefinition"]["deregisteredAt"].is_number());
    assert_eq!(list(&mut rig, json!({ "status": "INACTIVE" })).0, ["orders-task:11"]);
    assert_eq!(rig.register("orders-task")["revision"], 12, "never used again");
    let families = rig.ecs("ListTaskDefinitionFamilies", json!({ "familyPrefix": "orders" }));
    assert_eq!(families["families"], json!(["orders-task", "orders-task-2"]));
    let refusal =
        rig.refuses("ecs", "DescribeTaskDefinition", json!({ "taskDefinition": "orders-task:99" }));
    let message = "Unable to describe task definition.".to_owned();
    assert_eq!(refusal, ("ClientException".to_owned(), message));
}

#[test]
fn tags_of_a_revision_change() {
    let mut rig = Rig::new();
    rig.ecs("RegisterTaskDefinition", full());
    let arn = "arn:aws:ecs:us-east-1:000000000000:task-definition/orders-task:1";
    rig.ecs("UntagResource", json!({ "resourceArn": arn, "tagKeys": ["team"] }));
    let read = json!({ "taskDefinition": arn, "include": ["TAGS"] });
    let described = rig.ecs("DescribeTaskDefinition", read);
    assert_eq!(described["tags"], json!([]));
    assert_eq!(described["taskDefinition"]["volumes"], full()["volumes"], "the rest stays noted");
}
