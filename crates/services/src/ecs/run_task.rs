//! RunTask: tasks that belong to no service.

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::platform::Registered;
use neargate_core::run_task::{ContainerOverrides, MAX_COUNT, RunTask, TaskOverrides};
use neargate_core::service::CapacityProviderStrategyItem;
use neargate_core::task::Task;
use neargate_core::task_definition::is_fargate_size;
use serde_json::{Value, json};

use super::service_settings as settings;
use super::task_definitions::{self, Found};
use super::task_view::view;
use super::{capacity_providers, cluster, container_definition, errors, register, tagging};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields, note, tags};

/// Why fewer tasks than asked for were started (ERR-ECS-12).
const NO_CAPACITY: &str = "Capacity is unavailable at this time. Please try again later or in a different availability zone";

pub(super) fn run(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?.to_owned();
    settings::check_supported(input)?;
    let definition = definition(platform, input)?;
    let mut ids = Ids::of(platform);
    // Without a token every request is another one.
    let token = fields::owned(input, "clientToken").unwrap_or_else(|| ids.uuid());
    let run = read(platform, input, &cluster, definition, token.clone())?;
    let mut before = platform.tasks_of_run(&cluster, &token);
    if let Some(earlier) = before.next() {
        if earlier.run.as_deref() == Some(&run) {
            return Ok(Answer::Now(answer(platform, &run)));
        }
        return Err(error::client(
            "ConflictException",
            "The RunTask request could not be processed due to conflicts: the clientToken was used with other parameters.",
        ));
    }
    run.overrides.apply(&definition.definition).map_err(|r| errors::refused(&r))?;
    let commands = vec![Command::RunTask(Box::new(run.clone())), ids.taken()];
    Answer::after(commands, move |platform| answer(platform, &run))
}

/// The tasks that there was room for, and a failure for each other one (ERR-ECS-12).
fn answer(platform: &Platform, run: &RunTask) -> Value {
    let tasks: Vec<&Task> = platform.tasks_of_run(&run.cluster, &run.token).collect();
    let missing = (run.count as usize).saturating_sub(tasks.len());
    let failures = vec![json!({ "reason": NO_CAPACITY }); missing];
    let tasks: Vec<Value> = tasks.into_iter().map(|task| view(platform, task, true)).collect();
    json!({ "tasks": tasks, "failures": failures })
}

/// ERR-ECS-6, ERR-ECS-7.
fn definition<'a>(platform: &'a Platform, input: &Value) -> Result<&'a Registered, AwsError> {
    let reference = fields::text(input, "taskDefinition").unwrap_or_default();
    match task_definitions::find(platform, reference) {
        Found::Unknown => Err(errors::task_definition_not_found()),
        Found::Revision(found) if !found.active => {
            Err(errors::invalid_parameter("TaskDefinition is inactive"))
        }
        Found::Revision(found) => Ok(found),
    }
}

fn read(
    platform: &Platform,
    input: &Value,
    cluster: &str,
    definition: &Registered,
    token: String,
) -> Result<RunTask, AwsError> {
    let count = fields::small(input, "count").or((!fields::sent(input, "count")).then_some(1));
    let Some(count) = count.filter(|count| (1..=MAX_COUNT).contains(count)) else {
        return Err(errors::invalid_parameter(format!("count must be between 1 and {MAX_COUNT}.")));
    };
    if token.len() > 64 {
        return Err(errors::invalid_parameter("clientToken can be up to 64 characters."));
    }
    let Some(network) = input.get("networkConfiguration").filter(|n| !n.is_null()) else {
        return Err(settings::missing_network());
    };
    let network = settings::network_configuration(platform, network)?;
    let group = fields::owned(input, "group");
    if group.as_deref().is_some_and(|group| group.starts_with("service:")) {
        return Err(errors::invalid_parameter(
            "Group name cannot start with 'service:' or 'daemon:' as those are reserved.",
        ));
    }
    let started_by = fields::owned(input, "startedBy");
    if started_by.as_deref().is_some_and(|by| by.len() > 128) {
        return Err(errors::invalid_parameter("startedBy can be up to 128 characters."));
    }
    Ok(RunTask {
        cluster: cluster.to_owned(),
        task_definition: settings::pinned(definition),
        count,
        capacity: capacity(platform, input, cluster)?,
        subnets: network.subnets,
        security_groups: network.security_groups,
        public_ip: network.public_ip,
        overrides: overrides(input.get("overrides").unwrap_or(&Value::Null), definition)?,
        group,
        started_by,
        token,
        enable_execute_command: fields::flag(input, "enableExecuteCommand").unwrap_or(false),
        tags: task_tags(platform, input, cluster, definition)?,
    })
}

/// The strategy that was sent, else the launch type that was sent, else the cluster's strategy.
fn capacity(
    platform: &Platform,
    input: &Value,
    cluster: &str,
) -> Result<Vec<CapacityProviderStrategyItem>, AwsError> {
    let sent = fields::list(input, "capacityProviderStrategy");
    if !sent.is_empty() || fields::sent(input, "launchType") {
        return capacity_providers::read_strategy(sent);
    }
    let said = note::read(platform, &arn::cluster(platform.identity(), cluster));
    capacity_providers::read_strategy(fields::list(&said, "defaultCapacityProviderStrategy"))
}

/// ECS-TD-28.
fn task_tags(
    platform: &Platform,
    input: &Value,
    cluster: &str,
    definition: &Registered,
) -> Result<BTreeMap<String, String>, AwsError> {
    let mut own = match fields::text(input, "propagateTags") {
        Some("TASK_DEFINITION") => tagging::of_task_definition(platform, definition),
        Some("SERVICE") => {
            return Err(errors::invalid_parameter(
                "Tags can be propagated to a standalone task from its task definition only.",
            ));
        }
        _ => BTreeMap::new(),
    };
    own.extend(tags::read(fields::list(input, "tags"), tags::SMALL));
    if fields::flag(input, "enableECSManagedTags").unwrap_or(false) {
        own.insert("aws:ecs:clusterName".to_owned(), cluster.to_owned());
    }
    Ok(own)
}

/// What the run changes of its definition.
fn overrides(input: &Value, definition: &Registered) -> Result<TaskOverrides, AwsError> {
    if !fields::list(input, "inferenceAcceleratorOverrides").is_empty() {
        return Err(errors::client("Fargate does not support inferenceAccelerators."));
    }
    let size = |member: &str, word: &str| {
        let invalid = || errors::client(format!("Invalid '{member}' setting for task."));
        let read = |text: &str| register::units(text, word).ok_or_else(invalid);
        fields::text(input, member).map(read).transpose()
    };
    let (cpu, memory_mib) = (size("cpu", "vcpu")?, size("memory", "gb")?);
    let now = (
        cpu.unwrap_or(definition.definition.cpu),
        memory_mib.unwrap_or(definition.definition.memory_mib),
    );
    if !is_fargate_size(now.0, now.1) {
        return Err(errors::client(format!(
            "No Fargate configuration exists for given values: {} CPU, {} memory. See the Amazon ECS documentation for the valid values.",
            now.0, now.1
        )));
    }
    let storage = fields::sent(input, "ephemeralStorage");
    let container = |input: &Value| {
        let name = fields::owned(input, "name")
            .ok_or_else(|| errors::client("Container override must name its container."))?;
        for member in ["environmentFiles", "resourceRequirements"] {
            if !fields::list(input, member).is_empty() {
                return Err(errors::unsupported(format!(
                    "Neargate does not support {member} of a container override."
                )));
            }
        }
        Ok(ContainerOverrides {
            name,
            command: fields::sent(input, "command")
                .then(|| container_definition::strings(input, "command"))
                .filter(|command| !command.is_empty()),
            environment: container_definition::pairs(input, "environment", "value"),
            cpu: fields::small(input, "cpu"),
            memory_mib: fields::small(input, "memory"),
        })
    };
    Ok(TaskOverrides {
        cpu,
        memory_mib,
        task_role: fields::owned(input, "taskRoleArn"),
        execution_role: fields::owned(input, "executionRoleArn"),
        ephemeral_storage_gib: match storage {
            true => Some(register::ephemeral_storage(input)?),
            false => None,
        },
        containers: fields::list(input, "containerOverrides")
            .iter()
            .map(container)
            .collect::<Result<_, _>>()?,
    })
}
