//! Elastic IP addresses. Nothing of this machine answers to them; they are what NAT gateways show.

use std::net::Ipv4Addr;

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::kinds::ADDRESS;
use super::{now, silent, tagging};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, fields};

/// 198.18.0.0/15 is nobody's on the internet.
const BASE: u32 = 0xc612_0000;
const SIZE: u32 = 1 << 17;

/// Members that say what an address is given to.
const ASSOCIATION: [&str; 4] =
    ["AssociationId", "NetworkInterfaceId", "NetworkInterfaceOwnerId", "PrivateIpAddress"];

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = fields::texts(input, "PublicIps");
    let all = ADDRESS.recorded(platform).into_iter();
    let all: Vec<Value> = all
        .filter(|a| {
            asked.is_empty() || asked.contains(&fields::text(a, "PublicIp").unwrap_or_default())
        })
        .collect();
    if let Some(unknown) = asked.iter().find(|asked| !all.iter().any(|a| a["PublicIp"] == **asked))
    {
        let message = format!("Address '{unknown}' not found.");
        return Err(error::client("InvalidAddress.NotFound", message));
    }
    ADDRESS.list(platform, input, all)
}

/// No address has a name of its own.
pub(super) fn describe_attribute(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut addresses = Vec::new();
    for id in fields::texts(input, "AllocationIds") {
        let record = ADDRESS.get(platform, id)?;
        addresses.push(json!({ "AllocationId": id, "PublicIp": record["PublicIp"] }));
    }
    now(json!({ "Addresses": addresses }))
}

pub(super) fn allocate(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut ids = Ids::of(platform);
    let id = ids.id("eipalloc");
    let taken: Vec<Value> = ADDRESS.recorded(platform);
    let mut offset = (ids.bits() % u64::from(SIZE)) as u32;
    let address = loop {
        let address = Ipv4Addr::from(BASE + offset % SIZE).to_string();
        if !taken.iter().any(|known| known["PublicIp"] == address) {
            break address;
        }
        offset += 1;
    };
    let region = &platform.identity().region;
    let record = json!({
        "AllocationId": id,
        "PublicIp": address,
        "PublicIpv4Pool": "amazon",
        "Domain": "vpc",
        "NetworkBorderGroup": region,
    });
    let mut commands = vec![ADDRESS.records.put(&id, &record), ids.taken()];
    commands.extend(tagging::on_new(&ADDRESS, &id, input));
    Answer::after(commands, move |_| record)
}

/// The address is given to nothing any more.
pub(super) fn freed(platform: &Platform, allocation: &str) -> Option<Command> {
    let mut record = ADDRESS.records.get(platform, allocation)?;
    for member in ASSOCIATION {
        record.as_object_mut()?.remove(member);
    }
    Some(ADDRESS.records.put(allocation, &record))
}

/// A NAT gateway keeps its address until it is deleted.
pub(super) fn disassociate(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "AssociationId").unwrap_or_default();
    let known = ADDRESS.recorded(platform).iter().any(|a| a["AssociationId"] == id);
    match known {
        true => {
            let message = format!(
                "You do not have permission to disassociate '{id}': it belongs to a NAT gateway"
            );
            Err(error::client("AuthFailure", message))
        }
        false => {
            let message = format!("The association ID '{id}' does not exist");
            Err(error::client("InvalidAssociationID.NotFound", message))
        }
    }
}

pub(super) fn release(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "AllocationId").unwrap_or_default();
    let record = ADDRESS.get(platform, id)?;
    if fields::sent(&record, "AssociationId") {
        let address = fields::text(&record, "PublicIp").unwrap_or_default();
        let message = format!("Address {address} is in use.");
        return Err(error::client("InvalidIPAddress.InUse", message));
    }
    let mut commands = vec![ADDRESS.records.remove(id)];
    commands.extend(tagging::forget(platform, id));
    Answer::after(commands, silent)
}
