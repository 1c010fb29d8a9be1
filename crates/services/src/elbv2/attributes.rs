//! Attributes: names and values beside a description. The core acts on the idle time-out and the
//! deregistration delay; the others are noted and shown again.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::load_balancer::LoadBalancerSpec;
use neargate_core::platform::LoadBalancer;
use neargate_core::time::SECOND;
use serde_json::{Value, json};

use super::lookup::{self, Listener, balancer_note, group_note};
use super::{certificates, errors, target_groups};
use crate::error::AwsError;
use crate::{Answer, fields, note};

const IDLE_TIMEOUT: &str = "idle_timeout.timeout_seconds";
const DEREGISTRATION_DELAY: &str = "deregistration_delay.timeout_seconds";
const DELETION_PROTECTION: &str = "deletion_protection.enabled";

/// ALB-HDR-1 to ALB-HDR-8.
const LOAD_BALANCER: &[(&str, &str)] = &[
    ("access_logs.s3.enabled", "false"),
    ("access_logs.s3.bucket", ""),
    ("access_logs.s3.prefix", ""),
    ("client_keep_alive.seconds", "3600"),
    ("connection_logs.s3.enabled", "false"),
    ("connection_logs.s3.bucket", ""),
    ("connection_logs.s3.prefix", ""),
    (DELETION_PROTECTION, "false"),
    ("load_balancing.cross_zone.enabled", "true"),
    ("routing.http.desync_mitigation_mode", "defensive"),
    ("routing.http.drop_invalid_header_fields.enabled", "false"),
    ("routing.http.preserve_host_header.enabled", "false"),
    ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false"),
    ("routing.http.xff_client_port.enabled", "false"),
    ("routing.http.xff_header_processing.mode", "append"),
    ("routing.http2.enabled", "true"),
    ("waf.fail_open.enabled", "false"),
    ("zonal_shift.config.enabled", "false"),
];

/// ALB-TG-3 to ALB-TG-8.
const TARGET_GROUP: &[(&str, &str)] = &[
    ("load_balancing.algorithm.anomaly_mitigation", "off"),
    ("load_balancing.algorithm.type", "round_robin"),
    ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
    ("slow_start.duration_seconds", "0"),
    ("stickiness.app_cookie.cookie_name", ""),
    ("stickiness.app_cookie.duration_seconds", "86400"),
    ("stickiness.enabled", "false"),
    ("stickiness.lb_cookie.duration_seconds", "86400"),
    ("stickiness.type", "lb_cookie"),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
];

/// Of every listener. An empty value leaves the header as it is.
const LISTENER: &[(&str, &str)] = &[
    ("routing.http.response.server.enabled", "true"),
    ("routing.http.response.strict_transport_security.header_value", ""),
    ("routing.http.response.access_control_allow_origin.header_value", ""),
    ("routing.http.response.access_control_allow_methods.header_value", ""),
    ("routing.http.response.access_control_allow_headers.header_value", ""),
    ("routing.http.response.access_control_allow_credentials.header_value", ""),
    ("routing.http.response.access_control_expose_headers.header_value", ""),
    ("routing.http.response.access_control_max_age.header_value", ""),
    ("routing.http.response.content_security_policy.header_value", ""),
    ("routing.http.response.x_content_type_options.header_value", ""),
    ("routing.http.response.x_frame_options.header_value", ""),
];

/// Of listeners with TLS besides.
const TLS_LISTENER: &[(&str, &str)] = &[
    (
        "routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name",
        "X-Amzn-Mtls-Clientcert-Serial-Number",
    ),
    (
        "routing.http.request.x_amzn_mtls_clientcert_issuer.header_name",
        "X-Amzn-Mtls-Clientcert-Issuer",
    ),
    (
        "routing.http.request.x_amzn_mtls_clientcert_subject.header_name",
        "X-Amzn-Mtls-Clientcert-Subject",
    ),
    (
        "routing.http.request.x_amzn_mtls_clientcert_validity.header_name",
        "X-Amzn-Mtls-Clientcert-Validity",
    ),
    ("routing.http.request.x_amzn_mtls_clientcert_leaf.header_name", "X-Amzn-Mtls-Clientcert-Leaf"),
    ("routing.http.request.x_amzn_mtls_clientcert.header_name", "X-Amzn-Mtls-Clientcert"),
    ("routing.http.request.x_amzn_tls_version.header_name", "X-Amzn-Tls-Version"),
    ("routing.http.request.x_amzn_tls_cipher_suite.header_name", "X-Amzn-Tls-Cipher-Suite"),
];

/// The attributes: acted on, noted, and the defaults of the rest.
fn view(acted_on: &[(&str, u64)], said: &Value, defaults: &[(&str, &str)]) -> Value {
    let noted = said.get("attributes").unwrap_or(&Value::Null);
    let acted_on = acted_on.iter().map(|(key, value)| (*key, json!(value.to_string())));
    let others = defaults
        .iter()
        .map(|(key, unset)| (*key, noted.get(*key).cloned().unwrap_or_else(|| json!(unset))));
    let all = acted_on.chain(others);
    let list: Vec<Value> = all.map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    json!({ "Attributes": list })
}

/// What is sent: the value of the attribute acted on, and the note with the others.
fn read(
    input: &Value,
    mut said: Value,
    acted_on: (&str, u64, u64),
    known: &[(&str, &str)],
) -> Result<(Option<u64>, Value), AwsError> {
    let (acted_on, low, high) = acted_on;
    let mut seconds = None;
    for attribute in fields::list(input, "Attributes") {
        let key = fields::text(attribute, "Key").unwrap_or_default();
        let value = attribute.get("Value").and_then(Value::as_str).unwrap_or_default();
        if key == acted_on {
            let number = value.parse().ok().filter(|n| (low..=high).contains(n));
            // ERR-ELB-7.
            let number = number.ok_or_else(|| {
                errors::validation(format!(
                    "'{key}' value '{value}' must be between '{low}-{high}' inclusive"
                ))
            })?;
            seconds = Some(number);
        } else if known.iter().any(|(known, _)| *known == key) {
            said["attributes"][key] = json!(value);
        } else {
            return Err(errors::validation(format!("Attribute key '{key}' is not valid")));
        }
    }
    Ok((seconds, said))
}

/// Whether the load balancer must not be deleted.
pub(super) fn is_protected(platform: &Platform, balancer: &LoadBalancer) -> bool {
    let said = note::read(platform, &balancer_note(&balancer.spec.name));
    said.get("attributes").and_then(|a| fields::text(a, DELETION_PROTECTION)) == Some("true")
}

fn of_load_balancer(platform: &Platform, spec: &LoadBalancerSpec) -> Value {
    let said = note::read(platform, &balancer_note(&spec.name));
    view(&[(IDLE_TIMEOUT, spec.idle_timeout_ms / SECOND)], &said, LOAD_BALANCER)
}

pub(super) fn describe_load_balancer(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "LoadBalancerArn").unwrap_or_default();
    let balancer = lookup::load_balancer(platform, arn)?;
    Ok(Answer::Now(of_load_balancer(platform, &balancer.spec)))
}

pub(super) fn modify_load_balancer(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "LoadBalancerArn").unwrap_or_default();
    let mut spec = lookup::load_balancer(platform, arn)?.spec.clone();
    let subject = balancer_note(&spec.name);
    let said = note::read(platform, &subject);
    // ALB-HDR-7.
    let (seconds, said) = read(input, said, (IDLE_TIMEOUT, 1, 4000), LOAD_BALANCER)?;
    let mut commands = vec![note::write(&subject, &said)];
    if let Some(seconds) = seconds {
        spec.idle_timeout_ms = seconds * SECOND;
        commands.push(Command::PutLoadBalancer(spec.clone()));
    }
    Answer::after(commands, move |platform| of_load_balancer(platform, &spec))
}

fn of_target_group(platform: &Platform, name: &str, delay_ms: u64) -> Value {
    let said = note::read(platform, &group_note(name));
    view(&[(DEREGISTRATION_DELAY, delay_ms / SECOND)], &said, TARGET_GROUP)
}

pub(super) fn describe_target_group(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "TargetGroupArn").unwrap_or_default();
    let spec = &target_groups::find(platform, arn)?.spec;
    Ok(Answer::Now(of_target_group(platform, &spec.name, spec.deregistration_delay_ms)))
}

pub(super) fn modify_target_group(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "TargetGroupArn").unwrap_or_default();
    let mut spec = (*target_groups::find(platform, arn)?.spec).clone();
    let subject = group_note(&spec.name);
    let said = note::read(platform, &subject);
    // ALB-TG-2.
    let (seconds, said) = read(input, said, (DEREGISTRATION_DELAY, 0, 3600), TARGET_GROUP)?;
    let mut commands = vec![note::write(&subject, &said)];
    if let Some(seconds) = seconds {
        spec.deregistration_delay_ms = seconds * SECOND;
        commands.push(Command::PutTargetGroup(spec.clone()));
    }
    Answer::after(commands, move |platform| {
        of_target_group(platform, &spec.name, spec.deregistration_delay_ms)
    })
}

/// The attributes that a listener has.
fn of_listener(said: &Value) -> Vec<(&'static str, &'static str)> {
    let tls = if certificates::protocol(said) == "HTTPS" { TLS_LISTENER } else { &[] };
    [LISTENER, tls].concat()
}

pub(super) fn describe_listener(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "ListenerArn").unwrap_or_default();
    let said = Listener::find(platform, arn)?.said;
    Ok(Answer::Now(view(&[], &said, &of_listener(&said))))
}

pub(super) fn modify_listener(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "ListenerArn").unwrap_or_default();
    let said = Listener::find(platform, arn)?.said;
    let known = of_listener(&said);
    let (_, said) = read(input, said, ("", 0, 0), &known)?;
    Answer::after(vec![note::write(arn, &said)], move |_| view(&[], &said, &known))
}
