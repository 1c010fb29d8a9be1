//! Objects: put, get, head.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_objects::Piece;
use serde_json::{Value, json};

use super::ranges::{self, Range};
use super::{OBJECTS, buckets, checksums, errors, names, pieces, preconditions, under, url};
use crate::error::AwsError;
use crate::{Answer, Rooms, fields, note};

/// Headers that an object is given back with, as they were put.
pub(super) const HEADERS: [&str; 11] = [
    "BucketKeyEnabled",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "SSEKMSKeyId",
    "ServerSideEncryption",
    "StorageClass",
    "WebsiteRedirectLocation",
];
const DEFAULT_TYPE: &str = "binary/octet-stream";
const LONGEST_KEY: usize = 1024;

/// The headers, metadata and tags of the input, for a new object.
pub(super) fn described(input: &Value) -> Result<Value, AwsError> {
    for member in ["SSECustomerAlgorithm", "SSECustomerKey"] {
        if fields::sent(input, member) {
            return Err(errors::not_served("encryption with customer-provided keys"));
        }
    }
    let (_, key) = names(input);
    if key.len() > LONGEST_KEY {
        return Err(errors::invalid("KeyTooLongError", "Your key is too long"));
    }
    let mut headers = note::members(input, &HEADERS);
    for (member, default) in [("ContentType", DEFAULT_TYPE), ("ServerSideEncryption", "AES256")] {
        if !fields::sent(&headers, member) {
            headers[member] = json!(default);
        }
    }
    let tags = url::pairs(fields::text(input, "Tagging").unwrap_or_default());
    let metadata = input.get("Metadata").cloned().unwrap_or_else(|| json!({}));
    Ok(json!({ "Headers": headers, "Metadata": metadata, "Tags": tags }))
}

/// The time of day, in whole seconds as HTTP writes it. Not the platform's, which may run faster:
/// clients hold it against the times of their own files.
pub(super) fn now() -> Value {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    json!(since.map_or(0, |since| since.as_secs()))
}

/// The body of the input, checked and kept: what the record says of it.
pub(super) fn keep_body(rooms: &dyn Rooms, mut input: Value) -> Result<(Value, Value), AwsError> {
    let body = input["Body"].take();
    let bytes = BASE64.decode(body.as_str().unwrap_or_default()).unwrap_or_default();
    drop(body);
    let sums = checksums::check(&input, &bytes)?;
    let kept = rooms.objects().keep(&bytes);
    let kept = kept.map_err(|error| errors::storage("keep the object's bytes", &error))?;
    Ok((input, stored(&kept, sums)))
}

/// What a record says of a piece.
pub(super) fn stored(piece: &Piece, sums: Value) -> Value {
    json!({
        "Size": piece.size,
        "ETag": checksums::etag(&piece.md5),
        "LastModified": now(),
        "Checksum": sums,
        "Pieces": [{ "Id": piece.id, "Size": piece.size }],
    })
}

/// Commits a record that has bytes already: `commands` words it, and when it cannot, the bytes go.
pub(super) fn commit(
    rooms: &dyn Rooms,
    new: &Value,
    commands: impl FnOnce() -> Result<(Vec<Command>, Vec<(String, u64)>, Value), AwsError>,
) -> Result<Answer, AwsError> {
    let store = rooms.objects().clone();
    match commands() {
        Err(error) => {
            store.remove(pieces(new).iter().map(|(id, _)| id.as_str()));
            Err(error)
        }
        Ok((commands, freed, answer)) => Answer::after(commands, move |_| {
            store.remove(freed.iter().map(|(id, _)| id.as_str()));
            answer
        }),
    }
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let bucket = buckets::check(platform, input)?;
    let described = described(input)?;
    let (_, key) = names(input);
    let key = under(&bucket, key);
    preconditions::for_writing(input, OBJECTS.get(platform, &key).as_ref())?;
    Answer::round(move |rooms, input| {
        let (input, mut object) = keep_body(rooms, input)?;
        note::merge(&mut object, &described);
        Ok(Box::new(move |platform, rooms| {
            commit(rooms, &object, || {
                buckets::check(platform, &input)?;
                let old = OBJECTS.get(platform, &key);
                preconditions::for_writing(&input, old.as_ref())?;
                let mut answer = json!({
                    "ETag": object["ETag"],
                    "ServerSideEncryption": object["Headers"]["ServerSideEncryption"],
                });
                note::merge(&mut answer, &object["Checksum"]);
                if fields::sent(&object["Checksum"], "ChecksumCRC32") {
                    answer["ChecksumType"] = json!("FULL_OBJECT");
                }
                let freed = old.map(|old| pieces(&old)).unwrap_or_default();
                Ok((vec![OBJECTS.put(&key, &object)], freed, answer))
            })
        }))
    })
}

/// The object that the input names, with what it has to be like.
pub(super) fn find(platform: &Platform, input: &Value) -> Result<Value, AwsError> {
    buckets::check(platform, input)?;
    let (bucket, key) = names(input);
    let found = OBJECTS.get(platform, &under(bucket, key));
    let object = found.ok_or_else(|| errors::no_such_key(key))?;
    match fields::text(input, "VersionId") {
        None | Some("null") => Ok(object),
        Some(_) => Err(errors::no_such_version(key)),
    }
}

/// Everything but the body, and which bytes that is.
fn head_of(object: &Value, input: &Value) -> Result<(Value, u64, u64), AwsError> {
    preconditions::for_reading(input, object)?;
    let size = fields::number(object, "Size").unwrap_or(0);
    let mut view = object["Headers"].clone();
    note::merge(
        &mut view,
        &json!({
            "AcceptRanges": "bytes",
            "LastModified": object["LastModified"],
            "ETag": object["ETag"],
            "Metadata": object["Metadata"],
        }),
    );
    let tags = object["Tags"].as_object().map_or(0, |tags| tags.len());
    fields::set(&mut view, "TagCount", (tags > 0).then_some(tags));
    let (mut offset, mut length) = (0, size);
    if let Some(number) = fields::number(input, "PartNumber") {
        let pieces = pieces(object);
        let before = usize::try_from(number).unwrap_or(0).checked_sub(1);
        let Some((before, (_, part))) = before.and_then(|n| Some((n, pieces.get(n)?))) else {
            return Err(errors::invalid_range(&format!("part {number}"), size));
        };
        offset = pieces[..before].iter().map(|(_, size)| size).sum();
        length = *part;
        view["PartsCount"] = json!(pieces.len());
    } else if let Some(header) = fields::text(input, "Range") {
        match ranges::read(header, size) {
            Range::Whole => {}
            Range::Part(first, count) => (offset, length) = (first, count),
            Range::Unsatisfiable => return Err(errors::invalid_range(header, size)),
        }
    }
    view["ContentLength"] = json!(length);
    if length < size {
        let last = offset + length - 1;
        view["ContentRange"] = json!(format!("bytes {offset}-{last}/{size}"));
    } else if fields::text(input, "ChecksumMode") == Some("ENABLED") {
        // Of a part there is no sum.
        note::merge(&mut view, &object["Checksum"]);
        if !checksums::algorithms(&object["Checksum"]).is_empty() {
            let whole = fields::text(object, "ChecksumType").unwrap_or("FULL_OBJECT");
            view["ChecksumType"] = json!(whole);
        }
    }
    // STANDARD is not said.
    if view["StorageClass"] == "STANDARD"
        && let Some(view) = view.as_object_mut()
    {
        view.remove("StorageClass");
    }
    for member in
        ["CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"]
    {
        let wanted = fields::text(input, &format!("Response{member}"));
        fields::set(&mut view, member, wanted);
    }
    Ok((view, offset, length))
}

pub(super) fn head(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let object = find(platform, input)?;
    Ok(Answer::Now(head_of(&object, input)?.0))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let object = find(platform, input)?;
    let (mut view, offset, length) = head_of(&object, input)?;
    let parts = ranges::cut(&pieces(&object), offset, length);
    Answer::away(move |rooms| {
        if !parts.is_empty() {
            view["Body"] = ranges::body(rooms.objects(), &parts);
        }
        Ok(view)
    })
}
