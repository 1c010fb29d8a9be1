//! Amazon ECS: clusters, task definitions, services and tasks on Fargate.

mod account_settings;
mod capacity_providers;
mod clusters;
mod container_definition;
mod create_service;
mod errors;
mod protection;
mod register;
mod run_task;
mod service_deployments;
mod service_settings;
mod service_view;
mod services;
mod tagging;
mod task_definition_view;
mod task_definitions;
mod task_view;
mod tasks;
mod update_service;
mod without_instances;

use neargate_core::Platform;
use neargate_core::platform::{Service, ServiceStatus};
use neargate_core::service::ServiceName;
use serde_json::{Value, json};

use crate::error::AwsError;
use crate::page::{self, Page};
use crate::{Table, arn, fields};

pub(crate) use errors::refused;

pub(crate) const OPERATIONS: Table = &[
    ("CreateCapacityProvider", without_instances::create_capacity_provider),
    ("CreateCluster", clusters::create),
    ("CreateService", create_service::create),
    ("DeleteAccountSetting", account_settings::delete),
    ("DeleteCluster", clusters::delete),
    ("DeleteService", services::delete),
    ("DeleteTaskDefinitions", task_definitions::delete),
    ("DeregisterTaskDefinition", task_definitions::deregister),
    ("DescribeCapacityProviders", capacity_providers::describe),
    ("DescribeClusters", clusters::describe),
    ("DescribeContainerInstances", without_instances::describe_instances),
    ("DescribeServiceDeployments", service_deployments::describe),
    ("DescribeServiceRevisions", service_deployments::describe_revisions),
    ("DescribeServices", services::describe),
    ("DescribeTaskDefinition", task_definitions::describe),
    ("DescribeTaskSets", without_instances::describe_task_sets),
    ("DescribeTasks", tasks::describe),
    ("ExecuteCommand", without_instances::execute_command),
    ("GetTaskProtection", protection::get),
    ("ListAccountSettings", account_settings::list),
    ("ListAttributes", without_instances::list_attributes),
    ("ListClusters", clusters::list),
    ("ListContainerInstances", without_instances::list_instances),
    ("ListServiceDeployments", service_deployments::list),
    ("ListServices", services::list),
    ("ListServicesByNamespace", services::list_by_namespace),
    ("ListTagsForResource", tagging::list),
    ("ListTaskDefinitionFamilies", task_definitions::list_families),
    ("ListTaskDefinitions", task_definitions::list),
    ("ListTasks", tasks::list),
    ("PutAccountSetting", account_settings::put),
    ("PutAccountSettingDefault", account_settings::put_default),
    ("PutClusterCapacityProviders", clusters::put_capacity_providers),
    ("RegisterTaskDefinition", register::register),
    ("RunTask", run_task::run),
    ("StopServiceDeployment", service_deployments::stop),
    ("StopTask", tasks::stop),
    ("TagResource", tagging::tag),
    ("UntagResource", tagging::untag),
    ("UpdateCluster", clusters::update),
    ("UpdateClusterSettings", clusters::update_settings),
    ("UpdateService", update_service::update),
    ("UpdateTaskProtection", protection::update),
];

/// The platform version that LATEST stands for (ECS-TD-6).
const PLATFORM_VERSION: &str = "1.4.0";

/// The cluster an input names, by name or ARN; `default` when it names none.
fn cluster_name(input: &Value) -> &str {
    let named = fields::text(input, "cluster").unwrap_or("default");
    arn::resource(named, "ecs", "cluster").unwrap_or(named)
}

/// The same, and it must exist (ERR-ECS-3).
fn cluster<'a>(platform: &Platform, input: &'a Value) -> Result<&'a str, AwsError> {
    let name = cluster_name(input);
    if platform.has_cluster(name) { Ok(name) } else { Err(errors::cluster_not_found()) }
}

/// The name of a service in a cluster, by name or ARN. The ARN's cluster must be that cluster.
fn service_name(cluster: &str, text: &str) -> ServiceName {
    let (cluster, service) = match arn::resource(text, "ecs", "service") {
        Some(path) => path.split_once('/').unwrap_or((cluster, path)),
        None => (cluster, text),
    };
    ServiceName { cluster: cluster.to_owned(), service: service.to_owned() }
}

/// The service of that name, of deleted ones the newest (ECS-SVC-1).
fn described_service<'a>(platform: &'a Platform, name: &ServiceName) -> Option<&'a Service> {
    platform
        .service(name)
        .or_else(|| platform.services().filter(|s| s.spec.name == *name).max_by_key(|s| s.id))
}

/// The ACTIVE service an operation is about (ERR-ECS-4).
fn active_service<'a>(platform: &'a Platform, name: &ServiceName) -> Result<&'a Service, AwsError> {
    match described_service(platform, name) {
        Some(service) if service.status == ServiceStatus::Active => Ok(service),
        Some(_) => Err(errors::service_not_active()),
        None => Err(errors::service_not_found()),
    }
}

/// The failure entry of a describe operation (ERR-ECS-5).
fn missing(arn: String) -> Value {
    json!({ "arn": arn, "reason": "MISSING" })
}

/// A page of a listing as ECS gives it out.
fn page<T>(
    input: &Value,
    entries: Vec<T>,
    key: impl Fn(&T) -> String,
    descending: bool,
    default_size: usize,
) -> Result<Page<T>, AwsError> {
    let size = fields::number(input, "maxResults").map_or(default_size, |n| n as usize);
    if !(1..=100).contains(&size) {
        return Err(errors::invalid_parameter("maxResults must be between 1 and 100."));
    }
    page::page(entries, key, descending, fields::text(input, "nextToken"), size)
        .map_err(|_| errors::invalid_parameter("Invalid token."))
}

/// The answer of a listing of ARNs.
fn arns(member: &str, page: Page<String>) -> Value {
    let mut answer = json!({ member: page.entries });
    fields::set(&mut answer, "nextToken", page.next);
    answer
}
