//! Cloud Map and STS.

use serde_json::json;

use crate::rig::Rig;

/// ECS-DISC-1.
#[test]
fn ecs_disc_1_tasks_are_instances_of_their_service() {
    let mut rig = Rig::new();
    rig.register("web");
    let services = rig.call("servicediscovery", "ListServices", json!({})).expect("served");
    let service = services["Services"][0].clone();
    rig.ecs(
        "CreateService",
        json!({
            "cluster": "main",
            "serviceName": "web",
            "taskDefinition": "web",
            "desiredCount": 1,
            "networkConfiguration": Rig::network(),
            "serviceRegistries": [{ "registryArn": service["Arn"] }],
        }),
    );
    rig.settle();
    let discover = json!({ "NamespaceName": "shop.local", "ServiceName": "web" });
    let found = rig.call("servicediscovery", "DiscoverInstances", discover).expect("served");
    let task = rig.platform.tasks().next().expect("a task").clone();
    assert_eq!(
        found["Instances"],
        json!([{
            "InstanceId": task.id.to_string(),
            "NamespaceName": "shop.local",
            "ServiceName": "web",
            "HealthStatus": "HEALTHY",
            "Attributes": {
                "AVAILABILITY_ZONE": "us-east-1a",
                "AWS_INIT_HEALTH_STATUS": "HEALTHY",
                "AWS_INSTANCE_IPV4": task.address.to_string(),
                "ECS_CLUSTER_NAME": "main",
                "ECS_SERVICE_NAME": "web",
                "ECS_TASK_DEFINITION_FAMILY": "web",
                "REGION": "us-east-1",
            },
        }])
    );
    let instances = json!({ "ServiceId": service["Id"] });
    let listed = rig.call("servicediscovery", "ListInstances", instances).expect("served");
    assert_eq!(listed["Instances"][0]["Id"], task.id.to_string());
    let namespace = &service["DnsConfig"]["NamespaceId"];
    let namespace = rig.call("servicediscovery", "GetNamespace", json!({ "Id": namespace }));
    assert_eq!(namespace.expect("served")["Namespace"]["Name"], "shop.local");
    let read = rig.call("servicediscovery", "GetService", json!({ "Id": service["Id"] }));
    assert_eq!(read.expect("served")["Service"]["InstanceCount"], 1);
    let other = json!([{ "Name": "NAME", "Values": ["other"] }]);
    let none = rig.call("servicediscovery", "ListNamespaces", json!({ "Filters": other }));
    assert_eq!(none.expect("served")["Namespaces"], json!([]));
    let gone = json!({ "NamespaceName": "none.local", "ServiceName": "web" });
    assert_eq!(rig.refuses("servicediscovery", "DiscoverInstances", gone).0, "NamespaceNotFound");
    let gone = json!({ "NamespaceName": "shop.local", "ServiceName": "none" });
    assert_eq!(rig.refuses("servicediscovery", "DiscoverInstances", gone).0, "ServiceNotFound");
}

#[test]
fn the_caller_is_the_account() {
    let mut rig = Rig::new();
    let identity = rig.call("sts", "GetCallerIdentity", json!({})).expect("served");
    assert_eq!(identity["Account"], "000000000000");
    assert_eq!(identity["Arn"], "arn:aws:iam::000000000000:root");
}
