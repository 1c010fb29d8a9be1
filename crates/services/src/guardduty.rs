//! Amazon GuardDuty: the detector of an account. It is kept; nothing is detected.

use std::collections::BTreeMap;

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Ids, Records, table};
use crate::{Answer, Table, arn, fields, tags};

pub(crate) const OPERATIONS: Table = &[
    ("CreateDetector", create),
    ("DeleteDetector", delete),
    ("GetDetector", get),
    ("ListDetectors", list),
    ("ListTagsForResource", list_tags),
    ("TagResource", tag),
    ("UntagResource", untag),
    ("UpdateDetector", update),
];

/// By id. `features` in a record says which are enabled.
const DETECTORS: Records = table("guardduty", "detector");

const SERVICE_ROLE: &str =
    "role/aws-service-role/guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDuty";

/// What a detector looks at, and whether it does unless the client says otherwise.
const FEATURES: [(&str, bool); 9] = [
    ("CLOUD_TRAIL", true),
    ("DNS_LOGS", true),
    ("FLOW_LOGS", true),
    ("S3_DATA_EVENTS", true),
    ("EKS_AUDIT_LOGS", true),
    ("EBS_MALWARE_PROTECTION", true),
    ("RDS_LOGIN_EVENTS", true),
    ("LAMBDA_NETWORK_LOGS", true),
    ("RUNTIME_MONITORING", false),
];

fn bad_request(message: &str) -> AwsError {
    error::client("BadRequestException", message)
}

fn found(platform: &Platform, id: &str) -> Result<Value, AwsError> {
    DETECTORS.get(platform, id).ok_or_else(|| {
        bad_request(
            "The request is rejected because the input detectorId is not owned by the current \
             account.",
        )
    })
}

fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let id = fields::text(input, "DetectorId").unwrap_or_default();
    Ok((id.to_owned(), found(platform, id)?))
}

fn status(enabled: bool) -> &'static str {
    if enabled { "ENABLED" } else { "DISABLED" }
}

/// Takes over what an input says; what it does not mention stays.
fn take_over(detector: &mut Value, input: &Value) {
    if let Some(enable) = fields::flag(input, "Enable") {
        detector["Status"] = json!(status(enable));
    }
    if let Some(frequency) = fields::text(input, "FindingPublishingFrequency") {
        detector["FindingPublishingFrequency"] = json!(frequency);
    }
    let sources = &input["DataSources"];
    let malware = &sources["MalwareProtection"]["ScanEc2InstanceWithFindings"];
    for (feature, enabled) in [
        ("S3_DATA_EVENTS", fields::flag(&sources["S3Logs"], "Enable")),
        ("EKS_AUDIT_LOGS", fields::flag(&sources["Kubernetes"]["AuditLogs"], "Enable")),
        ("EBS_MALWARE_PROTECTION", fields::flag(malware, "EbsVolumes")),
    ] {
        if let Some(enabled) = enabled {
            detector["features"][feature] = json!(enabled);
        }
    }
    for feature in fields::list(input, "Features") {
        let name = fields::text(feature, "Name").unwrap_or_default();
        let enabled = fields::text(feature, "Status") == Some("ENABLED");
        detector["features"][name] = json!(enabled);
        let more = fields::list(feature, "AdditionalConfiguration");
        if !more.is_empty() {
            detector["more"][name] = json!(more);
        }
    }
}

fn view(platform: &Platform, detector: &Value) -> Value {
    let on = |feature: &str| status(fields::flag(&detector["features"], feature) == Some(true));
    let source = |feature: &str| json!({ "Status": on(feature) });
    let features = detector["features"].as_object().into_iter().flatten();
    let updated = detector["updated"].clone();
    let features: Value = features
        .map(|(name, _)| {
            let mut feature = json!({ "Name": name, "Status": on(name), "UpdatedAt": updated });
            fields::set(
                &mut feature,
                "AdditionalConfiguration",
                detector["more"].get(name).cloned(),
            );
            feature
        })
        .collect();
    let account = &platform.identity().account;
    json!({
        "CreatedAt": detector["CreatedAt"],
        "UpdatedAt": detector["UpdatedAt"],
        "Status": detector["Status"],
        "FindingPublishingFrequency": detector["FindingPublishingFrequency"],
        "ServiceRole": format!("arn:aws:iam::{account}:{SERVICE_ROLE}"),
        "DataSources": {
            "CloudTrail": source("CLOUD_TRAIL"),
            "DNSLogs": source("DNS_LOGS"),
            "FlowLogs": source("FLOW_LOGS"),
            "S3Logs": source("S3_DATA_EVENTS"),
            "Kubernetes": { "AuditLogs": source("EKS_AUDIT_LOGS") },
            "MalwareProtection": {
                "ScanEc2InstanceWithFindings": { "EbsVolumes": source("EBS_MALWARE_PROTECTION") },
            },
        },
        "Features": features,
        "Tags": tags::noted(detector),
    })
}

fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    if let Some((id, detector)) = DETECTORS.all(platform).next() {
        let token = fields::text(input, "ClientToken");
        if token.is_some() && token == fields::text(&detector, "token") {
            return Ok(Answer::Now(json!({ "DetectorId": id })));
        }
        return Err(bad_request(
            "The request is rejected because a detector already exists for the current account.",
        ));
    }
    let mut ids = Ids::of(platform);
    let id = ids.uuid().replace('-', "");
    let now = platform.now();
    let features: BTreeMap<&str, bool> = FEATURES.into_iter().collect();
    let mut detector = json!({
        "CreatedAt": fields::iso(now),
        "UpdatedAt": fields::iso(now),
        "updated": fields::time(now),
        "FindingPublishingFrequency": "SIX_HOURS",
        "features": features,
        "token": input["ClientToken"],
    });
    take_over(&mut detector, input);
    let own = sent_tags(input);
    tags::note(&mut detector, &own);
    let commands = vec![ids.taken(), DETECTORS.put(&id, &detector)];
    Answer::after(commands, move |_| json!({ "DetectorId": id }))
}

fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, detector) = find(platform, input)?;
    Ok(Answer::Now(view(platform, &detector)))
}

fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, mut detector) = find(platform, input)?;
    take_over(&mut detector, input);
    detector["UpdatedAt"] = json!(fields::iso(platform.now()));
    detector["updated"] = fields::time(platform.now());
    Answer::after(vec![DETECTORS.put(&id, &detector)], |_| json!({}))
}

fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, _) = find(platform, input)?;
    Answer::after(vec![DETECTORS.remove(&id)], |_| json!({}))
}

fn list(platform: &Platform, _: &Value) -> Result<Answer, AwsError> {
    let ids: Vec<&str> = DETECTORS.all(platform).map(|(id, _)| id).collect();
    Ok(Answer::Now(json!({ "DetectorIds": ids })))
}

/// GuardDuty's tags are one object.
fn sent_tags(input: &Value) -> BTreeMap<String, String> {
    tags::noted(&json!({ "tags": input["Tags"] }))
}

fn by_arn(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let text = fields::text(input, "ResourceArn").unwrap_or_default();
    let id = arn::resource(text, "guardduty", "detector").unwrap_or_default();
    Ok((id.to_owned(), found(platform, id)?))
}

fn list_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, detector) = by_arn(platform, input)?;
    Ok(Answer::Now(json!({ "Tags": tags::noted(&detector) })))
}

fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, mut detector) = by_arn(platform, input)?;
    let mut own = tags::noted(&detector);
    own.extend(sent_tags(input));
    tags::note(&mut detector, &own);
    Answer::after(vec![DETECTORS.put(&id, &detector)], |_| json!({}))
}

fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, mut detector) = by_arn(platform, input)?;
    tags::remove(&mut detector, &fields::texts(input, "TagKeys"));
    Answer::after(vec![DETECTORS.put(&id, &detector)], |_| json!({}))
}
