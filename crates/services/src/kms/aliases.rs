//! Aliases: names for keys.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::keys::{find, find_usable, id_of};
use super::{listed, not_found};
use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, arn, fields};

/// By name, with `alias/`.
const ALIASES: Records = table("kms", "alias");

/// The id of the key behind an alias.
pub(super) fn target(platform: &Platform, name: &str) -> Option<String> {
    fields::owned(&ALIASES.get(platform, name)?, "TargetKeyId")
}

fn alias_arn(platform: &Platform, name: &str) -> String {
    arn::of(platform.identity(), "kms", name)
}

/// The name that the input gives, if an alias may have it.
fn name(input: &Value) -> Result<&str, AwsError> {
    let name = fields::text(input, "AliasName").unwrap_or_default();
    let rest = name.strip_prefix("alias/").unwrap_or_default();
    if rest.is_empty() || rest.starts_with("aws/") {
        let why = match rest.is_empty() {
            true => {
                "Alias must start with the prefix \"alias/\". Please see \
                     http://docs.aws.amazon.com/kms/latest/developerguide/programming-aliases.html"
            }
            false => "Alias must not start with the prefix \"alias/aws/\"",
        };
        return Err(error::client("InvalidAliasNameException", why));
    }
    Ok(name)
}

fn found(platform: &Platform, name: &str) -> Result<Value, AwsError> {
    let missing = || not_found(format!("Alias {} is not found.", alias_arn(platform, name)));
    ALIASES.get(platform, name).ok_or_else(missing)
}

/// The id of the key that an alias is to stand for; an alias of an alias there is not.
fn wanted(platform: &Platform, input: &Value) -> Result<String, AwsError> {
    let target = fields::text(input, "TargetKeyId").unwrap_or_default();
    if target.contains("alias/") {
        return Err(error::client(
            "ValidationException",
            "Aliases must refer to keys. Not aliases",
        ));
    }
    Ok(find_usable(platform, &json!({ "KeyId": target }))?.0)
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = name(input)?;
    let key = wanted(platform, input)?;
    if ALIASES.has(platform, name) {
        let why = format!("An alias with the name {} already exists", alias_arn(platform, name));
        return Err(error::client("AlreadyExistsException", why));
    }
    let now = fields::time(platform.now());
    let alias = json!({
        "AliasName": name,
        "AliasArn": alias_arn(platform, name),
        "TargetKeyId": key,
        "CreationDate": now,
        "LastUpdatedDate": now,
    });
    Answer::after(vec![ALIASES.put(name, &alias)], |_| json!({}))
}

pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = name(input)?;
    let mut alias = found(platform, name)?;
    alias["TargetKeyId"] = json!(wanted(platform, input)?);
    alias["LastUpdatedDate"] = fields::time(platform.now());
    Answer::after(vec![ALIASES.put(name, &alias)], |_| json!({}))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = name(input)?;
    found(platform, name)?;
    Answer::after(vec![ALIASES.remove(name)], |_| json!({}))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let key = match fields::text(input, "KeyId") {
        Some(text) => {
            find(platform, input)?;
            id_of(platform, text)
        }
        None => None,
    };
    let of_key = |alias: &Value| {
        key.as_deref().is_none_or(|key| fields::text(alias, "TargetKeyId") == Some(key))
    };
    let all = ALIASES.all(platform).filter(|(_, alias)| of_key(alias));
    listed(input, "Aliases", all.map(|(name, alias)| (name.to_owned(), alias)).collect())
}
