//! AWS Certificate Manager. Certificates are real: the home has an authority of its own, and
//! whoever trusts that trusts them.
//!
//! A certificate that is asked for waits until its domains are validated. A domain in a hosted zone
//! that is kept here is validated by its record, as with AWS. For every other domain nobody here
//! can tell, so it counts as validated at once; so does one that is validated by mail. Either way
//! whoever waits for the certificate after having put its records somewhere gets it.
//!
//! The key of a certificate is of the kind EC_prime256v1, whatever kind was asked for and is shown:
//! browsers and load balancers do not mind.

mod certificates;
mod import;
mod request;
mod tagging;
mod validation;
mod x509;

use neargate_core::Platform;
use serde_json::Value;

use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Table, arn, fields};

pub(crate) const OPERATIONS: Table = &[
    ("AddTagsToCertificate", tagging::add),
    ("DeleteCertificate", certificates::delete),
    ("DescribeCertificate", certificates::describe),
    ("GetCertificate", certificates::get),
    ("ImportCertificate", import::import),
    ("ListCertificates", certificates::list),
    ("ListTagsForCertificate", tagging::list),
    ("RemoveTagsFromCertificate", tagging::remove),
    ("RequestCertificate", request::request),
    ("UpdateCertificateOptions", certificates::update_options),
];

/// By ARN. `view` in a record is what DescribeCertificate shows; beside it stand `certificate` and
/// `chain` as PEM, `key` sealed, `token` of the request, and `tags`.
const CERTIFICATES: Records = table("acm", "certificate");

fn invalid_parameter(message: impl Into<String>) -> AwsError {
    error::client("InvalidParameterException", message)
}

/// The ARN and the record of the certificate that the input names.
fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let text = fields::text(input, "CertificateArn").unwrap_or_default();
    if arn::resource(text, "acm", "certificate").is_none() {
        let why = format!("The ARN {text} is not that of a certificate.");
        return Err(error::client("InvalidArnException", why));
    }
    let found = CERTIFICATES.get(platform, text).ok_or_else(|| {
        let account = &platform.identity().account;
        let why = format!("Could not find certificate {text} in account {account}.");
        error::client("ResourceNotFoundException", why)
    })?;
    Ok((text.to_owned(), found))
}
