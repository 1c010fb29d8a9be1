//! Instance profiles: how a role comes to an EC2 instance. There are none here, but documents name
//! them.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{
    already_exists, arn, delete_conflict, limit_exceeded, listed, no_such_entity, path, roles,
};
use crate::error::AwsError;
use crate::records::{Ids, Records, table};
use crate::{Answer, fields, tags};

/// By name. `role` in a record is the name of the role in it.
pub(super) const PROFILES: Records = table("iam", "instance-profile");

/// The name and the record of the profile that the input names.
pub(super) fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let name = fields::text(input, "InstanceProfileName").unwrap_or_default();
    let profile = PROFILES.get(platform, name);
    let profile = profile
        .ok_or_else(|| no_such_entity(format!("Instance Profile {name} cannot be found.")))?;
    Ok((name.to_owned(), profile))
}

/// The profiles that a role is in.
pub(super) fn of_role<'a>(
    platform: &'a Platform,
    role: &'a str,
) -> impl Iterator<Item = (&'a str, Value)> {
    PROFILES.all(platform).filter(move |(_, profile)| fields::text(profile, "role") == Some(role))
}

fn view(platform: &Platform, profile: Value) -> Value {
    let role = fields::text(&profile, "role").and_then(|name| roles::ROLES.get(platform, name));
    let own = tags::listed(&profile, tags::LARGE);
    let mut view = tags::without(profile);
    if let Some(view) = view.as_object_mut() {
        view.remove("role");
    }
    view["Roles"] = role.map(roles::brief).into_iter().collect();
    view["Tags"] = own;
    view
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (path, name) =
        (path(input)?, fields::text(input, "InstanceProfileName").unwrap_or_default());
    if PROFILES.has(platform, name) {
        return Err(already_exists(format!("Instance Profile {name} already exists.")));
    }
    let mut ids = Ids::of(platform);
    let mut profile = json!({
        "Path": path,
        "InstanceProfileName": name,
        "InstanceProfileId": ids.capitals("AIPA", 21),
        "Arn": arn(platform, format_args!("instance-profile{path}{name}")),
        "CreateDate": fields::time(platform.now()),
    });
    tags::add(&mut profile, tags::read(fields::list(input, "Tags"), tags::LARGE));
    let commands = vec![ids.taken(), PROFILES.put(name, &profile)];
    Answer::after(commands, move |platform| json!({ "InstanceProfile": view(platform, profile) }))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, profile) = find(platform, input)?;
    Ok(Answer::Now(json!({ "InstanceProfile": view(platform, profile) })))
}

pub(super) fn list_for_role(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (role, _) = roles::find(platform, input)?;
    let all = of_role(platform, &role);
    let all = all.map(|(name, profile)| (name.to_owned(), view(platform, profile)));
    listed(input, "InstanceProfiles", all.collect())
}

pub(super) fn add_role(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut profile) = find(platform, input)?;
    let (role, _) = roles::find(platform, input)?;
    if profile.get("role").is_some() {
        let why = "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1";
        return Err(limit_exceeded(why));
    }
    profile["role"] = json!(role);
    Answer::after(vec![PROFILES.put(&name, &profile)], |_| json!({}))
}

pub(super) fn remove_role(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut profile) = find(platform, input)?;
    let role = fields::text(input, "RoleName").unwrap_or_default();
    if fields::text(&profile, "role") != Some(role) {
        return Err(no_such_entity(format!("The role with name {role} cannot be found.")));
    }
    if let Some(profile) = profile.as_object_mut() {
        profile.remove("role");
    }
    Answer::after(vec![PROFILES.put(&name, &profile)], |_| json!({}))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, profile) = find(platform, input)?;
    if profile.get("role").is_some() {
        let why = "Cannot delete entity, must remove roles from instance profile first.";
        return Err(delete_conflict(why));
    }
    Answer::after(vec![PROFILES.remove(&name)], |_| json!({}))
}
