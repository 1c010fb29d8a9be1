//! Certificates that were made elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_core::Platform;
use serde_json::{Value, json};

use super::{CERTIFICATES, find, invalid_parameter, x509};
use crate::error::AwsError;
use crate::records::Ids;
use crate::{Answer, arn, fields, tags};

/// A blob that is PEM.
fn pem(input: &Value, member: &str) -> Result<Option<String>, AwsError> {
    let Some(text) = fields::text(input, member) else { return Ok(None) };
    let pem = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match pem.filter(|text| text.contains("-----BEGIN ")) {
        Some(pem) => Ok(Some(pem)),
        None => Err(invalid_parameter(format!("{member} is not in PEM format."))),
    }
}

pub(super) fn import(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let certificate = pem(input, "Certificate")?.unwrap_or_default();
    let read = x509::read(&certificate)
        .ok_or_else(|| invalid_parameter("The certificate is not valid: it cannot be read."))?;
    let key = pem(input, "PrivateKey")?.filter(|key| key.contains("PRIVATE KEY-----"));
    let key = key.ok_or_else(|| invalid_parameter("The private key is not in PEM format."))?;
    let chain = pem(input, "CertificateChain")?;
    let mut ids = Ids::of(platform);
    let now = fields::time(platform.now());
    let again = fields::sent(input, "CertificateArn");
    let (arn, mut record) = match again {
        true => find(platform, input)?,
        false => {
            let id = ids.uuid();
            let arn = arn::of(platform.identity(), "acm", format_args!("certificate/{id}"));
            let view = json!({
                "CertificateArn": arn,
                "CreatedAt": now,
                "Status": "ISSUED",
                "Type": "IMPORTED",
                "InUseBy": [],
                "RenewalEligibility": "INELIGIBLE",
                "Options": { "CertificateTransparencyLoggingPreference": "DISABLED" },
            });
            (arn, json!({ "view": view }))
        }
    };
    if again && record["view"]["Type"] != "IMPORTED" {
        return Err(invalid_parameter(format!("Certificate {arn} was not imported.")));
    }
    if again && !fields::list(input, "Tags").is_empty() {
        return Err(invalid_parameter("Tagging is not permitted on re-import."));
    }
    read.describe(&mut record["view"]);
    record["view"]["DomainName"] = json!(read.domain());
    record["view"]["SubjectAlternativeNames"] = json!(read.names);
    record["view"]["KeyAlgorithm"] = json!(read.key_algorithm);
    record["view"]["ImportedAt"] = now;
    record["certificate"] = json!(certificate);
    record["chain"] = json!(chain);
    tags::add(&mut record, tags::read(fields::list(input, "Tags"), tags::LARGE));
    Answer::here(move |_, rooms| {
        record["key"] = json!(rooms.seal(&key).0);
        let commands = vec![ids.taken(), CERTIFICATES.put(&arn, &record)];
        Answer::after(commands, move |_| json!({ "CertificateArn": arn }))
    })
}
