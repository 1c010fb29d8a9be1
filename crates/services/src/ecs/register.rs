//! RegisterTaskDefinition: what Fargate takes, and in which words it refuses the rest (ERR-ECS-10).

use std::collections::BTreeSet;

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::task_definition::{
    ContainerDefinition, DependencyCondition, TaskDefinition, is_fargate_size,
};
use serde_json::{Value, json};

use super::container_definition;
use super::errors::{client, unsupported};
use super::task_definition_view::view;
use crate::error::AwsError;
use crate::{Answer, arn, fields, note, tags};

/// Members kept as they were sent.
const NOTED: &[&str] = &[
    "volumes",
    "runtimePlatform",
    "requiresCompatibilities",
    "pidMode",
    "proxyConfiguration",
    "ephemeralStorage",
    "enableFaultInjection",
];

pub(super) fn register(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let definition = read(input)?;
    let family = definition.family.clone();
    let revision = platform.next_revision(&family);
    let arn = arn::task_definition(platform.identity(), &family, revision);
    let mut said = note::members(input, NOTED);
    said["containerDefinitions"] = fields::list(input, "containerDefinitions")
        .iter()
        .map(container_definition::complete)
        .collect();
    let commands =
        vec![Command::RegisterTaskDefinition(Box::new(definition)), note::write(&arn, &said)];
    Answer::after(commands, move |platform| {
        let registered = platform.task_definition(&family, revision);
        let tags = registered.map(|r| tags::write(&r.definition.tags, tags::SMALL));
        json!({ "taskDefinition": registered.map(|r| view(platform, r)), "tags": tags })
    })
}

fn read(input: &Value) -> Result<TaskDefinition, AwsError> {
    let family = fields::text(input, "family").unwrap_or_default();
    check_family(family)?;
    if fields::texts(input, "requiresCompatibilities").contains(&"EXTERNAL") {
        return Err(unsupported("Neargate runs tasks on Fargate only, not on external instances."));
    }
    if fields::text(input, "networkMode").is_some_and(|mode| mode != "awsvpc") {
        return Err(client("Fargate only supports network mode \u{2018}awsvpc\u{2019}."));
    }
    let (cpu, memory_mib) = size(input)?;
    let containers = fields::list(input, "containerDefinitions");
    if containers.is_empty() {
        return Err(client("Container list cannot be empty."));
    }
    let containers: Vec<ContainerDefinition> =
        containers.iter().map(container_definition::read).collect::<Result<_, _>>()?;
    check_containers(&containers)?;
    let execution_role = fields::owned(input, "executionRoleArn");
    if execution_role.is_none() {
        if containers.iter().any(|c| c.log.is_some()) {
            return Err(client(
                "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
            ));
        }
        if containers.iter().any(|c| !c.secrets.is_empty()) {
            return Err(client(
                "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
            ));
        }
    }
    check_platform(input)?;
    Ok(TaskDefinition {
        family: family.to_owned(),
        revision: 0,
        cpu,
        memory_mib,
        containers,
        execution_role,
        task_role: fields::owned(input, "taskRoleArn"),
        ephemeral_storage_gib: ephemeral_storage(input)?,
        tags: tags::read(fields::list(input, "tags"), tags::SMALL),
    })
}

/// ECS-TD-7.
fn check_family(family: &str) -> Result<(), AwsError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if family.is_empty() {
        return Err(client("Family should not be null or empty."));
    }
    if family.len() > 255 || !family.bytes().all(fits) {
        return Err(client(format!(
            "Invalid family name '{family}': up to 255 letters, numbers, hyphens and underscores are allowed."
        )));
    }
    Ok(())
}

/// ECS-TD-1, ECS-TD-3: `256` or `.25 vCPU`, `512` or `0.5GB`.
fn size(input: &Value) -> Result<(u32, u32), AwsError> {
    let required = |member: &str| {
        fields::text(input, member).ok_or_else(|| {
            client(format!("Fargate requires that '{member}' be defined at the task level."))
        })
    };
    let invalid = |member: &str| {
        client(format!(
            "Invalid '{member}' setting for task. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
        ))
    };
    let cpu = units(required("cpu")?, "vcpu").ok_or_else(|| invalid("cpu"))?;
    let memory = units(required("memory")?, "gb").ok_or_else(|| invalid("memory"))?;
    if !is_fargate_size(cpu, memory) {
        return Err(client(format!(
            "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
        )));
    }
    Ok((cpu, memory))
}

/// A number of units, or of 1024 units when followed by the word for them.
pub(super) fn units(text: &str, word: &str) -> Option<u32> {
    let text = text.trim().to_ascii_lowercase();
    match text.strip_suffix(word) {
        None => text.parse().ok(),
        Some(number) => {
            let units = number.trim().parse::<f64>().ok()? * 1024.0;
            (units.fract() == 0.0 && (1.0..1e9).contains(&units)).then_some(units as u32)
        }
    }
}

/// ECS-TD-5.
pub(super) fn ephemeral_storage(input: &Value) -> Result<u32, AwsError> {
    let storage = input.get("ephemeralStorage").unwrap_or(&Value::Null);
    match fields::small(storage, "sizeInGiB") {
        None => Ok(20),
        Some(size @ 21..=200) => Ok(size),
        Some(0..21) => Err(client("EphemeralStorage size should be at least 21")),
        Some(_) => Err(client("EphemeralStorage size should be at most 200")),
    }
}

/// ECS-TD-30: images run as they are on this machine's processor.
fn check_platform(input: &Value) -> Result<(), AwsError> {
    let platform = input.get("runtimePlatform").unwrap_or(&Value::Null);
    match fields::text(platform, "operatingSystemFamily") {
        None | Some("LINUX") => Ok(()),
        Some(other) => {
            Err(unsupported(format!("Neargate runs Linux containers only, not {other}.")))
        }
    }
}

/// ECS-TD-9, ECS-TD-10.
fn check_containers(containers: &[ContainerDefinition]) -> Result<(), AwsError> {
    if !containers.iter().any(|c| c.essential) {
        return Err(client("At least one container in the task definition must be essential."));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = containers.iter().find(|c| !names.insert(c.name.as_str())) {
        return Err(client(format!("Container name '{}' is used more than once.", twice.name)));
    }
    for container in containers {
        let invalid = |why: String| {
            client(format!("Invalid setting for container '{}'. {why}", container.name))
        };
        for dependency in &container.depends_on {
            let needed = &dependency.container;
            let Some(other) = containers.iter().find(|c| c.name == *needed) else {
                return Err(invalid(format!("It depends on '{needed}', which does not exist.")));
            };
            match dependency.condition {
                DependencyCondition::Healthy if other.health_check.is_none() => {
                    return Err(invalid(format!(
                        "It waits for '{needed}' to be HEALTHY, but '{needed}' has no health check."
                    )));
                }
                DependencyCondition::Complete | DependencyCondition::Success if other.essential => {
                    return Err(invalid(format!(
                        "It waits for '{needed}' to end, but '{needed}' is essential."
                    )));
                }
                _ => {}
            }
        }
    }
    check_cycles(containers)
}

fn check_cycles(containers: &[ContainerDefinition]) -> Result<(), AwsError> {
    let mut started: BTreeSet<&str> = BTreeSet::new();
    loop {
        let ready: Vec<&str> = containers
            .iter()
            .filter(|c| !started.contains(c.name.as_str()))
            .filter(|c| c.depends_on.iter().all(|d| started.contains(d.container.as_str())))
            .map(|c| c.name.as_str())
            .collect();
        if ready.is_empty() {
            break;
        }
        started.extend(ready);
    }
    match containers.iter().find(|c| !started.contains(c.name.as_str())) {
        None => Ok(()),
        Some(container) => Err(client(format!(
            "Invalid setting for container '{}'. Its dependencies lead back to itself.",
            container.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::units;

    /// ECS-TD-3.
    #[test]
    fn ecs_td_3_sizes_with_words() {
        for (text, word, expected) in [
            ("256", "vcpu", Some(256)),
            ("1 vCPU", "vcpu", Some(1024)),
            (".5 vcpu", "vcpu", Some(512)),
            (".25vCPU", "vcpu", Some(256)),
            ("2GB", "gb", Some(2048)),
            ("0.5 GB", "gb", Some(512)),
            ("-1 GB", "gb", None),
            ("NaN GB", "gb", None),
            ("lots", "gb", None),
            ("1.00001 GB", "gb", None),
        ] {
            assert_eq!(units(text, word), expected, "{text}");
        }
    }
}
