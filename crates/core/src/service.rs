//! Services as described by the user.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Cluster and name identify a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceName {
    /// Cluster name.
    pub cluster: String,
    /// Service name, unique in the cluster.
    pub service: String,
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.cluster, self.service)
    }
}

/// A task definition by family and revision; no revision means the newest active one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDefinitionRef {
    /// Family name.
    pub family: String,
    /// Revision number.
    pub revision: Option<u32>,
}

/// A REPLICA service on Fargate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Cluster and service name.
    pub name: ServiceName,
    /// What its tasks run.
    pub task_definition: TaskDefinitionRef,
    /// How many tasks are wanted.
    pub desired_count: u32,
    /// Percents and circuit breaker.
    pub deployment: DeploymentConfiguration,
    /// Empty means all on `FARGATE`.
    pub capacity: Vec<CapacityProviderStrategyItem>,
    /// Target groups its tasks register in, at most [`MAX_LOAD_BALANCERS`].
    pub load_balancers: Vec<ServiceLoadBalancer>,
    /// The one Cloud Map service (ECS-DISC-1).
    pub registry: Option<ServiceRegistry>,
    /// Names of the subnets tasks get an address in.
    pub subnets: Vec<String>,
    /// Names of the security groups of the task.
    pub security_groups: Vec<String>,
    /// Tasks get a public address (ECS-NET-2): from a public subnet they reach the internet.
    #[serde(default)]
    pub public_ip: bool,
    /// Health failures are ignored this long after RUNNING (ECS-SVC-7).
    pub health_check_grace_period_ms: u64,
    /// ECS-SVC-5.
    pub zone_rebalancing: bool,
    /// ECS-TD-29.
    pub enable_execute_command: bool,
    /// Key-value labels; `neargate up` marks what it owns with them.
    pub tags: BTreeMap<String, String>,
}

/// Rolling deployment settings (ECS-DEP-1, ECS-CB-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentConfiguration {
    /// Lower bound in percent of desired, rounded up.
    pub minimum_healthy_percent: u32,
    /// Upper bound in percent of desired, rounded down.
    pub maximum_percent: u32,
    /// Fails a deployment whose tasks keep failing.
    pub circuit_breaker: bool,
    /// And goes back to the last completed deployment.
    pub rollback: bool,
}

impl Default for DeploymentConfiguration {
    fn default() -> Self {
        Self {
            minimum_healthy_percent: 100,
            maximum_percent: 200,
            circuit_breaker: false,
            rollback: false,
        }
    }
}

impl DeploymentConfiguration {
    /// ECS-DEP-1: fewest healthy tasks, `ceil(desired * minimumHealthyPercent / 100)`.
    #[must_use]
    pub fn lower_bound(&self, desired: u32) -> u32 {
        let scaled = u64::from(desired) * u64::from(self.minimum_healthy_percent);
        u32::try_from(scaled.div_ceil(100)).unwrap_or(u32::MAX)
    }

    /// ECS-DEP-1: most tasks at once, `floor(desired * maximumPercent / 100)`.
    #[must_use]
    pub fn upper_bound(&self, desired: u32) -> u32 {
        let scaled = u64::from(desired) * u64::from(self.maximum_percent);
        u32::try_from(scaled / 100).unwrap_or(u32::MAX)
    }
}

/// In so many target groups a service registers at most (ECS-SVC-17).
pub const MAX_LOAD_BALANCERS: usize = 5;

/// Where a task's capacity comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CapacityProvider {
    /// On demand.
    #[serde(rename = "FARGATE")]
    Fargate,
    /// Interruptible (ECS-CP-3, ECS-CP-4).
    #[serde(rename = "FARGATE_SPOT")]
    FargateSpot,
}

impl CapacityProvider {
    /// As ECS spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CapacityProvider::Fargate => "FARGATE",
            CapacityProvider::FargateSpot => "FARGATE_SPOT",
        }
    }
}

/// ECS-CP-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityProviderStrategyItem {
    /// Which provider.
    pub provider: CapacityProvider,
    /// Filled first; on one provider only.
    pub base: u32,
    /// Share of what exceeds the base.
    pub weight: u32,
}

/// A container port registered in a target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLoadBalancer {
    /// Target group name.
    pub target_group: String,
    /// Container of the task definition.
    pub container: String,
    /// One of its ports.
    pub port: u16,
}

/// Registration in service discovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRegistry {
    /// DNS name of the discovery service, `<service>.<namespace>`.
    pub dns_name: String,
    /// Port announced by SRV.
    pub port: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ECS-DEP-1 and the worked examples of ECS-DEP-3.
    #[test]
    fn ecs_dep_3_bounds_round_up_and_down() {
        let bounds = |desired, min, max| {
            let deployment = DeploymentConfiguration {
                minimum_healthy_percent: min,
                maximum_percent: max,
                ..Default::default()
            };
            (deployment.lower_bound(desired), deployment.upper_bound(desired))
        };
        assert_eq!(bounds(4, 50, 200), (2, 8));
        assert_eq!(bounds(2, 75, 200), (2, 4));
        assert_eq!(bounds(3, 100, 125), (3, 3));
        assert_eq!(bounds(1, 100, 100), (1, 1));
        assert_eq!(bounds(0, 100, 200), (0, 0));
        assert_eq!(bounds(u32::MAX, 100, 200), (u32::MAX, u32::MAX));
    }
}
