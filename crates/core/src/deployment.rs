//! Deployments of a service and the revision each of them rolls out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::circuit_breaker::CircuitBreaker;
use crate::id::DeploymentId;
use crate::service::{ServiceLoadBalancer, ServiceRegistry};
use crate::task_definition::TaskDefinition;
use crate::time::Time;

/// Everything that makes a new deployment when it changes (ECS-DEP-10).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Cluster name.
    pub cluster: String,
    /// Service name; empty for a standalone task.
    pub service: String,
    /// What its tasks run.
    pub definition: Arc<TaskDefinition>,
    /// Names of the subnets.
    pub subnets: Vec<String>,
    /// Names of the security groups.
    pub security_groups: Vec<String>,
    /// Tasks get a public address (ECS-NET-2).
    #[serde(default)]
    pub public_ip: bool,
    /// Target groups its tasks register in.
    pub load_balancers: Vec<ServiceLoadBalancer>,
    /// Discovery name its tasks register under.
    pub registry: Option<ServiceRegistry>,
}

/// ECS-DEP-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RolloutState {
    /// Not there yet.
    InProgress,
    /// The service reached a steady state with it.
    Completed,
    /// The circuit breaker tripped, or a user stopped it.
    Failed,
}

impl RolloutState {
    /// As ECS spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RolloutState::InProgress => "IN_PROGRESS",
            RolloutState::Completed => "COMPLETED",
            RolloutState::Failed => "FAILED",
        }
    }
}

/// One deployment of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// What it rolls out.
    pub revision: Arc<Revision>,
    /// Tasks it should have: for the primary the service's desired count.
    pub desired: u32,
    /// How far it is.
    pub rollout: RolloutState,
    /// In ECS's words (ECS-DEP-9).
    pub reason: String,
    /// Failures in a row.
    pub breaker: CircuitBreaker,
    /// Start failures in a row, for the throttle.
    pub start_failures: u32,
    /// Throttled: no start before this time.
    pub next_start_at: Time,
    /// When it was made.
    pub created_at: Time,
    /// When its state last changed.
    pub updated_at: Time,
    /// When it completed or failed.
    #[serde(default)]
    pub finished_at: Option<Time>,
    /// It once completed.
    pub completed: bool,
    /// It goes back from one that failed; it has no breaker of its own (ECS-CB-7).
    pub is_rollback: bool,
}

impl Deployment {
    pub(crate) fn new(id: DeploymentId, revision: Arc<Revision>, desired: u32, now: Time) -> Self {
        Self {
            id,
            revision,
            desired,
            rollout: RolloutState::InProgress,
            reason: format!("ECS deployment {id} in progress."),
            breaker: CircuitBreaker::default(),
            start_failures: 0,
            next_start_at: Time(0),
            created_at: now,
            updated_at: now,
            finished_at: None,
            completed: false,
            is_rollback: false,
        }
    }

    /// Whether it may start tasks: not failed, not throttled.
    #[must_use]
    pub fn may_start(&self, now: Time) -> bool {
        self.rollout != RolloutState::Failed && self.next_start_at <= now
    }

    pub(crate) fn complete(&mut self, now: Time) {
        self.rollout = RolloutState::Completed;
        self.completed = true;
        self.updated_at = now;
        self.finished_at = Some(now);
        self.reason = format!("ECS deployment {} completed.", self.id);
    }

    pub(crate) fn fail(&mut self, now: Time, reason: &str) {
        self.rollout = RolloutState::Failed;
        self.updated_at = now;
        self.finished_at = Some(now);
        self.reason = reason.to_owned();
    }
}
