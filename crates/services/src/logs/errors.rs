//! The errors of CloudWatch Logs, in its words (ERR-LOG-*).

use neargate_core::Rejection;
use neargate_logs::Error;

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

/// An error of the log store. Its words are the service's where a client can cause it.
pub(super) fn of_store(error: Error) -> AwsError {
    let code = match &error {
        Error::NoSuchGroup { .. } | Error::NoSuchStream { .. } => "ResourceNotFoundException",
        Error::GroupExists { .. } | Error::StreamExists { .. } => "ResourceAlreadyExistsException",
        Error::Busy { .. } | Error::Io { .. } => {
            return AwsError::new("ServiceUnavailableException", error.to_string())
                .with_status(500);
        }
        _ => "InvalidParameterException",
    };
    error::client(code, error.to_string())
}
