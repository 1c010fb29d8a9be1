//! Services: size, capacity and deployment.

use std::collections::BTreeMap;

use neargate_core::log_group::LogGroupSpec;
use neargate_core::service::{
    CapacityProvider, CapacityProviderStrategyItem, DeploymentConfiguration, ServiceName,
    ServiceRegistry, ServiceSpec, TaskDefinitionRef,
};
use neargate_core::task_definition::{
    ContainerDefinition, TaskDefinition, fargate_cpu_sizes, fargate_memory_sizes,
};

use crate::diagnostics::shown;
use crate::document::{self, Layer, Switch};
use crate::resolve::container::{self, Described, seconds};
use crate::resolve::network::default_group_name;
use crate::resolve::scaling;
use crate::resolve::scope::{Scope, tags, words};
use crate::resolve::target::{discovery, target_group};
use crate::structure::index;
use crate::suggest;
use crate::system::{Image, Network, Service};

/// What a service is described among.
pub(crate) struct Around<'a> {
    pub(crate) layer: &'a Layer,
    pub(crate) images: &'a BTreeMap<String, Image>,
    pub(crate) cluster: &'a str,
    pub(crate) network: Option<&'a Network>,
    /// Key to DNS name.
    pub(crate) namespaces: &'a BTreeMap<String, String>,
    /// The system's labels.
    pub(crate) tags: &'a BTreeMap<String, String>,
}

/// Two of ECS's fifty labels are Neargate's own (ECS-TD-28).
const MAX_TAGS: usize = 48;
/// ECS-TD-5.
const EPHEMERAL_STORAGE_GIB: u32 = 20;

/// Checks a service; `None` when too little of it is right to go on with.
pub(crate) fn resolve(
    key: &str,
    service: &document::Service,
    around: &Around<'_>,
    scope: &mut Scope<'_>,
) -> Option<Service> {
    let base = ["services", key];
    let at = |last| ["services", key, last];
    scope.name(&base, key, "a service key", 64, words::key_letter);
    let name = service.name.clone().unwrap_or_else(|| key.to_owned());
    let name_path = if service.name.is_some() { at("name").to_vec() } else { base.to_vec() };
    scope.name(&name_path, &name, "a service name", 255, words::key_letter);
    let family = service.family.clone().unwrap_or_else(|| name.clone());
    if service.family.is_some() {
        scope.name(&at("family"), &family, "a family", 255, words::key_letter);
    }
    let (cpu, memory) = size(key, service, scope);

    let described = containers(key, service, scope);
    let definitions: Vec<ContainerDefinition> =
        described.iter().map(|c| container::resolve(c, around.images, scope)).collect();
    container::together(&base, &described, &definitions, scope);
    shares(&described, cpu, memory, scope);
    let needs_role = definitions.iter().any(|d| d.log.is_some() || !d.secrets.is_empty());
    if needs_role && service.execution_role_arn.is_none() {
        // ECS-TD-4.
        let message = "`executionRoleArn` is missing; Fargate needs it for logs and secrets";
        scope.say(&base, message);
    }
    for (role, arn) in
        [("executionRoleArn", &service.execution_role_arn), ("taskRoleArn", &service.task_role_arn)]
    {
        if let Some(arn) = arn
            && !(arn.starts_with("arn:") && arn.contains(":iam::") && arn.contains(":role/"))
        {
            let message = format!(
                "{} is not the ARN of a role; expected arn:aws:iam::<account>:role/<name>",
                shown(arn)
            );
            scope.say(&at(role), &message);
        }
    }

    let mut labels = around.tags.clone();
    labels.extend(tags(&service.tags));
    if labels.len() > MAX_TAGS {
        let message = format!("has {} tags; expected at most {MAX_TAGS}", labels.len());
        scope.say(&at("tags"), &message);
    }
    let limits = scaling::limits(key, service, scope);
    scaling::check_tracking(key, service, scope);
    let desired_count = desired(key, service, limits, scope);
    let capacity = capacity(key, service, scope);
    let deployment = deployment(service);
    let zone_rebalancing = match service.availability_zone_rebalancing {
        // ECS-SVC-5: it needs room for one task more.
        Some(Switch::Enabled) if deployment.maximum_percent <= 100 => {
            let message = "ENABLED needs a maximumPercent above 100";
            scope.say(&at("availabilityZoneRebalancing"), message);
            true
        }
        Some(switch) => switch == Switch::Enabled,
        None => deployment.maximum_percent > 100,
    };
    let target = service.target_group.as_ref();
    let target = target.and_then(|t| target_group(key, &name, t, &described, &labels, scope));
    let port = target.as_ref().map(|(_, b)| b.port);
    let only_port = described.iter().flat_map(Described::ports).next();
    let discovery = discovery(key, service, around, port.or(only_port), scope);
    let subnets = subnets(&at("subnets"), service.subnets.as_deref(), around, scope);
    let security_groups =
        groups(&at("securityGroups"), service.security_groups.as_deref(), around, scope);
    let storage = service.ephemeral_storage.as_ref().and_then(|s| s.size_in_gib);

    let spec = ServiceSpec {
        name: ServiceName { cluster: around.cluster.to_owned(), service: name },
        task_definition: TaskDefinitionRef { family: family.clone(), revision: None },
        desired_count,
        deployment,
        capacity,
        load_balancers: target.iter().map(|(_, binding)| binding.clone()).collect(),
        registry: discovery
            .as_ref()
            .map(|(spec, port)| ServiceRegistry { dns_name: spec.dns_name(), port: *port }),
        subnets,
        security_groups,
        public_ip: false,
        health_check_grace_period_ms: seconds(
            service.health_check_grace_period_seconds.unwrap_or(0),
        ),
        zone_rebalancing,
        enable_execute_command: service.enable_execute_command.unwrap_or(false),
        tags: labels.clone(),
    };
    let task_definition = TaskDefinition {
        family,
        revision: 0,
        cpu: cpu?,
        memory_mib: memory?,
        containers: definitions,
        execution_role: service.execution_role_arn.clone(),
        task_role: service.task_role_arn.clone(),
        ephemeral_storage_gib: storage.unwrap_or(EPHEMERAL_STORAGE_GIB),
        tags: labels,
    };
    let group = target.as_ref().map(|(group, _)| group.name.as_str());
    let scaling = limits.map(|limits| scaling::resolve(&spec, service, limits, group));
    let mut log_groups: Vec<LogGroupSpec> = Vec::new();
    for group in described.iter().filter_map(container::log_group) {
        if !log_groups.contains(&group) {
            log_groups.push(group);
        }
    }
    Some(Service {
        key: key.to_owned(),
        spec,
        task_definition,
        target_group: target.map(|(group, _)| group),
        discovery: discovery.map(|(spec, _)| spec),
        scaling,
        alarms: Vec::new(),
        log_groups,
    })
}

fn containers<'a>(
    key: &'a str,
    service: &'a document::Service,
    scope: &mut Scope<'_>,
) -> Vec<Described<'a>> {
    if service.containers.is_empty() {
        return vec![Described {
            name: service.container_name.clone().unwrap_or_else(|| key.to_owned()),
            path: vec!["services", key],
            settings: &service.container,
            cpu: None,
            memory: None,
        }];
    }
    if service.container_name.is_some() && scope.has(&["services", key, "containerName"]) {
        let message = "names the one container of a service, but this one has `containers`";
        scope.say(&["services", key, "containerName"], message);
    }
    let order = scope.keys(&["services", key, "containers"]);
    order
        .iter()
        .filter_map(|name| service.containers.get_key_value(name))
        .map(|(name, container)| Described {
            name: name.clone(),
            path: vec!["services", key, "containers", name],
            settings: &container.settings,
            cpu: container.cpu,
            memory: container.memory,
        })
        .collect()
}

/// ECS-TD-1.
fn size(
    key: &str,
    service: &document::Service,
    scope: &mut Scope<'_>,
) -> (Option<u32>, Option<u32>) {
    let numbers = |sizes: Vec<u32>| {
        let texts: Vec<String> = sizes.iter().map(u32::to_string).collect();
        suggest::one_of(texts.iter().map(String::as_str))
    };
    let cpu_sizes = numbers(fargate_cpu_sizes());
    let cpu = scope.required(&["services", key, "cpu"], service.cpu.as_ref(), &cpu_sizes);
    let memory_sizes = match service.cpu.map(fargate_memory_sizes) {
        Some(sizes) if !sizes.is_empty() => numbers(sizes),
        _ => "MiB, e.g. 512".to_owned(),
    };
    let memory =
        scope.required(&["services", key, "memory"], service.memory.as_ref(), &memory_sizes);
    let Some(units) = cpu else { return (None, memory) };
    let sizes = fargate_memory_sizes(units);
    if sizes.is_empty() {
        let message = format!("{units} is not a Fargate CPU size; expected {cpu_sizes}");
        scope.say(&["services", key, "cpu"], &message);
    } else if let Some(mib) = memory
        && !sizes.contains(&mib)
    {
        let message = format!(
            "{mib} MiB does not go with {units} CPU units on Fargate; expected {}",
            numbers(sizes)
        );
        scope.say(&["services", key, "memory"], &message);
    }
    (cpu, memory)
}

/// What containers reserve must fit into the task.
fn shares(
    containers: &[Described<'_>],
    cpu: Option<u32>,
    memory: Option<u32>,
    scope: &mut Scope<'_>,
) {
    let mut left = u64::from(cpu.unwrap_or(u32::MAX));
    for container in containers {
        let mut path = container.path.clone();
        match left.checked_sub(container.cpu.unwrap_or(0).into()) {
            Some(rest) => left = rest,
            None => {
                path.push("cpu");
                let total = cpu.unwrap_or_default();
                let message = format!(
                    "all containers together reserve more than the task's {total} CPU units"
                );
                scope.say(&path, &message);
                return;
            }
        }
        if let (Some(own), Some(task)) = (container.memory, memory)
            && own > task
        {
            path.push("memory");
            let message =
                format!("{own} MiB is more than the task's {task} MiB; expected at most it");
            scope.say(&path, &message);
        }
    }
}

fn desired(
    key: &str,
    service: &document::Service,
    limits: Option<(u32, u32)>,
    scope: &mut Scope<'_>,
) -> u32 {
    let Some(desired) = service.desired_count else {
        return limits.map_or(1, |(min, _)| min);
    };
    if let Some((min, max)) = limits
        && min <= max
        && !(min..=max).contains(&desired)
    {
        let message = format!("{desired} is outside of scaling; expected {min} to {max}");
        scope.say(&["services", key, "desiredCount"], &message);
    }
    desired
}

/// ECS-CP-1; ranges are the schema's.
fn capacity(
    key: &str,
    service: &document::Service,
    scope: &mut Scope<'_>,
) -> Vec<CapacityProviderStrategyItem> {
    let path = ["services", key, "capacityProviderStrategy"];
    let Some(strategy) = &service.capacity_provider_strategy else { return Vec::new() };
    let mut items: Vec<CapacityProviderStrategyItem> = Vec::new();
    let mut based = false;
    for (number, item) in strategy.iter().enumerate() {
        let at = |last| ["services", key, "capacityProviderStrategy", index(number), last];
        let provider = match item.capacity_provider {
            document::CapacityProvider::Fargate => CapacityProvider::Fargate,
            document::CapacityProvider::FargateSpot => CapacityProvider::FargateSpot,
        };
        if items.iter().any(|other| other.provider == provider) {
            let message = format!("{} stands twice; expected each once", provider.as_str());
            scope.say(&at("capacityProvider"), &message);
        }
        if item.base > 0 && std::mem::replace(&mut based, true) {
            scope.say(&at("base"), "a second base; expected one on a single capacity provider");
        }
        items.push(CapacityProviderStrategyItem { provider, base: item.base, weight: item.weight });
    }
    if items.is_empty() {
        scope.say(&path, "is empty; expected at least one capacity provider");
    } else if items.iter().all(|item| item.weight == 0) {
        scope.say(&path, "all weights are 0, so no task can be placed; expected one above 0");
    }
    items
}

fn deployment(service: &document::Service) -> DeploymentConfiguration {
    let unset = DeploymentConfiguration::default();
    let Some(described) = &service.deployment_configuration else { return unset };
    let breaker = described.deployment_circuit_breaker.as_ref();
    DeploymentConfiguration {
        minimum_healthy_percent: described
            .minimum_healthy_percent
            .unwrap_or(unset.minimum_healthy_percent),
        maximum_percent: described.maximum_percent.unwrap_or(unset.maximum_percent),
        circuit_breaker: breaker.and_then(|b| b.enable).unwrap_or(false),
        rollback: breaker.and_then(|b| b.rollback).unwrap_or(false),
    }
}

/// Full names of the subnets.
pub(crate) fn subnets(
    path: &[&str],
    keys: Option<&[String]>,
    around: &Around<'_>,
    scope: &mut Scope<'_>,
) -> Vec<String> {
    let Some(network) = &around.layer.network else { return Vec::new() };
    if keys.unwrap_or_default().is_empty() {
        let (last, before) = path.split_last().unwrap_or((&"", &[]));
        let message = format!("`{last}` is missing; expected at least one subnet of the network");
        scope.say(before, &message);
    }
    let known: Vec<&str> = network.subnets.keys().map(String::as_str).collect();
    full_names(path, "subnet", keys.unwrap_or_default(), &known, around, scope)
}

/// Full names of the security groups; the network's default group when none is named.
pub(crate) fn groups(
    path: &[&str],
    keys: Option<&[String]>,
    around: &Around<'_>,
    scope: &mut Scope<'_>,
) -> Vec<String> {
    let Some(network) = &around.layer.network else { return Vec::new() };
    let keys = keys.unwrap_or_default();
    if let (true, Some(network)) = (keys.is_empty(), around.network) {
        return vec![default_group_name(&network.name)];
    }
    let known: Vec<&str> = network.security_groups.keys().map(String::as_str).collect();
    full_names(path, "security group", keys, &known, around, scope)
}

fn full_names(
    path: &[&str],
    what: &str,
    keys: &[String],
    known: &[&str],
    around: &Around<'_>,
    scope: &mut Scope<'_>,
) -> Vec<String> {
    let network = around.network.map(|network| network.name.as_str()).unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let mut path = path.to_vec();
        path.push(index(number));
        let name = format!("{network}-{key}");
        if !known.contains(&key.as_str()) {
            scope.unknown(&path, what, key, known.iter().copied());
        } else if names.contains(&name) {
            scope.say(&path, &format!("the {what} {} stands twice", shown(key)));
        } else {
            names.push(name);
        }
    }
    names
}
