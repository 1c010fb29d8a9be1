//! Containers of a task.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;

/// A container of a task.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Container {
    /// CPU units reserved of the task's.
    pub(crate) cpu: Option<u32>,
    /// Hard memory limit in MiB, at most the task's.
    pub(crate) memory: Option<u32>,
    #[serde(flatten)]
    pub(crate) settings: ContainerSettings,
}

/// What a container is made of.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerSettings {
    /// Image reference, e.g. `shop/api:1.4`; its repository must stand under `images`.
    pub(crate) image: Option<String>,
    /// The port the container listens on.
    #[schemars(range(min = 1, max = 65_535))]
    pub(crate) port: Option<u32>,
    /// The ports, when there is more than one.
    #[schemars(inner(range(min = 1, max = 65_535)))]
    pub(crate) ports: Option<Vec<u32>>,
    /// Its exit ends the task. `true` unless set.
    pub(crate) essential: Option<bool>,
    /// Replaces the image's entry point.
    pub(crate) entry_point: Option<Vec<String>>,
    /// Replaces the image's command.
    pub(crate) command: Option<Vec<String>>,
    /// Variables, name to value.
    pub(crate) environment: BTreeMap<String, Option<Text>>,
    /// Secret variables, name to `valueFrom`: an ARN of Secrets Manager or Parameter Store, or
    /// the name of a parameter.
    pub(crate) secrets: BTreeMap<String, Option<Text>>,
    /// Containers that come first.
    pub(crate) depends_on: Option<Vec<DependsOn>>,
    /// A check that runs inside the container.
    pub(crate) health_check: Option<HealthCheck>,
    /// Seconds that containers depending on this one wait for it.
    #[schemars(range(min = 2, max = 3_600))]
    pub(crate) start_timeout: Option<u32>,
    /// Seconds from SIGTERM to SIGKILL; 30 unless set.
    #[schemars(range(max = 120))]
    pub(crate) stop_timeout: Option<u32>,
    /// Where stdout and stderr go.
    pub(crate) logs: Option<Logs>,
    /// Restarts the container inside its running task.
    pub(crate) restart_policy: Option<RestartPolicy>,
    /// Limit of open files; both 65535 unless set.
    pub(crate) nofile: Option<Nofile>,
    /// User (and group) the process runs as.
    pub(crate) user: Option<String>,
    /// Working directory.
    pub(crate) working_directory: Option<String>,
    /// Mounts the root file system read-only. `false` unless set.
    pub(crate) readonly_root_filesystem: Option<bool>,
    /// Runs an init process that reaps children. `false` unless set.
    pub(crate) init_process_enabled: Option<bool>,
}

/// A container another one waits for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct DependsOn {
    /// The container waited for.
    pub(crate) container_name: String,
    /// What it must have reached.
    pub(crate) condition: DependencyCondition,
}

/// What a container waited for must have reached.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DependencyCondition {
    /// It has started.
    Start,
    /// It ran to its exit.
    Complete,
    /// It exited with 0.
    Success,
    /// Its health check passed.
    Healthy,
}

/// A check that runs inside the container.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct HealthCheck {
    /// `["CMD", program, ...]` or `["CMD-SHELL", script]`.
    pub(crate) command: Option<Vec<String>>,
    /// Seconds between checks; 30 unless set.
    #[schemars(range(min = 5, max = 300))]
    pub(crate) interval: Option<u32>,
    /// Seconds a check may take; 5 unless set.
    #[schemars(range(min = 2, max = 60))]
    pub(crate) timeout: Option<u32>,
    /// Failures in a row that make the container unhealthy; 3 unless set.
    #[schemars(range(min = 1, max = 10))]
    pub(crate) retries: Option<u32>,
    /// Seconds after the start in which failures do not count; 0 unless set.
    #[schemars(range(max = 300))]
    pub(crate) start_period: Option<u32>,
}

/// A log group.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Logs {
    /// Log group name.
    pub(crate) group: Option<String>,
    /// Days lines are kept. Left out: for ever.
    pub(crate) retention: Option<u32>,
    /// First part of the stream names; `ecs` unless set.
    pub(crate) stream_prefix: Option<String>,
    /// Whether the container waits when lines cannot be written at once; `non-blocking` unless set.
    pub(crate) mode: Option<LogMode>,
    /// MiB of lines that wait in memory in non-blocking mode, 10 unless set; more are dropped and
    /// counted.
    pub(crate) max_buffer_mib: Option<u32>,
    /// A line that matches this regular expression begins a new event.
    pub(crate) multiline_pattern: Option<String>,
    /// A line with a date of this strftime format begins a new event.
    pub(crate) datetime_format: Option<String>,
}

/// What happens when lines cannot be written at once.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogMode {
    /// The container waits.
    Blocking,
    /// The container goes on.
    NonBlocking,
}

/// Restarts the container inside its running task.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RestartPolicy {
    /// On. `false` unless set.
    pub(crate) enabled: Option<bool>,
    /// Exit codes that do not restart, at most 50.
    #[schemars(length(max = 50))]
    pub(crate) ignored_exit_codes: Vec<i32>,
    /// Seconds the container must have run; 300 unless set.
    #[schemars(range(min = 60, max = 1_800))]
    pub(crate) restart_attempt_period: Option<u32>,
}

/// Limit of open files.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Nofile {
    /// Soft limit.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub(crate) soft_limit: Option<u32>,
    /// Hard limit.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub(crate) hard_limit: Option<u32>,
}
