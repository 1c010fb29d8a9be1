//! Container health from the results of its check command (ECS-TD-13, ECS-TD-14, ECS-TD-15).
//!
//! Pure: whoever runs the command asks when the next run is due and reports how it went. All times
//! are milliseconds of one clock of the caller's choosing.

use serde::{Deserialize, Serialize};

use crate::input::ContainerHealth;

/// While the start period shields failures, a check that fails is tried again after so long, then
/// twice as long, up to [`EAGER_MAX_MS`]: the container becomes HEALTHY soon after it can.
pub const EAGER_FIRST_MS: u64 = 100;
/// The longest wait between two such tries.
pub const EAGER_MAX_MS: u64 = 1_000;

/// When to check, and how many failures count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSchedule {
    /// From the end of a check to the start of the next.
    pub interval_ms: u64,
    /// Consecutive failures that make the container UNHEALTHY; at least 1.
    pub retries: u32,
    /// Failures of checks begun this early do not count, until one has passed; 0 for none.
    pub start_period_ms: u64,
}

/// The health of one run of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthEvaluation {
    schedule: CheckSchedule,
    container_started_ms: u64,
    health: ContainerHealth,
    consecutive_failures: u32,
    eager_ms: u64,
    next_check_ms: u64,
}

impl HealthEvaluation {
    /// For a container that started at `now_ms`. The first check is due at once when a start period
    /// shields it, else after one interval.
    #[must_use]
    pub fn new(schedule: CheckSchedule, now_ms: u64) -> Self {
        let wait = if schedule.start_period_ms > 0 { 0 } else { schedule.interval_ms };
        Self {
            schedule,
            container_started_ms: now_ms,
            health: ContainerHealth::Unknown,
            consecutive_failures: 0,
            eager_ms: EAGER_FIRST_MS,
            next_check_ms: now_ms.saturating_add(wait),
        }
    }

    /// The verdict so far; UNKNOWN while still evaluating (ECS-TD-15).
    #[must_use]
    pub fn health(&self) -> ContainerHealth {
        self.health
    }

    /// When the next check is due.
    #[must_use]
    pub fn next_check_ms(&self) -> u64 {
        self.next_check_ms
    }

    /// Takes the result of a check that began at `began_ms` and ended at `now_ms`; one that ran out
    /// of time has failed. Returns the verdict if it changed.
    pub fn record(&mut self, passed: bool, began_ms: u64, now_ms: u64) -> Option<ContainerHealth> {
        let before = self.health;
        let shielded = self.shielded_at(began_ms);
        if passed {
            self.health = ContainerHealth::Healthy;
            self.consecutive_failures = 0;
        } else if !shielded {
            self.consecutive_failures = self.consecutive_failures.saturating_add(1);
            if self.consecutive_failures >= self.schedule.retries {
                self.health = ContainerHealth::Unhealthy;
            }
        }
        let mut wait = self.schedule.interval_ms;
        if !passed && shielded {
            wait = wait.min(self.eager_ms);
            self.eager_ms = (self.eager_ms * 2).min(EAGER_MAX_MS);
        }
        self.next_check_ms = now_ms.saturating_add(wait);
        (self.health != before).then_some(self.health)
    }

    /// Whether a failure of a check begun then does not count: in the start period, and nothing has
    /// passed yet (ECS-TD-14).
    fn shielded_at(&self, began_ms: u64) -> bool {
        self.health == ContainerHealth::Unknown
            && began_ms.saturating_sub(self.container_started_ms) < self.schedule.start_period_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ContainerHealth::{Healthy, Unhealthy, Unknown};

    const INTERVAL: u64 = 30_000;

    fn evaluation(start_period_ms: u64) -> HealthEvaluation {
        let schedule = CheckSchedule { interval_ms: INTERVAL, retries: 3, start_period_ms };
        HealthEvaluation::new(schedule, 1_000)
    }

    /// Runs checks that take no time, at the moments they are due; `p` passes, `f` fails. Gives the
    /// verdict after each.
    fn run(evaluation: &mut HealthEvaluation, results: &str) -> Vec<ContainerHealth> {
        results
            .chars()
            .map(|result| {
                let now = evaluation.next_check_ms();
                evaluation.record(result == 'p', now, now);
                evaluation.health()
            })
            .collect()
    }

    /// ECS-TD-13: `retries` failures in a row, no fewer; one success clears them.
    #[test]
    fn ecs_td_13_retries_consecutive_failures_make_unhealthy() {
        for (results, expected) in [
            ("ff", vec![Unknown, Unknown]),
            ("fff", vec![Unknown, Unknown, Unhealthy]),
            ("ffpff", vec![Unknown, Unknown, Healthy, Healthy, Healthy]),
            ("pfff", vec![Healthy, Healthy, Healthy, Unhealthy]),
            ("fffp", vec![Unknown, Unknown, Unhealthy, Healthy]),
        ] {
            assert_eq!(run(&mut evaluation(0), results), expected, "{results}");
        }
    }

    /// ECS-TD-14: failures inside the start period do not count; a success inside it makes HEALTHY
    /// and from then on failures count.
    #[test]
    fn ecs_td_14_the_start_period_shields_until_the_first_success() {
        assert_eq!(run(&mut evaluation(60_000), &"f".repeat(20)), [Unknown; 20]);
        assert_eq!(
            run(&mut evaluation(300_000), "ffffpfff"),
            [Unknown, Unknown, Unknown, Unknown, Healthy, Healthy, Healthy, Unhealthy]
        );
    }

    /// ECS-TD-14: a check begun inside the start period is shielded even if it ends after it.
    #[test]
    fn ecs_td_14_the_begin_of_a_check_decides() {
        let mut evaluation = evaluation(10_000);
        evaluation.record(false, 10_999, 12_000);
        assert_eq!(evaluation.consecutive_failures, 0);
        evaluation.record(false, 11_000, 12_000);
        assert_eq!(evaluation.consecutive_failures, 1);
    }

    /// ECS-TD-15: UNKNOWN until the first verdict; a change is told once.
    #[test]
    fn ecs_td_15_only_changes_are_told() {
        let mut evaluation = evaluation(0);
        assert_eq!(evaluation.health(), Unknown);
        assert_eq!(evaluation.record(true, 2_000, 2_000), Some(Healthy));
        assert_eq!(evaluation.record(true, 3_000, 3_000), None);
    }

    #[test]
    fn checks_come_at_once_and_then_slower_in_the_start_period_and_by_interval_outside() {
        let mut shielded = evaluation(5_000);
        let mut due = Vec::new();
        for _ in 0..9 {
            let now = shielded.next_check_ms();
            due.push(now - 1_000);
            shielded.record(false, now, now);
        }
        assert_eq!(due, [0, 100, 300, 700, 1_500, 2_500, 3_500, 4_500, 5_500]);
        assert_eq!(shielded.next_check_ms(), 1_000 + 5_500 + INTERVAL);

        let mut plain = evaluation(0);
        assert_eq!(plain.next_check_ms(), 1_000 + INTERVAL);
        plain.record(true, 31_000, 31_500);
        assert_eq!(plain.next_check_ms(), 31_500 + INTERVAL);
    }
}
