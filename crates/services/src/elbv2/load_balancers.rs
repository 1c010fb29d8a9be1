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
use crate::{Answer, ec2, fields, names, note, tags};

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
    let subnets = subnets(platform, &asked_subnets(input))?;
    let security_groups = security_groups(platform, input, &subnets)?;
    let spec = LoadBalancerSpec {
        name: name.clone(),
        internet_facing: fields::text(input, "Scheme").is_none_or(|s| s == "internet-facing"),
        subnets,
        security_groups,
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

fn asked_subnets(input: &Value) -> Vec<&str> {
    let mut ids = fields::texts(input, "Subnets");
    let mappings = fields::list(input, "SubnetMappings").iter();
    ids.extend(mappings.filter_map(|m| fields::text(m, "SubnetId")));
    ids
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

/// The security groups that were sent, else the one of the VPC.
fn security_groups(
    platform: &Platform,
    input: &Value,
    subnets: &[String],
) -> Result<Vec<String>, AwsError> {
    let asked = fields::texts(input, "SecurityGroups");
    let names = asked.into_iter().map(|id| {
        let name = names::security_group_name(platform, id);
        let known = platform.security_groups().any(|group| group.name == name);
        known.then_some(name).ok_or_else(|| {
            let message = format!("The security group '{id}' does not exist");
            error::client("InvalidSecurityGroup", message)
        })
    });
    let mut names: Vec<String> = names.collect::<Result<_, _>>()?;
    let vpc = subnets.iter().find_map(|name| Some(&platform.subnet(name)?.spec.vpc));
    if let Some(vpc) = vpc.filter(|_| names.is_empty()) {
        names.extend(ec2::default_group(platform, vpc));
    }
    Ok(names)
}

pub(super) fn set_security_groups(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "LoadBalancerArn").unwrap_or_default();
    let mut spec = lookup::load_balancer(platform, arn)?.spec.clone();
    spec.security_groups = security_groups(platform, input, &spec.subnets)?;
    let ids: Vec<String> =
        spec.security_groups.iter().map(|name| names::security_group_id(name)).collect();
    Answer::after(vec![Command::PutLoadBalancer(spec)], move |_| json!({ "SecurityGroupIds": ids }))
}

pub(super) fn set_subnets(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "LoadBalancerArn").unwrap_or_default();
    let mut spec = lookup::load_balancer(platform, arn)?.spec.clone();
    spec.subnets = subnets(platform, &asked_subnets(input))?;
    let name = spec.name.clone();
    Answer::after(vec![Command::PutLoadBalancer(spec)], move |platform| {
        let view = platform.load_balancer(&name).map(|balancer| view(platform, balancer));
        let view = view.unwrap_or_default();
        json!({ "AvailabilityZones": view["AvailabilityZones"], "IpAddressType": "ipv4" })
    })
}

pub(super) fn set_ip_address_type(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "LoadBalancerArn").unwrap_or_default();
    lookup::load_balancer(platform, arn)?;
    match fields::text(input, "IpAddressType") {
        None | Some("ipv4") => Ok(Answer::Now(json!({ "IpAddressType": "ipv4" }))),
        Some(kind) => {
            Err(errors::unsupported(format!("Neargate has IPv4 addresses only, not {kind}")))
        }
    }
}

/// What AWS allows by default; this platform has no limit but for listeners, rules and tags.
pub(super) fn account_limits(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    let limits: Vec<Value> = [
        ("application-load-balancers", 50),
        ("target-groups", 3000),
        ("target-groups-per-application-load-balancer", 100),
        ("listeners-per-application-load-balancer", 50),
        ("rules-per-application-load-balancer", 100),
        ("targets-per-application-load-balancer", 1000),
        ("condition-values-per-alb-rule", 5),
    ]
    .iter()
    .map(|(name, most)| json!({ "Name": name, "Max": most.to_string() }))
    .collect();
    Ok(Answer::Now(json!({ "Limits": limits })))
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
