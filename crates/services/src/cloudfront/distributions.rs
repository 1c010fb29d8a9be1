//! Distributions.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::{DISTRIBUTIONS, INVALIDATIONS, arn_of, check_etag, error, id, paged};
use crate::error::AwsError;
use crate::records::Ids;
use crate::{Answer, fields, note, tags};

/// The distribution that the input names.
pub(super) fn find(
    platform: &Platform,
    input: &Value,
    member: &str,
) -> Result<(String, Value), AwsError> {
    let id = fields::owned(input, member).unwrap_or_default();
    match DISTRIBUTIONS.get(platform, &id) {
        Some(record) => Ok((id, record)),
        None => Err(error(404, "NoSuchDistribution", "The specified distribution does not exist.")),
    }
}

/// The configuration with what is there unless somebody says otherwise.
fn whole(config: &Value) -> Value {
    let none = json!({ "Quantity": 0 });
    let mut whole = json!({
        "Aliases": none,
        "CacheBehaviors": none,
        "CustomErrorResponses": none,
        "OriginGroups": none,
        "DefaultRootObject": "",
        "HttpVersion": "http2",
        "IsIPV6Enabled": true,
        "Logging": { "Enabled": false, "IncludeCookies": false, "Bucket": "", "Prefix": "" },
        "PriceClass": "PriceClass_All",
        "Restrictions": { "GeoRestriction": { "RestrictionType": "none", "Quantity": 0 } },
        "Staging": false,
        "ViewerCertificate": {
            "CloudFrontDefaultCertificate": true,
            "SSLSupportMethod": "vip",
            "MinimumProtocolVersion": "TLSv1",
            "CertificateSource": "cloudfront",
        },
        "WebACLId": "",
        "ContinuousDeploymentPolicyId": "",
    });
    note::merge(&mut whole, config);
    whole
}

/// What the model cannot say.
fn check(platform: &Platform, own: Option<&str>, config: &Value) -> Result<(), AwsError> {
    let origins = fields::list(&config["Origins"], "Items");
    let behaviors = fields::list(&config["CacheBehaviors"], "Items").iter();
    for behavior in behaviors.chain([&config["DefaultCacheBehavior"]]) {
        let target = &behavior["TargetOriginId"];
        if !origins.iter().any(|origin| origin["Id"] == *target) {
            let why = "One or more of your origins or origin groups do not exist.";
            return Err(error(404, "NoSuchOrigin", why));
        }
    }
    let aliases = fields::texts(&config["Aliases"], "Items");
    let mut others = DISTRIBUTIONS.all(platform).filter(|(id, _)| Some(*id) != own);
    let taken = |other: &Value| {
        fields::texts(&other["config"]["Aliases"], "Items").iter().any(|a| aliases.contains(a))
    };
    if others.any(|(_, other)| taken(&other)) {
        let why = "One or more of the CNAMEs you provided are already associated with a different \
                   resource.";
        return Err(error(409, "CNAMEAlreadyExists", why));
    }
    Ok(())
}

fn view(platform: &Platform, id: &str, record: &Value) -> Value {
    let none = json!({ "Enabled": false, "Quantity": 0 });
    json!({
        "Id": id,
        "ARN": arn_of(platform, id),
        "Status": "Deployed",
        "LastModifiedTime": record["since"],
        "InProgressInvalidationBatches": 0,
        "DomainName": domain(id),
        "ActiveTrustedSigners": none,
        "ActiveTrustedKeyGroups": none,
        "DistributionConfig": record["config"],
    })
}

fn domain(id: &str) -> String {
    format!("d{}.cloudfront.net", id.to_ascii_lowercase())
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    make(platform, &input["DistributionConfig"], &[])
}

pub(super) fn create_with_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let sent = &input["DistributionConfigWithTags"];
    make(platform, &sent["DistributionConfig"], fields::list(&sent["Tags"], "Items"))
}

fn make(platform: &Platform, config: &Value, sent: &[Value]) -> Result<Answer, AwsError> {
    let reference = &config["CallerReference"];
    let config = whole(config);
    let same =
        DISTRIBUTIONS.all(platform).find(|(_, r)| r["config"]["CallerReference"] == *reference);
    if let Some((id, record)) = same {
        // Once more the same is the same distribution.
        if record["config"] == config {
            return Ok(Answer::Now(made(platform, id, &record)));
        }
        let why = "The caller reference that you are using to create a distribution is associated \
                   with another distribution.";
        return Err(error(409, "DistributionAlreadyExists", why));
    }
    check(platform, None, &config)?;
    let mut ids = Ids::of(platform);
    let (name, etag) = (id(&mut ids), id(&mut ids));
    let since = fields::time(platform.now());
    let mut record = json!({ "config": config, "ETag": etag, "since": since });
    tags::note(&mut record, &tags::read(sent, tags::LARGE));
    let commands = vec![DISTRIBUTIONS.put(&name, &record), ids.taken()];
    Answer::after(commands, move |platform| made(platform, &name, &record))
}

fn made(platform: &Platform, id: &str, record: &Value) -> Value {
    json!({
        "Distribution": view(platform, id, record),
        "ETag": record["ETag"],
        "Location": format!("https://cloudfront.amazonaws.com/2020-05-31/distribution/{id}"),
    })
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, record) = find(platform, input, "Id")?;
    let view = view(platform, &id, &record);
    Ok(Answer::Now(json!({ "Distribution": view, "ETag": record["ETag"] })))
}

pub(super) fn config(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, record) = find(platform, input, "Id")?;
    Ok(Answer::Now(json!({ "DistributionConfig": record["config"], "ETag": record["ETag"] })))
}

pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = find(platform, input, "Id")?;
    check_etag(input, &record)?;
    let config = whole(&input["DistributionConfig"]);
    if config["CallerReference"] != record["config"]["CallerReference"] {
        let why = "You cannot update the caller reference of a distribution.";
        return Err(error(400, "IllegalUpdate", why));
    }
    check(platform, Some(&name), &config)?;
    let mut ids = Ids::of(platform);
    record["config"] = config;
    record["ETag"] = json!(id(&mut ids));
    record["since"] = fields::time(platform.now());
    let commands = vec![DISTRIBUTIONS.put(&name, &record), ids.taken()];
    Answer::after(
        commands,
        move |platform| json!({ "Distribution": view(platform, &name, &record), "ETag": record["ETag"] }),
    )
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, record) = find(platform, input, "Id")?;
    check_etag(input, &record)?;
    if record["config"]["Enabled"] == true {
        let why = "The distribution you are trying to delete has not been disabled.";
        return Err(error(409, "DistributionNotDisabled", why));
    }
    let invalidations = INVALIDATIONS.starting(platform, &format!("{id}/"));
    let mut commands: Vec<Command> =
        invalidations.map(|(key, _)| INVALIDATIONS.remove(key)).collect();
    commands.push(DISTRIBUTIONS.remove(&id));
    Answer::after(commands, |_| json!({}))
}

/// Members of the configuration that a listing shows.
const LISTED: [&str; 16] = [
    "Aliases",
    "CacheBehaviors",
    "Comment",
    "CustomErrorResponses",
    "DefaultCacheBehavior",
    "Enabled",
    "HttpVersion",
    "IsIPV6Enabled",
    "OriginGroups",
    "Origins",
    "PriceClass",
    "Restrictions",
    "Staging",
    "ViewerCertificate",
    "WebACLId",
    "AnycastIpListId",
];

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let summary = |(id, record): (&str, Value)| {
        let mut summary = note::members(&record["config"], &LISTED);
        summary["Id"] = json!(id);
        summary["ARN"] = json!(arn_of(platform, id));
        summary["ETag"] = record["ETag"].clone();
        summary["Status"] = json!("Deployed");
        summary["LastModifiedTime"] = record["since"].clone();
        summary["DomainName"] = json!(domain(id));
        (id.to_owned(), summary)
    };
    let all = DISTRIBUTIONS.all(platform).map(summary).collect();
    Ok(Answer::Now(json!({ "DistributionList": paged(input, all) })))
}
