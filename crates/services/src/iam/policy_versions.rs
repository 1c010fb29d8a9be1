//! Versions of managed policies. A policy has up to five, and one of them is in force.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::policies::{POLICIES, find};
use super::{
    aws_managed, delete_conflict, document, encoded, limit_exceeded, listed, no_such_entity,
};
use crate::error::AwsError;
use crate::policy_document::{self, Kind};
use crate::{Answer, fields};

/// How many versions a policy may have.
const VERSIONS: usize = 5;
/// How many characters a version may have.
pub(super) const SIZE: usize = 6144;

/// A version that is being made.
pub(super) fn new(id: &str, document: &str, now: Value) -> Value {
    json!({ "VersionId": id, "Document": document, "CreateDate": now })
}

fn number(version: &Value) -> u64 {
    let id = fields::text(version, "VersionId").unwrap_or_default();
    id.trim_start_matches('v').parse().unwrap_or_default()
}

fn not_found(arn: &str, id: &str) -> AwsError {
    no_such_entity(format!("Policy {arn} version {id} does not exist or is not attachable."))
}

/// What listings show: not the document.
fn summary(policy: &Value, version: &Value) -> Value {
    json!({
        "VersionId": version["VersionId"],
        "IsDefaultVersion": version["VersionId"] == policy["DefaultVersionId"],
        "CreateDate": version["CreateDate"],
    })
}

/// The place of the version that the input names.
fn place(policy: &Value, input: &Value) -> Result<usize, AwsError> {
    let id = fields::text(input, "VersionId").unwrap_or_default();
    let mut versions = fields::list(policy, "versions").iter();
    let found = versions.position(|version| fields::text(version, "VersionId") == Some(id));
    found.ok_or_else(|| not_found(fields::text(policy, "Arn").unwrap_or_default(), id))
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, mut policy) = find(platform, input)?;
    let text = document(input, "PolicyDocument", Kind::Permissions)?;
    if policy_document::size(text) > SIZE {
        return Err(limit_exceeded(format!("Cannot exceed quota for PolicySize: {SIZE}")));
    }
    let mut versions = fields::list(&policy, "versions").to_vec();
    if versions.len() >= VERSIONS {
        return Err(limit_exceeded(format!(
            "A managed policy can have up to {VERSIONS} versions. Before you create a new version, \
             you must delete an existing version."
        )));
    }
    // Numbers are not given out again: the highest ever is remembered.
    let highest = versions.iter().map(number).max().unwrap_or_default();
    let highest = highest.max(fields::number(&policy, "highest").unwrap_or_default()) + 1;
    let id = format!("v{highest}");
    let now = fields::time(platform.now());
    let version = new(&id, text, now.clone());
    versions.push(version.clone());
    policy["versions"] = json!(versions);
    policy["UpdateDate"] = now;
    if fields::flag(input, "SetAsDefault").unwrap_or_default() {
        policy["DefaultVersionId"] = json!(id);
    }
    Answer::after(
        vec![POLICIES.put(&arn, &policy)],
        move |_| json!({ "PolicyVersion": summary(&policy, &version) }),
    )
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "PolicyArn").unwrap_or_default();
    if let Some(policy) = aws_managed::find(arn) {
        let id = fields::text(input, "VersionId").unwrap_or_default();
        let document = policy.document.filter(|_| id == policy.version);
        let document = document.ok_or_else(|| not_found(arn, id))?;
        return Ok(Answer::Now(json!({ "PolicyVersion": {
            "Document": encoded(document),
            "VersionId": id,
            "IsDefaultVersion": true,
            "CreateDate": policy.made,
        } })));
    }
    let (_, policy) = find(platform, input)?;
    let version = &fields::list(&policy, "versions")[place(&policy, input)?];
    let mut view = summary(&policy, version);
    view["Document"] = json!(encoded(fields::text(version, "Document").unwrap_or_default()));
    Ok(Answer::Now(json!({ "PolicyVersion": view })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "PolicyArn").unwrap_or_default();
    let policy = match aws_managed::find(arn) {
        Some(policy) => {
            let mut view = policy.view();
            view["versions"] = json!([new(policy.version, "", json!(policy.made))]);
            view
        }
        None => find(platform, input)?.1,
    };
    // The newest first; a key that sorts so.
    let mut all: Vec<(String, Value)> = fields::list(&policy, "versions")
        .iter()
        .map(|version| (format!("{:020}", u64::MAX - number(version)), summary(&policy, version)))
        .collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    listed(input, "Versions", all)
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, mut policy) = find(platform, input)?;
    let place = place(&policy, input)?;
    let mut versions = fields::list(&policy, "versions").to_vec();
    if versions[place]["VersionId"] == policy["DefaultVersionId"] {
        return Err(delete_conflict("Cannot delete the default version of a policy."));
    }
    let gone = number(&versions.remove(place));
    policy["versions"] = json!(versions);
    policy["highest"] = json!(gone.max(fields::number(&policy, "highest").unwrap_or_default()));
    Answer::after(vec![POLICIES.put(&arn, &policy)], |_| json!({}))
}

pub(super) fn set_default(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, mut policy) = find(platform, input)?;
    place(&policy, input)?;
    policy["DefaultVersionId"] = input["VersionId"].clone();
    Answer::after(vec![POLICIES.put(&arn, &policy)], |_| json!({}))
}
