//! Whether the domains of a certificate are whose they should be.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::{arn, fields, route53};

/// What a domain has to show: one entry of DomainValidationOptions.
pub(super) fn option(platform: &Platform, domain: &str, method: &str, mail_to: &str) -> Value {
    let mut option = json!({
        "DomainName": domain,
        "ValidationDomain": mail_to,
        "ValidationStatus": "PENDING_VALIDATION",
        "ValidationMethod": method,
    });
    if method == "DNS" {
        option["ResourceRecord"] = record(platform, domain);
    } else {
        let boxes = ["admin", "administrator", "hostmaster", "postmaster", "webmaster"];
        option["ValidationEmails"] = boxes.map(|name| format!("{name}@{mail_to}")).into();
    }
    option
}

/// The record that validates a domain. It depends on account and domain alone, and is the same for
/// a domain and everything below it.
fn record(platform: &Platform, domain: &str) -> Value {
    let domain = domain.trim_start_matches("*.");
    let account = platform.identity().account.as_bytes();
    let token = |what: &[u8]| {
        let token = arn::derived_uuid(&[what, account, domain.as_bytes()]);
        format!("_{}", token.replace('-', ""))
    };
    json!({
        "Name": format!("{}.{domain}.", token(b"name")),
        "Type": "CNAME",
        "Value": format!("{}.acm-validations.aws.", token(b"value")),
    })
}

/// Whether that option is satisfied.
fn is_validated(platform: &Platform, option: &Value) -> bool {
    let record = &option["ResourceRecord"];
    let (Some(name), Some(value)) = (fields::text(record, "Name"), fields::text(record, "Value"))
    else {
        return true;
    };
    !route53::has_zone_for(platform, name) || route53::has_value(platform, name, "CNAME", value)
}

/// What has become of a certificate that waits: its domains are looked at, and it is issued when
/// the last of them is validated. `None` when nothing has changed.
pub(super) fn progress(platform: &Platform, record: &Value) -> Option<Value> {
    if record["view"]["Status"] != "PENDING_VALIDATION" {
        return None;
    }
    let mut news = record.clone();
    let view = &mut news["view"];
    let mut all = true;
    for option in view["DomainValidationOptions"].as_array_mut()? {
        match option["ValidationStatus"] == "SUCCESS" || is_validated(platform, option) {
            true => option["ValidationStatus"] = json!("SUCCESS"),
            false => all = false,
        }
    }
    if all {
        view["Status"] = json!("ISSUED");
        view["IssuedAt"] = fields::time(platform.now());
    }
    (news != *record).then_some(news)
}
