//! Clusters: names that services and tasks belong to. What else is said about a cluster is noted.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::platform::ServiceStatus;
use serde_json::{Value, json};

use super::service_view::{is_pending, is_running};
use super::{cluster, cluster_name, errors, missing, page};
use crate::error::{self, AwsError};
use crate::{Answer, arn, fields, note, tags};

/// Members of CreateCluster that change nothing here.
const NOTED: &[&str] = &[
    "settings",
    "configuration",
    "capacityProviders",
    "defaultCapacityProviderStrategy",
    "serviceConnectDefaults",
];

fn view(platform: &Platform, name: &str, include: &[&str]) -> Value {
    let arn = arn::cluster(platform.identity(), name);
    let said = note::read(platform, &arn);
    let tasks = || platform.tasks().filter(|t| t.revision.cluster == name);
    let active = platform
        .services()
        .filter(|s| s.spec.name.cluster == name && s.status != ServiceStatus::Inactive);
    let or_empty = |member: &str| said.get(member).cloned().unwrap_or_else(|| json!([]));
    let asked = |what: &str, value: Value| if include.contains(&what) { value } else { json!([]) };
    let mut view = json!({
        "clusterArn": arn,
        "clusterName": name,
        "status": "ACTIVE",
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": tasks().filter(|t| is_running(t)).count(),
        "pendingTasksCount": tasks().filter(|t| is_pending(t)).count(),
        "activeServicesCount": active.count(),
        "statistics": asked("STATISTICS", statistics(platform, name)),
        "tags": asked("TAGS", tags::write(&tags::noted(&said), tags::SMALL)),
        "settings": asked("SETTINGS", settings(&said)),
        "capacityProviders": or_empty("capacityProviders"),
        "defaultCapacityProviderStrategy": or_empty("defaultCapacityProviderStrategy"),
    });
    if include.contains(&"CONFIGURATIONS") {
        fields::set(&mut view, "configuration", said.get("configuration").cloned());
    }
    fields::set(&mut view, "serviceConnectDefaults", said.get("serviceConnectDefaults").cloned());
    view
}

/// Container Insights is off unless switched on.
fn settings(said: &Value) -> Value {
    let unset = json!([{ "name": "containerInsights", "value": "disabled" }]);
    said.get("settings")
        .filter(|s| s.as_array().is_some_and(|s| !s.is_empty()))
        .cloned()
        .unwrap_or(unset)
}

fn statistics(platform: &Platform, name: &str) -> Value {
    let tasks = || platform.tasks().filter(|t| t.revision.cluster == name);
    let services = |status: ServiceStatus| {
        platform.services().filter(|s| s.spec.name.cluster == name && s.status == status).count()
    };
    let none = [
        "runningEC2TasksCount",
        "pendingEC2TasksCount",
        "activeEC2ServiceCount",
        "drainingEC2ServiceCount",
    ];
    let fargate = [
        ("runningFargateTasksCount", tasks().filter(|t| is_running(t)).count()),
        ("pendingFargateTasksCount", tasks().filter(|t| is_pending(t)).count()),
        ("activeFargateServiceCount", services(ServiceStatus::Active)),
        ("drainingFargateServiceCount", services(ServiceStatus::Draining)),
    ];
    let all = none.into_iter().map(|name| (name, 0)).chain(fargate);
    all.map(|(name, count)| json!({ "name": name, "value": count.to_string() })).collect()
}

const EVERYTHING: &[&str] = &["TAGS", "SETTINGS", "CONFIGURATIONS"];

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let include = fields::texts(input, "include");
    let mut asked = fields::texts(input, "clusters");
    if asked.is_empty() {
        asked.push("default");
    }
    let (mut clusters, mut failures) = (Vec::new(), Vec::new());
    for asked in asked {
        let name = arn::resource(asked, "ecs", "cluster").unwrap_or(asked);
        if platform.has_cluster(name) {
            clusters.push(view(platform, name, &include));
        } else {
            failures.push(missing(arn::cluster(platform.identity(), name)));
        }
    }
    Ok(Answer::Now(json!({ "clusters": clusters, "failures": failures })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let identity = platform.identity();
    let arns: Vec<String> = platform.clusters().map(|name| arn::cluster(identity, name)).collect();
    let page = page(input, arns, String::clone, false, 100)?;
    Ok(Answer::Now(super::arns("clusterArns", page)))
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "clusterName").unwrap_or("default").to_owned();
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.len() > 255 || !name.bytes().all(fits) {
        return Err(errors::invalid_parameter(format!(
            "Invalid cluster name '{name}': up to 255 letters, numbers, hyphens and underscores are allowed."
        )));
    }
    if platform.has_cluster(&name) {
        // CreateCluster of a name that is there answers with what is there.
        return Ok(Answer::Now(json!({ "cluster": view(platform, &name, EVERYTHING) })));
    }
    let mut said = note::members(input, NOTED);
    tags::note(&mut said, &tags::read(fields::list(input, "tags"), tags::SMALL));
    let arn = arn::cluster(platform.identity(), &name);
    let commands = vec![Command::PutCluster { name: name.clone() }, note::write(&arn, &said)];
    Answer::after(commands, move |platform| json!({ "cluster": view(platform, &name, EVERYTHING) }))
}

fn change(platform: &Platform, input: &Value, members: &[&str]) -> Result<Answer, AwsError> {
    let name = cluster(platform, input)?.to_owned();
    let arn = arn::cluster(platform.identity(), &name);
    let mut said = note::read(platform, &arn);
    note::merge(&mut said, &note::members(input, members));
    Answer::after(
        vec![note::write(&arn, &said)],
        move |platform| json!({ "cluster": view(platform, &name, EVERYTHING) }),
    )
}

pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, &["settings", "configuration", "serviceConnectDefaults"])
}

pub(super) fn update_settings(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, &["settings"])
}

pub(super) fn put_capacity_providers(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    for provider in fields::texts(input, "capacityProviders") {
        if !super::capacity_providers::is_known(provider) {
            return Err(errors::invalid_parameter(format!(
                "The specified capacity provider '{provider}' was not found."
            )));
        }
    }
    change(platform, input, &["capacityProviders", "defaultCapacityProviderStrategy"])
}

fn contains_tasks() -> AwsError {
    error::client(
        "ClusterContainsTasksException",
        "The Cluster cannot be deleted while Tasks are active.",
    )
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = cluster_name(input).to_owned();
    if !platform.has_cluster(&name) {
        return Err(errors::cluster_not_found());
    }
    let mut own = platform
        .services()
        .filter(|s| s.spec.name.cluster == name && s.status != ServiceStatus::Inactive);
    match own.next().map(|s| s.status) {
        Some(ServiceStatus::Active) => {
            return Err(error::client(
                "ClusterContainsServicesException",
                "The Cluster cannot be deleted while Services are active.",
            ));
        }
        Some(_) => return Err(contains_tasks()),
        None => {}
    }
    let mut standalone = platform.standalone_tasks().filter(|t| t.revision.cluster == name);
    if standalone.any(|t| t.stopped_at.is_none()) {
        return Err(contains_tasks());
    }
    let mut last = view(platform, &name, EVERYTHING);
    last["status"] = json!("INACTIVE");
    let arn = arn::cluster(platform.identity(), &name);
    let commands = vec![Command::DeleteCluster { name }, note::forget(&arn)];
    Answer::after(commands, move |_| json!({ "cluster": last }))
}
