//! Buckets: create, find, list, delete.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::{BUCKETS, OBJECTS, SETTINGS, UPLOADS, acl, errors, settings, under};
use crate::error::AwsError;
use crate::{Answer, fields, page};

/// The region that has no name in a bucket's location.
const NAMELESS: &str = "us-east-1";
const PAGE: u64 = 10_000;

/// The bucket must be there.
pub(super) fn check(platform: &Platform, input: &Value) -> Result<String, AwsError> {
    let name = fields::text(input, "Bucket").unwrap_or_default();
    match BUCKETS.has(platform, name) {
        true => Ok(name.to_owned()),
        false => Err(errors::no_such_bucket(name)),
    }
}

/// The rules for names of general purpose buckets.
fn is_valid(name: &str) -> bool {
    let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let inner = |c: char| end(c) || c == '-' || c == '.';
    let is_address = name.parse::<std::net::Ipv4Addr>().is_ok();
    (3..=63).contains(&name.len())
        && name.chars().all(inner)
        && name.starts_with(end)
        && name.ends_with(end)
        && !name.contains("..")
        && !is_address
        && !name.starts_with("xn--")
        && !name.ends_with("-s3alias")
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "Bucket").unwrap_or_default().to_owned();
    if !is_valid(&name) {
        let error = errors::invalid("InvalidBucketName", "The specified bucket is not valid.");
        return Err(error.with_field("BucketName", name));
    }
    if BUCKETS.has(platform, &name) {
        return Err(errors::conflict(
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
            &name,
        ));
    }
    let region = &platform.identity().region;
    let wanted = fields::text(&input["CreateBucketConfiguration"], "LocationConstraint");
    if wanted.unwrap_or(NAMELESS) != region && !(wanted.is_none() && region != NAMELESS) {
        let why = format!(
            "The {} location constraint is incompatible for the region specific endpoint this \
             request was sent to.",
            wanted.unwrap_or("unspecified")
        );
        return Err(errors::invalid("IllegalLocationConstraintException", &why));
    }
    let mut bucket = json!({ "Created": fields::time(platform.now()) });
    let ownership = fields::text(input, "ObjectOwnership").unwrap_or(acl::ENFORCED);
    acl::set(platform, &mut bucket, input, ownership)?;
    let mut commands = vec![
        BUCKETS.put(&name, &bucket),
        settings::keep(
            &name,
            settings::OWNERSHIP,
            &json!({ "Rules": [{ "ObjectOwnership": ownership }] }),
        ),
    ];
    if fields::flag(input, "ObjectLockEnabledForBucket").unwrap_or(false) {
        let on = json!({ "ObjectLockEnabled": "Enabled" });
        commands.push(settings::keep(&name, settings::LOCK, &on));
        commands.push(settings::keep(&name, settings::VERSIONING, &json!({ "Status": "Enabled" })));
    }
    let tags = fields::list(&input["CreateBucketConfiguration"], "Tags");
    if !tags.is_empty() {
        commands.push(settings::keep(&name, settings::TAGGING, &json!({ "TagSet": tags })));
    }
    Answer::after(
        commands,
        move |_| json!({ "Location": format!("/{name}"), "BucketArn": format!("arn:aws:s3:::{name}") }),
    )
}

pub(super) fn head(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = check(platform, input)?;
    let region = platform.identity().region.clone();
    let arn = format!("arn:aws:s3:::{name}");
    Ok(Answer::Now(json!({ "BucketRegion": region, "BucketArn": arn, "AccessPointAlias": false })))
}

pub(super) fn location(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    check(platform, input)?;
    let region = &platform.identity().region;
    Ok(Answer::Now(match region == NAMELESS {
        true => json!({}),
        false => json!({ "LocationConstraint": region }),
    }))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let prefix = fields::text(input, "Prefix").unwrap_or_default();
    let all = BUCKETS.starting(platform, prefix);
    let size = fields::number(input, "MaxBuckets").unwrap_or(PAGE) as usize;
    let token = fields::text(input, "ContinuationToken");
    let page = page::page(all.collect(), |(name, _)| (*name).to_owned(), false, token, size)
        .map_err(|_| errors::invalid("InvalidArgument", "The continuation token is not valid"))?;
    let buckets = page.entries.into_iter().map(|(name, bucket)| {
        json!({
            "Name": name,
            "CreationDate": bucket["Created"],
            "BucketRegion": platform.identity().region,
        })
    });
    let buckets: Vec<Value> = buckets.collect();
    let mut answer = json!({ "Buckets": buckets, "Owner": acl::owner(platform) });
    fields::set(&mut answer, "ContinuationToken", page.next);
    fields::set(&mut answer, "Prefix", fields::text(input, "Prefix"));
    Ok(Answer::Now(answer))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = check(platform, input)?;
    let all = under(&name, "");
    if OBJECTS.starting(platform, &all).next().is_some() {
        let message = "The bucket you tried to delete is not empty";
        return Err(errors::conflict("BucketNotEmpty", message, &name));
    }
    if UPLOADS.starting(platform, &all).next().is_some() {
        let message = "The bucket you tried to delete has uploads that were not completed";
        return Err(errors::conflict("BucketNotEmpty", message, &name));
    }
    let settings = SETTINGS.starting(platform, &all);
    let mut commands: Vec<Command> = settings.map(|(key, _)| SETTINGS.remove(key)).collect();
    commands.push(BUCKETS.remove(&name));
    Answer::after(commands, |_| json!({}))
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn names_of_buckets() {
        for name in ["abc", "a-b.c-1", &"a".repeat(63)] {
            assert!(is_valid(name), "{name}");
        }
        let long = "a".repeat(64);
        for name in ["ab", &long, "Abc", "a_b", "-abc", "abc.", "a..b", "10.0.0.1", "xn--a", "a/b"]
        {
            assert!(!is_valid(name), "{name}");
        }
    }
}
