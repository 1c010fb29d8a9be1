//! Elastic Load Balancing v2: application load balancers, listeners, rules and target groups.

mod actions;
mod attributes;
mod certificates;
mod conditions;
mod errors;
mod listeners;
mod load_balancers;
mod lookup;
mod rules;
mod tagging;
mod target_groups;
mod target_health;

use serde_json::{Value, json};

use crate::error::AwsError;
use crate::page::{self, Page};
use crate::{Table, fields};

pub(crate) use errors::refused;
pub(crate) use lookup::{load_balancers_of, target_group, target_type};

pub(crate) const OPERATIONS: Table = &[
    ("AddListenerCertificates", certificates::add),
    ("AddTags", tagging::add),
    ("CreateListener", listeners::create),
    ("CreateLoadBalancer", load_balancers::create),
    ("CreateRule", rules::create),
    ("CreateTargetGroup", target_groups::create),
    ("DeleteListener", listeners::delete),
    ("DeleteLoadBalancer", load_balancers::delete),
    ("DeleteRule", rules::delete),
    ("DeleteTargetGroup", target_groups::delete),
    ("DeregisterTargets", target_groups::register),
    ("DescribeAccountLimits", load_balancers::account_limits),
    ("DescribeCapacityReservation", load_balancers::describe_capacity_reservation),
    ("DescribeListenerAttributes", attributes::describe_listener),
    ("DescribeListenerCertificates", certificates::describe),
    ("DescribeListeners", listeners::describe),
    ("DescribeLoadBalancerAttributes", attributes::describe_load_balancer),
    ("DescribeLoadBalancers", load_balancers::describe),
    ("DescribeRules", rules::describe),
    ("DescribeSSLPolicies", certificates::policies),
    ("DescribeTags", tagging::describe),
    ("DescribeTargetGroupAttributes", attributes::describe_target_group),
    ("DescribeTargetGroups", target_groups::describe),
    ("DescribeTargetHealth", target_health::describe),
    ("ModifyListener", listeners::modify),
    ("ModifyListenerAttributes", attributes::modify_listener),
    ("ModifyLoadBalancerAttributes", attributes::modify_load_balancer),
    ("ModifyRule", rules::modify),
    ("ModifyTargetGroup", target_groups::modify),
    ("ModifyTargetGroupAttributes", attributes::modify_target_group),
    ("RegisterTargets", target_groups::register),
    ("RemoveListenerCertificates", certificates::remove),
    ("RemoveTags", tagging::remove),
    ("SetIpAddressType", load_balancers::set_ip_address_type),
    ("SetRulePriorities", rules::set_priorities),
    ("SetSecurityGroups", load_balancers::set_security_groups),
    ("SetSubnets", load_balancers::set_subnets),
];

/// A page of a listing as ELB gives it out.
fn page<T>(
    input: &Value,
    entries: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, AwsError> {
    let size = fields::number(input, "PageSize").map_or(400, |n| n as usize).max(1);
    page::page(entries, key, false, fields::text(input, "Marker"), size)
        .map_err(|_| errors::validation("The marker is not valid."))
}

/// A listing's answer.
fn listed(member: &str, entries: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({ member: entries });
    fields::set(&mut answer, "NextMarker", next);
    answer
}

/// Names of load balancers and target groups (ALB-TG-1, ALB-HDR-11).
fn check_name(kind: &str, name: &str) -> Result<(), AwsError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let ends = name.starts_with('-') || name.ends_with('-');
    if name.is_empty() || name.len() > 32 || ends || !name.bytes().all(fits) {
        return Err(errors::validation(format!(
            "The {kind} name '{name}' must have 1 to 32 letters, digits or hyphens and must not begin or end with a hyphen"
        )));
    }
    Ok(())
}
