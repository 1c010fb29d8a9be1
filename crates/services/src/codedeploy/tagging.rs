//! Tags on applications and deployment groups, by ARN.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::applications::APPLICATIONS;
use super::deployment_groups::{GROUPS, key};
use crate::error::{self, AwsError};
use crate::records::Records;
use crate::{Answer, arn, fields, tags};

/// What has that ARN: its table, its key, its record.
fn find(platform: &Platform, input: &Value) -> Result<(Records, String, Value), AwsError> {
    let text = fields::text(input, "ResourceArn").unwrap_or_default();
    let parts = match arn::parse(text) {
        Some(("codedeploy", resource)) => resource.split_once(':'),
        _ => None,
    };
    let (records, key) = match parts {
        Some(("application", name)) => (APPLICATIONS, name.to_owned()),
        Some(("deploymentgroup", path)) => {
            let (application, group) = path.split_once('/').unwrap_or((path, ""));
            (GROUPS, key(application, group))
        }
        _ => {
            let why = format!("The ARN {text} is not that of an application or deployment group.");
            return Err(error::client("InvalidArnException", why));
        }
    };
    let record = records.get(platform, &key).ok_or_else(|| match parts {
        Some(("application", name)) => {
            let why = format!("No application found for name: {name}");
            error::client("ApplicationDoesNotExistException", why)
        }
        _ => {
            let why = format!("No Deployment Group found for ARN: {text}");
            error::client("DeploymentGroupDoesNotExistException", why)
        }
    })?;
    Ok((records, key, record))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, _, record) = find(platform, input)?;
    Ok(Answer::Now(json!({ "Tags": tags::listed(&record, tags::LARGE) })))
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (records, key, mut record) = find(platform, input)?;
    tags::add(&mut record, tags::read(fields::list(input, "Tags"), tags::LARGE));
    Answer::after(vec![records.put(&key, &record)], |_| json!({}))
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (records, key, mut record) = find(platform, input)?;
    tags::remove(&mut record, &fields::texts(input, "TagKeys"));
    Answer::after(vec![records.put(&key, &record)], |_| json!({}))
}
