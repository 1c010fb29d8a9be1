//! What a role may do: policies written into it, and policies attached to it.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{document, encoded, limit_exceeded, listed, no_such_entity, policies, roles};
use crate::error::AwsError;
use crate::policy_document::{self, Kind};
use crate::records::{Records, table};
use crate::{Answer, fields};

/// Under `<role>/<policy>`.
const INLINE: Records = table("iam", "role-policy");
/// Under `<role>/<ARN of the policy>`.
const ATTACHED: Records = table("iam", "role-attachment");

/// How many policies can be attached to a role.
const ATTACHED_MAX: usize = 10;
/// How many characters all policies in a role may have together.
const INLINE_SIZE: usize = 10_240;

/// The policies in a role, as (key, record).
pub(super) fn inline<'a>(
    platform: &'a Platform,
    role: &str,
) -> impl Iterator<Item = (&'a str, Value)> {
    INLINE.starting(platform, &format!("{role}/"))
}

/// The policies attached to a role, as (key, record).
pub(super) fn attached<'a>(
    platform: &'a Platform,
    role: &str,
) -> impl Iterator<Item = (&'a str, Value)> {
    ATTACHED.starting(platform, &format!("{role}/"))
}

/// The roles that have the policy.
pub(super) fn roles_with<'a>(
    platform: &'a Platform,
    policy: &'a str,
) -> impl Iterator<Item = &'a str> {
    ATTACHED
        .all(platform)
        .filter_map(move |(key, _)| key.split_once('/').filter(|(_, arn)| *arn == policy))
        .map(|(role, _)| role)
}

/// The key of the policy in the role that the input names.
fn key(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let (role, _) = roles::find(platform, input)?;
    let name = fields::text(input, "PolicyName").unwrap_or_default();
    let key = format!("{role}/{name}");
    let policy = INLINE.get(platform, &key).ok_or_else(|| {
        no_such_entity(format!("The role policy with name {name} cannot be found."))
    })?;
    Ok((key, policy))
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (role, _) = roles::find_own(platform, input)?;
    let name = fields::text(input, "PolicyName").unwrap_or_default();
    let text = document(input, "PolicyDocument", Kind::Permissions)?;
    let key = format!("{role}/{name}");
    let others = inline(platform, &role).filter(|(other, _)| *other != key);
    let others = others.map(|(_, policy)| {
        policy_document::size(fields::text(&policy, "PolicyDocument").unwrap_or_default())
    });
    if others.sum::<usize>() + policy_document::size(text) > INLINE_SIZE {
        let why = format!("Maximum policy size of {INLINE_SIZE} bytes exceeded for role {role}");
        return Err(limit_exceeded(why));
    }
    let policy = json!({ "RoleName": role, "PolicyName": name, "PolicyDocument": text });
    Answer::after(vec![INLINE.put(&key, &policy)], |_| json!({}))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, mut policy) = key(platform, input)?;
    let text = fields::text(&policy, "PolicyDocument").unwrap_or_default();
    policy["PolicyDocument"] = json!(encoded(text));
    Ok(Answer::Now(policy))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (role, _) = roles::find(platform, input)?;
    let all = inline(platform, &role);
    let names = all.map(|(key, policy)| (key.to_owned(), policy["PolicyName"].clone()));
    listed(input, "PolicyNames", names.collect())
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    roles::find_own(platform, input)?;
    let (key, _) = key(platform, input)?;
    Answer::after(vec![INLINE.remove(&key)], |_| json!({}))
}

pub(super) fn attach(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (role, _) = roles::find_own(platform, input)?;
    let arn = fields::text(input, "PolicyArn").unwrap_or_default();
    policies::exists(platform, arn)?;
    let key = format!("{role}/{arn}");
    if !ATTACHED.has(platform, &key) && attached(platform, &role).count() >= ATTACHED_MAX {
        let why = format!("Cannot exceed quota for PoliciesPerRole: {ATTACHED_MAX}");
        return Err(limit_exceeded(why));
    }
    let name = arn.rsplit('/').next().unwrap_or_default();
    let attachment = json!({ "PolicyName": name, "PolicyArn": arn });
    Answer::after(vec![ATTACHED.put(&key, &attachment)], |_| json!({}))
}

pub(super) fn detach(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (role, _) = roles::find_own(platform, input)?;
    let arn = fields::text(input, "PolicyArn").unwrap_or_default();
    let key = format!("{role}/{arn}");
    if !ATTACHED.has(platform, &key) {
        return Err(no_such_entity(format!("Policy {arn} was not found.")));
    }
    Answer::after(vec![ATTACHED.remove(&key)], |_| json!({}))
}

pub(super) fn list_attached(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (role, _) = roles::find(platform, input)?;
    let all = attached(platform, &role).map(|(key, policy)| (key.to_owned(), policy));
    listed(input, "AttachedPolicies", all.collect())
}

pub(super) fn list_entities(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "PolicyArn").unwrap_or_default();
    policies::exists(platform, arn)?;
    let wanted = fields::text(input, "EntityFilter").is_none_or(|kind| kind == "Role")
        && fields::text(input, "PolicyUsageFilter") != Some("PermissionsBoundary");
    let roles = roles_with(platform, arn).filter(|_| wanted).filter_map(|name| {
        let role = roles::ROLES.get(platform, name)?;
        Some((name.to_owned(), json!({ "RoleName": name, "RoleId": role["RoleId"] })))
    });
    listed(input, "PolicyRoles", roles.collect())
}
