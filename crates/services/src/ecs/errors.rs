//! The errors of ECS, in its words (ERR-ECS-*).

use neargate_core::Rejection;

use crate::error::{self, AwsError};

/// ERR-ECS-3.
pub(crate) fn cluster_not_found() -> AwsError {
    error::client("ClusterNotFoundException", "Cluster not found.")
}

/// ERR-ECS-4.
pub(crate) fn service_not_found() -> AwsError {
    error::client("ServiceNotFoundException", "Service not found.")
}

/// ERR-ECS-4.
pub(crate) fn service_not_active() -> AwsError {
    error::client("ServiceNotActiveException", "Service was not ACTIVE.")
}

/// ERR-ECS-6, second half.
pub(crate) fn task_definition_not_found() -> AwsError {
    client("TaskDefinition not found.")
}

/// ERR-ECS-7.
pub(crate) fn task_definition_inactive() -> AwsError {
    client("TaskDefinition is inactive")
}

/// ERR-ECS-2.
pub(crate) fn client(message: impl Into<String>) -> AwsError {
    error::client("ClientException", message)
}

/// ERR-ECS-2.
pub(crate) fn invalid_parameter(message: impl Into<String>) -> AwsError {
    error::client("InvalidParameterException", message)
}

/// What this platform does not do although ECS would.
pub(crate) fn unsupported(message: impl Into<String>) -> AwsError {
    error::client("UnsupportedFeatureException", message)
}

/// A rejection of the core.
pub(crate) fn refused(rejection: &Rejection) -> AwsError {
    match rejection {
        Rejection::NotFound { kind: "cluster", .. } => cluster_not_found(),
        Rejection::NotFound { kind: "service", .. } => service_not_found(),
        Rejection::NotFound { kind: "task definition", .. } => task_definition_not_found(),
        Rejection::NotFound { kind: "task", .. } => {
            invalid_parameter("The referenced task was not found.")
        }
        Rejection::NotFound { .. } => invalid_parameter(rejection.to_string()),
        Rejection::Invalid(why) => invalid_parameter(why.clone()),
    }
}
