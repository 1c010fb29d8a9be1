//! What environments must not do to each other: they live side by side on one machine.

use std::collections::BTreeMap;

use crate::diagnostics::{Problems, shown};
use crate::node::{Node, path_text};
use crate::system::{Environment, LoadBalancer};

/// Subnets of one system: each has a /24 of its own on the process driver's loopback network.
const MAX_SUBNETS: usize = 255;

/// Checks all environments against each other. `trees` are their descriptions, in the same order.
pub(crate) fn check(environments: &[Environment], trees: &[Node], problems: &mut Problems) {
    let mut check = Check { problems, taken: BTreeMap::new() };
    let mut balancers: BTreeMap<&str, (&str, &LoadBalancer)> = BTreeMap::new();
    let mut networks: BTreeMap<&str, &Environment> = BTreeMap::new();
    let mut subnets = 0;
    for (environment, tree) in environments.iter().zip(trees) {
        let name = environment.name.as_str();
        let network = &environment.network;
        match networks.get(network.name.as_str()) {
            Some(first) if first.network != *network => check.differs(
                tree,
                &["network"],
                &format!("the network {}", shown(&network.name)),
                &first.name,
                name,
            ),
            Some(_) => {}
            None => {
                subnets += network.subnets.len();
                networks.insert(&network.name, environment);
            }
        }
        for (key, balancer) in keys(tree, "loadBalancers").zip(&environment.load_balancers) {
            let path = ["loadBalancers", key];
            match balancers.get(balancer.spec.name.as_str()) {
                Some((first, _)) if *first == name => {
                    let message = format!(
                        "the name {} stands twice; expected another",
                        shown(&balancer.spec.name)
                    );
                    check.say(tree, &["loadBalancers", key, "name"], &message, name);
                }
                Some((first, other)) if !same(other, balancer) => check.differs(
                    tree,
                    &path,
                    &format!("the load balancer {}", shown(&balancer.spec.name)),
                    first,
                    name,
                ),
                Some(_) => {}
                None => {
                    balancers.insert(&balancer.spec.name, (name, balancer));
                    check.host_ports(tree, key, balancer, name);
                }
            }
        }
        check.priorities(environment, tree);
        check.names(environment, tree);
        for alarm in environment.load_balancers.iter().flat_map(|balancer| &balancer.alarms) {
            check.alarm(tree, "name", &alarm.name, name);
        }
    }
    if subnets > MAX_SUBNETS
        && let Some(tree) = trees.first()
    {
        let message = format!(
            "all environments together have {subnets} subnets; expected at most {MAX_SUBNETS}"
        );
        let at = tree.position(&["network", "subnets"]);
        check.problems.add(at, "network.subnets", &message, None, None);
    }
}

/// Whether two environments describe the same load balancer; rules and alarms are each one's own.
fn same(a: &LoadBalancer, b: &LoadBalancer) -> bool {
    let plain = |balancer: &LoadBalancer| {
        let mut balancer = balancer.clone();
        balancer.listeners.iter_mut().for_each(|listener| listener.rules.clear());
        balancer.alarms.clear();
        balancer
    };
    plain(a) == plain(b)
}

fn keys<'t>(tree: &'t Node, section: &str) -> impl Iterator<Item = &'t str> {
    tree.get(section).map(Node::entries).unwrap_or_default().iter().map(|e| e.key.as_str())
}

struct Check<'p> {
    problems: &'p mut Problems,
    /// What exists once on a platform, and who has it: (kind, name) to (key, environment).
    taken: BTreeMap<(&'static str, String), (String, String)>,
}

impl Check<'_> {
    fn say(&mut self, tree: &Node, path: &[&str], message: &str, environment: &str) {
        let at = tree.position(path);
        self.problems.add(at, &path_text(path), message, None, Some(environment));
    }

    fn differs(&mut self, tree: &Node, path: &[&str], what: &str, first: &str, own: &str) {
        let message = format!(
            "{what} is shared with environment {} but described differently there; expected the \
             same, or another name",
            shown(first)
        );
        self.say(tree, path, &message, own);
    }

    /// Takes a name; `false` after reporting who has it.
    fn take(
        &mut self,
        tree: &Node,
        path: &[&str],
        (kind, name): (&'static str, String),
        environment: &str,
    ) -> bool {
        let own = (path.get(1).copied().unwrap_or_default().to_owned(), environment.to_owned());
        let Some((key, first)) = self.taken.get(&(kind, name.clone())) else {
            self.taken.insert((kind, name), own);
            return true;
        };
        let at = tree.position(path);
        let (of, hint) = if *first == environment {
            (String::new(), None)
        } else {
            let hint = match kind {
                "priority" => "`rulePriorityOffset` gives an environment priorities of its own",
                "port of this machine" => "give one of the environments another `hostPort`",
                _ => "`${environment}` in a name makes it different in each environment",
            };
            (format!(" in environment {}", shown(first)), Some(hint.to_owned()))
        };
        let message = format!("{kind} {name} is taken by {}{of}; expected another", shown(key));
        self.problems.add(at, &path_text(path), &message, hint, Some(environment));
        false
    }

    fn host_ports(&mut self, tree: &Node, key: &str, balancer: &LoadBalancer, environment: &str) {
        let listeners = tree.get("loadBalancers").and_then(|b| b.get(key)?.get("listeners"));
        let listeners = listeners.map(Node::entries).unwrap_or_default();
        for (entry, listener) in listeners.iter().zip(&balancer.listeners) {
            let path = ["loadBalancers", key, "listeners", entry.key.as_str(), "hostPort"];
            let name = listener.host_port.to_string();
            self.take(tree, &path, ("port of this machine", name), environment);
        }
    }

    /// ALB-RULE-2, across all environments that share a listener.
    fn priorities(&mut self, environment: &Environment, tree: &Node) {
        let owners: BTreeMap<&str, &str> = environment
            .services
            .iter()
            .filter_map(|s| Some((s.target_group.as_ref()?.name.as_str(), s.key.as_str())))
            .collect();
        for listener in environment.load_balancers.iter().flat_map(|b| &b.listeners) {
            let mut seen: BTreeMap<(&str, u32), usize> = BTreeMap::new();
            for rule in &listener.rules {
                let neargate_core::load_balancer::Action::Forward(groups) = &rule.action else {
                    continue;
                };
                let Some(key) = groups.first().and_then(|g| owners.get(g.target_group.as_str()))
                else {
                    continue;
                };
                let number = rule_number(tree, key, rule.priority, &mut seen);
                let path = ["services", key, "rules", number, "priority"];
                let place = format!("{}:{}", listener.load_balancer, listener.port);
                let name = format!("{} on {place}", rule.priority);
                self.take(tree, &path, ("priority", name), &environment.name);
            }
        }
    }

    /// An alarm's name exists once in an account.
    fn alarm(&mut self, tree: &Node, part: &str, name: &str, environment: &str) {
        let place = ("alarm name", name.to_owned());
        self.take(tree, &["monitoring", part], place, environment);
    }

    /// Names that exist once in a cluster or account.
    fn names(&mut self, environment: &Environment, tree: &Node) {
        for service in &environment.services {
            let key = service.key.as_str();
            let own = &environment.name;
            let name = &service.spec.name;
            let place = ("service name", format!("{} in cluster {}", name.service, name.cluster));
            let free = self.take(tree, &["services", key, "name"], place, own);
            // What is named after the service has the same problem, said once.
            let news = |name: &str| free || name != service.spec.name.service;
            let family = service.task_definition.family.clone();
            if news(&family) {
                self.take(tree, &["services", key, "family"], ("family", family), own);
            }
            if let Some(group) = service.target_group.as_ref().filter(|g| news(&g.name)) {
                let path = ["services", key, "targetGroup", "name"];
                self.take(tree, &path, ("target group name", group.name.clone()), own);
            }
            for alarm in &service.alarms {
                self.alarm(tree, "serviceAlarms", &alarm.name, own);
            }
            if let Some(discovery) = &service.discovery {
                let path = ["services", key, "discovery", "name"];
                self.take(tree, &path, ("discovery name", discovery.dns_name()), own);
            }
        }
    }
}

/// Which entry of the service's `rules` has that priority; the next one each time it is asked
/// for the same service and priority.
fn rule_number<'k>(
    tree: &Node,
    key: &'k str,
    priority: u32,
    seen: &mut BTreeMap<(&'k str, u32), usize>,
) -> &'static str {
    let offset = number(tree.get("rulePriorityOffset")).unwrap_or(0);
    let rules = tree.get("services").and_then(|s| s.get(key)?.get("rules"));
    let rules = rules.map(Node::items).unwrap_or_default().iter().enumerate();
    let nth = seen.entry((key, priority)).or_default();
    let found = rules
        .filter(|(_, rule)| {
            number(rule.get("priority")).is_some_and(|p| p + offset == i128::from(priority))
        })
        .nth(*nth);
    *nth += 1;
    crate::structure::index(found.map_or(0, |(index, _)| index))
}

fn number(node: Option<&Node>) -> Option<i128> {
    match node?.value {
        crate::node::Value::Int(value, _) => Some(value),
        _ => None,
    }
}
