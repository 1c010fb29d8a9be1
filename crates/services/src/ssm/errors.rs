//! The errors of the Parameter Store, in its words (ERR-SSM-1).

use crate::error::{self, AwsError};

/// It has no text.
pub(super) fn not_found() -> AwsError {
    error::client("ParameterNotFound", "")
}

pub(super) fn exists() -> AwsError {
    error::client(
        "ParameterAlreadyExists",
        "The parameter already exists. To overwrite this value, set the overwrite option in the \
         request to true.",
    )
}

pub(super) fn no_version(version: &str, name: &str) -> AwsError {
    let why = format!(
        "Systems Manager could not find version {version} of {name}. Verify the version and try \
         again."
    );
    error::client("ParameterVersionNotFound", why)
}

pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    error::client("ValidationException", message)
}

pub(super) fn invalid_filter(key: &str) -> AwsError {
    error::client(
        "InvalidFilterKey",
        format!(
            "The following filter key is not valid: {key}. Valid filter keys include: [Name, Path, Type, KeyId, Tier, DataType, Label, tag:<key>]."
        ),
    )
}

pub(super) fn invalid_token() -> AwsError {
    error::client("InvalidNextToken", "The specified token isn't valid.")
}

pub(super) fn invalid_resource() -> AwsError {
    error::client(
        "InvalidResourceId",
        "The resource ID isn't valid. Verify that you entered the correct ID and try again.",
    )
}

/// Sealed with another key than this home has.
pub(super) fn decryption(name: &str) -> AwsError {
    let why = format!("{name} was sealed with another key than this platform has.");
    error::client("InvalidKeyId", why)
}
