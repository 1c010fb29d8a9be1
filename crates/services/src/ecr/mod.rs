//! Amazon ECR: the image store's repositories, in ECR's words. They lie beside the platform, where
//! pushes put their images, so there are no records of them.

mod errors;
mod images;
mod lifecycle;
mod registry;
mod repositories;
mod tagging;

use neargate_core::Platform;
use neargate_core::platform::Identity;
use serde_json::{Value, json};

use crate::error::AwsError;
use crate::rooms::Rooms;
use crate::{Answer, Table, arn, fields};

pub(crate) const OPERATIONS: Table = &[
    ("BatchDeleteImage", images::delete),
    ("BatchGetImage", images::get),
    ("CreateRepository", repositories::create),
    ("DeleteLifecyclePolicy", lifecycle::delete),
    ("DeleteRepository", repositories::delete),
    ("DeleteRepositoryPolicy", repositories::delete_policy),
    ("DescribeImages", images::describe),
    ("DescribeRegistry", registry::describe),
    ("DescribeRepositories", repositories::describe),
    ("GetAuthorizationToken", registry::token),
    ("GetLifecyclePolicy", lifecycle::get),
    ("GetLifecyclePolicyPreview", lifecycle::preview),
    ("GetRegistryScanningConfiguration", registry::scanning),
    ("GetRepositoryPolicy", repositories::policy),
    ("ListImages", images::list),
    ("ListTagsForResource", tagging::list),
    ("PutImage", images::put),
    ("PutImageScanningConfiguration", repositories::put_scanning),
    ("PutImageTagMutability", repositories::put_mutability),
    ("PutLifecyclePolicy", lifecycle::put),
    ("SetRepositoryPolicy", repositories::set_policy),
    ("StartLifecyclePolicyPreview", lifecycle::start_preview),
    ("TagResource", tagging::tag),
    ("UntagResource", tagging::untag),
];

/// A request about the registry of the account.
struct Asked {
    identity: Identity,
    input: Value,
}

impl Asked {
    fn repository(&self) -> &str {
        fields::text(&self.input, "repositoryName").unwrap_or_default()
    }

    fn account(&self) -> &str {
        &self.identity.account
    }

    fn failure(&self, error: neargate_images::Error) -> AwsError {
        errors::of_store(error, self.account())
    }

    fn arn(&self, repository: &str) -> String {
        arn::of(&self.identity, "ecr", format_args!("repository/{repository}"))
    }

    /// `registryId` and `repositoryName`, as many answers begin.
    fn names(&self) -> Value {
        json!({ "registryId": self.account(), "repositoryName": self.repository() })
    }
}

/// Answers from the image store.
fn in_store(
    platform: &Platform,
    input: &Value,
    answer: impl FnOnce(&Asked, &dyn Rooms) -> Result<Value, AwsError> + Send + 'static,
) -> Result<Answer, AwsError> {
    let asked = Asked { identity: platform.identity().clone(), input: input.clone() };
    let other = fields::text(input, "registryId").filter(|id| *id != asked.account());
    if let Some(other) = other {
        return Err(errors::invalid(format!(
            "Invalid parameter at 'registryId' failed to satisfy constraint: 'the registry of this \
             platform is {}, not {other}'",
            asked.account()
        )));
    }
    Answer::away(move |rooms| answer(&asked, rooms))
}

/// Milliseconds of the store as a timestamp.
fn time(ms: u64) -> Value {
    fields::time(neargate_core::time::Time(ms))
}
