//! Load balancers and listeners with what they do by default.

use std::collections::{BTreeMap, BTreeSet};

use neargate_core::load_balancer::{
    Action, ListenerSpec, LoadBalancerSpec, Rule, WeightedTargetGroup,
};

use crate::diagnostics::shown;
use crate::document::{self, ContentType, Forward, RedirectStatus, Scheme};
use crate::resolve::container::seconds;
use crate::resolve::rules::rules;
use crate::resolve::scope::{Scope, tags, words};
use crate::resolve::service::{Around, groups, subnets};
use crate::structure::index;
use crate::suggest;
use crate::system::{LoadBalancer, Service, Subnet};

/// Ports below this need a privilege on most machines.
const FIRST_FREE_PORT: u16 = 1024;
/// What is added to them on this machine: 80 becomes 8080, 443 becomes 8443.
const PRIVILEGED_PORT_OFFSET: u16 = 8000;
/// ALB-RULE-13.
const MAX_RULES: usize = 100;
/// ALB-ACT-6.
const MAX_REDIRECT_PATH_LENGTH: usize = 128;

/// Where forward actions lead.
pub(crate) struct Targets<'a> {
    pub(crate) around: &'a Around<'a>,
    /// Service key to target group name.
    pub(crate) names: BTreeMap<&'a str, &'a str>,
    /// Services that something leads to.
    pub(crate) used: BTreeSet<String>,
    /// A listener could not be made; the reason is reported.
    pub(crate) broken: bool,
}

/// The load balancers; `None` when one cannot be made. `complete` is false when services are
/// missing because of problems already reported.
pub(crate) fn resolve(
    around: &Around<'_>,
    services: &[Service],
    complete: bool,
    scope: &mut Scope<'_>,
) -> Option<Vec<LoadBalancer>> {
    let names = services
        .iter()
        .filter_map(|s| Some((s.key.as_str(), s.target_group.as_ref()?.name.as_str())))
        .collect();
    let mut targets = Targets { around, names, used: BTreeSet::new(), broken: false };
    let mut balancers = Vec::new();
    let mut keys = Vec::new();
    for key in scope.keys(&["loadBalancers"]) {
        let Some(described) = around.layer.load_balancers.get(&key) else { continue };
        let (balancer, listeners) = balancer(&key, described, &mut targets, scope)?;
        keys.extend(listeners.into_iter().map(|listener| (key.clone(), listener)));
        balancers.push(balancer);
    }
    let mut counts: BTreeMap<(String, String), Vec<Rule>> = BTreeMap::new();
    for service in services {
        rules(&service.key, &keys, &mut targets, &mut counts, scope);
    }
    for balancer in &mut balancers {
        let mut total = 0;
        for listener in &mut balancer.listeners {
            let place = (balancer.spec.name.clone(), listener.port.to_string());
            listener.rules = counts.remove(&place).unwrap_or_default();
            listener.rules.sort_by_key(|rule| rule.priority);
            total += listener.rules.len();
        }
        if total > MAX_RULES {
            let message = format!(
                "load balancer {} has {total} rules; expected at most {MAX_RULES}",
                shown(&balancer.spec.name)
            );
            scope.say(&["loadBalancers"], &message);
        }
    }
    if targets.broken {
        return None;
    }
    if complete {
        for service in services {
            if service.target_group.is_some() && !targets.used.contains(&service.key) {
                let message = "no rule and no default action leads here, so it would never be \
                               probed; expected `rules`, or a default action";
                scope.say(&["services", &service.key, "targetGroup"], message);
            }
        }
    }
    Some(balancers)
}

type Named<'a> = (LoadBalancer, Vec<(String, String, u16)>);

/// The load balancer, and of each listener: key, load balancer name, port.
fn balancer<'a>(
    key: &str,
    described: &document::LoadBalancer,
    targets: &mut Targets<'_>,
    scope: &mut Scope<'_>,
) -> Option<Named<'a>> {
    let at = |last| ["loadBalancers", key, last];
    scope.name(&["loadBalancers", key], key, "a load balancer key", 64, words::key_letter);
    let name = scope.required(&at("name"), described.name.as_ref(), "e.g. shop-alb")?;
    let edges = name.starts_with('-') || name.ends_with('-') || name.starts_with("internal-");
    if !words::is_name(&name, 1, 32, words::elb_letter) || edges {
        // ALB-HDR-11.
        let message = format!(
            "{} ({} letters) is not a load balancer name; expected 1 to 32 letters, digits and \
             hyphens, no hyphen at either end, not `internal-...`",
            shown(&name),
            name.chars().count()
        );
        scope.say(&at("name"), &message);
    }
    let network = targets.around.network;
    let subnet_names = subnets(&at("subnets"), Some(&described.subnets), targets.around, scope);
    if let Some(network) = network {
        zones(&at("subnets"), &subnet_names, &network.subnets, scope);
    }
    let security_groups =
        groups(&at("securityGroups"), Some(&described.security_groups), targets.around, scope);
    let mut labels = targets.around.tags.clone();
    labels.extend(tags(&described.tags));
    let internet_facing = described.scheme != Some(Scheme::Internal);

    let mut listeners: Vec<ListenerSpec> = Vec::new();
    let mut keys = Vec::new();
    for listener_key in scope.keys(&["loadBalancers", key, "listeners"]) {
        let Some(listener) = described.listeners.get(&listener_key) else { continue };
        let at = |last| ["loadBalancers", key, "listeners", listener_key.as_str(), last];
        scope.name(
            &["loadBalancers", key, "listeners", &listener_key],
            &listener_key,
            "a listener key",
            64,
            words::key_letter,
        );
        let port = scope.required(&at("port"), listener.port.as_ref(), "e.g. 80");
        let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        let action = default_action(key, &listener_key, listener, targets, scope);
        let Some(port) = port else {
            targets.broken = true;
            continue;
        };
        keys.push((listener_key.clone(), name.clone(), port));
        let Some(default_action) = action else {
            targets.broken = true;
            continue;
        };
        if listeners.iter().any(|other| other.port == port) {
            // ALB-LSN-1.
            let message = format!("{port} is taken by another listener; expected one per port");
            scope.say(&at("port"), &message);
        }
        let given = listener.host_port.and_then(|port| u16::try_from(port).ok());
        let host_port = given.unwrap_or(if port >= FIRST_FREE_PORT {
            port
        } else {
            port + PRIVILEGED_PORT_OFFSET
        });
        listeners.push(ListenerSpec {
            load_balancer: name.clone(),
            port,
            host_port,
            default_action,
            rules: Vec::new(),
        });
    }
    if described.listeners.is_empty() {
        let message = "`listeners` is missing; expected at least one listener";
        scope.say(&["loadBalancers", key], message);
    }
    let spec = LoadBalancerSpec {
        name,
        internet_facing,
        subnets: subnet_names,
        security_groups,
        idle_timeout_ms: seconds(described.idle_timeout.unwrap_or(60)),
        tags: labels,
    };
    Some((LoadBalancer { spec, listeners, alarms: Vec::new() }, keys))
}

/// ALB-HDR-11.
fn zones(path: &[&str], names: &[String], subnets: &[Subnet], scope: &mut Scope<'_>) {
    let used: Vec<&Subnet> = subnets.iter().filter(|s| names.contains(&s.name)).collect();
    if used.len() != names.len() {
        // Some are not right themselves, which is reported already.
        return;
    }
    let mut zones = BTreeSet::new();
    let twice = used.iter().find(|subnet| !zones.insert(subnet.zone.as_str()));
    let message = match (twice, zones.len()) {
        (Some(subnet), _) => format!(
            "two of the subnets are in {}; expected one in each of at least two zones",
            subnet.zone
        ),
        (None, 1) => format!(
            "all subnets are in {}; expected one in each of at least two zones",
            suggest::list(zones.iter().copied())
        ),
        (None, _) => return,
    };
    scope.say(path, &message);
}

fn default_action(
    balancer: &str,
    key: &str,
    listener: &document::Listener,
    targets: &mut Targets<'_>,
    scope: &mut Scope<'_>,
) -> Option<Action> {
    let base = ["loadBalancers", balancer, "listeners", key, "defaultAction"];
    let under = |rest: &[&'static str]| -> Vec<String> {
        base.iter().copied().chain(rest.iter().copied()).map(str::to_owned).collect()
    };
    let say = |scope: &mut Scope<'_>, rest: &[&'static str], message: &str| {
        let path = under(rest);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        scope.say(&path, message);
    };
    let Some(action) = &listener.default_action else {
        scope.say(&base[..4], "`defaultAction` is missing; expected what happens without a rule");
        return None;
    };
    match (&action.forward, &action.fixed_response, &action.redirect) {
        (Some(forward), None, None) => {
            let shares: Vec<(String, u32, Vec<&str>)> = match forward {
                Forward::One(service) => vec![(service.clone(), 1, vec!["forward"])],
                Forward::Weighted(shares) => shares
                    .iter()
                    .enumerate()
                    .map(|(i, s)| {
                        (s.service.clone(), s.weight, vec!["forward", index(i), "service"])
                    })
                    .collect(),
            };
            // ALB-ACT-2.
            if shares.is_empty() || shares.len() > 5 {
                say(scope, &["forward"], "expected 1 to 5 services");
            } else if shares.iter().all(|(_, weight, _)| *weight == 0) {
                say(scope, &["forward"], "all weights are 0; expected one above 0");
            }
            let mut groups = Vec::new();
            for (service, weight, rest) in &shares {
                let mut path = base.to_vec();
                path.extend(rest);
                let target_group = targets.name(service, &path, scope)?;
                groups.push(WeightedTargetGroup { target_group, weight: *weight });
            }
            Some(Action::Forward(groups))
        }
        (None, Some(fixed), None) => {
            let status = fixed.status_code.unwrap_or(0);
            if !matches!(status, 200..=299 | 400..=599) {
                // ALB-ACT-8.
                let rest: &[&'static str] = &["fixedResponse", "statusCode"];
                let message = match fixed.status_code {
                    Some(code) => format!("{code} is not allowed; expected 2xx, 4xx or 5xx"),
                    None => "is missing; expected 2xx, 4xx or 5xx".to_owned(),
                };
                say(scope, rest, &message);
            }
            let body = fixed.message_body.clone().unwrap_or_default();
            if body.len() > 1024 {
                let message = format!("is {} bytes long; expected at most 1024", body.len());
                say(scope, &["fixedResponse", "messageBody"], &message);
            }
            let content_type = match fixed.content_type {
                None | Some(ContentType::Plain) => "text/plain",
                Some(ContentType::Css) => "text/css",
                Some(ContentType::Html) => "text/html",
                Some(ContentType::JavaScript) => "application/javascript",
                Some(ContentType::Json) => "application/json",
            };
            Some(Action::FixedResponse {
                status: u16::try_from(status).unwrap_or(0),
                content_type: content_type.to_owned(),
                body,
            })
        }
        (None, None, Some(redirect)) => {
            let text = |given: &Option<String>, unset: &str| {
                given.clone().unwrap_or_else(|| unset.to_owned())
            };
            let protocol = text(&redirect.protocol, "#{protocol}");
            if !["HTTP", "HTTPS", "#{protocol}"].contains(&protocol.as_str()) {
                let message = format!(
                    "unknown value {}; expected HTTP, HTTPS or #{{protocol}}",
                    shown(&protocol)
                );
                say(scope, &["redirect", "protocol"], &message);
            }
            let path = text(&redirect.path, "/#{path}");
            if !path.starts_with('/') || path.len() > MAX_REDIRECT_PATH_LENGTH {
                let message = format!("{} is not a path; expected e.g. /#{{path}}", shown(&path));
                say(scope, &["redirect", "path"], &message);
            }
            let (host, port) = (text(&redirect.host, "#{host}"), text(&redirect.port, "#{port}"));
            if protocol == "#{protocol}"
                && host == "#{host}"
                && port == "#{port}"
                && path == "/#{path}"
            {
                // ALB-ACT-6.
                let message = "leads back to itself; expected another protocol, host, port or path";
                say(scope, &["redirect"], message);
            }
            let status = match redirect.status_code {
                Some(RedirectStatus::Permanent) => 301,
                Some(RedirectStatus::Found) => 302,
                None => {
                    say(
                        scope,
                        &["redirect"],
                        "`statusCode` is missing; expected HTTP_301 or HTTP_302",
                    );
                    302
                }
            };
            let query = text(&redirect.query, "#{query}");
            Some(Action::Redirect { protocol, host, port, path, query, status })
        }
        _ => {
            say(scope, &[], "expected exactly one of `forward`, `fixedResponse` and `redirect`");
            None
        }
    }
}

impl Targets<'_> {
    /// The target group of a service that something forwards to.
    fn name(&mut self, service: &str, path: &[&str], scope: &mut Scope<'_>) -> Option<String> {
        if let Some(name) = self.names.get(service) {
            self.used.insert(service.to_owned());
            return Some((*name).to_owned());
        }
        let services = &self.around.layer.services;
        match services.get(service) {
            None => scope.unknown(path, "service", service, services.keys().map(String::as_str)),
            Some(Some(s)) if s.target_group.is_none() => {
                let message =
                    format!("service {} has no `targetGroup` to forward to", shown(service));
                scope.say(path, &message);
            }
            // Its own problems are reported already.
            Some(_) => {}
        }
        None
    }
}
