//! Application load balancers.

use std::collections::BTreeSet;

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::load_balancer::{DEFAULT_IDLE_TIMEOUT_MS, LoadBalancerSpec};
use neargate_core::platform::LoadBalancer;
use serde_json::{Value, json};

use super::lookup::{self, Listener, balancer_note, load_balancer_arn};
use super::{attributes, check_name, errors, listed, page};
use crate::error::{self, AwsError};
use crate::{Answer, fields, names, note, tags};

fn view(platform: &Platform, balancer: &LoadBalancer) -> Value {
    let identity = platform.identity();
    let spec = &balancer.spec;
    let arn = load_balancer_arn(platform, balancer);
    let vpc = lookup::vpc_of(platform, balancer);
    let (scheme, prefix) = match spec.internet_facing {
        true => ("internet-facing", ""),
        false => ("internal", "internal-"),
    };
    let zones: Vec<Value> = spec
        .subnets
        .iter()
        .map(|name| {
            let zone = platform.subnet(name).map_or("", |s| s.spec.zone.as_str());
            json!({
                "ZoneName": zone,
                "SubnetId": names::subnet_id(name),
                "LoadBalancerAddresses": [],
            })
        })
        .collect();
    let groups = spec.security_groups.iter().map(|name| names::security_group_id(name));
    let number = balancer.arn_id % 10_000_000_000;
    json!({
        "LoadBalancerArn": arn,
        "LoadBalancerName": spec.name,
        // ALB-HDR-9.
        "DNSName": format!("{prefix}{}-{number:010}.{}.elb.amazonaws.com", spec.name, identity.region),
        "CanonicalHostedZoneId": "Z35SXDOTRQ7X7K",
        "CreatedTime": fields::time(balancer.created_at),
        "Scheme": scheme,
        "VpcId": vpc.map_or_else(String::new, names::vpc_id),
        "State": { "Code": "active" },
        "Type": "application",
        "AvailabilityZones": zones,
        "SecurityGroups": groups.collect::<Vec<_>>(),
        "IpAddressType": "ipv4",
    })
}

fn views(platform: &Platform, name: &str) -> Value {
    let found = platform.load_balancer(name);
    let views: Vec<Value> = found.iter().map(|b| view(platform, b)).collect();
    json!({ "LoadBalancers": views })
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arns = fields::texts(input, "LoadBalancerArns");
    let asked = fields::texts(input, "Names");
    let mut balancers: Vec<&LoadBalancer> = Vec::new();
    for arn in &arns {
        balancers.push(lookup::load_balancer(platform, arn)?);
    }
    for name in &asked {
        let found = platform.load_balancer(name);
        balancers.push(found.ok_or_else(|| errors::load_balancer_not_found(name))?);
    }
    if arns.is_empty() && asked.is_empty() {
        balancers.extend(platform.load_balancers());
    }
    balancers.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let page = page(input, balancers, |b| b.spec.name.clone())?;
    let views = page.entries.iter().map(|b| view(platform, b)).collect();
    Ok(Answer::Now(listed("LoadBalancers", views, page.next)))
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "Name").unwrap_or_default().to_owned();
    check_name("load balancer", &name)?;
    if name.starts_with("internal-") {
        return Err(errors::validation(format!(
            "The load balancer name '{name}' must not begin with 'internal-'"
        )));
    }
    if let Some(kind) = fields::text(input, "Type").filter(|kind| *kind != "application") {
        return Err(errors::unsupported(format!(
            "Neargate has application load balancers only, not {kind}"
        )));
    }
    if let Some(kind) = fields::text(input, "IpAddressType").filter(|kind| *kind != "ipv4") {
        return Err(errors::unsupported(format!("Neargate has IPv4 addresses only, not {kind}")));
    }
    let mut ids = fields::texts(input, "Subnets");
    let mappings = fields::list(input, "SubnetMappings").iter();
    ids.extend(mappings.filter_map(|m| fields::text(m, "SubnetId")));
    let subnets = subnets(platform, &ids)?;
    let groups = fields::texts(input, "SecurityGroups").into_iter();
    let spec = LoadBalancerSpec {
        name: name.clone(),
        internet_facing: fields::text(input, "Scheme").is_none_or(|s| s == "internet-facing"),
        subnets,
        security_groups: groups.map(|id| names::security_group_name(platform, id)).collect(),
        idle_timeout_ms: DEFAULT_IDLE_TIMEOUT_MS,
        tags: tags::read(fields::list(input, "Tags"), tags::LARGE),
    };
    if let Some(existing) = platform.load_balancer(&name) {
        // ALB-HDR-11.
        let same = existing.spec.internet_facing == spec.internet_facing
            && existing.spec.subnets == spec.subnets;
        return match same {
            true => Ok(Answer::Now(views(platform, &name))),
            false => Err(error::client(
                "DuplicateLoadBalancerName",
                format!(
                    "A load balancer with the same name '{name}' exists, but with different settings"
                ),
            )),
        };
    }
    let commands = vec![Command::PutLoadBalancer(spec)];
    Answer::after(commands, move |platform| views(platform, &name))
}

/// ALB-HDR-11: at least two subnets, each in a zone of its own.
fn subnets(platform: &Platform, ids: &[&str]) -> Result<Vec<String>, AwsError> {
    let mut zones = BTreeSet::new();
    let mut names = Vec::new();
    for id in ids {
        let subnet = names::subnet_name(platform, id).and_then(|name| platform.subnet(&name));
        let Some(subnet) = subnet else {
            let message = format!("The subnet ID '{id}' does not exist");
            return Err(error::client("SubnetNotFound", message));
        };
        if !zones.insert(subnet.spec.zone.as_str()) {
            return Err(error::client(
                "InvalidConfigurationRequest",
                "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
            ));
        }
        names.push(subnet.spec.name.clone());
    }
    if names.len() < 2 {
        return Err(errors::validation(
            "At least two subnets in two different Availability Zones must be specified",
        ));
    }
    Ok(names)
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "LoadBalancerArn").unwrap_or_default();
    let Ok(balancer) = lookup::load_balancer(platform, arn) else {
        // Deleting what is not there succeeds.
        return Ok(Answer::Now(json!({})));
    };
    if attributes::is_protected(platform, balancer) {
        return Err(error::client(
            "OperationNotPermitted",
            format!(
                "Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
            ),
        ));
    }
    let mut commands = vec![Command::DeleteLoadBalancer { name: balancer.spec.name.clone() }];
    commands.push(note::forget(&balancer_note(&balancer.spec.name)));
    for listener in Listener::all(platform, balancer) {
        commands.push(note::forget(&listener.arn));
        let rules = listener.state.spec.rules.iter();
        commands.extend(rules.map(|r| note::forget(&listener.rule_arn(platform, r.priority))));
    }
    Answer::after(commands, |_| json!({}))
}

/// Capacity is not reserved here: there is none to show.
pub(super) fn describe_capacity_reservation(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "LoadBalancerArn").unwrap_or_default();
    lookup::load_balancer(platform, arn)?;
    Ok(Answer::Now(json!({ "DecreaseRequestsRemaining": 2, "CapacityReservationState": [] })))
}
