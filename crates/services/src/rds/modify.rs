//! Changes of DB instances: settings, and whether they run.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{INSTANCES, catalogue, instances, name, parameter_groups, subnet_groups};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields};

/// Members that create and modify take as they are, and what the instance calls them.
const SETTINGS: [(&str, &str); 28] = [
    ("AllocatedStorage", "AllocatedStorage"),
    ("AutoMinorVersionUpgrade", "AutoMinorVersionUpgrade"),
    ("BackupRetentionPeriod", "BackupRetentionPeriod"),
    ("BackupTarget", "BackupTarget"),
    ("CACertificateIdentifier", "CACertificateIdentifier"),
    ("CopyTagsToSnapshot", "CopyTagsToSnapshot"),
    ("CustomIamInstanceProfile", "CustomIamInstanceProfile"),
    ("DatabaseInsightsMode", "DatabaseInsightsMode"),
    ("DBInstanceClass", "DBInstanceClass"),
    ("DedicatedLogVolume", "DedicatedLogVolume"),
    ("DeletionProtection", "DeletionProtection"),
    ("EnableCustomerOwnedIp", "CustomerOwnedIpEnabled"),
    ("EnableIAMDatabaseAuthentication", "IAMDatabaseAuthenticationEnabled"),
    ("EnablePerformanceInsights", "PerformanceInsightsEnabled"),
    ("EngineLifecycleSupport", "EngineLifecycleSupport"),
    ("Iops", "Iops"),
    ("LicenseModel", "LicenseModel"),
    ("MaxAllocatedStorage", "MaxAllocatedStorage"),
    ("MonitoringInterval", "MonitoringInterval"),
    ("MonitoringRoleArn", "MonitoringRoleArn"),
    ("MultiAZ", "MultiAZ"),
    ("NetworkType", "NetworkType"),
    ("PerformanceInsightsKMSKeyId", "PerformanceInsightsKMSKeyId"),
    ("PerformanceInsightsRetentionPeriod", "PerformanceInsightsRetentionPeriod"),
    ("PreferredBackupWindow", "PreferredBackupWindow"),
    ("PreferredMaintenanceWindow", "PreferredMaintenanceWindow"),
    ("PubliclyAccessible", "PubliclyAccessible"),
    ("StorageThroughput", "StorageThroughput"),
];
/// Days that Performance Insights keeps what it saw, unless asked for more.
const INSIGHTS_DAYS: u64 = 7;

/// Puts what the input says of an instance's settings into its record.
pub(super) fn apply(
    platform: &Platform,
    record: &mut Value,
    input: &Value,
) -> Result<(), AwsError> {
    if let Some(group) = fields::text(input, "DBSubnetGroupName") {
        let group = group.to_ascii_lowercase();
        subnet_groups::find(platform, &group)?;
        record["subnetGroup"] = json!(group);
    }
    let view = &mut record["view"];
    for (sent, shown) in SETTINGS {
        if fields::sent(input, sent) {
            view[shown] = input[sent].clone();
        }
    }
    fields::set(view, "StorageType", fields::text(input, "StorageType"));
    // Weekdays come back in small letters.
    let window = fields::text(input, "PreferredMaintenanceWindow").map(str::to_ascii_lowercase);
    fields::set(view, "PreferredMaintenanceWindow", window);
    if let Some(group) = fields::text(input, "DBParameterGroupName") {
        if !parameter_groups::exists(platform, group) {
            return Err(parameter_groups::not_found(group));
        }
        view["DBParameterGroups"] = json!([{
            "DBParameterGroupName": group.to_ascii_lowercase(),
            "ParameterApplyStatus": "in-sync",
        }]);
    }
    if let Some(group) = fields::text(input, "OptionGroupName") {
        view["OptionGroupMemberships"] = json!([{ "OptionGroupName": group, "Status": "in-sync" }]);
    }
    let groups = fields::texts(input, "VpcSecurityGroupIds");
    if !groups.is_empty() {
        let groups = groups.into_iter();
        view["VpcSecurityGroups"] =
            groups.map(|id| json!({ "VpcSecurityGroupId": id, "Status": "active" })).collect();
    }
    check_monitoring(platform, view)?;
    check_windows(view)
}

/// What has to fit together about monitoring.
fn check_monitoring(platform: &Platform, view: &mut Value) -> Result<(), AwsError> {
    let on = fields::number(view, "MonitoringInterval").is_some_and(|seconds| seconds > 0);
    if on && !fields::sent(view, "MonitoringRoleArn") {
        let why = "A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0.";
        return Err(error::client("InvalidParameterCombination", why));
    }
    if on {
        let id = fields::owned(view, "DbiResourceId").unwrap_or_default();
        let stream = format!("log-group:RDSOSMetrics:log-stream:{id}");
        view["EnhancedMonitoringResourceArn"] = json!(arn::of(platform.identity(), "logs", stream));
    } else if let Some(view) = view.as_object_mut() {
        view.remove("MonitoringRoleArn");
        view.remove("EnhancedMonitoringResourceArn");
    }
    let insights = view["PerformanceInsightsEnabled"] == true;
    if insights && !fields::sent(view, "PerformanceInsightsRetentionPeriod") {
        view["PerformanceInsightsRetentionPeriod"] = json!(INSIGHTS_DAYS);
    }
    if insights && !fields::sent(view, "PerformanceInsightsKMSKeyId") {
        let account = platform.identity().account.as_bytes();
        let key = arn::derived_uuid(&[b"aws/rds", account]);
        let key = arn::of(platform.identity(), "kms", format_args!("key/{key}"));
        view["PerformanceInsightsKMSKeyId"] = json!(key);
    }
    if !insights && let Some(view) = view.as_object_mut() {
        view.remove("PerformanceInsightsRetentionPeriod");
        view.remove("PerformanceInsightsKMSKeyId");
    }
    Ok(())
}

const DAY: u32 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Minutes after midnight of `hh:mm`.
fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// Minutes after Monday's midnight of `ddd:hh:mm`.
fn minutes_of_week(text: &str) -> Option<u32> {
    let (day, time) = text.split_once(':')?;
    let day = DAYS.iter().position(|d| day.eq_ignore_ascii_case(d))?;
    Some(day as u32 * DAY + minutes(time)?)
}

/// The window's first minute and the one after its last.
fn window(text: &str, read: fn(&str) -> Option<u32>, whole: u32) -> Option<(u32, u32)> {
    let (from, until) = text.split_once('-')?;
    let (from, until) = (read(from)?, read(until)?);
    Some((from, if until <= from { until + whole } else { until }))
}

/// A backup must not run into the maintenance; one that ends where it begins does not.
fn check_windows(view: &Value) -> Result<(), AwsError> {
    let read = |member: &str, read, whole| {
        let text = fields::text(view, member).unwrap_or_default();
        window(text, read, whole).ok_or_else(|| {
            let why = format!("The parameter {member} is not a valid window: {text}");
            error::client("InvalidParameterValue", why)
        })
    };
    let backup = read("PreferredBackupWindow", minutes, DAY)?;
    let maintenance = read("PreferredMaintenanceWindow", minutes_of_week, 7 * DAY)?;
    // From the Sunday before to the Monday after: both may go over the end of their week.
    let overlaps = (0..9).any(|day| {
        let shift = |minute: u32| minute + day * DAY;
        let (from, until) = (shift(backup.0), shift(backup.1));
        let (start, end) = (maintenance.0 + DAY, maintenance.1 + DAY);
        from < end && start < until
    });
    if overlaps && fields::number(view, "BackupRetentionPeriod") != Some(0) {
        let why = "The backup window and maintenance window must not overlap.";
        return Err(error::client("InvalidParameterCombination", why));
    }
    Ok(())
}

/// The logs that go to CloudWatch: these more, those no more.
pub(super) fn logs(record: &mut Value, on: Vec<&str>, off: Vec<&str>) {
    let mut logs: Vec<String> = fields::texts(&record["view"], "EnabledCloudwatchLogsExports")
        .into_iter()
        .map(str::to_owned)
        .collect();
    logs.retain(|log| !off.contains(&log.as_str()));
    for log in on {
        if !logs.iter().any(|known| known == log) {
            logs.push(log.to_owned());
        }
    }
    logs.sort();
    record["view"]["EnabledCloudwatchLogsExports"] = json!(logs);
}

/// Whether the password is RDS's own affair: then it names a secret that would hold it.
pub(super) fn manage_secret(platform: &Platform, ids: &mut Ids, record: &mut Value, input: &Value) {
    match fields::flag(input, "ManageMasterUserPassword") {
        Some(true) if !fields::sent(&record["view"], "MasterUserSecret") => {
            let name = format!("secret:rds!db-{}-{:.6}", ids.uuid(), ids.capitals("", 6));
            record["view"]["MasterUserSecret"] = json!({
                "SecretArn": arn::of(platform.identity(), "secretsmanager", name),
                "SecretStatus": "active",
            });
            let key = fields::owned(input, "MasterUserSecretKmsKeyId");
            fields::set(&mut record["view"]["MasterUserSecret"], "KmsKeyId", key);
        }
        Some(false) => {
            if let Some(view) = record["view"].as_object_mut() {
                view.remove("MasterUserSecret");
            }
        }
        _ => {}
    }
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (old, mut record) = instances::find(platform, input)?;
    instances::check_password(input)?;
    let engine = fields::owned(&record["view"], "Engine").unwrap_or_default();
    if let Some(wanted) = fields::text(input, "EngineVersion") {
        change_version(&mut record["view"], &engine, wanted, input)?;
    }
    let had = fields::number(&record["view"], "AllocatedStorage").unwrap_or(0);
    if fields::number(input, "AllocatedStorage").is_some_and(|wanted| wanted < had) {
        let why = "Invalid storage size: the storage of a DB instance cannot be made smaller.";
        return Err(error::client("InvalidParameterCombination", why));
    }
    apply(platform, &mut record, input)?;
    if let Some(port) = fields::number(input, "DBPortNumber") {
        record["view"]["Endpoint"]["Port"] = json!(port);
    }
    let exports = &input["CloudwatchLogsExportConfiguration"];
    let on = fields::texts(exports, "EnableLogTypes");
    logs(&mut record, on, fields::texts(exports, "DisableLogTypes"));
    let mut ids = Ids::of(platform);
    manage_secret(platform, &mut ids, &mut record, input);
    let mut commands = vec![ids.taken()];
    let mut key = old.clone();
    if fields::sent(input, "NewDBInstanceIdentifier") {
        key = name(input, "NewDBInstanceIdentifier")?;
        rename(platform, &mut record, &old, &key)?;
        commands.push(INSTANCES.remove(&old));
    }
    commands.push(INSTANCES.put(&key, &record));
    shown(commands, key)
}

fn change_version(
    view: &mut Value,
    engine: &str,
    wanted: &str,
    input: &Value,
) -> Result<(), AwsError> {
    let now = fields::owned(view, "EngineVersion");
    let (before, _) = catalogue::choose(engine, now.as_deref())?;
    let (after, full) = catalogue::choose(engine, Some(wanted))?;
    if before.major == after.major {
        // A major version alone is content with what is there.
        if wanted != after.major {
            view["EngineVersion"] = json!(full);
        }
        return Ok(());
    }
    if !fields::flag(input, "AllowMajorVersionUpgrade").unwrap_or(false) {
        let why = "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.";
        return Err(error::client("InvalidParameterCombination", why));
    }
    view["EngineVersion"] = json!(full);
    if !fields::sent(input, "DBParameterGroupName") {
        let group = format!("{}{}", parameter_groups::DEFAULT, after.family());
        view["DBParameterGroups"] =
            json!([{ "DBParameterGroupName": group, "ParameterApplyStatus": "in-sync" }]);
    }
    Ok(())
}

fn rename(platform: &Platform, record: &mut Value, old: &str, new: &str) -> Result<(), AwsError> {
    if old != new && INSTANCES.has(platform, new) {
        return Err(error::client("DBInstanceAlreadyExists", "DB instance already exists"));
    }
    let view = &mut record["view"];
    view["DBInstanceIdentifier"] = json!(new);
    view["DBInstanceArn"] = json!(super::arn_of(platform, "db", new));
    let address = fields::text(&view["Endpoint"], "Address").unwrap_or_default();
    let domain = address.split_once('.').map_or("", |(_, domain)| domain);
    view["Endpoint"]["Address"] = json!(format!("{new}.{domain}"));
    Ok(())
}

/// The answer that shows the instance.
fn shown(commands: Vec<neargate_core::input::Command>, key: String) -> Result<Answer, AwsError> {
    Answer::after(commands, move |platform| {
        let record = INSTANCES.get(platform, &key).unwrap_or_default();
        json!({ "DBInstance": instances::shown(platform, &record) })
    })
}

/// From one status to another.
fn turn(platform: &Platform, input: &Value, from: &str, to: &str) -> Result<Answer, AwsError> {
    let (name, mut record) = instances::find(platform, input)?;
    if record["view"]["DBInstanceStatus"] != from {
        let why = format!("Instance {name} is not in {from} state.");
        return Err(error::client("InvalidDBInstanceState", why));
    }
    record["view"]["DBInstanceStatus"] = json!(to);
    shown(vec![INSTANCES.put(&name, &record)], name)
}

pub(super) fn start(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    turn(platform, input, "stopped", "available")
}

pub(super) fn stop(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    turn(platform, input, "available", "stopped")
}

pub(super) fn reboot(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    turn(platform, input, "available", "available")
}
