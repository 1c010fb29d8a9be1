//! The errors of Secrets Manager, in its words (ERR-SEC-1).

use crate::error::{self, AwsError};

pub(super) fn not_found() -> AwsError {
    let why = "Secrets Manager can't find the specified secret.";
    error::client("ResourceNotFoundException", why)
}

pub(super) fn no_version(version: Option<&str>, stage: Option<&str>) -> AwsError {
    let wanted = match (version, stage) {
        (Some(version), _) => format!("VersionId: {version}"),
        (None, stage) => format!("staging label: {}", stage.unwrap_or("AWSCURRENT")),
    };
    let why = format!("Secrets Manager can't find the specified secret value for {wanted}");
    error::client("ResourceNotFoundException", why)
}

pub(super) fn marked() -> AwsError {
    invalid_request(
        "You can't perform this operation on the secret because it was marked for deletion.",
    )
}

pub(super) fn exists(name: &str) -> AwsError {
    let why = format!("The operation failed because the secret {name} already exists.");
    error::client("ResourceExistsException", why)
}

pub(super) fn version_exists(token: &str, arn: &str) -> AwsError {
    let why = format!(
        "You can't use ClientRequestToken {token} because that value is already in use for a \
         version of secret {arn}."
    );
    error::client("ResourceExistsException", why)
}

pub(super) fn invalid_request(message: impl Into<String>) -> AwsError {
    error::client("InvalidRequestException", message)
}

pub(super) fn invalid_parameter(message: impl Into<String>) -> AwsError {
    error::client("InvalidParameterException", message)
}

/// Sealed with another key than this home has.
pub(super) fn decryption() -> AwsError {
    error::client("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text.")
}
