//! Services: describe, list, create, update, delete.

use serde_json::{Value, json};

use crate::rig::{Rig, members, text};

fn described(rig: &mut Rig) -> Value {
    let input = json!({ "cluster": "main", "services": ["web"], "include": ["TAGS"] });
    rig.ecs("DescribeServices", input)["services"][0].clone()
}

fn update(rig: &mut Rig, mut input: Value) -> Value {
    input["cluster"] = json!("main");
    input["service"] = json!("web");
    rig.ecs("UpdateService", input)["service"].clone()
}

/// Section 4 of aws-operations.md: what must come back for an empty second plan.
#[test]
fn what_was_asked_for_comes_back() {
    let mut rig = Rig::new();
    let (_, group, _) = rig.create_load_balancer();
    rig.register("web");
    let services = rig.call("servicediscovery", "ListServices", json!({})).expect("served");
    let registry = json!({ "registryArn": services["Services"][0]["Arn"] });
    let asked = json!({
        "cluster": "main",
        "serviceName": "web",
        "taskDefinition": "web:1",
        "desiredCount": 2,
        "clientToken": "t",
        "availabilityZoneRebalancing": "DISABLED",
        "capacityProviderStrategy": [
            { "capacityProvider": "FARGATE", "base": 1, "weight": 1 },
            { "capacityProvider": "FARGATE_SPOT", "weight": 3 },
        ],
        "deploymentConfiguration": {
            "maximumPercent": 150,
            "minimumHealthyPercent": 50,
            "deploymentCircuitBreaker": { "enable": true, "rollback": true },
        },
        "deploymentController": { "type": "ECS" },
        "enableECSManagedTags": true,
        "enableExecuteCommand": true,
        "healthCheckGracePeriodSeconds": 60,
        "loadBalancers": [{ "targetGroupArn": group, "containerName": "app", "containerPort": 8080 }],
        "networkConfiguration": { "awsvpcConfiguration": {
            "subnets": ["subnet-a", "private-b"],
            "securityGroups": ["sg-1"],
            "assignPublicIp": "ENABLED",
        }},
        "propagateTags": "SERVICE",
        "schedulingStrategy": "REPLICA",
        "serviceRegistries": [registry],
        "tags": [{ "key": "env", "value": "prod" }],
    });
    rig.ecs("CreateService", asked.clone());
    rig.settle();
    let service = described(&mut rig);
    for member in [
        "serviceName",
        "desiredCount",
        "availabilityZoneRebalancing",
        "enableECSManagedTags",
        "enableExecuteCommand",
        "healthCheckGracePeriodSeconds",
        "loadBalancers",
        "propagateTags",
        "schedulingStrategy",
        "serviceRegistries",
        "deploymentController",
        "tags",
    ] {
        assert_eq!(service[member], asked[member], "{member}");
    }
    assert_eq!(service["launchType"], json!(null), "a strategy shows no launch type");
    assert_eq!(service["capacityProviderStrategy"][1]["base"], 0);
    let configuration = &service["deploymentConfiguration"];
    assert_eq!(
        configuration["deploymentCircuitBreaker"],
        json!({ "enable": true, "rollback": true })
    );
    assert_eq!(configuration["maximumPercent"], 150);
    let network = &service["networkConfiguration"]["awsvpcConfiguration"];
    assert_eq!(network["assignPublicIp"], "ENABLED");
    assert_eq!(network["securityGroups"], json!(["sg-1"]));
    assert_eq!(network["subnets"][0], "subnet-a");
    let derived = text(&network["subnets"][1]);
    assert!(derived.starts_with("subnet-0") && derived.len() == 24, "{derived}");
    // The id that was shown is as good as the name.
    let same = json!({ "awsvpcConfiguration": {
        "subnets": ["subnet-a", derived], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED",
    }});
    let again = update(&mut rig, json!({ "networkConfiguration": same }));
    assert_eq!(again["deployments"].as_array().map(Vec::len), Some(1), "nothing changed");
    assert_eq!(service["runningCount"], 2);
    let deployment = &service["deployments"][0];
    let read = ["status", "rolloutState", "desiredCount", "runningCount", "failedTasks"];
    assert_eq!(
        members(deployment, &read),
        json!({
            "status": "PRIMARY",
            "rolloutState": "COMPLETED",
            "desiredCount": 2,
            "runningCount": 2,
            "failedTasks": 0,
        })
    );
    assert!(text(&deployment["id"]).starts_with("ecs-svc/"), "ECS-TASK-11");
    let newest = text(&service["events"][0]["message"]);
    assert_eq!(newest, "(service web) has reached a steady state.", "newest first (ECS-SVC-16)");
    assert!(text(&service["roleArn"]).ends_with("AWSServiceRoleForECS"), "ECS-SVC-18");
}

/// How many deployments there were so far.
fn made(rig: &Rig) -> usize {
    let service = rig.platform.services().next().expect("a service");
    service.deployments.len() + service.past_deployments.len()
}

/// ECS-DEP-10: what starts a deployment and what does not.
#[test]
fn ecs_dep_10_only_a_new_revision_starts_a_deployment() {
    let mut rig = Rig::new();
    rig.create_service(1);
    rig.settle();
    let id = |service: &Value| text(&service["deployments"][0]["id"]);
    let first = id(&described(&mut rig));
    for quiet in [
        json!({ "desiredCount": 3 }),
        json!({ "healthCheckGracePeriodSeconds": 30 }),
        json!({ "enableExecuteCommand": true }),
        json!({ "deploymentConfiguration": { "maximumPercent": 150 } }),
        json!({ "propagateTags": "SERVICE" }),
        json!({ "taskDefinition": "web" }),
        json!({ "capacityProviderStrategy": [{ "capacityProvider": "FARGATE_SPOT", "weight": 1 }] }),
    ] {
        assert_eq!(id(&update(&mut rig, quiet.clone())), first, "{quiet}");
    }
    let service = described(&mut rig);
    assert_eq!(service["desiredCount"], 3);
    assert_eq!(service["deploymentConfiguration"]["maximumPercent"], 150);
    assert_eq!(service["deploymentConfiguration"]["minimumHealthyPercent"], 100, "kept");
    let mut last = first;
    rig.register("web");
    for loud in [
        json!({ "forceNewDeployment": true }),
        json!({ "taskDefinition": "web" }),
        json!({ "taskDefinition": "web:1", "forceNewDeployment": true }),
        json!({ "platformVersion": "1.4.0" }),
        json!({ "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["private-b"] } } }),
    ] {
        let before = made(&rig);
        let after = update(&mut rig, loud.clone());
        assert_ne!(id(&after), last, "{loud}");
        assert_eq!(made(&rig), before + 1, "one deployment, not two: {loud}");
        last = id(&after);
    }
    rig.settle();
    let service = described(&mut rig);
    assert_eq!(service["deployments"].as_array().map(Vec::len), Some(1), "services-stable");
    assert_eq!(service["runningCount"], service["desiredCount"]);
    assert!(text(&service["taskDefinition"]).ends_with("task-definition/web:1"));
}

/// ERR-ECS-3 to ERR-ECS-8.
#[test]
fn err_ecs_4_to_8_refusals() {
    let mut rig = Rig::new();
    rig.create_service(1);
    let create = |change: Value| {
        let mut input = json!({
            "cluster": "main",
            "serviceName": "other",
            "taskDefinition": "web",
            "desiredCount": 1,
            "networkConfiguration": Rig::network(),
        });
        for (member, value) in change.as_object().expect("an object") {
            input[member] = value.clone();
        }
        input
    };
    let group = rig.elb(
        "CreateTargetGroup",
        json!({ "Name": "alone", "Port": 80, "Protocol": "HTTP", "VpcId": "vpc-1", "TargetType": "ip" }),
    );
    let group = text(&group["TargetGroups"][0]["TargetGroupArn"]);
    let balancer = |name: &str| json!([{ "targetGroupArn": group, "containerName": name, "containerPort": 8080 }]);
    let unassociated = format!(
        "The target group with targetGroupArn {group} does not have an associated load balancer."
    );
    let invalid = "InvalidParameterException";
    for (change, code, message) in [
        (json!({ "cluster": "none" }), "ClusterNotFoundException", "Cluster not found."),
        (json!({ "taskDefinition": "none" }), "ClientException", "TaskDefinition not found."),
        (json!({ "taskDefinition": "web:7" }), "ClientException", "TaskDefinition not found."),
        (
            json!({ "networkConfiguration": null }),
            invalid,
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ),
        (
            json!({ "networkConfiguration": { "awsvpcConfiguration": { "subnets": [] } } }),
            invalid,
            "subnets can not be empty.",
        ),
        (
            json!({ "launchType": "FARGATE", "capacityProviderStrategy": [{ "capacityProvider": "FARGATE" }] }),
            invalid,
            "Specify either Launch Type or Capacity Provider Strategy, but not both.",
        ),
        (
            json!({ "capacityProviderStrategy": [{ "capacityProvider": "mine" }] }),
            invalid,
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster.",
        ),
        (json!({ "loadBalancers": balancer("app") }), invalid, unassociated.as_str()),
        (json!({ "serviceName": "web" }), invalid, "Creation of service was not idempotent."),
    ] {
        // `web` exists with one task and no strategy; asking for two is another service.
        let mut input = create(change.clone());
        if change == json!({ "serviceName": "web" }) {
            input["desiredCount"] = json!(2);
        }
        let refusal = rig.refuses("ecs", "CreateService", input);
        assert_eq!(refusal, (code.to_owned(), message.to_owned()), "{change}");
    }
    rig.create_load_balancer();
    let group = rig.elb("DescribeTargetGroups", json!({ "Names": ["web"] }));
    let group = text(&group["TargetGroups"][0]["TargetGroupArn"]);
    let nobody =
        json!([{ "targetGroupArn": group, "containerName": "nobody", "containerPort": 1 }]);
    let (_, message) =
        rig.refuses("ecs", "CreateService", create(json!({ "loadBalancers": nobody })));
    assert_eq!(message, "The container nobody does not exist in the task definition.");

    let gone = json!({ "cluster": "main", "service": "gone" });
    for operation in ["UpdateService", "DeleteService"] {
        let refusal = rig.refuses("ecs", operation, gone.clone());
        assert_eq!(refusal, ("ServiceNotFoundException".into(), "Service not found.".into()));
    }
    let list = json!({ "cluster": "main", "serviceName": "gone" });
    assert_eq!(rig.refuses("ecs", "ListTasks", list).0, "ServiceNotFoundException");
    rig.ecs("DeregisterTaskDefinition", json!({ "taskDefinition": "web:1" }));
    let inactive = ("ClientException".to_owned(), "TaskDefinition is inactive".to_owned());
    let on_inactive = create(json!({ "taskDefinition": "web:1" }));
    assert_eq!(rig.refuses("ecs", "CreateService", on_inactive), inactive);
    // ECS-TD-8: but what runs it may still scale.
    assert_eq!(update(&mut rig, json!({ "desiredCount": 2 }))["desiredCount"], 2);
}

/// ECS-SVC-1, ECS-SVC-2, ERR-ECS-4, ERR-ECS-5.
#[test]
fn ecs_svc_1_a_deleted_service_drains_and_is_described_for_a_while() {
    let mut rig = Rig::new();
    rig.create_service(1);
    rig.settle();
    let delete = json!({ "cluster": "main", "service": "web" });
    let (code, message) = rig.refuses("ecs", "DeleteService", delete.clone());
    assert_eq!(code, "InvalidParameterException");
    assert_eq!(message, "The service cannot be stopped while it is scaled above 0.");
    // As Terraform does: scale to 0 and delete at once, while tasks still stop.
    update(&mut rig, json!({ "desiredCount": 0 }));
    let deleted = rig.ecs("DeleteService", delete.clone());
    assert_eq!(deleted["service"]["status"], "DRAINING");
    let (code, message) = rig.refuses("ecs", "UpdateService", delete.clone());
    assert_eq!(code, "ServiceNotActiveException");
    assert_eq!(message, "Service was not ACTIVE.");
    rig.settle();
    assert_eq!(described(&mut rig)["status"], "INACTIVE");
    let list = rig.ecs("ListServices", json!({ "cluster": "main" }));
    assert_eq!(list["serviceArns"], json!([]));
    rig.create_service(1);
    assert_eq!(described(&mut rig)["status"], "ACTIVE", "the name is free again");
    let unknown = rig.ecs("DescribeServices", json!({ "cluster": "main", "services": ["no"] }));
    let arn = "arn:aws:ecs:us-east-1:000000000000:service/main/no";
    assert_eq!(unknown["failures"], json!([{ "arn": arn, "reason": "MISSING" }]));
}

/// A second CreateService with the same settings is the first one.
#[test]
fn create_service_is_idempotent() {
    let mut rig = Rig::new();
    let first = rig.create_service(1);
    let input = json!({
        "cluster": "main",
        "serviceName": "web",
        "taskDefinition": "web",
        "desiredCount": 1,
        "networkConfiguration": Rig::network(),
    });
    let second = rig.ecs("CreateService", input)["service"].clone();
    assert_eq!(second["deployments"][0]["id"], first["deployments"][0]["id"]);
    // ECS-SVC-5.
    assert_eq!(second["availabilityZoneRebalancing"], "ENABLED");
    assert_eq!(second["launchType"], "FARGATE");
}

#[test]
fn tags_of_a_service_change_without_a_deployment() {
    let mut rig = Rig::new();
    let service = rig.create_service(1);
    let arn = service["serviceArn"].clone();
    let tags = json!([{ "key": "env", "value": "prod" }]);
    rig.ecs("TagResource", json!({ "resourceArn": arn, "tags": tags }));
    let listed = rig.ecs("ListTagsForResource", json!({ "resourceArn": arn }));
    assert_eq!(listed["tags"], tags);
    let after = described(&mut rig);
    assert_eq!(after["tags"], tags);
    assert_eq!(after["deployments"][0]["id"], service["deployments"][0]["id"]);
}
