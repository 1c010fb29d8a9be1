//! Invalidations: complete from the moment they are asked for, as nothing is cached.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{INVALIDATIONS, distributions, error, paged};
use crate::error::AwsError;
use crate::records::Ids;
use crate::{Answer, fields, note};

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (distribution, _) = distributions::find(platform, input, "DistributionId")?;
    let batch = &input["InvalidationBatch"];
    let start = format!("{distribution}/");
    let mut there = INVALIDATIONS.starting(platform, &start);
    let same =
        there.find(|(_, i)| i["InvalidationBatch"]["CallerReference"] == batch["CallerReference"]);
    if let Some((_, there)) = same {
        return Ok(Answer::Now(json!({ "Invalidation": there })));
    }
    let mut ids = Ids::of(platform);
    let id = ids.capitals("I", 26);
    let invalidation = json!({
        "Id": id,
        "Status": "Completed",
        "CreateTime": fields::time(platform.now()),
        "InvalidationBatch": batch,
    });
    let location = format!(
        "https://cloudfront.amazonaws.com/2020-05-31/distribution/{distribution}/invalidation/{id}"
    );
    let put = INVALIDATIONS.put(&format!("{start}{id}"), &invalidation);
    Answer::after(
        vec![put, ids.taken()],
        move |_| json!({ "Invalidation": invalidation, "Location": location }),
    )
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (distribution, _) = distributions::find(platform, input, "DistributionId")?;
    let id = fields::text(input, "Id").unwrap_or_default();
    match INVALIDATIONS.get(platform, &format!("{distribution}/{id}")) {
        Some(invalidation) => Ok(Answer::Now(json!({ "Invalidation": invalidation }))),
        None => Err(error(404, "NoSuchInvalidation", "The specified invalidation does not exist.")),
    }
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (distribution, _) = distributions::find(platform, input, "DistributionId")?;
    let all = INVALIDATIONS.starting(platform, &format!("{distribution}/"));
    let all =
        all.map(|(key, i)| (key.to_owned(), note::members(&i, &["Id", "Status", "CreateTime"])));
    Ok(Answer::Now(json!({ "InvalidationList": paged(input, all.collect()) })))
}
