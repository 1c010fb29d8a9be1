//! What CreateService and UpdateService say about a service, read and checked alike.

use neargate_core::Platform;
use neargate_core::platform::Registered;
use neargate_core::service::{
    DeploymentConfiguration, ServiceLoadBalancer, ServiceRegistry, ServiceSpec, TaskDefinitionRef,
};
use serde_json::Value;

use super::task_definitions::Found;
use super::{capacity_providers, errors, task_definitions};
use crate::error::AwsError;
use crate::{arn, elbv2, fields, names, note};

/// Members that change nothing here, kept as they were sent.
const NOTED: &[&str] =
    &["platformVersion", "propagateTags", "enableECSManagedTags", "serviceConnectConfiguration"];

/// The definition a service shall run (ERR-ECS-6, ERR-ECS-7).
pub(super) fn definition<'a>(
    platform: &'a Platform,
    reference: &str,
) -> Result<&'a Registered, AwsError> {
    match task_definitions::find(platform, reference) {
        Found::Unknown => Err(errors::task_definition_not_found()),
        Found::Revision(found) if !found.active => Err(errors::task_definition_inactive()),
        Found::Revision(found) => Ok(found),
    }
}

/// The revision pinned, as a service keeps it.
pub(super) fn pinned(registered: &Registered) -> TaskDefinitionRef {
    TaskDefinitionRef {
        family: registered.definition.family.clone(),
        revision: Some(registered.definition.revision),
    }
}

/// What this platform does not do, said before anything is done.
pub(super) fn check_supported(input: &Value) -> Result<(), AwsError> {
    let launch_type = fields::text(input, "launchType");
    if let Some(launch_type) = launch_type.filter(|t| *t != "FARGATE") {
        return Err(errors::unsupported(format!(
            "Neargate runs tasks on Fargate only, not with launch type {launch_type}."
        )));
    }
    if fields::text(input, "schedulingStrategy").is_some_and(|s| s != "REPLICA") {
        return Err(errors::unsupported(
            "Fargate tasks do not support the DAEMON scheduling strategy.",
        ));
    }
    let controller = input.get("deploymentController").unwrap_or(&Value::Null);
    if let Some(kind) = fields::text(controller, "type").filter(|t| *t != "ECS") {
        return Err(errors::unsupported(format!(
            "Neargate has the deployment controller ECS only, not {kind}."
        )));
    }
    let deployment = input.get("deploymentConfiguration").unwrap_or(&Value::Null);
    if let Some(strategy) = fields::text(deployment, "strategy").filter(|s| *s != "ROLLING") {
        return Err(errors::unsupported(format!(
            "Neargate has the deployment strategy ROLLING only, not {strategy}."
        )));
    }
    for member in ["volumeConfigurations", "vpcLatticeConfigurations"] {
        if !fields::list(input, member).is_empty() {
            return Err(errors::unsupported(format!("Neargate does not support {member}.")));
        }
    }
    for member in ["placementConstraints", "placementStrategy"] {
        if !fields::list(input, member).is_empty() {
            return Err(errors::invalid_parameter(format!(
                "{member} is not supported with Fargate tasks."
            )));
        }
    }
    if launch_type.is_some() && !fields::list(input, "capacityProviderStrategy").is_empty() {
        return Err(errors::invalid_parameter(
            "Specify either Launch Type or Capacity Provider Strategy, but not both.",
        ));
    }
    Ok(())
}

/// Applies every member that was sent to the specification.
pub(super) fn apply(
    platform: &Platform,
    input: &Value,
    spec: &mut ServiceSpec,
) -> Result<(), AwsError> {
    if let Some(count) = fields::number(input, "desiredCount") {
        spec.desired_count = u32::try_from(count).unwrap_or(u32::MAX);
    }
    if let Some(configuration) = input.get("deploymentConfiguration").filter(|c| !c.is_null()) {
        deployment_configuration(configuration, &mut spec.deployment)?;
    }
    if fields::sent(input, "capacityProviderStrategy") {
        let items = fields::list(input, "capacityProviderStrategy");
        spec.capacity = capacity_providers::read_strategy(items)?;
    }
    if let Some(network) = input.get("networkConfiguration").filter(|n| !n.is_null()) {
        let network = network_configuration(platform, network)?;
        spec.subnets = network.subnets;
        spec.security_groups = network.security_groups;
        spec.public_ip = network.public_ip;
    }
    if let Some(seconds) = fields::number(input, "healthCheckGracePeriodSeconds") {
        if seconds > 2_147_483_647 {
            return Err(errors::invalid_parameter(
                "healthCheckGracePeriodSeconds must be between 0 and 2147483647.",
            ));
        }
        spec.health_check_grace_period_ms = seconds * 1000;
    }
    if let Some(enabled) = fields::flag(input, "enableExecuteCommand") {
        spec.enable_execute_command = enabled;
    }
    if let Some(rebalancing) = fields::text(input, "availabilityZoneRebalancing") {
        spec.zone_rebalancing = rebalancing == "ENABLED";
    }
    if fields::sent(input, "loadBalancers") {
        spec.load_balancers = load_balancers(platform, fields::list(input, "loadBalancers"))?;
    }
    if fields::sent(input, "serviceRegistries") {
        spec.registry = registry(platform, fields::list(input, "serviceRegistries"))?;
    }
    Ok(())
}

/// What the specification says about containers must be true of the definition (ERR-ECS-8).
pub(super) fn check_containers(
    spec: &ServiceSpec,
    definition: &Registered,
) -> Result<(), AwsError> {
    for balancer in &spec.load_balancers {
        let ServiceLoadBalancer { container: name, port, .. } = balancer;
        let Some(container) = definition.definition.container(name) else {
            return Err(errors::invalid_parameter(format!(
                "The container {name} does not exist in the task definition."
            )));
        };
        if !container.ports.iter().any(|p| p.container_port == *port) {
            return Err(errors::invalid_parameter(format!(
                "The container {name} did not have a container port {port} defined."
            )));
        }
    }
    Ok(())
}

/// The members to note, over what was noted before.
pub(super) fn noted(mut said: Value, input: &Value) -> Value {
    note::merge(&mut said, &note::members(input, NOTED));
    if let Some(alarms) = input.pointer("/deploymentConfiguration/alarms") {
        said["alarms"] = alarms.clone();
    }
    if fields::sent(input, "serviceRegistries")
        && let Some(said) = said.as_object_mut()
    {
        match fields::list(input, "serviceRegistries").first() {
            Some(registry) => drop(said.insert("serviceRegistry".to_owned(), registry.clone())),
            None => drop(said.remove("serviceRegistry")),
        }
    }
    said
}

/// ECS-DEP-1, ECS-CB-1. A member that was not sent keeps its value.
fn deployment_configuration(
    input: &Value,
    deployment: &mut DeploymentConfiguration,
) -> Result<(), AwsError> {
    let percent = |member: &str, now: u32| fields::small(input, member).unwrap_or(now);
    deployment.maximum_percent = percent("maximumPercent", deployment.maximum_percent);
    deployment.minimum_healthy_percent =
        percent("minimumHealthyPercent", deployment.minimum_healthy_percent);
    if let Some(breaker) = input.get("deploymentCircuitBreaker").filter(|b| !b.is_null()) {
        deployment.circuit_breaker = fields::flag(breaker, "enable").unwrap_or(false);
        deployment.rollback = fields::flag(breaker, "rollback").unwrap_or(false);
    }
    let DeploymentConfiguration { minimum_healthy_percent: low, maximum_percent: high, .. } =
        *deployment;
    if high < 100 || low > high {
        return Err(errors::invalid_parameter(format!(
            "minimumHealthyPercent {low} and maximumPercent {high} leave no room for tasks: maximumPercent must be at least 100 and not below minimumHealthyPercent."
        )));
    }
    Ok(())
}

/// Where tasks get their address, by name.
pub(super) struct Network {
    pub(super) subnets: Vec<String>,
    pub(super) security_groups: Vec<String>,
    pub(super) public_ip: bool,
}

/// ECS-NET-2, ERR-ECS-8.
pub(super) fn network_configuration(
    platform: &Platform,
    input: &Value,
) -> Result<Network, AwsError> {
    let Some(network) = input.get("awsvpcConfiguration").filter(|n| !n.is_null()) else {
        return Err(missing_network());
    };
    let subnets = fields::texts(network, "subnets");
    let groups = fields::texts(network, "securityGroups");
    if subnets.is_empty() {
        return Err(errors::invalid_parameter("subnets can not be empty."));
    }
    if subnets.len() > 16 {
        return Err(errors::invalid_parameter("subnets can have at most 16 items."));
    }
    if groups.len() > 5 {
        return Err(errors::invalid_parameter("securityGroups can have at most 5 items."));
    }
    let name = |id: &str| {
        names::subnet_name(platform, id).ok_or_else(|| {
            errors::invalid_parameter(format!(
                "Error retrieving subnet information for [{id}]: The subnet ID '{id}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
            ))
        })
    };
    let group = |id: &str| names::security_group_name(platform, id);
    Ok(Network {
        subnets: subnets.into_iter().map(name).collect::<Result<_, _>>()?,
        security_groups: groups.into_iter().map(group).collect(),
        public_ip: fields::text(network, "assignPublicIp") == Some("ENABLED"),
    })
}

/// ERR-ECS-8.
pub(super) fn missing_network() -> AwsError {
    errors::invalid_parameter(
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    )
}

/// ECS-SVC-17, ERR-ECS-8.
fn load_balancers(
    platform: &Platform,
    entries: &[Value],
) -> Result<Vec<ServiceLoadBalancer>, AwsError> {
    if entries.len() > 5 {
        return Err(errors::invalid_parameter("loadBalancers can have at most 5 items."));
    }
    let read = |entry: &Value| {
        if entry.get("advancedConfiguration").is_some_and(|a| !a.is_null()) {
            return Err(errors::unsupported(
                "Neargate has the deployment strategy ROLLING only: advancedConfiguration is not supported.",
            ));
        }
        let Some(arn) = fields::text(entry, "targetGroupArn") else {
            return Err(errors::invalid_parameter(
                "targetGroupArn must be given: Fargate tasks cannot be registered with a Classic Load Balancer.",
            ));
        };
        let Some(group) = elbv2::target_group(platform, arn) else {
            return Err(errors::invalid_parameter(format!(
                "The specified target group {arn} does not exist."
            )));
        };
        let kind = elbv2::target_type(platform, group);
        if kind != "ip" {
            return Err(errors::invalid_parameter(format!(
                "The target group {arn} has target type {kind}, which is incompatible with the awsvpc network mode specified in the task definition."
            )));
        }
        if elbv2::load_balancers_of(platform, &group.spec.name).next().is_none() {
            return Err(errors::invalid_parameter(format!(
                "The target group with targetGroupArn {arn} does not have an associated load balancer."
            )));
        }
        let container = fields::owned(entry, "containerName")
            .ok_or_else(|| errors::invalid_parameter("Container name must not be empty."))?;
        let port = fields::port(entry, "containerPort").ok_or_else(|| {
            errors::invalid_parameter("Container port must be between 1 and 65535.")
        })?;
        Ok(ServiceLoadBalancer { target_group: group.spec.name.clone(), container, port })
    };
    entries.iter().map(read).collect()
}

/// ECS-DISC-1.
fn registry(platform: &Platform, entries: &[Value]) -> Result<Option<ServiceRegistry>, AwsError> {
    let [entry] = entries else {
        return match entries {
            [] => Ok(None),
            _ => Err(errors::invalid_parameter("serviceRegistries can have at most 1 item.")),
        };
    };
    let arn = fields::text(entry, "registryArn").unwrap_or_default();
    let known = arn::parse(arn).and_then(|_| names::discovery(platform, arn));
    let Some(name) = known else {
        return Err(errors::invalid_parameter(format!(
            "The service registry '{arn}' does not exist."
        )));
    };
    let port = fields::port(entry, "port").or_else(|| fields::port(entry, "containerPort"));
    Ok(Some(ServiceRegistry { dns_name: name.spec.dns_name(), port }))
}
