//! Which way the subnets of a VPC have to the outside, by its route tables and gateways.

use std::collections::{BTreeMap, BTreeSet};

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::network::{Internet, SubnetSpec};
use serde_json::Value;

use super::kinds::{INTERNET_GATEWAY, NAT_GATEWAY};
use super::route_tables;
use crate::{fields, names};

/// The destination of a default route.
const ANYWHERE: &str = "0.0.0.0/0";

/// Route tables and gateways as they are, or as they are to be.
pub(super) struct Routing<'a> {
    platform: &'a Platform,
    vpc: String,
    /// By id.
    pub(super) tables: BTreeMap<String, Value>,
    /// Internet gateways attached to the VPC.
    pub(super) attached: BTreeSet<String>,
    /// NAT gateways that work, of any VPC.
    pub(super) nats: BTreeSet<String>,
}

impl<'a> Routing<'a> {
    /// Of the VPC with that id, as it is now.
    pub(super) fn of(platform: &'a Platform, vpc: &str) -> Routing<'a> {
        let id = |record: &Value, member: &str| fields::owned(record, member);
        let attached = |record: &Value| {
            let mut attachments = fields::list(record, "Attachments").iter();
            attachments.any(|a| fields::text(a, "VpcId") == Some(vpc))
        };
        let works = |record: &Value| fields::text(record, "State") == Some("available");
        let gateways = INTERNET_GATEWAY.recorded(platform);
        let nats = NAT_GATEWAY.recorded(platform);
        let tables = route_tables::of_vpc(platform, vpc).into_iter();
        Routing {
            platform,
            vpc: vpc.to_owned(),
            tables: tables.filter_map(|t| Some((id(&t, "RouteTableId")?, t))).collect(),
            attached: gateways
                .iter()
                .filter(|g| attached(g))
                .filter_map(|g| id(g, "InternetGatewayId"))
                .collect(),
            nats: nats.iter().filter(|n| works(n)).filter_map(|n| id(n, "NatGatewayId")).collect(),
        }
    }

    /// The table of a subnet: the one associated with it, else the main one.
    fn table(&self, subnet: &str) -> Option<&Value> {
        let associated = |table: &&Value, with: &dyn Fn(&Value) -> bool| {
            fields::list(table, "Associations").iter().any(with)
        };
        let own = |a: &Value| fields::text(a, "SubnetId") == Some(subnet);
        let main = |a: &Value| fields::flag(a, "Main") == Some(true);
        let mut tables = self.tables.values();
        tables
            .find(|t| associated(t, &own))
            .or_else(|| self.tables.values().find(|t| associated(t, &main)))
    }

    /// A route's target is there.
    pub(super) fn is_active(&self, route: &Value) -> bool {
        let gateway = fields::text(route, "GatewayId").filter(|id| id.starts_with("igw-"));
        let nat = fields::text(route, "NatGatewayId");
        gateway.is_none_or(|id| self.attached.contains(id))
            && nat.is_none_or(|id| self.nats.contains(id))
    }

    /// The way out of the subnet with that id.
    pub(super) fn internet(&self, subnet: &str) -> Internet {
        let routes = self.table(subnet).map_or(&[][..], |table| fields::list(table, "Routes"));
        let mut defaults =
            routes.iter().filter(|r| fields::text(r, "DestinationCidrBlock") == Some(ANYWHERE));
        let Some(route) = defaults.find(|route| self.is_active(route)) else {
            return Internet::None;
        };
        let gateway = fields::text(route, "GatewayId");
        match (gateway, fields::text(route, "NatGatewayId")) {
            (Some(id), _) if id.starts_with("igw-") => Internet::Gateway,
            (_, Some(_)) => Internet::Nat,
            _ => Internet::None,
        }
    }

    /// What makes the platform's subnets go this way.
    pub(super) fn commands(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        for subnet in self.platform.subnets() {
            let spec = &subnet.spec;
            if names::vpc_id(&spec.vpc) != self.vpc || !names::is_of_client(&spec.name) {
                continue;
            }
            let internet = self.internet(&spec.name);
            if internet != spec.internet {
                commands.push(Command::PutSubnet(SubnetSpec { internet, ..spec.clone() }));
            }
        }
        commands
    }
}
