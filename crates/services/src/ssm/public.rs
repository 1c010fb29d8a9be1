//! Parameters that AWS publishes for everyone.

use serde_json::{Value, json};

/// Those that definitions of tasks name, with `REGION` for the region.
const PUBLISHED: &[(&str, u64, &str)] = &[
    (
        "/aws/service/aws-for-fluent-bit/stable",
        64,
        "906394416424.dkr.ecr.REGION.amazonaws.com/aws-for-fluent-bit:2.32.5.20250305",
    ),
    (
        "/aws/service/aws-for-fluent-bit/latest",
        64,
        "906394416424.dkr.ecr.REGION.amazonaws.com/aws-for-fluent-bit:2.32.5.20250305",
    ),
];

/// Since when they are as they are, in seconds.
const PUBLISHED_AT: f64 = 1_741_132_800.0;

/// The parameter of that name, as GetParameter shows it.
pub(super) fn parameter(region: &str, name: &str) -> Option<Value> {
    let (name, version, value) = PUBLISHED.iter().find(|(known, ..)| *known == name)?;
    Some(json!({
        "Name": name,
        "Type": "String",
        "Value": value.replace("REGION", region),
        "Version": version,
        "LastModifiedDate": PUBLISHED_AT,
        "ARN": format!("arn:aws:ssm:{region}::parameter{name}"),
        "DataType": "text",
    }))
}

/// The names below a path.
pub(super) fn below(path: &str) -> impl Iterator<Item = &'static str> {
    let path = path.to_owned();
    PUBLISHED.iter().map(|(name, ..)| *name).filter(move |name| name.starts_with(&path))
}
