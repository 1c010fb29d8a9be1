//! Tags on secrets.

use std::collections::BTreeMap;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{asked, errors};
use crate::error::AwsError;
use crate::{Answer, fields, tags};

/// At most so many tags on one secret.
const MAX_TAGS: usize = 50;

fn change(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<Answer, AwsError> {
    let mut found = asked(platform, input)?;
    let mut own = tags::noted(&found.said);
    change(&mut own);
    if own.len() > MAX_TAGS {
        let why =
            format!("A secret can have at most {MAX_TAGS} tags; it would have {}.", own.len());
        return Err(errors::invalid_parameter(why));
    }
    tags::note(&mut found.said, &own);
    Answer::after(vec![found.keep(platform)], |_| json!({}))
}

pub(super) fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let sent = tags::read(fields::list(input, "Tags"), tags::LARGE);
    change(platform, input, |own| own.extend(sent))
}

pub(super) fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let keys = fields::texts(input, "TagKeys");
    change(platform, input, |own| own.retain(|key, _| !keys.contains(&key.as_str())))
}
