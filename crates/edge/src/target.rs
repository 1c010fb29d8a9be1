//! Target groups and targets as the workers see them. They live outside the routing tables and are
//! carried over by name and address, so that a change of rules or targets resets no counter and
//! loses no request in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use neargate_core::load_balancer::TargetAddress;
use tokio::sync::Notify;

use crate::connect::Sources;
use crate::control::TargetGroupMetrics;

/// A target: where requests go, and how many are there.
#[derive(Debug)]
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) address: TargetAddress,
    /// Set once it must get no new requests; its connections are not kept either.
    draining: AtomicBool,
    /// Requests and tunnels it is busy with.
    in_flight: AtomicUsize,
    /// Open connections of the workers, idle ones included.
    connections: AtomicUsize,
    /// Requests it was chosen for.
    requests: AtomicU64,
    /// Rung when a draining target may have become idle.
    idle: Arc<Notify>,
    /// Where connections to it come from: its group's.
    pub(crate) sources: Sources,
}

impl Target {
    pub(crate) fn new(address: TargetAddress, idle: Arc<Notify>, sources: Sources) -> Self {
        Self {
            address,
            sources,
            draining: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            idle,
        }
    }

    /// Whether its connections must be closed instead of kept.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Release);
    }

    /// No request and no connection.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) == 0 && self.connections.load(Ordering::Acquire) == 0
    }

    fn released(&self) {
        if self.is_draining() {
            self.idle.notify_one();
        }
    }
}

/// Counts as one request in flight at its target until dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) target: Arc<Target>,
    pub(crate) group: Arc<Group>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.target.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.target.released();
    }
}

/// Counts as one open connection to its target until dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<Target>);

impl OpenConnection {
    pub(crate) fn new(target: &Arc<Target>) -> Self {
        target.connections.fetch_add(1, Ordering::AcqRel);
        Self(target.clone())
    }

    pub(crate) fn target(&self) -> &Arc<Target> {
        &self.0
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
        self.0.released();
    }
}

/// Counters of a group (ALB-MET-4).
#[derive(Debug, Default)]
pub(crate) struct GroupCounters {
    pub(crate) requests: AtomicU64,
    pub(crate) target_codes: [AtomicU64; 4],
    pub(crate) elb_codes: [AtomicU64; 3],
    pub(crate) connection_errors: AtomicU64,
    pub(crate) response_time_us_sum: AtomicU64,
}

/// A target group: the targets that may be chosen now, and the counters.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    eligible: ArcSwap<Vec<Arc<Target>>>,
    next: AtomicUsize,
    pub(crate) counters: GroupCounters,
}

impl Group {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            eligible: ArcSwap::default(),
            next: AtomicUsize::new(0),
            counters: GroupCounters::default(),
        }
    }

    /// Publishes who may be chosen from now on.
    pub(crate) fn set_eligible(&self, targets: Vec<Arc<Target>>) {
        self.eligible.store(Arc::new(targets));
    }

    /// The next target in turn (ALB-TG-4: round robin), counted as in flight before this returns;
    /// `None` when there is none to choose from.
    ///
    /// Choosing and counting must stay free of awaits: the acknowledgement of a new table relies on
    /// a worker between two polls having counted everything it has chosen.
    pub(crate) fn choose(self: &Arc<Self>) -> Option<InFlight> {
        let eligible = self.eligible.load();
        if eligible.is_empty() {
            return None;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let target = eligible.get(turn % eligible.len())?.clone();
        target.in_flight.fetch_add(1, Ordering::AcqRel);
        target.requests.fetch_add(1, Ordering::Relaxed);
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        Some(InFlight { target, group: self.clone() })
    }

    /// Counts an answer that came from a target.
    pub(crate) fn count_target_answer(&self, status: u16, micros: u64) {
        let class = usize::from(status / 100);
        if let Some(counter) = class.checked_sub(2).and_then(|i| self.counters.target_codes.get(i))
        {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.counters.response_time_us_sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts a 502, 503 or 504 that the balancer makes for this group.
    pub(crate) fn count_own_answer(&self, status: u16) {
        let index = usize::from(status).checked_sub(502);
        if let Some(counter) = index.and_then(|i| self.counters.elb_codes.get(i)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counters, with those of these targets.
    pub(crate) fn metrics<'a>(
        &self,
        targets: impl Iterator<Item = &'a Arc<Target>>,
    ) -> TargetGroupMetrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TargetGroupMetrics {
            name: self.name.clone(),
            requests: read(&self.counters.requests),
            target_codes: self.counters.target_codes.each_ref().map(read),
            elb_codes: self.counters.elb_codes.each_ref().map(read),
            connection_errors: read(&self.counters.connection_errors),
            response_time_us_sum: read(&self.counters.response_time_us_sum),
            targets: targets.map(|t| (t.address, read(&t.requests))).collect(),
        }
    }
}
