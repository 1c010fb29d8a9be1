//! Platform time: a plain number handed in by whoever drives the platform.
//!
//! The core never reads a clock. The engine passes scaled wall time, the simulator virtual time;
//! decisions cannot tell the difference.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, in platform time (runs faster than the wall under `--pace`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time(pub u64);

impl Time {
    /// This instant moved `ms` milliseconds into the future.
    #[must_use]
    pub fn plus(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; zero when `earlier` lies in the future.
    #[must_use]
    pub fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// One second in milliseconds.
pub const SECOND: u64 = 1_000;
/// One minute in milliseconds.
pub const MINUTE: u64 = 60 * SECOND;
/// One hour in milliseconds.
pub const HOUR: u64 = 60 * MINUTE;
