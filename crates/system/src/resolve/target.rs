//! Where a service's tasks are found: target group and discovery name.

use std::collections::BTreeMap;

use neargate_core::discovery::DiscoveryServiceSpec;
use neargate_core::load_balancer::{TargetGroupSpec, TargetHealthCheck};
use neargate_core::service::ServiceLoadBalancer;

use crate::diagnostics::shown;
use crate::document;
use crate::resolve::container::{Described, seconds};
use crate::resolve::scope::{Scope, words};
use crate::resolve::service::Around;
use crate::suggest;

/// The target group, and which container and port it leads to.
pub(crate) fn target_group(
    key: &str,
    service_name: &str,
    target: &document::TargetGroup,
    containers: &[Described<'_>],
    labels: &BTreeMap<String, String>,
    scope: &mut Scope<'_>,
) -> Option<(TargetGroupSpec, ServiceLoadBalancer)> {
    let at = |last| ["services", key, "targetGroup", last];
    let name = target.name.clone().unwrap_or_else(|| service_name.to_owned());
    if !words::is_name(&name, 1, 32, words::elb_letter)
        || name.starts_with('-')
        || name.ends_with('-')
    {
        // ALB-TG-1.
        let message = format!(
            "{} ({} letters) is not a target group name; expected 1 to 32 letters, digits and \
             hyphens, no hyphen at either end",
            shown(&name),
            name.chars().count()
        );
        let hint =
            target.name.is_none().then_some("it is the service's name; set `targetGroup.name`");
        scope.hint(&at("name"), &message, hint.map(str::to_owned));
    }
    let health_check = probe(key, target, scope);
    let binding = binding(key, target, containers, scope);
    let (container, port) = binding?;
    let spec = TargetGroupSpec {
        name: name.clone(),
        port,
        health_check,
        deregistration_delay_ms: seconds(target.deregistration_delay.unwrap_or(300)),
        tags: labels.clone(),
    };
    Some((spec, ServiceLoadBalancer { target_group: name, container, port }))
}

/// The container and port that take the requests.
fn binding(
    key: &str,
    target: &document::TargetGroup,
    containers: &[Described<'_>],
    scope: &mut Scope<'_>,
) -> Option<(String, u16)> {
    let path = ["services", key, "targetGroup"];
    let at = |last| ["services", key, "targetGroup", last];
    let open: Vec<&Described<'_>> = containers.iter().filter(|c| !c.ports().is_empty()).collect();
    let container = match (&target.container_name, open.as_slice()) {
        (Some(name), _) => match containers.iter().find(|c| c.name == *name) {
            Some(container) => container,
            None => {
                let known = containers.iter().map(|c| c.name.as_str());
                scope.unknown(&at("containerName"), "container", name, known);
                return None;
            }
        },
        (None, [only]) => only,
        // Ports out of range are reported already.
        (None, []) if containers.iter().any(Described::mentions_port) => return None,
        (None, []) => {
            let message = "no container has a port; expected `port` on the one that takes requests";
            scope.say(&path, message);
            return None;
        }
        (None, several) => {
            let names = several.iter().map(|c| c.name.as_str());
            let message = format!(
                "several containers have a port; expected `containerName` to be {}",
                suggest::one_of(names)
            );
            scope.say(&path, &message);
            return None;
        }
    };
    let ports = container.ports();
    let texts: Vec<String> = ports.iter().map(u16::to_string).collect();
    let known = || suggest::one_of(texts.iter().map(String::as_str));
    match (target.container_port, ports.as_slice()) {
        (Some(port), _) => match ports.iter().find(|p| u32::from(**p) == port) {
            Some(port) => Some((container.name.clone(), *port)),
            None => {
                let message = format!(
                    "container {} has no port {port}; expected {}",
                    shown(&container.name),
                    known()
                );
                scope.say(&at("containerPort"), &message);
                None
            }
        },
        (None, [only]) => Some((container.name.clone(), *only)),
        (None, []) => {
            let message = format!("container {} has no port", shown(&container.name));
            scope.say(&at("containerName"), &message);
            None
        }
        (None, _) => {
            let message = format!(
                "container {} has several ports; expected `containerPort` to be {}",
                shown(&container.name),
                known()
            );
            scope.say(&path, &message);
            None
        }
    }
}

/// ALB-HC-1, ALB-HC-2; ranges are the schema's.
fn probe(key: &str, target: &document::TargetGroup, scope: &mut Scope<'_>) -> TargetHealthCheck {
    let unset = TargetHealthCheck::default();
    let Some(check) = &target.health_check else { return unset };
    let at = |last| ["services", key, "targetGroup", "healthCheck", last];
    let path = check.path.clone().unwrap_or(unset.path);
    if !path.starts_with('/') || path.len() > 1024 || path.contains(|c: char| c.is_whitespace()) {
        let message = format!("{} is not a path; expected e.g. /health", shown(&path));
        scope.say(&at("path"), &message);
    }
    let interval = check.interval.unwrap_or(30);
    let timeout = check.timeout.unwrap_or(5);
    if timeout >= interval {
        let message = format!("{timeout} s is not below the interval, {interval} s; expected less");
        let place = if check.timeout.is_some() { at("timeout") } else { at("interval") };
        scope.say(&place, &message);
    }
    let matcher = check.matcher.as_ref().map_or(unset.matcher, |text| text.0.replace(' ', ""));
    let code = |text: &str| text.parse::<u16>().ok().filter(|c| (200..=499).contains(c));
    let right = matcher.split(',').all(|part| match part.split_once('-') {
        Some((low, high)) => matches!((code(low), code(high)), (Some(l), Some(h)) if l <= h),
        None => code(part).is_some(),
    });
    if !right {
        let message = format!(
            "{} is not a list of status codes; expected 200 to 499, e.g. 200 or 200-299,301",
            shown(&matcher)
        );
        scope.say(&at("matcher"), &message);
    }
    TargetHealthCheck {
        path,
        port: check.port.and_then(|port| u16::try_from(port).ok()),
        interval_ms: seconds(interval),
        timeout_ms: seconds(timeout),
        healthy_threshold: check.healthy_threshold.unwrap_or(unset.healthy_threshold),
        unhealthy_threshold: check.unhealthy_threshold.unwrap_or(unset.unhealthy_threshold),
        matcher,
    }
}

/// The discovery name, and the port SRV announces.
pub(crate) fn discovery(
    key: &str,
    service: &document::Service,
    around: &Around<'_>,
    port: Option<u16>,
    scope: &mut Scope<'_>,
) -> Option<(DiscoveryServiceSpec, Option<u16>)> {
    let discovery = service.discovery.as_ref()?;
    let at = |last| ["services", key, "discovery", last];
    let known = || around.namespaces.keys().map(String::as_str);
    let namespace = match &discovery.namespace {
        Some(name) => match around.namespaces.get(name) {
            Some(namespace) => namespace.clone(),
            None => {
                scope.unknown(&at("namespace"), "namespace", name, known());
                return None;
            }
        },
        None if around.namespaces.len() == 1 => around.namespaces.values().next()?.clone(),
        None if around.namespaces.is_empty() => {
            let message = "there is no namespace for the name; expected one under `namespaces`";
            scope.say(&["services", key, "discovery"], message);
            return None;
        }
        None => {
            let message = format!(
                "`namespace` is missing; expected a key of `namespaces`: {}",
                suggest::one_of(known())
            );
            scope.say(&["services", key, "discovery"], &message);
            return None;
        }
    };
    let name = discovery.name.clone().unwrap_or_else(|| key.to_owned());
    if !words::is_dns_label(&name) {
        let message = format!(
            "{} is not a DNS label; expected 1 to 63 letters, digits, `-`, `_`",
            shown(&name)
        );
        scope.say(&at("name"), &message);
    }
    let srv = discovery.srv.unwrap_or(false);
    if srv && port.is_none() {
        // ECS-DISC-2.
        scope.say(&at("srv"), "SRV announces a port, but no container has one");
    }
    let spec = DiscoveryServiceSpec { name, namespace, ttl_s: discovery.ttl.unwrap_or(60), srv };
    Some((spec, port.filter(|_| srv)))
}
