//! Alarms on services and load balancers: names, metrics and words are those of the Terraform
//! modules `ecs-service` and `monitoring`.

use std::collections::BTreeMap;

use neargate_core::alarm::{
    AlarmAction, AlarmCondition, AlarmSpec, Comparison, DimensionValue, Metric, MetricCondition,
    MetricStatistic, MissingData, Statistic, Threshold, Watched,
};

use crate::document::{ErrorSource, Monitoring};
use crate::resolve::scope::{Scope, words};
use crate::system::{LoadBalancer, Service};

/// An alarm looks back over this many seconds at most (CW-ALM-3).
const LONGEST_SPAN_S: u32 = 86_400;

/// What is described of an environment's alarms.
struct Alarms<'a> {
    described: &'a Monitoring,
    name: String,
    topic: String,
    /// Labels of the load balancers' alarms.
    tags: &'a BTreeMap<String, String>,
}

/// Period and number of periods.
type Evaluation = (u32, u32);

/// Gives services and load balancers their alarms. `default_name` stands for a name that is not
/// described.
pub(crate) fn resolve(
    described: Option<&Monitoring>,
    default_name: &str,
    tags: &BTreeMap<String, String>,
    services: &mut [Service],
    balancers: &mut [LoadBalancer],
    scope: &mut Scope<'_>,
) {
    let Some(described) = described else { return };
    let name = described.name.clone().unwrap_or_else(|| default_name.to_owned());
    scope.name(&["monitoring", "name"], &name, "a name for alarms", 200, words::key_letter);
    let topic = described.topic.clone().unwrap_or_else(|| format!("{name}-alarms"));
    scope.name(&["monitoring", "topic"], &topic, "a topic name", 256, words::key_letter);
    let alarms = Alarms { described, name, topic, tags };
    let service_alarms = alarms.service_evaluation(scope);
    let response_time = alarms.response_time(scope);
    let errors = alarms.errors(scope);
    let unhealthy = alarms.unhealthy_evaluation(scope);
    if described.enabled == Some(false) {
        return;
    }
    for service in services.iter_mut() {
        service.alarms = service_alarms
            .map(|evaluation| alarms.of_service(service, evaluation))
            .unwrap_or_default();
    }
    let several = balancers.len() > 1;
    for balancer in balancers {
        // One has the plain names.
        let name = match several {
            true => format!("{}-{}", alarms.name, balancer.spec.name),
            false => alarms.name.clone(),
        };
        let dimension = (
            "LoadBalancer",
            DimensionValue::LoadBalancer { load_balancer: balancer.spec.name.clone() },
        );
        if let Some((threshold, evaluation)) = response_time {
            let words = format!("Answers take longer than {threshold} s on average");
            let metric = balancer_metric("TargetResponseTime", [dimension.clone()]);
            let watched = (metric, Statistic::Average, threshold);
            let alarm = alarms.alarm((format!("{name}-response-time"), words), watched, evaluation);
            balancer.alarms.push(alarm);
        }
        if let Some((threshold, evaluation, source)) = errors {
            let words = format!("More than {threshold} answers with 5xx in {} s", evaluation.0);
            let metric = match source {
                ErrorSource::LoadBalancer => "HTTPCode_ELB_5XX_Count",
                ErrorSource::Targets => "HTTPCode_Target_5XX_Count",
            };
            let metric = balancer_metric(metric, [dimension.clone()]);
            let watched = (metric, Statistic::Sum, f64::from(threshold));
            let alarm = alarms.alarm((format!("{name}-5xx"), words), watched, evaluation);
            balancer.alarms.push(alarm);
        }
        let Some(evaluation) = unhealthy else { continue };
        for service in services.iter() {
            let Some(group) = &service.target_group else { continue };
            let leads = balancer.listeners.iter().flat_map(|l| l.target_groups());
            if !leads.into_iter().any(|name| name == group.name) {
                continue;
            }
            let words = format!("A target of {} is not healthy", service.key);
            let target_group = DimensionValue::TargetGroup { target_group: group.name.clone() };
            let dimensions = [dimension.clone(), ("TargetGroup", target_group)];
            let metric = balancer_metric("UnHealthyHostCount", dimensions);
            let watched = (metric, Statistic::Maximum, 0.0);
            let name = format!("{name}-{}-unhealthy", service.key);
            balancer.alarms.push(alarms.alarm((name, words), watched, evaluation));
        }
    }
}

fn balancer_metric<const N: usize>(name: &str, dimensions: [(&str, DimensionValue); N]) -> Metric {
    Metric {
        namespace: "AWS/ApplicationELB".to_owned(),
        name: name.to_owned(),
        dimensions: dimensions.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}

impl Alarms<'_> {
    fn service_evaluation(&self, scope: &mut Scope<'_>) -> Option<Evaluation> {
        let described = self.described.service_alarms.as_ref()?;
        if described.cpu.is_none() && described.memory.is_none() {
            let message = "watches nothing; expected `cpu` or `memory`";
            scope.say(&["monitoring", "serviceAlarms"], message);
        }
        let given = (described.period, described.evaluation_periods);
        Some(evaluation("serviceAlarms", given, scope))
    }

    fn response_time(&self, scope: &mut Scope<'_>) -> Option<(f64, Evaluation)> {
        let described = self.described.response_time.as_ref()?;
        let path = ["monitoring", "responseTime", "threshold"];
        let threshold = scope.required(&path, described.threshold.as_ref(), "seconds")?;
        if threshold <= 0.0 {
            let message = format!("{threshold} is too small; expected seconds above 0");
            scope.say(&path, &message);
        }
        let given = (described.period, described.evaluation_periods);
        Some((threshold, evaluation("responseTime", given, scope)))
    }

    fn errors(&self, scope: &mut Scope<'_>) -> Option<(u32, Evaluation, ErrorSource)> {
        let described = self.described.errors.as_ref()?;
        let path = ["monitoring", "errors", "threshold"];
        let threshold = scope.required(&path, described.threshold.as_ref(), "answers")?;
        let given = (described.period, described.evaluation_periods);
        let source = described.source.unwrap_or(ErrorSource::LoadBalancer);
        Some((threshold, evaluation("errors", given, scope), source))
    }

    fn unhealthy_evaluation(&self, scope: &mut Scope<'_>) -> Option<Evaluation> {
        let described = self.described.unhealthy_hosts.as_ref()?;
        let given = (described.period, described.evaluation_periods);
        Some(evaluation("unhealthyHosts", given, scope))
    }

    fn of_service(&self, service: &Service, evaluation: Evaluation) -> Vec<AlarmSpec> {
        let Some(described) = &self.described.service_alarms else { return Vec::new() };
        let name = &service.spec.name;
        let watched = [
            ("cpu", "CPUUtilization", described.cpu),
            ("memory", "MemoryUtilization", described.memory),
        ];
        let alarm = |(what, metric, threshold): (&str, &str, Option<u32>)| {
            let threshold = threshold?;
            let words = format!("Average {what} of {} is above {threshold} %", name.service);
            let dimension =
                |name: &str, value: &str| (name.to_owned(), DimensionValue::Text(value.to_owned()));
            let metric = Metric {
                namespace: "AWS/ECS".to_owned(),
                name: metric.to_owned(),
                dimensions: BTreeMap::from([
                    dimension("ClusterName", &name.cluster),
                    dimension("ServiceName", &name.service),
                ]),
            };
            let watched = (metric, Statistic::Average, f64::from(threshold));
            let alarm_name = format!("{}-{what}-high", name.service);
            let alarm = self.alarm((alarm_name, words), watched, evaluation);
            Some(AlarmSpec { tags: service.spec.tags.clone(), ..alarm })
        };
        watched.into_iter().filter_map(alarm).collect()
    }

    fn alarm(
        &self,
        (name, description): (String, String),
        (metric, statistic, threshold): (Metric, Statistic, f64),
        (period_s, evaluation_periods): Evaluation,
    ) -> AlarmSpec {
        let told = vec![AlarmAction::Topic { topic: self.topic.clone() }];
        let statistic = MetricStatistic { metric, statistic, period_s, unit: None };
        AlarmSpec {
            name,
            description: Some(description),
            condition: AlarmCondition::Metric(MetricCondition {
                watched: Watched::Metric(statistic),
                comparison: Comparison::GreaterThanThreshold,
                threshold: Threshold::Value(threshold),
                evaluation_periods,
                datapoints_to_alarm: None,
                missing_data: Some(MissingData::NotBreaching),
                low_sample_percentile: None,
            }),
            actions_enabled: true,
            alarm_actions: told.clone(),
            ok_actions: told,
            insufficient_data_actions: Vec::new(),
            tags: self.tags.clone(),
        }
    }
}

/// CW-MET-6, CW-ALM-3.
fn evaluation(
    part: &str,
    (period, periods): (Option<u32>, Option<u32>),
    scope: &mut Scope<'_>,
) -> Evaluation {
    let (period_s, periods) = (period.unwrap_or(60), periods.unwrap_or(1));
    if ![10, 20, 30].contains(&period_s) && !period_s.is_multiple_of(60) {
        let message = format!("{period_s} is no period; expected 10, 20, 30 or a multiple of 60");
        scope.say(&["monitoring", part, "period"], &message);
    } else if u64::from(period_s) * u64::from(periods) > u64::from(LONGEST_SPAN_S) {
        let message = format!(
            "{periods} periods of {period_s} s are more than a day; expected at most \
             {LONGEST_SPAN_S} s together"
        );
        scope.say(&["monitoring", part, "evaluationPeriods"], &message);
    }
    (period_s, periods)
}
