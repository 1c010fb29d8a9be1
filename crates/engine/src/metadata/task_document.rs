//! The documents about a task and its containers (ECS-META-3, ECS-META-4). A member that has no
//! value is left out.

use neargate_core::Platform;
use neargate_core::input::{ContainerHealth, Exit};
use neargate_core::metadata::container_id;
use neargate_core::task::{ContainerStatus, Phase, Task};
use neargate_services::arn;
use serde_json::{Map, Value, json};

use super::caller::Caller;
use super::{network, times};

/// What Docker gives a container that asks for less, in CPU units.
const LEAST_CPU_UNITS: u32 = 2;
/// CPU units of one virtual CPU.
const UNITS_PER_CPU: u32 = 1024;
/// Fargate keeps that much beside what was asked for (ECS-META-5).
const STORAGE_OVERHEAD_MIB: u64 = 16;
const MIB: u64 = 1024 * 1024;

/// Sets a member when there is a value for it.
fn set(document: &mut Value, member: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        document[member] = value.into();
    }
}

/// The document of a task, but for its use of storage, which the platform does not know.
pub(super) fn task(platform: &Platform, task: &Task, with_tags: bool) -> Value {
    let identity = platform.identity();
    let (cluster, definition) = (&task.revision.cluster, task.definition());
    let containers: Vec<Value> = (0..task.containers.len())
        .map(|index| container(platform, Caller { task, index }))
        .collect();
    let mut document = json!({
        "Cluster": arn::cluster(identity, cluster),
        "TaskARN": arn::task(identity, cluster, task.id),
        "Family": definition.family,
        "Revision": definition.revision.to_string(),
        "DesiredStatus": desired(task),
        "KnownStatus": known(task),
        "Limits": { "CPU": vcpu(definition.cpu), "Memory": definition.memory_mib },
        "AvailabilityZone": &*task.zone,
        "LaunchType": "FARGATE",
        "Containers": containers,
        // The clock that platform time comes from is the one the task reads.
        "ClockDrift": {
            "ClockErrorBound": 0.0,
            "ReferenceTimestamp": times::of_ms(platform.now().0 / 1000 * 1000),
            "ClockSynchronizationStatus": "SYNCHRONIZED",
        },
    });
    for (member, at) in [
        ("PullStartedAt", task.pull_started_at),
        ("PullStoppedAt", task.pull_stopped_at),
        ("ExecutionStoppedAt", task.execution_stopped_at),
    ] {
        set(&mut document, member, at.map(times::of));
    }
    set(&mut document, "ServiceName", task.service_name());
    if with_tags {
        let tags = tags(platform, task);
        set(&mut document, "TaskTags", (!tags.is_empty()).then_some(tags));
    }
    document
}

/// Adds the use of storage to a task's document (ECS-META-3, ECS-META-5).
pub(super) fn add_storage(document: &mut Value, reserved_gib: u32, used_bytes: u64) {
    document["EphemeralStorageMetrics"] = json!({
        "Utilized": used_bytes.div_ceil(MIB),
        "Reserved": u64::from(reserved_gib) * 1024 + STORAGE_OVERHEAD_MIB,
    });
}

/// A whole number where it is one: clients of either kind read it.
fn vcpu(units: u32) -> Value {
    match units.is_multiple_of(UNITS_PER_CPU) {
        true => json!(units / UNITS_PER_CPU),
        false => json!(f64::from(units) / f64::from(UNITS_PER_CPU)),
    }
}

fn desired(task: &Task) -> &'static str {
    if task.is_wanted() { "RUNNING" } else { "STOPPED" }
}

/// In the agent's words, which knows fewer states than ECS.
fn known(task: &Task) -> &'static str {
    match task.phase {
        Phase::Provisioning | Phase::Pending => "NONE",
        Phase::Activating | Phase::Running | Phase::Deactivating | Phase::Stopping => "RUNNING",
        Phase::Deprovisioning | Phase::Stopped => "STOPPED",
    }
}

/// As DescribeTasks shows them.
fn tags(platform: &Platform, task: &Task) -> Map<String, Value> {
    let input = json!({
        "cluster": task.revision.cluster,
        "tasks": [task.id.to_string()],
        "include": ["TAGS"],
    });
    let described = neargate_services::operation("ecs", "DescribeTasks")
        .and_then(|describe| describe(platform, &input).ok());
    let Some(neargate_services::Answer::Now(described)) = described else { return Map::new() };
    let pairs = described["tasks"][0]["tags"].as_array().cloned().unwrap_or_default();
    let pair = |tag: Value| Some((tag["key"].as_str()?.to_owned(), tag["value"].clone()));
    pairs.into_iter().filter_map(pair).collect()
}

/// The document of one container.
pub(super) fn container(platform: &Platform, caller: Caller<'_>) -> Value {
    let Caller { task, index } = caller;
    let identity = platform.identity();
    let (cluster, family) = (&task.revision.cluster, task.definition());
    let (definition, container) = (&family.containers[index], &task.containers[index]);
    let mut document = json!({
        "DockerId": container_id(task.id, &definition.name),
        "Name": definition.name,
        "DockerName": definition.name,
        "Image": definition.image,
        "Labels": {
            "com.amazonaws.ecs.cluster": arn::cluster(identity, cluster),
            "com.amazonaws.ecs.container-name": definition.name,
            "com.amazonaws.ecs.task-arn": arn::task(identity, cluster, task.id),
            "com.amazonaws.ecs.task-definition-family": family.family,
            "com.amazonaws.ecs.task-definition-version": family.revision.to_string(),
        },
        "DesiredStatus": match container.status {
            ContainerStatus::Stopped => "STOPPED",
            _ => desired(task),
        },
        "KnownStatus": match container.status {
            ContainerStatus::Pending if task.images_pulled => "PULLED",
            ContainerStatus::Pending => "NONE",
            ContainerStatus::Starting => "CREATED",
            ContainerStatus::Running => "RUNNING",
            ContainerStatus::Stopped => "STOPPED",
        },
        "Limits": { "CPU": definition.cpu.max(LEAST_CPU_UNITS) },
        "Type": "NORMAL",
        "ContainerARN": arn::container(identity, cluster, task.id, &definition.name),
        "Snapshotter": "overlayfs",
    });
    set(&mut document["Limits"], "Memory", definition.memory_mib);
    set(&mut document, "ExitCode", container.exit.and_then(Exit::code));
    // Fargate gives one time for both.
    set(&mut document, "CreatedAt", container.started_at.map(times::of));
    set(&mut document, "StartedAt", container.started_at.map(times::of));
    set(&mut document, "Networks", network::networks(platform, task));
    if definition.health_check.is_some() {
        let status = match container.health {
            ContainerHealth::Unknown => "UNKNOWN",
            ContainerHealth::Healthy => "HEALTHY",
            ContainerHealth::Unhealthy => "UNHEALTHY",
        };
        document["Health"] = json!({ "status": status });
    }
    if let Some(log) = &definition.log {
        document["LogDriver"] = json!("awslogs");
        document["LogOptions"] = json!({
            "awslogs-group": log.group,
            "awslogs-region": identity.region,
            // ECS-TD-21.
            "awslogs-stream": log.stream(&definition.name, task.id),
        });
        if log.create_group {
            document["LogOptions"]["awslogs-create-group"] = json!("true");
        }
    }
    document
}
