//! The account as such.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{arn, identity_providers, instance_profiles, policies, roles};
use crate::error::AwsError;
use crate::{Answer, fields};

pub(super) fn aliases(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "AccountAliases": [], "IsTruncated": false })))
}

pub(super) fn summary(platform: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "SummaryMap": {
        "Users": 0,
        "Groups": 0,
        "Roles": roles::ROLES.all(platform).count(),
        "RolesQuota": 1000,
        "Policies": policies::POLICIES.all(platform).count(),
        "PoliciesQuota": 1500,
        "InstanceProfiles": instance_profiles::PROFILES.all(platform).count(),
        "InstanceProfilesQuota": 1000,
        "Providers": identity_providers::PROVIDERS.all(platform).count(),
        "AccountMFAEnabled": 0,
    } })))
}

/// Everybody is the account's root; there are no users.
pub(super) fn user(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    if let Some(name) = fields::text(input, "UserName").filter(|name| *name != "root") {
        let why = format!("The user with name {name} cannot be found.");
        return Err(super::no_such_entity(why));
    }
    let account = &platform.identity().account;
    Ok(Answer::Now(json!({ "User": {
        "Path": "/",
        "UserName": "root",
        "UserId": account,
        "Arn": arn(platform, "root"),
        "CreateDate": 0,
    } })))
}
