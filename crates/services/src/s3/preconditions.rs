//! `If-Match` and its relatives.

use serde_json::Value;

use super::errors;
use crate::error::AwsError;
use crate::fields;

fn is(etag: &str, wanted: &str) -> bool {
    let plain = |text: &str| text.trim().trim_matches('"').to_owned();
    wanted.trim() == "*" || wanted.split(',').any(|one| plain(one) == plain(etag))
}

/// Whole seconds: HTTP has no smaller ones.
fn seconds(value: &Value, member: &str) -> Option<i64> {
    value.get(member).and_then(Value::as_f64).map(|seconds| seconds as i64)
}

/// For reading an object. The tag goes before the time.
pub(super) fn for_reading(input: &Value, object: &Value) -> Result<(), AwsError> {
    let etag = fields::text(object, "ETag").unwrap_or_default();
    let changed = seconds(object, "LastModified").unwrap_or(0);
    match fields::text(input, "IfMatch") {
        Some(wanted) if !is(etag, wanted) => return Err(errors::precondition_failed("If-Match")),
        Some(_) => {}
        None if seconds(input, "IfUnmodifiedSince").is_some_and(|since| changed > since) => {
            return Err(errors::precondition_failed("If-Unmodified-Since"));
        }
        None => {}
    }
    match fields::text(input, "IfNoneMatch") {
        Some(known) if is(etag, known) => Err(errors::not_modified()),
        Some(_) => Ok(()),
        None if seconds(input, "IfModifiedSince").is_some_and(|since| changed <= since) => {
            Err(errors::not_modified())
        }
        None => Ok(()),
    }
}

/// For putting an object in place of what is there.
pub(super) fn for_writing(input: &Value, there: Option<&Value>) -> Result<(), AwsError> {
    let etag = there.and_then(|object| fields::text(object, "ETag"));
    if let Some(wanted) = fields::text(input, "IfMatch") {
        match etag {
            None => {
                return Err(errors::no_such_key(fields::text(input, "Key").unwrap_or_default()));
            }
            Some(etag) if !is(etag, wanted) => {
                return Err(errors::precondition_failed("If-Match"));
            }
            Some(_) => {}
        }
    }
    match (fields::text(input, "IfNoneMatch"), etag) {
        (Some(known), Some(etag)) if is(etag, known) => {
            Err(errors::precondition_failed("If-None-Match"))
        }
        _ => Ok(()),
    }
}

/// For copying from an object.
pub(super) fn for_copying(input: &Value, source: &Value) -> Result<(), AwsError> {
    let names = [
        ("CopySourceIfMatch", "IfMatch"),
        ("CopySourceIfNoneMatch", "IfNoneMatch"),
        ("CopySourceIfModifiedSince", "IfModifiedSince"),
        ("CopySourceIfUnmodifiedSince", "IfUnmodifiedSince"),
    ];
    let asked = names.iter().map(|(from, to)| ((*to).to_owned(), input[*from].clone()));
    let failed = errors::precondition_failed("x-amz-copy-source-If-None-Match");
    for_reading(&asked.collect(), source)
        .map_err(|error| if error.status == 304 { failed } else { error })
}
