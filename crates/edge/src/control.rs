//! The words engine and edge exchange: one JSON object per line over a Unix socket that the edge
//! listens on. The edge outlives the engine; whoever connects last is the engine.

use std::net::Ipv4Addr;

use neargate_core::id::{Generation, TaskId};
use neargate_core::load_balancer::{ListenerSpec, TargetAddress, TargetGroupSpec};
use neargate_core::target_health::TargetHealth;
use serde::{Deserialize, Serialize};

/// From the engine to the edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToEdge {
    /// The whole wish, sent first on every connection; what it does not name is removed.
    /// Listeners, targets and names it does name keep their sockets, health and counters.
    Sync {
        /// The generation this state belongs to.
        generation: Generation,
        /// Everything.
        state: Vec<Change>,
    },
    /// One change on top of what was sent before.
    Apply {
        /// The generation after this change.
        generation: Generation,
        /// What changes.
        change: Change,
    },
    /// Ask for one `Metrics` message.
    GetMetrics,
    /// Stop accepting, finish requests in flight (bounded), exit 0.
    Shutdown,
}

/// A whole listener, target group or name; the last one sent counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A target group with all its targets.
    TargetGroup {
        /// Settings.
        spec: TargetGroupSpec,
        /// Targets.
        targets: Vec<Target>,
        /// Addresses to connect from, one of them each time; none leaves it to the system.
        sources: Vec<Ipv4Addr>,
    },
    /// The group is gone.
    RemoveTargetGroup {
        /// Its name.
        name: String,
    },
    /// A listener with all its rules.
    Listener {
        /// Settings and rules.
        spec: ListenerSpec,
        /// Both sides' idle timeout (real milliseconds).
        idle_timeout_ms: u64,
    },
    /// The listener is gone.
    RemoveListener {
        /// Load balancer name.
        load_balancer: String,
        /// Listener port.
        port: u16,
    },
    /// A discovery name with all its instances.
    Name {
        /// `<service>.<namespace>`, no final dot.
        dns_name: String,
        /// TTL of the records.
        ttl_s: u32,
        /// Its instances; none means NXDOMAIN.
        instances: Vec<Instance>,
    },
}

/// A target of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Where it listens.
    pub address: TargetAddress,
    /// Gets no new requests.
    pub draining: bool,
}

/// An instance behind a discovery name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Task id.
    pub id: TaskId,
    /// Its address.
    pub address: Ipv4Addr,
    /// Port for SRV.
    pub port: Option<u16>,
    /// Custom health status.
    pub healthy: bool,
}

/// From the edge to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromEdge {
    /// First message on every connection.
    Hello {
        /// Process id of the edge.
        pid: u32,
        /// Its version; the engine replaces an edge of another version.
        version: String,
    },
    /// No request is routed, and no name answered, by a generation before this one any more.
    Applied {
        /// Newest generation in use.
        generation: Generation,
    },
    /// A target changed health; after `Sync`, also once for every target.
    TargetHealth {
        /// Target group name.
        target_group: String,
        /// Which target.
        target: TargetAddress,
        /// State with reason.
        health: TargetHealth,
    },
    /// A draining target has no request in flight and no connection from the edge left.
    TargetIdle {
        /// Target group name.
        target_group: String,
        /// Which target.
        target: TargetAddress,
    },
    /// The listener accepts on this port of the machine, or could not be bound (it keeps trying).
    ListenerBound {
        /// Load balancer name.
        load_balancer: String,
        /// Listener port.
        port: u16,
        /// Port on this machine, or why not.
        result: Result<u16, String>,
    },
    /// Answer to `GetMetrics`.
    Metrics(Metrics),
}

/// Counters since the edge started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// One entry per target group.
    pub target_groups: Vec<TargetGroupMetrics>,
}

/// Counters of one target group (ALB-MET-4).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetGroupMetrics {
    /// Target group name.
    pub name: String,
    /// Requests for which a target was chosen.
    pub requests: u64,
    /// Target answers by class: 2xx, 3xx, 4xx, 5xx.
    pub target_codes: [u64; 4],
    /// 502, 503, 504 made by the balancer for this group.
    pub elb_codes: [u64; 3],
    /// Failed connections to targets.
    pub connection_errors: u64,
    /// Sum of microseconds from sending the request to the first byte of the answer.
    pub response_time_us_sum: u64,
    /// Requests per target.
    pub targets: Vec<(TargetAddress, u64)>,
}
