//! What there is of EC2: how each kind is listed, told apart by its ids, filtered and tagged.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::filter::{Filters, has_values, page};
use super::{network_acls, permissions, route_tables, tagging};
use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, fields, names};

/// One kind of thing.
pub(super) struct Kind {
    /// How its ids begin.
    pub(super) prefix: &'static str,
    /// As tag operations call it.
    pub(super) resource_type: &'static str,
    /// How errors call its ids.
    noun: &'static str,
    /// The error of an id that is nobody's.
    missing: &'static str,
    /// Members of a listing's input and answer, and of an entry.
    asked: &'static str,
    listed: &'static str,
    pub(super) id: &'static str,
    /// Names of filters with what they look at.
    filters: Filters,
    /// Where its records are.
    pub(super) records: Records,
}

macro_rules! kind {
    ($name:ident, $prefix:literal, $type:literal, $noun:literal, $missing:literal,
     $asked:literal, $listed:literal, $id:literal, $filters:expr) => {
        pub(super) const $name: Kind = Kind {
            prefix: $prefix,
            resource_type: $type,
            noun: $noun,
            missing: $missing,
            asked: $asked,
            listed: $listed,
            id: $id,
            filters: $filters,
            records: table("ec2", $type),
        };
    };
}

kind!(
    VPC,
    "vpc",
    "vpc",
    "vpc ID",
    "InvalidVpcID.NotFound",
    "VpcIds",
    "Vpcs",
    "VpcId",
    &[
        ("cidr", "CidrBlock"),
        ("cidr-block-association.association-id", "CidrBlockAssociationSet.AssociationId"),
        ("cidr-block-association.cidr-block", "CidrBlockAssociationSet.CidrBlock"),
        ("cidr-block-association.state", "CidrBlockAssociationSet.CidrBlockState.State"),
        ("dhcp-options-id", "DhcpOptionsId"),
        ("is-default", "IsDefault"),
        ("isDefault", "IsDefault"),
        ("owner-id", "OwnerId"),
        ("state", "State"),
        ("vpc-id", "VpcId"),
    ]
);
kind!(
    SUBNET,
    "subnet",
    "subnet",
    "subnet ID",
    "InvalidSubnetID.NotFound",
    "SubnetIds",
    "Subnets",
    "SubnetId",
    &[
        ("availability-zone", "AvailabilityZone"),
        ("availabilityZone", "AvailabilityZone"),
        ("availability-zone-id", "AvailabilityZoneId"),
        ("available-ip-address-count", "AvailableIpAddressCount"),
        ("cidr-block", "CidrBlock"),
        ("cidr", "CidrBlock"),
        ("cidrBlock", "CidrBlock"),
        ("default-for-az", "DefaultForAz"),
        ("defaultForAz", "DefaultForAz"),
        ("map-public-ip-on-launch", "MapPublicIpOnLaunch"),
        ("owner-id", "OwnerId"),
        ("state", "State"),
        ("subnet-arn", "SubnetArn"),
        ("subnet-id", "SubnetId"),
        ("vpc-id", "VpcId"),
    ]
);
kind!(
    GROUP,
    "sg",
    "security-group",
    "security group",
    "InvalidGroup.NotFound",
    "GroupIds",
    "SecurityGroups",
    "GroupId",
    &[
        ("description", "Description"),
        ("egress.ip-permission.cidr", "IpPermissionsEgress.IpRanges.CidrIp"),
        ("egress.ip-permission.group-id", "IpPermissionsEgress.UserIdGroupPairs.GroupId"),
        ("group-id", "GroupId"),
        ("group-name", "GroupName"),
        ("ip-permission.cidr", "IpPermissions.IpRanges.CidrIp"),
        ("ip-permission.from-port", "IpPermissions.FromPort"),
        ("ip-permission.group-id", "IpPermissions.UserIdGroupPairs.GroupId"),
        ("ip-permission.protocol", "IpPermissions.IpProtocol"),
        ("ip-permission.to-port", "IpPermissions.ToPort"),
        ("owner-id", "OwnerId"),
        ("vpc-id", "VpcId"),
    ]
);
kind!(
    RULE,
    "sgr",
    "security-group-rule",
    "security group rule ID",
    "InvalidSecurityGroupRuleId.NotFound",
    "SecurityGroupRuleIds",
    "SecurityGroupRules",
    "SecurityGroupRuleId",
    &[("group-id", "GroupId"), ("security-group-rule-id", "SecurityGroupRuleId")]
);
kind!(
    ROUTE_TABLE,
    "rtb",
    "route-table",
    "routeTable ID",
    "InvalidRouteTableID.NotFound",
    "RouteTableIds",
    "RouteTables",
    "RouteTableId",
    &[
        ("association.gateway-id", "Associations.GatewayId"),
        ("association.main", "Associations.Main"),
        ("association.route-table-association-id", "Associations.RouteTableAssociationId"),
        ("association.route-table-id", "Associations.RouteTableId"),
        ("association.subnet-id", "Associations.SubnetId"),
        ("owner-id", "OwnerId"),
        ("route.destination-cidr-block", "Routes.DestinationCidrBlock"),
        ("route.destination-ipv6-cidr-block", "Routes.DestinationIpv6CidrBlock"),
        ("route.destination-prefix-list-id", "Routes.DestinationPrefixListId"),
        ("route.gateway-id", "Routes.GatewayId"),
        ("route.nat-gateway-id", "Routes.NatGatewayId"),
        ("route.origin", "Routes.Origin"),
        ("route.state", "Routes.State"),
        ("route-table-id", "RouteTableId"),
        ("vpc-id", "VpcId"),
    ]
);
kind!(
    INTERNET_GATEWAY,
    "igw",
    "internet-gateway",
    "internetGateway ID",
    "InvalidInternetGatewayID.NotFound",
    "InternetGatewayIds",
    "InternetGateways",
    "InternetGatewayId",
    &[
        ("attachment.state", "Attachments.State"),
        ("attachment.vpc-id", "Attachments.VpcId"),
        ("internet-gateway-id", "InternetGatewayId"),
        ("owner-id", "OwnerId"),
    ]
);
kind!(
    NAT_GATEWAY,
    "nat",
    "natgateway",
    "Nat Gateway",
    "NatGatewayNotFound",
    "NatGatewayIds",
    "NatGateways",
    "NatGatewayId",
    &[
        ("nat-gateway-id", "NatGatewayId"),
        ("state", "State"),
        ("subnet-id", "SubnetId"),
        ("vpc-id", "VpcId"),
    ]
);
kind!(
    ADDRESS,
    "eipalloc",
    "elastic-ip",
    "allocation ID",
    "InvalidAllocationID.NotFound",
    "AllocationIds",
    "Addresses",
    "AllocationId",
    &[
        ("allocation-id", "AllocationId"),
        ("association-id", "AssociationId"),
        ("domain", "Domain"),
        ("instance-id", "InstanceId"),
        ("network-border-group", "NetworkBorderGroup"),
        ("network-interface-id", "NetworkInterfaceId"),
        ("private-ip-address", "PrivateIpAddress"),
        ("public-ip", "PublicIp"),
    ]
);
kind!(
    NETWORK_ACL,
    "acl",
    "network-acl",
    "networkAcl ID",
    "InvalidNetworkAclID.NotFound",
    "NetworkAclIds",
    "NetworkAcls",
    "NetworkAclId",
    &[
        ("association.association-id", "Associations.NetworkAclAssociationId"),
        ("association.network-acl-id", "Associations.NetworkAclId"),
        ("association.subnet-id", "Associations.SubnetId"),
        ("default", "IsDefault"),
        ("network-acl-id", "NetworkAclId"),
        ("owner-id", "OwnerId"),
        ("vpc-id", "VpcId"),
    ]
);
kind!(
    ENDPOINT,
    "vpce",
    "vpc-endpoint",
    "Vpc Endpoint Id",
    "InvalidVpcEndpointId.NotFound",
    "VpcEndpointIds",
    "VpcEndpoints",
    "VpcEndpointId",
    &[
        ("service-name", "ServiceName"),
        ("vpc-id", "VpcId"),
        ("vpc-endpoint-id", "VpcEndpointId"),
        ("vpc-endpoint-state", "State"),
        ("vpc-endpoint-type", "VpcEndpointType"),
    ]
);
kind!(
    FLOW_LOG,
    "fl",
    "vpc-flow-log",
    "flowLog ID",
    "InvalidFlowLogId.NotFound",
    "FlowLogIds",
    "FlowLogs",
    "FlowLogId",
    &[
        ("deliver-log-status", "DeliverLogsStatus"),
        ("flow-log-id", "FlowLogId"),
        ("log-destination-type", "LogDestinationType"),
        ("log-group-name", "LogGroupName"),
        ("resource-id", "ResourceId"),
        ("traffic-type", "TrafficType"),
    ]
);
kind!(
    INTERFACE,
    "eni",
    "network-interface",
    "networkInterface ID",
    "InvalidNetworkInterfaceID.NotFound",
    "NetworkInterfaceIds",
    "NetworkInterfaces",
    "NetworkInterfaceId",
    &[
        ("addresses.private-ip-address", "PrivateIpAddress"),
        ("attachment.attachment-id", "Attachment.AttachmentId"),
        ("attachment.instance-id", "Attachment.InstanceId"),
        ("attachment.instance-owner-id", "Attachment.InstanceOwnerId"),
        ("attachment.status", "Attachment.Status"),
        ("availability-zone", "AvailabilityZone"),
        ("description", "Description"),
        ("group-id", "Groups.GroupId"),
        ("group-name", "Groups.GroupName"),
        ("interface-type", "InterfaceType"),
        ("network-interface-id", "NetworkInterfaceId"),
        ("owner-id", "OwnerId"),
        ("private-ip-address", "PrivateIpAddress"),
        ("requester-id", "RequesterId"),
        ("requester-managed", "RequesterManaged"),
        ("status", "Status"),
        ("subnet-id", "SubnetId"),
        ("vpc-id", "VpcId"),
    ]
);

/// The kinds that carry tags.
const ALL: &[&Kind] = &[
    &VPC,
    &SUBNET,
    &GROUP,
    &RULE,
    &ROUTE_TABLE,
    &INTERNET_GATEWAY,
    &NAT_GATEWAY,
    &ADDRESS,
    &NETWORK_ACL,
    &ENDPOINT,
    &FLOW_LOG,
];

/// The kind that such an id is of.
pub(super) fn of(id: &str) -> Option<&'static Kind> {
    let (prefix, _) = id.split_once('-')?;
    ALL.iter().copied().find(|kind| kind.prefix == prefix)
}

impl Kind {
    /// Nothing has that id.
    pub(super) fn not_found(&self, id: &str) -> AwsError {
        error::client(self.missing, format!("The {} '{id}' does not exist", self.noun))
    }

    /// The record with that id.
    pub(super) fn get(&self, platform: &Platform, id: &str) -> Result<Value, AwsError> {
        self.records.get(platform, id).ok_or_else(|| self.not_found(id))
    }

    /// Whether something of the kind has that id.
    pub(super) fn has(&self, platform: &Platform, id: &str) -> bool {
        match self.prefix {
            "vpc" => names::vpc_name(platform, id).is_some(),
            "subnet" => names::subnet_name(platform, id).is_some(),
            "sg" => platform.security_groups().any(|g| names::security_group_id(&g.name) == id),
            "sgr" => permissions::find_by_id(platform, id).is_some(),
            "rtb" => route_tables::get(platform, id).is_ok(),
            "acl" => network_acls::get(platform, id).is_ok(),
            _ => self.records.has(platform, id),
        }
    }

    /// The records as a listing shows them.
    pub(super) fn recorded(&self, platform: &Platform) -> Vec<Value> {
        self.records.all(platform).map(|(_, record)| record).collect()
    }

    /// The answer of a listing: of these, those that were asked for, with their tags.
    pub(super) fn list(
        &self,
        platform: &Platform,
        input: &Value,
        mut all: Vec<Value>,
    ) -> Result<Answer, AwsError> {
        let id = |entry: &Value| fields::text(entry, self.id).unwrap_or_default().to_owned();
        let asked = fields::texts(input, self.asked);
        if let Some(missing) = asked.iter().find(|asked| !all.iter().any(|e| id(e) == **asked)) {
            return Err(self.not_found(missing));
        }
        all.retain(|entry| asked.is_empty() || asked.contains(&id(entry).as_str()));
        let tags = if self.prefix == "eni" { "TagSet" } else { "Tags" };
        for entry in &mut all {
            entry[tags] = tagging::view(platform, &id(entry));
        }
        let mut shown = Vec::new();
        for entry in all {
            if has_values(&entry, tags, input, self.filters)? {
                shown.push(entry);
            }
        }
        shown.sort_by_key(id);
        let page = page(input, shown, id)?;
        let mut answer = json!({ self.listed: page.entries });
        fields::set(&mut answer, "NextToken", page.next);
        Ok(Answer::Now(answer))
    }
}
