//! Tasks that never reach RUNNING are started ever more slowly (ECS-SVC-12, ECS-SVC-13).

use crate::time::MINUTE;

/// The longest pause between attempts (ECS-SVC-12).
pub const MAX_DELAY_MS: u64 = 27 * MINUTE;
/// So many failures in a row start without a pause.
const FREE_FAILURES: u32 = 2;

/// The pause before the next start after that many start failures in a row.
#[must_use]
pub fn start_delay_ms(failures_in_a_row: u32) -> u64 {
    let Some(steps) = failures_in_a_row.checked_sub(FREE_FAILURES + 1) else { return 0 };
    MINUTE.saturating_mul(1_u64 << steps.min(20)).min(MAX_DELAY_MS)
}

/// Whether the service is told that it cannot start tasks consistently (ECS-EVT-12).
#[must_use]
pub fn is_throttled(failures_in_a_row: u32) -> bool {
    failures_in_a_row > FREE_FAILURES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ECS-SVC-13: min(27 min, 1 min * 2^(n-1)) after the third straight failure.
    #[test]
    fn ecs_svc_13_delays_double_up_to_27_minutes() {
        let minutes: Vec<u64> = (0..10).map(|n| start_delay_ms(n) / MINUTE).collect();
        assert_eq!(minutes, [0, 0, 0, 1, 2, 4, 8, 16, 27, 27]);
        assert_eq!(start_delay_ms(u32::MAX), MAX_DELAY_MS);
    }
}
