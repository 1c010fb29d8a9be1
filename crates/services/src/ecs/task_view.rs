//! A task as DescribeTasks shows it.

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_core::input::{ContainerHealth, Exit};
use neargate_core::metadata;
use neargate_core::service::CapacityProvider;
use neargate_core::task::{Container, ContainerStatus, Phase, Task};
use neargate_core::task_definition::ContainerDefinition;
use serde_json::{Value, json};

use super::PLATFORM_VERSION;
use super::tagging;
use crate::{arn, fields, names, note, tags};

/// The ARN of a task.
pub(super) fn task_arn(platform: &Platform, task: &Task) -> String {
    arn::task(platform.identity(), &task.revision.cluster, task.id)
}

/// ECS-TASK-5, ECS-TASK-6.
pub(super) fn desired_status(task: &Task) -> &'static str {
    if task.is_wanted() { "RUNNING" } else { "STOPPED" }
}

/// The whole description.
pub(super) fn view(platform: &Platform, task: &Task, with_tags: bool) -> Value {
    let identity = platform.identity();
    let definition = task.definition();
    let arn = task_arn(platform, task);
    let attachment = arn::derived_uuid(&[&task.id.0.to_le_bytes(), b"eni"]);
    let containers: Vec<Value> = definition
        .containers
        .iter()
        .zip(&task.containers)
        .map(|(definition, container)| {
            container_view(platform, task, definition, container, &arn, &attachment)
        })
        .collect();
    let service = platform.service_by_id(task.service);
    let mut view = json!({
        "taskArn": arn,
        "clusterArn": arn::cluster(identity, &task.revision.cluster),
        "taskDefinitionArn":
            arn::task_definition(identity, &definition.family, definition.revision),
        "attachments": [eni(task, &identity.region, &attachment)],
        "attributes": [{ "name": "ecs.cpu-architecture", "value": "x86_64" }],
        "availabilityZone": &*task.zone,
        "containers": containers,
        "cpu": definition.cpu.to_string(),
        "memory": definition.memory_mib.to_string(),
        "createdAt": fields::time(task.created_at),
        "desiredStatus": desired_status(task),
        "lastStatus": task.phase.as_str(),
        "healthStatus": health(task.container_health()),
        "enableExecuteCommand": match &task.run {
            Some(run) => run.enable_execute_command,
            None => service.is_some_and(|s| s.spec.enable_execute_command),
        },
        "group": task.group(),
        "launchType": "FARGATE",
        "platformVersion": PLATFORM_VERSION,
        "platformFamily": "Linux",
        "overrides": overrides(task),
        "tags": [],
        "version": version(task),
        "ephemeralStorage": { "sizeInGiB": definition.ephemeral_storage_gib },
        "fargateEphemeralStorage": { "sizeInGiB": definition.ephemeral_storage_gib },
    });
    fields::set(&mut view, "startedBy", task.started_by());
    let by_strategy = match &task.run {
        Some(run) => !run.capacity.is_empty(),
        None => service.is_some_and(|s| !s.spec.capacity.is_empty()),
    };
    if by_strategy || task.capacity == CapacityProvider::FargateSpot {
        view["capacityProviderName"] = json!(task.capacity.as_str());
    }
    if task.phase > Phase::Provisioning {
        view["connectivity"] = json!("CONNECTED");
        let at = task.pull_started_at.unwrap_or(task.created_at);
        view["connectivityAt"] = fields::time(at);
    }
    // ECS-TASK-10.
    for (member, at) in [
        ("pullStartedAt", task.pull_started_at),
        ("pullStoppedAt", task.pull_stopped_at),
        ("startedAt", task.started_at),
        ("stoppingAt", task.stopping_at),
        ("executionStoppedAt", task.execution_stopped_at),
        ("stoppedAt", task.stopped_at),
    ] {
        fields::set(&mut view, member, at.map(fields::time));
    }
    if let Some(stop) = &task.stop {
        view["stopCode"] = json!(stop.code.as_str());
        view["stoppedReason"] = json!(stop.reason);
    }
    if with_tags {
        view["tags"] = tags::write(&task_tags(platform, task), tags::SMALL);
    }
    view
}

/// Every container is named, also those that nothing was changed of.
fn overrides(task: &Task) -> Value {
    let run = task.run.as_ref().map(|run| &run.overrides);
    let container = |name: &str| {
        let mut view = json!({ "name": name });
        let given = run.and_then(|run| run.containers.iter().find(|c| c.name == name));
        if let Some(given) = given {
            fields::set(&mut view, "command", given.command.clone());
            let pair = |(name, value): (&String, &String)| json!({ "name": name, "value": value });
            let environment: Vec<Value> = given.environment.iter().map(pair).collect();
            let sent = (!environment.is_empty()).then_some(environment);
            fields::set(&mut view, "environment", sent);
            fields::set(&mut view, "cpu", given.cpu);
            fields::set(&mut view, "memory", given.memory_mib);
        }
        view
    };
    let containers: Vec<Value> =
        task.definition().containers.iter().map(|c| container(&c.name)).collect();
    let mut view = json!({
        "containerOverrides": containers,
        "inferenceAcceleratorOverrides": [],
    });
    if let Some(run) = run {
        fields::set(&mut view, "cpu", run.cpu.map(|cpu| cpu.to_string()));
        fields::set(&mut view, "memory", run.memory_mib.map(|mib| mib.to_string()));
        fields::set(&mut view, "taskRoleArn", run.task_role.clone());
        fields::set(&mut view, "executionRoleArn", run.execution_role.clone());
        let storage = run.ephemeral_storage_gib.map(|gib| json!({ "sizeInGiB": gib }));
        fields::set(&mut view, "ephemeralStorage", storage);
    }
    view
}

/// Grows with each event of the task's life (ECS-TASK-10).
fn version(task: &Task) -> usize {
    let events = [
        task.pull_started_at,
        task.pull_stopped_at,
        task.started_at,
        task.stopping_at,
        task.execution_stopped_at,
        task.stopped_at,
    ];
    1 + events.iter().flatten().count()
}

/// ECS-NET-1.
fn eni(task: &Task, region: &str, attachment: &str) -> Value {
    let status = match task.phase {
        Phase::Provisioning => "ATTACHING",
        Phase::Deprovisioning => "DETACHING",
        Phase::Stopped => "DELETED",
        _ => "ATTACHED",
    };
    let mut details = vec![("subnetId", names::subnet_id(&task.subnet))];
    if task.phase > Phase::Provisioning {
        let id = arn::derived(&[&task.id.0.to_le_bytes(), b"interface"]);
        details.extend([
            ("networkInterfaceId", format!("eni-0{id:016x}")),
            ("macAddress", metadata::mac_address(task.address)),
            ("privateDnsName", metadata::private_dns_name(task.address, region)),
            ("privateIPv4Address", task.address.to_string()),
        ]);
    }
    let details: Vec<Value> =
        details.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({
        "id": attachment,
        "type": "ElasticNetworkInterface",
        "status": status,
        "details": details,
    })
}

fn health(health: ContainerHealth) -> &'static str {
    match health {
        ContainerHealth::Unknown => "UNKNOWN",
        ContainerHealth::Healthy => "HEALTHY",
        ContainerHealth::Unhealthy => "UNHEALTHY",
    }
}

fn container_view(
    platform: &Platform,
    task: &Task,
    definition: &ContainerDefinition,
    container: &Container,
    task_arn: &str,
    attachment: &str,
) -> Value {
    let cluster = &task.revision.cluster;
    let status = match container.status {
        ContainerStatus::Pending | ContainerStatus::Starting => "PENDING",
        ContainerStatus::Running => "RUNNING",
        ContainerStatus::Stopped => "STOPPED",
    };
    // ECS-NET-3: there once the interface is.
    let interfaces = match task.phase {
        Phase::Provisioning => json!([]),
        _ => json!([{
            "attachmentId": attachment,
            "privateIpv4Address": task.address.to_string(),
        }]),
    };
    let mut view = json!({
        "containerArn":
            arn::container(platform.identity(), cluster, task.id, &definition.name),
        "taskArn": task_arn,
        "name": definition.name,
        "image": definition.image,
        "lastStatus": status,
        "networkBindings": [],
        "networkInterfaces": interfaces,
        "healthStatus": health(container.health),
        "cpu": definition.cpu.to_string(),
    });
    if container.started_at.is_some() {
        // ECS-META-4.
        view["runtimeId"] = json!(metadata::container_id(task.id, &definition.name));
    }
    fields::set(&mut view, "memory", definition.memory_mib.map(|mib| mib.to_string()));
    fields::set(&mut view, "exitCode", container.exit.and_then(Exit::code));
    fields::set(&mut view, "reason", container.reason.clone());
    view
}

/// ECS-TD-28.
fn task_tags(platform: &Platform, task: &Task) -> BTreeMap<String, String> {
    if let Some(run) = &task.run {
        return run.tags.clone();
    }
    let (cluster, service) = (&task.revision.cluster, &task.revision.service);
    let said = note::read(platform, &arn::service(platform.identity(), cluster, service));
    let mut tags = match fields::text(&said, "propagateTags") {
        Some("SERVICE") => {
            platform.service_by_id(task.service).map(|s| s.spec.tags.clone()).unwrap_or_default()
        }
        Some("TASK_DEFINITION") => {
            let definition = task.definition();
            match platform.task_definition(&definition.family, definition.revision) {
                Some(registered) => tagging::of_task_definition(platform, registered),
                None => definition.tags.clone(),
            }
        }
        _ => BTreeMap::new(),
    };
    if fields::flag(&said, "enableECSManagedTags").unwrap_or(false) {
        tags.insert("aws:ecs:clusterName".to_owned(), cluster.clone());
        tags.insert("aws:ecs:serviceName".to_owned(), service.clone());
    }
    tags
}
