//! What the data plane is told: target groups with their targets, listeners, discovery names.
//!
//! Every publication has a generation; a task's life waits for the acknowledgement where order
//! matters: RUNNING once the edge knows its target, the stop signal only after the edge stopped
//! choosing it (ECS-TASK-3, ECS-TASK-4).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::discovery::DiscoveryServiceSpec;
use crate::effect::{Effect, PublishedInstance, PublishedTarget};
use crate::id::{Generation, TaskId};
use crate::input::ContainerHealth;
use crate::load_balancer::{ListenerSpec, TargetAddress, TargetGroupSpec};
use crate::platform::Platform;
use crate::target_health::{HealthReason, TargetHealth, TargetState};
use crate::turn::Turn;

/// A target group with its targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// As described.
    pub spec: Arc<TargetGroupSpec>,
    /// Last part of its ARN.
    pub arn_id: u64,
    /// Sorted by address.
    pub targets: Vec<Target>,
    /// Addresses of the load balancers that forward to it, sorted.
    pub(crate) sources: Vec<Ipv4Addr>,
}

/// A registered target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Where it listens.
    pub address: TargetAddress,
    /// The task behind it.
    pub task: TaskId,
    /// Deregistering: gets no new requests.
    pub draining: bool,
    /// Draining and nothing is in flight any more.
    pub idle: bool,
    /// As the edge last reported.
    pub health: TargetHealth,
}

impl TargetGroup {
    pub(crate) fn new(spec: TargetGroupSpec, arn_id: u64) -> Self {
        Self { spec: Arc::new(spec), arn_id, targets: Vec::new(), sources: Vec::new() }
    }

    /// The target at that address.
    #[must_use]
    pub fn target(&self, address: TargetAddress) -> Option<&Target> {
        let index = self.targets.binary_search_by_key(&address, |t| t.address).ok()?;
        self.targets.get(index)
    }

    fn target_mut(&mut self, address: TargetAddress) -> Option<&mut Target> {
        let index = self.targets.binary_search_by_key(&address, |t| t.address).ok()?;
        self.targets.get_mut(index)
    }

    fn register(&mut self, address: TargetAddress, task: TaskId) {
        let health = TargetHealth {
            state: TargetState::Initial,
            reason: Some(HealthReason::RegistrationInProgress),
        };
        let target = Target { address, task, draining: false, idle: false, health };
        match self.targets.binary_search_by_key(&address, |t| t.address) {
            Ok(index) => self.targets[index] = target,
            Err(index) => self.targets.insert(index, target),
        }
    }
}

/// A listener and where it really listens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListenerState {
    /// As described.
    pub spec: Arc<ListenerSpec>,
    /// Port of this machine, or why there is none; `None` until the edge reports.
    pub bound: Option<Result<u16, String>>,
    /// The port once chosen by the machine, kept over restarts of the edge.
    pub chosen_port: Option<u16>,
}

impl ListenerState {
    pub(crate) fn new(spec: ListenerSpec) -> Self {
        Self { spec: Arc::new(spec), bound: None, chosen_port: None }
    }

    fn published_spec(&self) -> Arc<ListenerSpec> {
        match self.chosen_port {
            Some(port) if self.spec.host_port == 0 => {
                Arc::new(ListenerSpec { host_port: port, ..(*self.spec).clone() })
            }
            _ => Arc::clone(&self.spec),
        }
    }
}

/// A discovery service with its instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Name {
    /// As described.
    pub spec: DiscoveryServiceSpec,
    /// By task.
    pub instances: BTreeMap<TaskId, Instance>,
}

/// A registered instance (ECS-DISC-1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The task's address.
    pub address: Ipv4Addr,
    /// Port for SRV.
    pub port: Option<u16>,
    /// Custom health, copied from the containers (ECS-DISC-3).
    pub healthy: bool,
}

/// "Changed in this step, not published yet."
pub(crate) const UNPUBLISHED: Generation = Generation(u64::MAX);

impl Platform {
    pub(crate) fn target_group_arn(&self, name: &str) -> String {
        let id = self.target_groups.get(name).map_or(0, |g| g.arn_id);
        let Self { identity, .. } = self;
        format!(
            "arn:aws:elasticloadbalancing:{}:{}:targetgroup/{name}/{id:016x}",
            identity.region, identity.account
        )
    }

    /// Registers the task's targets and its name. Returns whether there was anything to register.
    pub(crate) fn register(&mut self, id: TaskId, turn: &mut Turn) -> bool {
        let Some(task) = self.services.task_mut(id) else { return false };
        let revision = Arc::clone(&task.revision);
        let (service, ip) = (task.service, task.address);
        let mut any = false;
        for (index, load_balancer) in revision.load_balancers.iter().enumerate() {
            if let Some(group) = self.target_groups.get_mut(&load_balancer.target_group) {
                group.register(TargetAddress { ip, port: load_balancer.port }, id);
                task.target_states[index] = Some(TargetState::Initial);
                turn.dirty_groups.insert(load_balancer.target_group.clone());
                let news = turn.news(service);
                *news.registered.entry(load_balancer.target_group.clone()).or_default() += 1;
                any = true;
            }
        }
        if let Some(registry) = &revision.registry
            && let Some(name) = self.names.get_mut(&registry.dns_name)
        {
            let healthy = task.container_health() != ContainerHealth::Unhealthy;
            let instance = Instance { address: ip, port: registry.port, healthy };
            name.instances.insert(id, instance);
            turn.dirty_names.insert(registry.dns_name.clone());
            any = true;
        }
        if any {
            task.published = UNPUBLISHED;
            turn.unpublished_tasks.push(id);
        }
        any
    }

    /// Withdraws the task's name and lets its targets drain. Returns whether anything changed.
    pub(crate) fn withdraw(&mut self, id: TaskId, turn: &mut Turn) -> bool {
        let Some(task) = self.services.task_mut(id) else { return false };
        let revision = Arc::clone(&task.revision);
        let mut any = false;
        if let Some(registry) = &revision.registry
            && let Some(name) = self.names.get_mut(&registry.dns_name)
            && name.instances.remove(&id).is_some()
        {
            turn.dirty_names.insert(registry.dns_name.clone());
            any = true;
        }
        let mut drain_ms = 0;
        for (index, load_balancer) in revision.load_balancers.iter().enumerate() {
            let Some(group) = self.target_groups.get_mut(&load_balancer.target_group) else {
                continue;
            };
            let delay_ms = group.spec.deregistration_delay_ms;
            let address = TargetAddress { ip: task.address, port: load_balancer.port };
            let Some(target) = group.target_mut(address).filter(|t| t.task == id) else {
                continue;
            };
            target.draining = true;
            target.health = TargetHealth {
                state: TargetState::Draining,
                reason: Some(HealthReason::DeregistrationInProgress),
            };
            task.target_states[index] = Some(TargetState::Draining);
            drain_ms = drain_ms.max(delay_ms);
            turn.dirty_groups.insert(load_balancer.target_group.clone());
            any = true;
        }
        if any {
            task.published = UNPUBLISHED;
            turn.unpublished_tasks.push(id);
            task.drain_until = Some(turn.now.plus(drain_ms));
        }
        any
    }

    /// Whether every target of the task is free of requests and connections (ALB-TG-10).
    pub(crate) fn is_drained(&self, id: TaskId) -> bool {
        let Some(task) = self.services.task(id) else { return true };
        task.revision.load_balancers.iter().all(|load_balancer| {
            let address = TargetAddress { ip: task.address, port: load_balancer.port };
            let group = self.target_groups.get(&load_balancer.target_group);
            group.and_then(|g| g.target(address)).is_none_or(|t| t.task != id || t.idle)
        })
    }

    /// Takes the task's targets out of their groups.
    pub(crate) fn forget_targets(&mut self, id: TaskId, turn: &mut Turn) {
        let Some(task) = self.services.task_mut(id) else { return };
        let ip = task.address;
        for (index, load_balancer) in task.revision.load_balancers.iter().enumerate() {
            let Some(group) = self.target_groups.get_mut(&load_balancer.target_group) else {
                continue;
            };
            let before = group.targets.len();
            group.targets.retain(|t| t.task != id || t.address.ip != ip);
            task.target_states[index] = None;
            if group.targets.len() < before {
                turn.dirty_groups.insert(load_balancer.target_group.clone());
                let news = turn.news(id.service());
                *news.deregistered.entry(load_balancer.target_group.clone()).or_default() += 1;
            }
        }
    }

    /// Copies container health to discovery (ECS-DISC-3).
    pub(crate) fn copy_health_to_name(&mut self, id: TaskId, turn: &mut Turn) {
        let Some(task) = self.services.task(id) else { return };
        let Some(registry) = &task.revision.registry else { return };
        let healthy = task.container_health() != ContainerHealth::Unhealthy;
        if let Some(name) = self.names.get_mut(&registry.dns_name)
            && let Some(instance) = name.instances.get_mut(&id)
            && instance.healthy != healthy
        {
            instance.healthy = healthy;
            turn.dirty_names.insert(registry.dns_name.clone());
        }
    }

    /// Publishes what changed in this step: names before targets, so that a leaving task is first
    /// no longer found and then no longer chosen.
    pub(crate) fn publish_dirty(&mut self, turn: &mut Turn) {
        for dns_name in std::mem::take(&mut turn.dirty_names) {
            let generation = self.next_generation();
            turn.effects.push(match self.names.get(&dns_name) {
                Some(name) => publish_name(generation, name),
                None => Effect::PublishName { generation, dns_name, ttl_s: 0, instances: vec![] },
            });
        }
        for name in std::mem::take(&mut turn.dirty_groups) {
            let generation = self.next_generation();
            turn.effects.push(match self.target_groups.get(&name) {
                Some(group) => publish_group(generation, group),
                None => Effect::RemoveTargetGroup { generation, name },
            });
        }
        for id in std::mem::take(&mut turn.unpublished_tasks) {
            if let Some(task) = self.services.task_mut(id)
                && task.published == UNPUBLISHED
            {
                task.published = self.published;
                self.awaiting_data_plane.insert((self.published, id));
            }
        }
    }

    pub(crate) fn publish_listener(&mut self, load_balancer: &str, port: u16, turn: &mut Turn) {
        let generation = self.next_generation();
        let Some(balancer) = self.load_balancers.get(load_balancer) else { return };
        let load_balancer = load_balancer.to_owned();
        turn.effects.push(match balancer.listeners.get(&port) {
            Some(listener) => Effect::PublishListener {
                generation,
                spec: listener.published_spec(),
                idle_timeout_ms: balancer.spec.idle_timeout_ms,
            },
            None => Effect::RemoveListener { generation, load_balancer, port },
        });
    }

    fn next_generation(&mut self) -> Generation {
        self.published = Generation(self.published.0 + 1);
        self.published
    }

    /// The data plane caught up: wakes the tasks that waited for it.
    pub(crate) fn data_plane_applied(&mut self, generation: Generation, turn: &mut Turn) {
        self.applied = self.applied.max(generation.min(self.published));
        while let Some((awaited, task)) = self.awaiting_data_plane.first().copied() {
            if awaited > self.applied {
                break;
            }
            self.awaiting_data_plane.pop_first();
            turn.dirty_task(task);
        }
    }

    pub(crate) fn target_health_changed(
        &mut self,
        name: &str,
        address: TargetAddress,
        health: &TargetHealth,
        turn: &mut Turn,
    ) {
        let group = self.target_groups.get_mut(name);
        let Some(target) = group.and_then(|g| g.target_mut(address)) else { return };
        if target.draining || target.health == *health {
            return;
        }
        target.health = health.clone();
        if let Some(task) = self.services.task_mut(target.task) {
            task.set_target_state(name, address.port, Some(health.state));
            turn.dirty_service(task.service);
        }
    }

    pub(crate) fn target_idle(&mut self, group: &str, address: TargetAddress, turn: &mut Turn) {
        let group = self.target_groups.get_mut(group);
        let Some(target) = group.and_then(|g| g.target_mut(address)) else { return };
        // A report from before the target began to drain says nothing about it now.
        if target.draining && !target.idle {
            target.idle = true;
            turn.dirty_task(target.task);
        }
    }

    pub(crate) fn listener_bound(
        &mut self,
        load_balancer: &str,
        port: u16,
        result: &Result<u16, String>,
    ) {
        let balancer = self.load_balancers.get_mut(load_balancer);
        let Some(listener) = balancer.and_then(|b| b.listeners.get_mut(&port)) else { return };
        if let (Ok(host_port), 0) = (result, listener.spec.host_port) {
            listener.chosen_port = Some(*host_port);
        }
        listener.bound = Some(result.clone());
    }

    /// The whole wish for the data plane, for an edge that has just been connected. Publications
    /// carry the newest generation.
    #[must_use]
    pub fn data_plane(&self) -> Vec<Effect> {
        let generation = self.published;
        let groups = self.target_groups.values().map(|g| publish_group(generation, g));
        let listeners = self.load_balancers.values().flat_map(|balancer| {
            balancer.listeners.values().map(move |listener| Effect::PublishListener {
                generation,
                spec: listener.published_spec(),
                idle_timeout_ms: balancer.spec.idle_timeout_ms,
            })
        });
        let names = self.names.values().map(|n| publish_name(generation, n));
        groups.chain(listeners).chain(names).collect()
    }
}

fn publish_group(generation: Generation, group: &TargetGroup) -> Effect {
    let targets = group.targets.iter();
    Effect::PublishTargetGroup {
        generation,
        spec: Arc::clone(&group.spec),
        targets: targets
            .map(|t| PublishedTarget { address: t.address, draining: t.draining })
            .collect(),
        sources: group.sources.clone(),
    }
}

fn publish_name(generation: Generation, name: &Name) -> Effect {
    let instances = name.instances.iter();
    Effect::PublishName {
        generation,
        dns_name: name.spec.dns_name(),
        ttl_s: name.spec.ttl_s,
        instances: instances
            .map(|(id, i)| PublishedInstance {
                id: *id,
                address: i.address,
                port: i.port,
                healthy: i.healthy,
            })
            .collect(),
    }
}
