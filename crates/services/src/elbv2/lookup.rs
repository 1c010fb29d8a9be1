//! From ARNs to what they mean, and from things to their ARNs.
//!
//! The platform knows a listener by its port and a rule by its priority. Their ARNs must outlive a
//! change of either, so a moved one's id is noted with what it belongs to; all others are derived.

use neargate_core::Platform;
use neargate_core::data_plane::{ListenerState, TargetGroup};
use neargate_core::input::Command;
use neargate_core::load_balancer::{Action, ListenerSpec, Rule};
use neargate_core::platform::LoadBalancer;
use serde_json::{Value, json};

use super::errors;
use crate::error::AwsError;
use crate::{arn, fields, note};

const SERVICE: &str = "elasticloadbalancing";
/// Member of a note: ids of parts that are not where they were made.
const MOVED: &str = "moved";

/// The load balancer's ARN.
pub(super) fn load_balancer_arn(platform: &Platform, balancer: &LoadBalancer) -> String {
    arn::load_balancer(platform.identity(), &balancer.spec.name, balancer.arn_id)
}

/// The target group's ARN.
pub(super) fn target_group_arn(platform: &Platform, group: &TargetGroup) -> String {
    arn::target_group(platform.identity(), &group.spec.name, group.arn_id)
}

/// What the note on a load balancer is kept under: its ARN is not known before it is made.
pub(super) fn balancer_note(name: &str) -> String {
    format!("loadbalancer/{name}")
}

/// What the note on a target group is kept under: its ARN is not known before it is made.
pub(super) fn group_note(name: &str) -> String {
    format!("targetgroup/{name}")
}

/// The target group with that ARN.
pub(crate) fn target_group<'a>(platform: &'a Platform, text: &str) -> Option<&'a TargetGroup> {
    let (name, id) = arn::resource(text, SERVICE, "targetgroup")?.split_once('/')?;
    let group = platform.target_group(name)?;
    (u64::from_str_radix(id, 16) == Ok(group.arn_id)).then_some(group)
}

/// The kind of targets: `ip` unless a client said otherwise.
pub(crate) fn target_type(platform: &Platform, group: &TargetGroup) -> String {
    let said = note::read(platform, &group_note(&group.spec.name));
    fields::text(&said, "TargetType").unwrap_or("ip").to_owned()
}

/// The name of the VPC that a load balancer is in.
pub(super) fn vpc_of<'a>(platform: &'a Platform, balancer: &LoadBalancer) -> Option<&'a str> {
    let mut subnets = balancer.spec.subnets.iter();
    subnets.find_map(|name| Some(platform.subnet(name)?.spec.vpc.as_str()))
}

/// The load balancers whose rules use the target group.
pub(crate) fn load_balancers_of<'a>(
    platform: &'a Platform,
    group: &'a str,
) -> impl Iterator<Item = &'a LoadBalancer> {
    platform.load_balancers().filter(move |balancer| {
        balancer.listeners.values().any(|listener| {
            let rules = listener.spec.rules.iter().map(|r| &r.action);
            rules.chain([&listener.spec.default_action]).any(|action| match action {
                Action::Forward(groups) => groups.iter().any(|g| g.target_group == group),
                Action::FixedResponse { .. } | Action::Redirect { .. } => false,
            })
        })
    })
}

/// The load balancer with that ARN.
pub(super) fn load_balancer<'a>(
    platform: &'a Platform,
    text: &str,
) -> Result<&'a LoadBalancer, AwsError> {
    let path = arn::resource(text, SERVICE, "loadbalancer/app");
    let found = path.and_then(|path| {
        let (name, id) = path.split_once('/')?;
        platform.load_balancer(name).filter(|b| u64::from_str_radix(id, 16) == Ok(b.arn_id))
    });
    found.ok_or_else(|| errors::load_balancer_not_found(text))
}

/// The id of the part `key` of what the note belongs to.
fn part_id(said: &Value, owner: u64, kind: &[u8], key: u32) -> u64 {
    let moved = said.get(MOVED).and_then(|moved| fields::text(moved, &key.to_string()));
    moved
        .and_then(|id| u64::from_str_radix(id, 16).ok())
        .unwrap_or_else(|| arn::derived(&[&owner.to_le_bytes(), kind, &key.to_le_bytes()]))
}

/// Notes which id each part has now; only those that are not the derived ones.
fn keep_ids(said: &mut Value, owner: u64, kind: &[u8], parts: &[(u32, u64)]) {
    let derived = |key: u32| part_id(&Value::Null, owner, kind, key);
    let moved: serde_json::Map<String, Value> = parts
        .iter()
        .filter(|(key, id)| derived(*key) != *id)
        .map(|(key, id)| (key.to_string(), json!(format!("{id:016x}"))))
        .collect();
    if let Some(said) = said.as_object_mut() {
        said.remove(MOVED);
        if !moved.is_empty() {
            said.insert(MOVED.to_owned(), Value::Object(moved));
        }
    }
}

/// An id for a new part that no other part has.
fn new_id(parts: &[(u32, u64)], owner: u64, kind: &[u8], key: u32) -> u64 {
    let mut id = part_id(&Value::Null, owner, kind, key);
    while parts.iter().any(|(_, taken)| *taken == id) {
        id = arn::derived(&[&id.to_le_bytes(), kind]);
    }
    id
}

const LISTENER: &[u8] = b"listener";
const RULE: &[u8] = b"rule";

/// A listener with what its ARN is made of.
pub(super) struct Listener<'a> {
    pub(super) balancer: &'a LoadBalancer,
    pub(super) state: &'a ListenerState,
    pub(super) id: u64,
    pub(super) arn: String,
    /// The note on it.
    pub(super) said: Value,
}

impl<'a> Listener<'a> {
    /// The listeners of a load balancer by port.
    pub(super) fn all(platform: &'a Platform, balancer: &'a LoadBalancer) -> Vec<Listener<'a>> {
        let on_balancer = note::read(platform, &balancer_note(&balancer.spec.name));
        let states = balancer.listeners.values();
        states
            .map(|state| {
                let port = u32::from(state.spec.port);
                let id = part_id(&on_balancer, balancer.arn_id, LISTENER, port);
                let owner = (balancer.spec.name.as_str(), balancer.arn_id);
                let arn = arn::listener(platform.identity(), owner, id);
                let said = note::read(platform, &arn);
                Listener { balancer, state, id, arn, said }
            })
            .collect()
    }

    /// The listener with that ARN.
    pub(super) fn find(platform: &'a Platform, text: &str) -> Result<Listener<'a>, AwsError> {
        let path = arn::resource(text, SERVICE, "listener/app");
        let name = path.and_then(|path| path.split('/').next()).unwrap_or_default();
        let Some(balancer) = platform.load_balancer(name) else {
            return Err(errors::listener_not_found());
        };
        let mut all = Listener::all(platform, balancer).into_iter();
        all.find(|l| l.arn == text).ok_or_else(errors::listener_not_found)
    }

    /// The load balancer's note when this listener's place is `port`, a new one's when `id` is
    /// `None`; and the id.
    pub(super) fn placed(
        platform: &Platform,
        balancer: &LoadBalancer,
        id: Option<u64>,
        port: u16,
    ) -> (Command, u64) {
        let subject = balancer_note(&balancer.spec.name);
        let mut said = note::read(platform, &subject);
        let all = Listener::all(platform, balancer);
        let others = all.iter().filter(|l| Some(l.id) != id);
        let mut parts: Vec<(u32, u64)> =
            others.map(|l| (u32::from(l.state.spec.port), l.id)).collect();
        let key = u32::from(port);
        let id = id.unwrap_or_else(|| new_id(&parts, balancer.arn_id, LISTENER, key));
        parts.push((key, id));
        keep_ids(&mut said, balancer.arn_id, LISTENER, &parts);
        (note::write(&subject, &said), id)
    }

    /// The ARN of the rule with that priority; 0 is the default rule.
    pub(super) fn rule_arn(&self, platform: &Platform, priority: u32) -> String {
        self.rule_arn_of(platform, part_id(&self.said, self.id, RULE, priority))
    }

    fn rule_arn_of(&self, platform: &Platform, id: u64) -> String {
        let owner = (self.balancer.spec.name.as_str(), self.balancer.arn_id);
        arn::rule(platform.identity(), owner, self.id, id)
    }

    /// This listener with other rules, each with the priority it had before (`None` for a new
    /// one): the commands, and the ARN of the new rule.
    pub(super) fn with_rules(
        &self,
        platform: &Platform,
        rules: Vec<(Option<u32>, Rule)>,
    ) -> (Vec<Command>, Option<String>) {
        let known = rules.iter().filter_map(|(before, rule)| Some(((*before)?, rule.priority)));
        let mut parts: Vec<(u32, u64)> =
            known.map(|(before, now)| (now, part_id(&self.said, self.id, RULE, before))).collect();
        let new = rules.iter().find(|(before, _)| before.is_none()).map(|(_, rule)| rule.priority);
        let new = new.map(|priority| {
            let id = new_id(&parts, self.id, RULE, priority);
            parts.push((priority, id));
            self.rule_arn_of(platform, id)
        });
        let mut said = self.said.clone();
        keep_ids(&mut said, self.id, RULE, &parts);
        let rules = rules.into_iter().map(|(_, rule)| rule).collect();
        let spec = ListenerSpec { rules, ..(*self.state.spec).clone() };
        let mut commands = vec![Command::PutListener(spec)];
        if said != self.said {
            commands.push(note::write(&self.arn, &said));
        }
        (commands, new)
    }
}

/// A rule as an ARN names it: its listener, and its priority; `None` for the default rule.
pub(super) struct RuleAt<'a> {
    pub(super) listener: Listener<'a>,
    pub(super) priority: Option<u32>,
}

/// The rule with that ARN.
pub(super) fn rule<'a>(platform: &'a Platform, text: &str) -> Result<RuleAt<'a>, AwsError> {
    let found = text.replacen(":listener-rule/", ":listener/", 1);
    let listener = found.rsplit_once('/').map_or("", |(listener, _)| listener);
    let listener = Listener::find(platform, listener).map_err(|_| errors::rule_not_found())?;
    if listener.rule_arn(platform, 0) == text {
        return Ok(RuleAt { listener, priority: None });
    }
    let mut rules = listener.state.spec.rules.iter().map(|r| r.priority);
    let priority = rules.find(|priority| listener.rule_arn(platform, *priority) == text);
    match priority {
        Some(_) => Ok(RuleAt { priority, listener }),
        None => Err(errors::rule_not_found()),
    }
}
