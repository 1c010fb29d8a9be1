//! DescribeTargetHealth (ALB-HC-7, ALB-HC-8, ALB-HC-10).

use neargate_core::Platform;
use neargate_core::data_plane::{Target, TargetGroup};
use neargate_core::load_balancer::TargetAddress;
use neargate_core::target_health::HealthReason;
use serde_json::{Value, json};

use super::{errors, target_groups};
use crate::error::AwsError;
use crate::{Answer, fields};

fn view(platform: &Platform, group: &TargetGroup, target: &Target) -> Value {
    let TargetAddress { ip, port } = target.address;
    let zone = platform.task(target.task).map(|task| task.zone.to_string());
    let mut health = json!({ "State": target.health.state.as_str() });
    // ALB-HC-8: of a healthy target the state only.
    if let Some(reason) = &target.health.reason {
        health["Reason"] = json!(reason.code());
        health["Description"] = json!(reason.description());
    }
    let mut view = json!({
        "Target": { "Id": ip.to_string(), "Port": port },
        "HealthCheckPort": group.spec.health_check.port.unwrap_or(port).to_string(),
        "TargetHealth": health,
    });
    fields::set(&mut view["Target"], "AvailabilityZone", zone);
    view
}

/// ALB-HC-10.
fn not_registered(asked: &Value, port: u16) -> Value {
    let reason = HealthReason::NotRegistered;
    json!({
        "Target": { "Id": asked["Id"], "Port": port },
        "HealthCheckPort": port.to_string(),
        "TargetHealth": {
            "State": "unused",
            "Reason": reason.code(),
            "Description": reason.description(),
        },
    })
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "TargetGroupArn").unwrap_or_default();
    let group = target_groups::find(platform, arn)?;
    let asked = fields::list(input, "Targets");
    if asked.is_empty() {
        let views: Vec<Value> = group.targets.iter().map(|t| view(platform, group, t)).collect();
        return Ok(Answer::Now(json!({ "TargetHealthDescriptions": views })));
    }
    let mut views = Vec::new();
    for asked in asked {
        let id = fields::text(asked, "Id").unwrap_or_default();
        let Ok(ip) = id.parse::<std::net::Ipv4Addr>() else {
            return Err(errors::validation(format!(
                "The target '{id}' is not an IPv4 address: targets of this group are addresses"
            )));
        };
        let port = fields::port(asked, "Port");
        let mut own = group
            .targets
            .iter()
            .filter(|t| t.address.ip == ip && port.is_none_or(|port| t.address.port == port))
            .peekable();
        if own.peek().is_none() {
            views.push(not_registered(asked, port.unwrap_or(group.spec.port)));
        }
        views.extend(own.map(|target| view(platform, group, target)));
    }
    Ok(Answer::Now(json!({ "TargetHealthDescriptions": views })))
}
