//! Domains that mail is sent from. A domain is verified as a certificate's is: by its record when
//! its zone is kept here, else at once.

use neargate_core::Platform;
use serde_json::{Map, Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, arn, fields, page, route53};

/// By domain: `token` of the verification, `dkim` tokens, `mail_from`.
const IDENTITIES: Records = table("ses", "identity");

/// Hexadecimal digits that depend on account and domain alone.
fn token(platform: &Platform, what: &str, domain: &str) -> String {
    let account = platform.identity().account.as_bytes();
    arn::derived_uuid(&[what.as_bytes(), account, domain.as_bytes()]).replace('-', "")
}

fn known(platform: &Platform, domain: &str) -> Value {
    IDENTITIES
        .get(platform, domain)
        .unwrap_or_else(|| json!({ "token": token(platform, "identity", domain) }))
}

pub(super) fn verify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let domain = fields::text(input, "Domain").unwrap_or_default().to_ascii_lowercase();
    let identity = known(platform, &domain);
    let token = identity["token"].clone();
    Answer::after(
        vec![IDENTITIES.put(&domain, &identity)],
        move |_| json!({ "VerificationToken": token }),
    )
}

pub(super) fn verify_dkim(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let domain = fields::text(input, "Domain").unwrap_or_default().to_ascii_lowercase();
    let mut identity = known(platform, &domain);
    let tokens = ["dkim-1", "dkim-2", "dkim-3"].map(|what| token(platform, what, &domain));
    identity["dkim"] = json!(tokens);
    Answer::after(
        vec![IDENTITIES.put(&domain, &identity)],
        move |_| json!({ "DkimTokens": tokens }),
    )
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    // One that is gone already is no error.
    let domain = fields::text(input, "Identity").unwrap_or_default().to_ascii_lowercase();
    let commands = IDENTITIES.has(platform, &domain).then(|| IDENTITIES.remove(&domain));
    Answer::after(commands.into_iter().collect(), |_| json!({}))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let domains = fields::text(input, "IdentityType") != Some("EmailAddress");
    let all = IDENTITIES.all(platform).filter(|_| domains).map(|(name, _)| name.to_owned());
    let size = fields::number(input, "MaxItems").map_or(1000, |n| n as usize).max(1);
    let page =
        page::page(all.collect(), String::clone, false, fields::text(input, "NextToken"), size)
            .map_err(|_| error::client("InvalidParameterValue", "NextToken is not valid."))?;
    let mut answer = json!({ "Identities": page.entries });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

/// What is to be said of each identity that was asked after, and is known.
fn each(
    platform: &Platform,
    input: &Value,
    member: &str,
    view: impl Fn(&str, &Value) -> Option<Value>,
) -> Result<Answer, AwsError> {
    let asked = fields::texts(input, "Identities").into_iter();
    let views: Map<String, Value> = asked
        .filter_map(|name| {
            let identity = IDENTITIES.get(platform, &name.to_ascii_lowercase())?;
            Some((name.to_owned(), view(&name.to_ascii_lowercase(), &identity)?))
        })
        .collect();
    Ok(Answer::Now(json!({ member: views })))
}

/// Whether those records are there, as far as anybody here can tell.
fn status(platform: &Platform, name: &str, records: &[(String, &str, String)]) -> &'static str {
    let there = |(name, kind, value): &(String, &str, String)| {
        route53::has_value(platform, name, kind, value)
    };
    match !route53::has_zone_for(platform, name) || records.iter().all(there) {
        true => "Success",
        false => "Pending",
    }
}

pub(super) fn verification(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    each(platform, input, "VerificationAttributes", |domain, identity| {
        let token = fields::text(identity, "token")?;
        let record = (format!("_amazonses.{domain}"), "TXT", format!("\"{token}\""));
        Some(json!({
            "VerificationStatus": status(platform, domain, &[record]),
            "VerificationToken": token,
        }))
    })
}

pub(super) fn dkim(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    each(platform, input, "DkimAttributes", |domain, identity| {
        let tokens = fields::texts(identity, "dkim");
        if tokens.is_empty() {
            return Some(json!({ "DkimEnabled": false, "DkimVerificationStatus": "NotStarted" }));
        }
        let record = |token: &&str| {
            let value = format!("{token}.dkim.amazonses.com");
            (format!("{token}._domainkey.{domain}"), "CNAME", value)
        };
        let records: Vec<_> = tokens.iter().map(record).collect();
        Some(json!({
            "DkimEnabled": true,
            "DkimVerificationStatus": status(platform, domain, &records),
            "DkimTokens": tokens,
        }))
    })
}

pub(super) fn set_mail_from(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let domain = fields::text(input, "Identity").unwrap_or_default().to_ascii_lowercase();
    let invalid = |why: String| error::client("InvalidParameterValue", why);
    let identity = IDENTITIES.get(platform, &domain);
    let mut identity =
        identity.ok_or_else(|| invalid(format!("Identity <{domain}> does not exist.")))?;
    match fields::text(input, "MailFromDomain") {
        Some(from) if !from.to_ascii_lowercase().ends_with(&format!(".{domain}")) => {
            return Err(invalid(format!(
                "Provided MAIL-FROM domain <{from}> is not subdomain of the domain of the identity \
                 <{domain}>."
            )));
        }
        Some(from) => {
            let behavior = fields::text(input, "BehaviorOnMXFailure").unwrap_or("UseDefaultValue");
            identity["mail_from"] = json!({ "domain": from, "behavior": behavior });
        }
        None => drop(identity.as_object_mut().map(|identity| identity.remove("mail_from"))),
    }
    Answer::after(vec![IDENTITIES.put(&domain, &identity)], |_| json!({}))
}

pub(super) fn mail_from(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    each(platform, input, "MailFromDomainAttributes", |_, identity| {
        let from = identity.get("mail_from")?;
        Some(json!({
            "MailFromDomain": from["domain"],
            "MailFromDomainStatus": "Success",
            "BehaviorOnMXFailure": from["behavior"],
        }))
    })
}
