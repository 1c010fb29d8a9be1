//! Amazon RDS: DB instances, subnet groups, parameter groups, snapshots.
//!
//! All of them are records: an instance is available from the moment it is made, has an endpoint
//! address of the right shape, and nothing listens there. Changes take effect at once, also those
//! that RDS would keep for the next maintenance window. Passwords are checked and dropped.

mod catalogue;
mod instances;
mod modify;
mod parameter_groups;
mod snapshots;
mod subnet_groups;
mod tagging;

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Table, arn, fields, page, tags};

pub(crate) const OPERATIONS: Table = &[
    ("AddTagsToResource", tagging::add),
    ("CreateDBInstance", instances::create),
    ("CreateDBParameterGroup", parameter_groups::create),
    ("CreateDBSubnetGroup", subnet_groups::create),
    ("DeleteDBInstance", instances::delete),
    ("DeleteDBParameterGroup", parameter_groups::delete),
    ("DeleteDBSnapshot", snapshots::delete),
    ("DeleteDBSubnetGroup", subnet_groups::delete),
    ("DescribeCertificates", catalogue::certificates),
    ("DescribeDBEngineVersions", catalogue::engine_versions),
    ("DescribeDBInstances", instances::describe),
    ("DescribeDBParameterGroups", parameter_groups::describe),
    ("DescribeDBParameters", parameter_groups::parameters),
    ("DescribeDBSnapshots", snapshots::describe),
    ("DescribeDBSubnetGroups", subnet_groups::describe),
    ("DescribeEvents", catalogue::events),
    ("DescribeOrderableDBInstanceOptions", catalogue::orderable),
    ("ListTagsForResource", tagging::list),
    ("ModifyDBInstance", modify::modify),
    ("ModifyDBParameterGroup", parameter_groups::modify),
    ("ModifyDBSubnetGroup", subnet_groups::modify),
    ("RebootDBInstance", modify::reboot),
    ("RemoveTagsFromResource", tagging::remove),
    ("ResetDBParameterGroup", parameter_groups::reset),
    ("StartDBInstance", modify::start),
    ("StopDBInstance", modify::stop),
];

/// `{"view": as the API shows it, "tags": {..}}`, each by its name in small letters.
const INSTANCES: Records = table("rds", "db");
const SUBNET_GROUPS: Records = table("rds", "subgrp");
/// Also with `"parameters": {name: {"ParameterValue", "ApplyMethod"}}`.
const PARAMETER_GROUPS: Records = table("rds", "pg");
const SNAPSHOTS: Records = table("rds", "snapshot");

/// A listing has as many entries unless the input says fewer.
const PAGE: u64 = 100;

fn arn_of(platform: &Platform, kind: &str, name: &str) -> String {
    arn::of(platform.identity(), "rds", format_args!("{kind}:{name}"))
}

/// The record of something that was just named, with the tags of the input.
fn record(view: Value, input: &Value) -> Value {
    let mut record = json!({ "view": view });
    tags::note(&mut record, &tags::read(fields::list(input, "Tags"), tags::LARGE));
    record
}

/// One page of a listing, with the marker of the next.
fn paged(input: &Value, member: &str, entries: Vec<(&str, Value)>) -> Result<Value, AwsError> {
    let size = fields::number(input, "MaxRecords").unwrap_or(PAGE) as usize;
    let marker = fields::text(input, "Marker");
    let page = page::page(entries, |(key, _)| (*key).to_owned(), false, marker, size)
        .map_err(|_| error::client("InvalidParameterValue", "Invalid or expired marker."))?;
    let views: Vec<Value> = page.entries.into_iter().map(|(_, view)| view).collect();
    let mut answer = json!({ member: views });
    fields::set(&mut answer, "Marker", page.next);
    Ok(answer)
}

/// A name as RDS takes it: letters, digits and hyphens, kept in small letters.
fn name(input: &Value, member: &str) -> Result<String, AwsError> {
    let name = fields::text(input, member).unwrap_or_default().to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if begins && name.chars().all(allowed) && !name.ends_with('-') && !name.contains("--") {
        return Ok(name);
    }
    let why = format!(
        "The parameter {member} is not a valid identifier. Identifiers must begin with a letter; \
         must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or \
         contain two consecutive hyphens."
    );
    Err(error::client("InvalidParameterValue", why))
}
