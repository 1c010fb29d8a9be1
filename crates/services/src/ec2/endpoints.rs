//! VPC endpoints. AWS's services are reached by the platform's own endpoint anyhow, so these are
//! kept and shown.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::kinds::ENDPOINT;
use super::{
    done, interfaces, invalid, now, prefix_lists, route_tables, security_groups, subnets, tagging,
    vpcs,
};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields, names};

const POLICY: &str = "{\"Version\":\"2008-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}";

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let all = ENDPOINT.recorded(platform).into_iter();
    ENDPOINT.list(platform, input, all.map(|e| view(platform, e)).collect())
}

/// With what follows from the subnets it is in.
fn view(platform: &Platform, mut endpoint: Value) -> Value {
    let id = fields::text(&endpoint, "VpcEndpointId").unwrap_or_default().to_owned();
    let subnets = fields::texts(&endpoint, "SubnetIds");
    let interfaces: Vec<String> = subnets.iter().map(|s| interfaces::id(&id, s)).collect();
    endpoint["NetworkInterfaceIds"] = json!(interfaces);
    endpoint["OwnerId"] = json!(platform.identity().account);
    endpoint["Tags"] = tagging::view(platform, &id);
    endpoint
}

/// The names under which an interface endpoint is found.
fn dns_entries(platform: &Platform, id: &str, service: &str, private: bool) -> Value {
    let region = &platform.identity().region;
    let short = service.rsplit('.').next().unwrap_or_default();
    let number = arn::derived(&[id.as_bytes()]) & 0xffff_ffff;
    let mut entries = vec![json!({
        "DnsName": format!("{id}-{number:08x}.{short}.{region}.vpce.amazonaws.com"),
        "HostedZoneId": "Z7HUB22UULQXV",
    })];
    if private {
        let name = service.rsplit('.').take_while(|part| part != region);
        let name: Vec<&str> = name.collect();
        let name: Vec<&str> = name.into_iter().rev().collect();
        entries.push(json!({
            "DnsName": format!("{}.{region}.amazonaws.com", name.join(".")),
            "HostedZoneId": "ZONEIDPENDING",
        }));
    }
    Value::Array(entries)
}

fn check_parts(platform: &Platform, input: &Value, members: [&str; 3]) -> Result<(), AwsError> {
    let [tables, subnet_ids, groups] = members;
    for id in fields::texts(input, tables) {
        route_tables::get(platform, id)?;
    }
    for id in fields::texts(input, subnet_ids) {
        subnets::find(platform, id)?;
    }
    for id in fields::texts(input, groups) {
        security_groups::find(platform, id)?;
    }
    Ok(())
}

fn groups(platform: &Platform, ids: &[&str]) -> Value {
    let names = ids.iter().map(|id| names::security_group_name(platform, id));
    names.map(|name| security_groups::identifier(platform, &name)).collect()
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let vpc = vpcs::check(platform, input)?;
    let service = fields::text(input, "ServiceName").unwrap_or_default();
    let kind = fields::text(input, "VpcEndpointType").unwrap_or("Gateway");
    let region = &platform.identity().region;
    let is_service = ["com.amazonaws.", "aws.api."]
        .iter()
        .any(|start| service.strip_prefix(start).is_some_and(|rest| rest.starts_with(region)));
    let gateway = kind == "Gateway";
    if !is_service || gateway && prefix_lists::of_service(platform, service).is_empty() {
        let message = format!("The Vpc Endpoint Service '{service}' does not exist");
        return Err(error::client("InvalidServiceName", message));
    }
    if !matches!(kind, "Gateway" | "Interface") {
        return Err(invalid(format!("Neargate has gateway and interface endpoints, not {kind}")));
    }
    check_parts(platform, input, ["RouteTableIds", "SubnetIds", "SecurityGroupIds"])?;
    let private = !gateway && fields::flag(input, "PrivateDnsEnabled").unwrap_or(true);
    let support = vpcs::attribute(platform, &vpc, "EnableDnsSupport")
        && vpcs::attribute(platform, &vpc, "EnableDnsHostnames");
    if private && !support {
        return Err(error::client(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true",
        ));
    }
    let mut ids = Ids::of(platform);
    let id = ids.id("vpce");
    let mut of_endpoint = fields::texts(input, "SecurityGroupIds");
    let default = security_groups::default_group(platform, &vpcs::find(platform, &vpc)?.name);
    let default = default.map(|name| names::security_group_id(&name)).unwrap_or_default();
    if of_endpoint.is_empty() && !gateway {
        of_endpoint.push(&default);
    }
    let record = json!({
        "VpcEndpointId": id,
        "VpcEndpointType": kind,
        "VpcId": vpc,
        "ServiceName": service,
        "State": "available",
        "PolicyDocument": fields::text(input, "PolicyDocument").unwrap_or(POLICY),
        "RouteTableIds": fields::texts(input, "RouteTableIds"),
        "SubnetIds": fields::texts(input, "SubnetIds"),
        "Groups": groups(platform, &of_endpoint),
        "IpAddressType": "ipv4",
        "DnsOptions": { "DnsRecordIpType": if gateway { "service-defined" } else { "ipv4" } },
        "PrivateDnsEnabled": private,
        "RequesterManaged": false,
        "DnsEntries": if gateway { json!([]) } else { dns_entries(platform, &id, service, private) },
        "CreationTimestamp": fields::time(platform.now()),
    });
    let mut commands = vec![ENDPOINT.records.put(&id, &record), ids.taken()];
    commands.extend(tagging::on_new(&ENDPOINT, &id, input));
    Answer::after(commands, move |platform| json!({ "VpcEndpoint": view(platform, record) }))
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "VpcEndpointId").unwrap_or_default();
    let mut record = ENDPOINT.get(platform, id)?;
    check_parts(platform, input, ["AddRouteTableIds", "AddSubnetIds", "AddSecurityGroupIds"])?;
    if fields::flag(input, "ResetPolicy") == Some(true) {
        record["PolicyDocument"] = json!(POLICY);
    }
    if let Some(policy) = fields::text(input, "PolicyDocument") {
        record["PolicyDocument"] = json!(policy);
    }
    let changed = |known: Vec<&str>, add: &str, remove: &str| -> Vec<String> {
        let (add, remove) = (fields::texts(input, add), fields::texts(input, remove));
        let new = add.into_iter().filter(|id| !known.contains(id)).collect::<Vec<_>>();
        let all = known.into_iter().chain(new);
        all.filter(|id| !remove.contains(id)).map(str::to_owned).collect()
    };
    let tables =
        changed(fields::texts(&record, "RouteTableIds"), "AddRouteTableIds", "RemoveRouteTableIds");
    let subnets = changed(fields::texts(&record, "SubnetIds"), "AddSubnetIds", "RemoveSubnetIds");
    let known = fields::list(&record, "Groups").iter();
    let known = known.filter_map(|group| fields::text(group, "GroupId")).collect();
    let of_endpoint = changed(known, "AddSecurityGroupIds", "RemoveSecurityGroupIds");
    let of_endpoint: Vec<&str> = of_endpoint.iter().map(String::as_str).collect();
    record["Groups"] = groups(platform, &of_endpoint);
    record["RouteTableIds"] = json!(tables);
    record["SubnetIds"] = json!(subnets);
    if let Some(private) = fields::flag(input, "PrivateDnsEnabled") {
        let service = fields::owned(&record, "ServiceName").unwrap_or_default();
        record["PrivateDnsEnabled"] = json!(private);
        record["DnsEntries"] = dns_entries(platform, id, &service, private);
    }
    Answer::after(vec![ENDPOINT.records.put(id, &record)], done)
}

/// Each that cannot be deleted is named in the answer; the others go.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut commands = Vec::new();
    let mut unsuccessful = Vec::new();
    for id in fields::texts(input, "VpcEndpointIds") {
        match ENDPOINT.get(platform, id) {
            Ok(_) => {
                commands.push(ENDPOINT.records.remove(id));
                commands.extend(tagging::forget(platform, id));
            }
            Err(error) => unsuccessful.push(json!({
                "ResourceId": id,
                "Error": { "Code": error.code, "Message": error.message },
            })),
        }
    }
    let answer = json!({ "Unsuccessful": unsuccessful });
    match commands.is_empty() {
        true => now(answer),
        false => Answer::after(commands, move |_| answer),
    }
}
