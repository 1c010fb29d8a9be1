//! Prefix lists of the services that gateway endpoints lead to.

use std::net::Ipv4Addr;

use neargate_core::Platform;
use serde_json::{Value, json};

use super::filter::has_values;
use super::{now, range};
use crate::error::{self, AwsError};
use crate::{Answer, arn, fields};

/// Service and the ranges it has, here the same in every region.
const LISTS: [(&str, &[&str]); 2] = [
    ("s3", &["52.216.0.0/15", "54.231.0.0/16", "3.5.0.0/19", "16.182.0.0/16"]),
    ("dynamodb", &["3.218.180.0/22", "52.94.0.0/22", "52.119.224.0/20"]),
];

fn name(platform: &Platform, service: &str) -> String {
    format!("com.amazonaws.{}.{service}", platform.identity().region)
}

fn id(platform: &Platform, service: &str) -> String {
    match (platform.identity().region.as_str(), service) {
        // As AWS has them.
        ("us-east-1", "s3") => "pl-63a5400a".to_owned(),
        ("us-east-1", _) => "pl-02cd2c6b".to_owned(),
        (region, service) => {
            let number = arn::derived(&[b"pl", region.as_bytes(), service.as_bytes()]);
            format!("pl-{:08x}", number & 0xffff_ffff)
        }
    }
}

/// The id of the list of that service, e.g. `com.amazonaws.us-east-1.s3`; empty when it has none.
pub(super) fn of_service(platform: &Platform, service: &str) -> String {
    let found = LISTS.iter().find(|(short, _)| name(platform, short) == service);
    found.map(|(short, _)| id(platform, short)).unwrap_or_default()
}

/// The ranges of the list with that id.
pub(super) fn find(platform: &Platform, asked: &str) -> Result<&'static [&'static str], AwsError> {
    let found = LISTS.iter().find(|(short, _)| id(platform, short) == asked);
    found.map(|(_, ranges)| *ranges).ok_or_else(|| {
        error::client(
            "InvalidPrefixListID.NotFound",
            format!("The prefix list ID '{asked}' does not exist"),
        )
    })
}

/// The ranges of the list with that id; none when there is no such list.
pub(super) fn ranges(platform: &Platform, id: &str) -> Vec<(Ipv4Addr, u8)> {
    find(platform, id).unwrap_or_default().iter().filter_map(|text| range::parse(text)).collect()
}

fn listed(
    platform: &Platform,
    input: &Value,
    view: impl Fn(&str, String, &[&str]) -> Value,
) -> Result<Answer, AwsError> {
    let asked = fields::texts(input, "PrefixListIds");
    for id in &asked {
        find(platform, id)?;
    }
    let mut lists = Vec::new();
    for (service, ranges) in LISTS {
        let id = id(platform, service);
        let view = view(&id, name(platform, service), ranges);
        let known = &[
            ("owner-id", "OwnerId"),
            ("prefix-list-id", "PrefixListId"),
            ("prefix-list-name", "PrefixListName"),
        ];
        if (asked.is_empty() || asked.contains(&id.as_str()))
            && has_values(&view, "Tags", input, known)?
        {
            lists.push(view);
        }
    }
    now(json!({ "PrefixLists": lists }))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    listed(
        platform,
        input,
        |id, name, ranges| json!({ "PrefixListId": id, "PrefixListName": name, "Cidrs": ranges }),
    )
}

pub(super) fn describe_managed(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let region = &platform.identity().region;
    listed(platform, input, |id, name, _| {
        json!({
            "PrefixListId": id,
            "PrefixListName": name,
            "PrefixListArn": format!("arn:aws:ec2:{region}:aws:prefix-list/{id}"),
            "AddressFamily": "IPv4",
            "OwnerId": "AWS",
            "State": "create-complete",
            "Tags": [],
        })
    })
}

pub(super) fn entries(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let ranges = find(platform, fields::text(input, "PrefixListId").unwrap_or_default())?;
    let entries: Vec<Value> = ranges.iter().map(|cidr| json!({ "Cidr": cidr })).collect();
    now(json!({ "Entries": entries }))
}
