//! OpenID Connect providers: whose tokens a role may be taken on with.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{already_exists, arn, no_such_entity};
use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, fields, tags};

/// By ARN.
pub(super) const PROVIDERS: Records = table("iam", "oidc-provider");

/// The ARN and the record of the provider that the input names.
pub(super) fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let arn = fields::text(input, "OpenIDConnectProviderArn").unwrap_or_default();
    let provider = PROVIDERS
        .get(platform, arn)
        .ok_or_else(|| no_such_entity(format!("OpenIDConnect Provider not found for arn {arn}")))?;
    Ok((arn.to_owned(), provider))
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let url = fields::text(input, "Url").unwrap_or_default();
    let Some(host) = url.strip_prefix("https://").filter(|host| !host.is_empty()) else {
        return Err(error::client("ValidationError", "Invalid Open ID Connect Provider URL"));
    };
    let host = host.trim_end_matches('/');
    let arn = arn(platform, format_args!("oidc-provider/{host}"));
    if PROVIDERS.has(platform, &arn) {
        return Err(already_exists(format!("Provider with url https://{host} already exists.")));
    }
    let mut thumbprints = fields::texts(input, "ThumbprintList");
    // IAM would look at the certificate of the provider; nobody goes out from here.
    let unknown = "0".repeat(40);
    if thumbprints.is_empty() {
        thumbprints.push(&unknown);
    }
    let mut provider = json!({
        "Url": host,
        "ClientIDList": fields::texts(input, "ClientIDList"),
        "ThumbprintList": thumbprints,
        "CreateDate": fields::time(platform.now()),
    });
    tags::add(&mut provider, tags::read(fields::list(input, "Tags"), tags::LARGE));
    Answer::after(vec![PROVIDERS.put(&arn, &provider)], move |_| {
        json!({
            "OpenIDConnectProviderArn": arn,
            "Tags": tags::listed(&provider, tags::LARGE),
        })
    })
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, provider) = find(platform, input)?;
    let own = tags::listed(&provider, tags::LARGE);
    let mut view = tags::without(provider);
    view["Tags"] = own;
    Ok(Answer::Now(view))
}

pub(super) fn list(platform: &Platform, _: &Value) -> Result<Answer, AwsError> {
    let all: Vec<Value> = PROVIDERS.all(platform).map(|(arn, _)| json!({ "Arn": arn })).collect();
    Ok(Answer::Now(json!({ "OpenIDConnectProviderList": all })))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    // One that is gone already is no error.
    let arn = fields::text(input, "OpenIDConnectProviderArn").unwrap_or_default();
    let commands = PROVIDERS.has(platform, arn).then(|| PROVIDERS.remove(arn));
    Answer::after(commands.into_iter().collect(), |_| json!({}))
}

fn change(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut Value),
) -> Result<Answer, AwsError> {
    let (arn, mut provider) = find(platform, input)?;
    change(&mut provider);
    Answer::after(vec![PROVIDERS.put(&arn, &provider)], |_| json!({}))
}

pub(super) fn update_thumbprints(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let thumbprints = fields::texts(input, "ThumbprintList");
    change(platform, input, |provider| provider["ThumbprintList"] = json!(thumbprints))
}

pub(super) fn add_client_id(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "ClientID").unwrap_or_default();
    change(platform, input, |provider| {
        let mut ids = fields::list(provider, "ClientIDList").to_vec();
        if !ids.contains(&json!(id)) {
            ids.push(json!(id));
        }
        provider["ClientIDList"] = json!(ids);
    })
}

pub(super) fn remove_client_id(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "ClientID").unwrap_or_default();
    change(platform, input, |provider| {
        let ids = fields::texts(provider, "ClientIDList").into_iter();
        provider["ClientIDList"] = ids.filter(|other| *other != id).collect();
    })
}
