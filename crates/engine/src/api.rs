//! The words between command line and engine: one JSON object per line over the Unix socket
//! `<home>/engine.sock`, one answer per request, in order.

use std::collections::BTreeMap;

use crate::options::AuthMode;
use neargate_core::input::Command;
pub use neargate_runtime::ImageSource;
use serde::{Deserialize, Serialize};

/// From the command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Answered by `Status`.
    Status,
    /// Answered by `Platform`.
    Platform,
    /// Answered by `Inventory`.
    Inventory,
    /// Newest events of a service, oldest first; answered by `Events`.
    Events {
        /// Cluster; may be left out when the service name is unique.
        cluster: Option<String>,
        /// Service name.
        service: String,
    },
    /// All take effect or none; answered by `Accepted` once durable, or `Rejected`.
    Commands {
        /// What to do.
        commands: Vec<Command>,
        /// Repositories the image references of these commands resolve to.
        images: BTreeMap<String, ImageSource>,
        /// References to secrets and parameters (`valueFrom`, ECS-TD-19) of these commands: those
        /// without a value get a random one.
        #[serde(default)]
        secrets: Vec<String>,
    },
    /// New values of secrets and parameters; answered by `Accepted` once durable, or `Rejected`.
    PutSecrets(Vec<SecretValue>),
    /// Which of these references (ECS-TD-19) have no value yet; answered by `Missing`.
    MissingSecrets {
        /// As task definitions have them.
        references: Vec<String>,
    },
    /// Stop every task, then edge and engine; answered by `Accepted` when all is gone.
    Down,
}

/// To the command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Response {
    /// Who runs, and how.
    Status(Status),
    /// Everything there is to see.
    Platform(PlatformView),
    /// By kind, then by name: what the platform is made of, as it was asked for.
    Inventory(BTreeMap<String, BTreeMap<String, serde_json::Value>>),
    /// Events of one service, oldest first.
    Events(Vec<EventView>),
    /// Durable.
    Accepted,
    /// Names of secrets and parameters.
    Missing(Vec<String>),
    /// Nothing changed; one line that says what was wrong and what would be right.
    Rejected(String),
}

/// A value on its way into the vault.
#[derive(Clone, Serialize, Deserialize)]
pub enum SecretValue {
    /// Of Secrets Manager.
    Secret {
        /// Secret name.
        name: String,
        /// The whole value.
        value: String,
    },
    /// Of the Parameter Store.
    Parameter {
        /// Parameter name with its path.
        name: String,
        /// The value.
        value: String,
    },
}

/// Shows the name only: a value must never end up in a log.
impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretValue::Secret { name, .. } => write!(f, "Secret({name})"),
            SecretValue::Parameter { name, .. } => write!(f, "Parameter({name})"),
        }
    }
}

/// The engine and what it runs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Control plane.
    pub engine: EngineStatus,
    /// Data plane.
    pub edge: EdgeStatus,
    /// `process`, `container` or `runc`.
    pub driver: String,
    /// What this machine lacks for a better driver, in one line.
    #[serde(default)]
    pub driver_note: Option<String>,
    /// Who may send requests to the AWS endpoint.
    #[serde(default)]
    pub auth: AuthMode,
    /// Platform seconds per real second.
    pub pace: u32,
    /// State directory.
    pub home: String,
    /// `<ip>:<port>` of the DNS server for discovery names.
    pub dns: String,
}

/// The control plane process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Process id.
    pub pid: u32,
    /// Address of the AWS endpoint.
    pub endpoint: String,
    /// Version of the binary.
    pub version: String,
    /// User and system CPU used so far, in milliseconds.
    pub cpu_ms: u64,
}

/// The data plane process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeStatus {
    /// Process id; `None` while it is being restarted.
    pub pid: Option<u32>,
}

/// Everything a listing shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformView {
    /// Platform time, milliseconds since the epoch.
    pub now_ms: u64,
    /// By cluster and name.
    pub services: Vec<ServiceView>,
    /// Running and recently stopped, by service and start.
    pub tasks: Vec<TaskView>,
    /// By name.
    pub load_balancers: Vec<LoadBalancerView>,
    /// By name.
    pub target_groups: Vec<TargetGroupView>,
    /// Automatic scaling, by cluster and service.
    #[serde(default)]
    pub scaling: Vec<ScalingView>,
    /// By name.
    #[serde(default)]
    pub alarms: Vec<AlarmView>,
    /// Zones taken away by `chaos zone`.
    pub lost_zones: Vec<String>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceView {
    /// Service name.
    pub name: String,
    /// Cluster name.
    pub cluster: String,
    /// ACTIVE, DRAINING, INACTIVE.
    pub status: String,
    /// Tasks wanted.
    pub desired: u32,
    /// Tasks RUNNING.
    pub running: u32,
    /// Tasks on their way.
    pub pending: u32,
    /// Tasks that count as healthy.
    pub healthy: u32,
    /// `family:revision` of the primary deployment.
    pub revision: String,
    /// Where the load balancer answers for it; `None` without one.
    pub url: Option<String>,
    /// One deployment, running equals desired, all healthy.
    pub steady: bool,
    /// Why it is not steady, newest reason first.
    pub reason: Option<String>,
    /// Newest (PRIMARY) first; after the live ones a few that were replaced.
    pub deployments: Vec<DeploymentView>,
    /// Labels.
    pub tags: BTreeMap<String, String>,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentView {
    /// `ecs-svc/<19 digits>`.
    pub id: String,
    /// PRIMARY, ACTIVE; INACTIVE once replaced and without tasks.
    pub status: String,
    /// IN_PROGRESS, COMPLETED, FAILED.
    pub rollout_state: String,
    /// In ECS's words.
    pub rollout_state_reason: String,
    /// `family:revision`.
    pub task_definition: String,
    /// Tasks wanted of it.
    pub desired: u32,
    /// Tasks RUNNING.
    pub running: u32,
    /// Tasks on their way.
    pub pending: u32,
    /// Consecutive failures.
    pub failed_tasks: u32,
    /// When it was made, platform milliseconds.
    #[serde(default)]
    pub created_at_ms: u64,
    /// When its state last changed, platform milliseconds.
    #[serde(default)]
    pub updated_at_ms: u64,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Service name; empty for a standalone task.
    pub service: String,
    /// Cluster name.
    pub cluster: String,
    /// Availability zone.
    pub zone: String,
    /// Its own address.
    pub address: String,
    /// lastStatus (ECS-TASK-1).
    pub status: String,
    /// RUNNING or STOPPED.
    pub desired_status: String,
    /// HEALTHY, UNHEALTHY, UNKNOWN.
    pub health: String,
    /// FARGATE or FARGATE_SPOT.
    pub capacity: String,
    /// `family:revision`.
    pub revision: String,
    /// `ecs-svc/<n>` that started it.
    pub started_by: String,
    /// When RUNNING began, platform milliseconds.
    pub started_at_ms: Option<u64>,
    /// When it stopped, platform milliseconds.
    pub stopped_at_ms: Option<u64>,
    /// ECS-TASK-12.
    pub stop_code: Option<String>,
    /// ECS-STOP-*.
    pub stopped_reason: Option<String>,
    /// Its containers.
    pub containers: Vec<ContainerView>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerView {
    /// Container name.
    pub name: String,
    /// PENDING, RUNNING, STOPPED.
    pub status: String,
    /// HEALTHY, UNHEALTHY, UNKNOWN.
    pub health: String,
    /// Known exit code.
    pub exit_code: Option<i32>,
    /// Why it ended or did not start.
    pub reason: Option<String>,
    /// Group and stream that its output goes to; `None` is a file of its own.
    #[serde(default)]
    pub log: Option<(String, String)>,
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerView {
    /// Its name.
    pub name: String,
    /// Of its first listener.
    pub url: String,
    /// By port.
    pub listeners: Vec<ListenerView>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerView {
    /// Port of the load balancer.
    pub port: u16,
    /// Port on this machine once bound.
    pub host_port: Option<u16>,
    /// Why it is not bound.
    pub error: Option<String>,
}

/// A target group with its targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroupView {
    /// Its name.
    pub name: String,
    /// Its targets.
    pub targets: Vec<TargetView>,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetView {
    /// `ip:port`.
    pub address: String,
    /// initial, healthy, unhealthy, unused, draining.
    pub state: String,
    /// E.g. `Target.Timeout`.
    pub reason: Option<String>,
    /// E.g. `Request timed out`.
    pub description: Option<String>,
}

/// The scalable target of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingView {
    /// Service name.
    pub service: String,
    /// Cluster name.
    pub cluster: String,
    /// Fewest tasks that scaling may set.
    pub min: u32,
    /// Most tasks that scaling may set.
    pub max: u32,
    /// Names of its policies.
    pub policies: Vec<String>,
    /// Labels.
    pub tags: BTreeMap<String, String>,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmView {
    /// Its name.
    pub name: String,
    /// OK, ALARM, INSUFFICIENT_DATA.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Labels.
    pub tags: BTreeMap<String, String>,
}

/// A service event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// Unique id.
    pub id: String,
    /// Platform milliseconds.
    pub created_at_ms: u64,
    /// In ECS's words.
    pub message: String,
}
