//! Certificates that there are. Looking at one that waits finds out whether it is issued by now.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{CERTIFICATES, find, validation};
use crate::error::{self, AwsError};
use crate::{Answer, fields, page};

/// Answers from the record as it is by now, and keeps what has become of it.
fn looked_at(
    platform: &Platform,
    input: &Value,
    answer: impl FnOnce(&Value) -> Result<Value, AwsError>,
) -> Result<Answer, AwsError> {
    let (arn, record) = find(platform, input)?;
    match validation::progress(platform, &record) {
        None => Ok(Answer::Now(answer(&record)?)),
        Some(news) => {
            let answer = answer(&news)?;
            Answer::after(vec![CERTIFICATES.put(&arn, &news)], |_| answer)
        }
    }
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    looked_at(platform, input, |record| {
        let mut view = record["view"].clone();
        if view["Status"] == "PENDING_VALIDATION"
            && let Some(view) = view.as_object_mut()
        {
            for early in ["Serial", "Issuer", "NotBefore", "NotAfter"] {
                view.remove(early);
            }
        }
        Ok(json!({ "Certificate": view }))
    })
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    looked_at(platform, input, |record| {
        if record["view"]["Status"] == "PENDING_VALIDATION" {
            let arn = fields::text(&record["view"], "CertificateArn").unwrap_or_default();
            let why =
                format!("Certificate {arn} is not issued: its domains are not validated yet.");
            return Err(error::client("RequestInProgressException", why));
        }
        let mut answer = json!({ "Certificate": record["certificate"] });
        fields::set(&mut answer, "CertificateChain", fields::owned(record, "chain"));
        Ok(answer)
    })
}

/// One line of a listing.
fn summary(view: &Value) -> Value {
    let names = fields::list(view, "SubjectAlternativeNames");
    let uses = |member: &str| -> Value {
        fields::list(view, member).iter().map(|entry| entry["Name"].clone()).collect()
    };
    json!({
        "CertificateArn": view["CertificateArn"],
        "DomainName": view["DomainName"],
        "SubjectAlternativeNameSummaries": names,
        "HasAdditionalSubjectAlternativeNames": false,
        "Status": view["Status"],
        "Type": view["Type"],
        "KeyAlgorithm": view["KeyAlgorithm"],
        "KeyUsages": uses("KeyUsages"),
        "ExtendedKeyUsages": uses("ExtendedKeyUsages"),
        "InUse": false,
        "RenewalEligibility": view["RenewalEligibility"],
        "NotBefore": view["NotBefore"],
        "NotAfter": view["NotAfter"],
        "CreatedAt": view["CreatedAt"],
        "IssuedAt": view["IssuedAt"],
        "ImportedAt": view["ImportedAt"],
    })
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let statuses = fields::texts(input, "CertificateStatuses");
    let kinds = fields::texts(&input["Includes"], "keyTypes");
    let all = CERTIFICATES.all(platform).map(|(arn, record)| {
        let record = validation::progress(platform, &record).unwrap_or(record);
        (arn.to_owned(), record["view"].clone())
    });
    let wanted = |wanted: &[&str], value: &Value| {
        wanted.is_empty() || value.as_str().is_some_and(|value| wanted.contains(&value))
    };
    let all: Vec<(String, Value)> = all
        .filter(|(_, view)| wanted(&statuses, &view["Status"]))
        .filter(|(_, view)| wanted(&kinds, &view["KeyAlgorithm"]))
        .collect();
    let size = fields::number(input, "MaxItems").map_or(100, |n| n as usize).max(1);
    let token = fields::text(input, "NextToken");
    let page = page::page(all, |(arn, _)| arn.clone(), false, token, size)
        .map_err(|_| error::client("ValidationException", "The next token is not valid."))?;
    let lines: Value = page.entries.iter().map(|(_, view)| summary(view)).collect();
    let mut answer = json!({ "CertificateSummaryList": lines });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

pub(super) fn update_options(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, mut record) = find(platform, input)?;
    if record["view"]["Type"] != "AMAZON_ISSUED" {
        let why = "Only certificates that were asked for here have options.";
        return Err(error::client("InvalidStateException", why));
    }
    for member in ["CertificateTransparencyLoggingPreference", "Export"] {
        if let Some(value) = fields::text(&input["Options"], member) {
            record["view"]["Options"][member] = json!(value);
        }
    }
    Answer::after(vec![CERTIFICATES.put(&arn, &record)], |_| json!({}))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, _) = find(platform, input)?;
    Answer::after(vec![CERTIFICATES.remove(&arn)], |_| json!({}))
}
