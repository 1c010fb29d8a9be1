//! Secrets Manager.

use serde_json::{Value, json};

use crate::rig::{Rig, text};

fn secrets(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("secretsmanager", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn refused(rig: &mut Rig, name: &str, input: Value) -> (String, String) {
    rig.refuses("secretsmanager", name, input)
}

fn create(rig: &mut Rig, value: &str) -> String {
    let input = json!({
        "Name": "shop/db", "SecretString": value, "ClientRequestToken": "v1-00000000000000000000000000",
    });
    text(&secrets(rig, "CreateSecret", input)["ARN"])
}

fn value(rig: &mut Rig, input: Value) -> Value {
    secrets(rig, "GetSecretValue", input)["SecretString"].clone()
}

#[test]
fn a_secret_is_described_as_it_was_made_and_its_value_is_in_no_command() {
    let mut rig = Rig::new();
    let input = json!({
        "Name": "shop/db",
        "Description": "of the shop",
        "SecretString": "hunter2",
        "Tags": [{ "Key": "env", "Value": "prod" }],
    });
    let made = secrets(&mut rig, "CreateSecret", input);
    let arn = text(&made["ARN"]);
    let suffix = arn.strip_prefix("arn:aws:secretsmanager:us-east-1:000000000000:secret:shop/db-");
    assert_eq!(suffix.map(str::len), Some(6), "{arn}");
    let version = text(&made["VersionId"]);
    let found = secrets(&mut rig, "DescribeSecret", json!({ "SecretId": arn }));
    assert_eq!(
        found,
        json!({
            "ARN": arn,
            "Name": "shop/db",
            "Description": "of the shop",
            "CreatedDate": rig.now.0 as f64 / 1000.0,
            "LastChangedDate": rig.now.0 as f64 / 1000.0,
            "Tags": [{ "Key": "env", "Value": "prod" }],
            "VersionIdsToStages": { version.clone(): ["AWSCURRENT"] },
        })
    );
    // What the platform keeps is what was sealed; `Rig` seals with a word in front.
    let kept = serde_json::to_string(&rig.platform).expect("JSON").replace("sealed:hunter2", "");
    assert!(!kept.contains("hunter2"));
    for id in ["shop/db", &arn, arn.rsplit_once('-').expect("suffix").0] {
        let got = secrets(&mut rig, "GetSecretValue", json!({ "SecretId": id }));
        assert_eq!(got["SecretString"], "hunter2", "{id}");
        assert_eq!(got["VersionId"], json!(version), "{id}");
        assert_eq!(got["VersionStages"], json!(["AWSCURRENT"]), "{id}");
    }
    let policy = json!({ "SecretId": "shop/db", "ResourcePolicy": r#"{"Version":"2012-10-17"}"# });
    secrets(&mut rig, "PutResourcePolicy", policy);
    let policy = secrets(&mut rig, "GetResourcePolicy", json!({ "SecretId": "shop/db" }));
    assert_eq!(policy["ResourcePolicy"], r#"{"Version":"2012-10-17"}"#);
    let tags = json!({ "SecretId": arn, "Tags": [{ "Key": "team", "Value": "a" }] });
    secrets(&mut rig, "TagResource", tags);
    secrets(&mut rig, "UntagResource", json!({ "SecretId": arn, "TagKeys": ["env"] }));
    let input = json!({ "SecretId": arn, "Description": "another" });
    secrets(&mut rig, "UpdateSecret", input);
    let found = secrets(&mut rig, "DescribeSecret", json!({ "SecretId": arn }));
    assert_eq!(found["Tags"], json!([{ "Key": "team", "Value": "a" }]));
    assert_eq!(found["Description"], "another");
}

#[test]
fn versions_have_labels_and_a_request_counts_once() {
    let mut rig = Rig::new();
    let arn = create(&mut rig, "one");
    let put = json!({
        "SecretId": arn, "SecretString": "two", "ClientRequestToken": "v2-00000000000000000000000000",
    });
    let first = secrets(&mut rig, "PutSecretValue", put.clone());
    assert_eq!(first["VersionStages"], json!(["AWSCURRENT"]));
    assert_eq!(secrets(&mut rig, "PutSecretValue", put.clone()), first);
    let mut other = put.clone();
    other["SecretString"] = json!("three");
    assert_eq!(refused(&mut rig, "PutSecretValue", other).0, "ResourceExistsException");
    assert_eq!(value(&mut rig, json!({ "SecretId": arn, "VersionStage": "AWSPREVIOUS" })), "one");
    let pending = json!({
        "SecretId": arn, "SecretString": "three", "VersionStages": ["AWSPENDING"],
        "ClientRequestToken": "v3-00000000000000000000000000",
    });
    secrets(&mut rig, "PutSecretValue", pending);
    assert_eq!(value(&mut rig, json!({ "SecretId": arn })), "two");
    let [v2, v3] = ["v2-00000000000000000000000000", "v3-00000000000000000000000000"];
    let mut moved = json!({ "SecretId": arn, "VersionStage": "AWSCURRENT", "MoveToVersionId": v3 });
    let (code, message) = refused(&mut rig, "UpdateSecretVersionStage", moved.clone());
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains(v2), "{message}");
    moved["RemoveFromVersionId"] = json!(v2);
    secrets(&mut rig, "UpdateSecretVersionStage", moved);
    assert_eq!(value(&mut rig, json!({ "SecretId": arn })), "three");
    assert_eq!(value(&mut rig, json!({ "SecretId": arn, "VersionId": v2 })), "two");
    let listed = secrets(&mut rig, "ListSecretVersionIds", json!({ "SecretId": arn }));
    let stages: Vec<_> = listed["Versions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| &v["VersionStages"])
        .collect();
    assert_eq!(stages, [&json!(["AWSPREVIOUS"]), &json!(["AWSCURRENT", "AWSPENDING"])]);
    let (code, message) =
        refused(&mut rig, "GetSecretValue", json!({ "SecretId": arn, "VersionId": "v1" }));
    assert_eq!(code, "ResourceNotFoundException");
    assert!(message.ends_with("VersionId: v1"), "{message}");
}

#[test]
fn a_binary_value_comes_back_as_bytes() {
    let mut rig = Rig::new();
    secrets(&mut rig, "CreateSecret", json!({ "Name": "key", "SecretBinary": "AAEC/w==" }));
    let got = secrets(&mut rig, "GetSecretValue", json!({ "SecretId": "key" }));
    assert_eq!((&got["SecretBinary"], &got["SecretString"]), (&json!("AAEC/w=="), &Value::Null));
    let arn = text(&got["ARN"]);
    let error = rig.platform.find_value(&arn).expect_err("containers are given text");
    assert!(error.contains("is binary"), "{error}");
    let both = json!({ "Name": "k", "SecretBinary": "AA==", "SecretString": "a" });
    assert_eq!(refused(&mut rig, "CreateSecret", both).0, "InvalidParameterException");
}

/// ERR-SEC-1, ECS-TD-19.
#[test]
fn err_sec_1_a_deleted_secret_is_restored_or_gone() {
    let mut rig = Rig::new();
    let arn = create(&mut rig, "one");
    assert!(rig.platform.find_value(&arn).is_ok());
    let answer = secrets(&mut rig, "DeleteSecret", json!({ "SecretId": arn }));
    let after = (rig.now.0 + 30 * 24 * 3_600_000) as f64 / 1000.0;
    assert_eq!(answer["DeletionDate"], after);
    let (code, message) = refused(&mut rig, "GetSecretValue", json!({ "SecretId": arn }));
    assert_eq!(
        (code.as_str(), message.contains("marked for deletion")),
        ("InvalidRequestException", true)
    );
    assert!(rig.platform.find_value(&arn).is_err());
    let (code, _) = refused(&mut rig, "CreateSecret", json!({ "Name": "shop/db" }));
    assert_eq!(code, "InvalidRequestException");
    let found = secrets(&mut rig, "DescribeSecret", json!({ "SecretId": arn }));
    assert_eq!(found["DeletedDate"], after);
    assert_eq!(secrets(&mut rig, "ListSecrets", json!({}))["SecretList"], json!([]));
    secrets(&mut rig, "RestoreSecret", json!({ "SecretId": arn }));
    assert_eq!(value(&mut rig, json!({ "SecretId": arn })), "one");
    let forced = json!({ "SecretId": arn, "ForceDeleteWithoutRecovery": true });
    let mut wrong = forced.clone();
    wrong["RecoveryWindowInDays"] = json!(7);
    assert_eq!(refused(&mut rig, "DeleteSecret", wrong).0, "InvalidParameterException");
    secrets(&mut rig, "DeleteSecret", forced.clone());
    let (code, message) = refused(&mut rig, "DescribeSecret", json!({ "SecretId": arn }));
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "Secrets Manager can't find the specified secret.");
    secrets(&mut rig, "DeleteSecret", forced);
    assert_ne!(create(&mut rig, "two"), arn);
    let (code, _) = refused(&mut rig, "CreateSecret", json!({ "Name": "shop/db" }));
    assert_eq!(code, "ResourceExistsException");
}

#[test]
fn secrets_are_listed_by_filter_and_in_pages() {
    let mut rig = Rig::new();
    for name in ["shop/a", "shop/b", "other"] {
        let input = json!({
            "Name": name, "SecretString": name, "Tags": [{ "Key": "of", "Value": name }],
        });
        secrets(&mut rig, "CreateSecret", input);
    }
    let names = |answer: &Value| {
        let list = answer["SecretList"].as_array().expect("a list");
        list.iter().map(|secret| text(&secret["Name"])).collect::<Vec<_>>()
    };
    let filter = |key: &str, value: &str| json!([{ "Key": key, "Values": [value] }]);
    for (filters, expected) in [
        (filter("name", "shop/"), vec!["shop/a", "shop/b"]),
        (filter("name", "!shop/"), vec!["other"]),
        (filter("tag-value", "shop/b"), vec!["shop/b"]),
        (filter("all", "OTHER"), vec!["other"]),
    ] {
        let found = secrets(&mut rig, "ListSecrets", json!({ "Filters": filters.clone() }));
        assert_eq!(names(&found), expected, "{filters}");
    }
    let first = secrets(&mut rig, "ListSecrets", json!({ "MaxResults": 2, "SortOrder": "desc" }));
    assert_eq!(names(&first), ["shop/b", "shop/a"]);
    let rest = json!({ "MaxResults": 2, "SortOrder": "desc", "NextToken": first["NextToken"] });
    assert_eq!(names(&secrets(&mut rig, "ListSecrets", rest)), ["other"]);
    let several = json!({ "SecretIdList": ["shop/a", "none"] });
    let several = secrets(&mut rig, "BatchGetSecretValue", several);
    assert_eq!(several["SecretValues"][0]["SecretString"], "shop/a");
    assert_eq!(several["Errors"][0]["ErrorCode"], "ResourceNotFoundException");
}

#[test]
fn rotation_is_kept() {
    let mut rig = Rig::new();
    let arn = create(&mut rig, "one");
    let rules = json!({ "AutomaticallyAfterDays": 30 });
    let input = json!({ "SecretId": arn, "RotationRules": rules });
    secrets(&mut rig, "RotateSecret", input);
    let found = secrets(&mut rig, "DescribeSecret", json!({ "SecretId": arn }));
    assert_eq!((&found["RotationEnabled"], &found["RotationRules"]), (&json!(true), &rules));
    assert!(found["NextRotationDate"].is_number());
    secrets(&mut rig, "CancelRotateSecret", json!({ "SecretId": arn }));
    let found = secrets(&mut rig, "DescribeSecret", json!({ "SecretId": arn }));
    assert_eq!(
        (&found["RotationEnabled"], &found["NextRotationDate"]),
        (&json!(false), &Value::Null)
    );
}

#[test]
fn a_random_password_has_every_kind_that_is_asked_for() {
    let mut rig = Rig::new();
    for _ in 0..50 {
        let input = json!({ "PasswordLength": 4, "ExcludeCharacters": "abc" });
        let password = text(&secrets(&mut rig, "GetRandomPassword", input)["RandomPassword"]);
        assert_eq!(password.len(), 4);
        let has = |kind: &dyn Fn(char) -> bool| password.chars().any(kind);
        assert!(has(&|c| c.is_ascii_lowercase()) && has(&|c| c.is_ascii_uppercase()));
        assert!(has(&|c| c.is_ascii_digit()) && has(&|c| c.is_ascii_punctuation()));
        assert!(!has(&|c| "abc".contains(c)), "{password}");
    }
    let short = json!({ "PasswordLength": 3 });
    assert_eq!(refused(&mut rig, "GetRandomPassword", short).0, "InvalidParameterException");
}
