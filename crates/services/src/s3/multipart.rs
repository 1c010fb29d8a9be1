//! Uploads in parts. The parts become the object's pieces as they are; nothing is written again.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::objects::{described, now};
use super::{OBJECTS, PARTS, UPLOADS, buckets, checksums, errors, names, parts, pieces};
use super::{preconditions, under};
use crate::error::AwsError;
use crate::records::Ids;
use crate::{Answer, fields, note};

/// Every part but the last has at least so many bytes.
const SMALLEST_PART: u64 = 5 << 20;

/// The upload that the input names, and where it is kept.
pub(super) fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let bucket = buckets::check(platform, input)?;
    let (_, key) = names(input);
    let id = fields::text(input, "UploadId").unwrap_or_default();
    let place = under(&bucket, id);
    match UPLOADS.get(platform, &place).filter(|upload| upload["Key"] == key) {
        Some(upload) => Ok((place, upload)),
        None => Err(errors::no_such_upload(id)),
    }
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let bucket = buckets::check(platform, input)?;
    let (_, key) = names(input);
    let mut ids = Ids::of(platform);
    let id = format!("{:016x}{:016x}", ids.bits(), ids.bits());
    let mut upload = described(input)?;
    upload["Key"] = json!(key);
    upload["UploadId"] = json!(id);
    upload["Initiated"] = now();
    note::merge(&mut upload, &note::members(input, &["ChecksumAlgorithm", "ChecksumType"]));
    let mut answer = json!({
        "Bucket": bucket,
        "Key": key,
        "UploadId": id,
        "ServerSideEncryption": upload["Headers"]["ServerSideEncryption"],
    });
    note::merge(&mut answer, &note::members(&upload, &["ChecksumAlgorithm", "ChecksumType"]));
    let commands = vec![UPLOADS.put(&under(&bucket, &id), &upload), ids.taken()];
    Answer::after(commands, move |_| answer)
}

/// The parts that the input names, which must be there, in order and large enough.
fn chosen(platform: &Platform, input: &Value, id: &str) -> Result<Vec<Value>, AwsError> {
    let there = parts::of(platform, id);
    let wanted = fields::list(&input["MultipartUpload"], "Parts");
    if wanted.is_empty() {
        let why = "You must specify at least one part";
        return Err(errors::invalid("InvalidRequest", why));
    }
    let mut chosen = Vec::new();
    let mut last = 0;
    for part in wanted {
        let number = fields::number(part, "PartNumber").unwrap_or(0);
        if number <= last {
            let why = "The list of parts was not in ascending order. Parts must be ordered by part \
                       number.";
            return Err(errors::invalid("InvalidPartOrder", why));
        }
        last = number;
        let plain =
            |part: &Value| fields::text(part, "ETag").map(|etag| etag.trim_matches('"').to_owned());
        let found = there.iter().find(|(own, kept)| *own == number && plain(kept) == plain(part));
        match found {
            Some((_, part)) => chosen.push(part.clone()),
            None => {
                let why = "One or more of the specified parts could not be found. The part may not \
                           have been uploaded, or the specified entity tag may not match the part's \
                           entity tag.";
                return Err(errors::invalid("InvalidPart", why).with_field("PartNumber", number));
            }
        }
    }
    let before_last = chosen.len() - 1;
    let small =
        |part: &Value| fields::number(part, "Size").is_some_and(|size| size < SMALLEST_PART);
    if chosen[..before_last].iter().any(small) {
        let why = "Your proposed upload is smaller than the minimum allowed size";
        return Err(errors::invalid("EntityTooSmall", why));
    }
    Ok(chosen)
}

pub(super) fn complete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (place, upload) = find(platform, input)?;
    let id = fields::text(&upload, "UploadId").unwrap_or_default();
    let chosen = chosen(platform, input, id)?;
    let (bucket, key) = names(input);
    let to = under(bucket, key);
    let old = OBJECTS.get(platform, &to);
    preconditions::for_writing(input, old.as_ref())?;
    let etags: Vec<String> = chosen.iter().filter_map(|part| fields::owned(part, "ETag")).collect();
    let kept: Vec<(String, u64)> = chosen.iter().flat_map(pieces).collect();
    let size: u64 = kept.iter().map(|(_, size)| size).sum();
    let listed: Vec<Value> =
        kept.iter().map(|(id, size)| json!({ "Id": id, "Size": size })).collect();
    let mut object = note::members(&upload, &["Headers", "Metadata", "Tags"]);
    note::merge(
        &mut object,
        &json!({
            "Size": size,
            "ETag": checksums::etag_of_parts(&etags),
            "LastModified": now(),
            "Checksum": {},
            "Pieces": listed,
        }),
    );
    // A sum of the whole that the client gives would need all bytes to be read again to be checked.
    let algorithm = fields::text(&upload, "ChecksumAlgorithm").unwrap_or_default();
    let whole = fields::text(&upload, "ChecksumType") == Some("FULL_OBJECT");
    if let Some((member, sum)) = checksums::composite(algorithm, &chosen).filter(|_| !whole) {
        object["Checksum"][member] = json!(sum);
        object["ChecksumType"] = json!("COMPOSITE");
    }
    let all: Vec<(u64, Value)> = parts::of(platform, id);
    let mut freed: Vec<(String, u64)> = all.iter().flat_map(|(_, part)| pieces(part)).collect();
    freed.retain(|piece| !kept.contains(piece));
    freed.extend(old.iter().flat_map(pieces));
    let mut commands: Vec<Command> =
        all.iter().map(|(number, _)| PARTS.remove(&under(id, &format!("{number:05}")))).collect();
    commands.push(UPLOADS.remove(&place));
    commands.push(OBJECTS.put(&to, &object));
    let mut answer = json!({
        "Bucket": bucket,
        "Key": key,
        "Location": format!("/{bucket}/{key}"),
        "ETag": object["ETag"],
        "ServerSideEncryption": object["Headers"]["ServerSideEncryption"],
    });
    note::merge(&mut answer, &object["Checksum"]);
    fields::set(&mut answer, "ChecksumType", fields::text(&object, "ChecksumType"));
    free_after(commands, freed, answer)
}

/// Carries out the commands, then frees the bytes.
fn free_after(
    commands: Vec<Command>,
    freed: Vec<(String, u64)>,
    answer: Value,
) -> Result<Answer, AwsError> {
    Answer::here(move |_, rooms| {
        let store = rooms.objects().clone();
        Answer::after(commands, move |_| {
            store.remove(freed.iter().map(|(id, _)| id.as_str()));
            answer
        })
    })
}

pub(super) fn abort(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (place, upload) = find(platform, input)?;
    let id = fields::text(&upload, "UploadId").unwrap_or_default();
    let all = parts::of(platform, id);
    let freed = all.iter().flat_map(|(_, part)| pieces(part)).collect();
    let mut commands: Vec<Command> =
        all.iter().map(|(number, _)| PARTS.remove(&under(id, &format!("{number:05}")))).collect();
    commands.push(UPLOADS.remove(&place));
    free_after(commands, freed, json!({}))
}
