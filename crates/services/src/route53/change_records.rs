//! Changing record sets: a batch of changes takes effect as a whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::records::{RECORDS, key, of_zone};
use super::{change_info, invalid_input, names, zones};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, fields};

pub(super) fn change(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (id, zone) = zones::find(platform, input, "HostedZoneId")?;
    let mut batch = Batch::of(platform, &id, fields::text(&zone, "Name").unwrap_or_default());
    let changes = fields::list(&input["ChangeBatch"], "Changes");
    let mut refused = Vec::new();
    for change in changes {
        let record = normal(&change["ResourceRecordSet"]);
        let action = fields::text(change, "Action").unwrap_or_default();
        complete(action, &record)?;
        refused.extend(batch.apply(action, record).err());
    }
    if refused.is_empty() {
        refused.extend(batch.what_is_missing());
    }
    if !refused.is_empty() {
        return Err(error::client("InvalidChangeBatch", format!("[{}]", refused.join(", "))));
    }
    let mut ids = Ids::of(platform);
    let comment = fields::text(&input["ChangeBatch"], "Comment");
    let info = change_info(platform, &mut ids, comment);
    let mut commands = batch.commands();
    commands.push(ids.taken());
    Answer::after(commands, move |_| json!({ "ChangeInfo": info }))
}

/// A record set as it is kept and shown.
fn normal(record: &Value) -> Value {
    let mut record = record.clone();
    record["Name"] = json!(names::normal(fields::text(&record, "Name").unwrap_or_default()));
    if let Some(target) = fields::text(&record["AliasTarget"], "DNSName") {
        record["AliasTarget"]["DNSName"] = json!(names::normal(target));
    }
    record
}

/// Whether a record set says what one must say, whatever the zone.
fn complete(action: &str, record: &Value) -> Result<(), AwsError> {
    let part = |member: &str| fields::text(record, member).unwrap_or("null");
    let place = format!(
        "in Change with [Action={action}, Name={}, Type={}, SetIdentifier={}]",
        part("Name"),
        part("Type"),
        part("SetIdentifier")
    );
    let alias = fields::sent(record, "AliasTarget");
    let values = !fields::list(record, "ResourceRecords").is_empty();
    let ttl = fields::sent(record, "TTL");
    let found = match (alias, values && ttl) {
        (true, false) if !values && !ttl => None,
        (false, true) => None,
        (false, false) if values => {
            return Err(invalid_input(format!("Invalid request: Missing field 'TTL' {place}")));
        }
        (false, _) => Some("none"),
        (true, _) => Some("more than one"),
    };
    if let Some(found) = found {
        return Err(invalid_input(format!(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and \
             ResourceRecords], or TrafficPolicyInstanceId], but found {found} {place}"
        )));
    }
    let routed = ["Weight", "Region", "GeoLocation", "Failover", "MultiValueAnswer"];
    let routed: Vec<&str> = routed.into_iter().filter(|m| fields::sent(record, m)).collect();
    match (routed.len(), fields::sent(record, "SetIdentifier")) {
        (0, false) | (1, true) => Ok(()),
        (0, true) => Err(invalid_input(format!(
            "Invalid request: Expected exactly one of [Weight, Region, Failover, GeoLocation, or \
             MultiValueAnswer], but found none {place}"
        ))),
        (1, false) => {
            Err(invalid_input(format!("Invalid request: Missing field 'SetIdentifier' {place}")))
        }
        _ => Err(invalid_input(format!(
            "Invalid request: Expected exactly one of [Weight, Region, Failover, GeoLocation, or \
             MultiValueAnswer], but found more than one {place}"
        ))),
    }
}

/// What is wrong with a value of that type of record, in the words of Route 53.
fn illegal(kind: &str, value: &str) -> Option<String> {
    let problem = match kind {
        "A" if value.parse::<std::net::Ipv4Addr>().is_err() => {
            "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
        }
        "AAAA" if value.parse::<std::net::Ipv6Addr>().is_err() => {
            "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
        }
        "TXT" | "SPF" if value.len() < 2 || !value.starts_with('"') || !value.ends_with('"') => {
            "InvalidCharacterString (Value should be enclosed in quotation marks)"
        }
        "TXT" | "SPF" if value.split('"').any(|text| text.len() > 255) => {
            "CharacterStringTooLong (Value is too long)"
        }
        "MX" if value.split_whitespace().count() != 2 => {
            "MXRRDATATwoFields (Value must have two fields: a priority and a host name)"
        }
        _ => return None,
    };
    Some(format!("Invalid Resource Record: 'FATAL problem: {problem} encountered with '{value}''"))
}

/// The record sets of a zone as they will be.
struct Batch<'a> {
    zone: &'a str,
    zone_name: &'a str,
    records: BTreeMap<String, Value>,
    changed: BTreeSet<String>,
}

impl<'a> Batch<'a> {
    fn of(platform: &Platform, zone: &'a str, zone_name: &'a str) -> Self {
        let records = of_zone(platform, zone).map(|(key, record)| (key.to_owned(), record));
        Self { zone, zone_name, records: records.collect(), changed: BTreeSet::new() }
    }

    /// The error is Route 53's message.
    fn apply(&mut self, action: &str, record: Value) -> Result<(), String> {
        let key = key(self.zone, &record);
        let before = self.records.get(&key);
        let which = described(&record);
        match (action, before) {
            ("CREATE", Some(_)) => {
                return Err(format!(
                    "Tried to create resource record set {which} but it already exists"
                ));
            }
            ("DELETE", None) => {
                return Err(format!(
                    "Tried to delete resource record set {which} but it was not found"
                ));
            }
            ("DELETE", Some(before)) => {
                if comparable(before) != comparable(&record) {
                    return Err(format!(
                        "Tried to delete resource record set {which} but the values provided do \
                         not match the current values"
                    ));
                }
                self.records.remove(&key);
            }
            _ => {
                self.admissible(&key, &record)?;
                self.records.insert(key.clone(), record);
            }
        }
        self.changed.insert(key);
        Ok(())
    }

    /// Whether the record set may be in this zone beside the others.
    fn admissible(&self, own_key: &str, record: &Value) -> Result<(), String> {
        let part = |member: &str| fields::text(record, member).unwrap_or_default();
        let (name, kind, zone) = (part("Name"), part("Type"), self.zone_name);
        if !names::within(name, zone) {
            return Err(format!("RRSet with DNS name {name} is not permitted in zone {zone}"));
        }
        if kind == "CNAME" && name == zone {
            return Err(format!(
                "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"
            ));
        }
        let values = fields::list(record, "ResourceRecords").iter();
        let values: Vec<&str> = values.filter_map(|value| fields::text(value, "Value")).collect();
        if let Some(why) = values.iter().find_map(|value| illegal(kind, value)) {
            return Err(why);
        }
        if kind == "CNAME" && values.len() > 1 {
            return Err(format!(
                "RRSet of type CNAME with DNS name {name} must have one value, and has {}",
                values.len()
            ));
        }
        let mut others = self.records.iter().filter(|(key, _)| *key != own_key);
        let clash = others.find_map(|(_, other)| {
            let other_kind = fields::text(other, "Type").unwrap_or_default();
            if fields::text(other, "Name") != Some(name) {
                return None;
            }
            if (kind == "CNAME") != (other_kind == "CNAME") {
                return Some(format!(
                    "RRSet of type {kind} with DNS name {name} is not permitted as it conflicts \
                     with other records with the same DNS name in zone {zone}"
                ));
            }
            let routed = |record: &Value| {
                ["Weight", "Region", "GeoLocation", "Failover", "MultiValueAnswer"]
                    .into_iter()
                    .find(|member| fields::sent(record, member))
            };
            (other_kind == kind && routed(other) != routed(record)).then(|| {
                format!(
                    "RRSet with DNS name {name}, type {kind}, SetIdentifier {} cannot be created \
                     as a RRSet of another routing policy exists with the same name and type",
                    fields::text(record, "SetIdentifier").unwrap_or("null")
                )
            })
        });
        match clash {
            Some(why) => Err(why),
            None => self.target_exists(record),
        }
    }

    /// An alias of a record in the same zone needs that record.
    fn target_exists(&self, record: &Value) -> Result<(), String> {
        let target = &record["AliasTarget"];
        if fields::text(target, "HostedZoneId") != Some(self.zone) {
            return Ok(());
        }
        let name = fields::text(target, "DNSName").unwrap_or_default();
        let kind = fields::text(record, "Type").unwrap_or_default();
        let is_target = |other: &Value| other["Name"] == target["DNSName"] && other["Type"] == kind;
        if self.records.values().any(is_target) {
            return Ok(());
        }
        Err(format!(
            "Tried to create an alias that targets {name}, type {kind} in zone {}, but that target \
             was not found",
            self.zone
        ))
    }

    /// What every zone must have, if the batch took it away.
    fn what_is_missing(&self) -> Option<String> {
        let has = |kind: &str| {
            let own = json!({ "Name": self.zone_name, "Type": kind });
            self.records.contains_key(&key(self.zone, &own))
        };
        match (has("SOA"), has("NS")) {
            (false, _) => Some("A HostedZone must contain exactly one SOA record.".to_owned()),
            (_, false) => Some(
                "A HostedZone must contain at least one NS record for the zone itself.".to_owned(),
            ),
            _ => None,
        }
    }

    fn commands(&self) -> Vec<Command> {
        let command = |key: &String| match self.records.get(key) {
            Some(record) => RECORDS.put(key, record),
            None => RECORDS.remove(key),
        };
        self.changed.iter().map(command).collect()
    }
}

/// A record set as Route 53's messages name it.
fn described(record: &Value) -> String {
    let part = |member: &str| fields::text(record, member).unwrap_or_default();
    let mut text = format!("[name='{}', type='{}'", part("Name"), part("Type"));
    if let Some(set) = fields::text(record, "SetIdentifier") {
        text += &format!(", set-identifier='{set}'");
    }
    text + "]"
}

/// A record set with its values in one order.
fn comparable(record: &Value) -> Value {
    let mut record = record.clone();
    if let Some(values) = record.get_mut("ResourceRecords").and_then(Value::as_array_mut) {
        values.sort_by_key(|value| value["Value"].to_string());
    }
    record
}
