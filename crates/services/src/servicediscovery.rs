//! AWS Cloud Map: the discovery names of the platform, looked at as namespaces, services and
//! instances.

use std::collections::BTreeSet;

use neargate_core::Platform;
use neargate_core::data_plane::{Instance, Name};
use neargate_core::id::TaskId;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::page::{self, Page};
use crate::{Answer, Table, arn, fields, names};

pub(crate) const OPERATIONS: Table = &[
    ("DiscoverInstances", discover),
    ("GetNamespace", get_namespace),
    ("GetService", get_service),
    ("ListInstances", list_instances),
    ("ListNamespaces", list_namespaces),
    ("ListServices", list_services),
];

/// ERR-CM-1, ERR-CM-3.
fn not_found(code: &str, which: &str) -> AwsError {
    error::client(code, which)
}

fn page<T>(
    input: &Value,
    entries: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, AwsError> {
    let size = fields::number(input, "MaxResults").map_or(100, |n| n as usize).max(1);
    page::page(entries, key, false, fields::text(input, "NextToken"), size)
        .map_err(|_| error::client("InvalidInput", "The next token is not valid."))
}

fn listed(member: &str, entries: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({ member: entries });
    fields::set(&mut answer, "NextToken", next);
    answer
}

/// Whether an entry passes every filter; a filter this does not know passes nothing.
fn passes(input: &Value, values: &[(&str, &str)]) -> bool {
    fields::list(input, "Filters").iter().all(|filter| {
        let name = fields::text(filter, "Name").unwrap_or_default();
        let wanted = fields::texts(filter, "Values");
        let begins = fields::text(filter, "Condition") == Some("BEGINS_WITH");
        values.iter().filter(|(known, _)| *known == name).any(|(_, value)| {
            wanted.iter().any(|w| if begins { value.starts_with(w) } else { value == w })
        })
    })
}

fn namespaces(platform: &Platform) -> BTreeSet<&str> {
    platform.names().map(|n| n.spec.namespace.as_str()).collect()
}

fn namespace(platform: &Platform, name: &str) -> Value {
    let id = names::namespace_id(name);
    let services = platform.names().filter(|n| n.spec.namespace == name).count();
    json!({
        "Id": id,
        "Arn": arn::of(platform.identity(), "servicediscovery", format_args!("namespace/{id}")),
        "ResourceOwner": platform.identity().account,
        "Name": name,
        "Type": "DNS_PRIVATE",
        "ServiceCount": services,
        "Properties": {
            "DnsProperties": { "SOA": { "TTL": 15 } },
            "HttpProperties": { "HttpName": name },
        },
    })
}

fn list_namespaces(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found: Vec<&str> = namespaces(platform)
        .into_iter()
        .filter(|name| {
            let values = [
                ("NAME", *name),
                ("HTTP_NAME", *name),
                ("TYPE", "DNS_PRIVATE"),
                ("RESOURCE_OWNER", "SELF"),
            ];
            passes(input, &values)
        })
        .collect();
    let page = page(input, found, |name| (*name).to_owned())?;
    let views = page.entries.iter().map(|name| namespace(platform, name)).collect();
    Ok(Answer::Now(listed("Namespaces", views, page.next)))
}

fn get_namespace(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = fields::text(input, "Id").unwrap_or_default();
    let id = arn::resource(asked, "servicediscovery", "namespace").unwrap_or(asked);
    let found = namespaces(platform).into_iter().find(|name| names::namespace_id(name) == id);
    let name = found.ok_or_else(|| not_found("NamespaceNotFound", id))?;
    Ok(Answer::Now(json!({ "Namespace": namespace(platform, name) })))
}

fn service(platform: &Platform, name: &Name) -> Value {
    let spec = &name.spec;
    let mut records = vec![json!({ "Type": "A", "TTL": spec.ttl_s })];
    if spec.srv {
        records.push(json!({ "Type": "SRV", "TTL": spec.ttl_s }));
    }
    json!({
        "Id": names::discovery_id(&spec.dns_name()),
        "Arn": names::discovery_arn(platform.identity(), &spec.dns_name()),
        "ResourceOwner": platform.identity().account,
        "Name": spec.name,
        "InstanceCount": name.instances.len(),
        "DnsConfig": {
            "NamespaceId": names::namespace_id(&spec.namespace),
            "RoutingPolicy": "MULTIVALUE",
            "DnsRecords": records,
        },
        "Type": "DNS_HTTP",
        "HealthCheckCustomConfig": { "FailureThreshold": 1 },
    })
}

fn list_services(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found: Vec<&Name> = platform
        .names()
        .filter(|n| {
            let id = names::namespace_id(&n.spec.namespace);
            passes(input, &[("NAMESPACE_ID", &id), ("RESOURCE_OWNER", "SELF")])
        })
        .collect();
    let page = page(input, found, |n| n.spec.dns_name())?;
    let views = page.entries.iter().map(|n| service(platform, n)).collect();
    Ok(Answer::Now(listed("Services", views, page.next)))
}

fn find<'a>(platform: &'a Platform, id: &str) -> Result<&'a Name, AwsError> {
    names::discovery(platform, id).ok_or_else(|| not_found("ServiceNotFound", id))
}

fn get_service(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = find(platform, fields::text(input, "Id").unwrap_or_default())?;
    let mut view = service(platform, name);
    view["NamespaceId"] = json!(names::namespace_id(&name.spec.namespace));
    Ok(Answer::Now(json!({ "Service": view })))
}

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

fn list_instances(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = find(platform, fields::text(input, "ServiceId").unwrap_or_default())?;
    let all: Vec<(&TaskId, &Instance)> = name.instances.iter().collect();
    let page = page(input, all, |(task, _)| task.to_string())?;
    let view = |(task, instance): &(&TaskId, &Instance)| json!({ "Id": task.to_string(), "Attributes": attributes(platform, **task, instance) });
    let views = page.entries.iter().map(view).collect();
    Ok(Answer::Now(listed("Instances", views, page.next)))
}

fn discover(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let wanted = |member: &str| fields::text(input, member).unwrap_or_default();
    let (namespace, service) = (wanted("NamespaceName"), wanted("ServiceName"));
    let mut own = platform.names().filter(|n| n.spec.namespace == namespace).peekable();
    if own.peek().is_none() {
        return Err(not_found("NamespaceNotFound", namespace));
    }
    let Some(name) = own.find(|n| n.spec.name == service) else {
        return Err(not_found("ServiceNotFound", service));
    };
    let any_healthy = name.instances.values().any(|i| i.healthy);
    let keep = |healthy: bool| match fields::text(input, "HealthStatus") {
        Some("HEALTHY") => healthy,
        Some("UNHEALTHY") => !healthy,
        Some("ALL") => true,
        // The healthy ones, or all when none is.
        _ => healthy || !any_healthy,
    };
    let matches = |attributes: &Value| {
        let parameters = input.get("QueryParameters").and_then(Value::as_object);
        parameters.is_none_or(|p| p.iter().all(|(k, v)| attributes.get(k) == Some(v)))
    };
    let found = name.instances.iter().filter(|(_, i)| keep(i.healthy)).filter_map(|(task, i)| {
        let attributes = attributes(platform, *task, i);
        matches(&attributes).then(|| {
            json!({
                "InstanceId": task.to_string(),
                "NamespaceName": namespace,
                "ServiceName": service,
                "HealthStatus": if i.healthy { "HEALTHY" } else { "UNHEALTHY" },
                "Attributes": attributes,
            })
        })
    });
    let size = fields::number(input, "MaxResults").map_or(100, |n| n as usize);
    let instances: Vec<Value> = found.take(size).collect();
    Ok(Answer::Now(json!({
        "Instances": instances,
        "InstancesRevision": platform.published().0,
    })))
}
