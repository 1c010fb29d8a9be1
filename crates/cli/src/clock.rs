//! The only place of the command line that reads a clock.

use std::time::{Instant, SystemTime};

/// Monotonic time.
#[allow(clippy::disallowed_methods, reason = "the clock module of this crate")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Wall time, for file ages.
#[allow(clippy::disallowed_methods, reason = "the clock module of this crate")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
