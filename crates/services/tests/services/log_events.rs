//! CloudWatch Logs: streams, events, and the filters of a group.

use serde_json::{Value, json};

use crate::rig::{Rig, WALL_MS};

fn logs(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("logs", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A group with a stream in it.
fn rig() -> Rig {
    let mut rig = Rig::new();
    logs(&mut rig, "CreateLogGroup", json!({ "logGroupName": "/ecs/web" }));
    create(&mut rig, "web/app/1");
    rig
}

fn create(rig: &mut Rig, stream: &str) {
    let input = json!({ "logGroupName": "/ecs/web", "logStreamName": stream });
    logs(rig, "CreateLogStream", input);
}

fn put(rig: &mut Rig, stream: &str, lines: &[(i64, &str)]) -> Value {
    let now = WALL_MS as i64;
    let events: Vec<Value> = lines
        .iter()
        .map(|(ago, message)| json!({ "timestamp": now - ago, "message": message }))
        .collect();
    let input = json!({
        "logGroupName": "/ecs/web", "logStreamName": stream, "logEvents": events,
    });
    logs(rig, "PutLogEvents", input)
}

fn messages(answer: &Value) -> Vec<&str> {
    let events = answer["events"].as_array().expect("a list");
    events.iter().filter_map(|event| event["message"].as_str()).collect()
}

/// CWL-FLT-1, CWL-FLT-2, CWL-PAT-1, CWL-PAT-2: what `aws logs tail` and `filter-log-events` ask.
#[test]
fn cwl_flt_2_events_of_all_streams_are_found_by_time_and_pattern() {
    let mut rig = rig();
    create(&mut rig, "web/app/2");
    put(&mut rig, "web/app/1", &[(3000, "ERROR no database"), (1000, r#"{"status":500}"#)]);
    put(&mut rig, "web/app/2", &[(2000, "started"), (500, r#"{"status":200}"#)]);
    let all = logs(&mut rig, "FilterLogEvents", json!({ "logGroupName": "/ecs/web" }));
    assert_eq!(
        messages(&all),
        ["ERROR no database", "started", r#"{"status":500}"#, r#"{"status":200}"#]
    );
    let first = &all["events"][0];
    assert_eq!(first["logStreamName"], "web/app/1");
    assert_eq!(first["timestamp"], WALL_MS - 3000);
    assert_eq!(first["ingestionTime"], WALL_MS);
    assert_eq!(first["eventId"].as_str().map(str::len), Some(56));
    for (members, expected) in [
        (json!({ "filterPattern": "ERROR" }), vec!["ERROR no database"]),
        (json!({ "filterPattern": "{ $.status >= 500 }" }), vec![r#"{"status":500}"#]),
        (json!({ "startTime": WALL_MS - 900 }), vec![r#"{"status":200}"#]),
        (json!({ "endTime": WALL_MS - 3000 }), vec!["ERROR no database"]),
        (json!({ "logStreamNames": ["web/app/2"], "limit": 1 }), vec!["started"]),
        (json!({ "logStreamNamePrefix": "nothing" }), vec![]),
    ] {
        let mut input = members.clone();
        input["logGroupIdentifier"] =
            json!("arn:aws:logs:us-east-1:000000000000:log-group:/ecs/web");
        let found = logs(&mut rig, "FilterLogEvents", input);
        assert_eq!(messages(&found), expected, "{members}");
        assert_eq!(found["nextToken"].is_string(), members["limit"] == 1, "{members}");
    }
}

/// CWL-GET-1: from either end, until the same token comes back.
#[test]
fn cwl_get_1_a_stream_is_paged_until_its_token_stays() {
    let mut rig = rig();
    put(&mut rig, "web/app/1", &[(3, "one"), (2, "two"), (1, "three")]);
    let get = |rig: &mut Rig, members: Value| {
        let mut input = json!({ "logGroupName": "/ecs/web", "logStreamName": "web/app/1" });
        input
            .as_object_mut()
            .expect("object")
            .extend(members.as_object().cloned().expect("object"));
        logs(rig, "GetLogEvents", input)
    };
    let last = get(&mut rig, json!({ "limit": 2 }));
    assert_eq!(messages(&last), ["two", "three"]);
    let first = get(&mut rig, json!({ "limit": 2, "startFromHead": true }));
    assert_eq!(messages(&first), ["one", "two"]);
    let rest = get(&mut rig, json!({ "nextToken": first["nextForwardToken"] }));
    assert_eq!(messages(&rest), ["three"]);
    let end = get(&mut rig, json!({ "nextToken": rest["nextForwardToken"] }));
    assert_eq!((messages(&end), &end["nextForwardToken"]), (vec![], &rest["nextForwardToken"]));
}

/// CWL-PUT-3, CWL-PUT-4, ERR-LOG-3.
#[test]
fn cwl_put_3_events_of_another_time_are_named_and_disorder_is_refused() {
    let mut rig = rig();
    let hours = |n: i64| n * 3_600_000;
    let answer = put(&mut rig, "web/app/1", &[(0, "now"), (-hours(3), "tomorrow")]);
    assert_eq!(answer["rejectedLogEventsInfo"], json!({ "tooNewLogEventStartIndex": 1 }));
    assert!(answer["nextSequenceToken"].is_string());
    let input = json!({
        "logGroupName": "/ecs/web",
        "logStreamName": "web/app/1",
        "logEvents": [
            { "timestamp": WALL_MS, "message": "b" }, { "timestamp": WALL_MS - 1, "message": "a" },
        ],
    });
    let (code, message) = rig.refuses("logs", "PutLogEvents", input);
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("must be in chronological order"), "{message}");
}

/// CWL-GRP-5, ERR-LOG-1.
#[test]
fn streams_are_described_and_deleted() {
    let mut rig = rig();
    create(&mut rig, "web/app/2");
    put(&mut rig, "web/app/1", &[(7, "line")]);
    let input =
        json!({ "logGroupName": "/ecs/web", "orderBy": "LastEventTime", "descending": true });
    let found = logs(&mut rig, "DescribeLogStreams", input);
    let stream = &found["logStreams"][0];
    assert_eq!(stream["logStreamName"], "web/app/1");
    assert_eq!(
        stream["arn"],
        "arn:aws:logs:us-east-1:000000000000:log-group:/ecs/web:log-stream:web/app/1"
    );
    assert_eq!(
        (&stream["firstEventTimestamp"], &stream["storedBytes"]),
        (&json!(WALL_MS - 7), &json!(30))
    );
    let stream = json!({ "logGroupName": "/ecs/web", "logStreamName": "web/app/1" });
    let (code, _) = rig.refuses("logs", "CreateLogStream", stream.clone());
    assert_eq!(code, "ResourceAlreadyExistsException");
    logs(&mut rig, "DeleteLogStream", stream.clone());
    let (code, message) = rig.refuses("logs", "GetLogEvents", stream);
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "The specified log stream does not exist.");
    let other = json!({ "logGroupName": "/ecs/none", "logStreamName": "x" });
    let (_, message) = rig.refuses("logs", "CreateLogStream", other);
    assert_eq!(message, "The specified log group does not exist.");
}

/// CWL-MF-1, CWL-SUB-1: kept for the group, and gone with it.
#[test]
fn filters_are_kept_with_their_group() {
    let mut rig = rig();
    let filter = |name: &str| {
        json!({
            "logGroupName": "/ecs/web",
            "filterName": name,
            "filterPattern": "{ $.status = 500 }",
            "metricTransformations": [
                { "metricName": "Errors", "metricNamespace": "Web", "metricValue": "1" },
            ],
        })
    };
    logs(&mut rig, "PutMetricFilter", filter("errors"));
    let found = logs(&mut rig, "DescribeMetricFilters", json!({ "metricName": "Errors" }));
    let mut expected = filter("errors");
    expected["creationTime"] = json!(rig.now.0);
    assert_eq!(found["metricFilters"], json!([expected]));
    let group = logs(&mut rig, "DescribeLogGroups", json!({}));
    assert_eq!(group["logGroups"][0]["metricFilterCount"], 1);
    let mut wrong = filter("wrong");
    wrong["filterPattern"] = json!("{ $.status = ");
    assert_eq!(rig.refuses("logs", "PutMetricFilter", wrong).0, "InvalidParameterException");
    for number in 0..3 {
        let input = json!({
            "logGroupName": "/ecs/web",
            "filterName": format!("to-{number}"),
            "filterPattern": "",
            "destinationArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        });
        match number {
            2 => {
                let (code, _) = rig.refuses("logs", "PutSubscriptionFilter", input);
                assert_eq!(code, "LimitExceededException");
            }
            _ => drop(logs(&mut rig, "PutSubscriptionFilter", input)),
        }
    }
    logs(&mut rig, "DeleteLogGroup", json!({ "logGroupName": "/ecs/web" }));
    logs(&mut rig, "CreateLogGroup", json!({ "logGroupName": "/ecs/web" }));
    let group = json!({ "logGroupName": "/ecs/web" });
    let found = logs(&mut rig, "DescribeSubscriptionFilters", group);
    assert_eq!(found["subscriptionFilters"], json!([]));
}
