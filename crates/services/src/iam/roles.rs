//! Roles.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::{
    already_exists, arn, delete_conflict, document, encoded, instance_profiles, limit_exceeded,
    listed, no_such_entity, path, policies, role_policies, under_path,
};
use crate::error::{self, AwsError};
use crate::policy_document::{self, Kind};
use crate::records::{Ids, Records, table};
use crate::{Answer, fields, note, tags};

pub(super) const ROLES: Records = table("iam", "role");

/// How long a session of a role may be unless it says something else, in seconds.
const SESSION: u64 = 3600;
/// How many characters a trust policy may have.
const TRUST_SIZE: usize = 2048;

/// The name and the record of the role that the input names.
pub(super) fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let name = fields::text(input, "RoleName").unwrap_or_default();
    let role = ROLES
        .get(platform, name)
        .ok_or_else(|| no_such_entity(format!("The role with name {name} cannot be found.")))?;
    Ok((name.to_owned(), role))
}

/// As [`find`], when it is not one that only AWS may change.
pub(super) fn find_own(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let (name, role) = find(platform, input)?;
    if super::service_linked_roles::is(&role) {
        let why = format!(
            "Cannot perform the operation on the protected role '{name}' - this role is only \
             modifiable by AWS"
        );
        return Err(error::client("UnmodifiableEntity", why));
    }
    Ok((name, role))
}

/// The role as listings show it.
fn summary(role: Value) -> Value {
    let mut view = tags::without(role);
    if let Some(trust) = fields::text(&view, "AssumeRolePolicyDocument") {
        view["AssumeRolePolicyDocument"] = json!(encoded(trust));
    }
    view
}

/// The role as it shows itself.
pub(super) fn view(role: Value) -> Value {
    let own = tags::noted(&role);
    let mut view = summary(role);
    if !own.is_empty() {
        view["Tags"] = tags::write(&own, tags::LARGE);
    }
    view
}

/// The role as other things show it: without what a listing leaves out.
pub(super) fn brief(role: Value) -> Value {
    let mut view = summary(role);
    if let Some(view) = view.as_object_mut() {
        view.remove("PermissionsBoundary");
    }
    view
}

fn boundary(platform: &Platform, input: &Value) -> Result<Option<Value>, AwsError> {
    let Some(arn) = fields::text(input, "PermissionsBoundary") else { return Ok(None) };
    policies::exists(platform, arn)?;
    Ok(Some(json!({
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": arn,
    })))
}

fn trust(input: &Value, member: &str) -> Result<String, AwsError> {
    let trust = document(input, member, Kind::Trust)?;
    if policy_document::size(trust) > TRUST_SIZE {
        return Err(limit_exceeded(format!(
            "Cannot exceed quota for ACLSizePerRole: {TRUST_SIZE}"
        )));
    }
    Ok(trust.to_owned())
}

/// A role that is being made.
pub(super) fn new(
    platform: &Platform,
    path: &str,
    name: &str,
    trust: &str,
    said: &Value,
) -> Result<(Value, Vec<Command>), AwsError> {
    if ROLES.has(platform, name) {
        return Err(already_exists(format!("Role with name {name} already exists.")));
    }
    let mut ids = Ids::of(platform);
    let mut role = json!({
        "Path": path,
        "RoleName": name,
        "RoleId": ids.capitals("AROA", 21),
        "Arn": arn(platform, format_args!("role{path}{name}")),
        "CreateDate": fields::time(platform.now()),
        "AssumeRolePolicyDocument": trust,
        "MaxSessionDuration": fields::number(said, "MaxSessionDuration").unwrap_or(SESSION),
    });
    fields::set(&mut role, "Description", fields::owned(said, "Description"));
    tags::add(&mut role, tags::read(fields::list(said, "Tags"), tags::LARGE));
    let commands = vec![ids.taken(), ROLES.put(name, &role)];
    Ok((role, commands))
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "RoleName").unwrap_or_default();
    let trust = trust(input, "AssumeRolePolicyDocument")?;
    let boundary = boundary(platform, input)?;
    let (mut role, mut commands) = new(platform, path(input)?, name, &trust, input)?;
    fields::set(&mut role, "PermissionsBoundary", boundary);
    commands.push(ROLES.put(name, &role));
    Answer::after(commands, move |_| json!({ "Role": view(role) }))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, role) = find(platform, input)?;
    let mut view = view(role);
    view["RoleLastUsed"] = json!({});
    Ok(Answer::Now(json!({ "Role": view })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let under = |role: &Value| under_path(input, fields::text(role, "Path").unwrap_or_default());
    let all = ROLES.all(platform).filter(|(_, role)| under(role));
    listed(input, "Roles", all.map(|(name, role)| (name.to_owned(), brief(role))).collect())
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, _) = find_own(platform, input)?;
    let why = if role_policies::attached(platform, &name).next().is_some() {
        Some("Cannot delete entity, must detach all policies first.")
    } else if role_policies::inline(platform, &name).next().is_some() {
        Some("Cannot delete entity, must delete policies first.")
    } else if instance_profiles::of_role(platform, &name).next().is_some() {
        Some("Cannot delete entity, must remove roles from instance profile first.")
    } else {
        None
    };
    match why {
        Some(why) => Err(delete_conflict(why)),
        None => Answer::after(vec![ROLES.remove(&name)], |_| json!({})),
    }
}

/// Changes a role and answers nothing.
fn change(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut Value),
) -> Result<Answer, AwsError> {
    let (name, mut role) = find_own(platform, input)?;
    change(&mut role);
    Answer::after(vec![ROLES.put(&name, &role)], |_| json!({}))
}

pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let news = note::members(input, &["Description", "MaxSessionDuration"]);
    change(platform, input, |role| note::merge(role, &news))
}

pub(super) fn update_description(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut role) = find_own(platform, input)?;
    note::merge(&mut role, &note::members(input, &["Description"]));
    Answer::after(vec![ROLES.put(&name, &role)], move |_| json!({ "Role": view(role) }))
}

pub(super) fn update_trust(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let trust = trust(input, "PolicyDocument")?;
    change(platform, input, |role| role["AssumeRolePolicyDocument"] = json!(trust))
}

pub(super) fn put_boundary(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let boundary = boundary(platform, input)?;
    change(platform, input, |role| fields::set(role, "PermissionsBoundary", boundary))
}

pub(super) fn delete_boundary(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, |role| {
        if let Some(role) = role.as_object_mut() {
            role.remove("PermissionsBoundary");
        }
    })
}
