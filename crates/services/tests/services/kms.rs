//! KMS: keys, their states, and names for them.

use serde_json::{Value, json};

use crate::rig::{Rig, members, text};

fn kms(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("kms", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn create(rig: &mut Rig) -> Value {
    let tags = json!([{ "TagKey": "team", "TagValue": "a" }]);
    kms(rig, "CreateKey", json!({ "Description": "of the shop", "Tags": tags }))["KeyMetadata"]
        .clone()
}

#[test]
fn a_key_has_a_policy_tags_and_rotation() {
    let mut rig = Rig::new();
    let key = create(&mut rig);
    let id = text(&key["KeyId"]);
    assert_eq!(key["Arn"], format!("arn:aws:kms:us-east-1:000000000000:key/{id}"));
    assert_eq!(
        (&key["KeyState"], &key["KeySpec"]),
        (&json!("Enabled"), &json!("SYMMETRIC_DEFAULT"))
    );
    let by_id = json!({ "KeyId": id });
    let policy = kms(&mut rig, "GetKeyPolicy", json!({ "KeyId": id, "PolicyName": "default" }));
    assert!(text(&policy["Policy"]).contains("arn:aws:iam::000000000000:root"));
    let broken = json!({ "KeyId": id, "Policy": "{" });
    let refused = rig.refuses("kms", "PutKeyPolicy", broken);
    assert_eq!(refused.0, "MalformedPolicyDocumentException");
    let status = kms(&mut rig, "GetKeyRotationStatus", by_id.clone());
    assert_eq!(status["KeyRotationEnabled"], false);
    kms(&mut rig, "EnableKeyRotation", json!({ "KeyId": key["Arn"], "RotationPeriodInDays": 90 }));
    let status = kms(&mut rig, "GetKeyRotationStatus", by_id.clone());
    assert_eq!(
        members(&status, &["KeyRotationEnabled", "RotationPeriodInDays"]),
        json!({ "KeyRotationEnabled": true, "RotationPeriodInDays": 90 })
    );
    let tags = kms(&mut rig, "ListResourceTags", by_id);
    assert_eq!(tags["Tags"], json!([{ "TagKey": "team", "TagValue": "a" }]));
    let hmac = json!({ "KeySpec": "HMAC_256", "KeyUsage": "ENCRYPT_DECRYPT" });
    assert_eq!(rig.refuses("kms", "CreateKey", hmac).0, "ValidationException");
}

#[test]
fn an_alias_stands_for_its_key() {
    let mut rig = Rig::new();
    let (first, second) = (create(&mut rig), create(&mut rig));
    let alias = |key: &Value| json!({ "AliasName": "alias/shop", "TargetKeyId": key["KeyId"] });
    kms(&mut rig, "CreateAlias", alias(&first));
    assert_eq!(rig.refuses("kms", "CreateAlias", alias(&first)).0, "AlreadyExistsException");
    let by_alias = json!({ "KeyId": "alias/shop" });
    let read = kms(&mut rig, "DescribeKey", by_alias.clone());
    assert_eq!(read["KeyMetadata"]["KeyId"], first["KeyId"]);
    kms(&mut rig, "UpdateAlias", alias(&second));
    let read = kms(&mut rig, "DescribeKey", by_alias.clone());
    assert_eq!(read["KeyMetadata"]["KeyId"], second["KeyId"]);
    let listed = kms(&mut rig, "ListAliases", json!({ "KeyId": first["KeyId"] }));
    assert_eq!(listed["Aliases"], json!([]));
    kms(&mut rig, "DeleteAlias", json!({ "AliasName": "alias/shop" }));
    assert_eq!(rig.refuses("kms", "DescribeKey", by_alias).0, "NotFoundException");
    let wrong = json!({ "AliasName": "shop", "TargetKeyId": first["KeyId"] });
    assert_eq!(rig.refuses("kms", "CreateAlias", wrong).0, "InvalidAliasNameException");
}

#[test]
fn a_deletion_waits_and_can_be_taken_back_until_it_is_done() {
    let mut rig = Rig::new();
    let key = create(&mut rig);
    let by_id = json!({ "KeyId": key["KeyId"] });
    let delete = json!({ "KeyId": key["KeyId"], "PendingWindowInDays": 7 });
    kms(&mut rig, "ScheduleKeyDeletion", delete.clone());
    let read = kms(&mut rig, "DescribeKey", by_id.clone())["KeyMetadata"].clone();
    assert_eq!((&read["KeyState"], &read["Enabled"]), (&json!("PendingDeletion"), &json!(false)));
    let refused = rig.refuses("kms", "EnableKey", by_id.clone());
    assert_eq!(refused.0, "KMSInvalidStateException");
    assert!(refused.1.ends_with("is pending deletion."), "{}", refused.1);
    kms(&mut rig, "CancelKeyDeletion", by_id.clone());
    kms(&mut rig, "EnableKey", by_id.clone());
    kms(&mut rig, "ScheduleKeyDeletion", delete);
    rig.now = rig.now.plus(7 * 24 * 60 * 60 * 1000);
    rig.settle();
    assert_eq!(rig.refuses("kms", "DescribeKey", by_id).0, "NotFoundException");
    assert_eq!(kms(&mut rig, "ListKeys", json!({}))["Keys"], json!([]));
}
