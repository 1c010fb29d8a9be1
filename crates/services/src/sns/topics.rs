//! Topics: create, attributes, policy, tags, delete.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{Attributes, PAGE, SUBSCRIPTIONS, TOPICS, invalid, is_object, map, not_found};
use crate::error::{self, AwsError};
use crate::{Answer, arn, fields, page, tags};

/// At most so many tags on one topic.
const MAX_TAGS: usize = 50;
/// How deliveries over HTTP are tried again unless a topic says otherwise.
const DELIVERY_POLICY: &str = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}"#;
/// What clients may set.
const SETTABLE: [&str; 10] = [
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DeliveryPolicy",
    "DisplayName",
    "FifoThroughputScope",
    "FifoTopic",
    "KmsMasterKeyId",
    "Policy",
    "SignatureVersion",
    "TracingConfig",
];
/// `<protocol>SuccessFeedbackRoleArn` and so on can be set, too.
const FEEDBACK: [&str; 3] =
    ["SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"];

/// SNS-7.
pub(super) fn topic_arn(platform: &Platform, name: &str) -> String {
    arn::of(platform.identity(), "sns", name)
}

/// The name in the ARN of a topic that exists.
pub(super) fn name_of<'a>(platform: &Platform, arn: &'a str) -> Result<&'a str, AwsError> {
    match arn::parse(arn) {
        Some(("sns", name)) if !name.contains(':') => match topic_arn(platform, name) == arn {
            true if TOPICS.has(platform, name) => Ok(name),
            _ => Err(not_found("Topic")),
        },
        _ => Err(invalid(format_args!("TopicArn Reason: {arn} is not the ARN of a topic"))),
    }
}

fn named(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let name = name_of(platform, fields::text(input, "TopicArn").unwrap_or_default())?;
    Ok((name.to_owned(), TOPICS.get(platform, name).ok_or_else(|| not_found("Topic"))?))
}

/// The topic whose tags are meant.
fn tagged(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let gone = || error::client("ResourceNotFound", "Resource does not exist");
    let arn = fields::text(input, "ResourceArn").unwrap_or_default();
    let name = name_of(platform, arn).map_err(|_| gone())?;
    Ok((name.to_owned(), TOPICS.get(platform, name).ok_or_else(gone)?))
}

fn check(attribute: &str, value: &str) -> Result<(), AwsError> {
    let feedback = FEEDBACK.iter().any(|kind| attribute.ends_with(kind));
    if !feedback && !SETTABLE.contains(&attribute) {
        return Err(invalid("AttributeName"));
    }
    match attribute {
        "Policy" | "DeliveryPolicy" | "ArchivePolicy" if !value.is_empty() && !is_object(value) => {
            Err(invalid(format_args!("{attribute} Reason: it is no JSON object")))
        }
        "DisplayName" if value.chars().count() > 100 => {
            Err(invalid("DisplayName Reason: at most 100 characters"))
        }
        _ => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !plain.is_empty() && name.len() <= 256 && plain.chars().all(letters)
}

/// SNS-7.
pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::owned(input, "Name").unwrap_or_default();
    if !is_name(&name) {
        return Err(invalid("Topic Name"));
    }
    let mut own = map(&input["Attributes"]);
    for (attribute, value) in &own {
        check(attribute, value)?;
    }
    own.retain(|_, value| !value.is_empty());
    let fifo = own.get("FifoTopic").is_some_and(|value| value == "true");
    if fifo != name.ends_with(".fifo") {
        return Err(invalid("Topic Name Reason: FIFO topics, and no others, end with .fifo"));
    }
    let new = tags::read(fields::list(input, "Tags"), tags::LARGE);
    let answer = json!({ "TopicArn": topic_arn(platform, &name) });
    if let Some(topic) = TOPICS.get(platform, &name) {
        let there = effective(platform, &name, &topic);
        let differs = own.iter().any(|(attribute, value)| there.get(attribute) != Some(value));
        if differs {
            let why = "Attributes Reason: Topic already exists with different attributes";
            return Err(invalid(why));
        }
        if !new.is_empty() && new != tags::noted(&topic) {
            return Err(invalid("Tags Reason: Topic already exists with different tags"));
        }
        return Ok(Answer::Now(answer));
    }
    let mut record = json!({ "Attributes": own });
    tags::note(&mut record, &new);
    Answer::after(vec![TOPICS.put(&name, &record)], |_| answer)
}

/// The policy of a topic that was given none: its owner may do everything.
fn default_policy(platform: &Platform, name: &str) -> String {
    let may = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
        "ListSubscriptionsByTopic",
        "Publish",
    ];
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": may.map(|action| format!("SNS:{action}")),
            "Resource": topic_arn(platform, name),
            "Condition": { "StringEquals": { "AWS:SourceOwner": platform.identity().account } },
        }],
    })
    .to_string()
}

fn effective(platform: &Platform, name: &str, topic: &Value) -> Attributes {
    let own = map(&topic["Attributes"]);
    let start = format!("{name}/");
    let (mut confirmed, mut pending) = (0_u32, 0_u32);
    for (_, subscription) in SUBSCRIPTIONS.starting(platform, &start) {
        match fields::flag(&subscription, "pending") {
            Some(true) => pending += 1,
            _ => confirmed += 1,
        }
    }
    let delivery = own.get("DeliveryPolicy").map_or(DELIVERY_POLICY, String::as_str).to_owned();
    let mut all = Attributes::from(
        [
            ("TopicArn", topic_arn(platform, name)),
            ("Owner", platform.identity().account.clone()),
            ("DisplayName", String::new()),
            ("Policy", default_policy(platform, name)),
            ("EffectiveDeliveryPolicy", delivery),
            ("SubscriptionsConfirmed", confirmed.to_string()),
            ("SubscriptionsPending", pending.to_string()),
            ("SubscriptionsDeleted", "0".to_owned()),
        ]
        .map(|(attribute, value)| (attribute.to_owned(), value)),
    );
    if name.ends_with(".fifo") {
        all.insert("ContentBasedDeduplication".to_owned(), "false".to_owned());
    }
    all.extend(own);
    all
}

pub(super) fn attributes(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, topic) = named(platform, input)?;
    Ok(Answer::Now(json!({ "Attributes": effective(platform, &name, &topic) })))
}

pub(super) fn set_attribute(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut topic) = named(platform, input)?;
    let attribute = fields::text(input, "AttributeName").unwrap_or_default();
    let value = fields::text(input, "AttributeValue").unwrap_or_default();
    check(attribute, value)?;
    if attribute == "FifoTopic" {
        return Err(invalid("AttributeName Reason: a topic stays FIFO or not"));
    }
    let mut own = map(&topic["Attributes"]);
    match value {
        "" => drop(own.remove(attribute)),
        value => drop(own.insert(attribute.to_owned(), value.to_owned())),
    }
    topic["Attributes"] = json!(own);
    Answer::after(vec![TOPICS.put(&name, &topic)], |_| json!({}))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let names: Vec<String> = TOPICS.all(platform).map(|(name, _)| name.to_owned()).collect();
    let token = fields::text(input, "NextToken");
    let page =
        page::page(names, String::clone, false, token, PAGE).map_err(|_| invalid("NextToken"))?;
    let arns = page.entries.iter().map(|name| json!({ "TopicArn": topic_arn(platform, name) }));
    let mut answer = json!({ "Topics": arns.collect::<Vec<_>>() });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

/// Its subscriptions go with it. One that is gone is deleted again without complaint.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = match name_of(platform, fields::text(input, "TopicArn").unwrap_or_default()) {
        Ok(name) => name,
        Err(error) if error.code == "NotFound" => return Ok(Answer::Now(json!({}))),
        Err(error) => return Err(error),
    };
    let start = format!("{name}/");
    let own = SUBSCRIPTIONS.starting(platform, &start).map(|(key, _)| SUBSCRIPTIONS.remove(key));
    let mut commands: Vec<_> = own.collect();
    commands.push(TOPICS.remove(name));
    Answer::after(commands, |_| json!({}))
}

pub(super) fn list_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, topic) = tagged(platform, input)?;
    Ok(Answer::Now(json!({ "Tags": tags::write(&tags::noted(&topic), tags::LARGE) })))
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut topic) = tagged(platform, input)?;
    let new = tags::read(fields::list(input, "Tags"), tags::LARGE);
    if tags::add(&mut topic, new) > MAX_TAGS {
        let message = "Could not complete request: tag quota of per resource exceeded";
        return Err(error::client("TagLimitExceeded", message));
    }
    Answer::after(vec![TOPICS.put(&name, &topic)], |_| json!({}))
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut topic) = tagged(platform, input)?;
    tags::remove(&mut topic, &fields::texts(input, "TagKeys"));
    Answer::after(vec![TOPICS.put(&name, &topic)], |_| json!({}))
}
