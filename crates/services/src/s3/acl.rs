//! Access control lists: kept, and only the bucket owner's own unless ownership allows others.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{BUCKETS, OBJECTS, buckets, errors, names, settings, under};
use crate::error::AwsError;
use crate::{Answer, arn, fields};

/// The ownership under which there are no lists.
pub(super) const ENFORCED: &str = "BucketOwnerEnforced";
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// Who owns everything of this account, by the canonical user id.
pub(super) fn owner(platform: &Platform) -> Value {
    let account = platform.identity().account.as_bytes();
    let id: String = (0..4u8)
        .map(|n| format!("{:016x}", arn::derived(&[b"canonical", account, &[n]])))
        .collect();
    json!({ "ID": id })
}

fn grant(grantee: &Value, permission: &str) -> Value {
    json!({ "Grantee": grantee, "Permission": permission })
}

/// The list that a canned one stands for.
fn canned(platform: &Platform, name: &str) -> Option<Vec<Value>> {
    let mut own = owner(platform);
    own["Type"] = json!("CanonicalUser");
    let group = |uri: &str| json!({ "Type": "Group", "URI": uri });
    let mut grants = vec![grant(&own, "FULL_CONTROL")];
    let others: &[(&str, &str)] = match name {
        "private" | "bucket-owner-read" | "bucket-owner-full-control" => &[],
        "public-read" => &[(ALL_USERS, "READ")],
        "public-read-write" => &[(ALL_USERS, "READ"), (ALL_USERS, "WRITE")],
        "authenticated-read" => &[(AUTHENTICATED, "READ")],
        "log-delivery-write" => &[(LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")],
        _ => return None,
    };
    grants.extend(others.iter().map(|(uri, permission)| grant(&group(uri), permission)));
    Some(grants)
}

/// Puts the list that the input asks for into the bucket's record.
pub(super) fn set(
    platform: &Platform,
    bucket: &mut Value,
    input: &Value,
    ownership: &str,
) -> Result<(), AwsError> {
    let name = fields::text(input, "ACL").unwrap_or("private");
    let Some(mut grants) = canned(platform, name) else {
        return Err(errors::invalid("InvalidArgument", "The canned ACL is not known."));
    };
    let sent = fields::list(&input["AccessControlPolicy"], "Grants");
    if !sent.is_empty() {
        grants = sent.to_vec();
    }
    let only_owners = Some(&grants) == canned(platform, "private").as_ref();
    if ownership == ENFORCED && !only_owners {
        return Err(errors::invalid(
            "AccessControlListNotSupported",
            "The bucket does not allow ACLs",
        ));
    }
    bucket["Acl"] = json!(grants);
    Ok(())
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = buckets::check(platform, input)?;
    let mut bucket = BUCKETS.get(platform, &name).unwrap_or_default();
    let controls = settings::find(platform, &name, settings::OWNERSHIP).unwrap_or_default();
    let rule = fields::list(&controls, "Rules").first().cloned().unwrap_or_default();
    let ownership = fields::text(&rule, "ObjectOwnership").unwrap_or("ObjectWriter");
    set(platform, &mut bucket, input, ownership)?;
    Answer::after(vec![BUCKETS.put(&name, &bucket)], |_| json!({}))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = buckets::check(platform, input)?;
    let bucket = BUCKETS.get(platform, &name).unwrap_or_default();
    Ok(Answer::Now(json!({ "Owner": owner(platform), "Grants": bucket["Acl"] })))
}

pub(super) fn of_object(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    buckets::check(platform, input)?;
    let (bucket, key) = names(input);
    if !OBJECTS.has(platform, &under(bucket, key)) {
        return Err(errors::no_such_key(key));
    }
    Ok(Answer::Now(json!({ "Owner": owner(platform), "Grants": canned(platform, "private") })))
}
