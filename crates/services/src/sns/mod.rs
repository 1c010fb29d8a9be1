//! Amazon SNS: topics and subscriptions as they are managed. What is published is not here.

mod subscriptions;
mod topics;

use std::collections::BTreeMap;

use neargate_wire::read_json;
use serde_json::Value;

use crate::Table;
use crate::error::{self, AwsError};
use crate::records::{Records, table};

pub(crate) const OPERATIONS: Table = &[
    ("CreateTopic", topics::create),
    ("DeleteTopic", topics::delete),
    ("GetSubscriptionAttributes", subscriptions::attributes),
    ("GetTopicAttributes", topics::attributes),
    ("ListSubscriptions", subscriptions::list),
    ("ListSubscriptionsByTopic", subscriptions::list_of_topic),
    ("ListTagsForResource", topics::list_tags),
    ("ListTopics", topics::list),
    ("SetSubscriptionAttributes", subscriptions::set_attribute),
    ("SetTopicAttributes", topics::set_attribute),
    ("Subscribe", subscriptions::subscribe),
    ("TagResource", topics::tag),
    ("Unsubscribe", subscriptions::unsubscribe),
    ("UntagResource", topics::untag),
];

/// By name: `Attributes` as they were set, `tags`.
const TOPICS: Records = table("sns", "topic");
/// By `<topic>/<uuid>`: `Protocol`, `Endpoint`, `Attributes` as they were set, `pending`.
const SUBSCRIPTIONS: Records = table("sns", "subscription");
/// Every listing.
const PAGE: usize = 100;

type Attributes = BTreeMap<String, String>;

/// ERR-SNS-1.
fn not_found(what: &str) -> AwsError {
    error::client("NotFound", format!("{what} does not exist"))
}

/// ERR-SNS-1.
fn invalid(message: impl std::fmt::Display) -> AwsError {
    error::client("InvalidParameter", format!("Invalid parameter: {message}"))
}

fn map(value: &Value) -> Attributes {
    let members = value.as_object().into_iter().flatten();
    members.filter_map(|(name, v)| Some((name.clone(), v.as_str()?.to_owned()))).collect()
}

fn is_object(text: &str) -> bool {
    read_json(text).is_ok_and(|value| value.is_object())
}
