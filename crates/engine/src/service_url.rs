//! Where a browser reaches a service: the listener rule of the lowest number that forwards to it.

use neargate_core::Platform;
use neargate_core::data_plane::ListenerState;
use neargate_core::load_balancer::{Condition, ListenerSpec, Rule};
use neargate_core::platform::Service;

use crate::views::groups_of;

/// The port of this machine the listener accepts on.
pub(crate) fn host_port(listener: &ListenerState) -> Option<u16> {
    listener.bound.as_ref().and_then(|bound| bound.as_ref().ok()).copied()
}

/// E.g. `http://127.0.0.1:8080/test/auth/`; `None` when no listener that accepts leads there.
pub(crate) fn of(platform: &Platform, service: &Service) -> Option<String> {
    let registers =
        |group: &str| service.spec.load_balancers.iter().any(|own| own.target_group == group);
    let listeners = platform.load_balancers().flat_map(|b| b.listeners.values());
    listeners
        .filter_map(|listener| {
            let port = host_port(listener)?;
            let (priority, path, host) = route(&listener.spec, &registers)?;
            Some((priority, port, path, host))
        })
        .min()
        .map(|(_, port, path, host)| {
            let note = host.map(|host| format!(" (Host: {host})")).unwrap_or_default();
            format!("http://127.0.0.1:{port}{path}{note}")
        })
}

/// Priority, path and host of the first rule that leads to one of the groups.
fn route(
    spec: &ListenerSpec,
    registers: &dyn Fn(&str) -> bool,
) -> Option<(u32, String, Option<String>)> {
    // Rules are sorted by priority.
    let rule = spec.rules.iter().find(|rule| groups_of(&rule.action).any(registers));
    if let Some(rule) = rule {
        return Some((rule.priority, path_of(rule), host_of(rule)));
    }
    let by_default = groups_of(&spec.default_action).any(registers);
    by_default.then(|| (u32::MAX, "/".to_owned(), None))
}

/// The part of the first path pattern before its first wildcard.
fn path_of(rule: &Rule) -> String {
    let pattern = rule.conditions.iter().find_map(|condition| match condition {
        Condition::PathPattern(patterns) => patterns.first(),
        Condition::HostHeader(_) => None,
    });
    match pattern {
        None => "/".to_owned(),
        Some(pattern) => match pattern.split(['*', '?']).next() {
            None | Some("") => "/".to_owned(),
            Some(fixed) => fixed.to_owned(),
        },
    }
}

fn host_of(rule: &Rule) -> Option<String> {
    rule.conditions.iter().find_map(|condition| match condition {
        Condition::HostHeader(patterns) => patterns.first().cloned(),
        Condition::PathPattern(_) => None,
    })
}
