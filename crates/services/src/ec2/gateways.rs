//! Internet gateways and NAT gateways. What they do is done by the platform's network; here is
//! where they are attached and whether they work.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::time::HOUR;
use serde_json::{Value, json};

use super::kinds::{ADDRESS, INTERNET_GATEWAY, NAT_GATEWAY};
use super::routing::Routing;
use super::{addresses, in_use, interfaces, silent, subnets, tagging, vpcs};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, fields, names};

fn view(platform: &Platform, mut gateway: Value) -> Value {
    gateway["OwnerId"] = json!(platform.identity().account);
    gateway
}

pub(super) fn describe_internet(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let all = INTERNET_GATEWAY.recorded(platform).into_iter();
    INTERNET_GATEWAY.list(platform, input, all.map(|g| view(platform, g)).collect())
}

pub(super) fn create_internet(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut ids = Ids::of(platform);
    let id = ids.id("igw");
    let record = json!({ "InternetGatewayId": id, "Attachments": [] });
    let mut commands = vec![INTERNET_GATEWAY.records.put(&id, &record), ids.taken()];
    commands.extend(tagging::on_new(&INTERNET_GATEWAY, &id, input));
    Answer::after(commands, move |platform| {
        let mut gateway = view(platform, record);
        gateway["Tags"] = tagging::view(platform, &id);
        json!({ "InternetGateway": gateway })
    })
}

pub(super) fn attach(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "InternetGatewayId").unwrap_or_default();
    let mut record = INTERNET_GATEWAY.get(platform, id)?;
    let vpc = vpcs::check(platform, input)?;
    let mut routing = Routing::of(platform, &vpc);
    if let Some(other) = fields::list(&record, "Attachments").first() {
        let network = fields::text(other, "VpcId").unwrap_or_default();
        let message = format!("resource {id} is already attached to network {network}");
        return Err(error::client("Resource.AlreadyAssociated", message));
    }
    if !routing.attached.is_empty() {
        let message = format!("Network {vpc} already has an internet gateway attached");
        return Err(error::client("InvalidParameterValue", message));
    }
    record["Attachments"] = json!([{ "VpcId": vpc, "State": "available" }]);
    routing.attached.insert(id.to_owned());
    let mut commands = vec![INTERNET_GATEWAY.records.put(id, &record)];
    commands.extend(routing.commands());
    Answer::after(commands, silent)
}

/// Refused while the VPC has public addresses, as on AWS: load balancers and NAT gateways go first.
pub(super) fn detach(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "InternetGatewayId").unwrap_or_default();
    let mut record = INTERNET_GATEWAY.get(platform, id)?;
    let vpc = vpcs::check(platform, input)?;
    let mut routing = Routing::of(platform, &vpc);
    if !routing.attached.remove(id) {
        let message = format!("resource {id} is not attached to network {vpc}");
        return Err(error::client("Gateway.NotAttached", message));
    }
    let here = |subnet: &String| {
        platform.subnet(subnet).is_some_and(|s| names::vpc_id(&s.spec.vpc) == vpc)
    };
    let mut balancers = platform.load_balancers().map(|balancer| &balancer.spec);
    let public = |nat: &Value| {
        fields::text(nat, "VpcId") == Some(&vpc)
            && fields::text(nat, "State") == Some("available")
            && fields::text(nat, "ConnectivityType") == Some("public")
    };
    if balancers.any(|b| b.internet_facing && b.subnets.iter().any(here))
        || NAT_GATEWAY.recorded(platform).iter().any(public)
    {
        let message = format!(
            "Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
        );
        return Err(error::client("DependencyViolation", message));
    }
    record["Attachments"] = json!([]);
    let mut commands = vec![INTERNET_GATEWAY.records.put(id, &record)];
    commands.extend(routing.commands());
    Answer::after(commands, silent)
}

pub(super) fn delete_internet(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "InternetGatewayId").unwrap_or_default();
    let record = INTERNET_GATEWAY.get(platform, id)?;
    if !fields::list(&record, "Attachments").is_empty() {
        return Err(in_use("internetGateway", id));
    }
    let mut commands = vec![INTERNET_GATEWAY.records.remove(id)];
    commands.extend(tagging::forget(platform, id));
    Answer::after(commands, silent)
}

pub(super) fn describe_nat(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    NAT_GATEWAY.list(platform, input, NAT_GATEWAY.recorded(platform))
}

pub(super) fn create_nat(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let subnet = subnets::find(platform, fields::text(input, "SubnetId").unwrap_or_default())?;
    let kind = fields::text(input, "ConnectivityType").unwrap_or("public");
    let mut ids = Ids::of(platform);
    let id = ids.id("nat");
    let interface = ids.id("eni");
    let private = fields::text(input, "PrivateIpAddress")
        .map_or_else(|| interfaces::made_up_address(subnet, &id).to_string(), str::to_owned);
    let mut address = json!({
        "NetworkInterfaceId": interface,
        "PrivateIp": private,
        "IsPrimary": true,
        "Status": "succeeded",
    });
    let mut commands = forget_old(platform);
    match (kind, fields::text(input, "AllocationId")) {
        ("private", Some(_)) => {
            let message = "AllocationId is not allowed with a private NAT gateway";
            return Err(error::client("InvalidParameterCombination", message));
        }
        ("private", None) => {}
        (_, None) => {
            let message = "The request must contain the parameter AllocationId";
            return Err(error::client("MissingParameter", message));
        }
        (_, Some(allocation)) => {
            let mut elastic = ADDRESS.get(platform, allocation)?;
            if fields::sent(&elastic, "AssociationId") {
                return Err(error::client(
                    "Resource.AlreadyAssociated",
                    format!("Elastic IP address [{allocation}] is already associated"),
                ));
            }
            let association = ids.id("eipassoc");
            address["AllocationId"] = json!(allocation);
            address["AssociationId"] = json!(association);
            address["PublicIp"] = elastic["PublicIp"].clone();
            elastic["AssociationId"] = json!(association);
            elastic["NetworkInterfaceId"] = json!(interface);
            elastic["NetworkInterfaceOwnerId"] = json!(platform.identity().account);
            elastic["PrivateIpAddress"] = json!(private);
            commands.push(ADDRESS.records.put(allocation, &elastic));
        }
    }
    let record = json!({
        "NatGatewayId": id,
        "SubnetId": names::subnet_id(&subnet.spec.name),
        "VpcId": names::vpc_id(&subnet.spec.vpc),
        "ConnectivityType": kind,
        "CreateTime": fields::time(platform.now()),
        "NatGatewayAddresses": [address],
        "State": "available",
    });
    commands.extend([NAT_GATEWAY.records.put(&id, &record), ids.taken()]);
    commands.extend(tagging::on_new(&NAT_GATEWAY, &id, input));
    Answer::after(commands, move |platform| {
        let mut gateway = record;
        gateway["Tags"] = tagging::view(platform, &id);
        json!({ "NatGateway": gateway })
    })
}

/// A deleted gateway is listed for an hour.
fn forget_old(platform: &Platform) -> Vec<Command> {
    let now = platform.now().0 as f64 / 1000.0;
    let mut commands = Vec::new();
    for (id, record) in NAT_GATEWAY.records.all(platform) {
        let deleted = record.get("DeleteTime").and_then(Value::as_f64);
        if deleted.is_some_and(|at| at + (HOUR / 1000) as f64 <= now) {
            commands.push(NAT_GATEWAY.records.remove(id));
        }
    }
    commands
}

pub(super) fn delete_nat(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "NatGatewayId").unwrap_or_default().to_owned();
    let mut record = NAT_GATEWAY.get(platform, &id)?;
    let mut commands = forget_old(platform);
    if record["State"] != "deleted" {
        for address in fields::list(&record, "NatGatewayAddresses") {
            let allocation = fields::text(address, "AllocationId").unwrap_or_default();
            commands.extend(addresses::freed(platform, allocation));
        }
        record["State"] = json!("deleted");
        record["DeleteTime"] = fields::time(platform.now());
        let mut routing = Routing::of(platform, fields::text(&record, "VpcId").unwrap_or_default());
        routing.nats.remove(&id);
        commands.push(NAT_GATEWAY.records.put(&id, &record));
        commands.extend(tagging::forget(platform, &id));
        commands.extend(routing.commands());
    }
    Answer::after(commands, move |_| json!({ "NatGatewayId": id }))
}
