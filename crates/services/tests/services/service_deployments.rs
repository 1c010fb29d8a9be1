//! Service deployments and revisions, account settings, and what a cluster without instances says.

use neargate_core::input::{Input, Observation};
use neargate_core::task::Task;
use serde_json::{Value, json};

use crate::rig::{Rig, members, text};

fn deployments(rig: &mut Rig) -> Vec<Value> {
    let input = json!({ "cluster": "main", "service": "web" });
    let listed = rig.ecs("ListServiceDeployments", input);
    listed["serviceDeployments"].as_array().expect("a list").clone()
}

fn describe(rig: &mut Rig, arn: &str) -> Value {
    let input = json!({ "serviceDeploymentArns": [arn] });
    rig.ecs("DescribeServiceDeployments", input)["serviceDeployments"][0].clone()
}

fn update(rig: &mut Rig, definition: &str) {
    rig.now = rig.now.plus(1000);
    let input = json!({ "cluster": "main", "service": "web", "taskDefinition": definition });
    rig.ecs("UpdateService", input);
}

fn statuses(rig: &mut Rig) -> Vec<String> {
    deployments(rig).iter().map(|d| text(&d["status"])).collect()
}

/// From CreateService over an update to one that takes its place.
#[test]
fn service_deployments_tell_how_each_ended() {
    let mut rig = Rig::new();
    rig.create_service(2);
    assert_eq!(statuses(&mut rig), ["IN_PROGRESS"]);
    rig.settle();
    assert_eq!(statuses(&mut rig), ["SUCCESSFUL"]);
    rig.register("web");
    rig.register("web");
    update(&mut rig, "web:2");
    update(&mut rig, "web:3");
    assert_eq!(statuses(&mut rig), ["IN_PROGRESS", "STOPPED", "SUCCESSFUL"]);
    let listed = deployments(&mut rig);
    let newest = describe(&mut rig, &text(&listed[0]["serviceDeploymentArn"]));
    assert_eq!(
        members(&newest, &["status", "serviceArn", "clusterArn"]),
        json!({
            "status": "IN_PROGRESS",
            "serviceArn": "arn:aws:ecs:us-east-1:000000000000:service/main/web",
            "clusterArn": "arn:aws:ecs:us-east-1:000000000000:cluster/main",
        })
    );
    assert_eq!(newest["deploymentCircuitBreaker"]["status"], "DISABLED");
    assert_eq!(newest["targetServiceRevision"]["requestedTaskCount"], 2);
    let (source, target) =
        (&newest["sourceServiceRevisions"][0]["arn"], &newest["targetServiceRevision"]["arn"]);
    assert_eq!(*source, listed[2]["targetServiceRevisionArn"], "the last completed one");
    let arns = json!({ "serviceRevisionArns": [source, target] });
    let revisions = rig.ecs("DescribeServiceRevisions", arns)["serviceRevisions"].clone();
    for (index, reference) in ["web:1", "web:3"].iter().enumerate() {
        let revision = &revisions[index];
        assert!(text(&revision["taskDefinition"]).ends_with(reference), "{revision:#}");
        assert_eq!(revision["launchType"], "FARGATE");
        assert_eq!(revision["containerImages"][0]["containerName"], "app");
    }
    rig.settle();
    assert_eq!(statuses(&mut rig), ["SUCCESSFUL", "STOPPED", "SUCCESSFUL"]);
    let filtered = json!({ "cluster": "main", "service": "web", "status": ["STOPPED"] });
    let stopped = rig.ecs("ListServiceDeployments", filtered)["serviceDeployments"].clone();
    assert_eq!(stopped.as_array().map(Vec::len), Some(1));
    let unknown = text(&listed[0]["serviceDeploymentArn"]).replace("/web/", "/other/");
    let input = json!({ "serviceDeploymentArns": [unknown] });
    let answer = rig.ecs("DescribeServiceDeployments", input);
    assert_eq!(answer["failures"][0]["reason"], "MISSING");
}

/// ECS-CB-6: what the circuit breaker makes is the same service deployment, on its way back.
#[test]
fn ecs_cb_6_a_rollback_belongs_to_the_deployment_that_failed() {
    let mut rig = Rig::new();
    rig.create_service(1);
    rig.settle();
    let first = text(&deployments(&mut rig)[0]["targetServiceRevisionArn"]);
    rig.register("web");
    let breaker = json!({ "deploymentCircuitBreaker": { "enable": true, "rollback": true } });
    let input = json!({ "cluster": "main", "service": "web", "deploymentConfiguration": breaker });
    rig.ecs("UpdateService", input);
    update(&mut rig, "web:2");
    for _ in 0..3 {
        let young =
            |t: &&Task| t.is_wanted() && t.definition().revision == 2 && t.started_at.is_none();
        let Some(task) = rig.platform.tasks().find(young).map(|t| t.id) else { break };
        rig.observe(Observation::TaskFailed { task, reason: "CannotPullContainerError".into() });
        rig.observe(Observation::TaskReleased { task });
        rig.now = rig.now.plus(400_000);
        rig.platform.step(rig.now, &Input::Tick);
    }
    // The tasks of the earlier revision ran all along.
    assert_eq!(statuses(&mut rig), ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]);
    let newest = deployments(&mut rig)[0].clone();
    let failed = describe(&mut rig, &text(&newest["serviceDeploymentArn"]));
    assert_eq!(failed["rollback"]["serviceRevisionArn"], json!(first), "back to the same revision");
    assert_eq!(failed["deploymentCircuitBreaker"]["status"], "TRIGGERED");
    assert_eq!(failed["deploymentCircuitBreaker"]["failureCount"], 3);
    assert!(text(&failed["statusReason"]).contains("circuit breaker threshold"));
}

#[test]
fn stopping_a_service_deployment_rolls_it_back() {
    let mut rig = Rig::new();
    rig.create_service(1);
    let first = text(&deployments(&mut rig)[0]["serviceDeploymentArn"]);
    let stop = |arn: &str| json!({ "serviceDeploymentArn": arn });
    let (code, _) = rig.refuses("ecs", "StopServiceDeployment", stop(&first));
    assert_eq!(code, "InvalidParameterException", "nothing to go back to");
    rig.settle();
    let (code, _) = rig.refuses("ecs", "StopServiceDeployment", stop(&first));
    assert_eq!(code, "ConflictException", "it is over");
    rig.register("web");
    update(&mut rig, "web:2");
    let second = text(&deployments(&mut rig)[0]["serviceDeploymentArn"]);
    assert_ne!(first, second);
    let abort = json!({ "serviceDeploymentArn": second, "stopType": "ABORT" });
    assert_eq!(rig.refuses("ecs", "StopServiceDeployment", abort).0, "InvalidParameterException");
    let answer = rig.ecs("StopServiceDeployment", stop(&second));
    assert_eq!(answer["serviceDeploymentArn"], json!(second));
    assert_eq!(statuses(&mut rig), ["ROLLBACK_IN_PROGRESS", "SUCCESSFUL"]);
    rig.settle();
    assert_eq!(statuses(&mut rig), ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]);
    let services = rig.ecs("DescribeServices", json!({ "cluster": "main", "services": ["web"] }));
    assert!(text(&services["services"][0]["taskDefinition"]).ends_with("web:1"));
    let unknown = stop(&second.replace("/web/", "/none/"));
    let (code, _) = rig.refuses("ecs", "StopServiceDeployment", unknown);
    assert_eq!(code, "ServiceDeploymentNotFoundException");
}

#[test]
fn account_settings_are_kept_per_principal() {
    let mut rig = Rig::new();
    assert_eq!(rig.ecs("ListAccountSettings", json!({}))["settings"], json!([]));
    let set = |value: &str| json!({ "name": "containerInsights", "value": value });
    let answer = rig.ecs("PutAccountSettingDefault", set("enhanced"));
    assert_eq!(answer["setting"]["principalArn"], "arn:aws:iam::000000000000:root");
    let effective = json!({ "name": "containerInsights", "effectiveSettings": true });
    let shown = rig.ecs("ListAccountSettings", effective.clone())["settings"].clone();
    assert_eq!((&shown[0]["value"], &shown[0]["type"]), (&json!("enhanced"), &json!("user")));
    rig.ecs("PutAccountSetting", set("disabled"));
    let own = rig.ecs("ListAccountSettings", json!({}))["settings"].clone();
    assert_eq!((own.as_array().map(Vec::len), &own[0]["value"]), (Some(1), &json!("disabled")));
    rig.ecs("DeleteAccountSetting", json!({ "name": "containerInsights" }));
    assert_eq!(rig.ecs("ListAccountSettings", effective)["settings"][0]["value"], "enhanced");
    let (code, _) = rig.refuses("ecs", "PutAccountSetting", set("sometimes"));
    assert_eq!(code, "InvalidParameterException");
}

/// ECS-TD-8: only INACTIVE ones are deleted.
#[test]
fn ecs_td_8_inactive_task_definitions_are_deleted() {
    let mut rig = Rig::new();
    rig.register("web");
    let delete = json!({ "taskDefinitions": ["web:1"] });
    let refused = rig.ecs("DeleteTaskDefinitions", delete.clone());
    assert!(text(&refused["failures"][0]["reason"]).contains("still in ACTIVE status"));
    rig.ecs("DeregisterTaskDefinition", json!({ "taskDefinition": "web:1" }));
    let deleted = rig.ecs("DeleteTaskDefinitions", delete);
    assert_eq!(deleted["taskDefinitions"][0]["status"], "DELETE_IN_PROGRESS");
    for (status, count) in [("INACTIVE", 0), ("DELETE_IN_PROGRESS", 1)] {
        let listed = rig.ecs("ListTaskDefinitions", json!({ "status": status }));
        assert_eq!(listed["taskDefinitionArns"].as_array().map(Vec::len), Some(count), "{status}");
    }
    assert_eq!(rig.register("web")["revision"], 2, "no number is given out twice");
}

#[test]
fn services_of_a_namespace_are_listed() {
    let mut rig = Rig::new();
    rig.create_service(0);
    let connect = json!({ "enabled": true, "namespace": "shop.local" });
    let input =
        json!({ "cluster": "main", "service": "web", "serviceConnectConfiguration": connect });
    rig.ecs("UpdateService", input);
    let listed = |rig: &mut Rig, namespace: &str| {
        rig.ecs("ListServicesByNamespace", json!({ "namespace": namespace }))["serviceArns"].clone()
    };
    let own = json!(["arn:aws:ecs:us-east-1:000000000000:service/main/web"]);
    assert_eq!(listed(&mut rig, "shop.local"), own);
    assert_eq!(listed(&mut rig, "other.local"), json!([]));
}

#[test]
fn a_cluster_on_fargate_has_no_instances() {
    let mut rig = Rig::new();
    rig.create_service(0);
    let cluster = json!({ "cluster": "main" });
    assert_eq!(rig.ecs("ListContainerInstances", cluster)["containerInstanceArns"], json!([]));
    let asked = json!({ "cluster": "main", "containerInstances": ["f".repeat(32)] });
    let answer = rig.ecs("DescribeContainerInstances", asked);
    assert_eq!(answer["failures"][0]["reason"], "MISSING");
    let attributes = json!({ "cluster": "main", "targetType": "container-instance" });
    assert_eq!(rig.ecs("ListAttributes", attributes)["attributes"], json!([]));
    let sets = json!({ "cluster": "main", "service": "web" });
    assert_eq!(rig.ecs("DescribeTaskSets", sets)["taskSets"], json!([]));
    let provider =
        json!({ "name": "own", "autoScalingGroupProvider": { "autoScalingGroupArn": "x" } });
    let (code, message) = rig.refuses("ecs", "CreateCapacityProvider", provider);
    assert_eq!(code, "UnsupportedFeatureException");
    assert!(message.contains("FARGATE_SPOT"), "{message}");
    let settings = json!([{ "name": "containerInsights", "value": "enabled" }]);
    let answer =
        rig.ecs("UpdateClusterSettings", json!({ "cluster": "main", "settings": settings }));
    assert_eq!(answer["cluster"]["settings"], settings);
}
