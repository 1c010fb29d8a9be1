//! Namespaces (DISC-NS-*): private DNS ones, whose names tasks look up, and HTTP ones, which only
//! DiscoverInstances knows.

use std::collections::BTreeSet;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::services::services;
use super::{in_use, invalid, listed, not_found, operations, page, passes};
use crate::error::{self, AwsError};
use crate::records::{Records, shown, table};
use crate::{Answer, arn, fields, names, note, tags};

/// By name: what a client said of it, `Type`, `CreateDate`; `vpc`, `tags`.
pub(super) const NAMESPACES: Records = table("servicediscovery", "namespace");

/// Seconds that a missing name may be remembered, unless a client says otherwise (DISC-NS-10).
const SOA_TTL_S: u32 = 15;

/// The names of all namespaces: of records, and of the platform's discovery services.
fn all(platform: &Platform) -> BTreeSet<String> {
    let recorded = NAMESPACES.all(platform).map(|(name, _)| name.to_owned());
    recorded.chain(platform.names().map(|n| n.spec.namespace.clone())).collect()
}

/// The name of the namespace with that id or ARN.
pub(super) fn named(platform: &Platform, asked: &str) -> Result<String, AwsError> {
    let id = arn::resource(asked, "servicediscovery", "namespace").unwrap_or(asked);
    let found = all(platform).into_iter().find(|name| names::namespace_id(name) == id);
    found.ok_or_else(|| not_found("NamespaceNotFound", id))
}

/// The namespace of that name, if there is one.
pub(super) fn exists(platform: &Platform, name: &str) -> bool {
    all(platform).contains(name)
}

pub(super) fn namespace_arn(platform: &Platform, name: &str) -> String {
    let id = names::namespace_id(name);
    arn::of(platform.identity(), "servicediscovery", format_args!("namespace/{id}"))
}

/// `HTTP` or `DNS_PRIVATE`.
pub(super) fn kind(platform: &Platform, name: &str) -> String {
    let record = NAMESPACES.get(platform, name).unwrap_or_default();
    fields::owned(&record, "Type").unwrap_or_else(|| "DNS_PRIVATE".to_owned())
}

fn view(platform: &Platform, name: &str) -> Value {
    let own = services(platform).into_iter().filter(|s| s.namespace == name).count();
    let record = NAMESPACES.get(platform, name).unwrap_or_default();
    let mut properties = json!({ "HttpProperties": { "HttpName": name } });
    if kind(platform, name) != "HTTP" {
        let ttl = record["soaTtl"].as_u64().unwrap_or(u64::from(SOA_TTL_S));
        let zone = arn::derived(&[b"zone", name.as_bytes()]);
        properties["DnsProperties"] =
            json!({ "HostedZoneId": format!("Z{zone:016X}"), "SOA": { "TTL": ttl } });
    }
    let mut view = json!({
        "Id": names::namespace_id(name),
        "Arn": namespace_arn(platform, name),
        "ResourceOwner": platform.identity().account,
        "Name": name,
        "Type": "DNS_PRIVATE",
        "ServiceCount": own,
        "Properties": properties,
    });
    note::merge(&mut view, &shown(&record));
    view
}

fn soa_ttl(of: &Value) -> Option<u64> {
    of["Properties"]["DnsProperties"]["SOA"]["TTL"].as_u64()
}

/// DISC-NS-3, DISC-NS-4.
fn create(platform: &Platform, input: &Value, kind: &str) -> Result<Answer, AwsError> {
    let name = fields::text(input, "Name").unwrap_or_default();
    let id = names::namespace_id(name);
    if let Some(there) = all(platform).iter().find(|there| there.eq_ignore_ascii_case(name)) {
        let record = NAMESPACES.get(platform, there).unwrap_or_default();
        let creator = fields::text(&record, "CreatorRequestId").unwrap_or_default();
        return Err(error::client(
            "NamespaceAlreadyExists",
            format!("The namespace {name} exists."),
        )
        .with_field("NamespaceId", id)
        .with_field("CreatorRequestId", creator));
    }
    let mut record = note::members(input, &["CreatorRequestId", "Description"]);
    record["Type"] = json!(kind);
    record["CreateDate"] = fields::time(platform.now());
    fields::set(&mut record, "vpc", fields::owned(input, "Vpc"));
    fields::set(&mut record, "soaTtl", soa_ttl(input));
    tags::note(&mut record, &tags::read(fields::list(input, "Tags"), tags::LARGE));
    let put = NAMESPACES.put(name, &record);
    operations::done(platform, "CREATE_NAMESPACE", &json!({ "NAMESPACE": id }), vec![put])
}

pub(super) fn create_http(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    create(platform, input, "HTTP")
}

pub(super) fn create_private_dns(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "Name").unwrap_or_default();
    let label = |label: &str| {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !label.is_empty() && label.len() <= 63 && label.chars().all(letters)
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(invalid(format!("{name} is no name of a DNS zone, such as shop.local")));
    }
    if !fields::text(input, "Vpc").is_some_and(|vpc| vpc.starts_with("vpc-")) {
        return Err(invalid("Vpc must be the id of a VPC: vpc-..."));
    }
    create(platform, input, "DNS_PRIVATE")
}

/// Of HTTP and private DNS namespaces.
pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = named(platform, fields::text(input, "Id").unwrap_or_default())?;
    let mut record = NAMESPACES.get(platform, &name).unwrap_or_else(|| json!({}));
    let news = &input["Namespace"];
    note::merge(&mut record, &note::members(news, &["Description"]));
    fields::set(&mut record, "soaTtl", soa_ttl(news));
    let put = NAMESPACES.put(&name, &record);
    let targets = json!({ "NAMESPACE": names::namespace_id(&name) });
    operations::done(platform, "UPDATE_NAMESPACE", &targets, vec![put])
}

/// DISC-NS-6.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = named(platform, fields::text(input, "Id").unwrap_or_default())?;
    let own = services(platform).into_iter().filter(|s| s.namespace == name).count();
    if own > 0 {
        return Err(in_use(format!(
            "The namespace {name} still contains {own} services: delete them first"
        )));
    }
    let targets = json!({ "NAMESPACE": names::namespace_id(&name) });
    let gone = NAMESPACES.remove(&name);
    operations::done(platform, "DELETE_NAMESPACE", &targets, vec![gone])
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = named(platform, fields::text(input, "Id").unwrap_or_default())?;
    Ok(Answer::Now(json!({ "Namespace": view(platform, &name) })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found: Vec<String> = all(platform)
        .into_iter()
        .filter(|name| {
            let kind = kind(platform, name);
            let values = [
                ("NAME", name.as_str()),
                ("HTTP_NAME", name),
                ("TYPE", &kind),
                ("RESOURCE_OWNER", "SELF"),
            ];
            passes(input, &values)
        })
        .collect();
    let page = page(input, found, String::clone)?;
    let view = |name: &String| {
        let mut view = view(platform, name);
        if let Some(members) = view.as_object_mut() {
            members.remove("CreatorRequestId");
        }
        view
    };
    Ok(Answer::Now(listed("Namespaces", page.entries.iter().map(view).collect(), page.next)))
}
