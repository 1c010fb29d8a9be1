//! SQS and SNS: queues, topics and subscriptions as they are managed.

use serde_json::{Value, json};

use crate::rig::{Rig, text};

const QUEUE: &str = "http://127.0.0.1:4566/000000000000/jobs";

fn sqs(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("sqs", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn sns(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("sns", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn queue_attributes(rig: &mut Rig, url: &str) -> Value {
    let asked = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
    sqs(rig, "GetQueueAttributes", asked)["Attributes"].clone()
}

/// SQS-Q-1, SQS-Q-2, SQS-Q-4, SQS-Q-6, SQS-Q-7.
#[test]
fn sqs_q_4_a_queue_has_the_defaults_and_what_was_set() {
    let mut rig = Rig::new();
    let create = json!({ "QueueName": "jobs", "Attributes": { "VisibilityTimeout": "60" }, "tags": { "a": "1" } });
    let made = sqs(&mut rig, "CreateQueue", create.clone());
    assert_eq!(made, json!({ "QueueUrl": QUEUE }));
    assert_eq!(sqs(&mut rig, "CreateQueue", create), made, "the same again is the same");
    assert_eq!(sqs(&mut rig, "GetQueueUrl", json!({ "QueueName": "jobs" })), made);
    let all = queue_attributes(&mut rig, QUEUE);
    assert_eq!(
        all,
        json!({
            "ApproximateNumberOfMessages": "0",
            "ApproximateNumberOfMessagesDelayed": "0",
            "ApproximateNumberOfMessagesNotVisible": "0",
            "CreatedTimestamp": "1700000000",
            "DelaySeconds": "0",
            "LastModifiedTimestamp": "1700000000",
            "MaximumMessageSize": "1048576",
            "MessageRetentionPeriod": "345600",
            "QueueArn": "arn:aws:sqs:us-east-1:000000000000:jobs",
            "ReceiveMessageWaitTimeSeconds": "0",
            "SqsManagedSseEnabled": "true",
            "VisibilityTimeout": "60",
        })
    );
    let other = json!({ "QueueName": "jobs", "Attributes": { "VisibilityTimeout": "61" } });
    assert_eq!(rig.refuses("sqs", "CreateQueue", other).0, "QueueNameExists");
    let none = sqs(&mut rig, "GetQueueAttributes", json!({ "QueueUrl": QUEUE }));
    assert_eq!(none, json!({}), "nothing asked, nothing said");
    let untag = json!({ "QueueUrl": QUEUE, "TagKeys": ["a"] });
    sqs(&mut rig, "TagQueue", json!({ "QueueUrl": QUEUE, "Tags": { "b": "2" } }));
    sqs(&mut rig, "UntagQueue", untag);
    let tags = sqs(&mut rig, "ListQueueTags", json!({ "QueueUrl": QUEUE }));
    assert_eq!(tags, json!({ "Tags": { "b": "2" } }));
    // An address of another day leads to the same queue.
    sqs(&mut rig, "DeleteQueue", json!({ "QueueUrl": "http://localhost:1/000000000000/jobs" }));
    let gone = json!({ "QueueUrl": QUEUE, "AttributeNames": ["All"] });
    assert_eq!(rig.refuses("sqs", "GetQueueAttributes", gone).0, "QueueDoesNotExist");
    assert_eq!(sqs(&mut rig, "ListQueues", json!({})), json!({}));
}

/// Texts come back as they were sent, blanks and all; an empty one takes the attribute away.
#[test]
fn policies_of_a_queue_come_back_as_sent() {
    let mut rig = Rig::new();
    for name in ["jobs-dead", "jobs"] {
        sqs(&mut rig, "CreateQueue", json!({ "QueueName": name }));
    }
    let redrive = "{ \"maxReceiveCount\" : 3,\n \"deadLetterTargetArn\": \"arn:aws:sqs:us-east-1:000000000000:jobs-dead\" }";
    let policy = "{\"Version\" : \"2012-10-17\", \"Statement\":[]}";
    let set =
        json!({ "QueueUrl": QUEUE, "Attributes": { "RedrivePolicy": redrive, "Policy": policy } });
    sqs(&mut rig, "SetQueueAttributes", set);
    let all = queue_attributes(&mut rig, QUEUE);
    assert_eq!((&all["RedrivePolicy"], &all["Policy"]), (&json!(redrive), &json!(policy)));
    sqs(
        &mut rig,
        "SetQueueAttributes",
        json!({ "QueueUrl": QUEUE, "Attributes": { "Policy": "" } }),
    );
    let all = queue_attributes(&mut rig, QUEUE);
    assert_eq!((all.get("Policy"), &all["RedrivePolicy"]), (None, &json!(redrive)));
    let listed = sqs(&mut rig, "ListQueues", json!({ "QueueNamePrefix": "jobs", "MaxResults": 1 }));
    assert_eq!(listed["QueueUrls"], json!([QUEUE]));
    assert!(listed["NextToken"].is_string());
}

/// SQS-Q-1, SQS-Q-4, SQS-DLQ-1, ERR-SQS-4, ERR-SQS-5.
#[test]
fn attributes_that_cannot_be_are_refused() {
    let mut rig = Rig::new();
    let nowhere =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:x","maxReceiveCount":1}"#;
    let cases = [
        ("jobs", json!({ "VisibilityTimeout": "43201" }), "InvalidAttributeValue"),
        ("jobs", json!({ "DelaySeconds": "soon" }), "InvalidAttributeValue"),
        ("jobs", json!({ "Policy": "everyone" }), "InvalidAttributeValue"),
        ("jobs", json!({ "RedrivePolicy": nowhere }), "InvalidParameterValue"),
        ("jobs", json!({ "RedrivePolicy": "{}" }), "InvalidParameterValue"),
        ("jobs", json!({ "ApproximateAgeOfOldestMessage": "1" }), "InvalidAttributeName"),
        ("jobs", json!({ "ContentBasedDeduplication": "true" }), "InvalidAttributeName"),
        ("jobs.fifo", json!({}), "InvalidParameterValue"),
        ("jobs", json!({ "FifoQueue": "true" }), "InvalidParameterValue"),
        ("the jobs", json!({}), "InvalidParameterValue"),
    ];
    for (name, attributes, code) in cases {
        let input = json!({ "QueueName": name, "Attributes": attributes });
        assert_eq!(rig.refuses("sqs", "CreateQueue", input.clone()).0, code, "{input}");
    }
    assert_eq!(sqs(&mut rig, "ListQueues", json!({})), json!({}));
}

fn topic(rig: &mut Rig) -> String {
    let create = json!({ "Name": "alerts", "Attributes": { "DisplayName": "Alerts" }, "Tags": [{ "Key": "a", "Value": "1" }] });
    text(&sns(rig, "CreateTopic", create)["TopicArn"])
}

/// SNS-7.
#[test]
fn sns_7_a_topic_is_made_once_and_keeps_what_was_set() {
    let mut rig = Rig::new();
    let arn = topic(&mut rig);
    assert_eq!(arn, "arn:aws:sns:us-east-1:000000000000:alerts");
    assert_eq!(topic(&mut rig), arn);
    let other = json!({ "Name": "alerts", "Attributes": { "DisplayName": "Other" } });
    assert_eq!(rig.refuses("sns", "CreateTopic", other).0, "InvalidParameter");
    let read = |rig: &mut Rig| {
        sns(rig, "GetTopicAttributes", json!({ "TopicArn": arn }))["Attributes"].clone()
    };
    assert!(text(&read(&mut rig)["Policy"]).contains("__default_policy_ID"));
    let policy = "{ \"Statement\": [] }";
    let set = json!({ "TopicArn": arn, "AttributeName": "Policy", "AttributeValue": policy });
    sns(&mut rig, "SetTopicAttributes", set);
    let all = read(&mut rig);
    assert_eq!((&all["Policy"], &all["DisplayName"]), (&json!(policy), &json!("Alerts")));
    let bad = json!({ "TopicArn": arn, "AttributeName": "Colour", "AttributeValue": "red" });
    assert_eq!(rig.refuses("sns", "SetTopicAttributes", bad).0, "InvalidParameter");
    let tag = json!({ "ResourceArn": arn, "Tags": [{ "Key": "b", "Value": "2" }] });
    sns(&mut rig, "TagResource", tag);
    sns(&mut rig, "UntagResource", json!({ "ResourceArn": arn, "TagKeys": ["a"] }));
    let tags = sns(&mut rig, "ListTagsForResource", json!({ "ResourceArn": arn }));
    assert_eq!(tags, json!({ "Tags": [{ "Key": "b", "Value": "2" }] }));
}

/// SNS-1, SNS-4: a queue is subscribed at once, a person has to confirm.
#[test]
fn sns_1_subscriptions_are_confirmed_or_pending() {
    let mut rig = Rig::new();
    let arn = topic(&mut rig);
    let queue = "arn:aws:sqs:us-east-1:000000000000:jobs";
    let filter = "{\"kind\": [ \"paid\" ]}";
    let subscribe = json!({ "TopicArn": arn, "Protocol": "sqs", "Endpoint": queue, "Attributes": { "FilterPolicy": filter } });
    let made = text(&sns(&mut rig, "Subscribe", subscribe.clone())["SubscriptionArn"]);
    assert!(made.starts_with(&format!("{arn}:")));
    assert_eq!(sns(&mut rig, "Subscribe", subscribe)["SubscriptionArn"], json!(made));
    let mail = json!({ "TopicArn": arn, "Protocol": "email", "Endpoint": "ops@example.org" });
    assert_eq!(sns(&mut rig, "Subscribe", mail)["SubscriptionArn"], "pending confirmation");
    let all = sns(&mut rig, "GetSubscriptionAttributes", json!({ "SubscriptionArn": made }));
    let all = &all["Attributes"];
    assert_eq!(all["FilterPolicy"], filter);
    assert_eq!(all["FilterPolicyScope"], "MessageAttributes");
    assert_eq!((&all["PendingConfirmation"], &all["Endpoint"]), (&json!("false"), &json!(queue)));
    let listed = sns(&mut rig, "ListSubscriptionsByTopic", json!({ "TopicArn": arn }));
    assert_eq!(listed["Subscriptions"].as_array().map(Vec::len), Some(2));
    let counts = sns(&mut rig, "GetTopicAttributes", json!({ "TopicArn": arn }));
    assert_eq!(counts["Attributes"]["SubscriptionsPending"], "1");
    let raw = json!({ "SubscriptionArn": made, "AttributeName": "RawMessageDelivery", "AttributeValue": "true" });
    sns(&mut rig, "SetSubscriptionAttributes", raw);
    let none =
        json!({ "SubscriptionArn": made, "AttributeName": "FilterPolicy", "AttributeValue": "{}" });
    sns(&mut rig, "SetSubscriptionAttributes", none);
    let all = sns(&mut rig, "GetSubscriptionAttributes", json!({ "SubscriptionArn": made }));
    assert_eq!(all["Attributes"]["RawMessageDelivery"], "true");
    assert_eq!(all["Attributes"].get("FilterPolicy"), None);
    let bad = json!({ "TopicArn": arn, "Protocol": "sqs", "Endpoint": "ops@example.org" });
    assert_eq!(rig.refuses("sns", "Subscribe", bad).0, "InvalidParameter");
    sns(&mut rig, "DeleteTopic", json!({ "TopicArn": arn }));
    let gone = json!({ "SubscriptionArn": made });
    assert_eq!(rig.refuses("sns", "GetSubscriptionAttributes", gone).0, "NotFound");
    assert_eq!(sns(&mut rig, "ListSubscriptions", json!({}))["Subscriptions"], json!([]));
    sns(&mut rig, "DeleteTopic", json!({ "TopicArn": arn }));
}
