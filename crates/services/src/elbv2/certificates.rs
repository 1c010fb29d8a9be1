//! What a listener with TLS is told beside a listener without: certificates and a policy. They
//! are kept and shown; the listener itself still speaks plain HTTP.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::lookup::Listener;
use super::{errors, listed, page};
use crate::error::{self, AwsError};
use crate::{Answer, fields, note};

const DEFAULT_POLICY: &str = "ELBSecurityPolicy-2016-08";
/// Member of a listener's note: certificates beside the default one.
const MORE: &str = "MoreCertificates";
const TOO_MANY: usize = 25;

const TLS_12: &[&str] = &["TLSv1.2"];
const TLS_13: &[&str] = &["TLSv1.2", "TLSv1.3"];
const TLS_10: &[&str] = &["TLSv1", "TLSv1.1", "TLSv1.2"];
const CIPHERS: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];

/// Policies with their protocols.
const POLICIES: &[(&str, &[&str])] = &[
    (DEFAULT_POLICY, TLS_10),
    ("ELBSecurityPolicy-TLS13-1-2-2021-06", TLS_13),
    ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", TLS_13),
    ("ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06", TLS_13),
    ("ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06", TLS_13),
    ("ELBSecurityPolicy-TLS13-1-3-2021-06", &["TLSv1.3"]),
    ("ELBSecurityPolicy-TLS-1-2-2017-01", TLS_12),
    ("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", TLS_12),
    ("ELBSecurityPolicy-TLS-1-1-2017-01", &["TLSv1.1", "TLSv1.2"]),
    ("ELBSecurityPolicy-FS-2018-06", TLS_10),
    ("ELBSecurityPolicy-FS-1-2-2019-08", TLS_12),
    ("ELBSecurityPolicy-FS-1-2-Res-2019-08", TLS_12),
    ("ELBSecurityPolicy-FS-1-2-Res-2020-10", TLS_12),
];

/// The protocol that a listener was given.
pub(super) fn protocol(said: &Value) -> &str {
    fields::text(said, "Protocol").unwrap_or("HTTP")
}

/// Shows the listener's members of TLS.
pub(super) fn show(view: &mut Value, said: &Value) {
    view["Protocol"] = json!(protocol(said));
    if protocol(said) == "HTTPS" {
        view["SslPolicy"] = said["SslPolicy"].clone();
        view["Certificates"] = said["Certificates"].clone();
        let unset = || json!({ "Mode": "off" });
        let mutual = said.get("MutualAuthentication").cloned();
        view["MutualAuthentication"] = mutual.unwrap_or_else(unset);
    }
}

/// What a new or changed listener says of TLS, over what it said before (ALB-LSN-1).
pub(super) fn read(said: &mut Value, input: &Value) -> Result<(), AwsError> {
    let wanted = fields::text(input, "Protocol").unwrap_or_else(|| protocol(said)).to_owned();
    if !matches!(wanted.as_str(), "HTTP" | "HTTPS") {
        return Err(error::client(
            "UnsupportedProtocol",
            format!("Neargate serves listeners with protocol HTTP or HTTPS, not {wanted}"),
        ));
    }
    let members = ["Protocol", "SslPolicy", "Certificates", "MutualAuthentication", MORE];
    if wanted == "HTTP" {
        if fields::sent(input, "Certificates") && !fields::list(input, "Certificates").is_empty() {
            let message = "Certificates cannot be specified for HTTP listeners";
            return Err(errors::validation(message));
        }
        if let Some(said) = said.as_object_mut() {
            said.retain(|member, _| !members.contains(&member.as_str()));
        }
        return Ok(());
    }
    note::merge(said, &note::members(input, &members[..4]));
    said["Protocol"] = json!(wanted);
    if !fields::sent(said, "SslPolicy") {
        said["SslPolicy"] = json!(DEFAULT_POLICY);
    }
    let policy = fields::text(said, "SslPolicy").unwrap_or_default();
    if !POLICIES.iter().any(|(name, _)| *name == policy) {
        let message = format!("SSL policy '{policy}' not found");
        return Err(error::client("SSLPolicyNotFound", message));
    }
    match fields::list(said, "Certificates") {
        [certificate] => check(certificate),
        [] => Err(errors::validation("A certificate must be specified for HTTPS listeners")),
        _ => Err(errors::validation("Exactly one default certificate may be specified")),
    }
}

fn check(certificate: &Value) -> Result<(), AwsError> {
    let arn = fields::text(certificate, "CertificateArn").unwrap_or_default();
    match crate::arn::parse(arn) {
        Some(("acm" | "iam", _)) => Ok(()),
        _ => Err(error::client("CertificateNotFound", format!("Certificate '{arn}' not found"))),
    }
}

pub(super) fn policies(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = fields::texts(input, "Names");
    if let Some(name) = asked.iter().find(|n| !POLICIES.iter().any(|(known, _)| known == *n)) {
        let message = format!("SSL policy '{name}' not found");
        return Err(error::client("SSLPolicyNotFound", message));
    }
    let views = POLICIES.iter().filter(|(name, _)| asked.is_empty() || asked.contains(name));
    let views: Vec<Value> = views
        .map(|(name, protocols)| {
            let ciphers = CIPHERS.iter().zip(1..);
            let ciphers =
                ciphers.map(|(name, priority)| json!({ "Name": name, "Priority": priority }));
            json!({
                "Name": name,
                "SslProtocols": protocols,
                "Ciphers": ciphers.collect::<Vec<_>>(),
                "SupportedLoadBalancerTypes": ["application", "network"],
            })
        })
        .collect();
    Ok(Answer::Now(json!({ "SslPolicies": views })))
}

/// The default certificate first, then the others.
fn of(said: &Value) -> Vec<Value> {
    let shown = |certificate: &Value, default: bool| json!({ "CertificateArn": certificate["CertificateArn"], "IsDefault": default });
    let default = fields::list(said, "Certificates").iter().map(|c| shown(c, true));
    default.chain(fields::list(said, MORE).iter().map(|c| shown(c, false))).collect()
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "ListenerArn").unwrap_or_default();
    let all = of(&Listener::find(platform, arn)?.said);
    let page = page(input, all, |c| c["CertificateArn"].as_str().unwrap_or_default().to_owned())?;
    Ok(Answer::Now(listed("Certificates", page.entries, page.next)))
}

/// The listener's ARN, and its note with other certificates beside the default one.
fn changed(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut Vec<Value>, &[Value]),
) -> Result<(String, Value), AwsError> {
    let arn = fields::text(input, "ListenerArn").unwrap_or_default().to_owned();
    let listener = Listener::find(platform, &arn)?;
    let mut said = listener.said.clone();
    if protocol(&said) != "HTTPS" {
        let message = format!("Listener '{arn}' does not use certificates");
        return Err(errors::unsupported(message));
    }
    let asked = fields::list(input, "Certificates");
    asked.iter().try_for_each(check)?;
    let mut more = fields::list(&said, MORE).to_vec();
    change(&mut more, asked);
    if more.len() > TOO_MANY {
        let message = format!("A listener can have at most {TOO_MANY} certificates");
        return Err(error::client("TooManyCertificates", message));
    }
    said[MORE] = Value::Array(more);
    Ok((arn, said))
}

fn same(a: &Value, b: &Value) -> bool {
    a["CertificateArn"] == b["CertificateArn"]
}

pub(super) fn add(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, said) = changed(platform, input, |more, asked| {
        for certificate in asked {
            if !more.iter().any(|known| same(known, certificate)) {
                more.push(json!({ "CertificateArn": certificate["CertificateArn"] }));
            }
        }
    })?;
    Answer::after(vec![note::write(&arn, &said)], move |_| json!({ "Certificates": of(&said) }))
}

pub(super) fn remove(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, said) = changed(platform, input, |more, asked| {
        more.retain(|known| !asked.iter().any(|gone| same(known, gone)));
    })?;
    Answer::after(vec![note::write(&arn, &said)], |_| json!({}))
}
