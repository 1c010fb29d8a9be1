//! Route tables, their routes and their associations.
//!
//! Every VPC has a table of its own, which is its main one unless another was made that; it needs
//! no record before it is changed. The route within the VPC is not written down.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::kinds::{ENDPOINT, INTERNET_GATEWAY, NAT_GATEWAY, ROUTE_TABLE};
use super::routing::Routing;
use super::{done, in_use, invalid, prefix_lists, range, silent, subnets, tagging, vpcs};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields, names};

/// Where a route may lead.
const TARGETS: [&str; 9] = [
    "GatewayId",
    "NatGatewayId",
    "EgressOnlyInternetGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "TransitGatewayId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "VpcPeeringConnectionId",
];

const DESTINATIONS: [&str; 3] =
    ["DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"];

/// The id of a VPC's own table.
fn own_id(vpc: &str) -> String {
    format!("rtb-0{:016x}", arn::derived(&[b"rtb", vpc.as_bytes()]))
}

/// Whether it is the table that its VPC was made with.
pub(super) fn is_own(table: &Value) -> bool {
    let vpc = fields::text(table, "VpcId").unwrap_or_default();
    fields::text(table, "RouteTableId") == Some(&own_id(vpc))
}

fn own(platform: &Platform, vpc: &str) -> Value {
    let id = own_id(vpc);
    ROUTE_TABLE.records.get(platform, &id).unwrap_or_else(|| {
        let association = arn::derived(&[b"rtbassoc", vpc.as_bytes()]);
        json!({
            "RouteTableId": id,
            "VpcId": vpc,
            "Routes": [],
            "Associations": [{
                "RouteTableAssociationId": format!("rtbassoc-0{association:016x}"),
                "RouteTableId": id,
                "Main": true,
            }],
        })
    })
}

/// The tables of the VPC with that id.
pub(super) fn of_vpc(platform: &Platform, vpc: &str) -> Vec<Value> {
    let own = own(platform, vpc);
    let others = ROUTE_TABLE.recorded(platform).into_iter();
    let others = others.filter(|t| fields::text(t, "VpcId") == Some(vpc) && !is_own(t));
    std::iter::once(own).chain(others).collect()
}

/// The table with that id.
pub(super) fn get(platform: &Platform, id: &str) -> Result<Value, AwsError> {
    if let Some(table) = ROUTE_TABLE.records.get(platform, id) {
        return Ok(table);
    }
    let mut vpcs = platform.vpcs().map(|vpc| names::vpc_id(&vpc.name));
    let vpc = vpcs.find(|vpc| own_id(vpc) == id).ok_or_else(|| ROUTE_TABLE.not_found(id))?;
    Ok(own(platform, &vpc))
}

fn is_main(association: &Value) -> bool {
    fields::flag(association, "Main") == Some(true)
}

/// Whether it is the main table of its VPC.
pub(super) fn is_main_table(table: &Value) -> bool {
    fields::list(table, "Associations").iter().any(is_main)
}

fn vpc_of(table: &Value) -> &str {
    fields::text(table, "VpcId").unwrap_or_default()
}

fn id_of(table: &Value) -> &str {
    fields::text(table, "RouteTableId").unwrap_or_default()
}

fn view(platform: &Platform, table: &Value) -> Value {
    let routing = Routing::of(platform, vpc_of(table));
    let mut view = table.clone();
    view["OwnerId"] = json!(platform.identity().account);
    view["PropagatingVgws"] = json!([]);
    let mut routes = Vec::new();
    if let Ok(vpc) = vpcs::find(platform, vpc_of(table)) {
        routes.push(json!({
            "DestinationCidrBlock": range::show((vpc.base, vpc.prefix)),
            "GatewayId": "local",
            "Origin": "CreateRouteTable",
            "State": "active",
        }));
    }
    for route in fields::list(table, "Routes") {
        let mut route = route.clone();
        let state = if routing.is_active(&route) { "active" } else { "blackhole" };
        route["State"] = json!(state);
        route["Origin"] = json!("CreateRoute");
        routes.push(route);
    }
    for endpoint in ENDPOINT.recorded(platform) {
        if fields::texts(&endpoint, "RouteTableIds").contains(&id_of(table)) {
            let service = fields::text(&endpoint, "ServiceName").unwrap_or_default();
            routes.push(json!({
                "DestinationPrefixListId": prefix_lists::of_service(platform, service),
                "GatewayId": endpoint["VpcEndpointId"],
                "Origin": "CreateRoute",
                "State": "active",
            }));
        }
    }
    view["Routes"] = Value::Array(routes);
    if let Some(associations) = view["Associations"].as_array_mut() {
        for association in associations {
            association["AssociationState"] = json!({ "State": "associated" });
        }
    }
    view
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let vpcs = platform.vpcs().map(|vpc| names::vpc_id(&vpc.name));
    let tables = vpcs.flat_map(|vpc| of_vpc(platform, &vpc));
    ROUTE_TABLE.list(platform, input, tables.map(|table| view(platform, &table)).collect())
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let vpc = vpcs::check(platform, input)?;
    let mut ids = Ids::of(platform);
    let id = ids.id("rtb");
    let table = json!({ "RouteTableId": id, "VpcId": vpc, "Routes": [], "Associations": [] });
    let mut commands = vec![ROUTE_TABLE.records.put(&id, &table), ids.taken()];
    commands.extend(tagging::on_new(&ROUTE_TABLE, &id, input));
    Answer::after(commands, move |platform| {
        let mut table = view(platform, &table);
        table["Tags"] = tagging::view(platform, &id);
        json!({ "RouteTable": table })
    })
}

/// What takes a table away with its tags.
pub(super) fn gone(platform: &Platform, table: &Value) -> Vec<Command> {
    let id = id_of(table);
    let record = ROUTE_TABLE.records.has(platform, id).then(|| ROUTE_TABLE.records.remove(id));
    record.into_iter().chain(tagging::forget(platform, id)).collect()
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "RouteTableId").unwrap_or_default();
    let table = get(platform, id)?;
    if is_own(&table) || !fields::list(&table, "Associations").is_empty() {
        return Err(in_use("routeTable", id));
    }
    Answer::after(gone(platform, &table), silent)
}

/// These tables in place of those of the same id, and what follows for the subnets.
fn put(platform: &Platform, tables: Vec<Value>) -> Vec<Command> {
    let vpc = tables.first().map(vpc_of).unwrap_or_default();
    let mut routing = Routing::of(platform, vpc);
    let mut commands: Vec<Command> =
        tables.iter().map(|table| ROUTE_TABLE.records.put(id_of(table), table)).collect();
    routing.tables.extend(tables.into_iter().map(|table| (id_of(&table).to_owned(), table)));
    commands.extend(routing.commands());
    commands
}

/// The destination of a route: its member and its value.
fn destination(input: &Value) -> Result<(&'static str, String), AwsError> {
    for member in DESTINATIONS {
        if let Some(text) = fields::text(input, member) {
            let text = match member {
                "DestinationCidrBlock" => range::show(range::read(text)?),
                _ => text.to_owned(),
            };
            return Ok((member, text));
        }
    }
    Err(error::client("MissingParameter", "The request must contain a destination"))
}

/// A route as it is kept.
fn route(platform: &Platform, input: &Value) -> Result<Value, AwsError> {
    let (member, destination) = destination(input)?;
    let mut route = json!({ member: destination });
    let target = TARGETS.iter().find_map(|t| Some((*t, fields::text(input, t)?)));
    let (member, target) = match (target, fields::text(input, "VpcEndpointId")) {
        (Some(target), _) => target,
        (None, Some(endpoint)) => ("GatewayId", endpoint),
        (None, None) => {
            let message = "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId";
            return Err(error::client("MissingParameter", message));
        }
    };
    match member {
        "GatewayId" if target.starts_with("igw-") => {
            INTERNET_GATEWAY.get(platform, target)?;
        }
        "NatGatewayId" => {
            let alive = |nat: &Value| fields::text(nat, "State") == Some("available");
            let nat = NAT_GATEWAY.records.get(platform, target).filter(alive);
            if nat.is_none() {
                let message = format!("The natGateway ID '{target}' does not exist");
                return Err(error::client("InvalidNatGatewayID.NotFound", message));
            }
        }
        _ => {}
    }
    route[member] = json!(target);
    Ok(route)
}

fn same_destination(route: &Value, (member, destination): (&str, &str)) -> bool {
    fields::text(route, member) == Some(destination)
}

fn is_local(platform: &Platform, table: &Value, destination: &str) -> bool {
    let vpc = vpcs::find(platform, vpc_of(table));
    vpc.is_ok_and(|vpc| range::show((vpc.base, vpc.prefix)) == destination)
}

pub(super) fn create_route(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut table = get(platform, fields::text(input, "RouteTableId").unwrap_or_default())?;
    let (member, to) = destination(input)?;
    let route = route(platform, input)?;
    let known = fields::list(&table, "Routes").iter().any(|r| same_destination(r, (member, &to)));
    if known || is_local(platform, &table, &to) {
        let message = format!("The route identified by {to} already exists.");
        return Err(error::client("RouteAlreadyExists", message));
    }
    if let Some(routes) = table["Routes"].as_array_mut() {
        routes.push(route);
    }
    Answer::after(put(platform, vec![table]), done)
}

fn no_route(table: &Value, to: &str) -> AwsError {
    let id = id_of(table);
    let message = format!("no route with destination-cidr-block {to} in route table {id}");
    error::client("InvalidRoute.NotFound", message)
}

pub(super) fn replace_route(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut table = get(platform, fields::text(input, "RouteTableId").unwrap_or_default())?;
    let (member, to) = destination(input)?;
    let route = route(platform, input)?;
    let mut routes = table["Routes"].as_array_mut().into_iter().flatten();
    match routes.find(|route| same_destination(route, (member, &to))) {
        Some(known) => *known = route,
        None => return Err(no_route(&table, &to)),
    }
    Answer::after(put(platform, vec![table]), silent)
}

pub(super) fn delete_route(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut table = get(platform, fields::text(input, "RouteTableId").unwrap_or_default())?;
    let (member, to) = destination(input)?;
    if is_local(platform, &table, &to) {
        let message = format!("cannot remove local route {to} in route table {}", id_of(&table));
        return Err(invalid(message));
    }
    let mut found = false;
    if let Some(routes) = table["Routes"].as_array_mut() {
        let before = routes.len();
        routes.retain(|route| !same_destination(route, (member, &to)));
        found = routes.len() < before;
    }
    if !found {
        return Err(no_route(&table, &to));
    }
    Answer::after(put(platform, vec![table]), silent)
}

/// The table with that association, and the association's place in it.
fn associated(platform: &Platform, id: &str) -> Result<(Value, usize), AwsError> {
    let vpcs = platform.vpcs().map(|vpc| names::vpc_id(&vpc.name));
    for table in vpcs.flat_map(|vpc| of_vpc(platform, &vpc)) {
        let mut all = fields::list(&table, "Associations").iter();
        let at = all.position(|a| fields::text(a, "RouteTableAssociationId") == Some(id));
        if let Some(at) = at {
            return Ok((table, at));
        }
    }
    let message = format!("The association ID '{id}' does not exist");
    Err(error::client("InvalidAssociationID.NotFound", message))
}

fn add_association(table: &mut Value, mut association: Value) {
    association["RouteTableId"] = table["RouteTableId"].clone();
    if let Some(all) = table["Associations"].as_array_mut() {
        all.push(association);
    }
}

fn take_association(table: &mut Value, at: usize) -> Value {
    table["Associations"].as_array_mut().map_or(Value::Null, |all| all.remove(at))
}

pub(super) fn associate(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut table = get(platform, fields::text(input, "RouteTableId").unwrap_or_default())?;
    let mut ids = Ids::of(platform);
    let id = ids.id("rtbassoc");
    let mut association = json!({ "RouteTableAssociationId": id, "Main": false });
    match (fields::text(input, "SubnetId"), fields::text(input, "GatewayId")) {
        (Some(subnet), _) => {
            let spec = &subnets::find(platform, subnet)?.spec;
            if names::vpc_id(&spec.vpc) != vpc_of(&table) {
                return Err(invalid(format!(
                    "Route table {} and subnet {subnet} belong to different networks",
                    id_of(&table)
                )));
            }
            let tables = of_vpc(platform, vpc_of(&table));
            let all = tables.iter().flat_map(|t| fields::list(t, "Associations"));
            if let Some(other) = all.into_iter().find(|a| a["SubnetId"] == subnet) {
                let other = other["RouteTableAssociationId"].as_str().unwrap_or_default();
                let message = format!(
                    "the specified association for route table {} conflicts with an existing association ({other})",
                    id_of(&table)
                );
                return Err(error::client("Resource.AlreadyAssociated", message));
            }
            association["SubnetId"] = json!(names::subnet_id(&spec.name));
        }
        (None, Some(gateway)) => association["GatewayId"] = json!(gateway),
        (None, None) => {
            let message = "The request must contain either a subnetId or a gatewayId";
            return Err(error::client("MissingParameter", message));
        }
    }
    add_association(&mut table, association);
    let mut commands = put(platform, vec![table]);
    commands.push(ids.taken());
    Answer::after(
        commands,
        move |_| json!({ "AssociationId": id, "AssociationState": { "State": "associated" } }),
    )
}

pub(super) fn disassociate(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "AssociationId").unwrap_or_default();
    let (mut table, at) = associated(platform, id)?;
    if is_main(&take_association(&mut table, at)) {
        let message = format!("cannot disassociate the main route table association {id}");
        return Err(invalid(message));
    }
    Answer::after(put(platform, vec![table]), silent)
}

/// The association goes to another table of the VPC, and gets a new id there.
pub(super) fn replace_association(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "AssociationId").unwrap_or_default();
    let (mut from, at) = associated(platform, id)?;
    let to = get(platform, fields::text(input, "RouteTableId").unwrap_or_default())?;
    if vpc_of(&from) != vpc_of(&to) {
        let message = format!(
            "Route tables {} and {} belong to different networks",
            id_of(&from),
            id_of(&to)
        );
        return Err(invalid(message));
    }
    let mut ids = Ids::of(platform);
    let new = ids.id("rtbassoc");
    let mut association = take_association(&mut from, at);
    association["RouteTableAssociationId"] = json!(new);
    let mut to = if id_of(&to) == id_of(&from) { from.clone() } else { to };
    add_association(&mut to, association);
    let mut commands = match id_of(&to) == id_of(&from) {
        true => put(platform, vec![to]),
        false => put(platform, vec![from, to]),
    };
    commands.push(ids.taken());
    Answer::after(
        commands,
        move |_| json!({ "NewAssociationId": new, "AssociationState": { "State": "associated" } }),
    )
}

/// A subnet is gone, and its association with it.
pub(super) fn subnet_gone(platform: &Platform, vpc: &str, subnet: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    for mut table in of_vpc(platform, vpc) {
        let Some(all) = table["Associations"].as_array_mut() else { continue };
        let before = all.len();
        all.retain(|a| fields::text(a, "SubnetId") != Some(subnet));
        if all.len() < before {
            commands.push(ROUTE_TABLE.records.put(id_of(&table), &table));
        }
    }
    commands
}
