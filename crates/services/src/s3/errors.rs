//! The errors of S3, as clients know them by code and status.

use crate::error::AwsError;

fn error(status: u16, code: &str, message: &str) -> AwsError {
    AwsError::new(code, message).with_status(status)
}

pub(super) fn no_such_bucket(name: &str) -> AwsError {
    error(404, "NoSuchBucket", "The specified bucket does not exist").with_field("BucketName", name)
}

pub(super) fn no_such_key(key: &str) -> AwsError {
    error(404, "NoSuchKey", "The specified key does not exist.").with_field("Key", key)
}

pub(super) fn no_such_version(key: &str) -> AwsError {
    error(404, "NoSuchVersion", "The specified version does not exist.").with_field("Key", key)
}

pub(super) fn no_such_upload(id: &str) -> AwsError {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload \
                   may have been aborted or completed.";
    error(404, "NoSuchUpload", message).with_field("UploadId", id)
}

pub(super) fn not_configured(code: &str, message: &str, bucket: &str) -> AwsError {
    error(404, code, message).with_field("BucketName", bucket)
}

pub(super) fn conflict(code: &str, message: &str, bucket: &str) -> AwsError {
    error(409, code, message).with_field("BucketName", bucket)
}

pub(super) fn invalid(code: &str, message: &str) -> AwsError {
    error(400, code, message)
}

pub(super) fn precondition_failed(condition: &str) -> AwsError {
    let message = "At least one of the pre-conditions you specified did not hold";
    error(412, "PreconditionFailed", message).with_field("Condition", condition)
}

pub(super) fn not_modified() -> AwsError {
    error(304, "NotModified", "Not Modified")
}

pub(super) fn invalid_range(range: &str, size: u64) -> AwsError {
    error(416, "InvalidRange", "The requested range is not satisfiable")
        .with_field("RangeRequested", range)
        .with_field("ActualObjectSize", size)
}

pub(super) fn not_served(what: &str) -> AwsError {
    error(501, "NotImplemented", &format!("Neargate does not serve {what}"))
}

/// The machine does not do what it should: the client may try again.
pub(super) fn storage(what: &str, why: &std::io::Error) -> AwsError {
    error(500, "InternalError", &format!("cannot {what}: {why}"))
}
