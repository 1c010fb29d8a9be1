//! Alarms on services and load balancers.

use schemars::JsonSchema;
use serde::Deserialize;

/// Alarms on services and load balancers. A part that is left out makes no alarm.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Monitoring {
    /// Whether there are alarms; `true` unless set.
    pub(crate) enabled: Option<bool>,
    /// First part of the names of the load balancers' alarms; `${system}-${environment}` unless
    /// set.
    pub(crate) name: Option<String>,
    /// SNS topic that every alarm tells when it goes off and when it is over; the name with
    /// `-alarms` behind it unless set.
    pub(crate) topic: Option<String>,
    /// Alarms on the utilization of every service.
    pub(crate) service_alarms: Option<ServiceAlarms>,
    /// Alarm on the average response time of a load balancer's targets.
    pub(crate) response_time: Option<ResponseTime>,
    /// Alarm on a load balancer's answers with a status of 5xx.
    pub(crate) errors: Option<Errors>,
    /// Alarm on targets that are not healthy, for each target group.
    pub(crate) unhealthy_hosts: Option<UnhealthyHosts>,
    /// US dollars a month after which a budget warns; on AWS only.
    #[schemars(range(min = 1))]
    pub(crate) budget: Option<u32>,
}

/// Alarms on the utilization of every service.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ServiceAlarms {
    /// Average CPU utilization in percent that is too much. Left out: no such alarm.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) cpu: Option<u32>,
    /// Average memory utilization in percent that is too much. Left out: no such alarm.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) memory: Option<u32>,
    /// Seconds of one datapoint: 10, 20, 30 or a multiple of 60; 60 unless set.
    #[schemars(range(min = 10, max = 86_400))]
    pub(crate) period: Option<u32>,
    /// Datapoints in a row that are too much; 1 unless set.
    #[schemars(range(min = 1, max = 1_440))]
    pub(crate) evaluation_periods: Option<u32>,
}

/// Alarm on the average response time of a load balancer's targets.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ResponseTime {
    /// Average in seconds that is too much.
    pub(crate) threshold: Option<f64>,
    /// Seconds of one datapoint: 10, 20, 30 or a multiple of 60; 60 unless set.
    #[schemars(range(min = 10, max = 86_400))]
    pub(crate) period: Option<u32>,
    /// Datapoints in a row that are too much; 1 unless set.
    #[schemars(range(min = 1, max = 1_440))]
    pub(crate) evaluation_periods: Option<u32>,
}

/// Alarm on a load balancer's answers with a status of 5xx.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Errors {
    /// Answers in a period that are too many.
    pub(crate) threshold: Option<u32>,
    /// Seconds of one datapoint: 10, 20, 30 or a multiple of 60; 60 unless set.
    #[schemars(range(min = 10, max = 86_400))]
    pub(crate) period: Option<u32>,
    /// Datapoints in a row that are too much; 1 unless set.
    #[schemars(range(min = 1, max = 1_440))]
    pub(crate) evaluation_periods: Option<u32>,
    /// Whose answers are counted; `loadBalancer` unless set.
    pub(crate) source: Option<ErrorSource>,
}

/// Whose answers are counted.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ErrorSource {
    /// Those that the load balancer makes itself.
    LoadBalancer,
    /// Those that come from targets.
    Targets,
}

/// Alarm on targets that are not healthy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct UnhealthyHosts {
    /// Seconds of one datapoint: 10, 20, 30 or a multiple of 60; 60 unless set.
    #[schemars(range(min = 10, max = 86_400))]
    pub(crate) period: Option<u32>,
    /// Datapoints in a row that are too much; 1 unless set.
    #[schemars(range(min = 1, max = 1_440))]
    pub(crate) evaluation_periods: Option<u32>,
}
