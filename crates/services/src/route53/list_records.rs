//! Listing record sets, from a name and type on.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::records::{key, of_zone};
use super::{invalid_input, max_items, names, zones};
use crate::error::AwsError;
use crate::{Answer, fields};

/// How many record sets a page has at most.
const PAGE: usize = 300;

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (zone, _) = zones::find(platform, input, "HostedZoneId")?;
    let size = max_items(input, PAGE)?;
    let name = fields::text(input, "StartRecordName");
    let kind = fields::text(input, "StartRecordType");
    let set = fields::text(input, "StartRecordIdentifier");
    if (kind.is_some() && name.is_none()) || (set.is_some() && kind.is_none()) {
        return Err(invalid_input(
            "The input is not valid: a type needs a name to start from, and an identifier a type",
        ));
    }
    let from = name.map(|name| {
        let record = json!({ "Name": names::normal(name), "Type": kind, "SetIdentifier": set });
        key(&zone, &record)
    });
    let from = from.unwrap_or_default();
    let all = of_zone(platform, &zone).filter(|(key, _)| *key >= from.trim_end());
    let mut records: Vec<Value> = all.take(size + 1).map(|(_, record)| record).collect();
    let next = (records.len() > size).then(|| records.pop()).flatten();
    let mut answer = json!({
        "ResourceRecordSets": records,
        "IsTruncated": next.is_some(),
        "MaxItems": size.to_string(),
    });
    if let Some(next) = next {
        fields::set(&mut answer, "NextRecordName", fields::owned(&next, "Name"));
        fields::set(&mut answer, "NextRecordType", fields::owned(&next, "Type"));
        fields::set(&mut answer, "NextRecordIdentifier", fields::owned(&next, "SetIdentifier"));
    }
    Ok(Answer::Now(answer))
}
