//! The deployment circuit breaker: counts failures in a row, trips at a threshold (ECS-CB-*).

use serde::{Deserialize, Serialize};

/// Failures at which a deployment of that desired count trips (ECS-CB-1, ECS-CB-2).
#[must_use]
pub fn threshold(desired: u32) -> u32 {
    desired.div_ceil(2).clamp(3, 200)
}

/// The count of one deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitBreaker {
    /// Failed tasks in a row; shown as `failedTasks`.
    pub failed_tasks: u32,
    /// Stage 2: a task of the deployment has been RUNNING (ECS-CB-4).
    pub seen_running: bool,
}

/// What happened to a task of the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOutcome {
    /// It stopped before it was RUNNING.
    FailedToStart,
    /// It is RUNNING.
    Running,
    /// It exited by itself after RUNNING (ECS-CB-9).
    Exited,
    /// It fails a load balancer or container health check.
    Unhealthy,
    /// It passes all its checks, or has none and ran long enough.
    Healthy,
}

impl CircuitBreaker {
    /// Counts an outcome.
    ///
    /// The first RUNNING task ends stage 1 and starts the count again. Later ones do not: a task
    /// that keeps exiting after RUNNING would never trip otherwise; only a healthy one does
    /// (ECS-CB-5).
    pub fn record(&mut self, outcome: TaskOutcome) {
        match outcome {
            TaskOutcome::FailedToStart | TaskOutcome::Exited | TaskOutcome::Unhealthy => {
                self.failed_tasks = self.failed_tasks.saturating_add(1);
            }
            TaskOutcome::Running => {
                if !self.seen_running {
                    self.seen_running = true;
                    self.failed_tasks = 0;
                }
            }
            TaskOutcome::Healthy => self.failed_tasks = 0,
        }
    }

    /// Whether the deployment has failed, judged by the latest desired count (ECS-CB-3).
    #[must_use]
    pub fn is_tripped(&self, desired: u32) -> bool {
        self.failed_tasks >= threshold(desired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TaskOutcome::{Exited, FailedToStart, Healthy, Running, Unhealthy};

    /// ECS-CB-1 and the worked examples of ECS-CB-2.
    #[test]
    fn ecs_cb_2_threshold_is_half_of_desired_between_3_and_200() {
        for (desired, expected) in
            [(0, 3), (1, 3), (5, 3), (6, 3), (7, 4), (25, 13), (400, 200), (800, 200)]
        {
            assert_eq!(threshold(desired), expected, "desired {desired}");
        }
    }

    fn after(outcomes: &[TaskOutcome]) -> u32 {
        let mut breaker = CircuitBreaker::default();
        outcomes.iter().for_each(|o| breaker.record(*o));
        breaker.failed_tasks
    }

    /// ECS-CB-4, ECS-CB-5: stage 1 counts failed starts; the first RUNNING task starts stage 2 at
    /// zero; a healthy task resets the count.
    #[test]
    fn ecs_cb_4_two_stages_and_reset() {
        assert_eq!(after(&[FailedToStart, FailedToStart]), 2);
        assert_eq!(after(&[FailedToStart, FailedToStart, Running]), 0);
        assert_eq!(after(&[Running, Unhealthy, Unhealthy]), 2);
        assert_eq!(after(&[Running, Unhealthy, Healthy, Unhealthy]), 1);
    }

    /// ECS-CB-9: a crash loop counts although every task was RUNNING for a moment.
    #[test]
    fn ecs_cb_9_exits_after_running_count() {
        assert_eq!(after(&[Running, Exited, Running, Exited, Running, Exited]), 3);
    }
}
