//! Tags on clusters, services and task definitions (ECS-TD-28).

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::platform::Registered;
use neargate_core::service::ServiceName;
use serde_json::{Value, json};

use super::task_definitions::{self, Found};
use super::{active_service, errors, service_name};
use crate::error::{self, AwsError};
use crate::{Answer, arn, fields, note, tags};

/// At most so many tags on one thing.
const MAX_TAGS: usize = 50;

/// A revision is never changed, so later tags on it are noted.
pub(super) fn of_task_definition(
    platform: &Platform,
    registered: &Registered,
) -> BTreeMap<String, String> {
    let definition = &registered.definition;
    let arn = arn::task_definition(platform.identity(), &definition.family, definition.revision);
    let said = note::read(platform, &arn);
    if said.get("retagged").is_some() { tags::noted(&said) } else { definition.tags.clone() }
}

/// What carries tags.
enum Tagged {
    Cluster,
    Service(ServiceName),
    TaskDefinition,
}

fn find(
    platform: &Platform,
    input: &Value,
) -> Result<(String, Tagged, BTreeMap<String, String>), AwsError> {
    let arn = fields::text(input, "resourceArn").unwrap_or_default().to_owned();
    let not_found =
        || error::client("ResourceNotFoundException", format!("The resource {arn} was not found."));
    if let Some(name) = arn::resource(&arn, "ecs", "cluster") {
        if !platform.has_cluster(name) {
            return Err(errors::cluster_not_found());
        }
        let own = tags::noted(&note::read(platform, &arn));
        return Ok((arn, Tagged::Cluster, own));
    }
    if arn::resource(&arn, "ecs", "service").is_some() {
        let service = active_service(platform, &service_name("default", &arn))?;
        let (name, own) = (service.spec.name.clone(), service.spec.tags.clone());
        return Ok((arn, Tagged::Service(name), own));
    }
    if arn::resource(&arn, "ecs", "task-definition").is_some() {
        let Found::Revision(registered) = task_definitions::find(platform, &arn) else {
            return Err(not_found());
        };
        let own = of_task_definition(platform, registered);
        return Ok((arn, Tagged::TaskDefinition, own));
    }
    Err(match arn::parse(&arn) {
        Some(("ecs", _)) => not_found(),
        _ => errors::invalid_parameter(format!("Invalid resource ARN: {arn}")),
    })
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, _, own) = find(platform, input)?;
    Ok(Answer::Now(json!({ "tags": tags::write(&own, tags::SMALL) })))
}

fn change(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<Answer, AwsError> {
    let (arn, tagged, mut own) = find(platform, input)?;
    change(&mut own);
    if own.len() > MAX_TAGS {
        return Err(errors::invalid_parameter(format!(
            "A resource can have at most {MAX_TAGS} tags."
        )));
    }
    let command = match tagged {
        Tagged::Cluster => {
            let mut said = note::read(platform, &arn);
            tags::note(&mut said, &own);
            note::write(&arn, &said)
        }
        Tagged::TaskDefinition => {
            let mut said = note::read(platform, &arn);
            tags::note(&mut said, &own);
            said["retagged"] = json!(true);
            note::write(&arn, &said)
        }
        Tagged::Service(service) => Command::TagService { service, tags: own },
    };
    Answer::after(vec![command], |_| json!({}))
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let new = tags::read(fields::list(input, "tags"), tags::SMALL);
    change(platform, input, |own| own.extend(new))
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let keys = fields::texts(input, "tagKeys");
    change(platform, input, |own| own.retain(|key, _| !keys.contains(&key.as_str())))
}
