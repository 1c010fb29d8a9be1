//! Resource record sets: how they are kept, and what others may ask about them.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::Value;

use super::{names, zones};
use crate::fields;
use crate::records::{Records, table};

/// Under `<zone> <name from the top down> <type> <set identifier>`: in the order of listings. A
/// blank is in none of the parts but the last, and comes before every letter.
pub(super) const RECORDS: Records = table("route53", "record");

/// The key of a record set in a zone.
pub(super) fn key(zone: &str, record: &Value) -> String {
    let part = |member: &str| fields::text(record, member).unwrap_or_default();
    format!("{zone} {} {} {}", names::order(part("Name")), part("Type"), part("SetIdentifier"))
}

/// Keeps a record set in a zone.
pub(super) fn put(zone: &str, record: &Value) -> Command {
    RECORDS.put(&key(zone, record), record)
}

/// The record sets of a zone, in their order, as (key, record set).
pub(super) fn of_zone<'a>(
    platform: &'a Platform,
    zone: &str,
) -> impl Iterator<Item = (&'a str, Value)> + use<'a> {
    RECORDS.starting(platform, &format!("{zone} "))
}

/// The public zones that a name lies in.
fn zones_for<'a>(platform: &'a Platform, name: &'a str) -> impl Iterator<Item = &'a str> {
    zones::ZONES
        .all(platform)
        .filter(|(_, zone)| {
            let own = fields::text(zone, "Name").unwrap_or_default();
            !zones::is_private(zone) && names::within(name, own)
        })
        .map(|(id, _)| id)
}

/// Whether a public zone is kept here that the name lies in.
pub(crate) fn has_zone_for(platform: &Platform, name: &str) -> bool {
    zones_for(platform, &names::normal(name)).next().is_some()
}

/// Whether a public zone here has a record of that name and type with that value.
pub(crate) fn has_value(platform: &Platform, name: &str, kind: &str, value: &str) -> bool {
    let (name, value) = (names::normal(name), names::normal(value));
    let named = |record: &Value| {
        fields::text(record, "Name") == Some(&name) && fields::text(record, "Type") == Some(kind)
    };
    let says = |record: &Value| {
        let mut values = fields::list(record, "ResourceRecords").iter();
        values.any(|v| fields::text(v, "Value").is_some_and(|v| names::normal(v) == value))
    };
    zones_for(platform, &name)
        .flat_map(|zone| of_zone(platform, zone))
        .any(|(_, record)| named(&record) && says(&record))
}
