//! Instances: the tasks that ECS registered (DISC-INST-*, DISC-API-*). Nothing else can be one.

use neargate_core::Platform;
use neargate_core::data_plane::Instance;
use neargate_core::id::TaskId;
use neargate_core::input::Command;
use serde_json::{Map, Value, json};

use super::services::{Service, find, services};
use super::{listed, namespaces, not_found, page};
use crate::error::AwsError;
use crate::{Answer, fields};

/// ECS-DISC-1.
fn attributes(platform: &Platform, task: TaskId, instance: &Instance) -> Value {
    let mut attributes = json!({
        "AWS_INSTANCE_IPV4": instance.address.to_string(),
        "AWS_INIT_HEALTH_STATUS": "HEALTHY",
        "REGION": platform.identity().region,
    });
    fields::set(&mut attributes, "AWS_INSTANCE_PORT", instance.port.map(|p| p.to_string()));
    if let Some(task) = platform.task(task) {
        attributes["AVAILABILITY_ZONE"] = json!(&*task.zone);
        attributes["ECS_CLUSTER_NAME"] = json!(task.revision.cluster);
        attributes["ECS_SERVICE_NAME"] = json!(task.service_name());
        attributes["ECS_TASK_DEFINITION_FAMILY"] = json!(task.definition().family);
    }
    attributes
}

fn status(instance: &Instance) -> &'static str {
    if instance.healthy { "HEALTHY" } else { "UNHEALTHY" }
}

fn instances<'a>(service: &Service<'a>) -> Vec<(TaskId, &'a Instance)> {
    let found = service.found.into_iter().flat_map(|found| &found.instances);
    found.map(|(task, instance)| (*task, instance)).collect()
}

/// The instance of that id (DISC-INST-4).
fn one<'a>(service: &Service<'a>, id: &str) -> Result<(TaskId, &'a Instance), AwsError> {
    let found = instances(service).into_iter().find(|(task, _)| task.to_string() == id);
    found.ok_or_else(|| not_found("InstanceNotFound", id))
}

fn of_input<'a>(platform: &'a Platform, input: &Value) -> Result<Service<'a>, AwsError> {
    find(platform, fields::text(input, "ServiceId").unwrap_or_default())
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let all = instances(&of_input(platform, input)?);
    let page = page(input, all, |(task, _)| task.to_string())?;
    let view = |(task, instance): &(TaskId, &Instance)| json!({ "Id": task.to_string(), "Attributes": attributes(platform, *task, instance) });
    Ok(Answer::Now(listed("Instances", page.entries.iter().map(view).collect(), page.next)))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let service = of_input(platform, input)?;
    let (task, instance) = one(&service, fields::text(input, "InstanceId").unwrap_or_default())?;
    let attributes = attributes(platform, task, instance);
    Ok(Answer::Now(json!({
        "Instance": { "Id": task.to_string(), "Attributes": attributes },
        "ResourceOwner": platform.identity().account,
    })))
}

/// DISC-INST-6.
pub(super) fn health(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let service = of_input(platform, input)?;
    let asked = fields::texts(input, "Instances");
    asked.iter().try_for_each(|id| one(&service, id).map(drop))?;
    let mut all = instances(&service);
    all.retain(|(task, _)| asked.is_empty() || asked.contains(&task.to_string().as_str()));
    let page = page(input, all, |(task, _)| task.to_string())?;
    let states = page.entries.iter().map(|(task, i)| (task.to_string(), json!(status(i))));
    let mut answer = json!({ "Status": states.collect::<Map<String, Value>>() });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

/// DISC-INST-5, DISC-SVC-7 (at once, not after half a minute).
pub(super) fn set_health(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let service = of_input(platform, input)?;
    if !service.has_custom_health() {
        return Err(not_found("CustomHealthNotFound", &service.id()));
    }
    let (task, _) = one(&service, fields::text(input, "InstanceId").unwrap_or_default())?;
    let command = Command::SetInstanceHealth {
        dns_name: service.dns_name(),
        task,
        healthy: fields::text(input, "Status") == Some("HEALTHY"),
    };
    Answer::after(vec![command], |_| json!({}))
}

/// Whether every pair of a member of the input is an attribute.
fn matches(input: &Value, member: &str, attributes: &Value) -> bool {
    let parameters = input.get(member).and_then(Value::as_object);
    parameters.is_none_or(|p| p.iter().all(|(k, v)| attributes.get(k) == Some(v)))
}

/// DISC-API-1 to -4.
pub(super) fn discover(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let wanted = |member: &str| fields::text(input, member).unwrap_or_default();
    let (namespace, name) = (wanted("NamespaceName"), wanted("ServiceName"));
    if !namespaces::exists(platform, namespace) {
        return Err(not_found("NamespaceNotFound", namespace));
    }
    let service = services(platform)
        .into_iter()
        .find(|service| service.namespace == namespace && service.name == name)
        .ok_or_else(|| not_found("ServiceNotFound", name))?;
    let mut found: Vec<(TaskId, &Instance, Value)> = instances(&service)
        .into_iter()
        .map(|(task, instance)| (task, instance, attributes(platform, task, instance)))
        .filter(|(.., attributes)| matches(input, "QueryParameters", attributes))
        .collect();
    let optional = |(.., attributes): &(TaskId, &Instance, Value)| {
        matches(input, "OptionalParameters", attributes)
    };
    if found.iter().any(optional) {
        found.retain(optional);
    }
    let any_healthy = found.iter().any(|(_, instance, _)| instance.healthy);
    found.retain(|(_, instance, _)| match fields::text(input, "HealthStatus") {
        Some("HEALTHY") => instance.healthy,
        Some("UNHEALTHY") => !instance.healthy,
        Some("ALL") => true,
        // The healthy ones, or all when none is.
        _ => instance.healthy || !any_healthy,
    });
    found.truncate(fields::number(input, "MaxResults").map_or(100, |n| n as usize));
    let view = |(task, instance, attributes): (TaskId, &Instance, Value)| {
        json!({
            "InstanceId": task.to_string(),
            "NamespaceName": namespace,
            "ServiceName": name,
            "HealthStatus": status(instance),
            "Attributes": attributes,
        })
    };
    let views: Vec<Value> = found.into_iter().map(view).collect();
    Ok(Answer::Now(json!({
        "Instances": views,
        "InstancesRevision": platform.published().0,
    })))
}
