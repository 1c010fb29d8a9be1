//! Rules: which requests a load balancer sends to a service.

use std::collections::BTreeMap;

use neargate_core::load_balancer::{Action, Condition, Rule, WeightedTargetGroup};

use crate::diagnostics::shown;
use crate::document;
use crate::resolve::balancer::Targets;
use crate::resolve::scope::Scope;
use crate::structure::index;
use crate::suggest;

/// ALB-RULE-4.
const MAX_VALUES_PER_RULE: usize = 5;
/// ALB-RULE-4.
const MAX_WILDCARDS_PER_RULE: usize = 5;
/// ALB-RULE-6, ALB-RULE-7.
const MAX_PATTERN_LENGTH: usize = 128;

/// Puts the rules of a service under their listeners.
pub(crate) fn rules(
    service: &str,
    listeners: &[(String, (String, String, u16))],
    targets: &mut Targets<'_>,
    found: &mut BTreeMap<(String, String), Vec<Rule>>,
    scope: &mut Scope<'_>,
) {
    let layer = targets.around.layer;
    let Some(Some(described)) = layer.services.get(service) else { return };
    let base = ["services", service, "rules"];
    let rules = described.rules.as_deref().unwrap_or_default();
    if rules.is_empty() {
        return;
    }
    if described.target_group.is_none() {
        scope.say(&base, "rules need a `targetGroup` to forward to");
        return;
    }
    let known: Vec<String> = listeners.iter().map(|(lb, l)| format!("{lb}.{}", l.0)).collect();
    for (number, rule) in rules.iter().enumerate() {
        let at = |last| ["services", service, "rules", index(number), last];
        let listener = match &rule.listener {
            Some(name) => known.iter().position(|k| k == name),
            None if listeners.len() == 1 => Some(0),
            None => None,
        };
        let Some((_, (_, balancer, port))) = listener.and_then(|l| listeners.get(l)) else {
            targets.used.insert(service.to_owned());
            if targets.broken {
                // The listener meant may be one that could not be made.
                continue;
            }
            let names = known.iter().map(String::as_str);
            match &rule.listener {
                Some(name) => scope.unknown(&at("listener"), "listener", name, names),
                None => {
                    let message =
                        format!("`listener` is missing; expected {}", suggest::one_of(names));
                    scope.say(&["services", service, "rules", index(number)], &message);
                }
            }
            continue;
        };
        let offset = layer.rule_priority_offset.unwrap_or(0);
        let priority = rule.priority.saturating_add(offset);
        if priority > 50_000 && rule.priority <= 50_000 {
            let message = format!(
                "{} plus the rulePriorityOffset {offset} is {priority}; expected at most 50000",
                rule.priority
            );
            scope.say(&at("priority"), &message);
        }
        let conditions = conditions(service, index(number), rule, scope);
        targets.used.insert(service.to_owned());
        let Some(target_group) = targets.names.get(service).map(|name| (*name).to_owned()) else {
            continue;
        };
        let action = Action::Forward(vec![WeightedTargetGroup { target_group, weight: 1 }]);
        let place = (balancer.clone(), port.to_string());
        found.entry(place).or_default().push(Rule { priority, conditions, action });
    }
}

fn conditions(
    service: &str,
    number: &str,
    rule: &document::Rule,
    scope: &mut Scope<'_>,
) -> Vec<Condition> {
    let base = ["services", service, "rules", number];
    let at = |last| ["services", service, "rules", number, last];
    let mut conditions = Vec::new();
    let mut values = 0;
    let mut wildcards = 0;
    let mut add =
        |key: &'static str, patterns: Vec<String>, problem: fn(&str) -> Option<&'static str>| {
            values += patterns.len();
            if patterns.is_empty() {
                scope.say(&at(key), "is empty; expected at least one pattern");
            }
            for pattern in &patterns {
                wildcards += pattern.matches(['*', '?']).count();
                let message = if pattern.is_empty() || pattern.len() > MAX_PATTERN_LENGTH {
                    Some("expected 1 to 128 letters")
                } else {
                    problem(pattern)
                };
                if let Some(message) = message {
                    scope.say(&at(key), &format!("{} is not right; {message}", shown(pattern)));
                }
            }
            patterns
        };
    if let Some(paths) = &rule.path_pattern {
        conditions.push(Condition::PathPattern(add("pathPattern", paths.texts(), path_problem)));
    }
    if let Some(hosts) = &rule.host_header {
        conditions.push(Condition::HostHeader(add("hostHeader", hosts.texts(), host_problem)));
    }
    if conditions.is_empty() {
        scope.say(&base, "has no condition; expected `pathPattern` or `hostHeader`");
    }
    if values > MAX_VALUES_PER_RULE {
        let message = format!("has {values} patterns; expected at most {MAX_VALUES_PER_RULE}");
        scope.say(&base, &message);
    }
    if wildcards > MAX_WILDCARDS_PER_RULE {
        let message =
            format!("has {wildcards} wildcards; expected at most {MAX_WILDCARDS_PER_RULE}");
        scope.say(&base, &message);
    }
    conditions
}

/// ALB-RULE-7.
fn path_problem(pattern: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(c);
    if !pattern.chars().all(allowed) {
        Some("a path pattern holds letters, digits, `_-.$/~\"'@:+&` and the wildcards `*` and `?`")
    } else if !pattern.starts_with(['/', '*', '?']) {
        Some("it can never match: paths begin with `/`")
    } else {
        None
    }
}

/// ALB-RULE-6.
fn host_problem(pattern: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-.*?".contains(c);
    let top = pattern.rsplit_once('.').map(|(_, top)| top);
    if !pattern.chars().all(allowed) {
        Some("a host pattern holds letters, digits, `-`, `.` and the wildcards `*` and `?`")
    } else if !top.is_some_and(|t| !t.is_empty() && t.chars().all(|c| c.is_ascii_alphabetic())) {
        Some("a host pattern needs a `.` with only letters after the last one")
    } else {
        None
    }
}
