//! A service as DescribeServices shows it.

use std::sync::Arc;

use neargate_core::Platform;
use neargate_core::deployment::{Deployment, Revision};
use neargate_core::platform::{Service, ServiceStatus};
use neargate_core::service::{CapacityProviderStrategyItem, ServiceLoadBalancer};
use neargate_core::task::{Phase, Task};
use serde_json::{Value, json};

use super::PLATFORM_VERSION;
use super::capacity_providers::write_strategy;
use crate::{arn, fields, names, note, tags};

/// RUNNING.
pub(super) fn is_running(task: &Task) -> bool {
    task.phase == Phase::Running
}

/// On its way to RUNNING.
pub(super) fn is_pending(task: &Task) -> bool {
    task.is_wanted() && task.phase < Phase::Running
}

/// What the service runs now: after a rollback that is not what was last asked for.
pub(super) fn revision(service: &Service) -> Option<&Arc<Revision>> {
    let newest = service.primary().or_else(|| service.past_deployments.front());
    newest.map(|d| &d.revision)
}

/// The whole description.
pub(super) fn view(platform: &Platform, service: &Service, with_tags: bool) -> Value {
    let identity = platform.identity();
    let spec = &service.spec;
    let arn = arn::service(identity, &spec.name.cluster, &spec.name.service);
    let said = note::read(platform, &arn);
    let tasks: Vec<&Task> = service.tasks.iter().filter_map(|id| platform.task(*id)).collect();
    let revision = revision(service);
    let definition = match revision {
        Some(revision) => reference(platform, revision),
        None => {
            let wanted = &spec.task_definition;
            arn::task_definition(identity, &wanted.family, wanted.revision.unwrap_or_default())
        }
    };
    let load_balancers = revision.map_or(&spec.load_balancers, |r| &r.load_balancers);
    let subnets = revision.map_or(&spec.subnets, |r| &r.subnets);
    let security_groups = revision.map_or(&spec.security_groups, |r| &r.security_groups);
    let public_ip = revision.map_or(spec.public_ip, |r| r.public_ip);
    let network = network(subnets, security_groups, public_ip);
    let events: Vec<Value> = service
        .events
        .iter()
        .rev()
        .map(|event| {
            json!({
                "id": arn::uuid(event.id),
                "createdAt": fields::time(event.created_at),
                "message": event.message,
            })
        })
        .collect();
    let deployments: Vec<Value> = service
        .deployments
        .iter()
        .enumerate()
        .map(|(index, d)| {
            let status = if index == 0 { "PRIMARY" } else { "ACTIVE" };
            deployment(platform, service, d, status, &tasks, &said)
        })
        .collect();
    let mut view = json!({
        "serviceArn": arn,
        "serviceName": spec.name.service,
        "clusterArn": arn::cluster(identity, &spec.name.cluster),
        "loadBalancers": load_balancers_view(platform, load_balancers),
        "serviceRegistries": registries(platform, service, &said),
        "status": service.status.as_str(),
        "desiredCount": spec.desired_count,
        "runningCount": tasks.iter().filter(|t| is_running(t)).count(),
        "pendingCount": tasks.iter().filter(|t| is_pending(t)).count(),
        "platformVersion": said.get("platformVersion").cloned().unwrap_or_else(|| json!("LATEST")),
        "platformFamily": "Linux",
        "taskDefinition": definition,
        "deploymentConfiguration": deployment_configuration(service, &said),
        "deployments": deployments,
        "events": events,
        "createdAt": fields::time(service.created_at),
        "createdBy": format!("arn:aws:iam::{}:root", identity.account),
        "placementConstraints": [],
        "placementStrategy": [],
        "networkConfiguration": network,
        "healthCheckGracePeriodSeconds": spec.health_check_grace_period_ms / 1000,
        "schedulingStrategy": "REPLICA",
        "deploymentController": { "type": "ECS" },
        "enableECSManagedTags": fields::flag(&said, "enableECSManagedTags").unwrap_or(false),
        "propagateTags": fields::text(&said, "propagateTags").unwrap_or("NONE"),
        "enableExecuteCommand": spec.enable_execute_command,
        "availabilityZoneRebalancing": if spec.zone_rebalancing { "ENABLED" } else { "DISABLED" },
    });
    launch(&mut view, &spec.capacity);
    if !load_balancers.is_empty() || spec.registry.is_some() {
        // ECS-SVC-18.
        view["roleArn"] = json!(format!(
            "arn:aws:iam::{}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
            identity.account
        ));
    }
    if with_tags {
        view["tags"] = tags::write(&spec.tags, tags::SMALL);
    }
    if service.status == ServiceStatus::Inactive {
        view["deployments"] = json!([]);
    }
    view
}

/// Either a strategy or a launch type is shown, never both.
pub(super) fn launch(view: &mut Value, strategy: &[CapacityProviderStrategyItem]) {
    if strategy.is_empty() {
        view["launchType"] = json!("FARGATE");
    } else {
        view["capacityProviderStrategy"] = write_strategy(strategy);
    }
}

pub(super) fn reference(platform: &Platform, revision: &Revision) -> String {
    let definition = &revision.definition;
    arn::task_definition(platform.identity(), &definition.family, definition.revision)
}

fn deployment(
    platform: &Platform,
    service: &Service,
    deployment: &Deployment,
    status: &str,
    tasks: &[&Task],
    said: &Value,
) -> Value {
    let own = || tasks.iter().filter(|t| t.deployment == deployment.id);
    let revision = &deployment.revision;
    let mut view = json!({
        "id": deployment.id.to_string(),
        "status": status,
        "taskDefinition": reference(platform, revision),
        "desiredCount": deployment.desired,
        "pendingCount": own().filter(|t| is_pending(t)).count(),
        "runningCount": own().filter(|t| is_running(t)).count(),
        "failedTasks": deployment.breaker.failed_tasks,
        "createdAt": fields::time(deployment.created_at),
        "updatedAt": fields::time(deployment.updated_at),
        "platformVersion": PLATFORM_VERSION,
        "platformFamily": "Linux",
        "networkConfiguration": network(&revision.subnets, &revision.security_groups, revision.public_ip),
        "rolloutState": deployment.rollout.as_str(),
        "rolloutStateReason": deployment.reason,
    });
    launch(&mut view, &service.spec.capacity);
    let connect = said.get("serviceConnectConfiguration").cloned();
    fields::set(&mut view, "serviceConnectConfiguration", connect);
    view
}

pub(super) fn network(subnets: &[String], security_groups: &[String], public_ip: bool) -> Value {
    let subnets: Vec<String> = subnets.iter().map(|s| names::subnet_id(s)).collect();
    let groups: Vec<String> = security_groups.iter().map(|s| names::security_group_id(s)).collect();
    json!({ "awsvpcConfiguration": {
        "subnets": subnets,
        "securityGroups": groups,
        "assignPublicIp": if public_ip { "ENABLED" } else { "DISABLED" },
    }})
}

pub(super) fn load_balancers_view(
    platform: &Platform,
    load_balancers: &[ServiceLoadBalancer],
) -> Value {
    let entry = |balancer: &ServiceLoadBalancer| {
        let id = platform.target_group(&balancer.target_group).map_or(0, |g| g.arn_id);
        json!({
            "targetGroupArn": arn::target_group(platform.identity(), &balancer.target_group, id),
            "containerName": balancer.container,
            "containerPort": balancer.port,
        })
    };
    load_balancers.iter().map(entry).collect()
}

/// The registry with exactly the members that were sent for it.
fn registries(platform: &Platform, service: &Service, said: &Value) -> Value {
    let registry = match revision(service) {
        Some(revision) => revision.registry.as_ref(),
        None => service.spec.registry.as_ref(),
    };
    let Some(registry) = registry else { return json!([]) };
    let arn = names::discovery_arn(platform.identity(), &registry.dns_name);
    let sent = said.get("serviceRegistry");
    if let Some(sent) = sent.filter(|sent| sent["registryArn"] == json!(arn)) {
        return json!([sent]);
    }
    let mut entry = json!({ "registryArn": arn });
    fields::set(&mut entry, "port", registry.port);
    json!([entry])
}

pub(super) fn deployment_configuration(service: &Service, said: &Value) -> Value {
    let deployment = service.spec.deployment;
    let mut view = json!({
        "deploymentCircuitBreaker": {
            "enable": deployment.circuit_breaker,
            "rollback": deployment.rollback,
        },
        "maximumPercent": deployment.maximum_percent,
        "minimumHealthyPercent": deployment.minimum_healthy_percent,
        "strategy": "ROLLING",
        "bakeTimeInMinutes": 0,
    });
    fields::set(&mut view, "alarms", said.get("alarms").cloned());
    view
}
