//! Subscriptions: subscribe, attributes, unsubscribe.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::topics::{name_of, topic_arn};
use super::{Attributes, PAGE, SUBSCRIPTIONS, invalid, is_object, map, not_found};
use crate::error::AwsError;
use crate::records::Ids;
use crate::{Answer, arn, fields, page};

/// What clients may set.
const SETTABLE: [&str; 7] = [
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "ReplayPolicy",
    "SubscriptionRoleArn",
];
/// Endpoints that are in the account's own hands, or need no consent (SNS-1). Behind the others is
/// somebody who has to confirm.
const CONFIRMED_AT_ONCE: [&str; 5] = ["application", "firehose", "lambda", "sms", "sqs"];
const TO_BE_CONFIRMED: [&str; 4] = ["email", "email-json", "http", "https"];

fn subscription_arn(platform: &Platform, key: &str) -> String {
    let (topic, id) = key.split_once('/').unwrap_or((key, ""));
    format!("{}:{id}", topic_arn(platform, topic))
}

/// The subscription that the input names, with its key.
fn named(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let arn = fields::text(input, "SubscriptionArn").unwrap_or_default();
    let resource = arn::parse(arn).filter(|(service, _)| *service == "sns").map(|(_, r)| r);
    let Some((topic, id)) = resource.and_then(|resource| resource.split_once(':')) else {
        return Err(invalid("SubscriptionArn Reason: An ARN must have at least 6 elements"));
    };
    let key = format!("{topic}/{id}");
    let found = SUBSCRIPTIONS.get(platform, &key).ok_or_else(|| not_found("Subscription"))?;
    Ok((key, found))
}

fn check(attribute: &str, value: &str) -> Result<(), AwsError> {
    if !SETTABLE.contains(&attribute) {
        return Err(invalid("AttributeName"));
    }
    let reason = match attribute {
        "FilterPolicyScope" if !["MessageAttributes", "MessageBody"].contains(&value) => {
            "Invalid value [".to_owned()
                + value
                + "]. Please use either MessageBody or MessageAttributes"
        }
        "RawMessageDelivery" if !["true", "false"].contains(&value) => {
            "Invalid value [".to_owned() + value + "]. Must be true or false."
        }
        "FilterPolicy" | "DeliveryPolicy" | "RedrivePolicy" | "ReplayPolicy"
            if !value.is_empty() && !is_object(value) =>
        {
            "failed to parse JSON".to_owned()
        }
        _ => return Ok(()),
    };
    Err(invalid(format_args!("{attribute}: {reason}")))
}

/// Takes one value over; an empty policy is none.
fn put(own: &mut Attributes, attribute: &str, value: &str) -> Result<(), AwsError> {
    check(attribute, value)?;
    match value.trim() {
        "" | "{}" => drop(own.remove(attribute)),
        _ => drop(own.insert(attribute.to_owned(), value.to_owned())),
    }
    Ok(())
}

fn check_endpoint(protocol: &str, endpoint: &str) -> Result<(), AwsError> {
    let of_service = |service: &str| arn::parse(endpoint).is_some_and(|(s, _)| s == service);
    let fits = match protocol {
        "sqs" | "lambda" | "firehose" => of_service(protocol),
        "http" | "https" => endpoint.starts_with(&format!("{protocol}://")),
        "email" | "email-json" => endpoint.contains('@'),
        "application" => of_service("sns"),
        _ => !endpoint.is_empty(),
    };
    match fits {
        true => Ok(()),
        false => Err(invalid(format_args!("{} endpoint", protocol.to_ascii_uppercase()))),
    }
}

/// SNS-1, SNS-7.
pub(super) fn subscribe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let topic = name_of(platform, fields::text(input, "TopicArn").unwrap_or_default())?;
    let protocol = fields::text(input, "Protocol").unwrap_or_default();
    let endpoint = fields::text(input, "Endpoint").unwrap_or_default();
    let pending = TO_BE_CONFIRMED.contains(&protocol);
    if !pending && !CONFIRMED_AT_ONCE.contains(&protocol) {
        let what = format!("Amazon SNS does not support this protocol string: {protocol}");
        return Err(invalid(what));
    }
    check_endpoint(protocol, endpoint)?;
    let mut own = Attributes::new();
    for (attribute, value) in map(&input["Attributes"]) {
        put(&mut own, &attribute, &value)?;
    }
    let shown = |key: &str| {
        let wants_arn = fields::flag(input, "ReturnSubscriptionArn") == Some(true);
        json!({ "SubscriptionArn": match pending && !wants_arn {
            true => "pending confirmation".to_owned(),
            false => subscription_arn(platform, key),
        } })
    };
    let start = format!("{topic}/");
    let there = SUBSCRIPTIONS.starting(platform, &start).find(|(_, s)| {
        s["Protocol"].as_str() == Some(protocol) && s["Endpoint"].as_str() == Some(endpoint)
    });
    if let Some((key, subscription)) = there {
        if !own.is_empty() && own != map(&subscription["Attributes"]) {
            let why = "Attributes Reason: Subscription already exists with different attributes";
            return Err(invalid(why));
        }
        return Ok(Answer::Now(shown(key)));
    }
    let mut ids = Ids::of(platform);
    let key = format!("{topic}/{}", ids.uuid());
    let record = json!({
        "Protocol": protocol,
        "Endpoint": endpoint,
        "Attributes": own,
        "pending": pending,
    });
    let answer = shown(&key);
    Answer::after(vec![ids.taken(), SUBSCRIPTIONS.put(&key, &record)], |_| answer)
}

pub(super) fn unsubscribe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    match named(platform, input) {
        Ok((key, _)) => Answer::after(vec![SUBSCRIPTIONS.remove(&key)], |_| json!({})),
        Err(error) if error.code == "NotFound" => Ok(Answer::Now(json!({}))),
        Err(error) => Err(error),
    }
}

fn of_topic(key: &str) -> &str {
    key.split_once('/').map_or(key, |(topic, _)| topic)
}

pub(super) fn attributes(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (key, subscription) = named(platform, input)?;
    let account = &platform.identity().account;
    let pending = fields::flag(&subscription, "pending") == Some(true);
    let mut all = json!({
        "SubscriptionArn": subscription_arn(platform, &key),
        "TopicArn": topic_arn(platform, of_topic(&key)),
        "Owner": account,
        "SubscriptionPrincipal": format!("arn:aws:iam::{account}:root"),
        "Protocol": subscription["Protocol"],
        "Endpoint": subscription["Endpoint"],
        "PendingConfirmation": pending.to_string(),
        "ConfirmationWasAuthenticated": (!pending).to_string(),
        "RawMessageDelivery": "false",
    });
    let own = map(&subscription["Attributes"]);
    if own.contains_key("FilterPolicy") {
        all["FilterPolicyScope"] = json!("MessageAttributes");
    }
    for (attribute, value) in own {
        all[attribute] = json!(value);
    }
    Ok(Answer::Now(json!({ "Attributes": all })))
}

pub(super) fn set_attribute(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (key, mut subscription) = named(platform, input)?;
    let attribute = fields::text(input, "AttributeName").unwrap_or_default();
    let value = fields::text(input, "AttributeValue").unwrap_or_default();
    let mut own = map(&subscription["Attributes"]);
    put(&mut own, attribute, value)?;
    subscription["Attributes"] = json!(own);
    Answer::after(vec![SUBSCRIPTIONS.put(&key, &subscription)], |_| json!({}))
}

fn listed(platform: &Platform, input: &Value, start: &str) -> Result<Answer, AwsError> {
    let all: Vec<(&str, Value)> = SUBSCRIPTIONS.starting(platform, start).collect();
    let token = fields::text(input, "NextToken");
    let page = page::page(all, |(key, _)| (*key).to_owned(), false, token, PAGE)
        .map_err(|_| invalid("NextToken"))?;
    let view = |(key, subscription): &(&str, Value)| {
        let pending = fields::flag(subscription, "pending") == Some(true);
        json!({
            "SubscriptionArn": match pending {
                true => "PendingConfirmation".to_owned(),
                false => subscription_arn(platform, key),
            },
            "TopicArn": topic_arn(platform, of_topic(key)),
            "Owner": platform.identity().account,
            "Protocol": subscription["Protocol"],
            "Endpoint": subscription["Endpoint"],
        })
    };
    let views: Vec<Value> = page.entries.iter().map(view).collect();
    let mut answer = json!({ "Subscriptions": views });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    listed(platform, input, "")
}

pub(super) fn list_of_topic(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let topic = name_of(platform, fields::text(input, "TopicArn").unwrap_or_default())?;
    listed(platform, input, &format!("{topic}/"))
}
