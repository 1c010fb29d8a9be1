//! CreateService.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::platform::ServiceStatus;
use neargate_core::service::{DeploymentConfiguration, ServiceName, ServiceSpec};
use serde_json::{Value, json};

use super::service_settings::{self as settings, pinned};
use super::service_view::view;
use super::{capacity_providers, cluster, errors};
use crate::error::AwsError;
use crate::{Answer, arn, fields, note, tags};

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let service = fields::text(input, "serviceName").unwrap_or_default();
    check_name(service)?;
    settings::check_supported(input)?;
    let name = ServiceName { cluster: cluster.to_owned(), service: service.to_owned() };
    let Some(reference) = fields::text(input, "taskDefinition") else {
        return Err(errors::invalid_parameter("taskDefinition must not be empty."));
    };
    let definition = settings::definition(platform, reference)?;
    if !fields::sent(input, "desiredCount") {
        return Err(errors::invalid_parameter(
            "desiredCount must be given for a service with the REPLICA scheduling strategy.",
        ));
    }
    if !fields::sent(input, "networkConfiguration") {
        return Err(settings::missing_network());
    }
    let mut spec = ServiceSpec {
        name: name.clone(),
        task_definition: pinned(definition),
        desired_count: 0,
        deployment: DeploymentConfiguration::default(),
        capacity: Vec::new(),
        load_balancers: Vec::new(),
        registry: None,
        subnets: Vec::new(),
        security_groups: Vec::new(),
        public_ip: false,
        health_check_grace_period_ms: 0,
        zone_rebalancing: false,
        enable_execute_command: false,
        tags: tags::read(fields::list(input, "tags"), tags::SMALL),
    };
    if !fields::sent(input, "launchType") {
        let arn = arn::cluster(platform.identity(), cluster);
        let said = note::read(platform, &arn);
        let default = fields::list(&said, "defaultCapacityProviderStrategy");
        spec.capacity = capacity_providers::read_strategy(default)?;
    }
    settings::apply(platform, input, &mut spec)?;
    settings::check_containers(&spec, definition)?;
    if !fields::sent(input, "availabilityZoneRebalancing") {
        // ECS-SVC-5: on unless the percents leave it no room.
        spec.zone_rebalancing = spec.deployment.maximum_percent > 100;
    }
    let arn = arn::service(platform.identity(), cluster, service);
    let said = settings::noted(json!({}), input);
    if let Some(existing) = platform.service(&name) {
        if existing.status == ServiceStatus::Draining {
            return Err(errors::invalid_parameter(
                "Unable to Start a service that is still Draining.",
            ));
        }
        if existing.spec == spec && note::read(platform, &arn) == said {
            return Ok(Answer::Now(json!({ "service": view(platform, existing, true) })));
        }
        return Err(errors::invalid_parameter("Creation of service was not idempotent."));
    }
    let commands = vec![Command::PutService(Box::new(spec)), note::write(&arn, &said)];
    Answer::after(commands, move |platform| {
        let service = platform.service(&name).map(|s| view(platform, s, true));
        json!({ "service": service })
    })
}

fn check_name(name: &str) -> Result<(), AwsError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.is_empty() || name.len() > 255 || !name.bytes().all(fits) {
        return Err(errors::invalid_parameter(format!(
            "Invalid service name '{name}': 1 to 255 letters, numbers, underscores and hyphens are allowed."
        )));
    }
    Ok(())
}
