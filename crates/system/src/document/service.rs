//! Services: size, scaling, capacity, deployment, discovery.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Container, ContainerSettings, Rule, Statement, TargetGroup, Text};

/// An ECS service with its task definition. Container settings written here describe the one
/// container of the task; with `containers` they are what all of them have in common.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Service {
    /// Name of the template this service starts from.
    pub(crate) template: Option<String>,
    /// Name of the ECS service; `${service}` unless set.
    pub(crate) name: Option<String>,
    /// Family of the task definition; the service's name unless set.
    pub(crate) family: Option<String>,
    /// Name of the one container; `${service}` unless set.
    pub(crate) container_name: Option<String>,
    /// The containers of a task by name, when there is more than one.
    pub(crate) containers: BTreeMap<String, Container>,
    /// CPU units of a task, 1024 = one vCPU.
    pub(crate) cpu: Option<u32>,
    /// Memory of a task in MiB.
    pub(crate) memory: Option<u32>,
    /// Ephemeral storage of a task.
    pub(crate) ephemeral_storage: Option<EphemeralStorage>,
    /// ARN of the role that pulls images, reads secrets and writes logs.
    pub(crate) execution_role_arn: Option<String>,
    /// ARN of the role the application acts under.
    pub(crate) task_role_arn: Option<String>,
    /// What that role allows; Neargate does not enforce it.
    pub(crate) task_role_policy: Option<Vec<Statement>>,
    /// Tasks wanted at first; `scaling.min` unless set, else 1.
    #[schemars(range(max = 5_000))]
    pub(crate) desired_count: Option<u32>,
    /// Limits and policies of automatic scaling.
    pub(crate) scaling: Option<Scaling>,
    /// Where tasks run; `FARGATE` unless set.
    pub(crate) capacity_provider_strategy: Option<Vec<CapacityProviderStrategyItem>>,
    /// How deployments roll.
    pub(crate) deployment_configuration: Option<DeploymentConfiguration>,
    /// Seconds after RUNNING during which failing health checks are ignored; 0 unless set.
    #[schemars(range(max = 2_147_483_647))]
    pub(crate) health_check_grace_period_seconds: Option<u32>,
    /// Moves tasks until zones are even; `ENABLED` unless set, but `DISABLED` when
    /// `maximumPercent` is 100.
    pub(crate) availability_zone_rebalancing: Option<Switch>,
    /// Lets `exec` into the containers. `false` unless set.
    pub(crate) enable_execute_command: Option<bool>,
    /// Subnets tasks run in.
    pub(crate) subnets: Option<Vec<String>>,
    /// Security groups of the tasks.
    pub(crate) security_groups: Option<Vec<String>>,
    /// Puts the tasks behind a load balancer.
    pub(crate) target_group: Option<TargetGroup>,
    /// Which requests the load balancer sends here.
    pub(crate) rules: Option<Vec<Rule>>,
    /// A name other services find the tasks under.
    pub(crate) discovery: Option<Discovery>,
    /// Labels of service and task definition.
    pub(crate) tags: BTreeMap<String, Option<Text>>,
    #[serde(flatten)]
    pub(crate) container: ContainerSettings,
}

/// Ephemeral storage.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct EphemeralStorage {
    /// 21 to 200 GiB; 20 unless set.
    #[serde(rename = "sizeInGiB")]
    #[schemars(range(min = 21, max = 200))]
    pub(crate) size_in_gib: Option<u32>,
}

/// Limits and policies of automatic scaling.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Scaling {
    /// Fewest tasks.
    #[schemars(range(max = 5_000))]
    pub(crate) min: Option<u32>,
    /// Most tasks.
    #[schemars(range(max = 5_000))]
    pub(crate) max: Option<u32>,
    /// Keeps metrics at a target.
    pub(crate) target_tracking: Option<TargetTracking>,
}

/// Keeps metrics at a target by changing the number of tasks.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct TargetTracking {
    /// Average CPU utilization in percent.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) cpu: Option<u32>,
    /// Average memory utilization in percent.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) memory: Option<u32>,
    /// Requests per target and minute.
    #[schemars(range(min = 1))]
    pub(crate) requests_per_target: Option<u32>,
    /// A metric of your own.
    pub(crate) custom_metric: Option<CustomMetric>,
    /// Seconds to wait after taking tasks away; 300 unless set.
    #[schemars(range(max = 86_400))]
    pub(crate) scale_in_cooldown: Option<u32>,
    /// Seconds to wait after adding tasks; 300 unless set.
    #[schemars(range(max = 86_400))]
    pub(crate) scale_out_cooldown: Option<u32>,
}

/// A metric the application publishes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct CustomMetric {
    /// CloudWatch namespace.
    pub(crate) namespace: String,
    /// Metric name.
    pub(crate) metric_name: String,
    /// The value to keep.
    #[schemars(range(min = 1))]
    pub(crate) target_value: u32,
}

/// A share of the tasks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct CapacityProviderStrategyItem {
    /// `FARGATE` or `FARGATE_SPOT`.
    pub(crate) capacity_provider: CapacityProvider,
    /// Tasks placed here before weights count; on one provider only.
    #[schemars(range(max = 100_000))]
    #[serde(default)]
    pub(crate) base: u32,
    /// Share of the tasks beyond the base; 0 unless set.
    #[schemars(range(max = 1_000))]
    #[serde(default)]
    pub(crate) weight: u32,
}

/// Kinds of Fargate capacity.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq)]
pub(crate) enum CapacityProvider {
    /// On demand.
    #[serde(rename = "FARGATE")]
    Fargate,
    /// Cheaper, can be reclaimed with two minutes' notice.
    #[serde(rename = "FARGATE_SPOT")]
    FargateSpot,
}

/// On or off.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Switch {
    /// On.
    Enabled,
    /// Off.
    Disabled,
}

/// How deployments roll.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct DeploymentConfiguration {
    /// Fewest healthy tasks in percent of the desired count, rounded up; 100 unless set.
    #[schemars(range(max = 100))]
    pub(crate) minimum_healthy_percent: Option<u32>,
    /// Most tasks in percent of the desired count, rounded down; 200 unless set.
    #[schemars(range(min = 100))]
    pub(crate) maximum_percent: Option<u32>,
    /// Stops deployments whose tasks keep failing.
    pub(crate) deployment_circuit_breaker: Option<DeploymentCircuitBreaker>,
}

/// Stops deployments whose tasks keep failing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct DeploymentCircuitBreaker {
    /// On. `false` unless set.
    pub(crate) enable: Option<bool>,
    /// And goes back to the last completed deployment. `false` unless set.
    pub(crate) rollback: Option<bool>,
}

/// A name in a private DNS namespace.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Discovery {
    /// Key under `namespaces`; the only one unless set.
    pub(crate) namespace: Option<String>,
    /// Left-most label; `${service}` unless set.
    pub(crate) name: Option<String>,
    /// Seconds an answer may be kept; 60 unless set.
    #[schemars(range(max = 2_147_483_647))]
    pub(crate) ttl: Option<u32>,
    /// Answers SRV too; the container must have a port. `false` unless set.
    pub(crate) srv: Option<bool>,
}
