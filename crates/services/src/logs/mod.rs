//! Amazon CloudWatch Logs: log groups. What is written to them is not the platform's state, so
//! operations on streams and events are not here.

mod errors;
mod groups;
mod retention;
mod tagging;

use neargate_core::Platform;
use neargate_core::log_group::LogGroupSpec;
use serde_json::Value;

use crate::error::AwsError;
use crate::{Table, arn, fields};

pub(crate) use errors::refused;

pub(crate) const OPERATIONS: Table = &[
    ("CreateLogGroup", groups::create),
    ("DeleteLogGroup", groups::delete),
    ("DeleteRetentionPolicy", retention::delete),
    ("DescribeLogGroups", groups::describe),
    ("ListTagsForResource", tagging::list),
    ("ListTagsLogGroup", tagging::list_of_group),
    ("PutLogGroupDeletionProtection", groups::protect),
    ("PutRetentionPolicy", retention::put),
    ("TagLogGroup", tagging::tag_group),
    ("TagResource", tagging::tag),
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
