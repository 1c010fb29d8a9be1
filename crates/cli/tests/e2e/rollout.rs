//! Rolling deployments and scaling under load: nothing is dropped (ECS-DEP-1, ECS-DEP-5, SM-63).

use crate::platform::{Load, LowWater, Platform, assert_flawless, system};

const SERVICES: [&str; 4] = ["auth-service", "gmail-service", "calendar-service", "ai-router"];

fn everything() -> Vec<String> {
    let with_prefix = |prefix: &str| SERVICES.map(|service| format!("{prefix}{service}"));
    [with_prefix("test-"), with_prefix("stage-"), with_prefix("")].concat()
}

/// SM-25, SM-63: a rolling deployment of every microservice in every environment while 200
/// requests per second go through the load balancer.
#[test]
fn every_microservice_rolls_without_a_failed_request() {
    let platform = Platform::up(&system("microservices"), &[]);
    let services = everything();
    let urls: Vec<String> = services.iter().map(|s| platform.url(s)).collect();
    let load = Load::start(&platform, &urls);
    let low_water = LowWater::watch(&platform);

    for service in &services {
        let before = platform.service(service)["revision"].clone();
        platform.ok(&["deploy", service, "--env-var", "ROLLED=yes"]);
        let after = platform.service(service);
        assert_ne!(after["revision"], before);
        assert_eq!(after["steady"], true, "{after:#}");
    }

    assert_flawless(&load.finish());
    for (group, healthy) in low_water.finish() {
        assert!(healthy >= 1, "{group} fell to {healthy} healthy targets");
    }
}

/// SM-18, ECS-DEP-6: scale up and down again under load; what leaves is drained first.
#[test]
fn scaling_down_drops_nothing() {
    let platform = Platform::up(&system("microservices"), &["--env", "production"]);
    let load = Load::start(&platform, &[platform.url("auth-service")]);
    platform.ok(&["scale", "auth-service", "5"]);
    assert_eq!(platform.running_tasks("auth-service").len(), 5);
    platform.ok(&["scale", "auth-service", "1"]);
    platform.until("one task left", |v| {
        let tasks = v["tasks"].as_array().expect("tasks").iter();
        tasks.filter(|t| t["service"] == "auth-service" && t["status"] != "STOPPED").count() == 1
    });
    assert_flawless(&load.finish());
}
