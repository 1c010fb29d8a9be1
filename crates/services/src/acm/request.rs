//! Asking for a certificate.

use std::collections::BTreeSet;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{CERTIFICATES, invalid_parameter, validation, x509};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, Rooms, arn, fields, tags};

/// How many names a certificate may have.
const NAMES: usize = 100;
/// For how long a request that comes again is the same, in milliseconds.
const SAME_REQUEST_MS: u64 = 60 * 60 * 1000;

pub(super) fn request(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let domain = fields::text(input, "DomainName").unwrap_or_default().to_ascii_lowercase();
    if let Some(arn) = requested_before(platform, input, &domain) {
        return Ok(Answer::Now(json!({ "CertificateArn": arn })));
    }
    if fields::sent(input, "CertificateAuthorityArn") {
        let why = "There is no private certificate authority here; leave CertificateAuthorityArn \
                   out for a certificate of the home's own authority.";
        return Err(invalid_parameter(why));
    }
    let mut names = vec![domain.clone()];
    for name in fields::texts(input, "SubjectAlternativeNames") {
        let name = name.to_ascii_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > NAMES {
        let why = format!(
            "The certificate would have {} names, at most {NAMES} are possible.",
            names.len()
        );
        return Err(error::client("LimitExceededException", why));
    }
    let method = fields::text(input, "ValidationMethod").unwrap_or("EMAIL");
    if method == "HTTP" {
        return Err(invalid_parameter(
            "HTTP validation is for CloudFront alone; use DNS or EMAIL.",
        ));
    }
    let mail_to = |name: &str| -> String {
        let options = fields::list(input, "DomainValidationOptions").iter();
        let mut own = options.filter(|option| fields::text(option, "DomainName") == Some(name));
        let domain = own.next().and_then(|option| fields::owned(option, "ValidationDomain"));
        domain.unwrap_or_else(|| name.trim_start_matches("*.").to_owned())
    };
    let options: Vec<Value> = names
        .iter()
        .map(|name| validation::option(platform, name, method, &mail_to(name)))
        .collect();
    let mut ids = Ids::of(platform);
    let arn = arn::of(platform.identity(), "acm", format_args!("certificate/{}", ids.uuid()));
    let transparency = fields::text(&input["Options"], "CertificateTransparencyLoggingPreference");
    let mut record = json!({
        "view": {
            "CertificateArn": arn,
            "DomainName": domain,
            "SubjectAlternativeNames": names,
            "DomainValidationOptions": options,
            "CreatedAt": fields::time(platform.now()),
            "Status": "PENDING_VALIDATION",
            "Type": "AMAZON_ISSUED",
            "KeyAlgorithm": fields::text(input, "KeyAlgorithm").unwrap_or("RSA_2048"),
            "InUseBy": [],
            "RenewalEligibility": "INELIGIBLE",
            "Options": {
                "CertificateTransparencyLoggingPreference": transparency.unwrap_or("ENABLED"),
                "Export": fields::text(&input["Options"], "Export").unwrap_or("DISABLED"),
            },
        },
        "token": input["IdempotencyToken"],
    });
    tags::add(&mut record, tags::read(fields::list(input, "Tags"), tags::LARGE));
    Answer::here(move |_, rooms| {
        let domains: Vec<&str> = names.iter().map(String::as_str).collect();
        issue(rooms, &domains, &mut record)?;
        let commands = vec![ids.taken(), CERTIFICATES.put(&arn, &record)];
        Answer::after(commands, move |_| json!({ "CertificateArn": arn }))
    })
}

/// The certificate itself is made at once; it is given out when it is issued.
fn issue(rooms: &dyn Rooms, domains: &[&str], record: &mut Value) -> Result<(), AwsError> {
    let unable = |why: String| error::client("ServiceUnavailable", why).with_status(503);
    let issued = rooms.issue_certificate(domains).map_err(unable)?;
    let read = x509::read(&issued.certificate)
        .ok_or_else(|| unable("The authority's certificate cannot be read".to_owned()))?;
    read.describe(&mut record["view"]);
    record["certificate"] = json!(issued.certificate);
    record["chain"] = json!(issued.chain);
    record["key"] = json!(rooms.seal(&issued.private_key).0);
    Ok(())
}

/// The certificate that the same request was answered with an hour ago or less.
fn requested_before(platform: &Platform, input: &Value, domain: &str) -> Option<String> {
    let token = fields::text(input, "IdempotencyToken")?;
    let sent: BTreeSet<&str> =
        fields::texts(input, "SubjectAlternativeNames").into_iter().collect();
    let recent = |view: &Value| {
        let then = view["CreatedAt"].as_f64().unwrap_or_default() * 1000.0;
        platform.now().0 as f64 - then <= SAME_REQUEST_MS as f64
    };
    let same = |record: &Value| {
        let view = &record["view"];
        let names: BTreeSet<&str> =
            fields::texts(view, "SubjectAlternativeNames").into_iter().collect();
        fields::text(record, "token") == Some(token)
            && fields::text(view, "DomainName") == Some(domain)
            && names.iter().all(|name| *name == domain || sent.contains(name))
            && sent.iter().all(|name| names.contains(name))
            && recent(view)
    };
    CERTIFICATES.all(platform).find(|(_, record)| same(record)).map(|(arn, _)| arn.to_owned())
}
