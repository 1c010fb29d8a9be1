//! DescribeServices, ListServices, DeleteService.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::platform::ServiceStatus;
use serde_json::{Value, json};

use super::service_view::view;
use super::{active_service, cluster, described_service, errors, missing, page, service_name};
use crate::error::AwsError;
use crate::{Answer, arn, fields, names, note};

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let asked = fields::texts(input, "services");
    if asked.is_empty() {
        return Err(errors::invalid_parameter("Services cannot be empty."));
    }
    if asked.len() > 10 {
        return Err(errors::invalid_parameter("Services cannot have more than 10 elements."));
    }
    let with_tags = fields::wants_tags(input);
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for asked in asked {
        let name = service_name(cluster, asked);
        match described_service(platform, &name) {
            Some(service) => services.push(view(platform, service, with_tags)),
            None => {
                let arn = arn::service(platform.identity(), &name.cluster, &name.service);
                failures.push(missing(arn));
            }
        }
    }
    Ok(Answer::Now(json!({ "services": services, "failures": failures })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let fargate = fields::text(input, "launchType").is_none_or(|t| t == "FARGATE");
    let replica = fields::text(input, "schedulingStrategy").is_none_or(|s| s == "REPLICA");
    let customer = fields::text(input, "resourceManagementType").is_none_or(|t| t == "CUSTOMER");
    let mut arns: Vec<String> = platform
        .services()
        .filter(|s| s.status != ServiceStatus::Inactive && s.spec.name.cluster == cluster)
        .filter(|_| fargate && replica && customer)
        .map(|s| arn::service(platform.identity(), cluster, &s.spec.name.service))
        .collect();
    arns.sort();
    // ECS-SVC-16: ten unless asked otherwise.
    let page = page(input, arns, String::clone, false, 10)?;
    Ok(Answer::Now(super::arns("serviceArns", page)))
}

/// Services that are in a namespace by Service Connect, in every cluster.
pub(super) fn list_by_namespace(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = fields::text(input, "namespace").unwrap_or_default();
    let identity = platform.identity();
    // By name, by id or by ARN, and so may the service say it.
    let id = |namespace: &str| match arn::resource(namespace, "servicediscovery", "namespace") {
        Some(id) => id.to_owned(),
        None if namespace.starts_with("ns-") => namespace.to_owned(),
        None => names::namespace_id(namespace),
    };
    let wanted = id(asked);
    let mut arns: Vec<String> = platform
        .services()
        .filter(|s| s.status != ServiceStatus::Inactive)
        .map(|s| arn::service(identity, &s.spec.name.cluster, &s.spec.name.service))
        .filter(|arn| {
            let said = note::read(platform, arn);
            let connect = said.get("serviceConnectConfiguration").unwrap_or(&Value::Null);
            fields::text(connect, "namespace").is_some_and(|own| id(own) == wanted)
        })
        .collect();
    arns.sort();
    let page = page(input, arns, String::clone, false, 10)?;
    Ok(Answer::Now(super::arns("serviceArns", page)))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let name = service_name(cluster, fields::text(input, "service").unwrap_or_default());
    let service = active_service(platform, &name)?;
    let force = fields::flag(input, "force").unwrap_or(false);
    if service.spec.desired_count > 0 && !force {
        return Err(errors::invalid_parameter(
            "The service cannot be stopped while it is scaled above 0.",
        ));
    }
    // Tasks that are stopping already do not keep a service scaled to 0: it drains with them
    // (ECS-SVC-1).
    let commands = vec![Command::DeleteService { service: name.clone(), force: true }];
    Answer::after(commands, move |platform| {
        let service = described_service(platform, &name).map(|s| view(platform, s, true));
        json!({ "service": service })
    })
}
