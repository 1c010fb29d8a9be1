//! Copies: of whole objects, whose bytes are shared, and of ranges as parts of an upload.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::objects::{commit, described, now, stored};
use super::ranges::{self, Range};
use super::{OBJECTS, buckets, errors, names, parts, pieces, preconditions, under, url};
use crate::error::AwsError;
use crate::{Answer, fields, note};

/// The object that a copy is made of, and where it is.
fn source(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let text = fields::text(input, "CopySource").unwrap_or_default();
    let (path, version) = match text.split_once("?versionId=") {
        Some((path, version)) => (path, version),
        None => (text, "null"),
    };
    let path = url::decode(path, false);
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    buckets::check(platform, &json!({ "Bucket": bucket }))?;
    let place = under(bucket, key);
    let object = OBJECTS.get(platform, &place).ok_or_else(|| errors::no_such_key(key))?;
    if version != "null" {
        return Err(errors::no_such_version(key));
    }
    preconditions::for_copying(input, &object)?;
    Ok((place, object))
}

pub(super) fn copy(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let bucket = buckets::check(platform, input)?;
    let (from, source) = source(platform, input)?;
    let (_, key) = names(input);
    let to = under(&bucket, key);
    let mut object = source.clone();
    let own = described(input)?;
    let replaces = fields::text(input, "MetadataDirective") == Some("REPLACE");
    if replaces {
        object["Headers"] = own["Headers"].clone();
        object["Metadata"] = own["Metadata"].clone();
    }
    for member in ["ServerSideEncryption", "SSEKMSKeyId", "StorageClass", "WebsiteRedirectLocation"]
    {
        fields::set(&mut object["Headers"], member, fields::text(input, member));
    }
    if fields::text(input, "TaggingDirective") == Some("REPLACE") {
        object["Tags"] = own["Tags"].clone();
    }
    if from == to && !replaces && object == source {
        return Err(errors::invalid(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without \
             changing the object's metadata, storage class, website redirect location or encryption \
             attributes.",
        ));
    }
    object["LastModified"] = now();
    Answer::round(move |rooms, input| {
        let store = rooms.objects();
        let mut copies = Vec::new();
        for (id, size) in pieces(&source) {
            match store.copy(&id) {
                Ok(copy) => copies.push(json!({ "Id": copy, "Size": size })),
                Err(error) => {
                    store.remove(copies.iter().filter_map(|copy| fields::text(copy, "Id")));
                    return Err(errors::storage("copy the object's bytes", &error));
                }
            }
        }
        object["Pieces"] = json!(copies);
        Ok(Box::new(move |platform, rooms| {
            commit(rooms, &object, || {
                buckets::check(platform, &input)?;
                let old = OBJECTS.get(platform, &to);
                preconditions::for_writing(&input, old.as_ref())?;
                let mut result =
                    json!({ "ETag": object["ETag"], "LastModified": object["LastModified"] });
                note::merge(&mut result, &object["Checksum"]);
                let answer = json!({
                    "CopyObjectResult": result,
                    "ServerSideEncryption": object["Headers"]["ServerSideEncryption"],
                });
                let freed = old.map(|old| pieces(&old)).unwrap_or_default();
                Ok((vec![OBJECTS.put(&to, &object)], freed, answer))
            })
        }))
    })
}

pub(super) fn part(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let place = parts::place(platform, input)?;
    let (_, source) = source(platform, input)?;
    let size = fields::number(&source, "Size").unwrap_or(0);
    let (offset, length) = match fields::text(input, "CopySourceRange") {
        None => (0, size),
        Some(header) => match ranges::read(header, size) {
            Range::Part(offset, length) => (offset, length),
            Range::Whole | Range::Unsatisfiable => {
                return Err(errors::invalid_range(header, size));
            }
        },
    };
    let cut = ranges::cut(&pieces(&source), offset, length);
    Answer::round(move |rooms, input| {
        let parts: Vec<(&str, u64, u64)> =
            cut.iter().map(|(id, offset, length)| (id.as_str(), *offset, *length)).collect();
        let gathered = rooms.objects().gather(&parts);
        let piece = gathered.map_err(|error| errors::storage("copy the object's bytes", &error))?;
        let part = stored(&piece, json!({}));
        Ok(Box::new(move |platform, rooms| {
            let result = json!({ "ETag": part["ETag"], "LastModified": part["LastModified"] });
            let answer = json!({ "CopyPartResult": result });
            parts::keep(platform, rooms, &input, (&place, &part), answer)
        }))
    })
}
