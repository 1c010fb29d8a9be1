//! What RDS offers: engines, their versions, instance classes, certificates. A choice of each that
//! clients ask for, not all that AWS has.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::{Answer, arn, fields, place};

/// An engine's major version, and the minor one that it stands for.
pub(super) struct Version {
    pub(super) engine: &'static str,
    pub(super) major: &'static str,
    pub(super) full: &'static str,
}

/// In the order that the default is first for each engine.
pub(super) const VERSIONS: &[Version] = &[
    version("postgres", "17", "17.4"),
    version("postgres", "16", "16.8"),
    version("postgres", "15", "15.12"),
    version("postgres", "14", "14.17"),
    version("postgres", "13", "13.20"),
    version("mysql", "8.0", "8.0.41"),
    version("mysql", "8.4", "8.4.4"),
    version("mysql", "5.7", "5.7.44"),
    version("mariadb", "11.4", "11.4.5"),
    version("mariadb", "10.11", "10.11.11"),
    version("mariadb", "10.6", "10.6.21"),
];

const fn version(engine: &'static str, major: &'static str, full: &'static str) -> Version {
    Version { engine, major, full }
}

impl Version {
    /// Where this version's parameters come from.
    pub(super) fn family(&self) -> String {
        format!("{}{}", self.engine, self.major)
    }
}

/// The port of an engine.
pub(super) fn port(engine: &str) -> u64 {
    if engine == "postgres" { 5432 } else { 3306 }
}

/// The licence that an engine comes with.
pub(super) fn license(engine: &str) -> &'static str {
    match engine {
        "postgres" => "postgresql-license",
        _ => "general-public-license",
    }
}

/// The engine and what a wanted version of it stands for: `15` for the newest 15, `15.4` for itself.
pub(super) fn choose(
    engine: &str,
    wanted: Option<&str>,
) -> Result<(&'static Version, String), AwsError> {
    let known = VERSIONS.iter().find(|v| v.engine == engine);
    let Some(default) = known else {
        return Err(error::client("InvalidParameterValue", format!("Invalid DB engine: {engine}")));
    };
    let Some(wanted) = wanted else { return Ok((default, default.full.to_owned())) };
    let of_major = |v: &&Version| {
        let rest = wanted.strip_prefix(v.major);
        v.engine == engine && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    match VERSIONS.iter().find(of_major) {
        Some(version) if version.major == wanted => Ok((version, version.full.to_owned())),
        Some(version) => Ok((version, wanted.to_owned())),
        None => {
            let why = format!("Cannot find version {wanted} for {engine}");
            Err(error::client("InvalidParameterCombination", why))
        }
    }
}

pub(super) fn engine_versions(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let engine = fields::text(input, "Engine");
    let wanted = fields::text(input, "EngineVersion");
    let family = fields::text(input, "DBParameterGroupFamily");
    let default_only = fields::flag(input, "DefaultOnly").unwrap_or(false);
    let mut last = "";
    let mut found = Vec::new();
    for version in VERSIONS {
        let is_default = std::mem::replace(&mut last, version.engine) != version.engine;
        let fits = engine.is_none_or(|e| e == version.engine)
            && wanted.is_none_or(|w| w == version.full || w == version.major)
            && family.is_none_or(|f| f == version.family())
            && (is_default || wanted.is_some() || !default_only);
        if fits {
            found.push(json!({
                "Engine": version.engine,
                "EngineVersion": version.full,
                "MajorEngineVersion": version.major,
                "DBParameterGroupFamily": version.family(),
                "DBEngineDescription": version.engine,
                "DBEngineVersionDescription": format!("{} {}", version.engine, version.full),
                "ValidUpgradeTarget": [],
                "ExportableLogTypes": exportable(version.engine),
                "SupportsLogExportsToCloudwatchLogs": true,
                "SupportsReadReplica": true,
                "SupportedCACertificateIdentifiers": CERTIFICATES,
                "Status": "available",
            }));
        }
    }
    Ok(Answer::Now(json!({ "DBEngineVersions": found })))
}

/// The logs that an engine can send to CloudWatch.
fn exportable(engine: &str) -> &'static [&'static str] {
    match engine {
        "postgres" => &["postgresql", "upgrade"],
        _ => &["audit", "error", "general", "slowquery"],
    }
}

const CLASSES: [&str; 12] = [
    "db.t3.micro",
    "db.t3.small",
    "db.t3.medium",
    "db.t4g.micro",
    "db.t4g.small",
    "db.t4g.medium",
    "db.m6g.large",
    "db.m6i.large",
    "db.m7g.large",
    "db.r6g.large",
    "db.r6i.large",
    "db.r7g.large",
];

pub(super) fn orderable(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let engine = fields::text(input, "Engine").unwrap_or_default();
    let wanted = fields::text(input, "EngineVersion");
    let class = fields::text(input, "DBInstanceClass");
    let zones: Vec<Value> = (0..3).map(|n| json!({ "Name": place::zone(platform, n) })).collect();
    let versions = VERSIONS.iter().filter(|v| v.engine == engine);
    let versions = versions.filter(|v| wanted.is_none_or(|w| w == v.full));
    let options = versions.flat_map(|version| {
        let classes = CLASSES.iter().filter(|c| class.is_none_or(|wanted| wanted == **c));
        let zones = &zones;
        classes.flat_map(move |class| {
            ["gp3", "gp2", "io1"].map(|storage| {
                json!({
                    "Engine": version.engine,
                    "EngineVersion": version.full,
                    "DBInstanceClass": class,
                    "LicenseModel": license(version.engine),
                    "AvailabilityZones": zones,
                    "MultiAZCapable": true,
                    "ReadReplicaCapable": true,
                    "Vpc": true,
                    "StorageType": storage,
                    "SupportsStorageEncryption": true,
                    "SupportsIops": storage == "io1",
                    "SupportsEnhancedMonitoring": true,
                    "SupportsIAMDatabaseAuthentication": true,
                    "SupportsPerformanceInsights": true,
                    "SupportsStorageAutoscaling": true,
                    "SupportedNetworkTypes": ["IPV4"],
                })
            })
        })
    });
    Ok(Answer::Now(json!({ "OrderableDBInstanceOptions": options.collect::<Vec<_>>() })))
}

/// The first one is the default.
pub(super) const CERTIFICATES: [&str; 3] =
    ["rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"];
/// 2061-05-25, when all of them end.
pub(super) const CERTIFICATES_END: u64 = 2_884_377_600;

pub(super) fn certificates(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let wanted = fields::text(input, "CertificateIdentifier");
    let region = &platform.identity().region;
    let found: Vec<Value> = CERTIFICATES
        .iter()
        .filter(|name| wanted.is_none_or(|wanted| wanted == **name))
        .map(|name| {
            json!({
                "CertificateIdentifier": name,
                "CertificateType": "CA",
                "Thumbprint": format!("{:016x}", arn::derived(&[name.as_bytes()])),
                "ValidTill": CERTIFICATES_END,
                "CertificateArn": format!("arn:aws:rds:{region}::cert:{name}"),
                "CustomerOverride": false,
            })
        })
        .collect();
    match (wanted, found.is_empty()) {
        (Some(name), true) => {
            let why = format!("Certificate not found: {name}");
            Err(error::client("CertificateNotFound", why))
        }
        _ => Ok(Answer::Now(json!({
            "Certificates": found,
            "DefaultCertificateForNewLaunches": CERTIFICATES[0],
        }))),
    }
}

/// Records have no history.
pub(super) fn events(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "Events": [] })))
}
