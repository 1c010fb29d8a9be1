//! AWS Identity and Access Management: roles, their policies, and what else refers to them.
//!
//! IAM is kept, not asked: nobody is refused anything for want of a permission. Documents are kept
//! as they were sent, so that what a role allows can be read from them; answers write them
//! URL-encoded, as IAM does.

mod account;
mod aws_managed;
mod identity_providers;
mod instance_profiles;
mod policies;
mod policy_versions;
mod role_policies;
mod roles;
mod service_linked_roles;
mod tagging;

use std::fmt;

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::policy_document::{self, Kind};
use crate::{Answer, Table, fields, page};

pub(crate) const OPERATIONS: Table = &[
    ("AddClientIDToOpenIDConnectProvider", identity_providers::add_client_id),
    ("AddRoleToInstanceProfile", instance_profiles::add_role),
    ("AttachRolePolicy", role_policies::attach),
    ("CreateInstanceProfile", instance_profiles::create),
    ("CreateOpenIDConnectProvider", identity_providers::create),
    ("CreatePolicy", policies::create),
    ("CreatePolicyVersion", policy_versions::create),
    ("CreateRole", roles::create),
    ("CreateServiceLinkedRole", service_linked_roles::create),
    ("DeleteInstanceProfile", instance_profiles::delete),
    ("DeleteOpenIDConnectProvider", identity_providers::delete),
    ("DeletePolicy", policies::delete),
    ("DeletePolicyVersion", policy_versions::delete),
    ("DeleteRole", roles::delete),
    ("DeleteRolePermissionsBoundary", roles::delete_boundary),
    ("DeleteRolePolicy", role_policies::delete),
    ("DeleteServiceLinkedRole", service_linked_roles::delete),
    ("DetachRolePolicy", role_policies::detach),
    ("GetAccountSummary", account::summary),
    ("GetInstanceProfile", instance_profiles::get),
    ("GetOpenIDConnectProvider", identity_providers::get),
    ("GetPolicy", policies::get),
    ("GetPolicyVersion", policy_versions::get),
    ("GetRole", roles::get),
    ("GetRolePolicy", role_policies::get),
    ("GetServiceLinkedRoleDeletionStatus", service_linked_roles::deletion_status),
    ("GetUser", account::user),
    ("ListAccountAliases", account::aliases),
    ("ListAttachedRolePolicies", role_policies::list_attached),
    ("ListEntitiesForPolicy", role_policies::list_entities),
    ("ListInstanceProfilesForRole", instance_profiles::list_for_role),
    ("ListOpenIDConnectProviders", identity_providers::list),
    ("ListPolicies", policies::list),
    ("ListPolicyTags", tagging::list_of_policy),
    ("ListPolicyVersions", policy_versions::list),
    ("ListRolePolicies", role_policies::list),
    ("ListRoleTags", tagging::list_of_role),
    ("ListRoles", roles::list),
    ("PutRolePermissionsBoundary", roles::put_boundary),
    ("PutRolePolicy", role_policies::put),
    ("RemoveClientIDFromOpenIDConnectProvider", identity_providers::remove_client_id),
    ("RemoveRoleFromInstanceProfile", instance_profiles::remove_role),
    ("SetDefaultPolicyVersion", policy_versions::set_default),
    ("TagInstanceProfile", tagging::tag_instance_profile),
    ("TagOpenIDConnectProvider", tagging::tag_identity_provider),
    ("TagPolicy", tagging::tag_policy),
    ("TagRole", tagging::tag_role),
    ("UntagInstanceProfile", tagging::untag_instance_profile),
    ("UntagOpenIDConnectProvider", tagging::untag_identity_provider),
    ("UntagPolicy", tagging::untag_policy),
    ("UntagRole", tagging::untag_role),
    ("UpdateAssumeRolePolicy", roles::update_trust),
    ("UpdateOpenIDConnectProviderThumbprint", identity_providers::update_thumbprints),
    ("UpdateRole", roles::update),
    ("UpdateRoleDescription", roles::update_description),
];

fn no_such_entity(message: impl Into<String>) -> AwsError {
    error::client("NoSuchEntity", message).with_status(404)
}

fn already_exists(message: impl Into<String>) -> AwsError {
    error::client("EntityAlreadyExists", message).with_status(409)
}

fn delete_conflict(message: &str) -> AwsError {
    error::client("DeleteConflict", message).with_status(409)
}

fn limit_exceeded(message: impl Into<String>) -> AwsError {
    error::client("LimitExceeded", message).with_status(409)
}

/// IAM is the same in every region, and its ARNs name none.
fn arn(platform: &Platform, resource: impl fmt::Display) -> String {
    format!("arn:aws:iam::{}:{resource}", platform.identity().account)
}

/// The path that something is made under.
fn path(input: &Value) -> Result<&str, AwsError> {
    let path = fields::text(input, "Path").unwrap_or("/");
    if path.starts_with('/') && path.ends_with('/') {
        return Ok(path);
    }
    let why = "The specified value for path is invalid. It must begin and end with / and contain \
               only alphanumeric characters and/or / characters.";
    Err(error::client("ValidationError", why))
}

/// The document in that member, if IAM would take it.
fn document<'a>(input: &'a Value, member: &str, kind: Kind) -> Result<&'a str, AwsError> {
    let text = fields::text(input, member).unwrap_or_default();
    policy_document::check(text, kind)
        .map_err(|why| error::client("MalformedPolicyDocument", why))?;
    Ok(text)
}

/// A document as IAM answers it: URL-encoded.
fn encoded(document: &str) -> String {
    let mut text = String::with_capacity(document.len() * 2);
    for byte in document.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// A page of entries that are sorted by their keys, as the answer's `member`.
fn listed(input: &Value, member: &str, entries: Vec<(String, Value)>) -> Result<Answer, AwsError> {
    let size = fields::number(input, "MaxItems").map_or(100, |n| n as usize).max(1);
    let page =
        page::page(entries, |(key, _)| key.clone(), false, fields::text(input, "Marker"), size)
            .map_err(|_| error::client("ValidationError", "Invalid Marker."))?;
    let entries: Vec<Value> = page.entries.into_iter().map(|(_, entry)| entry).collect();
    let mut answer = json!({ member: entries, "IsTruncated": page.next.is_some() });
    fields::set(&mut answer, "Marker", page.next);
    Ok(Answer::Now(answer))
}

/// Whether the thing is under the path that a listing asks for.
fn under_path(input: &Value, path: &str) -> bool {
    path.starts_with(fields::text(input, "PathPrefix").unwrap_or("/"))
}
