//! What can be put on a bucket, got and deleted again: one mechanism for all of it.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_wire::read_json;
use serde_json::{Value, json};

use super::{SETTINGS, buckets, errors, under};
use crate::error::AwsError;
use crate::{Answer, arn, fields, note};

/// One kind of setting.
struct Setting {
    /// What it is kept under.
    name: &'static str,
    /// The member that it comes in.
    input: &'static str,
    /// The member that it goes out in; without one its own members do.
    output: Option<&'static str>,
    /// The code and the words when there is none; without them it is empty then.
    missing: Option<(&'static str, &'static str)>,
}

const fn setting(
    name: &'static str,
    input: &'static str,
    output: Option<&'static str>,
    missing: Option<(&'static str, &'static str)>,
) -> Setting {
    Setting { name, input, output, missing }
}

pub(super) const ACCELERATE: usize = 0;
pub(super) const CORS: usize = 1;
pub(super) const ENCRYPTION: usize = 2;
pub(super) const LIFECYCLE: usize = 3;
pub(super) const LOCK: usize = 4;
pub(super) const LOGGING: usize = 5;
pub(super) const NOTIFICATION: usize = 6;
pub(super) const OWNERSHIP: usize = 7;
pub(super) const PAYMENT: usize = 8;
pub(super) const POLICY: usize = 9;
pub(super) const PUBLIC_ACCESS: usize = 10;
pub(super) const REPLICATION: usize = 11;
pub(super) const TAGGING: usize = 12;
pub(super) const VERSIONING: usize = 13;
pub(super) const WEBSITE: usize = 14;

/// By the numbers above.
const ALL: [Setting; 15] = [
    setting("accelerate", "AccelerateConfiguration", None, None),
    setting(
        "cors",
        "CORSConfiguration",
        None,
        Some(("NoSuchCORSConfiguration", "The CORS configuration does not exist")),
    ),
    setting(
        "encryption",
        "ServerSideEncryptionConfiguration",
        Some("ServerSideEncryptionConfiguration"),
        Some((
            "ServerSideEncryptionConfigurationNotFoundError",
            "The server side encryption configuration was not found",
        )),
    ),
    setting(
        "lifecycle",
        "LifecycleConfiguration",
        None,
        Some(("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")),
    ),
    setting(
        "object-lock",
        "ObjectLockConfiguration",
        Some("ObjectLockConfiguration"),
        Some((
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        )),
    ),
    setting("logging", "BucketLoggingStatus", None, None),
    setting("notification", "NotificationConfiguration", None, None),
    setting(
        "ownership",
        "OwnershipControls",
        Some("OwnershipControls"),
        Some(("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")),
    ),
    setting("payment", "RequestPaymentConfiguration", None, None),
    setting(
        "policy",
        "Policy",
        Some("Policy"),
        Some(("NoSuchBucketPolicy", "The bucket policy does not exist")),
    ),
    setting(
        "public-access",
        "PublicAccessBlockConfiguration",
        Some("PublicAccessBlockConfiguration"),
        Some((
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        )),
    ),
    setting(
        "replication",
        "ReplicationConfiguration",
        Some("ReplicationConfiguration"),
        Some((
            "ReplicationConfigurationNotFoundError",
            "The replication configuration was not found",
        )),
    ),
    setting("tagging", "Tagging", None, Some(("NoSuchTagSet", "The TagSet does not exist"))),
    setting("versioning", "VersioningConfiguration", None, None),
    setting(
        "website",
        "WebsiteConfiguration",
        None,
        Some((
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration",
        )),
    ),
];

/// The member of lifecycle's own that travels in a header.
const SMALLEST: &str = "TransitionDefaultMinimumObjectSize";
const SMALLEST_DEFAULT: &str = "all_storage_classes_128K";

/// The setting of a bucket, as it was put.
pub(super) fn find(platform: &Platform, bucket: &str, which: usize) -> Option<Value> {
    let kept = SETTINGS.get(platform, &under(bucket, ALL[which].name))?;
    Some(kept["put"].clone())
}

/// Keeps the setting of a bucket.
pub(super) fn keep(bucket: &str, which: usize, value: &Value) -> Command {
    SETTINGS.put(&under(bucket, ALL[which].name), &json!({ "put": value }))
}

pub(super) fn get<const WHICH: usize>(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    let bucket = buckets::check(platform, input)?;
    let setting = &ALL[WHICH];
    let value = match (find(platform, &bucket, WHICH), setting.missing) {
        (Some(value), _) => value,
        (None, Some((code, message))) => {
            return Err(errors::not_configured(code, message, &bucket));
        }
        (None, None) if WHICH == PAYMENT => json!({ "Payer": "BucketOwner" }),
        (None, None) => json!({}),
    };
    Ok(Answer::Now(match setting.output {
        Some(member) => json!({ member: value }),
        None => value,
    }))
}

pub(super) fn put<const WHICH: usize>(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    let bucket = buckets::check(platform, input)?;
    let mut value = input.get(ALL[WHICH].input).cloned().unwrap_or_else(|| json!({}));
    check::<WHICH>(platform, &bucket, &mut value)?;
    let mut answer = json!({});
    if WHICH == LIFECYCLE {
        let smallest = fields::text(input, SMALLEST).unwrap_or(SMALLEST_DEFAULT);
        value[SMALLEST] = json!(smallest);
        answer[SMALLEST] = json!(smallest);
    }
    Answer::after(vec![keep(&bucket, WHICH, &value)], move |_| answer)
}

/// What the model cannot say, and what is filled in.
fn check<const WHICH: usize>(
    platform: &Platform,
    bucket: &str,
    value: &mut Value,
) -> Result<(), AwsError> {
    match WHICH {
        POLICY => {
            let text = value.as_str().unwrap_or_default();
            if !read_json(text)
                .is_ok_and(|policy| policy.is_object() && !policy["Statement"].is_null())
            {
                let why = "Policies must be valid JSON and the first byte must be '{'";
                return Err(errors::invalid("MalformedPolicy", why));
            }
        }
        PUBLIC_ACCESS => {
            let names = [
                "BlockPublicAcls",
                "IgnorePublicAcls",
                "BlockPublicPolicy",
                "RestrictPublicBuckets",
            ];
            let sent = note::members(value, &names);
            *value = names.iter().map(|name| ((*name).to_owned(), json!(false))).collect();
            note::merge(value, &sent);
        }
        LIFECYCLE | NOTIFICATION | REPLICATION => name_rules(value),
        VERSIONING => {
            let locked = find(platform, bucket, LOCK).is_some();
            if locked && fields::text(value, "Status") == Some("Suspended") {
                let why = "An Object Lock configuration is present on this bucket, so the \
                           versioning state cannot be changed.";
                return Err(errors::conflict("InvalidBucketState", why, bucket));
            }
        }
        TAGGING => {
            let tags = fields::list(value, "TagSet");
            let mut keys: Vec<&str> = tags.iter().filter_map(|t| fields::text(t, "Key")).collect();
            keys.sort_unstable();
            if keys.windows(2).any(|two| two[0] == two[1]) {
                let why = "Cannot provide multiple Tags with the same key";
                return Err(errors::invalid("InvalidTag", why));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Every rule has an id, of its own or one that is made up.
fn name_rules(value: &mut Value) {
    let lists = value.as_object_mut().into_iter().flatten();
    for (member, list) in lists {
        let id = if member == "Rules" { "ID" } else { "Id" };
        for (n, rule) in list.as_array_mut().into_iter().flatten().enumerate() {
            if rule.is_object() && !fields::sent(rule, id) {
                let text = rule.to_string();
                rule[id] = json!(arn::derived_uuid(&[text.as_bytes(), &n.to_le_bytes()]));
            }
        }
    }
}

pub(super) fn delete<const WHICH: usize>(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    let bucket = buckets::check(platform, input)?;
    Answer::after(vec![SETTINGS.remove(&under(&bucket, ALL[WHICH].name))], |_| json!({}))
}

/// Whether a policy lets everybody in: a statement that allows, for all, without a condition.
pub(super) fn policy_status(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let bucket = buckets::check(platform, input)?;
    let Some(policy) = find(platform, &bucket, POLICY) else {
        let message = "The bucket policy does not exist";
        return Err(errors::not_configured("NoSuchBucketPolicy", message, &bucket));
    };
    let policy = read_json(policy.as_str().unwrap_or_default()).unwrap_or_default();
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.clone(),
        one => vec![one.clone()],
    };
    let everybody =
        |who: &Value| who == "*" || who["AWS"] == "*" || fields::texts(who, "AWS").contains(&"*");
    let is_public = statements.iter().any(|statement| {
        statement["Effect"] == "Allow"
            && everybody(&statement["Principal"])
            && statement["Condition"].is_null()
    });
    Ok(Answer::Now(json!({ "PolicyStatus": { "IsPublic": is_public } })))
}
