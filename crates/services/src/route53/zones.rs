//! Hosted zones.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::records::{RECORDS, of_zone, put};
use super::{change_info, invalid_input, max_items, names};
use crate::error::{self, AwsError};
use crate::records::{Ids, Records, table};
use crate::{Answer, fields, tags};

/// By id. What Route 53 shows elsewhere stands in small letters: `servers`, `vpcs`, `tags`.
pub(super) const ZONES: Records = table("route53", "zone");

/// How many zones a page has at most.
const PAGE: usize = 100;

/// The id of a zone, with or without what stands before it in some answers.
fn id_of(given: &str) -> &str {
    given.trim_start_matches("/hostedzone/")
}

/// The id and the record of the zone that a member names.
pub(super) fn find(
    platform: &Platform,
    input: &Value,
    member: &str,
) -> Result<(String, Value), AwsError> {
    let id = id_of(fields::text(input, member).unwrap_or_default());
    let zone = ZONES.get(platform, id).ok_or_else(|| {
        let why = format!("No hosted zone found with ID: {id}");
        error::client("NoSuchHostedZone", why).with_status(404)
    })?;
    Ok((id.to_owned(), zone))
}

pub(super) fn is_private(zone: &Value) -> bool {
    zone["Config"]["PrivateZone"] == true
}

fn view(platform: &Platform, id: &str, zone: &Value) -> Value {
    json!({
        "Id": format!("/hostedzone/{id}"),
        "Name": zone["Name"],
        "CallerReference": zone["CallerReference"],
        "Config": zone["Config"],
        "ResourceRecordSetCount": of_zone(platform, id).count(),
    })
}

/// Four name servers, one of each of AWS's domains.
fn name_servers(bits: u64) -> [String; 4] {
    [(0, "com"), (1, "net"), (2, "org"), (3, "co.uk")].map(|(place, domain)| {
        let bits = bits >> (16 * place);
        format!("ns-{}.awsdns-{:02}.{domain}", 512 * place + (bits & 511), (bits >> 9) & 63)
    })
}

/// What every zone has from the start.
fn first_records(id: &str, name: &str, servers: &[String]) -> [Command; 2] {
    let records = |values: Vec<String>| -> Value {
        values.into_iter().map(|value| json!({ "Value": value })).collect()
    };
    let first = servers.first().map(String::as_str).unwrap_or_default();
    let soa = format!("{first}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400");
    let ns = servers.iter().map(|server| format!("{server}.")).collect();
    [("NS", 172_800, records(ns)), ("SOA", 900, records(vec![soa]))].map(|(kind, ttl, values)| {
        put(id, &json!({ "Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": values }))
    })
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = names::normal(fields::text(input, "Name").unwrap_or_default());
    names::check(&name)?;
    let reference = fields::text(input, "CallerReference").unwrap_or_default();
    let mut zones = ZONES.all(platform);
    if zones.any(|(_, zone)| fields::text(&zone, "CallerReference") == Some(reference)) {
        let why = format!(
            "A hosted zone has already been created with the specified caller reference: {reference}"
        );
        return Err(error::client("HostedZoneAlreadyExists", why).with_status(409));
    }
    let said = &input["HostedZoneConfig"];
    let private = fields::sent(input, "VPC");
    if fields::flag(said, "PrivateZone").unwrap_or_default() && !private {
        return Err(invalid_input(
            "When you're creating a private hosted zone (when you specify true for PrivateZone), \
             you must also specify values for VPCId and VPCRegion.",
        ));
    }
    let mut config = json!({ "PrivateZone": private });
    fields::set(&mut config, "Comment", fields::owned(said, "Comment"));
    let mut ids = Ids::of(platform);
    let id = ids.capitals("Z", 21);
    let servers = name_servers(ids.bits());
    let mut zone = json!({
        "Name": name,
        "CallerReference": reference,
        "Config": config,
        "servers": servers,
    });
    if private {
        zone["vpcs"] = json!([input["VPC"]]);
    }
    let change = change_info(platform, &mut ids, None);
    let mut commands = vec![ids.taken(), ZONES.put(&id, &zone)];
    commands.extend(first_records(&id, &name, &servers));
    let vpc = input["VPC"].clone();
    Answer::after(commands, move |platform| {
        json!({
            "HostedZone": view(platform, &id, &zone),
            "ChangeInfo": change,
            "DelegationSet": { "NameServers": zone["servers"] },
            "VPC": vpc,
            "Location": format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{id}"),
        })
    })
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, zone) = find(platform, input, "Id")?;
    let mut answer = json!({ "HostedZone": view(platform, &id, &zone) });
    match is_private(&zone) {
        true => answer["VPCs"] = zone["vpcs"].clone(),
        false => answer["DelegationSet"] = json!({ "NameServers": zone["servers"] }),
    }
    Ok(Answer::Now(answer))
}

pub(super) fn update_comment(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, mut zone) = find(platform, input, "Id")?;
    match fields::text(input, "Comment") {
        Some(comment) => zone["Config"]["Comment"] = json!(comment),
        None => drop(zone["Config"].as_object_mut().map(|config| config.remove("Comment"))),
    }
    Answer::after(
        vec![ZONES.put(&id, &zone)],
        move |platform| json!({ "HostedZone": view(platform, &id, &zone) }),
    )
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, zone) = find(platform, input, "Id")?;
    let own = |record: &Value| {
        record["Name"] == zone["Name"] && (record["Type"] == "NS" || record["Type"] == "SOA")
    };
    if of_zone(platform, &id).any(|(_, record)| !own(&record)) {
        let why = "The specified hosted zone contains non-required resource record sets and so \
                   cannot be deleted.";
        return Err(error::client("HostedZoneNotEmpty", why));
    }
    let mut ids = Ids::of(platform);
    let change = change_info(platform, &mut ids, None);
    let mut commands = vec![ids.taken(), ZONES.remove(&id)];
    commands.extend(of_zone(platform, &id).map(|(key, _)| RECORDS.remove(key)));
    Answer::after(commands, move |_| json!({ "ChangeInfo": change }))
}

pub(super) fn count(platform: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "HostedZoneCount": ZONES.all(platform).count() })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let size = max_items(input, PAGE)?;
    let marker = fields::text(input, "Marker").unwrap_or_default();
    let only_private = fields::text(input, "HostedZoneType") == Some("PrivateHostedZone");
    let wanted = |zone: &Value| !only_private || is_private(zone);
    let all = ZONES.all(platform).filter(|(id, zone)| *id >= id_of(marker) && wanted(zone));
    let mut all: Vec<(&str, Value)> = all.take(size + 1).collect();
    let next = (all.len() > size).then(|| all.pop()).flatten().map(|(id, _)| id);
    let zones: Value = all.iter().map(|(id, zone)| view(platform, id, zone)).collect();
    let mut answer = json!({
        "HostedZones": zones,
        "Marker": marker,
        "IsTruncated": next.is_some(),
        "MaxItems": size.to_string(),
    });
    fields::set(&mut answer, "NextMarker", next);
    Ok(Answer::Now(answer))
}

pub(super) fn list_by_name(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let size = max_items(input, PAGE)?;
    let from_name = fields::text(input, "DNSName").map(|name| names::order(&names::normal(name)));
    let from_id = fields::text(input, "HostedZoneId").map(id_of);
    if from_id.is_some() && from_name.is_none() {
        return Err(invalid_input("HostedZoneId can only be given together with DNSName"));
    }
    let from = (from_name.unwrap_or_default(), from_id.unwrap_or_default());
    let mut all: Vec<((String, &str), Value)> = ZONES
        .all(platform)
        .map(|(id, zone)| {
            ((names::order(fields::text(&zone, "Name").unwrap_or_default()), id), zone)
        })
        .filter(|((name, id), _)| (name.as_str(), *id) >= (from.0.as_str(), from.1))
        .collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    let next = (all.len() > size).then(|| all.swap_remove(size));
    all.truncate(size);
    let zones: Value = all.iter().map(|((_, id), zone)| view(platform, id, zone)).collect();
    let mut answer = json!({
        "HostedZones": zones,
        "IsTruncated": next.is_some(),
        "MaxItems": size.to_string(),
    });
    fields::set(&mut answer, "DNSName", fields::owned(input, "DNSName"));
    fields::set(&mut answer, "HostedZoneId", fields::owned(input, "HostedZoneId"));
    if let Some(((_, id), zone)) = next {
        answer["NextDNSName"] = zone["Name"].clone();
        answer["NextHostedZoneId"] = json!(id);
    }
    Ok(Answer::Now(answer))
}

/// No zone is signed.
pub(super) fn dnssec(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, zone) = find(platform, input, "HostedZoneId")?;
    if is_private(&zone) {
        return Err(error::client(
            "InvalidArgument",
            "Operation is unsupported for private hosted zones",
        ));
    }
    Ok(Answer::Now(json!({
        "Status": { "ServeSignature": "NOT_SIGNING" },
        "KeySigningKeys": [],
    })))
}

/// Changes the tags of a zone.
pub(super) fn change_tags(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut Value),
) -> Result<Answer, AwsError> {
    let (id, mut zone) = find(platform, input, "ResourceId")?;
    change(&mut zone);
    if tags::noted(&zone).len() > 50 {
        return Err(invalid_input("A hosted zone can have at most 50 tags"));
    }
    Answer::after(vec![ZONES.put(&id, &zone)], |_| json!({}))
}
