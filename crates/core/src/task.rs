//! A task and its containers as the platform knows them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::deployment::Revision;
use crate::effect::TaskLaunch;
use crate::id::{DeploymentId, Generation, ServiceId, TaskId};
use crate::input::{ContainerHealth, Exit};
use crate::run_task::RunTask;
use crate::service::{CapacityProvider, MAX_LOAD_BALANCERS};
use crate::target_health::TargetState;
use crate::task_definition::{DependencyCondition, TaskDefinition};
use crate::time::{HOUR, Time};

/// A stopped task stays visible that long (ECS-TASK-7).
pub const STOPPED_VISIBLE_MS: u64 = HOUR;

/// Where a task is in its life (ECS-TASK-1 to ECS-TASK-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// The network interface is being made.
    Provisioning,
    /// Images are pulled and containers started.
    Pending,
    /// Containers run; targets and names are being registered.
    Activating,
    /// In service.
    Running,
    /// Names and targets are withdrawn; requests in flight may finish.
    Deactivating,
    /// Stop signal sent.
    Stopping,
    /// Containers are gone; the network interface is being removed.
    Deprovisioning,
    /// Over.
    Stopped,
}

impl Phase {
    /// lastStatus as ECS spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Provisioning => "PROVISIONING",
            Phase::Pending => "PENDING",
            Phase::Activating => "ACTIVATING",
            Phase::Running => "RUNNING",
            Phase::Deactivating => "DEACTIVATING",
            Phase::Stopping => "STOPPING",
            Phase::Deprovisioning => "DEPROVISIONING",
            Phase::Stopped => "STOPPED",
        }
    }
}

/// Why a task stopped (ECS-TASK-12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCode {
    /// It never reached RUNNING.
    TaskFailedToStart,
    /// An essential container exited.
    EssentialContainerExited,
    /// StopTask.
    UserInitiated,
    /// The service scheduler.
    ServiceSchedulerInitiated,
    /// Spot capacity was reclaimed.
    SpotInterruption,
    /// The capacity under it went away.
    TerminationNotice,
}

impl StopCode {
    /// As ECS spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StopCode::TaskFailedToStart => "TaskFailedToStart",
            StopCode::EssentialContainerExited => "EssentialContainerExited",
            StopCode::UserInitiated => "UserInitiated",
            StopCode::ServiceSchedulerInitiated => "ServiceSchedulerInitiated",
            StopCode::SpotInterruption => "SpotInterruption",
            StopCode::TerminationNotice => "TerminationNotice",
        }
    }
}

/// How gently a task goes. A later stop may only be harsher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StopMode {
    /// Withdraw, drain, then the stop signal (ECS-DEP-6).
    Drain,
    /// Withdraw, then the stop signal at once (ECS-CP-4; or nothing is left to drain).
    Signal,
    /// Withdraw, then SIGKILL.
    Kill,
}

/// A decided stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// stopCode.
    pub code: StopCode,
    /// stoppedReason.
    pub reason: String,
    /// How gently.
    pub mode: StopMode,
    /// SIGKILL at this time at the latest, whatever the stop timeout says.
    pub kill_by: Option<Time>,
}

/// Where a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerStatus {
    /// Waits for its dependencies.
    Pending,
    /// Asked to start.
    Starting,
    /// Its process runs.
    Running,
    /// Ended, or will never start.
    Stopped,
}

/// A container of a task, at the same index as in the definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Where it is.
    pub status: ContainerStatus,
    /// Verdict of its health check.
    pub health: ContainerHealth,
    /// How it ended, if it ran.
    pub exit: Option<Exit>,
    /// Why it ended or did not start.
    pub reason: Option<String>,
    /// When its process started.
    pub started_at: Option<Time>,
    /// SIGKILL is due then; set when the stop signal was sent.
    pub kill_at: Option<Time>,
    /// SIGKILL was sent.
    pub killed: bool,
}

impl Container {
    fn new() -> Self {
        Self {
            status: ContainerStatus::Pending,
            health: ContainerHealth::Unknown,
            exit: None,
            reason: None,
            started_at: None,
            kill_at: None,
            killed: false,
        }
    }
}

/// A task. What every reconciliation of its service reads comes first and stays together, in two
/// lines of the processor's cache; the order is the memory's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[repr(C)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Decided stop.
    pub stop: Option<Box<Stop>>,
    /// When it became RUNNING.
    pub started_at: Option<Time>,
    /// The deployment that counts it; [`DeploymentId::NONE`] for a standalone task.
    pub deployment: DeploymentId,
    /// What it runs and where it registers.
    pub revision: Arc<Revision>,
    /// Availability zone.
    pub zone: Arc<str>,
    /// Scale-in protection ends then.
    pub protected_until: Option<Time>,
    /// In the definition's order.
    pub containers: Vec<Container>,
    /// The service that owns it; [`ServiceId::NONE`] for a standalone task.
    pub service: ServiceId,
    /// Where its capacity comes from.
    pub capacity: CapacityProvider,
    /// Where it is in its life.
    pub phase: Phase,
    /// Its failure was counted by the circuit breaker.
    pub failure_counted: bool,
    /// It was healthy at some time.
    pub was_healthy: bool,
    /// How its targets are, at the same index as in the revision; `None` while not registered.
    pub(crate) target_states: [Option<TargetState>; MAX_LOAD_BALANCERS],
    /// Its images are at hand.
    pub images_pulled: bool,
    /// The publication its current phase waits for.
    pub published: Generation,
    /// Subnet name.
    pub subnet: Arc<str>,
    /// Its own address.
    pub address: Ipv4Addr,
    /// The deployment that started it (`startedBy`).
    pub started_by: DeploymentId,
    /// Draining ends then at the latest.
    pub drain_until: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When images began to be pulled.
    pub pull_started_at: Option<Time>,
    /// When images were at hand.
    pub pull_stopped_at: Option<Time>,
    /// When its stop was decided.
    pub stopping_at: Option<Time>,
    /// When its last container ended.
    pub execution_stopped_at: Option<Time>,
    /// When it became STOPPED.
    pub stopped_at: Option<Time>,
    /// What asked for it, if it is standalone.
    #[serde(default)]
    pub run: Option<Arc<RunTask>>,
}

/// What a new task is made from.
pub(crate) struct NewTask {
    pub(crate) id: TaskId,
    pub(crate) service: ServiceId,
    pub(crate) deployment: DeploymentId,
    pub(crate) revision: Arc<Revision>,
    pub(crate) zone: Arc<str>,
    pub(crate) subnet: Arc<str>,
    pub(crate) address: Ipv4Addr,
    pub(crate) capacity: CapacityProvider,
}

impl Task {
    pub(crate) fn new(new: NewTask, now: Time) -> Self {
        let containers = new.revision.definition.containers.iter().map(|_| Container::new());
        Self {
            containers: containers.collect(),
            id: new.id,
            service: new.service,
            deployment: new.deployment,
            started_by: new.deployment,
            revision: new.revision,
            zone: new.zone,
            subnet: new.subnet,
            address: new.address,
            capacity: new.capacity,
            phase: Phase::Provisioning,
            images_pulled: false,
            published: Generation(0),
            target_states: [None; MAX_LOAD_BALANCERS],
            drain_until: None,
            protected_until: None,
            failure_counted: false,
            was_healthy: false,
            stop: None,
            created_at: now,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            run: None,
        }
    }

    /// Name of the service that owns it; `None` for a standalone task.
    #[must_use]
    pub fn service_name(&self) -> Option<&str> {
        self.run.is_none().then_some(self.revision.service.as_str())
    }

    /// startedBy: the deployment of a service's task (ECS-TASK-11), else what RunTask said.
    #[must_use]
    pub fn started_by(&self) -> Option<String> {
        match &self.run {
            None => Some(self.started_by.to_string()),
            Some(run) => run.started_by.clone(),
        }
    }

    /// ECS-TASK-11.
    #[must_use]
    pub fn group(&self) -> String {
        match &self.run {
            None => format!("service:{}", self.revision.service),
            Some(run) => {
                run.group.clone().unwrap_or_else(|| format!("family:{}", self.definition().family))
            }
        }
    }

    /// Notes how its target on that port in that group is.
    pub(crate) fn set_target_state(&mut self, group: &str, port: u16, state: Option<TargetState>) {
        let registrations = self.revision.load_balancers.iter().zip(&mut self.target_states);
        for (load_balancer, noted) in registrations {
            if load_balancer.port == port && load_balancer.target_group == group {
                *noted = state;
            }
        }
    }

    /// Its definition.
    #[must_use]
    pub fn definition(&self) -> &Arc<TaskDefinition> {
        &self.revision.definition
    }

    /// No stop is decided.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.stop.is_none() && self.phase != Phase::Stopped
    }

    /// Task health over its essential containers, worst first (ECS-TD-15).
    #[must_use]
    pub fn container_health(&self) -> ContainerHealth {
        let essential = self.definition().containers.iter().zip(&self.containers);
        let mut health = ContainerHealth::Healthy;
        for (definition, container) in essential.filter(|(d, _)| d.essential) {
            match (definition.health_check.is_some(), container.health) {
                (true, ContainerHealth::Unhealthy) => return ContainerHealth::Unhealthy,
                (true, ContainerHealth::Healthy) => {}
                _ => health = ContainerHealth::Unknown,
            }
        }
        health
    }

    /// Whether any essential container has a health check.
    #[must_use]
    pub fn has_container_checks(&self) -> bool {
        self.definition().containers.iter().any(|c| c.essential && c.health_check.is_some())
    }

    pub(crate) fn index_of(&self, container: &str) -> Option<usize> {
        self.definition().containers.iter().position(|c| c.name == container)
    }

    pub(crate) fn is_protected(&self, now: Time) -> bool {
        self.protected_until.is_some_and(|until| until > now)
    }

    /// What a driver needs to make it real.
    #[must_use]
    pub fn launch(&self) -> Arc<TaskLaunch> {
        Arc::new(TaskLaunch {
            task: self.id,
            cluster: self.revision.cluster.clone(),
            service: self.service_name().map(str::to_owned),
            definition: Arc::clone(self.definition()),
            zone: self.zone.to_string(),
            subnet: self.subnet.to_string(),
            address: self.address,
            capacity_provider: self.capacity.as_str(),
            security_groups: self.revision.security_groups.clone(),
            public_ip: self.revision.public_ip,
        })
    }

    /// Whether the container at `index` may start now, must wait, or never can (ECS-TD-10).
    pub(crate) fn readiness(&self, index: usize, now: Time) -> Readiness {
        let definition = self.definition();
        for dependency in &definition.containers[index].depends_on {
            let Some(other) = self.index_of(&dependency.container) else {
                return Readiness::Never(format!("dependency {} is unknown", dependency.container));
            };
            let container = &self.containers[other];
            let exit_code = container.exit.and_then(Exit::code);
            let ended = container.status == ContainerStatus::Stopped;
            let reached = match dependency.condition {
                DependencyCondition::Start => container.started_at.is_some(),
                DependencyCondition::Complete => ended,
                DependencyCondition::Success => ended && exit_code == Some(0),
                DependencyCondition::Healthy => container.health == ContainerHealth::Healthy,
            };
            if reached {
                continue;
            }
            let timeout = definition.containers[other].start_timeout_ms;
            let waited_since = self.pull_stopped_at.unwrap_or(self.created_at);
            let late = timeout.is_some_and(|ms| now.since(waited_since) >= ms);
            let impossible = ended && dependency.condition != DependencyCondition::Start;
            if late || impossible {
                return Readiness::Never(format!(
                    "dependency {} did not reach {:?}",
                    dependency.container, dependency.condition
                ));
            }
            return match timeout {
                Some(ms) => Readiness::WaitUntil(waited_since.plus(ms)),
                None => Readiness::Wait,
            };
        }
        Readiness::Ready
    }

    /// Whether no running container depends on the one at `index`, so that it may stop: the stop
    /// order is the start order reversed (ECS-TD-10).
    pub(crate) fn may_stop(&self, index: usize) -> bool {
        let name = &self.definition().containers[index].name;
        self.definition().containers.iter().zip(&self.containers).all(|(definition, container)| {
            container.status == ContainerStatus::Stopped
                || definition.depends_on.iter().all(|d| d.container != *name)
        })
    }
}

/// Whether a container may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    Wait,
    WaitUntil(Time),
    Never(String),
}
