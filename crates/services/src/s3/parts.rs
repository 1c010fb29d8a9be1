//! Parts of uploads, and what is on its way.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::objects::{commit, keep_body};
use super::{PARTS, UPLOADS, acl, buckets, errors, multipart, names, pieces, under};
use crate::error::AwsError;
use crate::{Answer, Rooms, fields, note};

const MOST_PARTS: u64 = 10_000;
const PAGE: u64 = 1000;

/// Where the part that the input names is kept.
pub(super) fn place(platform: &Platform, input: &Value) -> Result<String, AwsError> {
    let (_, upload) = multipart::find(platform, input)?;
    let number = fields::number(input, "PartNumber").unwrap_or(0);
    if !(1..=MOST_PARTS).contains(&number) {
        let why = format!("Part number must be an integer between 1 and {MOST_PARTS}, inclusive");
        return Err(errors::invalid("InvalidArgument", &why));
    }
    Ok(under(fields::text(&upload, "UploadId").unwrap_or_default(), &format!("{number:05}")))
}

/// Commits a part whose bytes are there.
pub(super) fn keep(
    platform: &Platform,
    rooms: &dyn Rooms,
    input: &Value,
    (place, part): (&str, &Value),
    answer: Value,
) -> Result<Answer, AwsError> {
    commit(rooms, part, || {
        multipart::find(platform, input)?;
        let old = PARTS.get(platform, place);
        let freed = old.map(|old| pieces(&old)).unwrap_or_default();
        Ok((vec![PARTS.put(place, part)], freed, answer))
    })
}

pub(super) fn upload(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let place = place(platform, input)?;
    let (_, upload) = multipart::find(platform, input)?;
    Answer::round(move |rooms, mut input| {
        let algorithm = fields::text(&upload, "ChecksumAlgorithm");
        fields::set(&mut input, "ChecksumAlgorithm", algorithm);
        let (input, part) = keep_body(rooms, input)?;
        Ok(Box::new(move |platform, rooms| {
            let mut answer = json!({ "ETag": part["ETag"], "ServerSideEncryption": "AES256" });
            note::merge(&mut answer, &part["Checksum"]);
            keep(platform, rooms, &input, (&place, &part), answer)
        }))
    })
}

/// The parts of an upload, by number.
pub(super) fn of(platform: &Platform, upload: &str) -> Vec<(u64, Value)> {
    let start = under(upload, "");
    let number = |key: &str| key.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    PARTS.starting(platform, &start).map(|(key, part)| (number(key), part)).collect()
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, upload) = multipart::find(platform, input)?;
    let id = fields::text(&upload, "UploadId").unwrap_or_default();
    let after = fields::text(input, "PartNumberMarker").and_then(|n| n.parse().ok()).unwrap_or(0);
    let size = fields::number(input, "MaxParts").unwrap_or(PAGE).min(PAGE) as usize;
    let mut all: Vec<(u64, Value)> =
        of(platform, id).into_iter().filter(|(number, _)| *number > after).collect();
    let is_truncated = all.len() > size;
    all.truncate(size);
    let last = all.last().map_or(after, |(number, _)| *number);
    let views = all.into_iter().map(|(number, part)| {
        let mut view = note::members(&part, &["ETag", "Size", "LastModified"]);
        view["PartNumber"] = json!(number);
        note::merge(&mut view, &part["Checksum"]);
        view
    });
    let (bucket, key) = names(input);
    Ok(Answer::Now(json!({
        "Bucket": bucket,
        "Key": key,
        "UploadId": id,
        "PartNumberMarker": after.to_string(),
        "NextPartNumberMarker": last.to_string(),
        "MaxParts": size,
        "IsTruncated": is_truncated,
        "Parts": views.collect::<Vec<_>>(),
        "Initiator": acl::owner(platform),
        "Owner": acl::owner(platform),
        "StorageClass": "STANDARD",
    })))
}

pub(super) fn uploads(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let bucket = buckets::check(platform, input)?;
    let prefix = fields::text(input, "Prefix").unwrap_or_default();
    let size = fields::number(input, "MaxUploads").unwrap_or(PAGE).min(PAGE) as usize;
    let place = |upload: &Value| {
        let text = |member| fields::owned(upload, member).unwrap_or_default();
        (text("Key"), text("UploadId"))
    };
    let mark = |member| fields::owned(input, member);
    let after = mark("KeyMarker").map(|key| (key, mark("UploadIdMarker")));
    let is_after = |upload: &Value| match (&after, place(upload)) {
        (None, _) => true,
        (Some((key, None)), (own, _)) => own > *key,
        (Some((key, Some(id))), own) => own > (key.clone(), id.clone()),
    };
    let all = UPLOADS.starting(platform, &under(&bucket, ""));
    let mut all: Vec<Value> = all
        .map(|(_, upload)| upload)
        .filter(|u| fields::text(u, "Key").is_some_and(|key| key.starts_with(prefix)))
        .filter(is_after)
        .collect();
    all.sort_by_key(place);
    let is_truncated = all.len() > size;
    all.truncate(size);
    let last = all.last().filter(|_| is_truncated).map(place);
    let views = all.iter().map(|upload| {
        let mut view = note::members(upload, &["Key", "UploadId", "Initiated"]);
        view["StorageClass"] = json!("STANDARD");
        view["Owner"] = acl::owner(platform);
        view["Initiator"] = acl::owner(platform);
        view
    });
    let mut answer = json!({
        "Bucket": bucket,
        "Prefix": prefix,
        "MaxUploads": size,
        "IsTruncated": is_truncated,
        "Uploads": views.collect::<Vec<_>>(),
    });
    if let Some((key, id)) = last {
        answer["NextKeyMarker"] = json!(key);
        answer["NextUploadIdMarker"] = json!(id);
    }
    Ok(Answer::Now(answer))
}
