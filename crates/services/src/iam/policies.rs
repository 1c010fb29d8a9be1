//! Managed policies: the account's own, and AWS's.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::aws_managed;
use super::policy_versions::{self, SIZE};
use super::{
    already_exists, arn, delete_conflict, document, limit_exceeded, listed, no_such_entity, path,
    role_policies, under_path,
};
use crate::error::AwsError;
use crate::policy_document::{self, Kind};
use crate::records::{Ids, Records, table};
use crate::{Answer, fields, tags};

/// The account's own, by ARN. `versions` in a record are the policy's versions.
pub(super) const POLICIES: Records = table("iam", "policy");

/// The ARN and the record of the account's own policy that the input names.
pub(super) fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let arn = fields::text(input, "PolicyArn").unwrap_or_default();
    let policy = POLICIES.get(platform, arn);
    let policy = policy.ok_or_else(|| no_such_entity(format!("Policy {arn} was not found.")))?;
    Ok((arn.to_owned(), policy))
}

/// Whether there is a policy with that ARN, for those who want to use it.
pub(super) fn exists(platform: &Platform, arn: &str) -> Result<(), AwsError> {
    if aws_managed::find(arn).is_some() || POLICIES.has(platform, arn) {
        return Ok(());
    }
    let why = format!("Policy {arn} does not exist or is not attachable.");
    Err(no_such_entity(why))
}

/// The policy with how often it is attached.
fn view(platform: &Platform, policy: Value) -> Value {
    let mut view = tags::without(policy);
    if let Some(view) = view.as_object_mut() {
        view.remove("versions");
        view.remove("highest");
    }
    let arn = fields::owned(&view, "Arn").unwrap_or_default();
    view["AttachmentCount"] = json!(role_policies::roles_with(platform, &arn).count());
    view
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (path, name) = (path(input)?, fields::text(input, "PolicyName").unwrap_or_default());
    let text = document(input, "PolicyDocument", Kind::Permissions)?;
    if policy_document::size(text) > SIZE {
        return Err(limit_exceeded(format!("Cannot exceed quota for PolicySize: {SIZE}")));
    }
    let mut names = POLICIES.all(platform);
    if names.any(|(_, policy)| fields::text(&policy, "PolicyName") == Some(name)) {
        let why =
            format!("A policy called {name} already exists. Duplicate names are not allowed.");
        return Err(already_exists(why));
    }
    let mut ids = Ids::of(platform);
    let arn = arn(platform, format_args!("policy{path}{name}"));
    let now = fields::time(platform.now());
    let mut policy = json!({
        "PolicyName": name,
        "PolicyId": ids.capitals("ANPA", 21),
        "Arn": arn,
        "Path": path,
        "DefaultVersionId": "v1",
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": true,
        "CreateDate": now,
        "UpdateDate": now,
        "versions": [policy_versions::new("v1", text, now.clone())],
    });
    fields::set(&mut policy, "Description", fields::owned(input, "Description"));
    tags::add(&mut policy, tags::read(fields::list(input, "Tags"), tags::LARGE));
    let commands = vec![ids.taken(), POLICIES.put(&arn, &policy)];
    Answer::after(commands, move |platform| {
        let own = tags::listed(&policy, tags::LARGE);
        let mut view = view(platform, policy);
        view["Tags"] = own;
        // Only GetPolicy tells it.
        view.as_object_mut().map(|view| view.remove("Description"));
        json!({ "Policy": view })
    })
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let wanted = fields::text(input, "PolicyArn").unwrap_or_default();
    let policy = match aws_managed::find(wanted) {
        Some(policy) => policy.view(),
        None => find(platform, input)?.1,
    };
    let own = tags::listed(&policy, tags::LARGE);
    let mut view = view(platform, policy);
    view["Tags"] = own;
    Ok(Answer::Now(json!({ "Policy": view })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let scope = fields::text(input, "Scope").unwrap_or("All");
    let own = POLICIES.all(platform).filter(|_| scope != "AWS").map(|(_, policy)| policy);
    let aws = aws_managed::all().filter(|_| scope != "Local").map(|policy| policy.view());
    let only_attached = fields::flag(input, "OnlyAttached").unwrap_or_default();
    let mut all: Vec<(String, Value)> = own
        .chain(aws)
        .filter(|policy| under_path(input, fields::text(policy, "Path").unwrap_or_default()))
        .map(|policy| view(platform, policy))
        .filter(|view| !only_attached || view["AttachmentCount"] != 0)
        .map(|view| (fields::owned(&view, "Arn").unwrap_or_default(), view))
        .collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    listed(input, "Policies", all)
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, policy) = find(platform, input)?;
    if role_policies::roles_with(platform, &arn).next().is_some() {
        return Err(delete_conflict("Cannot delete a policy attached to entities."));
    }
    if fields::list(&policy, "versions").len() > 1 {
        return Err(delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete \
             the policy's versions. The default version is deleted with the policy.",
        ));
    }
    Answer::after(vec![POLICIES.remove(&arn)], |_| json!({}))
}
