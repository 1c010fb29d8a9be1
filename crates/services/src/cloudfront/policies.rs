//! The managed policies, by the ids that they have in every account. What is in them is said as far
//! as clients look at it.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::error;
use crate::error::AwsError;
use crate::{Answer, fields};

/// 2020-07-22, when most of them came.
const SINCE: u64 = 1_595_376_000;

/// Id, name, and the three times: at least, by default, at most.
const CACHE: [(&str, &str, [u64; 3]); 7] = [
    ("658327ea-f89d-4fab-a63d-7e88639e58f6", "Managed-CachingOptimized", [1, 86_400, 31_536_000]),
    ("4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "Managed-CachingDisabled", [0, 0, 0]),
    (
        "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
        "Managed-CachingOptimizedForUncompressedObjects",
        [1, 86_400, 31_536_000],
    ),
    (
        "08627262-05a9-4f76-9ded-b50ca2e3a84f",
        "Managed-Elemental-MediaPackage",
        [0, 86_400, 31_536_000],
    ),
    ("2e54312d-136d-493c-8eb9-b001f22f67d2", "Managed-Amplify", [2, 2, 600]),
    ("83da9c7e-98b4-4e11-a168-04f0df8e2c65", "UseOriginCacheControlHeaders", [0, 0, 31_536_000]),
    (
        "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
        "UseOriginCacheControlHeaders-QueryStrings",
        [0, 0, 31_536_000],
    ),
];
/// Id, name, and what is passed on of headers, cookies and query strings.
const ORIGIN_REQUEST: [(&str, &str, [&str; 3]); 6] = [
    ("216adef6-5c7f-47e4-b989-5492eafa07d3", "Managed-AllViewer", ["allViewer", "all", "all"]),
    (
        "b689b0a8-53d0-40ab-baf2-68738e2966ac",
        "Managed-AllViewerExceptHostHeader",
        ["allExcept", "all", "all"],
    ),
    (
        "33f36d7e-f396-46d9-90e0-52428a34d9dc",
        "Managed-AllViewerAndCloudFrontHeaders-2022-06",
        ["allViewerAndWhitelistCloudFront", "all", "all"],
    ),
    (
        "59781a5b-3903-41f3-afcb-af62929ccde1",
        "Managed-CORS-CustomOrigin",
        ["whitelist", "none", "none"],
    ),
    (
        "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf",
        "Managed-CORS-S3Origin",
        ["whitelist", "none", "none"],
    ),
    (
        "acba4595-bd28-49b8-b9fe-13317c0390fa",
        "Managed-UserAgentRefererHeaders",
        ["whitelist", "none", "none"],
    ),
];
const RESPONSE_HEADERS: [(&str, &str); 5] = [
    ("60669652-455b-4ae9-85a4-c4c02393f86c", "Managed-SimpleCORS"),
    ("5cc3b908-e619-4b99-88e5-2cf7f45965bd", "Managed-CORS-With-Preflight"),
    ("67f7725c-6f97-4210-82d7-5512b31e9d03", "Managed-SecurityHeadersPolicy"),
    ("e61eb60c-9c35-4d20-a928-2b84e02af89c", "Managed-CORS-and-SecurityHeadersPolicy"),
    (
        "eaab4381-ed33-4a86-88ca-d9558dc6cd63",
        "Managed-CORS-with-preflight-and-SecurityHeadersPolicy",
    ),
];

fn policy(id: &str, member: &str, config: Value) -> (String, Value) {
    (id.to_owned(), json!({ "Id": id, "LastModifiedTime": SINCE, member: config }))
}

fn cache_policies() -> Vec<(String, Value)> {
    let view = |(id, name, [least, default, most]): &(&str, &str, [u64; 3])| {
        let compressed = *name == "Managed-CachingOptimized" || *name == "Managed-Amplify";
        let strings = if name.ends_with("QueryStrings") { "all" } else { "none" };
        let parameters = json!({
            "EnableAcceptEncodingGzip": compressed,
            "EnableAcceptEncodingBrotli": compressed,
            "HeadersConfig": { "HeaderBehavior": "none" },
            "CookiesConfig": { "CookieBehavior": "none" },
            "QueryStringsConfig": { "QueryStringBehavior": strings },
        });
        let config = json!({
            "Name": name,
            "Comment": "",
            "MinTTL": least,
            "DefaultTTL": default,
            "MaxTTL": most,
            "ParametersInCacheKeyAndForwardedToOrigin": parameters,
        });
        policy(id, "CachePolicyConfig", config)
    };
    CACHE.iter().map(view).collect()
}

fn origin_request_policies() -> Vec<(String, Value)> {
    let named = |name: &str| -> &[&str] {
        match name {
            "Managed-AllViewerExceptHostHeader" => &["host"],
            "Managed-CORS-CustomOrigin" => &["origin"],
            "Managed-CORS-S3Origin" => {
                &["origin", "access-control-request-headers", "access-control-request-method"]
            }
            "Managed-UserAgentRefererHeaders" => &["user-agent", "referer"],
            _ => &[],
        }
    };
    let view = |(id, name, [headers, cookies, strings]): &(&str, &str, [&str; 3])| {
        let names = named(name);
        let mut header_config = json!({ "HeaderBehavior": headers });
        if !names.is_empty() {
            header_config["Headers"] = json!({ "Quantity": names.len(), "Items": names });
        }
        let config = json!({
            "Name": name,
            "Comment": "",
            "HeadersConfig": header_config,
            "CookiesConfig": { "CookieBehavior": cookies },
            "QueryStringsConfig": { "QueryStringBehavior": strings },
        });
        policy(id, "OriginRequestPolicyConfig", config)
    };
    ORIGIN_REQUEST.iter().map(view).collect()
}

fn response_headers_policies() -> Vec<(String, Value)> {
    let view = |(id, name): &(&str, &str)| {
        policy(id, "ResponseHeadersPolicyConfig", json!({ "Name": name, "Comment": "" }))
    };
    RESPONSE_HEADERS.iter().map(view).collect()
}

fn one(
    all: Vec<(String, Value)>,
    input: &Value,
    member: &str,
    missing: &str,
) -> Result<Answer, AwsError> {
    let wanted = fields::text(input, "Id").unwrap_or_default();
    match all.into_iter().find(|(id, _)| id == wanted) {
        // Nothing of them ever changes.
        Some((id, view)) => {
            let etag = format!("E{:.13}", id.replace('-', "").to_ascii_uppercase());
            Ok(Answer::Now(json!({ member: view, "ETag": etag })))
        }
        None => Err(error(404, missing, format!("The specified policy {wanted} does not exist."))),
    }
}

/// Nobody makes policies here, so all there are are managed.
fn listed(all: Vec<(String, Value)>, input: &Value, member: &str) -> Result<Answer, AwsError> {
    let wanted = fields::text(input, "Type") != Some("custom");
    let items: Vec<Value> = all
        .into_iter()
        .filter(|_| wanted)
        .map(|(_, view)| json!({ "Type": "managed", member: view }))
        .collect();
    let list = json!({ "MaxItems": 100, "Quantity": items.len(), "Items": items });
    Ok(Answer::Now(json!({ format!("{member}List"): list })))
}

pub(super) fn cache(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    one(cache_policies(), input, "CachePolicy", "NoSuchCachePolicy")
}

pub(super) fn list_cache(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    listed(cache_policies(), input, "CachePolicy")
}

pub(super) fn origin_request(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    one(origin_request_policies(), input, "OriginRequestPolicy", "NoSuchOriginRequestPolicy")
}

pub(super) fn list_origin_request(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    listed(origin_request_policies(), input, "OriginRequestPolicy")
}

pub(super) fn response_headers(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    one(response_headers_policies(), input, "ResponseHeadersPolicy", "NoSuchResponseHeadersPolicy")
}

pub(super) fn list_response_headers(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    listed(response_headers_policies(), input, "ResponseHeadersPolicy")
}
