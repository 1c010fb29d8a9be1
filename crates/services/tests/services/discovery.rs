//! Cloud Map and STS.

use serde_json::{Value, json};

use crate::rig::{Rig, text};

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

fn map(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("servicediscovery", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The id that an operation made, from the operation.
fn target(rig: &mut Rig, operation: &Value, kind: &str) -> String {
    let input = json!({ "OperationId": operation["OperationId"] });
    let operation = map(rig, "GetOperation", input)["Operation"].clone();
    assert_eq!(operation["Status"], "SUCCESS");
    text(&operation["Targets"][kind])
}

fn namespace(rig: &mut Rig) -> String {
    let input =
        json!({ "Name": "blue.local", "Vpc": "vpc-1", "Tags": [{ "Key": "a", "Value": "1" }] });
    let made = map(rig, "CreatePrivateDnsNamespace", input);
    target(rig, &made, "NAMESPACE")
}

/// DISC-NS-2, DISC-NS-4, DISC-NS-5, DISC-NS-6.
#[test]
fn disc_ns_6_a_namespace_is_there_until_it_is_deleted_empty() {
    let mut rig = Rig::new();
    let id = namespace(&mut rig);
    assert_eq!((id.len(), &id[..3]), (19, "ns-"));
    let kept = map(&mut rig, "GetNamespace", json!({ "Id": id }))["Namespace"].clone();
    assert_eq!((&kept["Name"], &kept["Type"]), (&json!("blue.local"), &json!("DNS_PRIVATE")));
    assert_eq!((&kept["ServiceCount"], kept["CreateDate"].as_f64()), (&json!(0), Some(1.7e9)));
    let listed = map(&mut rig, "ListNamespaces", json!({}));
    let names: Vec<&Value> =
        listed["Namespaces"].as_array().expect("a list").iter().map(|n| &n["Name"]).collect();
    assert_eq!(names, ["blue.local", "shop.local"], "a description's namespace, too");
    for name in ["blue.local", "BLUE.local", "shop.local"] {
        let again = json!({ "Name": name, "Vpc": "vpc-1" });
        let refused = rig.refuses("servicediscovery", "CreatePrivateDnsNamespace", again);
        assert_eq!(refused.0, "NamespaceAlreadyExists");
    }
    let service = json!({
        "Name": "api",
        "DnsConfig": { "NamespaceId": id, "DnsRecords": [{ "Type": "A", "TTL": 10 }] },
        "HealthCheckCustomConfig": { "FailureThreshold": 1 },
    });
    let service = map(&mut rig, "CreateService", service)["Service"].clone();
    assert_eq!(
        rig.refuses("servicediscovery", "DeleteNamespace", json!({ "Id": id })).0,
        "ResourceInUse"
    );
    map(&mut rig, "DeleteService", json!({ "Id": service["Id"] }));
    let gone = map(&mut rig, "DeleteNamespace", json!({ "Id": id }));
    assert_eq!(target(&mut rig, &gone, "NAMESPACE"), id);
    assert_eq!(
        rig.refuses("servicediscovery", "GetNamespace", json!({ "Id": id })).0,
        "NamespaceNotFound"
    );
    assert_eq!(rig.platform.names().count(), 1, "the description's is left");
}

/// DISC-SVC-1, DISC-SVC-3, DISC-SVC-5, DISC-SVC-6.
#[test]
fn disc_svc_1_a_service_is_what_dns_answers() {
    let mut rig = Rig::new();
    let id = namespace(&mut rig);
    let create = |records: Value| {
        json!({
            "Name": "api",
            "DnsConfig": { "NamespaceId": id, "DnsRecords": records },
            "HealthCheckCustomConfig": {},
        })
    };
    let cname = create(json!([{ "Type": "CNAME", "TTL": 10 }]));
    assert_eq!(rig.refuses("servicediscovery", "CreateService", cname).0, "InvalidInput");
    let input = create(json!([{ "Type": "SRV", "TTL": 10 }]));
    let made = map(&mut rig, "CreateService", input.clone())["Service"].clone();
    assert_eq!(made["DnsConfig"]["DnsRecords"], json!([{ "Type": "SRV", "TTL": 10 }]));
    assert_eq!((&made["NamespaceId"], &made["Type"]), (&json!(id), &json!("DNS_HTTP")));
    assert_eq!(rig.refuses("servicediscovery", "CreateService", input).0, "ServiceAlreadyExists");
    let spec = |rig: &Rig| {
        let found = rig.platform.names().find(|n| n.spec.namespace == "blue.local");
        found.map(|n| (n.spec.name.clone(), n.spec.ttl_s, n.spec.srv))
    };
    assert_eq!(spec(&rig), Some(("api".to_owned(), 10, true)));
    let news = json!({
        "Description": "new",
        "DnsConfig": { "DnsRecords": [{ "Type": "SRV", "TTL": 30 }] },
    });
    let update = map(&mut rig, "UpdateService", json!({ "Id": made["Id"], "Service": news }));
    assert_eq!(target(&mut rig, &update, "SERVICE"), text(&made["Id"]));
    assert_eq!(spec(&rig), Some(("api".to_owned(), 30, true)));
    let kept = map(&mut rig, "GetService", json!({ "Id": made["Id"] }))["Service"].clone();
    assert_eq!(kept["DnsConfig"]["DnsRecords"], json!([{ "Type": "SRV", "TTL": 30 }]));
    assert_eq!(kept["Description"], "new");
    // Without DNS it is known by DiscoverInstances only.
    let http = map(&mut rig, "CreateHttpNamespace", json!({ "Name": "mesh" }));
    let http = target(&mut rig, &http, "NAMESPACE");
    let plain = map(&mut rig, "CreateService", json!({ "Name": "api", "NamespaceId": http }));
    assert_eq!(plain["Service"]["Type"], "HTTP");
    assert_eq!(rig.platform.names().count(), 2);
    let discover = json!({ "NamespaceName": "mesh", "ServiceName": "api" });
    assert_eq!(map(&mut rig, "DiscoverInstances", discover)["Instances"], json!([]));
    let tag = json!({ "ResourceARN": made["Arn"], "Tags": [{ "Key": "b", "Value": "2" }] });
    map(&mut rig, "TagResource", tag);
    let tags = map(&mut rig, "ListTagsForResource", json!({ "ResourceARN": made["Arn"] }));
    assert_eq!(tags, json!({ "Tags": [{ "Key": "b", "Value": "2" }] }));
    let gone =
        json!({ "ResourceARN": "arn:aws:servicediscovery:us-east-1:000000000000:service/srv-1" });
    let refused = rig.refuses("servicediscovery", "ListTagsForResource", gone);
    assert_eq!(refused.0, "ResourceNotFoundException");
}

/// DISC-INST-5, DISC-INST-6, DISC-NS-6: instances of a service that a client made.
#[test]
fn disc_inst_5_a_task_can_be_called_unhealthy() {
    let mut rig = Rig::new();
    rig.register("web");
    let id = namespace(&mut rig);
    let service = json!({
        "Name": "api",
        "DnsConfig": { "NamespaceId": id, "DnsRecords": [{ "Type": "A", "TTL": 10 }] },
        "HealthCheckCustomConfig": { "FailureThreshold": 1 },
    });
    let service = map(&mut rig, "CreateService", service)["Service"].clone();
    rig.ecs(
        "CreateService",
        json!({
            "cluster": "main",
            "serviceName": "web",
            "taskDefinition": "web",
            "desiredCount": 2,
            "networkConfiguration": Rig::network(),
            "serviceRegistries": [{ "registryArn": service["Arn"] }],
        }),
    );
    rig.settle();
    let task = rig.platform.tasks().next().expect("a task").id.to_string();
    let set = json!({ "ServiceId": service["Id"], "InstanceId": task, "Status": "UNHEALTHY" });
    map(&mut rig, "UpdateInstanceCustomHealthStatus", set);
    let health = map(&mut rig, "GetInstancesHealthStatus", json!({ "ServiceId": service["Id"] }));
    assert_eq!(health["Status"][&task], "UNHEALTHY");
    let discover = json!({ "NamespaceName": "blue.local", "ServiceName": "api" });
    let found = map(&mut rig, "DiscoverInstances", discover)["Instances"].clone();
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    assert_ne!(found[0]["InstanceId"], json!(task));
    let delete = json!({ "Id": service["Id"] });
    assert_eq!(rig.refuses("servicediscovery", "DeleteService", delete.clone()).0, "ResourceInUse");
    let none = json!({ "ServiceId": service["Id"], "InstanceId": "none", "Status": "HEALTHY" });
    let refused = rig.refuses("servicediscovery", "UpdateInstanceCustomHealthStatus", none);
    assert_eq!(refused.0, "InstanceNotFound");
    rig.ecs("DeleteService", json!({ "cluster": "main", "service": "web", "force": true }));
    rig.settle();
    map(&mut rig, "DeleteService", delete);
}
