//! UpdateService.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::platform::Service;
use neargate_core::service::{ServiceSpec, TaskDefinitionRef};
use serde_json::{Value, json};

use super::service_settings::{self as settings, pinned};
use super::service_view::{revision, view};
use super::{active_service, cluster, errors, service_name};
use crate::error::AwsError;
use crate::{Answer, arn, fields, note};

pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let name = service_name(cluster, fields::text(input, "service").unwrap_or_default());
    let service = active_service(platform, &name)?;
    settings::check_supported(input)?;
    let before = current(service);
    let mut spec = before.clone();
    if let Some(reference) = fields::text(input, "taskDefinition") {
        spec.task_definition = pinned(settings::definition(platform, reference)?);
    }
    settings::apply(platform, input, &mut spec)?;
    let arn = arn::service(platform.identity(), &name.cluster, &name.service);
    let old_note = note::read(platform, &arn);
    let said = settings::noted(old_note.clone(), input);
    let force = fields::flag(input, "forceNewDeployment").unwrap_or(false)
        || restarts(&old_note) != restarts(&said);

    let scaled = ServiceSpec { desired_count: spec.desired_count, ..before.clone() };
    let mut commands = Vec::new();
    if spec == scaled {
        if spec.desired_count != before.desired_count {
            let desired_count = spec.desired_count;
            commands.push(Command::Scale { service: name.clone(), desired_count });
        }
    } else {
        let TaskDefinitionRef { family, revision } = &spec.task_definition;
        let number = revision.unwrap_or_default();
        let Some(definition) = platform.task_definition(family, number) else {
            return Err(errors::task_definition_not_found());
        };
        if !definition.active {
            return Err(errors::task_definition_inactive());
        }
        settings::check_containers(&spec, definition)?;
        commands.push(Command::PutService(Box::new(spec.clone())));
    }
    // One deployment, not two, when a change starts one already (ECS-DEP-10).
    if force && !starts_deployment(&before, &spec) {
        let service = name.clone();
        commands.push(Command::Deploy { service, task_definition: None, force: true });
    }
    if said != old_note {
        commands.push(note::write(&arn, &said));
    }
    Answer::after(commands, move |platform| {
        let service = platform.service(&name).map(|s| view(platform, s, true));
        json!({ "service": service })
    })
}

/// The specification with what really runs: after a rollback the last request is not it.
fn current(service: &Service) -> ServiceSpec {
    let mut spec = service.spec.clone();
    if let Some(revision) = revision(service) {
        spec.task_definition = TaskDefinitionRef {
            family: revision.definition.family.clone(),
            revision: Some(revision.definition.revision),
        };
        spec.subnets.clone_from(&revision.subnets);
        spec.security_groups.clone_from(&revision.security_groups);
        spec.public_ip = revision.public_ip;
        spec.load_balancers.clone_from(&revision.load_balancers);
        spec.registry.clone_from(&revision.registry);
    }
    spec
}

/// ECS-DEP-10, of what makes up a revision.
fn starts_deployment(before: &ServiceSpec, after: &ServiceSpec) -> bool {
    before.task_definition != after.task_definition
        || before.subnets != after.subnets
        || before.security_groups != after.security_groups
        || before.public_ip != after.public_ip
        || before.load_balancers != after.load_balancers
        || before.registry != after.registry
}

/// ECS-DEP-10, of what is only noted here.
fn restarts(note: &Value) -> [&Value; 2] {
    ["platformVersion", "serviceConnectConfiguration"].map(|m| &note[m])
}
