//! The errors of CloudWatch Logs, in its words (ERR-LOG-*).

use neargate_core::Rejection;

use crate::error::{self, AwsError};

/// ERR-LOG-1.
pub(super) fn not_found() -> AwsError {
    error::client("ResourceNotFoundException", "The specified log group does not exist.")
}

/// ERR-LOG-1.
pub(super) fn exists() -> AwsError {
    error::client("ResourceAlreadyExistsException", "The specified log group already exists")
}

/// ERR-LOG-1.
pub(super) fn invalid_parameter(message: impl Into<String>) -> AwsError {
    error::client("InvalidParameterException", message)
}

/// A rejection of the core.
pub(crate) fn refused(rejection: &Rejection) -> AwsError {
    match rejection {
        Rejection::NotFound { kind: "log group", .. } => not_found(),
        _ => invalid_parameter(rejection.to_string()),
    }
}
