//! The errors of ECR, in its words (ERR-ECR-1).

use neargate_images::Error;

use crate::error::{self, AwsError};

pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    error::client("InvalidParameterException", message)
}

pub(super) fn no_policy(code: &str, what: &str, repository: &str, account: &str) -> AwsError {
    let why = format!(
        "{what} does not exist for the repository with name '{repository}' in the registry with id \
         '{account}'"
    );
    error::client(code, why)
}

/// An error of the image store. `account` names the registry.
pub(super) fn of_store(error: Error, account: &str) -> AwsError {
    let in_registry = format!("in the registry with id '{account}'");
    let (code, message) = match &error {
        Error::RepositoryNotFound { .. } => {
            ("RepositoryNotFoundException", format!("{error} {in_registry}"))
        }
        Error::RepositoryExists { .. } => {
            ("RepositoryAlreadyExistsException", format!("{error} {in_registry}"))
        }
        Error::RepositoryNotEmpty { name } => (
            "RepositoryNotEmptyException",
            format!(
                "The repository with name '{name}' in registry with id '{account}' cannot be \
                 deleted because it still contains images"
            ),
        ),
        Error::ImageNotFound { .. } => ("ImageNotFoundException", format!("{error} {in_registry}")),
        Error::TagImmutable { .. } => ("ImageTagAlreadyExistsException", error.to_string()),
        Error::BlobMissing { .. } => ("LayersNotFoundException", error.to_string()),
        Error::Policy(problem) => (
            "InvalidParameterException",
            format!(
                "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: \
                 'Lifecycle policy validation failure: {problem}'"
            ),
        ),
        Error::InvalidRepository { .. }
        | Error::InvalidTag { .. }
        | Error::Invalid { .. }
        | Error::TooLarge { .. }
        | Error::SizeMismatch { .. } => ("InvalidParameterException", error.chain()),
        // Paths of this machine are not the client's business.
        _ => {
            let why = "the disk refused; the engine's log says why";
            return AwsError::new("ServerException", why).with_status(500);
        }
    };
    error::client(code, message)
}
