//! AWS STS: who the caller is. Everybody is the account's root here.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::AwsError;
use crate::{Answer, Table};

pub(crate) const OPERATIONS: Table = &[("GetCallerIdentity", get_caller_identity)];

fn get_caller_identity(platform: &Platform, _: &Value) -> Result<Answer, AwsError> {
    let account = &platform.identity().account;
    Ok(Answer::Now(json!({
        "UserId": account,
        "Account": account,
        "Arn": format!("arn:aws:iam::{account}:root"),
    })))
}
