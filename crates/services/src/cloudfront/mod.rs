//! Amazon CloudFront: distributions, invalidations, origin access identities and controls, and the
//! managed policies.
//!
//! All of them are records: a distribution is deployed from the moment it is made, its domain name
//! has the right shape, and nothing is delivered there.

mod access;
mod distributions;
mod invalidations;
mod policies;
mod tagging;

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::AwsError;
use crate::records::{Ids, Records, table};
use crate::{Table, fields, page};

pub(crate) const OPERATIONS: Table = &[
    ("CreateCloudFrontOriginAccessIdentity", access::create_identity),
    ("CreateDistribution", distributions::create),
    ("CreateDistributionWithTags", distributions::create_with_tags),
    ("CreateInvalidation", invalidations::create),
    ("CreateOriginAccessControl", access::create_control),
    ("DeleteCloudFrontOriginAccessIdentity", access::delete_identity),
    ("DeleteDistribution", distributions::delete),
    ("DeleteOriginAccessControl", access::delete_control),
    ("GetCachePolicy", policies::cache),
    ("GetCloudFrontOriginAccessIdentity", access::identity),
    ("GetCloudFrontOriginAccessIdentityConfig", access::identity_config),
    ("GetDistribution", distributions::get),
    ("GetDistributionConfig", distributions::config),
    ("GetInvalidation", invalidations::get),
    ("GetOriginAccessControl", access::control),
    ("GetOriginRequestPolicy", policies::origin_request),
    ("GetResponseHeadersPolicy", policies::response_headers),
    ("ListCachePolicies", policies::list_cache),
    ("ListCloudFrontOriginAccessIdentities", access::identities),
    ("ListDistributions", distributions::list),
    ("ListInvalidations", invalidations::list),
    ("ListOriginAccessControls", access::controls),
    ("ListOriginRequestPolicies", policies::list_origin_request),
    ("ListResponseHeadersPolicies", policies::list_response_headers),
    ("ListTagsForResource", tagging::list),
    ("TagResource", tagging::add),
    ("UntagResource", tagging::remove),
    ("UpdateCloudFrontOriginAccessIdentity", access::update_identity),
    ("UpdateDistribution", distributions::update),
    ("UpdateOriginAccessControl", access::update_control),
];

/// `{"config", "ETag", "since", "tags"}`, each by its id.
const DISTRIBUTIONS: Records = table("cloudfront", "distribution");
/// By `<distribution>/<invalidation>`.
const INVALIDATIONS: Records = table("cloudfront", "invalidation");
const IDENTITIES: Records = table("cloudfront", "origin-access-identity");
const CONTROLS: Records = table("cloudfront", "origin-access-control");

const PAGE: usize = 100;

fn error(status: u16, code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(code, message).with_status(status)
}

/// A new id, or a new ETag: `E` and thirteen letters and digits.
fn id(ids: &mut Ids) -> String {
    ids.capitals("E", 14)
}

/// A change must name what it changes by its ETag.
fn check_etag(input: &Value, record: &Value) -> Result<(), AwsError> {
    match fields::text(input, "IfMatch") {
        None => {
            let why = "The If-Match version is missing or not valid for the resource.";
            Err(error(400, "InvalidIfMatchVersion", why))
        }
        Some(etag) if record["ETag"] != etag => {
            let why = "The request failed because it didn't meet the preconditions in one or more \
                       request-header fields.";
            Err(error(412, "PreconditionFailed", why))
        }
        Some(_) => Ok(()),
    }
}

/// One page of a listing, in the way of this service.
fn paged(input: &Value, entries: Vec<(String, Value)>) -> Value {
    let size = fields::text(input, "MaxItems").and_then(|n| n.parse().ok()).unwrap_or(PAGE);
    let marker = fields::text(input, "Marker");
    let Ok(page) = page::page(entries, |(key, _)| key.clone(), false, marker, size.max(1)) else {
        return json!({ "Marker": marker, "MaxItems": size, "IsTruncated": false, "Quantity": 0 });
    };
    let items: Vec<Value> = page.entries.into_iter().map(|(_, view)| view).collect();
    let mut list = json!({
        "Marker": marker.unwrap_or_default(),
        "MaxItems": size,
        "IsTruncated": page.next.is_some(),
        "Quantity": items.len(),
        "Items": items,
    });
    fields::set(&mut list, "NextMarker", page.next);
    list
}

/// The ARN of a distribution; CloudFront has no region.
fn arn_of(platform: &Platform, id: &str) -> String {
    format!("arn:aws:cloudfront::{}:distribution/{id}", platform.identity().account)
}
