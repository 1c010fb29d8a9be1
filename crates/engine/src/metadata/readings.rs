//! The last readings of what containers use: a rate needs two. Pure.

use std::collections::BTreeMap;

use neargate_core::id::TaskId;
use neargate_runtime::Usage;

/// Readings closer together than this are no base for a rate.
const SHORTEST_MS: u64 = 1_000;
/// A container that nobody asked about for so long is forgotten.
const KEPT_MS: u64 = 10 * 60_000;
/// Forgetting is thought of when there are more containers than this.
const MANY: usize = 256;

/// What a container used at some time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    /// Real milliseconds since the epoch.
    pub(super) at_ms: u64,
    pub(super) usage: Usage,
}

/// By container.
#[derive(Debug, Default)]
pub(super) struct Readings(BTreeMap<(TaskId, String), Kept>);

#[derive(Debug)]
struct Kept {
    newest: Reading,
    /// Older than `newest` by [`SHORTEST_MS`] at least.
    before: Option<Reading>,
}

impl Readings {
    /// Keeps a reading; answers the newest one that is old enough to be compared with. None when
    /// there is none, or when the container was restarted since.
    pub(super) fn take(&mut self, task: TaskId, name: &str, now: &Reading) -> Option<Reading> {
        if self.0.len() >= MANY {
            self.0.retain(|_, kept| now.at_ms.saturating_sub(kept.newest.at_ms) < KEPT_MS);
        }
        let key = (task, name.to_owned());
        let Some(kept) = self.0.get_mut(&key).filter(|k| k.newest.usage.cpu_ns <= now.usage.cpu_ns)
        else {
            self.0.insert(key, Kept { newest: now.clone(), before: None });
            return None;
        };
        if now.at_ms.saturating_sub(kept.newest.at_ms) >= SHORTEST_MS {
            kept.before = Some(std::mem::replace(&mut kept.newest, now.clone()));
        }
        kept.before.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_compared_with_one_that_is_a_second_old() {
        let mut readings = Readings::default();
        let reading =
            |at_ms, cpu_ns| Reading { at_ms, usage: Usage { cpu_ns, ..Usage::default() } };
        let mut take = |at_ms, cpu_ns| {
            readings.take(TaskId(1), "app", &reading(at_ms, cpu_ns)).map(|before| before.at_ms)
        };
        assert_eq!(take(1_000, 5), None);
        assert_eq!(take(1_500, 5), None, "too close");
        assert_eq!(take(2_000, 6), Some(1_000));
        assert_eq!(take(2_400, 6), Some(1_000), "somebody else asked just now");
        assert_eq!(take(3_100, 7), Some(2_000));
        assert_eq!(take(5_000, 1), None, "restarted");
        assert_eq!(take(6_000, 2), Some(5_000));
    }

    #[test]
    fn what_nobody_asks_about_is_forgotten() {
        let mut readings = Readings::default();
        for task in 0..10 * MANY as u128 {
            let at_ms = task as u64 * KEPT_MS / 10;
            readings.take(TaskId(task), "app", &Reading { at_ms, usage: Usage::default() });
        }
        assert!(readings.0.len() <= MANY);
    }
}
