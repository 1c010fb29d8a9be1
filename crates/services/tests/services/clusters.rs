//! Clusters and capacity providers.

use serde_json::json;

use crate::rig::{Rig, members};

#[test]
fn clusters_are_created_described_changed_and_deleted() {
    let mut rig = Rig::new();
    let input = json!({
        "clusterName": "shop",
        "tags": [{ "key": "team", "value": "a" }],
        "settings": [{ "name": "containerInsights", "value": "enabled" }],
        "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
        "defaultCapacityProviderStrategy": [{ "capacityProvider": "FARGATE", "weight": 1, "base": 1 }],
    });
    let created = rig.ecs("CreateCluster", input)["cluster"].clone();
    let read = ["clusterName", "status", "tags", "settings", "capacityProviders"];
    assert_eq!(
        members(&created, &read),
        json!({
            "clusterName": "shop",
            "status": "ACTIVE",
            "tags": [{ "key": "team", "value": "a" }],
            "settings": [{ "name": "containerInsights", "value": "enabled" }],
            "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
        })
    );
    let include = json!(["TAGS", "SETTINGS", "CONFIGURATIONS", "STATISTICS"]);
    let all = rig.ecs("DescribeClusters", json!({ "clusters": ["shop"], "include": include }));
    assert_eq!(all["clusters"][0]["tags"], created["tags"]);
    assert_eq!(all["clusters"][0]["defaultCapacityProviderStrategy"][0]["base"], 1);
    let plain = rig.ecs("DescribeClusters", json!({ "clusters": ["shop"] }));
    assert_eq!(plain["clusters"][0]["tags"], json!([]), "only when asked for");
    let changed = json!([{ "name": "containerInsights", "value": "disabled" }]);
    rig.ecs("UpdateCluster", json!({ "cluster": "shop", "settings": changed }));
    rig.ecs(
        "TagResource",
        json!({
            "resourceArn": created["clusterArn"],
            "tags": [{ "key": "stage", "value": "test" }],
        }),
    );
    rig.ecs("UntagResource", json!({ "resourceArn": created["clusterArn"], "tagKeys": ["team"] }));
    let all = rig.ecs("DescribeClusters", json!({ "clusters": ["shop"], "include": include }));
    assert_eq!(all["clusters"][0]["settings"], changed);
    assert_eq!(all["clusters"][0]["tags"], json!([{ "key": "stage", "value": "test" }]));
    assert_eq!(all["clusters"][0]["capacityProviders"], created["capacityProviders"]);

    let deleted = rig.ecs("DeleteCluster", json!({ "cluster": "shop" }));
    assert_eq!(deleted["cluster"]["status"], "INACTIVE");
    let after = rig.ecs("DescribeClusters", json!({ "clusters": ["shop"] }));
    assert_eq!(
        after["failures"],
        json!([{ "arn": created["clusterArn"], "reason": "MISSING" }]),
        "ERR-ECS-2: a failure, not an error"
    );
    let recreated = rig.ecs("CreateCluster", json!({ "clusterName": "shop" }));
    assert_eq!(recreated["cluster"]["tags"], json!([]), "nothing is left of the old one");
}

/// ERR-ECS-11: first services, then their tasks hold a cluster.
#[test]
fn err_ecs_11_clusters_in_use_stay() {
    let mut rig = Rig::new();
    rig.create_service(1);
    rig.settle();
    let delete = json!({ "cluster": "main" });
    let (code, _) = rig.refuses("ecs", "DeleteCluster", delete.clone());
    assert_eq!(code, "ClusterContainsServicesException");
    rig.ecs("DeleteService", json!({ "cluster": "main", "service": "web", "force": true }));
    let (code, _) = rig.refuses("ecs", "DeleteCluster", delete.clone());
    assert_eq!(code, "ClusterContainsTasksException");
    rig.settle();
    rig.ecs("DeleteCluster", delete);
    let (code, message) = rig.refuses("ecs", "ListServices", json!({ "cluster": "main" }));
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("ClusterNotFoundException", "Cluster not found.")
    );
}

#[test]
fn clusters_are_listed_in_pages() {
    let mut rig = Rig::new();
    for name in ["a", "b", "z"] {
        rig.ecs("CreateCluster", json!({ "clusterName": name }));
    }
    let (mut names, mut token) = (Vec::new(), json!(null));
    loop {
        let page = rig.ecs("ListClusters", json!({ "maxResults": 3, "nextToken": token }));
        names.extend(page["clusterArns"].as_array().expect("a list").clone());
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    let prefix = "arn:aws:ecs:us-east-1:000000000000:cluster";
    let expected: Vec<_> = ["a", "b", "main", "z"].map(|n| json!(format!("{prefix}/{n}"))).into();
    assert_eq!(names, expected);
    let (code, _) = rig.refuses("ecs", "ListClusters", json!({ "nextToken": "***" }));
    assert_eq!(code, "InvalidParameterException");
}

#[test]
fn fargate_has_two_capacity_providers() {
    let mut rig = Rig::new();
    let all = rig.ecs("DescribeCapacityProviders", json!({}));
    assert_eq!(all["capacityProviders"][1]["name"], "FARGATE_SPOT");
    let one = json!({ "capacityProviders": ["FARGATE", "mine"] });
    let some = rig.ecs("DescribeCapacityProviders", one);
    assert_eq!(some["failures"][0]["reason"], "MISSING");
    let unknown = json!({
        "cluster": "main",
        "capacityProviders": ["mine"],
        "defaultCapacityProviderStrategy": [],
    });
    let (code, _) = rig.refuses("ecs", "PutClusterCapacityProviders", unknown);
    assert_eq!(code, "InvalidParameterException");
}
