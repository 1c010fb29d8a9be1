//! DB instances: create, describe, delete.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::catalogue::{self, CERTIFICATES, CERTIFICATES_END};
use super::{INSTANCES, arn_of, modify, name, paged, parameter_groups};
use super::{record, snapshots, subnet_groups};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, fields, names, note, place, tags};

/// The zone's id of the endpoints' domain, as it stands beside every endpoint.
const ENDPOINT_ZONE: &str = "Z2R2ITUGPM61AM";
const SHORTEST_PASSWORD: usize = 8;

/// The instance of that name.
pub(super) fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let name = fields::text(input, "DBInstanceIdentifier").unwrap_or_default().to_ascii_lowercase();
    match INSTANCES.get(platform, &name) {
        Some(record) => Ok((name, record)),
        None => Err(not_found(&name)),
    }
}

fn not_found(name: &str) -> AwsError {
    error::client("DBInstanceNotFound", format!("DBInstance {name} not found."))
}

/// The instance as the API shows it.
pub(super) fn shown(platform: &Platform, record: &Value) -> Value {
    let mut view = record["view"].clone();
    view["TagList"] = tags::write(&tags::noted(record), tags::LARGE);
    if let Some(mut group) = fields::text(record, "subnetGroup")
        .and_then(|name| subnet_groups::find(platform, name).ok())
    {
        view["DBSubnetGroup"] = group["view"].take();
    }
    view
}

/// A password that a client sends is checked and forgotten.
pub(super) fn check_password(input: &Value) -> Result<(), AwsError> {
    let managed = fields::flag(input, "ManageMasterUserPassword").unwrap_or(false);
    match fields::text(input, "MasterUserPassword") {
        Some(_) if managed => Err(error::client(
            "InvalidParameterCombination",
            "You can't specify MasterUserPassword when ManageMasterUserPassword is turned on.",
        )),
        Some(password) if password.len() < SHORTEST_PASSWORD => Err(error::client(
            "InvalidParameterValue",
            format!(
                "The parameter MasterUserPassword is not a valid password because it is shorter \
                 than {SHORTEST_PASSWORD} characters."
            ),
        )),
        Some(password) if password.contains(['/', '@', '"', ' ']) => Err(error::client(
            "InvalidParameterValue",
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII \
             characters besides '/', '@', '\"', ' ' may be used.",
        )),
        _ => Ok(()),
    }
}

fn required(input: &Value, member: &str) -> Result<(), AwsError> {
    match fields::sent(input, member) {
        true => Ok(()),
        false => {
            let why = format!("The request must contain the parameter {member}.");
            Err(error::client("MissingParameter", why))
        }
    }
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = name(input, "DBInstanceIdentifier")?;
    if INSTANCES.has(platform, &name) {
        return Err(error::client("DBInstanceAlreadyExists", "DB instance already exists"));
    }
    let engine = fields::text(input, "Engine").unwrap_or_default();
    let (version, full) = catalogue::choose(engine, fields::text(input, "EngineVersion"))?;
    for member in ["AllocatedStorage", "MasterUsername"] {
        required(input, member)?;
    }
    let managed = fields::flag(input, "ManageMasterUserPassword").unwrap_or(false);
    if !managed {
        required(input, "MasterUserPassword")?;
    }
    check_password(input)?;
    let class = fields::text(input, "DBInstanceClass").unwrap_or_default();
    if !class.starts_with("db.") {
        let why = format!("Invalid DB Instance class: {class}");
        return Err(error::client("InvalidParameterValue", why));
    }
    let port = fields::number(input, "Port").unwrap_or_else(|| catalogue::port(engine));
    let multi_az = fields::flag(input, "MultiAZ").unwrap_or(false);
    let zone = fields::owned(input, "AvailabilityZone").unwrap_or_else(|| place::zone(platform, 0));
    let (region, account) = (&platform.identity().region, &platform.identity().account);
    let host = crate::arn::derived(&[b"rds", account.as_bytes(), region.as_bytes()]);
    let family = version.family();
    let mut ids = Ids::of(platform);
    let encrypted = fields::flag(input, "StorageEncrypted").unwrap_or(false);
    let mut view = json!({
        "DBInstanceIdentifier": name,
        "DBInstanceArn": arn_of(platform, "db", &name),
        "DbiResourceId": ids.capitals("db-", 29),
        "DBInstanceClass": class,
        "DBInstanceStatus": "available",
        "Engine": engine,
        "EngineVersion": full,
        "EngineLifecycleSupport": "open-source-rds-extended-support",
        "LicenseModel": catalogue::license(engine),
        "InstanceCreateTime": fields::time(platform.now()),
        "Endpoint": {
            "Address": format!("{name}.c{:.11}.{region}.rds.amazonaws.com", base36(host)),
            "Port": port,
            "HostedZoneId": ENDPOINT_ZONE,
        },
        "DbInstancePort": 0,
        "AvailabilityZone": zone,
        "StorageType": if fields::sent(input, "Iops") { "io1" } else { "gp2" },
        "StorageEncrypted": encrypted,
        "MultiAZ": multi_az,
        "DBParameterGroups": [{
            "DBParameterGroupName": format!("{}{family}", parameter_groups::DEFAULT),
            "ParameterApplyStatus": "in-sync",
        }],
        "OptionGroupMemberships": [{
            "OptionGroupName": format!("default:{}", option_family(version)),
            "Status": "in-sync",
        }],
        "VpcSecurityGroups": [{
            "VpcSecurityGroupId": names::security_group_id("default"),
            "Status": "active",
        }],
    });
    note::merge(&mut view, &defaults());
    if encrypted {
        let key = crate::arn::derived_uuid(&[b"aws/rds", account.as_bytes()]);
        let key = crate::arn::of(platform.identity(), "kms", format_args!("key/{key}"));
        view["KmsKeyId"] = json!(fields::owned(input, "KmsKeyId").unwrap_or(key));
    }
    for member in
        ["DBName", "MasterUsername", "CharacterSetName", "NcharCharacterSetName", "Timezone"]
    {
        fields::set(&mut view, member, fields::text(input, member));
    }
    if input["StorageType"] == "gp3" {
        // The least that gp3 has.
        view["Iops"] = json!(3000);
        view["StorageThroughput"] = json!(125);
    }
    let mut record = record(view, input);
    modify::apply(platform, &mut record, input)?;
    modify::logs(&mut record, fields::texts(input, "EnableCloudwatchLogsExports"), Vec::new());
    modify::manage_secret(platform, &mut ids, &mut record, input);
    record["view"]["CertificateDetails"] = json!({
        "CAIdentifier": record["view"]["CACertificateIdentifier"],
        "ValidTill": CERTIFICATES_END,
    });
    let key = name.clone();
    Answer::after(vec![INSTANCES.put(&name, &record), ids.taken()], move |platform| {
        let record = INSTANCES.get(platform, &key).unwrap_or_default();
        json!({ "DBInstance": shown(platform, &record) })
    })
}

/// What an instance is like unless its input says otherwise.
fn defaults() -> Value {
    json!({
        "BackupRetentionPeriod": 1,
        "PreferredBackupWindow": "07:00-07:30",
        "PreferredMaintenanceWindow": "sun:05:00-sun:05:30",
        "AutoMinorVersionUpgrade": true,
        "PubliclyAccessible": false,
        "CopyTagsToSnapshot": false,
        "DeletionProtection": false,
        "IAMDatabaseAuthenticationEnabled": false,
        "MonitoringInterval": 0,
        "PerformanceInsightsEnabled": false,
        "DatabaseInsightsMode": "standard",
        "NetworkType": "IPV4",
        "BackupTarget": "region",
        "CustomerOwnedIpEnabled": false,
        "DedicatedLogVolume": false,
        "ActivityStreamStatus": "stopped",
        "StorageThroughput": 0,
        "CACertificateIdentifier": CERTIFICATES[0],
        "DBSecurityGroups": [],
        "ReadReplicaDBInstanceIdentifiers": [],
        "ReadReplicaDBClusterIdentifiers": [],
        "PendingModifiedValues": {},
        "DomainMemberships": [],
        "AssociatedRoles": [],
    })
}

/// An option group is for a major version, written with a hyphen.
fn option_family(version: &catalogue::Version) -> String {
    format!("{}-{}", version.engine, version.major.replace('.', "-"))
}

/// As the hosts of endpoints are written.
fn base36(mut number: u64) -> String {
    let mut text = String::new();
    while number > 0 {
        text.extend(char::from_digit((number % 36) as u32, 36));
        number /= 36;
    }
    text
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let wanted = fields::text(input, "DBInstanceIdentifier");
    // An ARN will do as well.
    let wanted = wanted.map(|text| text.rsplit(':').next().unwrap_or(text).to_ascii_lowercase());
    if let Some(name) = wanted.as_ref().filter(|name| !INSTANCES.has(platform, name)) {
        return Err(not_found(name));
    }
    let mut found = Vec::new();
    for (name, record) in INSTANCES.all(platform) {
        if wanted.as_ref().is_none_or(|wanted| wanted == name) && filtered(&record["view"], input)?
        {
            found.push((name, shown(platform, &record)));
        }
    }
    Ok(Answer::Now(paged(input, "DBInstances", found)?))
}

/// Whether an instance passes every filter.
fn filtered(view: &Value, input: &Value) -> Result<bool, AwsError> {
    for filter in fields::list(input, "Filters") {
        let values = fields::texts(filter, "Values");
        let has = |member: &str| fields::text(view, member).is_some_and(|v| values.contains(&v));
        let passes = match fields::text(filter, "Name").unwrap_or_default() {
            "dbi-resource-id" => has("DbiResourceId"),
            "db-instance-id" => has("DBInstanceIdentifier") || has("DBInstanceArn"),
            "engine" => has("Engine"),
            // No instance is in a cluster or a directory.
            "db-cluster-id" | "domain" => false,
            other => {
                let why = format!("Unrecognized filter name: {other}");
                return Err(error::client("InvalidParameterValue", why));
            }
        };
        if !passes {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, record) = find(platform, input)?;
    let refuse = |why: &str| Err(error::client("InvalidParameterCombination", why));
    if record["view"]["DeletionProtection"] == true {
        return refuse(
            "Cannot delete protected DB Instance, please disable deletion protection and try again.",
        );
    }
    let mut commands = vec![INSTANCES.remove(&name)];
    let skip = fields::flag(input, "SkipFinalSnapshot").unwrap_or(false);
    match (skip, fields::sent(input, "FinalDBSnapshotIdentifier")) {
        (true, true) => {
            return refuse(
                "FinalDBSnapshotIdentifier can not be specified when SkipFinalSnapshot is true.",
            );
        }
        (false, false) => {
            return refuse(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
            );
        }
        (true, false) => {}
        (false, true) => commands.push(snapshots::keep(platform, input, &record)?),
    }
    let mut view = shown(platform, &record);
    view["DBInstanceStatus"] = json!("deleting");
    Answer::after(commands, move |_| json!({ "DBInstance": view }))
}
