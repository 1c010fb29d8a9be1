//! CloudWatch Logs: log groups.

use neargate_core::input::Command;
use neargate_core::log_group::LogGroupSpec;
use serde_json::{Value, json};

use crate::rig::{Rig, text};

const ARN: &str = "arn:aws:logs:us-east-1:000000000000:log-group:/ecs/web";

fn logs(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("logs", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn create(rig: &mut Rig, name: &str) {
    logs(rig, "CreateLogGroup", json!({ "logGroupName": name }));
}

fn names(answer: &Value) -> Vec<String> {
    let groups = answer["logGroups"].as_array().expect("a list");
    groups.iter().map(|group| text(&group["logGroupName"])).collect()
}

/// CWL-GRP-2, CWL-GRP-3, CWL-GRP-4: as Terraform's `aws_cloudwatch_log_group` reads it back.
#[test]
fn a_log_group_is_described_as_it_was_made() {
    let mut rig = Rig::new();
    let input = json!({
        "logGroupName": "/ecs/web",
        "kmsKeyId": "arn:aws:kms:us-east-1:000000000000:key/1",
        "tags": { "env": "prod" },
    });
    logs(&mut rig, "CreateLogGroup", input);
    logs(
        &mut rig,
        "PutRetentionPolicy",
        json!({ "logGroupName": "/ecs/web", "retentionInDays": 30 }),
    );
    let found = logs(&mut rig, "DescribeLogGroups", json!({ "logGroupNamePrefix": "/ecs/web" }));
    assert_eq!(
        found["logGroups"],
        json!([{
            "logGroupName": "/ecs/web",
            "creationTime": rig.now.0,
            "retentionInDays": 30,
            "metricFilterCount": 0,
            "arn": format!("{ARN}:*"),
            "logGroupArn": ARN,
            "kmsKeyId": "arn:aws:kms:us-east-1:000000000000:key/1",
            "logGroupClass": "STANDARD",
            "deletionProtectionEnabled": false,
        }])
    );
    assert_eq!(found["nextToken"], Value::Null);
    let group = rig.platform.log_group("/ecs/web").expect("on the platform");
    assert_eq!(group.retention_days, Some(30));
    logs(&mut rig, "DeleteRetentionPolicy", json!({ "logGroupName": "/ecs/web" }));
    let found = logs(&mut rig, "DescribeLogGroups", json!({}));
    assert_eq!(found["logGroups"][0]["retentionInDays"], Value::Null);
    assert_eq!(found["logGroups"][0]["creationTime"], json!(rig.now.0), "notes are kept");
}

/// CWL-GRP-5: prefix, pattern, pages.
#[test]
fn cwl_grp_5_groups_are_found_page_by_page() {
    let mut rig = Rig::new();
    for name in ["/ecs/web", "/ecs/api", "/ECS/jobs", "/rds/main"] {
        create(&mut rig, name);
    }
    let command = Command::PutLogGroup(LogGroupSpec { name: "/yaml".into(), retention_days: None });
    rig.commands(vec![command]);
    let mut find = |input: Value| logs(&mut rig, "DescribeLogGroups", input);
    assert_eq!(names(&find(json!({ "logGroupNamePrefix": "/ecs" }))), ["/ecs/api", "/ecs/web"]);
    let by_pattern = find(json!({ "logGroupNamePattern": "ecs" }));
    assert_eq!(names(&by_pattern), ["/ECS/jobs", "/ecs/api", "/ecs/web"]);
    let by_identifier = find(json!({ "logGroupIdentifiers": [ARN, "/rds/main"] }));
    assert_eq!(names(&by_identifier), ["/ecs/web", "/rds/main"]);
    assert_eq!(names(&find(json!({ "logGroupClass": "DELIVERY" }))), Vec::<String>::new());
    let first = find(json!({ "limit": 4 }));
    assert_eq!(names(&first), ["/ECS/jobs", "/ecs/api", "/ecs/web", "/rds/main"]);
    let rest = find(json!({ "limit": 4, "nextToken": first["nextToken"] }));
    assert_eq!(names(&rest), ["/yaml"], "one that a description file asked for");
    assert_eq!(rest["logGroups"][0]["creationTime"], Value::Null);
    let both = json!({ "logGroupNamePrefix": "/", "logGroupNamePattern": "a" });
    assert_eq!(rig.refuses("logs", "DescribeLogGroups", both).0, "InvalidParameterException");
    let made_up = json!({ "nextToken": "*" });
    assert_eq!(rig.refuses("logs", "DescribeLogGroups", made_up).0, "InvalidParameterException");
}

/// ERR-LOG-1, ERR-LOG-2, CWL-GRP-1.
#[test]
fn err_log_1_what_is_refused() {
    let mut rig = Rig::new();
    create(&mut rig, "/ecs/web");
    let web = json!({ "logGroupName": "/ecs/web" });
    let none = json!({ "logGroupName": "/ecs/none" });
    let missing = "The specified log group does not exist.".to_owned();
    let missing = ("ResourceNotFoundException".to_owned(), missing);
    let exists = "The specified log group already exists".to_owned();
    let exists = ("ResourceAlreadyExistsException".to_owned(), exists);
    assert_eq!(rig.refuses("logs", "CreateLogGroup", web), exists);
    for name in ["DeleteLogGroup", "DeleteRetentionPolicy", "ListTagsLogGroup"] {
        assert_eq!(rig.refuses("logs", name, none.clone()), missing, "{name}");
    }
    let unknown = json!({ "resourceArn": format!("{ARN}/none") });
    assert_eq!(rig.refuses("logs", "ListTagsForResource", unknown), missing);
    let other = json!({ "resourceArn": "arn:aws:ecs:us-east-1:000000000000:cluster/main" });
    let (code, _) = rig.refuses("logs", "ListTagsForResource", other);
    assert_eq!(code, "InvalidParameterException");
    let reserved = json!({ "logGroupName": "aws/web" });
    let (code, _) = rig.refuses("logs", "CreateLogGroup", reserved);
    assert_eq!(code, "InvalidParameterException");
    for days in [0, 2, 31, -1] {
        let input = json!({ "logGroupName": "/ecs/web", "retentionInDays": days });
        let (code, message) = rig.refuses("logs", "PutRetentionPolicy", input);
        assert_eq!(code, "InvalidParameterException");
        let begins = format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy \
             constraint: Member must satisfy enum value set: [1, 3, 5, "
        );
        assert!(message.starts_with(&begins), "{message}");
    }
}

#[test]
fn tags_are_the_same_by_arn_and_by_name_and_go_with_the_group() {
    let mut rig = Rig::new();
    create(&mut rig, "/ecs/web");
    let with_star = format!("{ARN}:*");
    logs(&mut rig, "TagResource", json!({ "resourceArn": ARN, "tags": { "a": "1", "b": "2" } }));
    logs(
        &mut rig,
        "TagLogGroup",
        json!({ "logGroupName": "/ecs/web", "tags": { "b": "3", "c": "" } }),
    );
    logs(&mut rig, "UntagResource", json!({ "resourceArn": with_star, "tagKeys": ["a"] }));
    let by_arn = logs(&mut rig, "ListTagsForResource", json!({ "resourceArn": with_star }));
    assert_eq!(by_arn["tags"], json!({ "b": "3", "c": "" }));
    logs(&mut rig, "UntagLogGroup", json!({ "logGroupName": "/ecs/web", "tags": ["c"] }));
    let by_name = logs(&mut rig, "ListTagsLogGroup", json!({ "logGroupName": "/ecs/web" }));
    assert_eq!(by_name["tags"], json!({ "b": "3" }));
    let many: Value = (0..50).map(|n| (format!("t{n}"), json!("x"))).collect();
    let (code, _) = rig.refuses("logs", "TagResource", json!({ "resourceArn": ARN, "tags": many }));
    assert_eq!(code, "TooManyTagsException");
    logs(&mut rig, "DeleteLogGroup", json!({ "logGroupName": "/ecs/web" }));
    create(&mut rig, "/ecs/web");
    let anew = logs(&mut rig, "ListTagsForResource", json!({ "resourceArn": ARN }));
    assert_eq!(anew["tags"], json!({}));
}

#[test]
fn a_protected_group_is_not_deleted() {
    let mut rig = Rig::new();
    let input = json!({ "logGroupName": "/ecs/web", "deletionProtectionEnabled": true });
    logs(&mut rig, "CreateLogGroup", input);
    let web = json!({ "logGroupName": "/ecs/web" });
    let (code, _) = rig.refuses("logs", "DeleteLogGroup", web.clone());
    assert_eq!(code, "ValidationException");
    let off = json!({ "logGroupIdentifier": ARN, "deletionProtectionEnabled": false });
    logs(&mut rig, "PutLogGroupDeletionProtection", off);
    logs(&mut rig, "DeleteLogGroup", web);
    assert_eq!(rig.platform.log_groups().count(), 0);
}
