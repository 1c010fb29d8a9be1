//! CloudWatch alarms: what is watched, when it is too much, and who is told (CW-ALM-*).

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::commands::not_found;
use crate::platform::{Platform, Rejection};
use crate::time::Time;

/// History items kept of one alarm; older ones go first (CW-ALM-17 keeps two weeks of them).
const MAX_HISTORY: usize = 50;

/// A metric alarm or a composite one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmSpec {
    /// Unique among alarms of both kinds.
    pub name: String,
    /// What it means, for people.
    #[serde(default)]
    pub description: Option<String>,
    /// When it goes off.
    pub condition: AlarmCondition,
    /// Whether its actions are carried out (CW-ALM-13).
    pub actions_enabled: bool,
    /// Who is told when it goes to ALARM.
    #[serde(default)]
    pub alarm_actions: Vec<AlarmAction>,
    /// Who is told when it goes to OK.
    #[serde(default)]
    pub ok_actions: Vec<AlarmAction>,
    /// Who is told when it goes to INSUFFICIENT_DATA.
    #[serde(default)]
    pub insufficient_data_actions: Vec<AlarmAction>,
    /// Key-value labels; `neargate up` marks what it owns with them.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// When an alarm goes off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AlarmCondition {
    /// A metric crosses a threshold.
    Metric(MetricCondition),
    /// Other alarms are in certain states.
    Composite(CompositeCondition),
}

/// A metric crosses a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricCondition {
    /// What is watched.
    pub watched: Watched,
    /// Which side of the threshold is too much.
    pub comparison: Comparison,
    /// What it is compared with.
    pub threshold: Threshold,
    /// Newest periods that are looked at (N of CW-ALM-3).
    pub evaluation_periods: u32,
    /// How many of them must breach (M of CW-ALM-3); `None` is all of them.
    #[serde(default)]
    pub datapoints_to_alarm: Option<u32>,
    /// What a period without a datapoint counts as; `None` is `missing` (CW-ALM-5).
    #[serde(default)]
    pub missing_data: Option<MissingData>,
    /// `evaluate` or `ignore` of a percentile with few samples (CW-ALM-14).
    #[serde(default)]
    pub low_sample_percentile: Option<String>,
}

/// Other alarms are in certain states (CW-ALM-19).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompositeCondition {
    /// E.g. `ALARM(a) AND NOT OK(b)`.
    pub rule: String,
    /// Alarm whose ALARM silences the actions.
    #[serde(default)]
    pub suppressor: Option<String>,
    /// Seconds that actions stay silent after the suppressor is over.
    #[serde(default)]
    pub suppressor_extension_s: Option<u32>,
    /// Seconds that actions wait for the suppressor.
    #[serde(default)]
    pub suppressor_wait_s: Option<u32>,
}

/// What a metric alarm watches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Watched {
    /// One statistic of one metric.
    Metric(MetricStatistic),
    /// Metric math; one query gives the result.
    Queries(Vec<MetricQuery>),
}

/// A metric: namespace, name and the exact set of dimensions (CW-MET-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// E.g. `AWS/ECS`.
    pub namespace: String,
    /// E.g. `CPUUtilization`.
    pub name: String,
    /// By name.
    #[serde(default)]
    pub dimensions: BTreeMap<String, DimensionValue>,
}

/// The value of a dimension. A command may name a thing whose id only the platform knows; what the
/// platform keeps is always the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DimensionValue {
    /// As it stands in the metric.
    Text(String),
    /// `app/<name>/<id>` of the load balancer of that name.
    LoadBalancer {
        /// Load balancer name.
        load_balancer: String,
    },
    /// `targetgroup/<name>/<id>` of the target group of that name.
    TargetGroup {
        /// Target group name.
        target_group: String,
    },
}

/// Whom an alarm tells. A command may name a topic; what the platform keeps is always an ARN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AlarmAction {
    /// A topic, a scaling policy, or what else CloudWatch can tell.
    Arn(String),
    /// The SNS topic of that name in the platform's account and region.
    Topic {
        /// Topic name.
        topic: String,
    },
}

/// A statistic of a metric over a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricStatistic {
    /// Which metric.
    pub metric: Metric,
    /// How datapoints of a period become one.
    pub statistic: Statistic,
    /// Period in seconds (CW-MET-6).
    pub period_s: u32,
    /// Only datapoints with this unit (CW-MET-9).
    #[serde(default)]
    pub unit: Option<String>,
}

/// One element of a metric math expression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricQuery {
    /// Its name for the expressions; begins with a lower-case letter (CW-MET-10).
    pub id: String,
    /// What it is.
    pub source: QuerySource,
    /// For people.
    #[serde(default)]
    pub label: Option<String>,
    /// Whether it is the result.
    pub return_data: bool,
    /// Period of an expression in seconds.
    #[serde(default)]
    pub period_s: Option<u32>,
    /// Account of the metric.
    #[serde(default)]
    pub account: Option<String>,
}

impl MetricQuery {
    /// The metric it looks at; `None` for an expression.
    pub(crate) fn metric_mut(&mut self) -> Option<&mut Metric> {
        match &mut self.source {
            QuerySource::Statistic(statistic) => Some(&mut statistic.metric),
            QuerySource::Expression(_) => None,
        }
    }
}

/// Where the values of a query come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuerySource {
    /// Of other queries.
    Expression(String),
    /// Of a metric.
    Statistic(MetricStatistic),
}

/// CW-MET-5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Statistic {
    /// Sum over count.
    Average,
    /// Largest.
    Maximum,
    /// Smallest.
    Minimum,
    /// How many.
    SampleCount,
    /// Total.
    Sum,
    /// Percentiles and trimmed statistics, e.g. `p95`.
    #[serde(untagged)]
    Extended(String),
}

/// CW-ALM-4, as CloudWatch spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Comparison {
    GreaterThanOrEqualToThreshold,
    GreaterThanThreshold,
    LessThanThreshold,
    LessThanOrEqualToThreshold,
    LessThanLowerOrGreaterThanUpperThreshold,
    LessThanLowerThreshold,
    GreaterThanUpperThreshold,
}

/// What a metric is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Threshold {
    /// A number.
    Value(f64),
    /// The anomaly band that this query gives.
    Band(String),
}

/// CW-ALM-5, as CloudWatch spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// INSUFFICIENT_DATA when nothing else is known.
    Missing,
    /// The state stays.
    Ignore,
    /// Too much.
    Breaching,
    /// Not too much.
    NotBreaching,
}

/// CW-ALM-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Within bounds.
    Ok,
    /// Out of bounds.
    Alarm,
    /// Not known.
    InsufficientData,
}

impl AlarmState {
    /// As CloudWatch spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AlarmState::Ok => "OK",
            AlarmState::Alarm => "ALARM",
            AlarmState::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// An alarm with its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// As described; dimensions and actions are texts.
    pub spec: AlarmSpec,
    /// CW-ALM-1.
    pub state: AlarmState,
    /// Why, for people.
    pub reason: String,
    /// Why, as JSON.
    pub reason_data: Option<String>,
    /// When state or reason were set last.
    pub state_updated_at: Time,
    /// When the state became another one.
    pub state_transitioned_at: Time,
    /// When it was described otherwise than before.
    pub configured_at: Time,
    /// Oldest first, the newest few.
    pub history: VecDeque<AlarmHistoryItem>,
}

impl Alarm {
    fn happened(&mut self, at: Time, what: AlarmEvent) {
        self.history.push_back(AlarmHistoryItem { at, what });
        while self.history.len() > MAX_HISTORY {
            self.history.pop_front();
        }
    }
}

/// What became of an alarm, and when (CW-ALM-17).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmHistoryItem {
    /// When.
    pub at: Time,
    /// What.
    pub what: AlarmEvent,
}

/// What became of an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmEvent {
    /// It was made.
    Created,
    /// It was described otherwise.
    Updated,
    /// Its state changed.
    State {
        /// Before.
        from: AlarmState,
        /// Since.
        to: AlarmState,
        /// Why.
        reason: String,
    },
}

impl AlarmSpec {
    /// The metrics that are watched.
    fn metrics_mut(&mut self) -> Vec<&mut Metric> {
        match &mut self.condition {
            AlarmCondition::Composite(_) => Vec::new(),
            AlarmCondition::Metric(condition) => match &mut condition.watched {
                Watched::Metric(statistic) => vec![&mut statistic.metric],
                Watched::Queries(queries) => {
                    queries.iter_mut().filter_map(MetricQuery::metric_mut).collect()
                }
            },
        }
    }

    /// The lists of whom it tells.
    fn actions_mut(&mut self) -> impl Iterator<Item = &mut AlarmAction> {
        let lists =
            [&mut self.alarm_actions, &mut self.ok_actions, &mut self.insufficient_data_actions];
        lists.into_iter().flatten()
    }
}

impl Platform {
    /// Makes an alarm or puts it in the place of one of its name, whose state stays (CW-ALM-15).
    /// A name is of one kind of alarm.
    pub(crate) fn put_alarm(&mut self, spec: &AlarmSpec) -> Result<(), Rejection> {
        let mut spec = spec.clone();
        for metric in spec.metrics_mut() {
            self.bind_dimensions(metric)?;
        }
        for action in spec.actions_mut() {
            if let AlarmAction::Topic { topic } = action {
                *action = AlarmAction::Arn(self.identity.arn("sns", topic));
            }
        }
        let now = self.now;
        let Some(alarm) = self.alarms.get_mut(&spec.name) else {
            let mut alarm = Alarm {
                state: AlarmState::InsufficientData,
                reason: "Unchecked: Initial alarm creation".to_owned(),
                reason_data: None,
                state_updated_at: now,
                state_transitioned_at: now,
                configured_at: now,
                history: VecDeque::new(),
                spec,
            };
            alarm.happened(now, AlarmEvent::Created);
            self.alarms.insert(alarm.spec.name.clone(), alarm);
            return Ok(());
        };
        let composite = |spec: &AlarmSpec| matches!(spec.condition, AlarmCondition::Composite(_));
        if composite(&alarm.spec) != composite(&spec) {
            return Err(Rejection::Invalid(format!(
                "There is an alarm of the other type named {}",
                spec.name
            )));
        }
        alarm.spec.tags.clone_from(&spec.tags);
        if alarm.spec != spec {
            alarm.spec = spec;
            alarm.configured_at = now;
            alarm.happened(now, AlarmEvent::Updated);
        }
        Ok(())
    }

    /// Writes names of things in the values of dimensions as CloudWatch does, with their ids.
    pub(crate) fn bind_dimensions(&self, metric: &mut Metric) -> Result<(), Rejection> {
        for value in metric.dimensions.values_mut() {
            let text = match value {
                DimensionValue::Text(_) => continue,
                DimensionValue::LoadBalancer { load_balancer } => {
                    self.load_balancer_dimension(load_balancer)?
                }
                DimensionValue::TargetGroup { target_group } => {
                    self.target_group_dimension(target_group)?
                }
            };
            *value = DimensionValue::Text(text);
        }
        Ok(())
    }

    /// The load balancer in a dimension: `app/<name>/<id>`.
    pub(crate) fn load_balancer_dimension(&self, name: &str) -> Result<String, Rejection> {
        match self.load_balancers.get(name) {
            Some(balancer) => Ok(format!("app/{name}/{:016x}", balancer.arn_id)),
            None => Err(not_found("load balancer", name)),
        }
    }

    /// The target group in a dimension: `targetgroup/<name>/<id>`.
    pub(crate) fn target_group_dimension(&self, name: &str) -> Result<String, Rejection> {
        match self.target_groups.get(name) {
            Some(group) => Ok(format!("targetgroup/{name}/{:016x}", group.arn_id)),
            None => Err(not_found("target group", name)),
        }
    }

    pub(crate) fn delete_alarm(&mut self, name: &str) -> Result<(), Rejection> {
        match self.alarms.remove(name) {
            Some(_) => Ok(()),
            None => Err(not_found("alarm", name)),
        }
    }

    pub(crate) fn set_alarm_state(
        &mut self,
        name: &str,
        state: AlarmState,
        reason: &str,
        reason_data: Option<&str>,
    ) -> Result<(), Rejection> {
        let now = self.now;
        let Some(alarm) = self.alarms.get_mut(name) else {
            return Err(not_found("alarm", name));
        };
        let before = std::mem::replace(&mut alarm.state, state);
        reason.clone_into(&mut alarm.reason);
        alarm.reason_data = reason_data.map(str::to_owned);
        alarm.state_updated_at = now;
        if before != state {
            alarm.state_transitioned_at = now;
            let reason = reason.to_owned();
            alarm.happened(now, AlarmEvent::State { from: before, to: state, reason });
        }
        Ok(())
    }

    /// Alarms by name.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.values()
    }

    /// Alarms whose names start with this, by name.
    pub fn alarms_starting<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a Alarm> {
        let from = self.alarms.range(start.to_owned()..);
        from.take_while(move |(name, _)| name.starts_with(start)).map(|(_, alarm)| alarm)
    }

    /// The alarm of that name.
    #[must_use]
    pub fn alarm(&self, name: &str) -> Option<&Alarm> {
        self.alarms.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Command, Input};
    use crate::load_balancer::LoadBalancerSpec;
    use crate::platform::Identity;

    fn platform() -> Platform {
        let identity = Identity { account: "123456789012".into(), region: "eu-west-2".into() };
        Platform::new(identity, 1)
    }

    fn take(platform: &mut Platform, at: u64, command: Command) -> Result<(), Rejection> {
        platform.step(Time(at), &Input::Commands(vec![command])).result
    }

    /// Average response time of the load balancer `lb`, told to the topic `told`.
    fn slow(threshold: f64) -> AlarmSpec {
        let lb = DimensionValue::LoadBalancer { load_balancer: "lb".into() };
        let metric = Metric {
            namespace: "AWS/ApplicationELB".into(),
            name: "TargetResponseTime".into(),
            dimensions: BTreeMap::from([("LoadBalancer".into(), lb)]),
        };
        let statistic =
            MetricStatistic { metric, statistic: Statistic::Average, period_s: 60, unit: None };
        AlarmSpec {
            name: "slow".into(),
            description: None,
            condition: AlarmCondition::Metric(MetricCondition {
                watched: Watched::Metric(statistic),
                comparison: Comparison::GreaterThanThreshold,
                threshold: Threshold::Value(threshold),
                evaluation_periods: 3,
                datapoints_to_alarm: None,
                missing_data: Some(MissingData::NotBreaching),
                low_sample_percentile: None,
            }),
            actions_enabled: true,
            alarm_actions: vec![AlarmAction::Topic { topic: "told".into() }],
            ok_actions: Vec::new(),
            insufficient_data_actions: Vec::new(),
            tags: BTreeMap::new(),
        }
    }

    fn put(platform: &mut Platform, at: u64, spec: AlarmSpec) -> Result<(), Rejection> {
        take(platform, at, Command::PutAlarm(Box::new(spec)))
    }

    fn balancer(platform: &mut Platform) -> String {
        let spec = LoadBalancerSpec {
            name: "lb".into(),
            internet_facing: true,
            subnets: Vec::new(),
            security_groups: Vec::new(),
            idle_timeout_ms: 60_000,
            tags: BTreeMap::new(),
        };
        assert_eq!(take(platform, 0, Command::PutLoadBalancer(spec)), Ok(()));
        format!("app/lb/{:016x}", platform.load_balancers["lb"].arn_id)
    }

    /// CW-MET-1: what is kept is the metric's own text, whoever named the thing.
    #[test]
    fn names_of_things_become_what_stands_in_the_metric() {
        let mut platform = platform();
        assert!(put(&mut platform, 1, slow(2.0)).is_err(), "there is no such load balancer");
        assert_eq!(platform.alarms().count(), 0);
        let dimension = balancer(&mut platform);
        assert_eq!(put(&mut platform, 1, slow(2.0)), Ok(()));
        let alarm = platform.alarm("slow").expect("there");
        let AlarmCondition::Metric(MetricCondition { watched: Watched::Metric(of), .. }) =
            &alarm.spec.condition
        else {
            panic!("{alarm:?}")
        };
        assert_eq!(of.metric.dimensions["LoadBalancer"], DimensionValue::Text(dimension));
        let told = AlarmAction::Arn("arn:aws:sns:eu-west-2:123456789012:told".into());
        assert_eq!(alarm.spec.alarm_actions, [told]);
    }

    /// CW-ALM-1, CW-ALM-15, CW-ALM-16, CW-ALM-17.
    #[test]
    fn cw_alm_15_put_again_keeps_the_state_and_equal_changes_nothing() {
        let mut platform = platform();
        balancer(&mut platform);
        assert_eq!(put(&mut platform, 1, slow(2.0)), Ok(()));
        assert_eq!(platform.alarm("slow").expect("there").state, AlarmState::InsufficientData);
        let state = Command::SetAlarmState {
            name: "slow".into(),
            state: AlarmState::Alarm,
            reason: "rehearsed".into(),
            reason_data: None,
        };
        assert_eq!(take(&mut platform, 2, state.clone()), Ok(()));
        assert_eq!(take(&mut platform, 3, state), Ok(()));
        assert_eq!(put(&mut platform, 4, slow(2.0)), Ok(()));
        let same = platform.alarm("slow").expect("there");
        assert_eq!((same.state, same.configured_at), (AlarmState::Alarm, Time(1)));
        assert_eq!((same.state_transitioned_at, same.state_updated_at), (Time(2), Time(3)));
        assert_eq!(put(&mut platform, 5, slow(3.0)), Ok(()));
        // Labels describe nothing.
        let tags = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        assert_eq!(put(&mut platform, 6, AlarmSpec { tags: tags.clone(), ..slow(3.0) }), Ok(()));
        let other = platform.alarm("slow").expect("there");
        assert_eq!((other.state, other.configured_at), (AlarmState::Alarm, Time(5)));
        assert_eq!(other.spec.tags, tags);
        let (from, to) = (AlarmState::InsufficientData, AlarmState::Alarm);
        let changed = AlarmEvent::State { from, to, reason: "rehearsed".into() };
        let history: Vec<(Time, AlarmEvent)> =
            other.history.iter().map(|item| (item.at, item.what.clone())).collect();
        let expected =
            [(Time(1), AlarmEvent::Created), (Time(2), changed), (Time(5), AlarmEvent::Updated)];
        assert_eq!(history, expected);
    }

    #[test]
    fn history_is_bounded_and_goes_with_the_alarm() {
        let mut platform = platform();
        balancer(&mut platform);
        for n in 1..200 {
            assert_eq!(put(&mut platform, n, slow(n as f64)), Ok(()));
        }
        let history = &platform.alarm("slow").expect("there").history;
        assert_eq!((history.len(), history[49].at), (50, Time(199)));
        let delete = Command::DeleteAlarm { name: "slow".into() };
        assert_eq!(take(&mut platform, 200, delete.clone()), Ok(()));
        assert!(platform.alarm("slow").is_none());
        assert!(take(&mut platform, 201, delete).is_err());
    }

    #[test]
    fn a_name_is_of_one_kind_of_alarm() {
        let mut platform = platform();
        balancer(&mut platform);
        assert_eq!(put(&mut platform, 1, slow(2.0)), Ok(()));
        let composite = AlarmSpec {
            condition: AlarmCondition::Composite(CompositeCondition {
                rule: "ALARM(a)".into(),
                suppressor: None,
                suppressor_extension_s: None,
                suppressor_wait_s: None,
            }),
            ..slow(2.0)
        };
        assert!(put(&mut platform, 2, composite).is_err());
    }

    /// The journal and snapshots are JSON: what is read back is what was written, also numbers
    /// without a short decimal form. A platform from before there were alarms is read as one
    /// without.
    #[test]
    fn alarms_are_read_back_as_they_were_written() {
        let mut platform = platform();
        balancer(&mut platform);
        for (n, threshold) in
            [0.1 + 0.2, 1e-300 / 3.0, f64::MAX / 7.0, -2.0 / 3.0].iter().enumerate()
        {
            let name = format!("slow-{n}");
            let spec = AlarmSpec { name, ..slow(*threshold) };
            let command = Command::PutAlarm(Box::new(spec));
            let text = serde_json::to_string(&command).expect("JSON");
            let read: Command = serde_json::from_str(&text).expect("readable");
            assert_eq!(read, command, "{text}");
            assert_eq!(take(&mut platform, 1, read), Ok(()));
        }
        let saved = serde_json::to_string(&platform).expect("JSON");
        let read: Platform = serde_json::from_str(&saved).expect("readable");
        assert_eq!(read, platform);
        let mut older = serde_json::to_value(self::platform()).expect("JSON");
        let members = older.as_object_mut().expect("an object");
        members.remove("alarms").expect("saved");
        members.remove("scalable_targets").expect("saved");
        let read: Platform = serde_json::from_value(older).expect("readable");
        assert_eq!(read, self::platform());
    }

    #[test]
    fn words_are_those_of_cloudwatch() {
        let text = |statistic: Statistic| serde_json::to_value(statistic).expect("JSON");
        assert_eq!(text(Statistic::SampleCount), "SampleCount");
        assert_eq!(text(Statistic::Extended("p95".into())), "p95");
        let states = [AlarmState::Ok, AlarmState::Alarm, AlarmState::InsufficientData];
        for state in states {
            assert_eq!(serde_json::to_value(state).expect("JSON"), state.as_str());
        }
        assert_eq!(serde_json::to_value(MissingData::NotBreaching).expect("JSON"), "notBreaching");
    }
}
