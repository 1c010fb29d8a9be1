//! Tags of distributions.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{DISTRIBUTIONS, error};
use crate::error::AwsError;
use crate::{Answer, fields, tags};

fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let arn = fields::text(input, "Resource").unwrap_or_default();
    let id = arn.rsplit_once(":distribution/").map_or("", |(_, id)| id);
    match DISTRIBUTIONS.get(platform, id) {
        Some(record) => Ok((id.to_owned(), record)),
        None => Err(error(404, "NoSuchResource", "The specified resource does not exist.")),
    }
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, record) = find(platform, input)?;
    Ok(Answer::Now(json!({ "Tags": { "Items": tags::listed(&record, tags::LARGE) } })))
}

pub(super) fn add(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, mut record) = find(platform, input)?;
    tags::add(&mut record, tags::read(fields::list(&input["Tags"], "Items"), tags::LARGE));
    Answer::after(vec![DISTRIBUTIONS.put(&id, &record)], |_| json!({}))
}

pub(super) fn remove(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, mut record) = find(platform, input)?;
    tags::remove(&mut record, &fields::texts(&input["TagKeys"], "Items"));
    Answer::after(vec![DISTRIBUTIONS.put(&id, &record)], |_| json!({}))
}
