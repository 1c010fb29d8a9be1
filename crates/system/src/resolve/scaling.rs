//! Automatic scaling: limits and target tracking. Names are those of the Terraform module
//! `ecs-service`.

use neargate_core::alarm::{DimensionValue, Metric, Statistic};
use neargate_core::scaling::{
    CustomizedMetric, PolicyKind, ResourceLabel, ScalableTargetSpec, ScalingPolicySpec,
    SuspendedState, TargetTracking, TrackedMetric,
};
use neargate_core::service::ServiceSpec;

use crate::document;
use crate::resolve::scope::Scope;
use crate::system::Scaling;

/// SCALE-CD-1.
const COOLDOWN_S: u32 = 300;

/// Fewest and most tasks.
pub(crate) fn limits(
    key: &str,
    service: &document::Service,
    scope: &mut Scope<'_>,
) -> Option<(u32, u32)> {
    let scaling = service.scaling.as_ref()?;
    let at = |last| ["services", key, "scaling", last];
    let min = scope.required(&at("min"), scaling.min.as_ref(), "the fewest tasks");
    let max = scope.required(&at("max"), scaling.max.as_ref(), "the most tasks");
    let (min, max) = (min?, max?);
    if min > max {
        let message = format!("{min} is above max, which is {max}; expected at most {max}");
        scope.say(&["services", key, "scaling", "min"], &message);
    }
    Some((min, max))
}

/// What is tracked must be something, and something to be had.
pub(crate) fn check_tracking(key: &str, service: &document::Service, scope: &mut Scope<'_>) {
    let tracking = service.scaling.as_ref().and_then(|s| s.target_tracking.as_ref());
    let Some(tracking) = tracking else { return };
    let nothing = tracking.cpu.is_none()
        && tracking.memory.is_none()
        && tracking.requests_per_target.is_none()
        && tracking.custom_metric.is_none();
    if nothing {
        let message = "tracks no metric; expected `cpu`, `memory`, `requestsPerTarget` or \
                       `customMetric`";
        scope.say(&["services", key, "scaling", "targetTracking"], message);
    }
    if tracking.requests_per_target.is_some() && service.target_group.is_none() {
        let path = ["services", key, "scaling", "targetTracking", "requestsPerTarget"];
        scope.say(&path, "the service has no `targetGroup` to count requests at");
    }
}

/// The scalable target of a service and its policies.
pub(crate) fn resolve(
    spec: &ServiceSpec,
    service: &document::Service,
    (min, max): (u32, u32),
    target_group: Option<&str>,
) -> Scaling {
    let target = ScalableTargetSpec {
        service: spec.name.clone(),
        min,
        max,
        suspended: SuspendedState::default(),
        tags: spec.tags.clone(),
    };
    let tracking = service.scaling.as_ref().and_then(|s| s.target_tracking.as_ref());
    let Some(tracking) = tracking else { return Scaling { target, policies: Vec::new() } };
    let label = |group: &str| ResourceLabel::TargetGroup { target_group: group.to_owned() };
    let tracked = [
        ("cpu", tracking.cpu, Some(TrackedMetric::AverageCpu)),
        ("memory", tracking.memory, Some(TrackedMetric::AverageMemory)),
        (
            "requests",
            tracking.requests_per_target,
            target_group.map(|group| TrackedMetric::RequestCountPerTarget(label(group))),
        ),
    ];
    let mut policies: Vec<ScalingPolicySpec> = Vec::new();
    let mut policy = |name: &str, metric: TrackedMetric, target_value: u32| {
        policies.push(ScalingPolicySpec {
            service: spec.name.clone(),
            name: format!("{}-{name}", spec.name.service),
            kind: PolicyKind::TargetTracking(TargetTracking {
                metric,
                target_value: f64::from(target_value),
                scale_out_cooldown_s: Some(tracking.scale_out_cooldown.unwrap_or(COOLDOWN_S)),
                scale_in_cooldown_s: Some(tracking.scale_in_cooldown.unwrap_or(COOLDOWN_S)),
                disable_scale_in: false,
            }),
        });
    };
    for (name, value, metric) in tracked {
        if let (Some(value), Some(metric)) = (value, metric) {
            policy(name, metric, value);
        }
    }
    if let Some(custom) = &tracking.custom_metric {
        let dimension =
            |name: &str, value: &str| (name.to_owned(), DimensionValue::Text(value.to_owned()));
        let metric = Metric {
            namespace: custom.namespace.clone(),
            name: custom.metric_name.clone(),
            dimensions: [
                dimension("ClusterName", &spec.name.cluster),
                dimension("ServiceName", &spec.name.service),
            ]
            .into(),
        };
        let metric = CustomizedMetric { metric, statistic: Statistic::Average, unit: None };
        policy(&custom.metric_name, TrackedMetric::Customized(metric), custom.target_value);
    }
    Scaling { target, policies }
}
