//! Tags on hosted zones.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::zones;
use crate::error::{self, AwsError};
use crate::{Answer, fields, tags};

fn is_zone(input: &Value) -> Result<(), AwsError> {
    if fields::text(input, "ResourceType") == Some("hostedzone") {
        return Ok(());
    }
    let id = fields::text(input, "ResourceId").unwrap_or_default();
    let why = format!("No health check exists with the specified ID: {id}");
    Err(error::client("NoSuchHealthCheck", why).with_status(404))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    is_zone(input)?;
    let (id, zone) = zones::find(platform, input, "ResourceId")?;
    Ok(Answer::Now(json!({ "ResourceTagSet": {
        "ResourceType": "hostedzone",
        "ResourceId": id,
        "Tags": tags::listed(&zone, tags::LARGE),
    } })))
}

pub(super) fn change(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    is_zone(input)?;
    zones::change_tags(platform, input, |zone| {
        tags::remove(zone, &fields::texts(input, "RemoveTagKeys"));
        tags::add(zone, tags::read(fields::list(input, "AddTags"), tags::LARGE));
    })
}
