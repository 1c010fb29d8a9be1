//! A container definition between the API's JSON and the core: read and checked, completed with
//! ECS's defaults for reading back, and written for definitions that came another way.

use std::collections::BTreeMap;

use neargate_core::task_definition::{
    ContainerDefinition, ContainerHealthCheck, DEFAULT_STOP_TIMEOUT_MS, Dependency,
    DependencyCondition, LogConfiguration, LogDelivery, LogMultiline, MAX_STOP_TIMEOUT_MS,
    PortMapping, RestartPolicy,
};
use neargate_core::time::SECOND;
use serde_json::{Value, json};

use super::errors::client;
use crate::error::AwsError;
use crate::fields;

/// The container's part of a registration.
pub(super) fn read(input: &Value) -> Result<ContainerDefinition, AwsError> {
    let name = fields::text(input, "name")
        .ok_or_else(|| client("Container.name should not be null or empty."))?;
    let image = fields::text(input, "image")
        .ok_or_else(|| client("Container.image should not be null or empty."))?;
    let mut container = ContainerDefinition::new(name, image);
    container.essential = fields::flag(input, "essential").unwrap_or(true);
    container.cpu = fields::small(input, "cpu").unwrap_or(0);
    container.memory_mib = fields::small(input, "memory");
    container.ports = fields::list(input, "portMappings")
        .iter()
        .map(|mapping| port(name, mapping))
        .collect::<Result<_, _>>()?;
    container.entry_point = strings(input, "entryPoint");
    container.command = strings(input, "command");
    container.environment = pairs(input, "environment", "value");
    container.secrets = pairs(input, "secrets", "valueFrom");
    container.depends_on = fields::list(input, "dependsOn").iter().filter_map(dependency).collect();
    container.health_check =
        input.get("healthCheck").filter(|c| !c.is_null()).map(|c| check(name, c)).transpose()?;
    container.start_timeout_ms = fields::number(input, "startTimeout").map(|s| s * SECOND);
    container.stop_timeout_ms =
        fields::number(input, "stopTimeout").map_or(DEFAULT_STOP_TIMEOUT_MS, |s| s * SECOND);
    if container.stop_timeout_ms > MAX_STOP_TIMEOUT_MS {
        return Err(client(format!(
            "Invalid setting for container '{name}'. The value of 'stopTimeout' must be at most 120 seconds on Fargate."
        )));
    }
    container.log = log(name, input)?;
    container.restart_policy = restart_policy(input);
    container.nofile = nofile(name, input)?;
    container.user = fields::owned(input, "user");
    container.working_directory = fields::owned(input, "workingDirectory");
    container.readonly_root = fields::flag(input, "readonlyRootFilesystem").unwrap_or(false);
    let linux = input.get("linuxParameters").unwrap_or(&Value::Null);
    container.init_process = fields::flag(linux, "initProcessEnabled").unwrap_or(false);
    for member in ["privileged", "links", "extraHosts"] {
        let value = input.get(member).unwrap_or(&Value::Null);
        if *value == json!(true) || value.as_array().is_some_and(|list| !list.is_empty()) {
            return Err(client(format!(
                "Invalid setting for container '{name}'. Fargate does not support '{member}'."
            )));
        }
    }
    Ok(container)
}

pub(super) fn strings(input: &Value, member: &str) -> Vec<String> {
    fields::texts(input, member).into_iter().map(str::to_owned).collect()
}

pub(super) fn pairs(input: &Value, member: &str, value: &str) -> BTreeMap<String, String> {
    let pair = |entry: &Value| {
        let text = entry.get(value).and_then(Value::as_str).unwrap_or_default();
        Some((fields::owned(entry, "name")?, text.to_owned()))
    };
    fields::list(input, member).iter().filter_map(pair).collect()
}

/// ECS-TD-26, ERR-ECS-10.
fn port(container: &str, mapping: &Value) -> Result<PortMapping, AwsError> {
    let Some(container_port) = fields::port(mapping, "containerPort").filter(|p| *p > 0) else {
        return Err(client(format!(
            "Invalid setting for container '{container}'. 'containerPort' must be between 1 and 65535."
        )));
    };
    let host = fields::number(mapping, "hostPort").unwrap_or(0);
    if host != 0 && host != u64::from(container_port) {
        return Err(client(
            "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
        ));
    }
    Ok(PortMapping { container_port, name: fields::owned(mapping, "name") })
}

fn dependency(entry: &Value) -> Option<Dependency> {
    let condition = match fields::text(entry, "condition")? {
        "START" => DependencyCondition::Start,
        "COMPLETE" => DependencyCondition::Complete,
        "SUCCESS" => DependencyCondition::Success,
        _ => DependencyCondition::Healthy,
    };
    Some(Dependency { container: fields::owned(entry, "containerName")?, condition })
}

/// ECS-TD-13.
fn check(container: &str, input: &Value) -> Result<ContainerHealthCheck, AwsError> {
    let bounded = |member: &str, unset: u64, low: u64, high: u64| {
        let value = fields::number(input, member).unwrap_or(unset);
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        Err(client(format!(
            "Invalid setting for container '{container}'. Health check '{member}' is {value}, but must be between {low} and {high}."
        )))
    };
    let command = strings(input, "command");
    if !matches!(command.first().map(String::as_str), Some("CMD" | "CMD-SHELL"))
        || command.len() < 2
    {
        return Err(client(format!(
            "Invalid setting for container '{container}'. The health check command must begin with CMD or CMD-SHELL and name what to run."
        )));
    }
    Ok(ContainerHealthCheck {
        command,
        interval_ms: bounded("interval", 30, 5, 300)? * SECOND,
        timeout_ms: bounded("timeout", 5, 2, 60)? * SECOND,
        retries: u32::try_from(bounded("retries", 3, 1, 10)?).unwrap_or(3),
        start_period_ms: bounded("startPeriod", 0, 0, 300)? * SECOND,
    })
}

/// ECS-TD-21, ECS-TD-22. The other drivers are kept as they are, their logs go nowhere.
fn log(container: &str, input: &Value) -> Result<Option<LogConfiguration>, AwsError> {
    let Some(log) = input.get("logConfiguration").filter(|l| !l.is_null()) else { return Ok(None) };
    let driver = fields::text(log, "logDriver").unwrap_or_default();
    if !["awslogs", "splunk", "awsfirelens"].contains(&driver) {
        return Err(client(format!(
            "Invalid setting for container '{container}'. Fargate supports the log drivers awslogs, splunk and awsfirelens, not {driver}."
        )));
    }
    if driver != "awslogs" {
        return Ok(None);
    }
    let options = log.get("options").unwrap_or(&Value::Null);
    let option = |name: &str| {
        fields::owned(options, name).ok_or_else(|| {
            client(format!(
                "Invalid setting for container '{container}'. Log driver awslogs requires option {name} on Fargate."
            ))
        })
    };
    let group = option("awslogs-group")?;
    option("awslogs-region")?;
    let given = |name: &str| fields::owned(options, name);
    let wrong = |name: &str, value: &str, expected: &str| {
        client(format!(
            "Invalid setting for container '{container}'. Option {name} is '{value}', expected {expected}."
        ))
    };
    let create_group = match given("awslogs-create-group").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(value) => return Err(wrong("awslogs-create-group", value, "true or false")),
    };
    let delivery = match given("mode").as_deref() {
        Some("blocking") => LogDelivery::Blocking,
        None | Some("non-blocking") => match given("max-buffer-size") {
            None => LogDelivery::default(),
            Some(size) => LogDelivery::NonBlocking {
                buffer_bytes: buffer_bytes(&size)
                    .ok_or_else(|| wrong("max-buffer-size", &size, "a size such as 4m or 512k"))?,
            },
        },
        Some(mode) => return Err(wrong("mode", mode, "blocking or non-blocking")),
    };
    let multiline = match (given("awslogs-multiline-pattern"), given("awslogs-datetime-format")) {
        (Some(_), Some(_)) => {
            return Err(client(format!(
                "Invalid setting for container '{container}'. awslogs-multiline-pattern and awslogs-datetime-format exclude each other."
            )));
        }
        (Some(pattern), None) => Some(LogMultiline::Pattern(pattern)),
        (None, Some(format)) => Some(LogMultiline::DatetimeFormat(format)),
        (None, None) => None,
    };
    let stream_prefix = option("awslogs-stream-prefix")?;
    Ok(Some(LogConfiguration { group, stream_prefix, create_group, delivery, multiline }))
}

/// A size as Docker writes it: a number with `b`, `k`, `m` or `g` behind it, or nothing for bytes.
fn buffer_bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes > 0)
}

/// A size as most people would write it.
fn size_text(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{}m", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}k", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// The options as they were sent, apart from what is as if not sent.
fn log_options(log: &LogConfiguration, region: &str) -> Value {
    let mut options = json!({
        "awslogs-group": log.group,
        "awslogs-region": region,
        "awslogs-stream-prefix": log.stream_prefix,
    });
    if log.create_group {
        options["awslogs-create-group"] = json!("true");
    }
    match log.delivery {
        LogDelivery::Blocking => options["mode"] = json!("blocking"),
        delivery if delivery == LogDelivery::default() => {}
        LogDelivery::NonBlocking { buffer_bytes } => {
            options["mode"] = json!("non-blocking");
            options["max-buffer-size"] = json!(size_text(buffer_bytes));
        }
    }
    match &log.multiline {
        None => {}
        Some(LogMultiline::Pattern(pattern)) => {
            options["awslogs-multiline-pattern"] = json!(pattern);
        }
        Some(LogMultiline::DatetimeFormat(format)) => {
            options["awslogs-datetime-format"] = json!(format);
        }
    }
    options
}

/// ECS-TD-18.
fn restart_policy(input: &Value) -> Option<RestartPolicy> {
    let policy = input.get("restartPolicy")?;
    if !fields::flag(policy, "enabled").unwrap_or(false) {
        return None;
    }
    let codes = fields::list(policy, "ignoredExitCodes").iter().filter_map(Value::as_i64);
    Some(RestartPolicy {
        ignored_exit_codes: codes.filter_map(|c| i32::try_from(c).ok()).collect(),
        attempt_period_ms: fields::number(policy, "restartAttemptPeriod").unwrap_or(300) * SECOND,
    })
}

/// ECS-TD-24.
fn nofile(container: &str, input: &Value) -> Result<Option<(u64, u64)>, AwsError> {
    let mut limits = None;
    for limit in fields::list(input, "ulimits") {
        let name = fields::text(limit, "name").unwrap_or_default();
        if name != "nofile" {
            return Err(client(format!(
                "Invalid setting for container '{container}'. On Fargate only the ulimit nofile can be changed, not {name}."
            )));
        }
        let side = |member: &str| fields::number(limit, member).unwrap_or(65_535);
        limits = Some((side("softLimit"), side("hardLimit")));
    }
    Ok(limits)
}

/// The definition as it was sent, with the members ECS fills in.
pub(super) fn complete(sent: &Value) -> Value {
    let mut shown = sent.clone();
    let Some(members) = shown.as_object_mut() else { return shown };
    members.retain(|_, value| !value.is_null());
    for (member, unset) in [
        ("cpu", json!(0)),
        ("essential", json!(true)),
        ("portMappings", json!([])),
        ("environment", json!([])),
        ("mountPoints", json!([])),
        ("volumesFrom", json!([])),
        ("systemControls", json!([])),
    ] {
        members.entry(member).or_insert(unset);
    }
    if let Some(mappings) = members.get_mut("portMappings").and_then(Value::as_array_mut) {
        for mapping in mappings.iter_mut().filter_map(Value::as_object_mut) {
            let port = mapping.get("containerPort").cloned().unwrap_or_default();
            if mapping.get("hostPort").is_none_or(|p| *p == json!(0)) {
                mapping.insert("hostPort".to_owned(), port);
            }
            mapping.entry("protocol").or_insert(json!("tcp"));
        }
    }
    if let Some(check) = members.get_mut("healthCheck").and_then(Value::as_object_mut) {
        for (member, unset) in [("interval", 30), ("timeout", 5), ("retries", 3)] {
            check.entry(member).or_insert(json!(unset));
        }
    }
    if let Some(policy) = members.get_mut("restartPolicy").and_then(Value::as_object_mut) {
        policy.entry("restartAttemptPeriod").or_insert(json!(300));
    }
    shown
}

/// A definition that was not registered over the wire, as ECS would show it.
pub(super) fn write(container: &ContainerDefinition, region: &str) -> Value {
    let mut view = json!({
        "name": container.name,
        "image": container.image,
        "cpu": container.cpu,
        "essential": container.essential,
        "portMappings": container.ports.iter().map(write_port).collect::<Vec<_>>(),
        "environment": write_pairs(&container.environment, "value"),
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
    });
    fields::set(&mut view, "memory", container.memory_mib);
    let lists = [
        ("entryPoint", json!(container.entry_point)),
        ("command", json!(container.command)),
        ("secrets", write_pairs(&container.secrets, "valueFrom")),
        ("dependsOn", container.depends_on.iter().map(write_dependency).collect()),
    ];
    for (member, list) in lists {
        if list.as_array().is_some_and(|list| !list.is_empty()) {
            view[member] = list;
        }
    }
    fields::set(&mut view, "healthCheck", container.health_check.as_ref().map(write_check));
    fields::set(&mut view, "startTimeout", container.start_timeout_ms.map(|ms| ms / SECOND));
    if container.stop_timeout_ms != DEFAULT_STOP_TIMEOUT_MS {
        view["stopTimeout"] = json!(container.stop_timeout_ms / SECOND);
    }
    if let Some(log) = &container.log {
        let options = log_options(log, region);
        view["logConfiguration"] = json!({ "logDriver": "awslogs", "options": options });
    }
    if let Some(policy) = &container.restart_policy {
        view["restartPolicy"] = json!({
            "enabled": true,
            "ignoredExitCodes": policy.ignored_exit_codes,
            "restartAttemptPeriod": policy.attempt_period_ms / SECOND,
        });
    }
    if let Some((soft, hard)) = container.nofile {
        view["ulimits"] = json!([{ "name": "nofile", "softLimit": soft, "hardLimit": hard }]);
    }
    fields::set(&mut view, "user", container.user.clone());
    fields::set(&mut view, "workingDirectory", container.working_directory.clone());
    if container.readonly_root {
        view["readonlyRootFilesystem"] = json!(true);
    }
    if container.init_process {
        view["linuxParameters"] = json!({ "initProcessEnabled": true });
    }
    view
}

fn write_port(mapping: &PortMapping) -> Value {
    let port = mapping.container_port;
    let mut view = json!({ "containerPort": port, "hostPort": port, "protocol": "tcp" });
    fields::set(&mut view, "name", mapping.name.clone());
    view
}

fn write_pairs(pairs: &BTreeMap<String, String>, value: &str) -> Value {
    let pair = |(name, text): (&String, &String)| json!({ "name": name, value: text });
    pairs.iter().map(pair).collect()
}

fn write_dependency(dependency: &Dependency) -> Value {
    let condition = match dependency.condition {
        DependencyCondition::Start => "START",
        DependencyCondition::Complete => "COMPLETE",
        DependencyCondition::Success => "SUCCESS",
        DependencyCondition::Healthy => "HEALTHY",
    };
    json!({ "containerName": dependency.container, "condition": condition })
}

fn write_check(check: &ContainerHealthCheck) -> Value {
    let mut view = json!({
        "command": check.command,
        "interval": check.interval_ms / SECOND,
        "timeout": check.timeout_ms / SECOND,
        "retries": check.retries,
    });
    if check.start_period_ms > 0 {
        view["startPeriod"] = json!(check.start_period_ms / SECOND);
    }
    view
}
