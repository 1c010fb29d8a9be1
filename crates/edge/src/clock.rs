//! The only place of this crate that reads clocks. Workers use a coarse clock that their sweeper
//! moves on, because reading the real one several times per request costs more than it tells.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a worker's coarse clock moves while it has connections.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// A worker's coarse clock.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    epoch_ms_at_start: u64,
    now_ms: Cell<u64>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            start: Instant::now(),
            epoch_ms_at_start: u64::try_from(epoch.as_millis()).unwrap_or(0),
            now_ms: Cell::new(0),
        }
    }

    /// Reads the real clock.
    pub(crate) fn advance(&self) {
        let elapsed = self.start.elapsed().as_millis();
        self.now_ms.set(u64::try_from(elapsed).unwrap_or(u64::MAX));
    }

    /// Milliseconds since the worker started, at most one [`TICK`] old.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// Seconds since the Unix epoch, coarse.
    pub(crate) fn epoch_s(&self) -> u64 {
        (self.epoch_ms_at_start + self.now_ms.get()) / 1000
    }
}

/// A precise instant, for measuring a target's response time.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
