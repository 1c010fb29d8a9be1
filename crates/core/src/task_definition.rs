//! Task definitions: what a task is made of, and which sizes Fargate offers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::TaskId;
use crate::time::SECOND;

/// A registered revision, or one about to be registered (`revision` 0).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// 1 to 255 letters, digits, `-`, `_` (ECS-TD-7).
    pub family: String,
    /// Counts up from 1 per family, never reused; 0 before registration.
    pub revision: u32,
    /// CPU units, 1024 = one vCPU.
    pub cpu: u32,
    /// Task memory in MiB.
    pub memory_mib: u32,
    /// At least one must be essential (ECS-TD-9).
    pub containers: Vec<ContainerDefinition>,
    /// ARN of the role that pulls images and reads secrets.
    pub execution_role: Option<String>,
    /// ARN of the role the application acts under.
    pub task_role: Option<String>,
    /// Ephemeral storage in GiB: 20 unless set, else 21 to 200 (ECS-TD-5).
    pub ephemeral_storage_gib: u32,
    /// Key-value labels.
    pub tags: BTreeMap<String, String>,
}

impl TaskDefinition {
    /// `family:revision`, as the AWS CLI writes it.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}:{}", self.family, self.revision)
    }

    /// The container of that name.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&ContainerDefinition> {
        self.containers.iter().find(|c| c.name == name)
    }
}

/// One container of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerDefinition {
    /// Unique within the task.
    pub name: String,
    /// Image reference as ECS would pull it.
    pub image: String,
    /// Its exit ends the task (ECS-TD-9).
    pub essential: bool,
    /// CPU units reserved, 0 when unset.
    pub cpu: u32,
    /// Hard memory limit in MiB.
    pub memory_mib: Option<u32>,
    /// Ports the container listens on.
    pub ports: Vec<PortMapping>,
    /// Replaces the image's entry point when not empty.
    pub entry_point: Vec<String>,
    /// Replaces the image's command when not empty.
    pub command: Vec<String>,
    /// Plain variables.
    pub environment: BTreeMap<String, String>,
    /// Variable name to `valueFrom` (ECS-TD-19).
    pub secrets: BTreeMap<String, String>,
    /// Start order within the task (ECS-TD-10).
    pub depends_on: Vec<Dependency>,
    /// Check run inside the container (ECS-TD-13).
    pub health_check: Option<ContainerHealthCheck>,
    /// How long dependents wait for this container's condition (ECS-TD-11).
    pub start_timeout_ms: Option<u64>,
    /// From SIGTERM to SIGKILL; 30 s unless set, at most 120 s (ECS-TD-12).
    pub stop_timeout_ms: u64,
    /// Where stdout and stderr go (ECS-TD-21).
    pub log: Option<LogConfiguration>,
    /// Restart inside the running task (ECS-TD-18).
    pub restart_policy: Option<RestartPolicy>,
    /// Soft and hard limit of open files (ECS-TD-24).
    pub nofile: Option<(u64, u64)>,
    /// User (and group) the process runs as.
    pub user: Option<String>,
    /// Working directory inside the container.
    pub working_directory: Option<String>,
    /// Mount the root file system read-only.
    pub readonly_root: bool,
    /// Run an init process that reaps children.
    pub init_process: bool,
}

impl ContainerDefinition {
    /// A container with ECS's defaults.
    #[must_use]
    pub fn new(name: &str, image: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: image.to_owned(),
            essential: true,
            cpu: 0,
            memory_mib: None,
            ports: Vec::new(),
            entry_point: Vec::new(),
            command: Vec::new(),
            environment: BTreeMap::new(),
            secrets: BTreeMap::new(),
            depends_on: Vec::new(),
            health_check: None,
            start_timeout_ms: None,
            stop_timeout_ms: DEFAULT_STOP_TIMEOUT_MS,
            log: None,
            restart_policy: None,
            nofile: None,
            user: None,
            working_directory: None,
            readonly_root: false,
            init_process: false,
        }
    }
}

/// ECS-TD-12.
pub const DEFAULT_STOP_TIMEOUT_MS: u64 = 30 * SECOND;
/// ECS-TD-12: the longest stop timeout on Fargate.
pub const MAX_STOP_TIMEOUT_MS: u64 = 120 * SECOND;

/// A port of a container; in awsvpc mode host and container port are the same (ECS-TD-26).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// Port the container listens on.
    pub container_port: u16,
    /// Name for Service Connect.
    pub name: Option<String>,
}

/// `dependsOn` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The container waited for.
    pub container: String,
    /// What it must have reached.
    pub condition: DependencyCondition,
}

/// What a dependency must have reached (ECS-TD-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DependencyCondition {
    /// It has started.
    Start,
    /// It ran to its exit, any code.
    Complete,
    /// It exited with 0.
    Success,
    /// Its health check passed.
    Healthy,
}

/// Container health check (ECS-TD-13).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerHealthCheck {
    /// First element `CMD` (exec) or `CMD-SHELL`.
    pub command: Vec<String>,
    /// 5 to 300 s, 30 s unless set.
    pub interval_ms: u64,
    /// 2 to 60 s, 5 s unless set.
    pub timeout_ms: u64,
    /// 1 to 10, 3 unless set.
    pub retries: u32,
    /// 0 to 300 s; failures inside it do not count (ECS-TD-14).
    pub start_period_ms: u64,
}

/// awslogs options that decide names (ECS-TD-21).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfiguration {
    /// Log group name.
    pub group: String,
    /// Stream is `<prefix>/<container>/<task id>`.
    pub stream_prefix: String,
    /// The group is made when it is missing (`awslogs-create-group`).
    #[serde(default)]
    pub create_group: bool,
    /// What happens to lines that cannot be written at once.
    #[serde(default)]
    pub delivery: LogDelivery,
    /// How several lines become one event; absent is one each.
    #[serde(default)]
    pub multiline: Option<LogMultiline>,
}

impl LogConfiguration {
    /// Into that group, everything else as ECS has it unless told otherwise.
    #[must_use]
    pub fn new(group: String, stream_prefix: String) -> Self {
        let (delivery, multiline) = (LogDelivery::default(), None);
        Self { group, stream_prefix, create_group: false, delivery, multiline }
    }

    /// The stream of a container of a task (ECS-TD-21).
    #[must_use]
    pub fn stream(&self, container: &str, task: TaskId) -> String {
        format!("{}/{container}/{task}", self.stream_prefix)
    }
}

/// What happens to lines that cannot be written at once (ECS-TD-23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogDelivery {
    /// The container waits.
    Blocking,
    /// Up to so many bytes wait in memory, then lines are dropped and counted.
    NonBlocking {
        /// `max-buffer-size`.
        buffer_bytes: u64,
    },
}

/// ECS-TD-23.
pub const DEFAULT_LOG_BUFFER_BYTES: u64 = 10 * 1024 * 1024;

impl Default for LogDelivery {
    fn default() -> Self {
        LogDelivery::NonBlocking { buffer_bytes: DEFAULT_LOG_BUFFER_BYTES }
    }
}

/// How several lines become one event (ECS-TD-21).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogMultiline {
    /// A line that matches this regular expression begins an event (`awslogs-multiline-pattern`).
    Pattern(String),
    /// A line with such a date begins an event (`awslogs-datetime-format`).
    DatetimeFormat(String),
}

/// Restart policy of a container (ECS-TD-18).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// Exits with these codes are not restarted.
    pub ignored_exit_codes: Vec<i32>,
    /// The container must have run this long to be restarted; 60 to 1800 s, 300 s unless set.
    pub attempt_period_ms: u64,
}

/// Fargate sizes: CPU units with the smallest memory, the largest and the step, in MiB
/// (ECS-TD-1; 256 CPU units also step 512 -> 1024 -> 2048).
const FARGATE_SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2048, 0),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];

/// The memory sizes (MiB) Fargate offers for that many CPU units; empty when it offers none.
#[must_use]
pub fn fargate_memory_sizes(cpu: u32) -> Vec<u32> {
    match FARGATE_SIZES.iter().find(|(units, ..)| *units == cpu) {
        None => Vec::new(),
        Some((_, _, _, 0)) => vec![512, 1024, 2048],
        Some((_, low, high, step)) => (*low..=*high).step_by(*step as usize).collect(),
    }
}

/// The CPU sizes Fargate offers, in units.
#[must_use]
pub fn fargate_cpu_sizes() -> Vec<u32> {
    FARGATE_SIZES.iter().map(|(cpu, ..)| *cpu).collect()
}

/// Whether Fargate runs tasks of that size (ECS-TD-1, ECS-TD-2).
#[must_use]
pub fn is_fargate_size(cpu: u32, memory_mib: u32) -> bool {
    fargate_memory_sizes(cpu).contains(&memory_mib)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ECS-TD-1: 74 pairs in all.
    #[test]
    fn ecs_td_1_there_are_74_sizes() {
        let pairs: usize = fargate_cpu_sizes().iter().map(|c| fargate_memory_sizes(*c).len()).sum();
        assert_eq!(pairs, 74);
    }

    /// ECS-TD-2: just-outside and off-step pairs are refused.
    #[test]
    fn ecs_td_2_neighbours_are_refused() {
        for (cpu, memory) in
            [(1024, 9216), (1024, 2560), (8192, 17408), (16384, 33792), (32768, 65536), (256, 1536)]
        {
            assert!(!is_fargate_size(cpu, memory), "{cpu}/{memory}");
        }
    }
}
