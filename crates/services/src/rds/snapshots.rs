//! Snapshots: what a deletion leaves of an instance.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::{SNAPSHOTS, arn_of, name, paged};
use crate::error::{self, AwsError};
use crate::{Answer, fields, note, tags};

/// Members that a snapshot has from its instance.
const COPIED: [&str; 13] = [
    "DBInstanceIdentifier",
    "Engine",
    "EngineVersion",
    "AllocatedStorage",
    "AvailabilityZone",
    "MasterUsername",
    "LicenseModel",
    "Iops",
    "StorageType",
    "StorageThroughput",
    "KmsKeyId",
    "DbiResourceId",
    "IAMDatabaseAuthenticationEnabled",
];

/// Keeps the last snapshot of an instance.
pub(super) fn keep(
    platform: &Platform,
    input: &Value,
    instance: &Value,
) -> Result<Command, AwsError> {
    let name = name(input, "FinalDBSnapshotIdentifier")?;
    if SNAPSHOTS.has(platform, &name) {
        let why = format!(
            "Cannot create the snapshot because one with the identifier {name} already exists."
        );
        return Err(error::client("DBSnapshotAlreadyExists", why));
    }
    let of = &instance["view"];
    let mut view = note::members(of, &COPIED);
    view["DBSnapshotIdentifier"] = json!(name);
    view["DBSnapshotArn"] = json!(arn_of(platform, "snapshot", &name));
    view["SnapshotType"] = json!("manual");
    view["Status"] = json!("available");
    view["PercentProgress"] = json!(100);
    view["SnapshotCreateTime"] = fields::time(platform.now());
    view["InstanceCreateTime"] = of["InstanceCreateTime"].clone();
    view["Encrypted"] = of["StorageEncrypted"].clone();
    view["Port"] = of["Endpoint"]["Port"].clone();
    let mut record = json!({ "view": view });
    if of["CopyTagsToSnapshot"] == true {
        tags::note(&mut record, &tags::noted(instance));
    }
    Ok(SNAPSHOTS.put(&name, &record))
}

fn not_found(name: &str) -> AwsError {
    error::client("DBSnapshotNotFound", format!("DBSnapshot {name} not found."))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let wanted = fields::text(input, "DBSnapshotIdentifier").map(str::to_ascii_lowercase);
    if let Some(name) = wanted.as_ref().filter(|name| !SNAPSHOTS.has(platform, name)) {
        return Err(not_found(name));
    }
    let instance = fields::text(input, "DBInstanceIdentifier").map(str::to_ascii_lowercase);
    let all = SNAPSHOTS.all(platform).map(|(name, mut record)| (name, record["view"].take()));
    let found = all
        .filter(|(name, _)| wanted.as_ref().is_none_or(|w| w == name))
        .filter(|(_, view)| instance.as_ref().is_none_or(|i| view["DBInstanceIdentifier"] == **i));
    Ok(Answer::Now(paged(input, "DBSnapshots", found.collect())?))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "DBSnapshotIdentifier").unwrap_or_default().to_ascii_lowercase();
    let Some(mut record) = SNAPSHOTS.get(platform, &name) else { return Err(not_found(&name)) };
    let mut view = record["view"].take();
    view["Status"] = json!("deleted");
    Answer::after(vec![SNAPSHOTS.remove(&name)], move |_| json!({ "DBSnapshot": view }))
}
