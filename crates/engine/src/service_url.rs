//! Where a browser reaches a service: the listener rule of the lowest number that forwards to it.

use neargate_core::Platform;
use neargate_core::data_plane::ListenerState;
use neargate_core::load_balancer::{Condition, ListenerSpec, Rule};
use neargate_core::platform::Service;

/// The port of this machine the listener accepts on.
pub(crate) fn host_port(listener: &ListenerState) -> Option<u16> {
    listener.bound.as_ref().and_then(|bound| bound.as_ref().ok()).copied()
}

/// E.g. `http://127.0.0.1:8080/test/auth/`; `None` when no listener that accepts leads there.
///
/// A rule that asks for a host comes last: its URL has the host's name, which this machine resolves
/// only if somebody made it so (`curl --resolve`).
pub(crate) fn of(platform: &Platform, service: &Service) -> Option<String> {
    let registers =
        |group: &str| service.spec.load_balancers.iter().any(|own| own.target_group == group);
    let listeners = platform.load_balancers().flat_map(|b| b.listeners.values());
    listeners
        .filter_map(|listener| {
            let port = host_port(listener)?;
            let (host, priority, path) = route(&listener.spec, &registers)?;
            Some((host, priority, port, path))
        })
        .min()
        .map(|(host, _, port, path)| {
            format!("http://{}:{port}{path}", host.as_deref().unwrap_or("127.0.0.1"))
        })
}

/// Host, priority and path of the rule that leads to one of the groups most directly: without a
/// host condition, then by the lowest number.
fn route(
    spec: &ListenerSpec,
    registers: &dyn Fn(&str) -> bool,
) -> Option<(Option<String>, u32, String)> {
    let rules = spec.rules.iter().filter(|rule| rule.action.target_groups().any(registers));
    let by_rule = rules.map(|rule| (host_of(rule), rule.priority, path_of(rule)));
    let by_default = spec
        .default_action
        .target_groups()
        .any(registers)
        .then(|| (None, u32::MAX, "/".to_owned()));
    by_rule.chain(by_default).min()
}

/// A path that the first path pattern matches.
fn path_of(rule: &Rule) -> String {
    let pattern = rule.conditions.iter().find_map(|condition| match condition {
        Condition::PathPattern(patterns) => patterns.first(),
        Condition::HostHeader(_) => None,
    });
    pattern.map_or_else(|| "/".to_owned(), |pattern| matching(pattern))
}

/// A final `*` matches nothing, any other wildcard a 1: `/api/v*/orders*` is `/api/v1/orders`.
fn matching(pattern: &str) -> String {
    let path = pattern.trim_end_matches('*').replace(['*', '?'], "1");
    if path.starts_with('/') { path } else { format!("/{path}") }
}

fn host_of(rule: &Rule) -> Option<String> {
    rule.conditions.iter().find_map(|condition| match condition {
        Condition::HostHeader(patterns) => patterns.first().cloned(),
        Condition::PathPattern(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::matching;

    #[test]
    fn a_path_is_one_that_the_pattern_matches() {
        for (pattern, path) in [
            ("/api/*", "/api/"),
            ("/api/v*/orders*", "/api/v1/orders"),
            ("/v?/x", "/v1/x"),
            ("/graphql", "/graphql"),
            ("*", "/"),
            ("*.php", "/1.php"),
        ] {
            assert_eq!(matching(pattern), path, "{pattern}");
        }
    }
}
