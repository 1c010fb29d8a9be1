//! The registry itself: its login and its settings.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{in_store, time};
use crate::Answer;
use crate::error::AwsError;

/// For `aws ecr get-login-password`: user `AWS` and a password for twelve hours.
pub(super) fn token(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Answer::away(|rooms| {
        let login = rooms.registry_login();
        Ok(json!({
            "authorizationData": [{
                "authorizationToken": login.authorization(),
                "expiresAt": time(login.expires_at_ms),
                "proxyEndpoint": rooms.endpoint(),
            }],
        }))
    })
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, _| {
        let account = asked.account();
        Ok(json!({ "registryId": account, "replicationConfiguration": { "rules": [] } }))
    })
}

pub(super) fn scanning(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, _| {
        let settings = json!({ "scanType": "BASIC", "rules": [] });
        Ok(json!({ "registryId": asked.account(), "scanningConfiguration": settings }))
    })
}
