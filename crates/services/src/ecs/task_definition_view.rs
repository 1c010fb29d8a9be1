//! A task definition as DescribeTaskDefinition shows it.

use neargate_core::Platform;
use neargate_core::platform::Registered;
use serde_json::{Value, json};

use super::{container_definition, task_definitions};
use crate::{arn, fields, note};

/// The whole description, without tags.
pub(super) fn view(platform: &Platform, registered: &Registered) -> Value {
    let identity = platform.identity();
    let definition = &registered.definition;
    let arn = arn::task_definition(identity, &definition.family, definition.revision);
    let said = note::read(platform, &arn);
    let mut view = json!({
        "taskDefinitionArn": arn,
        "family": definition.family,
        "revision": definition.revision,
        "status": task_definitions::status(platform, registered),
        "networkMode": "awsvpc",
        "cpu": definition.cpu.to_string(),
        "memory": definition.memory_mib.to_string(),
        "volumes": said.get("volumes").cloned().unwrap_or_else(|| json!([])),
        "placementConstraints": [],
        "compatibilities": ["EC2", "FARGATE"],
        "requiresCompatibilities":
            said.get("requiresCompatibilities").cloned().unwrap_or_else(|| json!(["FARGATE"])),
        "registeredAt": fields::time(registered.registered_at),
        "registeredBy": format!("arn:aws:iam::{}:root", identity.account),
    });
    view["containerDefinitions"] = said.get("containerDefinitions").cloned().unwrap_or_else(|| {
        let region = &identity.region;
        definition.containers.iter().map(|c| container_definition::write(c, region)).collect()
    });
    view["requiresAttributes"] =
        requires(&view["containerDefinitions"], definition.execution_role.is_some());
    fields::set(&mut view, "executionRoleArn", definition.execution_role.clone());
    fields::set(&mut view, "taskRoleArn", definition.task_role.clone());
    fields::set(&mut view, "deregisteredAt", registered.deregistered_at.map(fields::time));
    fields::set(&mut view, "deleteRequestedAt", said.get("deleteRequestedAt").cloned());
    if definition.ephemeral_storage_gib != 20 {
        view["ephemeralStorage"] = json!({ "sizeInGiB": definition.ephemeral_storage_gib });
    }
    for member in ["runtimePlatform", "pidMode", "proxyConfiguration", "enableFaultInjection"] {
        fields::set(&mut view, member, said.get(member).cloned());
    }
    view
}

/// What ECS says an agent must be able to do for it.
fn requires(containers: &Value, execution_role: bool) -> Value {
    let any = |member: &str| {
        let containers = containers.as_array().map_or(&[][..], Vec::as_slice);
        containers.iter().any(|c| !c[member].is_null() && c[member] != json!([]))
    };
    let mut names = vec!["com.amazonaws.ecs.capability.docker-remote-api.1.18"];
    if any("logConfiguration") {
        names.push("com.amazonaws.ecs.capability.logging-driver.awslogs");
    }
    if execution_role && any("logConfiguration") {
        names.push("ecs.capability.execution-role-awslogs");
    }
    if any("healthCheck") {
        names.push("ecs.capability.container-health-check");
    }
    if any("dependsOn") {
        names.push("ecs.capability.container-ordering");
    }
    if any("secrets") {
        names.push("ecs.capability.secrets.asm.environment-variables");
    }
    names.push("ecs.capability.task-eni");
    names.into_iter().map(|name| json!({ "name": name })).collect()
}
