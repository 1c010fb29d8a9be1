//! Containers of a task, and the order they start in.

use std::collections::{BTreeMap, BTreeSet};

use neargate_core::log_group::LogGroupSpec;
use neargate_core::task_definition::{
    ContainerDefinition, ContainerHealthCheck, DEFAULT_STOP_TIMEOUT_MS, Dependency,
    DependencyCondition, LogConfiguration, LogDelivery, LogMultiline, PortMapping, RestartPolicy,
};
use neargate_core::time::SECOND;

use crate::diagnostics::shown;
use crate::document::{self, ContainerSettings};
use crate::resolve::scope::{Scope, tags, words};
use crate::structure::index;
use crate::suggest;
use crate::system::{Image, split_reference};

/// CWL-GRP-2.
const RETENTION_DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// A container with its path in the file.
pub(crate) struct Described<'a> {
    pub(crate) name: String,
    pub(crate) path: Vec<&'a str>,
    pub(crate) settings: &'a ContainerSettings,
    pub(crate) cpu: Option<u32>,
    pub(crate) memory: Option<u32>,
}

impl Described<'_> {
    fn at<'p>(&'p self, rest: &[&'p str]) -> Vec<&'p str> {
        let mut path = self.path.clone();
        path.extend(rest);
        path
    }

    /// Whether it has a port, right or wrong.
    pub(crate) fn mentions_port(&self) -> bool {
        self.settings.port.is_some() || self.settings.ports.as_ref().is_some_and(|p| !p.is_empty())
    }

    /// Its ports without the ones out of range.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let one = self.settings.port.iter();
        let many = self.settings.ports.iter().flatten();
        one.chain(many).filter_map(|port| u16::try_from(*port).ok()).filter(|p| *p > 0).collect()
    }
}

/// Checks one container and makes its definition.
pub(crate) fn resolve(
    container: &Described<'_>,
    images: &BTreeMap<String, Image>,
    scope: &mut Scope<'_>,
) -> ContainerDefinition {
    let settings = container.settings;
    scope.name(&container.path, &container.name, "a container name", 255, words::key_letter);
    let image = image(container, images, scope);
    let mut definition = ContainerDefinition::new(&container.name, &image);
    definition.essential = settings.essential.unwrap_or(true);
    definition.cpu = container.cpu.unwrap_or(0);
    definition.memory_mib = container.memory;
    if settings.port.is_some() && settings.ports.is_some() {
        scope.say(&container.at(&["ports"]), "stands beside `port`; expected one of the two");
    }
    let ports = container.ports();
    definition.ports =
        ports.iter().map(|port| PortMapping { container_port: *port, name: None }).collect();
    definition.entry_point = settings.entry_point.clone().unwrap_or_default();
    definition.command = settings.command.clone().unwrap_or_default();
    variables(container, &mut definition, scope);
    for dependency in settings.depends_on.iter().flatten() {
        definition.depends_on.push(Dependency {
            container: dependency.container_name.clone(),
            condition: match dependency.condition {
                document::DependencyCondition::Start => DependencyCondition::Start,
                document::DependencyCondition::Complete => DependencyCondition::Complete,
                document::DependencyCondition::Success => DependencyCondition::Success,
                document::DependencyCondition::Healthy => DependencyCondition::Healthy,
            },
        });
    }
    definition.health_check = health_check(container, scope);
    definition.start_timeout_ms = settings.start_timeout.map(seconds);
    definition.stop_timeout_ms = settings.stop_timeout.map_or(DEFAULT_STOP_TIMEOUT_MS, seconds);
    definition.log = logs(container, scope);
    if let Some(policy) = &settings.restart_policy
        && policy.enabled == Some(true)
    {
        definition.restart_policy = Some(RestartPolicy {
            ignored_exit_codes: policy.ignored_exit_codes.clone(),
            attempt_period_ms: seconds(policy.restart_attempt_period.unwrap_or(300)),
        });
    }
    if let Some(limit) = &settings.nofile {
        // ECS-TD-24.
        let soft = limit.soft_limit.unwrap_or(65_535);
        let hard = limit.hard_limit.unwrap_or(65_535.max(soft));
        if soft > hard {
            let message =
                format!("softLimit {soft} is above hardLimit {hard}; expected at most it");
            scope.say(&container.at(&["nofile", "softLimit"]), &message);
        }
        definition.nofile = Some((soft.into(), hard.into()));
    }
    definition.user.clone_from(&settings.user);
    definition.working_directory.clone_from(&settings.working_directory);
    definition.readonly_root = settings.readonly_root_filesystem.unwrap_or(false);
    definition.init_process = settings.init_process_enabled.unwrap_or(false);
    definition
}

/// Seconds of the file in the milliseconds of the platform.
pub(crate) fn seconds(seconds: u32) -> u64 {
    u64::from(seconds) * SECOND
}

fn image(
    container: &Described<'_>,
    images: &BTreeMap<String, Image>,
    scope: &mut Scope<'_>,
) -> String {
    let path = container.at(&["image"]);
    let Some(reference) = &container.settings.image else {
        scope.say(&container.path, "`image` is missing; expected e.g. shop/api:1.4");
        return String::new();
    };
    let (repository, tag) = split_reference(reference);
    let letters = |tag: &str| words::is_name(tag, 1, 128, |c| words::key_letter(c) || c == '.');
    if !words::is_repository(repository) || tag.is_some_and(|tag| !letters(tag)) {
        let message =
            format!("{} is not an image reference; expected e.g. shop/api:1.4", shown(reference));
        scope.say(&path, &message);
        return reference.clone();
    }
    match (images.get(repository), tag) {
        (None, _) => {
            let known = || images.keys().map(String::as_str);
            let message = format!(
                "the repository {} is not under `images`; expected {}",
                shown(repository),
                suggest::one_of(known())
            );
            let hint = suggest::closest(repository, known()).map_or_else(
                || format!("add it there, e.g. `{repository}: {{ standIn: true }}`"),
                |name| format!("did you mean {}?", shown(name)),
            );
            scope.hint(&path, &message, Some(hint));
        }
        (Some(image), Some(tag))
            if !image.tags.is_empty() && !image.tags.iter().any(|t| t == tag) =>
        {
            let known = image.tags.iter().map(String::as_str);
            let message = format!(
                "{} has no tag {}; expected {}",
                shown(repository),
                shown(tag),
                suggest::one_of(known)
            );
            scope.say(&path, &message);
        }
        _ => {}
    }
    reference.clone()
}

fn variables(
    container: &Described<'_>,
    definition: &mut ContainerDefinition,
    scope: &mut Scope<'_>,
) {
    definition.environment = tags(&container.settings.environment);
    definition.secrets = tags(&container.settings.secrets);
    let names = definition.environment.keys().map(|name| ("environment", name));
    for (kind, name) in names.chain(definition.secrets.keys().map(|name| ("secrets", name))) {
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = "is not the name of a variable; expected no `=` in it";
            scope.say(&container.at(&[kind, name]), message);
        }
    }
    for (name, value_from) in &definition.secrets {
        let path = container.at(&["secrets", name]);
        if definition.environment.contains_key(name) {
            let message = "also stands under `environment`; expected each variable in one place";
            scope.say(&path, message);
        }
        if !is_value_from(value_from) {
            let message = format!(
                "{} is not a place secrets come from; expected an ARN of Secrets Manager or \
                 Parameter Store, or the name of a parameter",
                shown(value_from)
            );
            scope.say(&path, &message);
        }
    }
    for (name, value) in &definition.environment {
        if value.contains('\0') {
            let message = "holds a NUL character, which no variable can";
            scope.say(&container.at(&["environment", name]), message);
        }
    }
}

/// ECS-TD-19.
fn is_value_from(text: &str) -> bool {
    if text.starts_with("arn:") {
        let parts: Vec<&str> = text.split(':').collect();
        return match parts.as_slice() {
            ["arn", partition, "secretsmanager", region, account, "secret", name, rest @ ..] => {
                let filled = [partition, region, account, name].iter().all(|part| !part.is_empty());
                filled && (rest.is_empty() || rest.len() == 3)
            }
            ["arn", partition, "ssm", region, account, name] => {
                let filled = [partition, region, account].iter().all(|part| !part.is_empty());
                filled && name.starts_with("parameter/")
            }
            _ => false,
        };
    }
    words::is_name(text, 1, 1011, |c| words::key_letter(c) || matches!(c, '/' | '.'))
}

/// ECS-TD-13; ranges are the schema's.
fn health_check(container: &Described<'_>, scope: &mut Scope<'_>) -> Option<ContainerHealthCheck> {
    let check = container.settings.health_check.as_ref()?;
    let path = container.at(&["healthCheck", "command"]);
    let command =
        scope.required(&path, check.command.as_ref(), "[\"CMD\", program, arguments...]")?;
    let right = match command.as_slice() {
        [kind, rest @ ..] if kind == "CMD" => !rest.is_empty(),
        [kind, script] if kind == "CMD-SHELL" => !script.trim().is_empty(),
        _ => false,
    };
    if !right {
        let message = "expected [\"CMD\", program, arguments...] or [\"CMD-SHELL\", script]";
        scope.say(&path, message);
    }
    Some(ContainerHealthCheck {
        command,
        interval_ms: seconds(check.interval.unwrap_or(30)),
        timeout_ms: seconds(check.timeout.unwrap_or(5)),
        retries: check.retries.unwrap_or(3),
        start_period_ms: seconds(check.start_period.unwrap_or(0)),
    })
}

fn logs(container: &Described<'_>, scope: &mut Scope<'_>) -> Option<LogConfiguration> {
    let logs = container.settings.logs.as_ref()?;
    let path = container.at(&["logs", "group"]);
    let group = scope.required(&path, logs.group.as_ref(), "e.g. /ecs/api")?;
    if !words::is_name(&group, 1, 512, |c| words::key_letter(c) || matches!(c, '/' | '.' | '#')) {
        let message = format!(
            "{} is not a log group name; expected letters, digits and `-_/.#`",
            shown(&group)
        );
        scope.say(&path, &message);
    }
    if let Some(days) = logs.retention
        && !RETENTION_DAYS.contains(&days)
    {
        let known: Vec<String> = RETENTION_DAYS.iter().map(u32::to_string).collect();
        let message = format!(
            "{days} is not a number of days CloudWatch keeps logs; expected {}",
            suggest::one_of(known.iter().map(String::as_str))
        );
        scope.say(&container.at(&["logs", "retention"]), &message);
    }
    let stream_prefix = logs.stream_prefix.clone().unwrap_or_else(|| "ecs".to_owned());
    let delivery = match (logs.mode, logs.max_buffer_mib) {
        (Some(document::LogMode::Blocking), None) => LogDelivery::Blocking,
        (Some(document::LogMode::Blocking), Some(_)) => {
            let message = "a buffer belongs to `mode: non-blocking`; blocking mode has none";
            scope.say(&container.at(&["logs", "maxBufferMib"]), message);
            LogDelivery::Blocking
        }
        (_, None) => LogDelivery::default(),
        (_, Some(mib)) => LogDelivery::NonBlocking { buffer_bytes: u64::from(mib) << 20 },
    };
    let multiline = match (&logs.multiline_pattern, &logs.datetime_format) {
        (Some(_), Some(_)) => {
            let message = "`multilinePattern` and `datetimeFormat` exclude each other";
            scope.say(&container.at(&["logs"]), message);
            None
        }
        (Some(pattern), None) => Some(LogMultiline::Pattern(pattern.clone())),
        (None, Some(format)) => Some(LogMultiline::DatetimeFormat(format.clone())),
        (None, None) => None,
    };
    Some(LogConfiguration { group, stream_prefix, create_group: false, delivery, multiline })
}

/// The log group of a container, with its retention.
pub(crate) fn log_group(container: &Described<'_>) -> Option<LogGroupSpec> {
    let logs = container.settings.logs.as_ref()?;
    Some(LogGroupSpec { name: logs.group.clone()?, retention_days: logs.retention })
}

/// What containers of one task owe each other: ports, an essential one, an order to start in.
pub(crate) fn together(
    service: &[&str],
    containers: &[Described<'_>],
    definitions: &[ContainerDefinition],
    scope: &mut Scope<'_>,
) {
    if !definitions.is_empty() && !definitions.iter().any(|d| d.essential) {
        // ECS-TD-9.
        scope.say(service, "no container is essential; expected at least one to be");
    }
    let mut ports: BTreeMap<u16, &str> = BTreeMap::new();
    for container in containers {
        for port in container.ports() {
            if let Some(other) = ports.insert(port, &container.name) {
                // ECS-TD-27: one network namespace for all of them.
                let key = if container.settings.port.is_some() { "port" } else { "ports" };
                let message = format!(
                    "{port} is taken by container {} of the same task; expected a port of its own",
                    shown(other)
                );
                scope.say(&container.at(&[key]), &message);
            }
        }
    }
    for (container, definition) in containers.iter().zip(definitions) {
        for (number, dependency) in definition.depends_on.iter().enumerate() {
            let at = |key| container.at(&["dependsOn", index(number), key]);
            let Some(other) = definitions.iter().find(|d| d.name == dependency.container) else {
                let known = definitions.iter().map(|d| d.name.as_str());
                let known = known.filter(|name| *name != container.name);
                scope.unknown(&at("containerName"), "container", &dependency.container, known);
                continue;
            };
            // ECS-TD-10.
            let message = match dependency.condition {
                DependencyCondition::Complete | DependencyCondition::Success if other.essential => {
                    format!(
                        "container {} is essential, so the task ends when it does; expected START \
                         or HEALTHY, or `essential: false` there",
                        shown(&other.name)
                    )
                }
                DependencyCondition::Healthy if other.health_check.is_none() => format!(
                    "container {} has no health check; expected one there, or another condition",
                    shown(&other.name)
                ),
                _ => continue,
            };
            scope.say(&at("condition"), &message);
        }
    }
    if let Some(cycle) = cycle(definitions) {
        let first = cycle.first().copied().unwrap_or_default();
        let path = containers.iter().find(|c| c.name == first).map(|c| c.at(&["dependsOn"]));
        let message = format!(
            "containers wait for each other in a circle: {}; expected an order to start in",
            cycle.join(" -> ")
        );
        scope.say(&path.unwrap_or_else(|| service.to_vec()), &message);
    }
}

/// A circle of dependencies, its first name repeated at the end.
fn cycle(definitions: &[ContainerDefinition]) -> Option<Vec<&str>> {
    let next = |name: &str| {
        let found = definitions.iter().find(|d| d.name == name);
        found.into_iter().flat_map(|d| d.depends_on.iter().map(|x| x.container.as_str()))
    };
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in definitions {
        // Depth first without recursion: a trail of names and what is left to visit at each.
        let mut trail = vec![start.name.as_str()];
        let mut open: Vec<Vec<&str>> = vec![next(&start.name).collect()];
        while let Some(rest) = open.last_mut() {
            let Some(name) = rest.pop() else {
                open.pop();
                done.extend(trail.pop());
                continue;
            };
            if let Some(begin) = trail.iter().position(|step| *step == name) {
                let mut circle = trail[begin..].to_vec();
                circle.push(name);
                return Some(circle);
            }
            if !done.contains(name) {
                trail.push(name);
                open.push(next(name).collect());
            }
        }
    }
    None
}
