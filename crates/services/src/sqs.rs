//! Amazon SQS: queues as they are managed, that is their attributes, policies and tags. Messages
//! are not here.
//!
//! A queue's URL holds the endpoint's address; only the name at its end counts when it comes back,
//! so a URL stays good when the endpoint moves.

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_wire::read_json;
use serde_json::{Map, Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, Rooms, Table, arn, fields, page, tags};

pub(crate) const OPERATIONS: Table = &[
    ("CreateQueue", create),
    ("DeleteQueue", delete),
    ("GetQueueAttributes", attributes),
    ("GetQueueUrl", url_of),
    ("ListQueueTags", list_tags),
    ("ListQueues", list),
    ("SetQueueAttributes", set_attributes),
    ("TagQueue", tag),
    ("UntagQueue", untag),
];

/// By name: `Attributes` as they were set, `created` and `modified` in seconds, `tags`.
const QUEUES: Records = table("sqs", "queue");

/// A page of ListQueues unless the input says otherwise.
const PAGE: usize = 1000;
/// Numbers with their default and range (SQS-Q-4).
const NUMBERS: [(&str, u64, u64, u64); 5] = [
    ("DelaySeconds", 0, 0, 900),
    ("MaximumMessageSize", 1_048_576, 1024, 1_048_576),
    ("MessageRetentionPeriod", 345_600, 60, 1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 0, 20),
    ("VisibilityTimeout", 30, 0, 43_200),
];
/// Longest time a data key is used again, by default.
const KEY_REUSE_S: &str = "300";

type Attributes = BTreeMap<String, String>;

/// ERR-SQS-1.
fn no_queue() -> AwsError {
    error::client("QueueDoesNotExist", "The specified queue does not exist.")
}

/// ERR-SQS-4.
fn invalid_value(attribute: &str) -> AwsError {
    let message = format!("Invalid value for the parameter {attribute}.");
    error::client("InvalidAttributeValue", message)
}

/// ERR-SQS-5.
fn invalid_parameter(value: &str, parameter: &str, reason: &str) -> AwsError {
    let message = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
    error::client("InvalidParameterValue", message)
}

/// The queue that the input's URL names, with its name.
fn queue(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let url = fields::text(input, "QueueUrl").unwrap_or_default();
    let name = url.rsplit('/').next().unwrap_or_default();
    let found = QUEUES.get(platform, name).ok_or_else(no_queue)?;
    Ok((name.to_owned(), found))
}

fn url(platform: &Platform, rooms: &dyn Rooms, name: &str) -> String {
    format!("{}/{}/{name}", rooms.endpoint(), platform.identity().account)
}

fn queue_arn(platform: &Platform, name: &str) -> String {
    arn::of(platform.identity(), "sqs", name)
}

fn map(value: &Value) -> Attributes {
    let members = value.as_object().into_iter().flatten();
    members.filter_map(|(name, v)| Some((name.clone(), v.as_str()?.to_owned()))).collect()
}

fn set_of(queue: &Value) -> Attributes {
    map(&queue["Attributes"])
}

fn is_fifo(name: &str) -> bool {
    name.ends_with(".fifo")
}

/// Whether an attribute may have that value (SQS-Q-4, SQS-Q-7, SQS-DLQ-1, SQS-DLQ-4).
fn check(platform: &Platform, queue: &str, attribute: &str, value: &str) -> Result<(), AwsError> {
    if let Some((.., low, high)) = NUMBERS.iter().find(|(name, ..)| *name == attribute) {
        let number: Option<u64> = value.parse().ok();
        return match number.is_some_and(|n| (*low..=*high).contains(&n)) {
            true => Ok(()),
            false => Err(invalid_value(attribute)),
        };
    }
    let one_of = |known: &[&str]| match known.contains(&value) {
        true => Ok(()),
        false => Err(invalid_value(attribute)),
    };
    match attribute {
        "SqsManagedSseEnabled" => one_of(&["true", "false"]),
        "FifoQueue" => match is_fifo(queue) {
            true => one_of(&["true"]),
            false => Err(invalid_parameter(
                queue,
                "QueueName",
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
                 underscores, must end with .fifo suffix and be 1 to 80 in length.",
            )),
        },
        "ContentBasedDeduplication" | "DeduplicationScope" | "FifoThroughputLimit"
            if !is_fifo(queue) =>
        {
            Err(error::client("InvalidAttributeName", format!("Unknown Attribute {attribute}.")))
        }
        "ContentBasedDeduplication" => one_of(&["true", "false"]),
        "DeduplicationScope" => one_of(&["messageGroup", "queue"]),
        "FifoThroughputLimit" => one_of(&["perMessageGroupId", "perQueue"]),
        "KmsMasterKeyId" => Ok(()),
        "KmsDataKeyReusePeriodSeconds" => {
            match value.parse().is_ok_and(|n: u64| (60..=86_400).contains(&n)) {
                true => Ok(()),
                false => Err(invalid_value(attribute)),
            }
        }
        "Policy" => match object(value) {
            Some(_) => Ok(()),
            None => Err(invalid_value(attribute)),
        },
        "RedrivePolicy" => check_redrive(platform, queue, value),
        "RedriveAllowPolicy" => {
            let policy = object(value).unwrap_or_default();
            let permission = policy.get("redrivePermission").and_then(Value::as_str);
            match permission {
                Some("allowAll" | "denyAll" | "byQueue") => Ok(()),
                _ => Err(invalid_value(attribute)),
            }
        }
        _ => Err(error::client("InvalidAttributeName", format!("Unknown Attribute {attribute}."))),
    }
}

fn object(text: &str) -> Option<Map<String, Value>> {
    match read_json(text) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// SQS-DLQ-1.
fn check_redrive(platform: &Platform, queue: &str, value: &str) -> Result<(), AwsError> {
    let bad = |reason: &str| invalid_parameter(value, "RedrivePolicy", reason);
    let policy = object(value).ok_or_else(|| bad("Redrive policy is not a valid JSON map."))?;
    let target = policy.get("deadLetterTargetArn").and_then(Value::as_str);
    let target = target.ok_or_else(|| {
        bad("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
    })?;
    let count = policy.get("maxReceiveCount").ok_or_else(|| {
        bad("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
    })?;
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok());
    if !count.is_some_and(|n| (1..=1000).contains(&n)) {
        return Err(bad("Invalid value for maxReceiveCount. It must be between 1 and 1000."));
    }
    let name = arn::parse(target).filter(|(service, _)| *service == "sqs").map(|(_, name)| name);
    match name.filter(|name| QUEUES.has(platform, name)) {
        None => Err(bad("Dead letter target does not exist.")),
        Some(name) if is_fifo(name) != is_fifo(queue) => {
            Err(bad("Dead-letter queue must be same type of queue as the source."))
        }
        Some(_) => Ok(()),
    }
}

/// Takes new values over the old; an empty one takes the attribute back to its default.
fn merge(
    platform: &Platform,
    name: &str,
    own: &mut Attributes,
    new: Attributes,
) -> Result<(), AwsError> {
    for (attribute, value) in new {
        if value.is_empty() {
            own.remove(&attribute);
            continue;
        }
        check(platform, name, &attribute, &value)?;
        // One kind of encryption at a time.
        if attribute == "KmsMasterKeyId" {
            own.remove("SqsManagedSseEnabled");
        }
        own.insert(attribute, value);
    }
    Ok(())
}

/// The attributes that a client may set, as they hold.
fn effective(name: &str, own: &Attributes) -> Attributes {
    let mut all: Attributes =
        NUMBERS.iter().map(|(name, value, ..)| ((*name).to_owned(), value.to_string())).collect();
    let mut default = |name: &str, value: &str| all.insert(name.to_owned(), value.to_owned());
    if own.contains_key("KmsMasterKeyId") {
        default("KmsDataKeyReusePeriodSeconds", KEY_REUSE_S);
        default("SqsManagedSseEnabled", "false");
    } else {
        default("SqsManagedSseEnabled", "true");
    }
    if is_fifo(name) {
        default("FifoQueue", "true");
        default("ContentBasedDeduplication", "false");
        default("DeduplicationScope", "queue");
        default("FifoThroughputLimit", "perQueue");
    }
    all.extend(own.clone());
    all
}

/// SQS-Q-1.
fn is_name(name: &str) -> bool {
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !plain.is_empty() && name.len() <= 80 && plain.chars().all(letters)
}

fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::owned(input, "QueueName").unwrap_or_default();
    if !is_name(&name) {
        let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 \
                      in length";
        return Err(invalid_parameter(&name, "QueueName", reason));
    }
    let sent = map(&input["Attributes"]);
    if is_fifo(&name) && sent.get("FifoQueue").is_none_or(|value| value != "true") {
        let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 \
                      in length";
        return Err(invalid_parameter(&name, "QueueName", reason));
    }
    if let Some(queue) = QUEUES.get(platform, &name) {
        // SQS-Q-2.
        let there = effective(&name, &set_of(&queue));
        let other = sent.iter().find(|(attribute, value)| there.get(*attribute) != Some(*value));
        if let Some((attribute, _)) = other {
            return Err(error::client(
                "QueueNameExists",
                format!(
                    "A queue already exists with the same name and a different value for \
                     attribute {attribute}"
                ),
            ));
        }
        return with_url(name);
    }
    let mut own = Attributes::new();
    merge(platform, &name, &mut own, sent)?;
    let now = platform.now().0 / 1000;
    let mut record = json!({ "Attributes": own, "created": now, "modified": now });
    tags::note(&mut record, &map(&input["tags"]));
    Answer::here(move |platform, rooms| {
        let answer = json!({ "QueueUrl": url(platform, rooms, &name) });
        Answer::after(vec![QUEUES.put(&name, &record)], |_| answer)
    })
}

fn with_url(name: String) -> Result<Answer, AwsError> {
    Answer::here(move |platform, rooms| {
        Ok(Answer::Now(json!({ "QueueUrl": url(platform, rooms, &name) })))
    })
}

fn url_of(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::owned(input, "QueueName").unwrap_or_default();
    let owner = fields::text(input, "QueueOwnerAWSAccountId");
    let ours = owner.is_none_or(|owner| owner == platform.identity().account);
    if !ours || !QUEUES.has(platform, &name) {
        return Err(no_queue());
    }
    with_url(name)
}

fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let prefix = fields::text(input, "QueueNamePrefix").unwrap_or_default();
    let names: Vec<String> =
        QUEUES.starting(platform, prefix).map(|(name, _)| name.to_owned()).collect();
    let asked = fields::number(input, "MaxResults").map(|n| n as usize);
    let size = asked.unwrap_or(PAGE).max(1);
    let page = page::page(names, String::clone, false, fields::text(input, "NextToken"), size)
        .map_err(|_| invalid_parameter("NextToken", "NextToken", "It is no token of this list."))?;
    Answer::here(move |platform, rooms| {
        let urls: Vec<String> =
            page.entries.iter().map(|name| url(platform, rooms, name)).collect();
        let mut answer = json!({});
        if !urls.is_empty() {
            answer["QueueUrls"] = json!(urls);
        }
        // Only those who ask for pages are told that there is more.
        fields::set(&mut answer, "NextToken", page.next.filter(|_| asked.is_some()));
        Ok(Answer::Now(answer))
    })
}

fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, _) = queue(platform, input)?;
    Answer::after(vec![QUEUES.remove(&name)], |_| json!({}))
}

/// SQS-Q-6, SQS-Q-7.
fn attributes(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, queue) = queue(platform, input)?;
    let mut all = effective(&name, &set_of(&queue));
    let mut own = |name: &str, value: String| all.insert(name.to_owned(), value);
    own("QueueArn", queue_arn(platform, &name));
    own("CreatedTimestamp", queue["created"].to_string());
    own("LastModifiedTimestamp", queue["modified"].to_string());
    for count in ["", "NotVisible", "Delayed"] {
        own(&format!("ApproximateNumberOfMessages{count}"), "0".to_owned());
    }
    let asked = fields::texts(input, "AttributeNames");
    if !asked.contains(&"All") {
        all.retain(|name, _| asked.contains(&name.as_str()));
    }
    let mut answer = json!({});
    if !all.is_empty() {
        answer["Attributes"] = json!(all);
    }
    Ok(Answer::Now(answer))
}

fn set_attributes(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut queue) = queue(platform, input)?;
    let mut own = set_of(&queue);
    let new = map(&input["Attributes"]);
    let fixed = new.get("FifoQueue").filter(|_| own.get("FifoQueue") != new.get("FifoQueue"));
    if fixed.is_some() {
        return Err(invalid_value("FifoQueue"));
    }
    merge(platform, &name, &mut own, new)?;
    queue["Attributes"] = json!(own);
    queue["modified"] = json!(platform.now().0 / 1000);
    Answer::after(vec![QUEUES.put(&name, &queue)], |_| json!({}))
}

fn list_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let own = tags::noted(&queue(platform, input)?.1);
    Ok(Answer::Now(if own.is_empty() { json!({}) } else { json!({ "Tags": own }) }))
}

fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut queue) = queue(platform, input)?;
    tags::add(&mut queue, map(&input["Tags"]));
    Answer::after(vec![QUEUES.put(&name, &queue)], |_| json!({}))
}

fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut queue) = queue(platform, input)?;
    tags::remove(&mut queue, &fields::texts(input, "TagKeys"));
    Answer::after(vec![QUEUES.put(&name, &queue)], |_| json!({}))
}
