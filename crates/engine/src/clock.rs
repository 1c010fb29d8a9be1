//! The only place of the engine that reads a clock, and how real time becomes platform time.
//!
//! Platform time = anchor + (real time - anchor's real time) * pace. Within a run real time is
//! monotonic; over restarts it is the wall clock's, and whatever that does, platform time never
//! runs backwards: it starts no earlier than the newest instant the journal has seen.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use neargate_core::time::Time;
use serde::{Deserialize, Serialize};

/// Where platform time and wall time were last known to meet. Durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Anchor {
    /// Wall time, milliseconds since the epoch.
    pub(crate) real_ms: u64,
    /// Platform time then.
    pub(crate) platform: Time,
    /// Platform milliseconds per real millisecond since.
    pub(crate) pace: u32,
}

impl Anchor {
    /// The anchor of a run that begins at wall time `real_ms`: the old one as long as it can be
    /// kept, so that platform time went on while no engine ran.
    pub(crate) fn for_run(
        old: Option<Anchor>,
        newest_seen: Option<Time>,
        real_ms: u64,
        pace: u32,
    ) -> Anchor {
        let fresh = |platform| Anchor { real_ms, platform, pace };
        match (old, newest_seen) {
            (Some(old), seen) if old.pace == pace => {
                let seen = seen.unwrap_or_default();
                if real_ms >= old.real_ms && old.at(real_ms) >= seen { old } else { fresh(seen) }
            }
            // At another pace the time in between would be counted at the wrong one.
            (_, Some(seen)) if seen > Time(0) => fresh(seen),
            (Some(old), _) => fresh(old.platform),
            (None, _) => fresh(Time(real_ms)),
        }
    }

    /// Platform time at that wall time.
    pub(crate) fn at(&self, real_ms: u64) -> Time {
        let passed = real_ms.saturating_sub(self.real_ms);
        self.platform.plus(passed.saturating_mul(u64::from(self.pace)))
    }
}

/// The running clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// Platform time at `started`.
    origin: Time,
    pace: u32,
}

impl Clock {
    /// A clock that goes on from the anchor.
    #[allow(clippy::disallowed_methods, reason = "the clock module of this crate")]
    pub(crate) fn start(anchor: &Anchor, real_ms: u64) -> Clock {
        Clock { started: Instant::now(), origin: anchor.at(real_ms), pace: anchor.pace }
    }

    /// Platform time now.
    pub(crate) fn now(&self) -> Time {
        self.at(self.started.elapsed())
    }

    fn at(&self, elapsed: Duration) -> Time {
        let passed = elapsed.as_nanos() * u128::from(self.pace) / 1_000_000;
        self.origin.plus(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Real time from platform time `now` until `then`, rounded up; zero when it has come.
    pub(crate) fn until(&self, now: Time, then: Time) -> Duration {
        let nanos = u128::from(then.since(now)) * 1_000_000;
        let real = nanos.div_ceil(u128::from(self.pace.max(1)));
        Duration::from_nanos(u64::try_from(real).unwrap_or(u64::MAX))
    }
}

/// Wall time in milliseconds since the epoch.
#[allow(clippy::disallowed_methods, reason = "the clock module of this crate")]
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Monotonic time, for deadlines of real things.
#[allow(clippy::disallowed_methods, reason = "the clock module of this crate")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    fn anchor(real_ms: u64, platform: u64, pace: u32) -> Anchor {
        Anchor { real_ms, platform: Time(platform), pace }
    }

    #[test]
    fn the_first_run_starts_at_wall_time() {
        assert_eq!(Anchor::for_run(None, None, DAY, 20), anchor(DAY, DAY, 20));
    }

    #[test]
    fn platform_time_goes_on_while_no_engine_runs() {
        let old = anchor(DAY, DAY, 20);
        let next = Anchor::for_run(Some(old), Some(Time(DAY + 100)), DAY + 1000, 20);
        assert_eq!(next, old);
        assert_eq!(next.at(DAY + 1000), Time(DAY + 20_000));
    }

    #[test]
    fn another_pace_starts_at_the_newest_time_seen() {
        let next = Anchor::for_run(Some(anchor(0, 0, 20)), Some(Time(5_000)), 1_000, 1);
        assert_eq!(next, anchor(1_000, 5_000, 1));
    }

    #[test]
    fn time_never_runs_backwards_over_restarts() {
        let seen = Time(2 * DAY);
        // The wall clock was set back, by less and by more than the anchor's age.
        for real_ms in [DAY + 5, DAY - 5] {
            let next = Anchor::for_run(Some(anchor(DAY, DAY, 1)), Some(seen), real_ms, 1);
            assert_eq!(next, anchor(real_ms, 2 * DAY, 1));
            assert!(next.at(real_ms) >= seen);
        }
        // The anchor's file was lost.
        let next = Anchor::for_run(None, Some(seen), DAY, 1);
        assert_eq!(next.at(DAY), seen);
    }

    #[test]
    fn a_pace_divides_waiting_and_multiplies_time() {
        let clock = Clock::start(&anchor(0, 1_000, 20), 0);
        assert_eq!(clock.at(Duration::from_millis(50)), Time(2_000));
        assert_eq!(clock.at(Duration::from_nanos(49_999)), Time(1_000));
        assert_eq!(clock.until(Time(1_000), Time(3_000)), Duration::from_millis(100));
        assert_eq!(clock.until(Time(3_000), Time(1_000)), Duration::ZERO);
        let wait = clock.until(Time(1_000), Time(1_007));
        assert!(clock.at(wait) >= Time(1_007), "waiting once is enough");
    }
}
