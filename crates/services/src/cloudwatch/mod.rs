//! Amazon CloudWatch: alarms, dashboards and the metric data that clients send.
//!
//! Alarms are the platform's, with the state they were given; nobody evaluates them. Metric data is kept
//! within bounds (`metrics`).

pub(crate) mod alarms;
mod dashboards;
mod history;
mod metrics;
pub(crate) mod shapes;
mod statistics;
mod tagging;

use neargate_core::Rejection;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::page;
use crate::{Table, fields};

pub(crate) const OPERATIONS: Table = &[
    ("DeleteAlarms", alarms::delete),
    ("DeleteDashboards", dashboards::delete),
    ("DescribeAlarmHistory", history::describe),
    ("DescribeAlarms", alarms::describe),
    ("DescribeAlarmsForMetric", alarms::describe_for_metric),
    ("DisableAlarmActions", alarms::disable_actions),
    ("EnableAlarmActions", alarms::enable_actions),
    ("GetDashboard", dashboards::get),
    ("GetMetricData", statistics::data),
    ("GetMetricStatistics", statistics::statistics),
    ("ListDashboards", dashboards::list),
    ("ListMetrics", metrics::list),
    ("ListTagsForResource", tagging::list),
    ("PutCompositeAlarm", alarms::put_composite),
    ("PutDashboard", dashboards::put),
    ("PutMetricAlarm", alarms::put_metric),
    ("PutMetricData", metrics::put),
    ("SetAlarmState", alarms::set_state),
    ("TagResource", tagging::tag),
    ("UntagResource", tagging::untag),
];

/// What the core refused: an alarm that contradicts another one, or a name nothing has.
pub(crate) fn refused(rejection: &Rejection) -> AwsError {
    match rejection {
        Rejection::NotFound { .. } => error::client("ResourceNotFound", rejection.to_string()),
        Rejection::Invalid(message) => validation(message),
    }
}

/// ERR-CW-1; the code of an input that contradicts the documentation and no modelled exception.
fn validation(message: impl Into<String>) -> AwsError {
    error::client("ValidationError", message)
}

/// ERR-CW-1.
fn invalid_value(message: impl Into<String>) -> AwsError {
    error::client("InvalidParameterValue", message)
}

/// ERR-CW-1.
fn invalid_combination(message: impl Into<String>) -> AwsError {
    error::client("InvalidParameterCombination", message)
}

/// One page of a listing, with its token.
fn listed<T>(
    input: &Value,
    member: &str,
    entries: Vec<T>,
    size: usize,
    key: impl Fn(&T) -> String,
    view: impl Fn(&T) -> Value,
) -> Result<Value, AwsError> {
    let token = fields::text(input, "NextToken");
    let page = page::page(entries, key, false, token, size)
        .map_err(|_| error::client("InvalidNextToken", "The next token specified is invalid."))?;
    let mut answer = json!({ member: page.entries.iter().map(view).collect::<Vec<_>>() });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(answer)
}
