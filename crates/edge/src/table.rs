//! A listener's rules as one immutable table: sorted, compiled, with its target groups at hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use neargate_core::load_balancer::{Action, Condition, ListenerSpec, WeightedTargetGroup};

use crate::pattern::Pattern;
use crate::redirect::Redirect;
use crate::target::Group;

/// What a worker needs to route a request of one listener.
#[derive(Debug)]
pub(crate) struct Table {
    /// Port as the load balancer's clients know it, for X-Forwarded-Port and Host (ALB-HDR-3).
    pub(crate) port: u16,
    /// Both sides (ALB-HDR-7), real time.
    pub(crate) idle_timeout: Duration,
    rules: Box<[CompiledRule]>,
    default: CompiledAction,
}

#[derive(Debug)]
struct CompiledRule {
    hosts: Option<Box<[Pattern]>>,
    paths: Option<Box<[Pattern]>>,
    action: CompiledAction,
}

/// An action with everything looked up.
#[derive(Debug)]
pub(crate) enum CompiledAction {
    /// To one of these groups.
    Forward(Forward),
    /// An answer without a target.
    Fixed {
        /// Status code.
        status: u16,
        /// Content-Type.
        content_type: String,
        /// Message body.
        body: Bytes,
    },
    /// Elsewhere.
    Redirect(Redirect),
}

/// Target groups with their shares.
#[derive(Debug)]
pub(crate) struct Forward {
    /// Groups of weight above 0, each with the sum of the weights up to and including its own.
    groups: Box<[(u64, Arc<Group>)]>,
    turn: AtomicU64,
}

impl Forward {
    fn new(groups: &[WeightedTargetGroup], find: &mut dyn FnMut(&str) -> Arc<Group>) -> Self {
        let mut sum = 0;
        let mut shares = Vec::with_capacity(groups.len());
        for group in groups {
            let found = find(&group.target_group);
            sum += u64::from(group.weight);
            if group.weight > 0 {
                shares.push((sum, found));
            }
        }
        Self { groups: shares.into(), turn: AtomicU64::new(0) }
    }

    /// The group this request goes to, whatever its targets' health (ALB-ACT-3); `None` when no
    /// group has a weight.
    pub(crate) fn choose(&self) -> Option<&Arc<Group>> {
        let (sum, last) = self.groups.last()?;
        if self.groups.len() == 1 {
            return Some(last);
        }
        // Multiples of the golden ratio fall evenly over [0, 1): shares are met within a few
        // requests, without the bursts of counting through the weights one after the other.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let point = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let at = (point * sum) >> 32;
        self.groups.iter().find(|(upto, _)| at < *upto).map(|(_, group)| group)
    }
}

impl Table {
    /// Compiles a listener. `find` gives the group of a name, known already or not.
    pub(crate) fn new(
        spec: &ListenerSpec,
        idle_timeout: Duration,
        find: &mut dyn FnMut(&str) -> Arc<Group>,
    ) -> Self {
        let mut sorted: Vec<_> = spec.rules.iter().collect();
        sorted.sort_by_key(|rule| rule.priority);
        let rules = sorted
            .into_iter()
            .map(|rule| {
                let mut compiled = CompiledRule {
                    hosts: None,
                    paths: None,
                    action: CompiledAction::new(&rule.action, find),
                };
                for condition in &rule.conditions {
                    match condition {
                        Condition::PathPattern(values) => {
                            compiled.paths = Some(values.iter().map(|v| Pattern::new(v)).collect());
                        }
                        Condition::HostHeader(values) => {
                            compiled.hosts =
                                Some(values.iter().map(|v| Pattern::case_insensitive(v)).collect());
                        }
                    }
                }
                compiled
            })
            .collect();
        Self {
            port: spec.port,
            idle_timeout,
            rules,
            default: CompiledAction::new(&spec.default_action, find),
        }
    }

    /// The action of the first rule whose conditions all hold (ALB-RULE-1, ALB-RULE-4).
    /// `host` is without port.
    pub(crate) fn route(&self, host: &[u8], path: &[u8]) -> &CompiledAction {
        let mut lower: Option<Vec<u8>> = None;
        let any = |patterns: &[Pattern], text: &[u8]| patterns.iter().any(|p| p.matches(text));
        for rule in &self.rules {
            if rule.paths.as_ref().is_some_and(|patterns| !any(patterns, path)) {
                continue;
            }
            if let Some(patterns) = &rule.hosts {
                let lower = lower.get_or_insert_with(|| host.to_ascii_lowercase());
                if !any(patterns, lower) {
                    continue;
                }
            }
            return &rule.action;
        }
        &self.default
    }
}

impl CompiledAction {
    fn new(action: &Action, find: &mut dyn FnMut(&str) -> Arc<Group>) -> Self {
        match action {
            Action::Forward(groups) => CompiledAction::Forward(Forward::new(groups, find)),
            Action::FixedResponse { status, content_type, body } => CompiledAction::Fixed {
                status: *status,
                content_type: content_type.clone(),
                body: Bytes::from(body.clone()),
            },
            Action::Redirect { protocol, host, port, path, query, status } => {
                CompiledAction::Redirect(Redirect {
                    protocol: protocol.clone(),
                    host: host.clone(),
                    port: port.clone(),
                    path: path.clone(),
                    query: query.clone(),
                    status: *status,
                })
            }
        }
    }
}

/// Names of the groups a listener refers to, weight 0 included (ALB-HC-9).
pub(crate) fn groups_used(spec: &ListenerSpec) -> impl Iterator<Item = &str> {
    let actions = spec.rules.iter().map(|rule| &rule.action);
    actions.chain(std::iter::once(&spec.default_action)).flat_map(|action| {
        match action {
            Action::Forward(groups) => groups.as_slice(),
            _ => &[],
        }
        .iter()
        .map(|group| group.target_group.as_str())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use neargate_core::load_balancer::Rule;
    use proptest::prelude::*;

    use super::*;

    fn fixed(body: &str) -> Action {
        Action::FixedResponse { status: 200, content_type: "text/plain".into(), body: body.into() }
    }

    fn table(rules: &[(u32, &[&str], &[&str])]) -> Table {
        let values = |v: &[&str]| v.iter().map(|s| (*s).to_owned()).collect();
        let spec = ListenerSpec {
            load_balancer: "lb".into(),
            port: 80,
            host_port: 0,
            default_action: fixed("default"),
            rules: rules
                .iter()
                .map(|(priority, paths, hosts)| Rule {
                    priority: *priority,
                    conditions: [
                        (!paths.is_empty()).then(|| Condition::PathPattern(values(paths))),
                        (!hosts.is_empty()).then(|| Condition::HostHeader(values(hosts))),
                    ]
                    .into_iter()
                    .flatten()
                    .collect(),
                    action: fixed(&priority.to_string()),
                })
                .collect(),
        };
        Table::new(&spec, Duration::from_secs(60), &mut |n| Arc::new(Group::new(n.into())))
    }

    fn routed(table: &Table, host: &str, path: &str) -> String {
        match table.route(host.as_bytes(), path.as_bytes()) {
            CompiledAction::Fixed { body, .. } => String::from_utf8(body.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn alb_rule_1_the_lowest_priority_that_matches_acts() {
        let table = table(&[(30, &["/*"], &[]), (10, &["/test/*"], &[]), (20, &["/stage/*"], &[])]);
        assert_eq!(routed(&table, "a.example", "/test/x"), "10");
        assert_eq!(routed(&table, "a.example", "/stage/x"), "20");
        assert_eq!(routed(&table, "a.example", "/testing"), "30");
        assert_eq!(routed(&table, "a.example", "*"), "default");
    }

    #[test]
    fn alb_rule_4_values_are_ored_and_conditions_anded() {
        let table = table(&[(1, &["/a", "/b/*"], &["api.example.com", "*.test.com"])]);
        assert_eq!(routed(&table, "API.Example.COM", "/a"), "1");
        assert_eq!(routed(&table, "x.test.com", "/b/c"), "1");
        assert_eq!(routed(&table, "x.test.com", "/c"), "default");
        assert_eq!(routed(&table, "test.com", "/a"), "default");
    }

    fn shares(weights: &[u32], requests: usize) -> HashMap<String, usize> {
        let groups: Vec<_> = weights
            .iter()
            .enumerate()
            .map(|(i, w)| WeightedTargetGroup { target_group: i.to_string(), weight: *w })
            .collect();
        let forward = Forward::new(&groups, &mut |n| Arc::new(Group::new(n.into())));
        let mut shares = HashMap::new();
        for _ in 0..requests {
            if let Some(group) = forward.choose() {
                *shares.entry(group.name.clone()).or_default() += 1;
            }
        }
        shares
    }

    #[test]
    fn alb_act_2_weight_0_gets_nothing() {
        let shares = shares(&[0, 1, 0, 3], 1000);
        assert_eq!(shares.get("0"), None);
        assert_eq!(shares.get("2"), None);
        assert!(shares["1"].abs_diff(250) < 10, "{shares:?}");
        assert!(super::tests::shares(&[0, 0], 10).is_empty());
    }

    proptest! {
        #[test]
        fn alb_act_2_shares_follow_the_weights(
            weights in proptest::collection::vec(0u32..1000, 1..6),
        ) {
            prop_assume!(weights.iter().any(|w| *w > 0));
            let sum: u32 = weights.iter().sum();
            let shares = shares(&weights, 10_000);
            for (i, weight) in weights.iter().enumerate() {
                let got = shares.get(&i.to_string()).copied().unwrap_or(0) as f64;
                let want = 10_000.0 * f64::from(*weight) / f64::from(sum);
                prop_assert!((got - want).abs() < 25.0, "{i}: {got} of {want}");
            }
        }
    }
}
