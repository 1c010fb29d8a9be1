//! Load balancers, listeners, rules and target groups as described by the user.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::time::SECOND;

/// An application load balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadBalancerSpec {
    /// At most 32 letters, digits, `-` (ALB-HDR-11).
    pub name: String,
    /// Reachable from outside the VPC.
    pub internet_facing: bool,
    /// Names of the subnets it has an address in.
    pub subnets: Vec<String>,
    /// Names of its security groups.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Both sides, 60 s unless set (ALB-HDR-7).
    pub idle_timeout_ms: u64,
    /// Key-value labels.
    pub tags: BTreeMap<String, String>,
}

/// A listener with all its rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListenerSpec {
    /// Name of the load balancer.
    pub load_balancer: String,
    /// Port as the client of the load balancer sees it, 1 to 65535, one listener per port.
    pub port: u16,
    /// Port on this machine; 0 lets the machine choose one.
    pub host_port: u16,
    /// When no rule matches.
    pub default_action: Action,
    /// Sorted by priority; priorities are unique (ALB-RULE-1, ALB-RULE-2).
    pub rules: Vec<Rule>,
}

impl ListenerSpec {
    /// Names of the target groups that it forwards to; one may come several times.
    pub fn target_groups(&self) -> impl Iterator<Item = &str> {
        let actions = self.rules.iter().map(|r| &r.action).chain([&self.default_action]);
        actions.flat_map(Action::target_groups)
    }
}

/// A listener rule: all conditions must hold (ALB-RULE-4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// 1 to 50000; the lowest that matches acts.
    pub priority: u32,
    /// ANDed.
    pub conditions: Vec<Condition>,
    /// What happens to the request.
    pub action: Action,
}

/// A rule condition; the values inside are ORed (ALB-RULE-4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Path patterns with `*` and `?`, case-sensitive (ALB-RULE-7).
    PathPattern(Vec<String>),
    /// Host patterns with `*` and `?`, case-insensitive, port ignored (ALB-RULE-6).
    HostHeader(Vec<String>),
}

/// What a rule does (ALB-ACT-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// To target groups by weight (ALB-ACT-2).
    Forward(Vec<WeightedTargetGroup>),
    /// An answer without a target (ALB-ACT-8).
    FixedResponse {
        /// 2XX, 4XX or 5XX.
        status: u16,
        /// One of the five types ALB allows.
        content_type: String,
        /// At most 1024 bytes.
        body: String,
    },
    /// A redirect; fields may hold `#{protocol}` `#{host}` `#{port}` `#{path}` `#{query}` (ALB-ACT-5).
    Redirect {
        /// HTTP or HTTPS or `#{protocol}`.
        protocol: String,
        /// Host or `#{host}`.
        host: String,
        /// Port or `#{port}`.
        port: String,
        /// Begins with `/`.
        path: String,
        /// Without the leading `?`.
        query: String,
        /// 301 or 302.
        status: u16,
    },
}

impl Action {
    /// Names of the target groups that it forwards to.
    pub fn target_groups(&self) -> impl Iterator<Item = &str> {
        let groups = match self {
            Action::Forward(groups) => groups.as_slice(),
            Action::FixedResponse { .. } | Action::Redirect { .. } => &[],
        };
        groups.iter().map(|group| group.target_group.as_str())
    }
}

/// One target group of a forward action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedTargetGroup {
    /// Target group name.
    pub target_group: String,
    /// 0 to 999; share = weight / sum.
    pub weight: u32,
}

/// A target group of type `ip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetGroupSpec {
    /// At most 32 letters, digits, `-` (ALB-TG-1).
    pub name: String,
    /// Default port of its targets.
    pub port: u16,
    /// How targets are probed.
    pub health_check: TargetHealthCheck,
    /// 300 s unless set, 0 to 3600 s (ALB-TG-2).
    pub deregistration_delay_ms: u64,
    /// Key-value labels.
    pub tags: BTreeMap<String, String>,
}

/// How the load balancer probes a target (ALB-HC-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetHealthCheck {
    /// Request path, `/` unless set.
    pub path: String,
    /// Probe port; `None` is the traffic port.
    pub port: Option<u16>,
    /// 5 to 300 s, 30 s unless set.
    pub interval_ms: u64,
    /// 2 to 120 s, 5 s unless set, below the interval (ALB-HC-2).
    pub timeout_ms: u64,
    /// 2 to 10, 5 unless set.
    pub healthy_threshold: u32,
    /// 2 to 10, 2 unless set.
    pub unhealthy_threshold: u32,
    /// Accepted status codes, e.g. `200` or `200-299,301`.
    pub matcher: String,
}

impl Default for TargetHealthCheck {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            port: None,
            interval_ms: 30 * SECOND,
            timeout_ms: 5 * SECOND,
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: "200".to_owned(),
        }
    }
}

/// ALB-TG-2.
pub const DEFAULT_DEREGISTRATION_DELAY_MS: u64 = 300 * SECOND;
/// ALB-HDR-7.
pub const DEFAULT_IDLE_TIMEOUT_MS: u64 = 60 * SECOND;

/// A target: an address and port registered in a target group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetAddress {
    /// The task's own address.
    pub ip: Ipv4Addr,
    /// The container's port.
    pub port: u16,
}

impl std::fmt::Display for TargetAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.ip, self.port)
    }
}
