//! Target groups. Tasks register in groups of type `ip`; other groups are kept, and stay empty.

use neargate_core::Platform;
use neargate_core::data_plane::TargetGroup;
use neargate_core::input::Command;
use neargate_core::load_balancer::{
    DEFAULT_DEREGISTRATION_DELAY_MS, TargetGroupSpec, TargetHealthCheck,
};
use neargate_core::time::SECOND;
use serde_json::{Value, json};

use super::lookup::{self, group_note, load_balancer_arn, target_group_arn};
use super::{check_name, errors, listed, page};
use crate::error::{self, AwsError};
use crate::{Answer, fields, names, note, tags};

fn view(platform: &Platform, group: &TargetGroup) -> Value {
    let spec = &group.spec;
    let check = &spec.health_check;
    let said = note::read(platform, &group_note(&spec.name));
    let balancers: Vec<String> = lookup::load_balancers_of(platform, &spec.name)
        .map(|balancer| load_balancer_arn(platform, balancer))
        .collect();
    // One that was described is where those that use it are.
    let vpc = fields::owned(&said, "VpcId").or_else(|| {
        let mut users = lookup::load_balancers_of(platform, &spec.name);
        let used = users.find_map(|balancer| lookup::vpc_of(platform, balancer));
        let any = platform.vpcs().next().map(|vpc| vpc.name.as_str());
        used.or(any).map(names::vpc_id)
    });
    json!({
        "TargetGroupArn": target_group_arn(platform, group),
        "TargetGroupName": spec.name,
        "Protocol": "HTTP",
        "ProtocolVersion": "HTTP1",
        "Port": spec.port,
        "VpcId": vpc,
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": check.port.map_or("traffic-port".to_owned(), |port| port.to_string()),
        "HealthCheckEnabled": true,
        "HealthCheckIntervalSeconds": check.interval_ms / SECOND,
        "HealthCheckTimeoutSeconds": check.timeout_ms / SECOND,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "HealthCheckPath": check.path,
        "Matcher": { "HttpCode": check.matcher },
        "LoadBalancerArns": balancers,
        "TargetType": fields::text(&said, "TargetType").unwrap_or("ip"),
        "IpAddressType": "ipv4",
    })
}

fn views(platform: &Platform, name: &str) -> Value {
    let found = platform.target_group(name);
    let views: Vec<Value> = found.iter().map(|g| view(platform, g)).collect();
    json!({ "TargetGroups": views })
}

/// The target group with that ARN (ERR-ELB-6).
pub(super) fn find<'a>(platform: &'a Platform, arn: &str) -> Result<&'a TargetGroup, AwsError> {
    lookup::target_group(platform, arn).ok_or_else(errors::target_group_not_found)
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arns = fields::texts(input, "TargetGroupArns");
    let asked = fields::texts(input, "Names");
    let mut groups: Vec<&TargetGroup> = Vec::new();
    for arn in &arns {
        groups.push(find(platform, arn)?);
    }
    for name in &asked {
        groups.push(platform.target_group(name).ok_or_else(errors::target_group_not_found)?);
    }
    if let Some(arn) = fields::text(input, "LoadBalancerArn") {
        let balancer = &lookup::load_balancer(platform, arn)?.spec.name;
        groups.extend(platform.target_groups().filter(|group| {
            lookup::load_balancers_of(platform, &group.spec.name).any(|b| b.spec.name == *balancer)
        }));
    } else if arns.is_empty() && asked.is_empty() {
        groups.extend(platform.target_groups());
    }
    groups.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let page = page(input, groups, |g| g.spec.name.clone())?;
    let views = page.entries.iter().map(|g| view(platform, g)).collect();
    Ok(Answer::Now(listed("TargetGroups", views, page.next)))
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "Name").unwrap_or_default().to_owned();
    check_name("target group", &name)?;
    let kind = fields::text(input, "TargetType").unwrap_or("instance");
    if !matches!(kind, "ip" | "instance") {
        return Err(errors::unsupported(format!(
            "Neargate has target groups of type ip, not {kind}"
        )));
    }
    check_supported(input)?;
    let Some(port) = fields::port(input, "Port").filter(|port| *port > 0) else {
        return Err(errors::validation("A port must be specified"));
    };
    if !fields::sent(input, "VpcId") {
        return Err(errors::validation("A VPC ID must be specified"));
    }
    let mut health_check = TargetHealthCheck::default();
    read_check(input, &mut health_check)?;
    let spec = TargetGroupSpec {
        name: name.clone(),
        port,
        health_check,
        deregistration_delay_ms: DEFAULT_DEREGISTRATION_DELAY_MS,
        tags: tags::read(fields::list(input, "Tags"), tags::LARGE),
    };
    let mut said = note::members(input, &["VpcId"]);
    said["TargetType"] = json!(kind);
    let subject = group_note(&name);
    if let Some(existing) = platform.target_group(&name) {
        let old = note::read(platform, &subject);
        let same = existing.spec.port == port
            && existing.spec.health_check == spec.health_check
            && ["VpcId", "TargetType"].iter().all(|member| old[*member] == said[*member]);
        return match same {
            true => Ok(Answer::Now(views(platform, &name))),
            false => Err(error::client(
                "DuplicateTargetGroupName",
                format!(
                    "A target group with the same name '{name}' exists, but with different settings"
                ),
            )),
        };
    }
    let commands = vec![Command::PutTargetGroup(spec), note::write(&subject, &said)];
    Answer::after(commands, move |platform| views(platform, &name))
}

/// Traffic and probes are HTTP/1.1.
fn check_supported(input: &Value) -> Result<(), AwsError> {
    for (member, only) in [
        ("Protocol", "HTTP"),
        ("ProtocolVersion", "HTTP1"),
        ("HealthCheckProtocol", "HTTP"),
        ("IpAddressType", "ipv4"),
    ] {
        if let Some(other) = fields::text(input, member).filter(|value| *value != only) {
            return Err(error::client(
                "UnsupportedProtocol",
                format!("Neargate serves target groups with {member} {only} only, not {other}"),
            ));
        }
    }
    match fields::flag(input, "HealthCheckEnabled") {
        Some(false) => Err(errors::validation(
            "Health check enabled must be true for target groups with target type 'ip'",
        )),
        _ => Ok(()),
    }
}

/// ALB-HC-1, ALB-HC-2. A member that was not sent keeps its value.
fn read_check(input: &Value, check: &mut TargetHealthCheck) -> Result<(), AwsError> {
    let bounded = |member: &str, unset: u64, low: u64, high: u64| {
        let value = fields::number(input, member).unwrap_or(unset);
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        Err(errors::validation(format!("{member} '{value}' must be between '{low}' and '{high}'")))
    };
    let interval = bounded("HealthCheckIntervalSeconds", check.interval_ms / SECOND, 5, 300)?;
    let timeout = bounded("HealthCheckTimeoutSeconds", check.timeout_ms / SECOND, 2, 120)?;
    if timeout >= interval {
        return Err(errors::validation(format!(
            "Health check timeout '{timeout}' must be smaller than the interval '{interval}'"
        )));
    }
    let threshold = |member: &str, unset: u32| {
        bounded(member, u64::from(unset), 2, 10).map(|n| u32::try_from(n).unwrap_or(unset))
    };
    check.healthy_threshold = threshold("HealthyThresholdCount", check.healthy_threshold)?;
    check.unhealthy_threshold = threshold("UnhealthyThresholdCount", check.unhealthy_threshold)?;
    check.interval_ms = interval * SECOND;
    check.timeout_ms = timeout * SECOND;
    if let Some(path) = fields::text(input, "HealthCheckPath") {
        if !path.starts_with('/') || path.len() > 1024 {
            return Err(errors::validation(format!(
                "The health check path '{path}' must begin with '/' and have at most 1024 characters"
            )));
        }
        check.path = path.to_owned();
    }
    match fields::text(input, "HealthCheckPort") {
        None => {}
        Some("traffic-port") => check.port = None,
        Some(text) => match text.parse() {
            Ok(port @ 1..) => check.port = Some(port),
            _ => {
                return Err(errors::validation(format!(
                    "Health check port '{text}' must be between 1 and 65535 or 'traffic-port'"
                )));
            }
        },
    }
    if let Some(codes) = input.pointer("/Matcher/HttpCode").and_then(Value::as_str) {
        if !is_matcher(codes) {
            return Err(errors::validation(format!(
                "The matcher '{codes}' must be status codes from 200 to 499, or ranges of them, separated by commas"
            )));
        }
        check.matcher = codes.to_owned();
    }
    Ok(())
}

fn is_matcher(codes: &str) -> bool {
    let code = |text: &str| text.parse::<u16>().ok().filter(|code| (200..=499).contains(code));
    codes.split(',').all(|part| match part.split_once('-') {
        None => code(part).is_some(),
        Some((low, high)) => code(low).zip(code(high)).is_some_and(|(low, high)| low <= high),
    })
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "TargetGroupArn").unwrap_or_default();
    let group = find(platform, arn)?;
    check_supported(input)?;
    let mut spec = (*group.spec).clone();
    read_check(input, &mut spec.health_check)?;
    let name = spec.name.clone();
    Answer::after(vec![Command::PutTargetGroup(spec)], move |platform| views(platform, &name))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "TargetGroupArn").unwrap_or_default();
    let Some(group) = lookup::target_group(platform, arn) else {
        // Deleting what is not there succeeds.
        return Ok(Answer::Now(json!({})));
    };
    let name = group.spec.name.clone();
    if lookup::load_balancers_of(platform, &name).next().is_some() {
        // ALB-TG-11.
        let message = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(error::client("ResourceInUse", message));
    }
    let note = note::forget(&group_note(&name));
    Answer::after(vec![Command::DeleteTargetGroup { name }, note], |_| json!({}))
}
