//! Amazon CloudWatch Logs. That groups exist is the platform's state; their streams and events lie
//! in the log store, where containers write them.

mod errors;
mod events;
mod filters;
mod groups;
mod policies;
mod retention;
mod streams;
mod tagging;

use neargate_core::Platform;
use neargate_core::log_group::LogGroupSpec;
use serde_json::Value;

use crate::error::AwsError;
use crate::{Table, arn, fields};

pub(crate) use errors::refused;

pub(crate) const OPERATIONS: Table = &[
    ("AssociateKmsKey", policies::associate_key),
    ("CreateLogGroup", groups::create),
    ("CreateLogStream", streams::create),
    ("DeleteLogGroup", groups::delete),
    ("DeleteLogStream", streams::delete),
    ("DeleteMetricFilter", filters::delete_metric),
    ("DeleteResourcePolicy", policies::delete),
    ("DeleteRetentionPolicy", retention::delete),
    ("DeleteSubscriptionFilter", filters::delete_subscription),
    ("DescribeLogGroups", groups::describe),
    ("DescribeLogStreams", streams::describe),
    ("DescribeMetricFilters", filters::describe_metric),
    ("DescribeResourcePolicies", policies::describe),
    ("DescribeSubscriptionFilters", filters::describe_subscription),
    ("DisassociateKmsKey", policies::disassociate_key),
    ("FilterLogEvents", events::filter),
    ("GetLogEvents", events::get),
    ("ListTagsForResource", tagging::list),
    ("ListTagsLogGroup", tagging::list_of_group),
    ("PutLogEvents", events::put),
    ("PutLogGroupDeletionProtection", groups::protect),
    ("PutMetricFilter", filters::put_metric),
    ("PutResourcePolicy", policies::put),
    ("PutRetentionPolicy", retention::put),
    ("PutSubscriptionFilter", filters::put_subscription),
    ("TagLogGroup", tagging::tag_group),
    ("TagResource", tagging::tag),
    ("TestMetricFilter", filters::test),
    ("UntagLogGroup", tagging::untag_group),
    ("UntagResource", tagging::untag),
];

/// The name in an identifier: a name, or an ARN with or without `:*` (CWL-GRP-3).
fn name_of(identifier: &str) -> &str {
    match arn::parse(identifier) {
        Some(("logs", resource)) => {
            let name = resource.strip_prefix("log-group:").unwrap_or(resource);
            name.strip_suffix(":*").unwrap_or(name)
        }
        _ => identifier,
    }
}

/// The group that a member names, by name or ARN (ERR-LOG-1).
fn group<'a>(
    platform: &'a Platform,
    input: &Value,
    member: &str,
) -> Result<&'a LogGroupSpec, AwsError> {
    let name = name_of(fields::text(input, member).unwrap_or_default());
    platform.log_group(name).ok_or_else(errors::not_found)
}

/// What notes on a group are kept under.
fn subject(platform: &Platform, name: &str) -> String {
    arn::log_group(platform.identity(), name)
}
