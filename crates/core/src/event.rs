//! Service events, in ECS's exact words (ECS-EVT-*).

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, TaskId};
use crate::time::{HOUR, Time};

/// An entry of a service's event list (ECS-EVT-17).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// Unique id.
    pub id: u128,
    /// When it happened.
    pub created_at: Time,
    /// What happened, as ECS would put it.
    pub message: String,
}

/// How many events a service keeps (ECS-SVC-16).
pub const MAX_EVENTS: usize = 100;
/// How long an unchanged message is not repeated (ECS-EVT-16), and after which a quiet service
/// says again that it is steady (ECS-EVT-6).
pub const REPEAT_AFTER_MS: u64 = 6 * HOUR;

fn task_list(tasks: &[TaskId]) -> String {
    let mut list = String::new();
    for task in tasks {
        let _ = write!(list, " (task {task})");
    }
    list
}

/// ECS-EVT-1.
#[must_use]
pub fn started(service: &str, tasks: &[TaskId]) -> String {
    format!("(service {service}) has started {} tasks:{}.", tasks.len(), task_list(tasks))
}

/// ECS-EVT-10, second half: the same, when the tasks replace unhealthy ones.
#[must_use]
pub fn started_replacements(service: &str, tasks: &[TaskId], replaced: usize) -> String {
    format!(
        "{} Amazon ECS replaced {replaced} tasks due to an unhealthy status.",
        started(service, tasks)
    )
}

/// ECS-EVT-2.
#[must_use]
pub fn registered(service: &str, count: u32, target_group_arn: &str) -> String {
    format!("(service {service}) registered {count} targets in (target-group {target_group_arn})")
}

/// ECS-EVT-3.
#[must_use]
pub fn deregistered(service: &str, count: u32, target_group_arn: &str) -> String {
    format!("(service {service}) deregistered {count} targets in (target-group {target_group_arn})")
}

/// ECS-EVT-4.
#[must_use]
pub fn draining(service: &str, deployment: DeploymentId, count: u32) -> String {
    format!(
        "(service {service}, taskSet {deployment}) has begun draining connections on {count} tasks."
    )
}

/// ECS-EVT-5, running tasks.
#[must_use]
pub fn stopped_running(service: &str, tasks: &[TaskId]) -> String {
    format!("(service {service}) has stopped {} running tasks:{}.", tasks.len(), task_list(tasks))
}

/// ECS-EVT-5, pending tasks.
#[must_use]
pub fn stopped_pending(service: &str, count: usize) -> String {
    format!("(service {service}) stopped {count} pending tasks.")
}

/// ECS-EVT-6.
#[must_use]
pub fn steady_state(service: &str) -> String {
    format!("(service {service}) has reached a steady state.")
}

/// ECS-EVT-7.
#[must_use]
pub fn deployment_completed(service: &str, deployment: DeploymentId) -> String {
    format!("(service {service}) (deployment {deployment}) deployment completed.")
}

/// ECS-EVT-8, first message.
#[must_use]
pub fn deployment_failed(service: &str, deployment: DeploymentId) -> String {
    format!(
        "(service {service}) (deployment {deployment}) deployment failed: tasks failed to start."
    )
}

/// ECS-EVT-8, second message.
#[must_use]
pub fn rolling_back(service: &str, to: DeploymentId) -> String {
    format!("(service {service}) rolling back to deployment {to}.")
}

/// ECS-EVT-9; `reason` is the target's health description.
#[must_use]
pub fn target_unhealthy(
    service: &str,
    task: TaskId,
    port: u16,
    target_group_arn: &str,
    reason: &str,
) -> String {
    format!(
        "(service {service}) (task {task}) (port {port}) is unhealthy in (target-group {target_group_arn}) due to (reason {reason})."
    )
}

/// ECS-EVT-10, first half.
#[must_use]
pub fn container_unhealthy(service: &str, task: TaskId) -> String {
    format!("(service {service}) (task {task}) failed container health checks.")
}

/// ECS-EVT-11.
#[must_use]
pub fn unable_to_place(service: &str, reason: &str) -> String {
    format!("(service {service}) was unable to place a task. Reason: {reason}.")
}

/// The reason of [`unable_to_place`] when a zone or Spot has no capacity (ECS-EVT-11).
pub const CAPACITY_UNAVAILABLE: &str = "Capacity is unavailable at this time. Please try again later or in a different availability zone";

/// ECS-EVT-12.
#[must_use]
pub fn unable_to_start_consistently(service: &str) -> String {
    format!(
        "(service {service}) is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
    )
}

/// ECS-EVT-13.
#[must_use]
pub fn blocked_by_percents(service: &str) -> String {
    format!(
        "(service {service}) was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    )
}

/// ECS-PROT-3.
#[must_use]
pub fn blocked_by_protection(service: &str, deployment: DeploymentId, count: u32) -> String {
    format!(
        "(service {service}) was unable to reach steady state because (taskSet {deployment}) was unable to scale in due to (reason {count} tasks under protection)"
    )
}

/// ECS-EVT-15, tasks per zone.
#[must_use]
pub fn zone_counts(counts: &[(String, u32)]) -> String {
    let parts: Vec<String> =
        counts.iter().map(|(zone, count)| format!("{count} tasks in {zone}")).collect();
    parts.join(", ")
}

/// ECS-EVT-15.
#[must_use]
pub fn not_balanced(service: &str, counts: &[(String, u32)]) -> String {
    format!(
        "(service {service}) is not AZ balanced with {}. AZ Rebalancing in progress.",
        zone_counts(counts)
    )
}

/// ECS-EVT-15.
#[must_use]
pub fn balanced(service: &str, counts: &[(String, u32)]) -> String {
    format!("(service {service}) is AZ balanced with {}.", zone_counts(counts))
}

/// ECS-EVT-15.
#[must_use]
pub fn started_to_rebalance(service: &str, zone: &str, task: TaskId) -> String {
    format!("(service {service}) has started 1 tasks in {zone} to AZ Rebalance: (task {task}).")
}

/// ECS-EVT-15.
#[must_use]
pub fn stopped_to_rebalance(service: &str, zone: &str, task: TaskId) -> String {
    format!(
        "(service {service}) has stopped 1 running tasks in {zone} due to AZ rebalancing: (task {task})."
    )
}
