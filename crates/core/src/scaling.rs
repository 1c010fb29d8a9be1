//! Application Auto Scaling: between which counts a service may be scaled, and by what policies
//! (SCALE-*). Target tracking comes with its two alarms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alarm::{
    AlarmAction, AlarmCondition, AlarmSpec, Comparison, DimensionValue, Metric, MetricCondition,
    MetricQuery, MetricStatistic, Statistic, Threshold, Watched,
};
use crate::commands::not_found;
use crate::id::uuid;
use crate::platform::{Platform, Rejection};
use crate::service::ServiceName;
use crate::time::Time;

/// SCALE-TT-6, SCALE-TT-7: periods of the alarms, and the share of the target below which there is
/// too much capacity. Captures disagree (SCALE-TT-8).
const HIGH_PERIODS: u32 = 3;
const LOW_PERIODS: u32 = 15;
const LOW_SHARE: f64 = 0.9;
/// Every alarm of a policy looks at minutes (SCALE-TT-3, SCALE-CUS-2).
pub const ALARM_PERIOD_S: u32 = 60;

/// Limits between which the desired count of a service is scaled (SCALE-TGT-1): its scalable target
/// in the dimension `ecs:service:DesiredCount`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalableTargetSpec {
    /// Which service.
    pub service: ServiceName,
    /// Fewest tasks that scaling may set.
    pub min: u32,
    /// Most tasks that scaling may set.
    pub max: u32,
    /// What is held for the time being.
    #[serde(default)]
    pub suspended: SuspendedState,
    /// Key-value labels; `neargate up` marks what it owns with them.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// SCALE-SUS-1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspendedState {
    /// No policy takes tasks away.
    pub dynamic_scaling_in: bool,
    /// No policy adds tasks.
    pub dynamic_scaling_out: bool,
    /// No scheduled action runs.
    pub scheduled_scaling: bool,
}

/// A policy of a scalable target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingPolicySpec {
    /// Which service's target.
    pub service: ServiceName,
    /// Unique among the target's policies.
    pub name: String,
    /// What it does.
    pub kind: PolicyKind,
}

/// What a policy does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PolicyKind {
    /// Keeps a metric at a value.
    TargetTracking(TargetTracking),
    /// Adds or removes by how far an alarm of the user is breached.
    StepScaling(StepScaling),
}

/// Keeps a metric at a value (SCALE-TT-*).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetTracking {
    /// Which metric.
    pub metric: TrackedMetric,
    /// The value.
    pub target_value: f64,
    /// Seconds after adding tasks; `None` is 300 (SCALE-CD-1).
    #[serde(default)]
    pub scale_out_cooldown_s: Option<u32>,
    /// Seconds after taking tasks away; `None` is 300 (SCALE-CD-1).
    #[serde(default)]
    pub scale_in_cooldown_s: Option<u32>,
    /// Only ever adds tasks (SCALE-TT-5).
    #[serde(default)]
    pub disable_scale_in: bool,
}

/// The metric that target tracking keeps at its value (SCALE-TT-1, SCALE-CUS-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrackedMetric {
    /// Average CPU utilization of the service in percent.
    AverageCpu,
    /// Average memory utilization of the service in percent.
    AverageMemory,
    /// Requests per target and minute.
    RequestCountPerTarget(ResourceLabel),
    /// A metric of the user's.
    Customized(CustomizedMetric),
    /// Metric math over metrics of the user's; every period is [`ALARM_PERIOD_S`].
    Queries(Vec<MetricQuery>),
}

/// Load balancer and target group whose requests are counted (SCALE-TT-2). A command may name the
/// target group; what the platform keeps is always the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ResourceLabel {
    /// `app/<load balancer>/<id>/targetgroup/<target group>/<id>`.
    Text(String),
    /// That of this target group and the load balancer that forwards to it.
    TargetGroup {
        /// Target group name.
        target_group: String,
    },
}

impl ResourceLabel {
    /// Load balancer and target group as they stand in dimensions; `None` when the text is not a
    /// label, or not known yet.
    #[must_use]
    pub fn parts(&self) -> Option<(&str, &str)> {
        let ResourceLabel::Text(text) = self else { return None };
        let (balancer, group) = text.split_once("/targetgroup/")?;
        let parts = |text: &str| text.split('/').filter(|part| !part.is_empty()).count();
        let fits = balancer.starts_with("app/") && parts(balancer) == 3 && parts(group) == 2;
        fits.then(|| (balancer, &text[balancer.len() + 1..]))
    }
}

/// A metric of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomizedMetric {
    /// Which metric.
    pub metric: Metric,
    /// How datapoints of a minute become one.
    pub statistic: Statistic,
    /// Only datapoints with this unit.
    #[serde(default)]
    pub unit: Option<String>,
}

/// Adds or removes by how far an alarm is breached (SCALE-STEP-*).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepScaling {
    /// What the adjustments mean.
    pub adjustment: AdjustmentType,
    /// By how far the threshold is passed; no gaps, no overlaps (SCALE-STEP-2).
    pub steps: Vec<StepAdjustment>,
    /// Fewest tasks that a change in percent adds or removes (SCALE-STEP-4).
    #[serde(default)]
    pub min_adjustment_magnitude: Option<u32>,
    /// Seconds after a change; `None` is 300 (SCALE-STEP-5).
    #[serde(default)]
    pub cooldown_s: Option<u32>,
    /// How datapoints become one; `None` is the average (SCALE-STEP-5).
    #[serde(default)]
    pub aggregation: Option<MetricAggregation>,
}

/// SCALE-STEP-1, as Application Auto Scaling spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AdjustmentType {
    ChangeInCapacity,
    ExactCapacity,
    PercentChangeInCapacity,
}

/// SCALE-STEP-5, as Application Auto Scaling spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum MetricAggregation {
    Average,
    Maximum,
    Minimum,
}

/// One step (SCALE-STEP-1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepAdjustment {
    /// From how far past the threshold; `None` is without end.
    #[serde(default)]
    pub lower: Option<f64>,
    /// Until how far past the threshold; `None` is without end.
    #[serde(default)]
    pub upper: Option<f64>,
    /// By how much.
    pub adjustment: i32,
}

/// A scalable target with its policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalableTarget {
    /// As described.
    pub spec: ScalableTargetSpec,
    /// Last part of its ARN.
    pub arn_id: String,
    /// When it was registered.
    pub created_at: Time,
    /// By name.
    pub policies: BTreeMap<String, ScalingPolicy>,
}

/// A policy with what it made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingPolicy {
    /// As described; labels and dimensions are texts.
    pub spec: ScalingPolicySpec,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created_at: Time,
    /// Names of the alarms that belong to it: AlarmHigh, then AlarmLow (SCALE-TT-5).
    pub alarms: Vec<String>,
}

/// `service/<cluster>/<service>`, the resource id of a service's target (SCALE-TGT-1).
#[must_use]
pub fn resource_id(service: &ServiceName) -> String {
    format!("service/{service}")
}

impl ScalingPolicy {
    /// `AlarmHigh` or `AlarmLow` and the name, of every alarm of the policy.
    pub fn alarms(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.alarms.iter().zip(ALARM_KINDS).map(|(name, kind)| (kind, name.as_str()))
    }
}

const ALARM_KINDS: [&str; 2] = ["AlarmHigh", "AlarmLow"];

impl Platform {
    /// SCALE-TGT-2. A target belongs to a service that exists.
    pub(crate) fn put_scalable_target(
        &mut self,
        spec: &ScalableTargetSpec,
    ) -> Result<(), Rejection> {
        self.service_id(&spec.service)?;
        if spec.min > spec.max {
            return Err(Rejection::Invalid(format!(
                "Maximum capacity {} cannot be less than minimum capacity {}",
                spec.max, spec.min
            )));
        }
        let key = spec.service.to_string();
        match self.scalable_targets.get_mut(&key) {
            Some(target) => target.spec = spec.clone(),
            None => {
                let arn_id = format!("0ec5{:032x}", self.rng.next_u128());
                let target = ScalableTarget {
                    spec: spec.clone(),
                    arn_id,
                    created_at: self.now,
                    policies: BTreeMap::new(),
                };
                self.scalable_targets.insert(key, target);
            }
        }
        Ok(())
    }

    /// SCALE-TGT-4: its policies and their alarms go with it.
    pub(crate) fn delete_scalable_target(
        &mut self,
        service: &ServiceName,
    ) -> Result<(), Rejection> {
        let Some(target) = self.scalable_targets.remove(&service.to_string()) else {
            return Err(not_found("scalable target", &resource_id(service)));
        };
        for name in target.policies.values().flat_map(|policy| &policy.alarms) {
            self.alarms.remove(name);
        }
        Ok(())
    }

    /// SCALE-TT-4: a policy in the place of one of its name. It is of the kind it was, and only one
    /// policy of a target tracks a metric.
    pub(crate) fn put_scaling_policy(&mut self, spec: &ScalingPolicySpec) -> Result<(), Rejection> {
        let mut spec = spec.clone();
        self.bind_policy(&mut spec)?;
        let key = spec.service.to_string();
        let Some(target) = self.scalable_targets.get(&key) else {
            return Err(not_found("scalable target", &resource_id(&spec.service)));
        };
        let there = target.policies.get(&spec.name);
        check_policy(&spec, target)?;
        let (arn, created_at, known) = match there {
            Some(policy) => (policy.arn.clone(), policy.created_at, policy.alarms.clone()),
            None => {
                let id = uuid(self.rng.next_u128());
                let (resource, name) = (resource_id(&spec.service), &spec.name);
                let resource =
                    format!("scalingPolicy:{id}:resource/ecs/{resource}:policyName/{name}");
                (self.identity.arn("autoscaling", &resource), self.now, Vec::new())
            }
        };
        let mut alarms = Vec::new();
        for (place, (kind, condition)) in tracking_alarms(&spec).into_iter().enumerate() {
            // One that somebody put in the place of ours stays theirs.
            let is_metric = |name: &&String| {
                let alarm = self.alarms.get(*name);
                alarm.is_none_or(|a| matches!(a.spec.condition, AlarmCondition::Metric(_)))
            };
            let name = known.get(place).filter(is_metric).cloned().unwrap_or_else(|| {
                let id = uuid(self.rng.next_u128());
                format!("TargetTracking-{}-{kind}-{id}", resource_id(&spec.service))
            });
            self.put_alarm(&AlarmSpec {
                name: name.clone(),
                // ERR-AAS-4.
                description: Some(format!(
                    "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {arn}."
                )),
                condition: AlarmCondition::Metric(condition),
                actions_enabled: true,
                alarm_actions: vec![AlarmAction::Arn(arn.clone())],
                ok_actions: Vec::new(),
                insufficient_data_actions: Vec::new(),
                tags: self.alarms.get(&name).map(|a| a.spec.tags.clone()).unwrap_or_default(),
            })?;
            alarms.push(name);
        }
        for name in known.iter().skip(alarms.len()) {
            self.alarms.remove(name);
        }
        let policy = ScalingPolicy { arn, created_at, alarms, spec };
        if let Some(target) = self.scalable_targets.get_mut(&key) {
            target.policies.insert(policy.spec.name.clone(), policy);
        }
        Ok(())
    }

    /// With the alarms that it made.
    pub(crate) fn delete_scaling_policy(
        &mut self,
        service: &ServiceName,
        name: &str,
    ) -> Result<(), Rejection> {
        let target = self.scalable_targets.get_mut(&service.to_string());
        let Some(policy) = target.and_then(|target| target.policies.remove(name)) else {
            return Err(not_found("scaling policy", &format!("{name} of {service}")));
        };
        for alarm in &policy.alarms {
            self.alarms.remove(alarm);
        }
        Ok(())
    }

    /// Writes names of things in what the policy tracks as AWS does, with their ids.
    fn bind_policy(&self, spec: &mut ScalingPolicySpec) -> Result<(), Rejection> {
        let PolicyKind::TargetTracking(tracking) = &mut spec.kind else { return Ok(()) };
        match &mut tracking.metric {
            TrackedMetric::AverageCpu | TrackedMetric::AverageMemory => {}
            TrackedMetric::RequestCountPerTarget(label) => {
                if let ResourceLabel::TargetGroup { target_group } = label {
                    *label = ResourceLabel::Text(self.resource_label(target_group)?);
                }
                if label.parts().is_none() {
                    return Err(Rejection::Invalid(format!(
                        "the resource label of policy {} must be app/<load balancer>/<id>/\
                         targetgroup/<target group>/<id>",
                        spec.name
                    )));
                }
            }
            TrackedMetric::Customized(custom) => self.bind_dimensions(&mut custom.metric)?,
            TrackedMetric::Queries(queries) => {
                for metric in queries.iter_mut().filter_map(MetricQuery::metric_mut) {
                    self.bind_dimensions(metric)?;
                }
            }
        }
        Ok(())
    }

    /// SCALE-TT-2: the label of a target group and the first load balancer that forwards to it.
    fn resource_label(&self, target_group: &str) -> Result<String, Rejection> {
        let group = self.target_group_dimension(target_group)?;
        let balancer = self.load_balancers.values().find(|balancer| {
            let mut groups = balancer.listeners.values().flat_map(|l| l.spec.target_groups());
            groups.any(|name| name == target_group)
        });
        match balancer {
            Some(balancer) => {
                let balancer = self.load_balancer_dimension(&balancer.spec.name)?;
                Ok(format!("{balancer}/{group}"))
            }
            None => Err(Rejection::Invalid(format!(
                "no load balancer forwards to target group {target_group}, so it has no requests \
                 to count"
            ))),
        }
    }

    /// Scalable targets by cluster and service.
    pub fn scalable_targets(&self) -> impl Iterator<Item = &ScalableTarget> {
        self.scalable_targets.values()
    }

    /// The scalable target of that service.
    #[must_use]
    pub fn scalable_target(&self, service: &ServiceName) -> Option<&ScalableTarget> {
        self.scalable_targets.get(&service.to_string())
    }
}

/// What the other policies of the target leave a policy to be.
fn check_policy(spec: &ScalingPolicySpec, target: &ScalableTarget) -> Result<(), Rejection> {
    let tracked = |spec: &ScalingPolicySpec| match &spec.kind {
        PolicyKind::TargetTracking(tracking) => Some(tracking.metric.clone()),
        PolicyKind::StepScaling(_) => None,
    };
    let own = tracked(spec);
    for (name, other) in &target.policies {
        let theirs = tracked(&other.spec);
        if *name == spec.name {
            if theirs.is_some() != own.is_some() {
                return Err(Rejection::Invalid(format!(
                    "The policy {name} is there and of another type: delete it first"
                )));
            }
        } else if own.is_some() && theirs == own {
            return Err(Rejection::Invalid(
                "Only one TargetTrackingScaling policy for a given metric specification is \
                 allowed."
                    .to_owned(),
            ));
        }
    }
    Ok(())
}

/// AlarmHigh and AlarmLow; no AlarmLow when there is no scaling in, none at all for steps
/// (SCALE-TT-5 to -7).
fn tracking_alarms(spec: &ScalingPolicySpec) -> Vec<(&'static str, MetricCondition)> {
    let PolicyKind::TargetTracking(tracking) = &spec.kind else { return Vec::new() };
    let condition = |comparison, threshold, evaluation_periods| MetricCondition {
        watched: watched(&spec.service, &tracking.metric),
        comparison,
        threshold: Threshold::Value(threshold),
        evaluation_periods,
        datapoints_to_alarm: None,
        missing_data: None,
        low_sample_percentile: None,
    };
    let target = tracking.target_value;
    let [high, low] = ALARM_KINDS;
    let mut made = vec![(high, condition(Comparison::GreaterThanThreshold, target, HIGH_PERIODS))];
    if !tracking.disable_scale_in {
        let bound = target * LOW_SHARE;
        made.push((low, condition(Comparison::LessThanThreshold, bound, LOW_PERIODS)));
    }
    made
}

/// What the alarms of a policy watch (SCALE-TT-2, SCALE-TT-3, SCALE-CUS-1).
fn watched(service: &ServiceName, metric: &TrackedMetric) -> Watched {
    let statistic = |metric, statistic, unit: Option<&str>| {
        let unit = unit.map(str::to_owned);
        Watched::Metric(MetricStatistic { metric, statistic, period_s: ALARM_PERIOD_S, unit })
    };
    let named = |namespace: &str, name: &str, dimensions: [(&str, &str); 2]| Metric {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: dimensions
            .map(|(name, value)| (name.to_owned(), DimensionValue::Text(value.to_owned())))
            .into(),
    };
    let of_service = |name| {
        let dimensions = [("ClusterName", &*service.cluster), ("ServiceName", &*service.service)];
        statistic(named("AWS/ECS", name, dimensions), Statistic::Average, Some("Percent"))
    };
    match metric {
        TrackedMetric::AverageCpu => of_service("CPUUtilization"),
        TrackedMetric::AverageMemory => of_service("MemoryUtilization"),
        TrackedMetric::RequestCountPerTarget(label) => {
            let (balancer, group) = label.parts().unwrap_or_default();
            let dimensions = [("LoadBalancer", balancer), ("TargetGroup", group)];
            let metric = named("AWS/ApplicationELB", "RequestCountPerTarget", dimensions);
            statistic(metric, Statistic::Sum, None)
        }
        TrackedMetric::Customized(custom) => {
            statistic(custom.metric.clone(), custom.statistic.clone(), custom.unit.as_deref())
        }
        TrackedMetric::Queries(queries) => Watched::Queries(queries.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::input::{Command, Input};
    use crate::load_balancer::{
        Action, ListenerSpec, LoadBalancerSpec, TargetGroupSpec, TargetHealthCheck,
        WeightedTargetGroup,
    };
    use crate::network::{Internet, SubnetSpec, VpcSpec};
    use crate::platform::Identity;
    use crate::service::{ServiceSpec, TaskDefinitionRef};
    use crate::task_definition::{ContainerDefinition, TaskDefinition};

    fn web() -> ServiceName {
        ServiceName { cluster: "main".into(), service: "web".into() }
    }

    fn take(platform: &mut Platform, commands: Vec<Command>) -> Result<(), Rejection> {
        platform.step(Time(5), &Input::Commands(commands)).result
    }

    /// A service `web` without tasks.
    fn platform() -> Platform {
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        let mut platform = Platform::new(identity, 1);
        let base = Ipv4Addr::new(10, 0, 0, 0);
        let made = vec![
            Command::PutCluster { name: "main".into() },
            Command::PutVpc(VpcSpec { name: "vpc".into(), base, prefix: 16 }),
            Command::PutSubnet(SubnetSpec {
                name: "a".into(),
                vpc: "vpc".into(),
                internet: Internet::None,
                zone: "us-east-1a".into(),
                base,
                prefix: 24,
            }),
            Command::PutTaskDefinition(Box::new(TaskDefinition {
                family: "web".into(),
                revision: 0,
                cpu: 256,
                memory_mib: 512,
                containers: vec![ContainerDefinition::new("web", "shop/web:1")],
                execution_role: None,
                task_role: None,
                ephemeral_storage_gib: 20,
                tags: BTreeMap::new(),
            })),
            Command::PutService(Box::new(ServiceSpec {
                name: web(),
                task_definition: TaskDefinitionRef { family: "web".into(), revision: None },
                desired_count: 0,
                deployment: Default::default(),
                capacity: Vec::new(),
                load_balancers: Vec::new(),
                registry: None,
                subnets: vec!["a".into()],
                security_groups: Vec::new(),
                public_ip: false,
                health_check_grace_period_ms: 0,
                zone_rebalancing: false,
                enable_execute_command: false,
                tags: BTreeMap::new(),
            })),
        ];
        assert_eq!(take(&mut platform, made), Ok(()));
        platform
    }

    fn target(min: u32, max: u32) -> Command {
        Command::PutScalableTarget(ScalableTargetSpec {
            service: web(),
            min,
            max,
            suspended: SuspendedState::default(),
            tags: BTreeMap::new(),
        })
    }

    fn tracking(name: &str, metric: TrackedMetric, disable_scale_in: bool) -> Command {
        Command::PutScalingPolicy(Box::new(ScalingPolicySpec {
            service: web(),
            name: name.into(),
            kind: PolicyKind::TargetTracking(TargetTracking {
                metric,
                target_value: 60.0,
                scale_out_cooldown_s: None,
                scale_in_cooldown_s: None,
                disable_scale_in,
            }),
        }))
    }

    fn steps(name: &str) -> Command {
        let step = StepAdjustment { lower: Some(0.0), upper: None, adjustment: 1 };
        Command::PutScalingPolicy(Box::new(ScalingPolicySpec {
            service: web(),
            name: name.into(),
            kind: PolicyKind::StepScaling(StepScaling {
                adjustment: AdjustmentType::ChangeInCapacity,
                steps: vec![step],
                min_adjustment_magnitude: None,
                cooldown_s: None,
                aggregation: None,
            }),
        }))
    }

    fn policy<'p>(platform: &'p Platform, name: &str) -> &'p ScalingPolicy {
        &platform.scalable_target(&web()).expect("a target").policies[name]
    }

    /// SCALE-TGT-2: a target belongs to a service that exists, and keeps its id.
    #[test]
    fn scale_tgt_2_a_target_needs_its_service_and_bounds_in_order() {
        let mut platform = platform();
        assert!(take(&mut platform, vec![target(3, 2)]).is_err());
        assert_eq!(take(&mut platform, vec![target(1, 2)]), Ok(()));
        let id = platform.scalable_target(&web()).expect("there").arn_id.clone();
        assert_eq!(take(&mut platform, vec![target(0, 4)]), Ok(()));
        let again = platform.scalable_target(&web()).expect("there");
        assert_eq!((again.spec.min, again.spec.max, &again.arn_id), (0, 4, &id));
        let mut none = platform.clone();
        let delete = Command::DeleteService { service: web(), force: true };
        assert_eq!(take(&mut none, vec![delete]), Ok(()));
        // SCALE-TGT-8: the target stays behind; there can be no new bounds.
        assert!(none.scalable_target(&web()).is_some());
        assert!(take(&mut none, vec![target(1, 2)]).is_err());
    }

    /// Limits once stood in the service: a journal from then is read without them.
    #[test]
    fn a_service_of_an_older_journal_is_read() {
        let platform = platform();
        let spec = &platform.service(&web()).expect("there").spec;
        let mut older = serde_json::to_value(spec).expect("JSON");
        older["scaling_limits"] = serde_json::json!({ "min": 1, "max": 4 });
        let read: ServiceSpec = serde_json::from_value(older).expect("readable");
        assert_eq!(read, *spec);
    }

    /// SCALE-TGT-4, SCALE-TT-4 to SCALE-TT-7.
    #[test]
    fn scale_tt_5_a_policy_has_a_target_and_alarms_that_come_and_go_with_it() {
        let mut platform = platform();
        let cpu = |no_in| tracking("cpu", TrackedMetric::AverageCpu, no_in);
        assert!(take(&mut platform, vec![cpu(false)]).is_err(), "there is no target");
        assert_eq!(take(&mut platform, vec![target(1, 4), cpu(false)]), Ok(()));
        let made = policy(&platform, "cpu").clone();
        let kinds: Vec<&str> = made.alarms().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["AlarmHigh", "AlarmLow"]);
        for (kind, name) in made.alarms() {
            let start = format!("TargetTracking-service/main/web-{kind}-");
            assert!(name.starts_with(&start), "{name}");
            let alarm = platform.alarm(name).expect("made");
            assert_eq!(alarm.spec.alarm_actions, [AlarmAction::Arn(made.arn.clone())]);
            let AlarmCondition::Metric(condition) = &alarm.spec.condition else { panic!() };
            let crossed = (&condition.threshold, condition.evaluation_periods);
            match kind {
                "AlarmHigh" => assert_eq!(crossed, (&Threshold::Value(60.0), 3)),
                _ => assert_eq!(crossed, (&Threshold::Value(54.0), 15)),
            }
        }
        // The same again changes nothing; no scaling in has no AlarmLow.
        let before = platform.clone();
        assert_eq!(take(&mut platform, vec![cpu(false)]), Ok(()));
        assert_eq!(platform, before);
        assert_eq!(take(&mut platform, vec![cpu(true)]), Ok(()));
        assert_eq!(policy(&platform, "cpu").alarms, made.alarms[..1]);
        assert_eq!(platform.alarms().count(), 1);
        let delete = Command::DeleteScalingPolicy { service: web(), name: "cpu".into() };
        assert_eq!(take(&mut platform, vec![delete.clone()]), Ok(()));
        assert_eq!(platform.alarms().count(), 0);
        assert!(take(&mut platform, vec![delete]).is_err());
        assert_eq!(take(&mut platform, vec![cpu(false), steps("depth")]), Ok(()));
        assert_eq!(platform.alarms().count(), 2, "step scaling makes none");
        let delete = Command::DeleteScalableTarget { service: web() };
        assert_eq!(take(&mut platform, vec![delete.clone()]), Ok(()));
        assert_eq!((platform.alarms().count(), platform.scalable_targets().count()), (0, 0));
        assert!(take(&mut platform, vec![delete]).is_err());
    }

    #[test]
    fn a_policy_keeps_its_kind_and_a_metric_is_tracked_once() {
        let mut platform = platform();
        let cpu = tracking("cpu", TrackedMetric::AverageCpu, false);
        assert_eq!(take(&mut platform, vec![target(1, 4), cpu]), Ok(()));
        let before = platform.clone();
        let twice = tracking("again", TrackedMetric::AverageCpu, false);
        assert!(take(&mut platform, vec![twice]).is_err());
        assert!(take(&mut platform, vec![steps("cpu")]).is_err());
        assert_eq!(platform, before, "a refusal leaves everything as it was");
        let memory = tracking("memory", TrackedMetric::AverageMemory, false);
        assert_eq!(take(&mut platform, vec![memory, steps("a"), steps("b")]), Ok(()));
    }

    /// SCALE-TT-2: the label comes from the load balancer that forwards to the target group.
    #[test]
    fn scale_tt_2_the_label_of_a_target_group() {
        let mut platform = platform();
        let label = ResourceLabel::TargetGroup { target_group: "web".into() };
        let requests =
            || tracking("requests", TrackedMetric::RequestCountPerTarget(label.clone()), false);
        assert_eq!(take(&mut platform, vec![target(1, 4)]), Ok(()));
        assert!(take(&mut platform, vec![requests()]).is_err(), "there is no target group");
        let group = TargetGroupSpec {
            name: "web".into(),
            port: 80,
            health_check: TargetHealthCheck::default(),
            deregistration_delay_ms: 0,
            tags: BTreeMap::new(),
        };
        assert_eq!(take(&mut platform, vec![Command::PutTargetGroup(group)]), Ok(()));
        assert!(take(&mut platform, vec![requests()]).is_err(), "nothing forwards to it");
        let forward = WeightedTargetGroup { target_group: "web".into(), weight: 1 };
        let made = vec![
            Command::PutLoadBalancer(LoadBalancerSpec {
                name: "lb".into(),
                internet_facing: true,
                subnets: vec!["a".into()],
                security_groups: Vec::new(),
                idle_timeout_ms: 60_000,
                tags: BTreeMap::new(),
            }),
            Command::PutListener(ListenerSpec {
                load_balancer: "lb".into(),
                port: 80,
                host_port: 0,
                default_action: Action::Forward(vec![forward]),
                rules: Vec::new(),
            }),
            requests(),
        ];
        assert_eq!(take(&mut platform, made), Ok(()));
        let (lb, group) = (&platform.load_balancers["lb"], &platform.target_groups["web"]);
        let expected = format!("app/lb/{:016x}/targetgroup/web/{:016x}", lb.arn_id, group.arn_id);
        let PolicyKind::TargetTracking(kept) = &policy(&platform, "requests").spec.kind else {
            panic!()
        };
        let ResourceLabel::Text(text) = label_of(kept) else { panic!("{kept:?}") };
        assert_eq!(text, &expected);
        let bad = TrackedMetric::RequestCountPerTarget(ResourceLabel::Text("app/lb/1".into()));
        assert!(take(&mut platform, vec![tracking("bad", bad, false)]).is_err());
    }

    fn label_of(tracking: &TargetTracking) -> &ResourceLabel {
        match &tracking.metric {
            TrackedMetric::RequestCountPerTarget(label) => label,
            other => panic!("{other:?}"),
        }
    }
}
