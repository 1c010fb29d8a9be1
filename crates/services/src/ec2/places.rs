//! What EC2 has without anybody making it: regions, zones, Amazon's images.

use std::collections::BTreeSet;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::filter::has_values;
use super::{invalid, now};
use crate::error::{self, AwsError};
use crate::{Answer, fields};

/// Regions with as many zones.
const REGIONS: &[(&str, u8)] = &[
    ("ap-northeast-1", 3),
    ("ap-southeast-1", 3),
    ("ap-southeast-2", 3),
    ("ca-central-1", 3),
    ("eu-central-1", 3),
    ("eu-north-1", 3),
    ("eu-west-1", 3),
    ("eu-west-2", 3),
    ("eu-west-3", 3),
    ("sa-east-1", 3),
    ("us-east-1", 6),
    ("us-east-2", 3),
    ("us-west-1", 2),
    ("us-west-2", 4),
];

/// The zones of the platform's region, and others that its subnets are in.
fn zone_names(platform: &Platform) -> BTreeSet<String> {
    let region = &platform.identity().region;
    let count = REGIONS.iter().find(|(name, _)| name == region).map_or(3, |(_, count)| *count);
    let letters = (b'a'..b'a' + count).map(|letter| format!("{region}{}", char::from(letter)));
    letters.chain(platform.subnets().map(|s| s.spec.zone.clone())).collect()
}

/// `us-east-1b` is `use1-az2` here.
pub(super) fn zone_id(zone: &str) -> String {
    let Some(letter) = zone.bytes().last().filter(u8::is_ascii_lowercase) else {
        return zone.to_owned();
    };
    let region = &zone[..zone.len() - 1];
    let parts: Vec<&str> = region.split('-').collect();
    let &[continent, direction, number] = parts.as_slice() else { return zone.to_owned() };
    let direction = match direction {
        "northeast" => "ne",
        "northwest" => "nw",
        "southeast" => "se",
        "southwest" => "sw",
        other => other.get(..1).unwrap_or_default(),
    };
    format!("{continent}{direction}{number}-az{}", letter - b'a' + 1)
}

/// The zone that a subnet is to be in.
pub(super) fn chosen_zone(platform: &Platform, input: &Value) -> Result<String, AwsError> {
    let zones = zone_names(platform);
    let (member, asked) = match fields::text(input, "AvailabilityZone") {
        Some(zone) => ("availabilityZone", Some(zone)),
        None => ("availabilityZoneId", fields::text(input, "AvailabilityZoneId")),
    };
    let Some(asked) = asked else { return Ok(zones.into_iter().next().unwrap_or_default()) };
    let found = zones.iter().find(|zone| *zone == asked || zone_id(zone) == asked);
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = zones.iter().map(String::as_str).collect();
        invalid(format!(
            "Value ({asked}) for parameter {member} is invalid. Subnets can currently only be created in the following availability zones: {}.",
            known.join(", ")
        ))
    })
}

pub(super) fn zones(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let region = &platform.identity().region;
    let names = fields::texts(input, "ZoneNames");
    let ids = fields::texts(input, "ZoneIds");
    let mut views = Vec::new();
    for zone in zone_names(platform) {
        let id = zone_id(&zone);
        let view = json!({
            "ZoneName": zone,
            "ZoneId": id,
            "ZoneType": "availability-zone",
            "State": "available",
            "RegionName": region,
            "GroupName": region,
            "NetworkBorderGroup": region,
            "OptInStatus": "opt-in-not-required",
            "Messages": [],
        });
        let known = &[
            ("group-name", "GroupName"),
            ("opt-in-status", "OptInStatus"),
            ("region-name", "RegionName"),
            ("state", "State"),
            ("zone-id", "ZoneId"),
            ("zone-name", "ZoneName"),
            ("zone-type", "ZoneType"),
        ];
        let asked = (names.is_empty() || names.contains(&zone.as_str()))
            && (ids.is_empty() || ids.contains(&id.as_str()));
        if asked && has_values(&view, "", input, known)? {
            views.push(view);
        }
    }
    now(json!({ "AvailabilityZones": views }))
}

pub(super) fn regions(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = fields::texts(input, "RegionNames");
    let mut views = Vec::new();
    for (region, _) in REGIONS {
        let view = json!({
            "RegionName": region,
            "Endpoint": format!("ec2.{region}.amazonaws.com"),
            "OptInStatus": "opt-in-not-required",
        });
        let known = &[
            ("endpoint", "Endpoint"),
            ("opt-in-status", "OptInStatus"),
            ("region-name", "RegionName"),
        ];
        if (asked.is_empty() || asked.contains(region)) && has_values(&view, "", input, known)? {
            views.push(view);
        }
    }
    now(json!({ "Regions": views }))
}

pub(super) fn account_attributes(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = fields::texts(input, "AttributeNames");
    let all = [
        ("supported-platforms", "VPC"),
        ("default-vpc", "none"),
        ("vpc-max-security-groups-per-interface", "5"),
        ("vpc-max-elastic-ips", "5"),
        ("max-elastic-ips", "5"),
        ("max-instances", "20"),
    ];
    let views: Vec<Value> = all
        .iter()
        .filter(|(name, _)| asked.is_empty() || asked.contains(name))
        .map(|(name, value)| {
            json!({ "AttributeName": name, "AttributeValues": [{ "AttributeValue": value }] })
        })
        .collect();
    now(json!({ "AccountAttributes": views }))
}

/// Image id, owner, name, date.
const IMAGES: &[(&str, &str, &str, &str)] = &[
    (
        "ami-0a1b2c3d4e5f60001",
        "591542846629",
        "amzn2-ami-ecs-hvm-2.0.20250610-x86_64-ebs",
        "2025-06-10T18:31:21.000Z",
    ),
    (
        "ami-0a1b2c3d4e5f60002",
        "591542846629",
        "al2023-ami-ecs-hvm-2023.0.20250610-kernel-6.1-x86_64",
        "2025-06-10T19:02:47.000Z",
    ),
    (
        "ami-0a1b2c3d4e5f60003",
        "137112412989",
        "al2023-ami-2023.7.20250609.0-kernel-6.1-x86_64",
        "2025-06-09T21:11:03.000Z",
    ),
];

/// Amazon's images, to be found by data sources: nothing is started from them here.
pub(super) fn images(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let owners = fields::texts(input, "Owners");
    let ids = fields::texts(input, "ImageIds");
    let mut views = Vec::new();
    for (id, owner, name, date) in IMAGES {
        let view = json!({
            "ImageId": id,
            "OwnerId": owner,
            "ImageOwnerAlias": "amazon",
            "Name": name,
            "ImageLocation": format!("amazon/{name}"),
            "CreationDate": date,
            "Architecture": "x86_64",
            "ImageType": "machine",
            "Public": true,
            "State": "available",
            "Hypervisor": "xen",
            "VirtualizationType": "hvm",
            "RootDeviceName": "/dev/xvda",
            "RootDeviceType": "ebs",
            "EnaSupport": true,
            "SriovNetSupport": "simple",
            "PlatformDetails": "Linux/UNIX",
            "UsageOperation": "RunInstances",
            "BlockDeviceMappings": [],
            "ProductCodes": [],
            "Tags": [],
        });
        let known = &[
            ("architecture", "Architecture"),
            ("hypervisor", "Hypervisor"),
            ("image-id", "ImageId"),
            ("image-type", "ImageType"),
            ("is-public", "Public"),
            ("name", "Name"),
            ("owner-alias", "ImageOwnerAlias"),
            ("owner-id", "OwnerId"),
            ("root-device-name", "RootDeviceName"),
            ("root-device-type", "RootDeviceType"),
            ("state", "State"),
            ("virtualization-type", "VirtualizationType"),
        ];
        let asked = (owners.is_empty() || owners.contains(&"amazon") || owners.contains(owner))
            && (ids.is_empty() || ids.contains(id));
        if asked && has_values(&view, "Tags", input, known)? {
            views.push(view);
        }
    }
    if let Some(unknown) = ids.iter().find(|id| !IMAGES.iter().any(|image| image.0 == **id)) {
        let message = format!("The image id '[{unknown}]' does not exist");
        return Err(error::client("InvalidAMIID.NotFound", message));
    }
    now(json!({ "Images": views }))
}

/// There are no instances, and there is nothing to make one with.
pub(super) fn instances(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    match fields::texts(input, "InstanceIds").first() {
        Some(id) => Err(no_instance(id)),
        None => now(json!({ "Reservations": [] })),
    }
}

pub(super) fn uefi_data(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    Err(no_instance(fields::text(input, "InstanceId").unwrap_or_default()))
}

fn no_instance(id: &str) -> AwsError {
    match id.starts_with("i-") {
        true => error::client(
            "InvalidInstanceID.NotFound",
            format!("The instance ID '{id}' does not exist"),
        ),
        false => error::client("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")),
    }
}
