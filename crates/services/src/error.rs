//! Errors in the shape every AWS protocol can carry.

pub(crate) use neargate_wire::AwsError;

/// The caller's fault: status 400, which no client retries.
pub(crate) fn client(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(code, message)
}
