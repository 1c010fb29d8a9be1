//! Actions of rules between the API's JSON and the core (ALB-ACT-*).

use neargate_core::Platform;
use neargate_core::load_balancer::{Action, WeightedTargetGroup};
use serde_json::{Value, json};

use super::errors::{unsupported, validation};
use super::lookup::target_group_arn;
use crate::error::{self, AwsError};
use crate::{arn, fields};

/// The one action that ends a rule (ALB-ACT-1).
pub(super) fn read(platform: &Platform, actions: &[Value]) -> Result<Action, AwsError> {
    let action = match actions {
        [action] => action,
        [] => return Err(validation("You must specify an action")),
        _ => {
            return Err(unsupported(
                "Neargate supports one action per rule: authentication before it is not supported",
            ));
        }
    };
    match fields::text(action, "Type").unwrap_or_default() {
        "forward" => forward(platform, action),
        "redirect" => redirect(action.get("RedirectConfig").unwrap_or(&Value::Null)),
        "fixed-response" => {
            fixed_response(action.get("FixedResponseConfig").unwrap_or(&Value::Null))
        }
        other => Err(unsupported(format!("Neargate does not support actions of type {other}"))),
    }
}

/// ALB-ACT-2.
fn forward(platform: &Platform, action: &Value) -> Result<Action, AwsError> {
    let config = action.get("ForwardConfig").unwrap_or(&Value::Null);
    let sticky = config.get("TargetGroupStickinessConfig").unwrap_or(&Value::Null);
    if fields::flag(sticky, "Enabled").unwrap_or(false) {
        return Err(unsupported("Neargate does not support target group stickiness"));
    }
    let group = |arn: &str, weight: u32| {
        if weight > 999 {
            return Err(validation(format!("The weight '{weight}' must be between 0 and 999")));
        }
        let Some(group) = super::target_group(platform, arn) else {
            let message = format!("Target group '{arn}' not found");
            return Err(error::client("TargetGroupNotFound", message));
        };
        Ok(WeightedTargetGroup { target_group: group.spec.name.clone(), weight })
    };
    let weighted = fields::list(config, "TargetGroups");
    let groups: Vec<WeightedTargetGroup> = if weighted.is_empty() {
        let arn = fields::text(action, "TargetGroupArn")
            .ok_or_else(|| validation("A forward action needs a target group ARN"))?;
        vec![group(arn, 1)?]
    } else {
        weighted
            .iter()
            .map(|entry| {
                let arn = fields::text(entry, "TargetGroupArn").unwrap_or_default();
                group(arn, fields::small(entry, "Weight").unwrap_or(1))
            })
            .collect::<Result<_, _>>()?
    };
    if groups.len() > 5 {
        return Err(error::client(
            "TooManyUniqueTargetGroupsPerLoadBalancer",
            "A forward action can have at most 5 target groups",
        ));
    }
    Ok(Action::Forward(groups))
}

/// ALB-ACT-5, ALB-ACT-6.
fn redirect(config: &Value) -> Result<Action, AwsError> {
    let part = |member: &str, unset: &str| fields::text(config, member).unwrap_or(unset).to_owned();
    let (protocol, host) = (part("Protocol", "#{protocol}"), part("Host", "#{host}"));
    let (port, path) = (part("Port", "#{port}"), part("Path", "/#{path}"));
    if !path.starts_with('/') || path.len() > 128 {
        return Err(validation(format!(
            "The redirect path '{path}' must begin with '/' and have at most 128 characters"
        )));
    }
    if protocol == "#{protocol}" && host == "#{host}" && port == "#{port}" && path == "/#{path}" {
        return Err(error::client(
            "InvalidLoadBalancerAction",
            "A redirect must change the protocol, host, port or path: this one leads to itself",
        ));
    }
    let status = match fields::text(config, "StatusCode") {
        Some("HTTP_301") => 301,
        Some("HTTP_302") => 302,
        _ => return Err(validation("The redirect status code must be HTTP_301 or HTTP_302")),
    };
    // An empty query is a query: it takes the caller's away.
    let query = config.get("Query").and_then(Value::as_str).unwrap_or("#{query}").to_owned();
    Ok(Action::Redirect { protocol, host, port, path, query, status })
}

/// ALB-ACT-8.
fn fixed_response(config: &Value) -> Result<Action, AwsError> {
    let code = fields::text(config, "StatusCode").unwrap_or_default();
    let status = code.parse::<u16>().ok().filter(|s| matches!(s / 100, 2 | 4 | 5));
    let Some(status) = status else {
        return Err(validation(format!("The status code '{code}' must be a 2XX, 4XX or 5XX code")));
    };
    let content_type = fields::text(config, "ContentType").unwrap_or("text/plain").to_owned();
    let types =
        ["text/plain", "text/css", "text/html", "application/javascript", "application/json"];
    if !types.contains(&content_type.as_str()) {
        return Err(validation(format!("The content type must be one of '{types:?}'")));
    }
    let body = fields::text(config, "MessageBody").unwrap_or_default().to_owned();
    if body.len() > 1024 {
        return Err(validation("The message body can have at most 1024 characters"));
    }
    Ok(Action::FixedResponse { status, content_type, body })
}

/// The action as it is described.
pub(super) fn write(platform: &Platform, action: &Action) -> Value {
    match action {
        Action::Forward(groups) => {
            let group_arn = |name: &str| match platform.target_group(name) {
                Some(group) => target_group_arn(platform, group),
                None => arn::target_group(platform.identity(), name, 0),
            };
            let entry = |group: &WeightedTargetGroup| json!({ "TargetGroupArn": group_arn(&group.target_group), "Weight": group.weight });
            let mut view = json!({
                "Type": "forward",
                "ForwardConfig": {
                    "TargetGroups": groups.iter().map(entry).collect::<Vec<_>>(),
                    "TargetGroupStickinessConfig": { "Enabled": false },
                },
            });
            if let [only] = groups.as_slice() {
                view["TargetGroupArn"] = json!(group_arn(&only.target_group));
            }
            view
        }
        Action::FixedResponse { status, content_type, body } => {
            let mut config = json!({
                "StatusCode": status.to_string(),
                "ContentType": content_type,
            });
            if !body.is_empty() {
                config["MessageBody"] = json!(body);
            }
            json!({ "Type": "fixed-response", "FixedResponseConfig": config })
        }
        Action::Redirect { protocol, host, port, path, query, status } => json!({
            "Type": "redirect",
            "RedirectConfig": {
                "Protocol": protocol,
                "Host": host,
                "Port": port,
                "Path": path,
                "Query": query,
                "StatusCode": format!("HTTP_{status}"),
            },
        }),
    }
}
