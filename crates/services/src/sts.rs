//! AWS STS: who the caller is, and credentials for a while. Everybody is the account's root here,
//! so credentials open nothing that was closed: they are made up, as long as real ones.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Ids, table};
use crate::{Answer, Table, fields};

pub(crate) const OPERATIONS: Table = &[
    ("AssumeRole", assume_role),
    ("GetAccessKeyInfo", get_access_key_info),
    ("GetCallerIdentity", get_caller_identity),
    ("GetSessionToken", get_session_token),
];

/// How long credentials hold unless the caller says so, in seconds.
const ROLE_SESSION: u64 = 3600;
const OWN_SESSION: u64 = 43_200;

fn get_caller_identity(platform: &Platform, _: &Value) -> Result<Answer, AwsError> {
    let account = &platform.identity().account;
    Ok(Answer::Now(json!({
        "UserId": account,
        "Account": account,
        "Arn": format!("arn:aws:iam::{account}:root"),
    })))
}

/// Credentials that nobody has had before.
fn credentials(platform: &Platform, ids: &mut Ids, seconds: u64) -> Value {
    let secret: String = (0..2).map(|_| ids.uuid().replace('-', "")).collect();
    let token: String = (0..4).map(|_| ids.uuid().replace('-', "")).collect();
    json!({
        "AccessKeyId": ids.capitals("ASIA", 20),
        "SecretAccessKey": secret[..40],
        "SessionToken": token,
        "Expiration": platform.now().0 / 1000 + seconds,
    })
}

fn assume_role(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let role_arn = fields::text(input, "RoleArn").unwrap_or_default();
    let session = fields::text(input, "RoleSessionName").unwrap_or_default();
    let account = &platform.identity().account;
    let name = role_arn.rsplit('/').next().unwrap_or_default();
    let role = table("iam", "role").get(platform, name);
    let role = role.filter(|role| fields::text(role, "Arn") == Some(role_arn));
    let role = role.ok_or_else(|| {
        let why = format!(
            "User: arn:aws:iam::{account}:root is not authorized to perform: sts:AssumeRole on \
             resource: {role_arn}"
        );
        error::client("AccessDenied", why).with_status(403)
    })?;
    let mut ids = Ids::of(platform);
    let seconds = fields::number(input, "DurationSeconds").unwrap_or(ROLE_SESSION);
    let longest = fields::number(&role, "MaxSessionDuration").unwrap_or(ROLE_SESSION);
    if seconds > longest {
        let why = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(error::client("ValidationError", why));
    }
    let id = fields::text(&role, "RoleId").unwrap_or_default();
    let mut answer = json!({
        "Credentials": credentials(platform, &mut ids, seconds),
        "AssumedRoleUser": {
            "AssumedRoleId": format!("{id}:{session}"),
            "Arn": format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"),
        },
    });
    fields::set(&mut answer, "SourceIdentity", fields::owned(input, "SourceIdentity"));
    Answer::after(vec![ids.taken()], move |_| answer)
}

fn get_session_token(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut ids = Ids::of(platform);
    let seconds = fields::number(input, "DurationSeconds").unwrap_or(OWN_SESSION);
    let credentials = credentials(platform, &mut ids, seconds);
    Answer::after(vec![ids.taken()], move |_| json!({ "Credentials": credentials }))
}

/// Every key belongs to the one account that there is.
fn get_access_key_info(platform: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "Account": platform.identity().account })))
}
