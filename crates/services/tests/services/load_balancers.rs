//! Load balancers, target groups, their attributes, tags and the health of targets.

use serde_json::{Value, json};

use crate::rig::{Rig, members, text};

#[test]
fn a_load_balancer_is_described_as_it_was_asked_for() {
    let mut rig = Rig::new();
    rig.group("sg-1");
    let (code, message) = rig.refuses("elbv2", "DescribeLoadBalancers", json!({ "Names": ["lb"] }));
    assert_eq!(code, "LoadBalancerNotFound", "before every create with a fixed name");
    assert_eq!(message, "Load balancers '[lb]' not found", "ERR-ELB-6");
    let input = json!({
        "Name": "lb",
        "Subnets": ["subnet-a", "private-b"],
        "SecurityGroups": ["sg-1"],
        "Scheme": "internal",
        "Tags": [{ "Key": "a", "Value": "b" }],
    });
    let created = rig.elb("CreateLoadBalancer", input.clone())["LoadBalancers"][0].clone();
    assert_eq!(created["State"]["Code"], "active");
    assert_eq!(created["SecurityGroups"], json!(["sg-1"]));
    assert_eq!(created["AvailabilityZones"][1]["ZoneName"], "us-east-1b");
    let dns = text(&created["DNSName"]);
    assert!(dns.starts_with("internal-lb-") && dns.ends_with(".us-east-1.elb.amazonaws.com"));
    assert_eq!(rig.elb("CreateLoadBalancer", input)["LoadBalancers"][0], created, "ALB-HDR-11");
    let arn = created["LoadBalancerArn"].clone();
    let found = rig.elb("DescribeLoadBalancers", json!({ "LoadBalancerArns": [arn] }));
    assert_eq!(found["LoadBalancers"][0], created);
    let other = json!({ "Name": "lb", "Subnets": ["subnet-a", "private-b"] });
    assert_eq!(rig.refuses("elbv2", "CreateLoadBalancer", other).0, "DuplicateLoadBalancerName");
    let one = json!({ "Name": "x", "Subnets": ["subnet-a"] });
    assert_eq!(rig.refuses("elbv2", "CreateLoadBalancer", one).0, "ValidationError");
    let nowhere = json!({ "Name": "x", "Subnets": ["subnet-a", "subnet-z"] });
    assert_eq!(rig.refuses("elbv2", "CreateLoadBalancer", nowhere).0, "SubnetNotFound");
    let unknown = json!({ "LoadBalancerArn": arn, "SecurityGroups": ["sg-9"] });
    assert_eq!(rig.refuses("elbv2", "SetSecurityGroups", unknown).0, "InvalidSecurityGroup");
    rig.group("sg-2");
    let set = json!({ "LoadBalancerArn": arn, "SecurityGroups": ["sg-2"] });
    assert_eq!(rig.elb("SetSecurityGroups", set)["SecurityGroupIds"], json!(["sg-2"]));
    let balancer = rig.platform.load_balancer("lb").expect("there");
    assert_eq!(balancer.spec.security_groups, ["sg-2"]);
    let set = json!({ "LoadBalancerArn": arn, "Subnets": ["private-b", "subnet-a"] });
    let zones = rig.elb("SetSubnets", set)["AvailabilityZones"].clone();
    assert_eq!(zones[0]["ZoneName"], "us-east-1b");
    rig.elb("DeleteLoadBalancer", json!({ "LoadBalancerArn": arn }));
    let gone = rig.refuses("elbv2", "DescribeLoadBalancers", json!({ "LoadBalancerArns": [arn] }));
    assert_eq!(gone.0, "LoadBalancerNotFound");
    rig.elb("DeleteLoadBalancer", json!({ "LoadBalancerArn": arn }));
}

fn attribute(answer: &Value, key: &str) -> String {
    let all = answer["Attributes"].as_array().expect("a list");
    let found = all.iter().find(|a| a["Key"] == key);
    text(&found.unwrap_or_else(|| panic!("no {key}"))["Value"])
}

/// ALB-HDR-7, ALB-TG-2, ERR-ELB-7.
#[test]
fn attributes_are_acted_on_or_noted() {
    let mut rig = Rig::new();
    let (balancer, group, listener) = rig.create_load_balancer();
    let key = "idle_timeout.timeout_seconds";
    let read = json!({ "LoadBalancerArn": balancer });
    assert_eq!(attribute(&rig.elb("DescribeLoadBalancerAttributes", read.clone()), key), "60");
    let change = json!({ "LoadBalancerArn": balancer, "Attributes": [
        { "Key": key, "Value": "120" },
        { "Key": "deletion_protection.enabled", "Value": "true" },
    ]});
    rig.elb("ModifyLoadBalancerAttributes", change);
    let now = rig.elb("DescribeLoadBalancerAttributes", read.clone());
    assert_eq!(attribute(&now, key), "120");
    assert_eq!(rig.platform.load_balancer("lb").map(|b| b.spec.idle_timeout_ms), Some(120_000));
    assert_eq!(rig.refuses("elbv2", "DeleteLoadBalancer", read).0, "OperationNotPermitted");

    let delay = "deregistration_delay.timeout_seconds";
    let change = |value: &str| {
        json!({ "TargetGroupArn": group, "Attributes": [
            { "Key": delay, "Value": value },
            { "Key": "stickiness.type", "Value": "app_cookie" },
        ]})
    };
    rig.elb("ModifyTargetGroupAttributes", change("5"));
    let now = rig.elb("DescribeTargetGroupAttributes", json!({ "TargetGroupArn": group }));
    assert_eq!(attribute(&now, delay), "5");
    assert_eq!(attribute(&now, "stickiness.type"), "app_cookie");
    assert_eq!(
        rig.platform.target_group("web").map(|g| g.spec.deregistration_delay_ms),
        Some(5_000)
    );
    let (code, message) = rig.refuses("elbv2", "ModifyTargetGroupAttributes", change("3601"));
    assert_eq!(code, "ValidationError");
    assert_eq!(
        message,
        "'deregistration_delay.timeout_seconds' value '3601' must be between '0-3600' inclusive"
    );
    let unknown = json!({ "TargetGroupArn": group, "Attributes": [{ "Key": "x", "Value": "y" }] });
    assert_eq!(rig.refuses("elbv2", "ModifyTargetGroupAttributes", unknown).0, "ValidationError");
    rig.elb("DescribeListenerAttributes", json!({ "ListenerArn": listener }));
    rig.elb("DescribeCapacityReservation", json!({ "LoadBalancerArn": balancer }));
}

/// ALB-HC-1, ALB-HC-2, ALB-TG-1, ALB-TG-11.
#[test]
fn a_target_group_is_described_changed_and_deleted() {
    let mut rig = Rig::new();
    let (_, group, listener) = rig.create_load_balancer();
    let found = rig.elb("DescribeTargetGroups", json!({ "TargetGroupArns": [group] }));
    let read = [
        "Port",
        "VpcId",
        "TargetType",
        "HealthCheckPort",
        "HealthCheckIntervalSeconds",
        "HealthCheckTimeoutSeconds",
        "HealthyThresholdCount",
        "UnhealthyThresholdCount",
        "HealthCheckPath",
        "Matcher",
    ];
    assert_eq!(
        members(&found["TargetGroups"][0], &read),
        json!({
            "Port": 80,
            "VpcId": "vpc-1",
            "TargetType": "ip",
            "HealthCheckPort": "traffic-port",
            "HealthCheckIntervalSeconds": 30,
            "HealthCheckTimeoutSeconds": 5,
            "HealthyThresholdCount": 5,
            "UnhealthyThresholdCount": 2,
            "HealthCheckPath": "/",
            "Matcher": { "HttpCode": "200" },
        })
    );
    assert_eq!(found["TargetGroups"][0]["LoadBalancerArns"].as_array().map(Vec::len), Some(1));
    let change = json!({
        "TargetGroupArn": group,
        "HealthCheckPath": "/health",
        "HealthCheckIntervalSeconds": 10,
        "Matcher": { "HttpCode": "200-299,301" },
    });
    let changed = rig.elb("ModifyTargetGroup", change)["TargetGroups"][0].clone();
    assert_eq!(changed["HealthCheckPath"], "/health");
    assert_eq!(changed["HealthyThresholdCount"], 5, "kept");
    let late = json!({ "TargetGroupArn": group, "HealthCheckTimeoutSeconds": 10 });
    let (_, message) = rig.refuses("elbv2", "ModifyTargetGroup", late);
    assert_eq!(message, "Health check timeout '10' must be smaller than the interval '10'");
    for matcher in ["", "600", "200-", "300-200", "200, 201"] {
        let change = json!({ "TargetGroupArn": group, "Matcher": { "HttpCode": matcher } });
        assert_eq!(rig.refuses("elbv2", "ModifyTargetGroup", change).0, "ValidationError");
    }
    let delete = json!({ "TargetGroupArn": group });
    let (code, message) = rig.refuses("elbv2", "DeleteTargetGroup", delete.clone());
    assert_eq!(code, "ResourceInUse");
    let expected = format!("Target group '{group}' is currently in use by a listener or a rule");
    assert_eq!(message, expected);
    rig.elb("DeleteListener", json!({ "ListenerArn": listener }));
    rig.elb("DeleteTargetGroup", delete);
    let gone = rig.refuses("elbv2", "DescribeTargetGroups", json!({ "Names": ["web"] }));
    assert_eq!(gone.0, "TargetGroupNotFound");
}

/// ALB-HC-7, ALB-HC-8, ALB-HC-10; runbook: describe-target-health.
#[test]
fn alb_hc_7_health_of_targets() {
    let mut rig = Rig::new();
    let (_, group, _) = rig.create_load_balancer();
    rig.register("web");
    let balancer =
        json!([{ "targetGroupArn": group, "containerName": "app", "containerPort": 8080 }]);
    rig.ecs(
        "CreateService",
        json!({
            "cluster": "main",
            "serviceName": "web",
            "taskDefinition": "web",
            "desiredCount": 1,
            "networkConfiguration": Rig::network(),
            "loadBalancers": balancer,
        }),
    );
    rig.settle();
    let read = json!({ "TargetGroupArn": group });
    let health = rig.elb("DescribeTargetHealth", read.clone())["TargetHealthDescriptions"].clone();
    let address = rig.platform.tasks().next().expect("a task").address.to_string();
    assert_eq!(
        health,
        json!([{
            "Target": { "Id": address, "Port": 8080, "AvailabilityZone": "us-east-1a" },
            "HealthCheckPort": "8080",
            "TargetHealth": { "State": "healthy" },
        }]),
        "ALB-HC-8: the state only"
    );
    let stop = rig.ecs("ListTasks", json!({ "cluster": "main" }))["taskArns"][0].clone();
    rig.ecs("StopTask", json!({ "cluster": "main", "task": stop }));
    let health = rig.elb("DescribeTargetHealth", read)["TargetHealthDescriptions"][0].clone();
    assert_eq!(
        health["TargetHealth"],
        json!({
            "State": "draining",
            "Reason": "Target.DeregistrationInProgress",
            "Description": "Target deregistration is in progress",
        })
    );
    let stranger =
        json!({ "TargetGroupArn": group, "Targets": [{ "Id": "10.0.0.1", "Port": 80 }] });
    let health = rig.elb("DescribeTargetHealth", stranger)["TargetHealthDescriptions"][0].clone();
    assert_eq!(health["TargetHealth"]["Reason"], "Target.NotRegistered", "ALB-HC-10");
    let none =
        json!({ "TargetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:0:targetgroup/x/1" });
    assert_eq!(rig.refuses("elbv2", "DescribeTargetHealth", none).0, "TargetGroupNotFound");
}

#[test]
fn tags_on_everything() {
    let mut rig = Rig::new();
    let (balancer, group, listener) = rig.create_load_balancer();
    let rule = rig.elb("DescribeRules", json!({ "ListenerArn": listener }));
    let rule = text(&rule["Rules"][0]["RuleArn"]);
    let all = json!([balancer, group, listener, rule]);
    let tags = json!([{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": "2" }]);
    rig.elb("AddTags", json!({ "ResourceArns": all, "Tags": tags }));
    rig.elb("RemoveTags", json!({ "ResourceArns": all, "TagKeys": ["b"] }));
    let found = rig.elb("DescribeTags", json!({ "ResourceArns": all }));
    for (description, arn) in
        found["TagDescriptions"].as_array().expect("a list").iter().zip(all.as_array().expect("it"))
    {
        let expected = json!({ "ResourceArn": arn, "Tags": [{ "Key": "a", "Value": "1" }] });
        assert_eq!(*description, expected);
    }
}
