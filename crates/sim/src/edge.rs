//! The modelled load balancer: tables by generation, probes, requests, draining.
//!
//! Health and eligibility are the production rules of `neargate_core::target_health`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use neargate_core::effect::{Effect, PublishedInstance, PublishedTarget};
use neargate_core::id::Generation;
use neargate_core::input::Observation;
use neargate_core::load_balancer::{Action, ListenerSpec, TargetAddress, TargetGroupSpec};
use neargate_core::target_health::{HealthMachine, TargetState, eligible_targets};
use neargate_core::time::{SECOND, Time};

use crate::machine::{Machine, Reply};
use crate::world::{Context, Event as WorldEvent};

/// A target that has not been judged yet is probed this often beside its regular probes.
const EAGER_PROBE_MS: u64 = SECOND;

/// What happens at the edge.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Apply(Effect),
    Sync(Generation, Vec<Effect>),
    Probe { group: Arc<str>, address: TargetAddress, registration: u64 },
    Arrival(Arc<str>),
    Done { group: Arc<str>, address: TargetAddress, request: u64 },
}

/// How requests to a group ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) served: u64,
    /// 503: no target at all.
    pub(crate) no_target: u64,
    /// 502: a healthy target refused the connection.
    pub(crate) refused: u64,
    /// 502: no target was healthy, and the one chosen all the same refused (ALB-HC-11).
    pub(crate) not_ready: u64,
    /// The target answered badly.
    pub(crate) sick: u64,
    /// 502: the target went away, or was taken away, with the request in flight.
    pub(crate) cut: u64,
}

impl Traffic {
    pub(crate) fn failed(&self) -> u64 {
        self.no_target + self.refused + self.not_ready + self.sick + self.cut
    }
}

#[derive(Debug)]
struct Target {
    health: HealthMachine,
    draining: bool,
    in_flight: BTreeSet<u64>,
    idle_told: bool,
    registration: u64,
    next_regular_probe: Time,
}

#[derive(Debug)]
struct Group {
    spec: Arc<TargetGroupSpec>,
    targets: BTreeMap<TargetAddress, Target>,
    in_use: bool,
    turn: usize,
}

/// The edge process; it outlives the engine.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    generation: Generation,
    groups: BTreeMap<Arc<str>, Group>,
    listeners: BTreeMap<(String, u16), Arc<ListenerSpec>>,
    pub(crate) names: BTreeMap<String, Vec<PublishedInstance>>,
    pub(crate) traffic: BTreeMap<Arc<str>, Traffic>,
    /// Groups that some listener forwards to.
    used: BTreeSet<String>,
    /// The groups in which an address is registered.
    homes: BTreeMap<Ipv4Addr, BTreeSet<Arc<str>>>,
    counter: u64,
    /// A fact that must not be: reported by the safety check.
    pub(crate) broken_promise: Option<String>,
}

impl Edge {
    /// A publication travels to the edge.
    pub(crate) fn carry_out(&self, effect: &Effect, context: &mut Context<'_>) {
        if generation_of(effect).is_some() {
            let ms = context.settings.edge_apply_ms;
            context.edge(ms, Event::Apply(effect.clone()));
        }
    }

    /// Lets one thing happen.
    pub(crate) fn handle(&mut self, event: Event, machine: &Machine, context: &mut Context<'_>) {
        match event {
            Event::Apply(effect) => {
                self.apply(&effect, context);
                self.generation = self.generation.max(generation_of(&effect).unwrap_or_default());
                let generation = self.generation;
                context.report_from_edge(Observation::DataPlaneApplied { generation });
            }
            Event::Sync(generation, state) => self.sync(generation, &state, context),
            Event::Probe { group, address, registration } => {
                self.probe(&group, address, registration, machine, context);
            }
            Event::Arrival(group) => self.arrival(group, machine, context),
            Event::Done { group, address, request } => self.done(&group, address, request, context),
        }
    }

    fn apply(&mut self, effect: &Effect, context: &mut Context<'_>) {
        match effect {
            Effect::PublishTargetGroup { spec, targets, .. } => {
                self.put_group(spec, targets, context);
            }
            Effect::RemoveTargetGroup { name, .. } => {
                if let Some(group) = self.groups.remove(name.as_str()) {
                    let cut: u64 = group.targets.values().map(|t| t.in_flight.len() as u64).sum();
                    self.traffic.entry(name.as_str().into()).or_default().cut += cut;
                }
            }
            Effect::PublishListener { spec, .. } => {
                let key = (spec.load_balancer.clone(), spec.port);
                self.listeners.insert(key, Arc::clone(spec));
                self.update_use(context);
                context.report_from_edge(Observation::ListenerBound {
                    load_balancer: spec.load_balancer.clone(),
                    port: spec.port,
                    result: Ok(8_000 + spec.port),
                });
            }
            Effect::RemoveListener { load_balancer, port, .. } => {
                self.listeners.remove(&(load_balancer.clone(), *port));
                self.update_use(context);
            }
            Effect::PublishName { dns_name, instances, .. } => {
                self.names.insert(dns_name.clone(), instances.clone());
            }
            _ => {}
        }
    }

    fn put_group(
        &mut self,
        spec: &Arc<TargetGroupSpec>,
        targets: &[PublishedTarget],
        context: &mut Context<'_>,
    ) {
        let name: Arc<str> = spec.name.as_str().into();
        let in_use = self.used.contains(&*name);
        let new = || Group { spec: Arc::clone(spec), targets: BTreeMap::new(), in_use, turn: 0 };
        if !self.groups.contains_key(&name)
            && let Some(every) = context.settings.request_every
        {
            let ms = every.draw(context.rng);
            context.edge(ms, Event::Arrival(Arc::clone(&name)));
        }
        let group = self.groups.entry(Arc::clone(&name)).or_insert_with(new);
        group.spec = Arc::clone(spec);
        let mut gone = std::mem::take(&mut group.targets);
        for published in targets {
            let address = published.address;
            let mut target = gone.remove(&address).unwrap_or_else(|| {
                self.counter += 1;
                let registration = self.counter;
                self.homes.entry(address.ip).or_default().insert(Arc::clone(&name));
                let group = Arc::clone(&name);
                context.edge(1, Event::Probe { group, address, registration });
                let target = Target {
                    health: HealthMachine::registered(in_use),
                    draining: false,
                    in_flight: BTreeSet::new(),
                    idle_told: false,
                    registration,
                    next_regular_probe: context.now,
                };
                report_health(&name, address, &target, context);
                target
            });
            if published.draining && !target.draining {
                target.draining = true;
                target.health.drain();
            }
            tell_idle(&name, address, &mut target, context);
            group.targets.insert(address, target);
        }
        for address in gone.keys() {
            if let Some(homes) = self.homes.get_mut(&address.ip) {
                homes.remove(&name);
            }
        }
        let cut: usize = gone.values().map(|target| target.in_flight.len()).sum();
        self.traffic.entry(name).or_default().cut += cut as u64;
    }

    fn sync(&mut self, generation: Generation, state: &[Effect], context: &mut Context<'_>) {
        let (mut groups, mut listeners) = (BTreeSet::new(), BTreeSet::new());
        let mut names = BTreeSet::new();
        for effect in state {
            match effect {
                Effect::PublishTargetGroup { spec, .. } => {
                    groups.insert(spec.name.as_str());
                }
                Effect::PublishListener { spec, .. } => {
                    listeners.insert((spec.load_balancer.clone(), spec.port));
                }
                Effect::PublishName { dns_name, .. } => {
                    names.insert(dns_name.as_str());
                }
                _ => {}
            }
        }
        self.groups.retain(|name, _| groups.contains(&**name));
        self.listeners.retain(|key, _| listeners.contains(key));
        self.names.retain(|name, _| names.contains(name.as_str()));
        for group in self.groups.values_mut() {
            group.targets.values_mut().for_each(|target| target.idle_told = false);
        }
        for effect in state {
            self.apply(effect, context);
        }
        self.update_use(context);
        self.generation = generation;
        context.report_from_edge(Observation::DataPlaneApplied { generation });
        for (name, group) in &self.groups {
            for (address, target) in &group.targets {
                report_health(name, *address, target, context);
            }
        }
    }

    fn update_use(&mut self, context: &mut Context<'_>) {
        let actions = self.listeners.values().flat_map(|listener| {
            listener.rules.iter().map(|rule| &rule.action).chain([&listener.default_action])
        });
        let groups = actions.flat_map(|action| match action {
            Action::Forward(groups) => groups.as_slice(),
            _ => &[],
        });
        self.used = groups.map(|group| group.target_group.clone()).collect();
        let names: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for name in names {
            let in_use = self.used.contains(&*name);
            let Some(group) = self.groups.get_mut(&name) else { continue };
            if group.in_use == in_use {
                continue;
            }
            group.in_use = in_use;
            for (address, target) in &mut group.targets {
                if target.health.group_in_use(in_use) {
                    report_health(&name, *address, target, context);
                    if in_use {
                        self.counter += 1;
                        target.registration = self.counter;
                        target.next_regular_probe = context.now;
                        let (group, address) = (Arc::clone(&name), *address);
                        let registration = target.registration;
                        context.edge(1, Event::Probe { group, address, registration });
                    }
                }
            }
        }
    }

    fn probe(
        &mut self,
        name: &Arc<str>,
        address: TargetAddress,
        registration: u64,
        machine: &Machine,
        context: &mut Context<'_>,
    ) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let Some(target) = group.targets.get_mut(&address) else { return };
        if target.registration != registration || !target.health.wants_probes() {
            return;
        }
        let mut changed = target.health.probing_started();
        let counts = context.now >= target.next_regular_probe;
        let check = &group.spec.health_check;
        if counts {
            target.next_regular_probe = context.now.plus(check.interval_ms);
        }
        changed |= target.health.probed(machine.probe(address.ip), counts, check);
        if changed {
            report_health(name, address, target, context);
        }
        let regular = target.next_regular_probe.since(context.now);
        let initial = target.health.health().state == TargetState::Initial;
        let ms = if initial { regular.min(EAGER_PROBE_MS) } else { regular };
        context.edge(ms, Event::Probe { group: Arc::clone(name), address, registration });
    }

    fn arrival(&mut self, name: Arc<str>, machine: &Machine, context: &mut Context<'_>) {
        let Some(group) = self.groups.get_mut(&name) else { return };
        let Some(every) = context.settings.request_every else { return };
        let ms = every.draw(context.rng);
        context.edge(ms, Event::Arrival(Arc::clone(&name)));
        let eligible = eligible_targets(group.targets.values().map(|t| t.health.health().state));
        let traffic = self.traffic.entry(Arc::clone(&name)).or_default();
        if eligible.targets.is_empty() {
            traffic.no_target += 1;
            return;
        }
        group.turn = group.turn.wrapping_add(1);
        let chosen = eligible.targets[group.turn % eligible.targets.len()];
        let Some((address, target)) = group.targets.iter_mut().nth(chosen) else { return };
        if machine.is_signalled(address.ip) {
            self.broken_promise =
                Some(format!("a request went to {address}, which has got the stop signal"));
        }
        match machine.request(address.ip) {
            Reply::Refused if eligible.fail_open => traffic.not_ready += 1,
            Reply::Refused => traffic.refused += 1,
            Reply::Sick => traffic.sick += 1,
            Reply::Served => {
                self.counter += 1;
                let request = self.counter;
                target.in_flight.insert(request);
                let ms = context.settings.request.draw(context.rng);
                context.edge(ms, Event::Done { group: name, address: *address, request });
            }
        }
    }

    fn done(
        &mut self,
        name: &Arc<str>,
        address: TargetAddress,
        request: u64,
        context: &mut Context<'_>,
    ) {
        let target = self.groups.get_mut(name).and_then(|g| g.targets.get_mut(&address));
        let Some(target) = target else { return };
        if target.in_flight.remove(&request) {
            self.traffic.entry(Arc::clone(name)).or_default().served += 1;
        }
        tell_idle(name, address, target, context);
    }

    /// Clients begin to send requests to every group there is.
    pub(crate) fn start_traffic(&self, context: &mut Context<'_>) {
        let Some(every) = context.settings.request_every else { return };
        for group in self.groups.keys() {
            let ms = every.draw(context.rng);
            context.edge(ms, Event::Arrival(Arc::clone(group)));
        }
    }

    /// The container behind the address ended: its connections are gone.
    pub(crate) fn connections_lost(&mut self, ip: Ipv4Addr, context: &mut Context<'_>) {
        for name in self.homes.get(&ip).into_iter().flatten() {
            let Some(group) = self.groups.get_mut(name) else { continue };
            let of_it = group.targets.iter_mut().filter(|(address, _)| address.ip == ip);
            for (address, target) in of_it {
                let cut = std::mem::take(&mut target.in_flight).len() as u64;
                self.traffic.entry(Arc::clone(name)).or_default().cut += cut;
                tell_idle(name, *address, target, context);
            }
        }
    }

    fn groups_of(&self, ip: Ipv4Addr) -> impl Iterator<Item = &Group> {
        self.homes.get(&ip).into_iter().flatten().filter_map(|name| self.groups.get(name))
    }

    /// Whether new requests or look-ups may still lead to the address.
    pub(crate) fn leads_to(&self, ip: Ipv4Addr) -> bool {
        let chosen = |group: &Group| group.targets.iter().any(|(a, t)| a.ip == ip && !t.draining);
        self.groups_of(ip).any(chosen)
            || self.names.values().flatten().any(|instance| instance.address == ip)
    }

    /// Requests in flight at the address.
    pub(crate) fn in_flight(&self, ip: Ipv4Addr) -> usize {
        let targets = self.groups_of(ip).flat_map(|group| group.targets.iter());
        targets.filter(|(a, _)| a.ip == ip).map(|(_, t)| t.in_flight.len()).sum()
    }
}

fn report_health(
    group: &Arc<str>,
    address: TargetAddress,
    target: &Target,
    context: &mut Context<'_>,
) {
    context.report_from_edge(Observation::TargetHealthChanged {
        target_group: group.to_string(),
        target: address,
        health: target.health.health().clone(),
    });
}

fn tell_idle(
    group: &Arc<str>,
    address: TargetAddress,
    target: &mut Target,
    context: &mut Context<'_>,
) {
    if target.draining && target.in_flight.is_empty() && !target.idle_told {
        target.idle_told = true;
        let target_group = group.to_string();
        context.report_from_edge(Observation::TargetIdle { target_group, target: address });
    }
}

fn generation_of(effect: &Effect) -> Option<Generation> {
    match effect {
        Effect::PublishTargetGroup { generation, .. }
        | Effect::RemoveTargetGroup { generation, .. }
        | Effect::PublishListener { generation, .. }
        | Effect::RemoveListener { generation, .. }
        | Effect::PublishName { generation, .. } => Some(*generation),
        _ => None,
    }
}

impl From<Event> for WorldEvent {
    fn from(event: Event) -> Self {
        WorldEvent::Edge(event)
    }
}
