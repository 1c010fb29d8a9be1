//! Keys and their states.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{aliases, key_arn, listed, not_found, policies};
use crate::error::{self, AwsError};
use crate::records::{Ids, Records, table};
use crate::tags::{self, Spelling};
use crate::{Answer, arn, fields};

/// By id. What KMS does not show with a key stands in small letters: `policy`, `rotation`, `tags`.
pub(super) const KEYS: Records = table("kms", "key");
/// KMS has its own words for tags.
pub(super) const TAGS: Spelling = Spelling { key: "TagKey", value: "TagValue" };

/// For how many days a deletion waits unless the caller says so.
const WAITING: u64 = 30;
const DAY_S: u64 = 24 * 60 * 60;

/// The id of the key that the text names: by id, ARN, alias or the alias's ARN.
pub(super) fn id_of(platform: &Platform, text: &str) -> Option<String> {
    let name = match arn::parse(text) {
        Some(("kms", resource)) => resource.strip_prefix("key/").unwrap_or(resource),
        _ => text,
    };
    match name.starts_with("alias/") {
        true => aliases::target(platform, name),
        false => Some(name.to_owned()),
    }
}

/// The id and the record of the key that the input names. A key whose time has come is gone.
pub(super) fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let text = fields::text(input, "KeyId").unwrap_or_default();
    let found = id_of(platform, text).and_then(|id| Some((id.clone(), KEYS.get(platform, &id)?)));
    let lives = |key: &Value| match key.get("DeletionDate").and_then(Value::as_u64) {
        Some(then) => platform.now().0 / 1000 < then,
        None => true,
    };
    let missing = || match text.starts_with("alias/") {
        true => {
            let whole = arn::of(platform.identity(), "kms", text);
            not_found(format!("Alias {whole} is not found."))
        }
        false if text.starts_with("arn:") => not_found(format!("Key '{text}' does not exist")),
        false => not_found(format!("Key '{}' does not exist", key_arn(platform, text))),
    };
    found.filter(|(_, key)| lives(key)).ok_or_else(missing)
}

/// As [`find`], when the key is not about to be deleted.
pub(super) fn find_usable(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let (id, key) = find(platform, input)?;
    if key.get("DeletionDate").is_some() {
        let why = format!("{} is pending deletion.", key_arn(platform, &id));
        return Err(error::client("KMSInvalidStateException", why));
    }
    Ok((id, key))
}

/// The key as KMS shows it.
fn view(key: &Value) -> Value {
    let shown = key.as_object().into_iter().flatten();
    shown
        .filter(|(member, _)| member.starts_with(char::is_uppercase))
        .map(|(member, value)| (member.clone(), value.clone()))
        .collect()
}

/// What a key of that kind can be used with.
fn algorithms(spec: &str, usage: &str) -> Option<(&'static str, Value)> {
    let encryption = |list: Value| Some(("EncryptionAlgorithms", list));
    let signing = |list: Value| Some(("SigningAlgorithms", list));
    match (spec, usage) {
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT") => encryption(json!(["SYMMETRIC_DEFAULT"])),
        ("RSA_2048" | "RSA_3072" | "RSA_4096", "ENCRYPT_DECRYPT") => {
            encryption(json!(["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]))
        }
        ("RSA_2048" | "RSA_3072" | "RSA_4096", "SIGN_VERIFY") => signing(json!([
            "RSASSA_PKCS1_V1_5_SHA_256",
            "RSASSA_PKCS1_V1_5_SHA_384",
            "RSASSA_PKCS1_V1_5_SHA_512",
            "RSASSA_PSS_SHA_256",
            "RSASSA_PSS_SHA_384",
            "RSASSA_PSS_SHA_512"
        ])),
        ("ECC_NIST_P256" | "ECC_SECG_P256K1", "SIGN_VERIFY") => signing(json!(["ECDSA_SHA_256"])),
        ("ECC_NIST_P384", "SIGN_VERIFY") => signing(json!(["ECDSA_SHA_384"])),
        ("ECC_NIST_P521", "SIGN_VERIFY") => signing(json!(["ECDSA_SHA_512"])),
        (hmac, "GENERATE_VERIFY_MAC") => Some((
            "MacAlgorithms",
            match hmac {
                "HMAC_224" => json!(["HMAC_SHA_224"]),
                "HMAC_256" => json!(["HMAC_SHA_256"]),
                "HMAC_384" => json!(["HMAC_SHA_384"]),
                "HMAC_512" => json!(["HMAC_SHA_512"]),
                _ => return None,
            },
        )),
        _ => None,
    }
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let spec = fields::text(input, "KeySpec")
        .or_else(|| fields::text(input, "CustomerMasterKeySpec"))
        .unwrap_or("SYMMETRIC_DEFAULT");
    let usage = fields::text(input, "KeyUsage").unwrap_or("ENCRYPT_DECRYPT");
    let (kind, algorithms) = algorithms(spec, usage).ok_or_else(|| {
        let why = format!("KeyUsage {usage} is not compatible with KeySpec {spec}");
        error::client("ValidationException", why)
    })?;
    let origin = fields::text(input, "Origin").unwrap_or("AWS_KMS");
    if origin != "AWS_KMS" {
        let why = format!("A key of origin {origin} cannot be kept here.");
        return Err(error::client("UnsupportedOperationException", why));
    }
    let policy = match fields::text(input, "Policy") {
        Some(text) => policies::checked(text)?,
        None => policies::default(platform),
    };
    let mut ids = Ids::of(platform);
    let multi_region = fields::flag(input, "MultiRegion").unwrap_or_default();
    let id = match multi_region {
        true => format!("mrk-{}", ids.uuid().replace('-', "")),
        false => ids.uuid(),
    };
    let mut key = json!({
        "AWSAccountId": platform.identity().account,
        "KeyId": id,
        "Arn": key_arn(platform, &id),
        "CreationDate": fields::time(platform.now()),
        "Enabled": true,
        "Description": fields::text(input, "Description").unwrap_or_default(),
        "KeyUsage": usage,
        "KeyState": "Enabled",
        "Origin": origin,
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": spec,
        "KeySpec": spec,
        "MultiRegion": multi_region,
        "policy": policy,
    });
    key[kind] = algorithms;
    if multi_region {
        key["MultiRegionConfiguration"] = json!({
            "MultiRegionKeyType": "PRIMARY",
            "PrimaryKey": { "Arn": key["Arn"], "Region": platform.identity().region },
            "ReplicaKeys": [],
        });
    }
    tags::add(&mut key, tags::read(fields::list(input, "Tags"), TAGS));
    let commands = vec![ids.taken(), KEYS.put(&id, &key)];
    Answer::after(commands, move |_| json!({ "KeyMetadata": view(&key) }))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, key) = find(platform, input)?;
    Ok(Answer::Now(json!({ "KeyMetadata": view(&key) })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let all = KEYS.all(platform).filter(|(id, _)| find(platform, &json!({ "KeyId": id })).is_ok());
    let all = all.map(|(id, key)| (id.to_owned(), json!({ "KeyId": id, "KeyArn": key["Arn"] })));
    listed(input, "Keys", all.collect())
}

/// Changes a key and answers nothing.
pub(super) fn change(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut Value),
) -> Result<Answer, AwsError> {
    let (id, mut key) = find_usable(platform, input)?;
    change(&mut key);
    Answer::after(vec![KEYS.put(&id, &key)], |_| json!({}))
}

fn set_enabled(key: &mut Value, enabled: bool) {
    key["Enabled"] = json!(enabled);
    key["KeyState"] = json!(if enabled { "Enabled" } else { "Disabled" });
}

pub(super) fn enable(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, |key| set_enabled(key, true))
}

pub(super) fn disable(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, |key| set_enabled(key, false))
}

pub(super) fn update_description(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let description = input["Description"].clone();
    change(platform, input, |key| key["Description"] = description)
}

pub(super) fn schedule_deletion(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, mut key) = find_usable(platform, input)?;
    let days = fields::number(input, "PendingWindowInDays").unwrap_or(WAITING);
    if !(7..=30).contains(&days) {
        let why = "PendingWindowInDays must be between 7 and 30";
        return Err(error::client("ValidationException", why));
    }
    key["Enabled"] = json!(false);
    key["KeyState"] = json!("PendingDeletion");
    key["DeletionDate"] = json!(platform.now().0 / 1000 + days * DAY_S);
    Answer::after(vec![KEYS.put(&id, &key)], move |_| {
        json!({
            "KeyId": key["Arn"],
            "DeletionDate": key["DeletionDate"],
            "KeyState": key["KeyState"],
            "PendingWindowInDays": days,
        })
    })
}

pub(super) fn cancel_deletion(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, mut key) = find(platform, input)?;
    let pending = key.as_object_mut().and_then(|key| key.remove("DeletionDate"));
    if pending.is_none() {
        let why = format!("{} is not pending deletion.", key_arn(platform, &id));
        return Err(error::client("KMSInvalidStateException", why));
    }
    set_enabled(&mut key, false);
    Answer::after(vec![KEYS.put(&id, &key)], move |_| json!({ "KeyId": key["Arn"] }))
}
