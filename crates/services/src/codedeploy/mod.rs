//! AWS CodeDeploy: applications and deployment groups. They are kept; nothing is deployed by them.

mod applications;
mod deployment_configs;
mod deployment_groups;
mod tagging;

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::AwsError;
use crate::{Answer, Table};

pub(crate) const OPERATIONS: Table = &[
    ("CreateApplication", applications::create),
    ("CreateDeploymentGroup", deployment_groups::create),
    ("DeleteApplication", applications::delete),
    ("DeleteDeploymentGroup", deployment_groups::delete),
    ("GetApplication", applications::get),
    ("GetDeploymentConfig", deployment_configs::get),
    ("GetDeploymentGroup", deployment_groups::get),
    ("ListApplications", applications::list),
    ("ListDeploymentConfigs", deployment_configs::list),
    ("ListDeploymentGroups", deployment_groups::list),
    ("ListDeployments", list_deployments),
    ("ListTagsForResource", tagging::list),
    ("TagResource", tagging::tag),
    ("UntagResource", tagging::untag),
    ("UpdateApplication", applications::update),
    ("UpdateDeploymentGroup", deployment_groups::update),
];

/// There was never one.
fn list_deployments(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "deployments": [] })))
}
