//! EC2, as much of it as a VPC is made of.
//!
//! VPCs, subnets and security groups are the platform's: traffic follows them. Route tables and
//! gateways decide which way a subnet has to the outside. Everything else is a record.
//!
//! Parts that came from `neargate.yaml` are listed with the others. They may be tagged and built
//! upon; they are changed where they are described.

mod addresses;
mod endpoints;
mod filter;
mod flow_logs;
mod gateways;
mod interfaces;
mod kinds;
mod network_acls;
mod permissions;
mod places;
mod prefix_lists;
mod range;
mod route_tables;
mod routing;
mod security_groups;
mod subnets;
mod tagging;
mod vpcs;

use neargate_core::Rejection;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::{Answer, Table};

pub(crate) use security_groups::default_group;

pub(crate) const OPERATIONS: Table = &[
    ("AllocateAddress", addresses::allocate),
    ("AssociateRouteTable", route_tables::associate),
    ("AttachInternetGateway", gateways::attach),
    ("AuthorizeSecurityGroupEgress", permissions::authorize_egress),
    ("AuthorizeSecurityGroupIngress", permissions::authorize_ingress),
    ("CreateFlowLogs", flow_logs::create),
    ("CreateInternetGateway", gateways::create_internet),
    ("CreateNatGateway", gateways::create_nat),
    ("CreateNetworkAcl", network_acls::create),
    ("CreateNetworkAclEntry", network_acls::create_entry),
    ("CreateRoute", route_tables::create_route),
    ("CreateRouteTable", route_tables::create),
    ("CreateSecurityGroup", security_groups::create),
    ("CreateSubnet", subnets::create),
    ("CreateTags", tagging::create),
    ("CreateVpc", vpcs::create),
    ("CreateVpcEndpoint", endpoints::create),
    ("DeleteFlowLogs", flow_logs::delete),
    ("DeleteInternetGateway", gateways::delete_internet),
    ("DeleteNatGateway", gateways::delete_nat),
    ("DeleteNetworkAcl", network_acls::delete),
    ("DeleteNetworkAclEntry", network_acls::delete_entry),
    ("DeleteRoute", route_tables::delete_route),
    ("DeleteRouteTable", route_tables::delete),
    ("DeleteSecurityGroup", security_groups::delete),
    ("DeleteSubnet", subnets::delete),
    ("DeleteTags", tagging::delete),
    ("DeleteVpc", vpcs::delete),
    ("DeleteVpcEndpoints", endpoints::delete),
    ("DescribeAccountAttributes", places::account_attributes),
    ("DescribeAddresses", addresses::describe),
    ("DescribeAddressesAttribute", addresses::describe_attribute),
    ("DescribeAvailabilityZones", places::zones),
    ("DescribeDhcpOptions", vpcs::dhcp_options),
    ("DescribeFlowLogs", flow_logs::describe),
    ("DescribeImages", places::images),
    ("DescribeInstances", places::instances),
    ("DescribeInternetGateways", gateways::describe_internet),
    ("DescribeManagedPrefixLists", prefix_lists::describe_managed),
    ("DescribeNatGateways", gateways::describe_nat),
    ("DescribeNetworkAcls", network_acls::describe),
    ("DescribeNetworkInterfaces", interfaces::describe),
    ("DescribePrefixLists", prefix_lists::describe),
    ("DescribeRegions", places::regions),
    ("DescribeRouteTables", route_tables::describe),
    ("DescribeSecurityGroupRules", permissions::describe),
    ("DescribeSecurityGroups", security_groups::describe),
    ("DescribeSubnets", subnets::describe),
    ("DescribeTags", tagging::describe),
    ("DescribeVpcAttribute", vpcs::describe_attribute),
    ("DescribeVpcEndpoints", endpoints::describe),
    ("DescribeVpcs", vpcs::describe),
    ("DetachInternetGateway", gateways::detach),
    ("DisassociateAddress", addresses::disassociate),
    ("DisassociateRouteTable", route_tables::disassociate),
    ("GetInstanceUefiData", places::uefi_data),
    ("GetManagedPrefixListEntries", prefix_lists::entries),
    ("GetSecurityGroupsForVpc", security_groups::for_vpc),
    ("ModifySecurityGroupRules", permissions::modify),
    ("ModifySubnetAttribute", subnets::modify),
    ("ModifyVpcAttribute", vpcs::modify_attribute),
    ("ModifyVpcEndpoint", endpoints::modify),
    ("ReleaseAddress", addresses::release),
    ("ReplaceNetworkAclAssociation", network_acls::replace_association),
    ("ReplaceNetworkAclEntry", network_acls::replace_entry),
    ("ReplaceRoute", route_tables::replace_route),
    ("ReplaceRouteTableAssociation", route_tables::replace_association),
    ("RevokeSecurityGroupEgress", permissions::revoke_egress),
    ("RevokeSecurityGroupIngress", permissions::revoke_ingress),
    ("UpdateSecurityGroupRuleDescriptionsEgress", permissions::describe_egress_anew),
    ("UpdateSecurityGroupRuleDescriptionsIngress", permissions::describe_ingress_anew),
];

/// What only the core can know: a part is in use.
pub(crate) fn refused(rejection: &Rejection) -> AwsError {
    match rejection {
        Rejection::NotFound { .. } => error::client("InvalidParameterValue", rejection.to_string()),
        Rejection::Invalid(why) => error::client("DependencyViolation", why.clone()),
    }
}

/// Operations that say `true` when they succeeded.
fn done(_: &neargate_core::Platform) -> Value {
    json!({ "Return": true })
}

/// Operations that say nothing when they succeeded.
fn silent(_: &neargate_core::Platform) -> Value {
    json!({})
}

fn invalid(message: impl Into<String>) -> AwsError {
    error::client("InvalidParameterValue", message)
}

fn in_use(noun: &str, id: &str) -> AwsError {
    let message = format!("The {noun} '{id}' has dependencies and cannot be deleted.");
    error::client("DependencyViolation", message)
}

/// What `neargate.yaml` describes is changed there.
fn described(noun: &str, id: &str) -> AwsError {
    error::client(
        "OperationNotPermitted",
        format!(
            "The {noun} '{id}' is described in neargate.yaml; change it there and run neargate up"
        ),
    )
}

/// An answer with nothing to change.
fn now(value: Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(value))
}
