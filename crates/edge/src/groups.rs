//! Every target group with its targets, their health machines and their probes: the control
//! thread's side of what workers see as [`Group`] and [`Target`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use neargate_core::id::Generation;
use neargate_core::load_balancer::{TargetAddress, TargetGroupSpec, TargetHealthCheck};
use neargate_core::target_health::{HealthMachine, ProbeOutcome, TargetState, eligible_targets};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::connect::Sources;
use crate::control::{self, FromEdge, TargetGroupMetrics};
use crate::target::{Group, Target};

/// A task that ends with its owner.
#[derive(Debug)]
pub(crate) struct OwnedTask(pub(crate) AbortHandle);

impl Drop for OwnedTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
struct TargetEntry {
    target: Arc<Target>,
    machine: HealthMachine,
    probe: Option<OwnedTask>,
    /// The generation that deregistered it.
    draining_since: Option<Generation>,
}

impl TargetEntry {
    fn start_draining(&mut self, generation: Generation) -> bool {
        self.target.set_draining(true);
        self.draining_since = Some(generation);
        self.probe = None;
        self.machine.drain()
    }

    fn register_again(&mut self, in_use: bool) {
        self.target.set_draining(false);
        self.draining_since = None;
        self.machine = HealthMachine::registered(in_use);
    }
}

#[derive(Debug)]
struct GroupEntry {
    group: Arc<Group>,
    sources: Sources,
    /// `None` while only a listener has named it.
    check: Option<TargetHealthCheck>,
    targets: BTreeMap<TargetAddress, TargetEntry>,
    /// Listeners that refer to it.
    used_by: usize,
}

impl GroupEntry {
    fn new(name: &str) -> Self {
        Self {
            group: Arc::new(Group::new(name.to_owned())),
            sources: Sources::default(),
            check: None,
            targets: BTreeMap::new(),
            used_by: 0,
        }
    }

    fn publish(&self) {
        let entries: Vec<_> = self.targets.values().collect();
        let eligible = eligible_targets(entries.iter().map(|e| e.machine.health().state));
        let targets = eligible.targets.iter().map(|i| entries[*i].target.clone()).collect();
        self.group.set_eligible(targets);
    }
}

/// A target to begin probing.
#[derive(Debug)]
pub(crate) struct NewProbe {
    pub(crate) group: String,
    pub(crate) target: TargetAddress,
    pub(crate) check: TargetHealthCheck,
    pub(crate) sources: Sources,
}

/// What a change leaves to be done by the workers, and to be said to the engine.
#[derive(Debug, Default)]
pub(crate) struct Consequences {
    /// Targets whose idle connections must be closed.
    pub(crate) purge: Vec<Arc<Target>>,
    /// Targets whose requests must end (ALB-TG-10).
    pub(crate) cut: Vec<Arc<Target>>,
    /// Health changes.
    pub(crate) news: Vec<FromEdge>,
    /// Targets to begin probing.
    pub(crate) probes: Vec<NewProbe>,
}

/// All groups by name.
#[derive(Debug)]
pub(crate) struct Groups {
    groups: BTreeMap<String, GroupEntry>,
    /// Draining targets whose idleness is still to be reported.
    draining: BTreeSet<(String, TargetAddress)>,
    idle: Arc<Notify>,
}

fn news(group: &str, target: TargetAddress, machine: &HealthMachine) -> FromEdge {
    FromEdge::TargetHealth {
        target_group: group.to_owned(),
        target,
        health: machine.health().clone(),
    }
}

impl Groups {
    /// None yet. `idle` is rung when a draining target may have become idle.
    pub(crate) fn new(idle: Arc<Notify>) -> Self {
        Self { groups: BTreeMap::new(), draining: BTreeSet::new(), idle }
    }

    /// The group of that name, made if only listeners know it so far.
    pub(crate) fn find(&mut self, name: &str) -> Arc<Group> {
        self.entry(name).group.clone()
    }

    fn entry(&mut self, name: &str) -> &mut GroupEntry {
        // Looked up first: the name is only copied for a new group.
        if !self.groups.contains_key(name) {
            self.groups.insert(name.to_owned(), GroupEntry::new(name));
        }
        self.groups.entry(name.to_owned()).or_insert_with(|| GroupEntry::new(name))
    }

    /// Sets a group with all its targets. Targets it had before keep health, counters and what is
    /// in flight.
    pub(crate) fn put(
        &mut self,
        spec: &TargetGroupSpec,
        targets: &[control::Target],
        sources: &[Ipv4Addr],
        generation: Generation,
    ) -> Consequences {
        let idle = self.idle.clone();
        let entry = self.entry(&spec.name);
        let mut out = Consequences::default();
        let mut draining_now = Vec::new();
        let in_use = entry.used_by > 0;

        // An address may drain for an old task and serve for a new one: the new one wins.
        let mut wanted: BTreeMap<TargetAddress, bool> = BTreeMap::new();
        for target in targets {
            let draining = wanted.entry(target.address).or_insert(target.draining);
            *draining &= target.draining;
        }
        entry.targets.retain(|address, gone| {
            if wanted.contains_key(address) {
                return true;
            }
            gone.target.set_draining(true);
            out.purge.push(gone.target.clone());
            out.cut.push(gone.target.clone());
            false
        });
        let new_check = entry.check.as_ref() != Some(&spec.health_check);
        entry.check = Some(spec.health_check.clone());
        entry.sources.set(sources.to_vec());
        for (address, draining) in wanted {
            let is_new = !entry.targets.contains_key(&address);
            let known = entry.targets.entry(address).or_insert_with(|| TargetEntry {
                target: Arc::new(Target::new(address, idle.clone(), entry.sources.clone())),
                machine: HealthMachine::registered(in_use),
                probe: None,
                draining_since: None,
            });
            let mut changed = is_new;
            match (draining, known.draining_since.is_some()) {
                (true, false) => {
                    changed |= known.start_draining(generation);
                    out.purge.push(known.target.clone());
                    draining_now.push((spec.name.clone(), address));
                }
                (false, true) => {
                    known.register_again(in_use);
                    changed = true;
                }
                _ => {}
            }
            if changed {
                out.news.push(news(&spec.name, address, &known.machine));
            }
            if known.machine.wants_probes() && (known.probe.is_none() || new_check) {
                known.probe = None;
                out.probes.push(NewProbe {
                    group: spec.name.clone(),
                    target: address,
                    check: spec.health_check.clone(),
                    sources: entry.sources.clone(),
                });
            }
        }
        entry.publish();
        self.draining.extend(draining_now);
        out
    }

    /// Removes a group; listeners that still name it answer 503.
    pub(crate) fn remove(&mut self, name: &str) -> Consequences {
        let mut out = Consequences::default();
        let Some(entry) = self.groups.get_mut(name) else { return out };
        for gone in std::mem::take(&mut entry.targets).into_values() {
            gone.target.set_draining(true);
            out.purge.push(gone.target.clone());
            out.cut.push(gone.target);
        }
        entry.check = None;
        entry.publish();
        if entry.used_by == 0 {
            self.groups.remove(name);
        }
        out
    }

    /// A listener begins to refer to these groups.
    pub(crate) fn begin_use<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Consequences {
        let mut out = Consequences::default();
        for name in names {
            let entry = self.entry(name);
            entry.used_by += 1;
            if entry.used_by == 1 {
                Self::use_changed(name, entry, true, &mut out);
            }
        }
        out
    }

    /// A listener no longer refers to these groups.
    pub(crate) fn end_use<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Consequences {
        let mut out = Consequences::default();
        for name in names {
            let Some(entry) = self.groups.get_mut(name) else { continue };
            entry.used_by = entry.used_by.saturating_sub(1);
            if entry.used_by > 0 {
                continue;
            }
            Self::use_changed(name, entry, false, &mut out);
            if entry.check.is_none() {
                self.groups.remove(name);
            }
        }
        out
    }

    fn use_changed(name: &str, entry: &mut GroupEntry, in_use: bool, out: &mut Consequences) {
        let Some(check) = &entry.check else { return };
        for (address, target) in &mut entry.targets {
            if target.machine.group_in_use(in_use) {
                out.news.push(news(name, *address, &target.machine));
            }
            if !in_use {
                target.probe = None;
            } else if target.machine.wants_probes() && target.probe.is_none() {
                out.probes.push(NewProbe {
                    group: name.to_owned(),
                    target: *address,
                    check: check.clone(),
                    sources: entry.sources.clone(),
                });
            }
        }
        entry.publish();
    }

    /// Hands over the task that probes a target; the first probe is out.
    pub(crate) fn set_probe(
        &mut self,
        name: &str,
        address: TargetAddress,
        probe: OwnedTask,
    ) -> Option<FromEdge> {
        let target = self.groups.get_mut(name)?.targets.get_mut(&address)?;
        target.probe = Some(probe);
        target.machine.probing_started().then(|| news(name, address, &target.machine))
    }

    /// A probe ended: the state that follows, and what to tell; `None` when the target is gone.
    pub(crate) fn probed(
        &mut self,
        name: &str,
        address: TargetAddress,
        outcome: ProbeOutcome,
        counts: bool,
    ) -> Option<(TargetState, Option<FromEdge>)> {
        let entry = self.groups.get_mut(name)?;
        let check = entry.check.as_ref()?;
        let target = entry.targets.get_mut(&address)?;
        let before = target.machine.health().state;
        let changed = target.machine.probed(outcome, counts, check);
        let after = target.machine.health().state;
        let told = changed.then(|| news(name, address, &target.machine));
        if before != after {
            entry.publish();
        }
        Some((after, told))
    }

    /// Draining targets with nothing left to do, not reported yet, that no worker can choose any
    /// more because their generation is applied.
    pub(crate) fn newly_idle(&mut self, applied: Generation) -> Vec<FromEdge> {
        let mut idle = Vec::new();
        self.draining.retain(|(name, address)| {
            let target = self.groups.get(name).and_then(|entry| entry.targets.get(address));
            let Some(target) = target else { return false };
            let Some(since) = target.draining_since else { return false };
            if since > applied || !target.target.is_idle() {
                return true;
            }
            idle.push(FromEdge::TargetIdle { target_group: name.clone(), target: *address });
            false
        });
        idle
    }

    /// A new engine has heard nothing yet: the health of every target, and idle ones once more. What
    /// drains does so as of its first generation, because the numbers before were another engine's.
    pub(crate) fn tell_all(&mut self, generation: Generation) -> Vec<FromEdge> {
        let mut all = Vec::new();
        for (name, entry) in &mut self.groups {
            for (address, target) in &mut entry.targets {
                if let Some(since) = &mut target.draining_since {
                    *since = generation;
                    self.draining.insert((name.clone(), *address));
                }
                all.push(news(name, *address, &target.machine));
            }
        }
        all
    }

    /// Names of the groups that were published (not merely referred to).
    pub(crate) fn published(&self) -> Vec<String> {
        let published = self.groups.iter().filter(|(_, entry)| entry.check.is_some());
        published.map(|(name, _)| name.clone()).collect()
    }

    /// Counters of every published group.
    pub(crate) fn metrics(&self) -> Vec<TargetGroupMetrics> {
        let published = self.groups.values().filter(|entry| entry.check.is_some());
        published
            .map(|entry| entry.group.metrics(entry.targets.values().map(|t| &t.target)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> TargetGroupSpec {
        TargetGroupSpec {
            name: "g".to_owned(),
            port: 80,
            health_check: TargetHealthCheck::default(),
            deregistration_delay_ms: 0,
            tags: BTreeMap::new(),
        }
    }

    fn target(port: u16, draining: bool) -> control::Target {
        let address = TargetAddress { ip: [127, 0, 0, 1].into(), port };
        control::Target { address, draining }
    }

    #[test]
    fn alb_tg_10_idle_is_said_once_and_only_when_no_worker_can_choose_the_target_any_more() {
        let mut groups = Groups::new(Arc::default());
        groups.begin_use(std::iter::once("g"));
        groups.put(&spec(), &[target(1, false)], &[], Generation(1));
        let flight = groups.find("g").choose().unwrap();
        groups.put(&spec(), &[target(1, true)], &[], Generation(5));
        drop(flight);
        assert_eq!(groups.newly_idle(Generation(4)), []);
        assert_eq!(groups.newly_idle(Generation(5)).len(), 1);
        assert_eq!(groups.newly_idle(Generation(6)), []);
    }

    #[test]
    fn an_address_that_drains_and_serves_at_once_serves() {
        let mut groups = Groups::new(Arc::default());
        groups.put(&spec(), &[target(1, true), target(1, false)], &[], Generation(1));
        assert!(groups.find("g").choose().is_some());
    }

    #[test]
    fn targets_keep_their_counters_through_every_change() {
        let mut groups = Groups::new(Arc::default());
        groups.put(&spec(), &[target(1, false)], &[], Generation(1));
        drop(groups.find("g").choose());
        groups.begin_use(std::iter::once("g"));
        groups.put(&spec(), &[target(1, false), target(2, false)], &[], Generation(2));
        groups.end_use(std::iter::once("g"));
        let metrics = groups.metrics();
        assert_eq!(metrics[0].requests, 1);
        assert_eq!(
            metrics[0].targets,
            [(target(1, false).address, 1), (target(2, false).address, 0)]
        );
    }
}
