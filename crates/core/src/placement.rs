//! Placing a task: capacity provider, zone, subnet, address; and how a service is spread.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::capacity::next_provider;
use crate::deployment::Revision;
use crate::effect::Effect;
use crate::event;
use crate::id::{DeploymentId, ServiceId, TaskId};
use crate::network::Subnet;
use crate::platform::{Platform, Rebalance, Service, Wake};
use crate::rolling::TaskState;
use crate::service::CapacityProvider;
use crate::task::{NewTask, Task};
use crate::task_state::state_of;
use crate::time::{SECOND, Time};
use crate::turn::Turn;
use crate::zone_rebalance::pick_zone;

/// How often a service without capacity tries again (ECS-CP-3 names no interval).
const PLACEMENT_RETRY_MS: u64 = 30 * SECOND;

/// What the wanted tasks of a service hold already, counted in one go.
#[derive(Default)]
struct Held<'a> {
    /// Of the deployment, on demand and on Spot. By deployment, else the tasks on their way out
    /// would hold the base of those that stay.
    on_demand: u32,
    on_spot: u32,
    /// Of the deployment, failing their checks.
    unhealthy: u32,
    /// By zone: of the deployment, and of the service.
    zones: Vec<(&'a str, u32, u32)>,
}

impl<'a> Held<'a> {
    fn count(service: &'a Service, deployment: DeploymentId, now: Time) -> Self {
        let grace_ms = service.spec.health_check_grace_period_ms;
        let mut held = Self::default();
        for task in service.tasks.values().filter(|t| t.is_wanted()) {
            let ours = u32::from(task.deployment == deployment);
            match held.zones.iter_mut().find(|(zone, ..)| *zone == &*task.zone) {
                Some((_, of_deployment, of_service)) => {
                    *of_deployment += ours;
                    *of_service += 1;
                }
                None => held.zones.push((&task.zone, ours, 1)),
            }
            match task.capacity {
                CapacityProvider::Fargate => held.on_demand += ours,
                CapacityProvider::FargateSpot => held.on_spot += ours,
            }
            if ours > 0 && state_of(task, grace_ms, now) == TaskState::Unhealthy {
                held.unhealthy += 1;
            }
        }
        held
    }

    fn by(&self, provider: CapacityProvider) -> u32 {
        match provider {
            CapacityProvider::Fargate => self.on_demand,
            CapacityProvider::FargateSpot => self.on_spot,
        }
    }

    /// Of the deployment, and of the service.
    fn in_zone(&self, zone: &str) -> (u32, u32) {
        let counted = self.zones.iter().find(|(of, ..)| *of == zone);
        counted.map_or((0, 0), |(_, of_deployment, of_service)| (*of_deployment, *of_service))
    }
}

impl Platform {
    /// Places and starts one task. Returns false when there is no place for it now.
    pub(crate) fn start_task(
        &mut self,
        id: ServiceId,
        deployment: DeploymentId,
        turn: &mut Turn,
    ) -> bool {
        let Some(service) = self.services.get(&id) else { return false };
        let Some(state) = service.deployments.iter().find(|d| d.id == deployment) else {
            return false;
        };
        let revision = Arc::clone(&state.revision);
        let held = Held::count(service, deployment, self.now);
        let provider = next_provider(&service.spec.capacity, |p| held.by(p));
        let placeable = provider.filter(|p| *p == CapacityProvider::Fargate || self.spot_available);
        let zones = self.usable_zones(&revision);
        let zone = pick_zone(
            zones.keys().copied(),
            |zone| held.in_zone(zone).0,
            |zone| held.in_zone(zone).1,
            |zone| zones.get(zone).and_then(|s| self.subnets.get(*s)).map_or(0, Subnet::held),
        );
        let (Some(capacity), Some(zone)) = (placeable, zone) else {
            let message =
                event::unable_to_place(&service.spec.name.service, event::CAPACITY_UNAVAILABLE);
            self.say_once(id, message, turn);
            self.wake_at(turn.now.plus(PLACEMENT_RETRY_MS), Wake::Service(id));
            return false;
        };
        let rebalancing = service.rebalance == Rebalance::Starting;
        let unhealthy = held.unhealthy;
        let subnet = zones.get(zone).copied().unwrap_or_default().to_owned();
        let Some(subnet) = self.subnets.get_mut(&subnet) else { return false };
        let Some(address) = subnet.allocate() else { return false };
        let task_id = TaskId::new(self.rng.next_u128(), id);
        let new = NewTask {
            id: task_id,
            service: id,
            deployment,
            revision,
            zone: subnet.zone(),
            subnet: subnet.name(),
            address,
            capacity,
        };
        let task = Task::new(new, turn.now);
        turn.effects.push(Effect::AttachNetwork(task.launch()));
        if rebalancing {
            let name = &task.revision.service;
            turn.say(id, event::started_to_rebalance(name, &task.zone, task_id));
        } else {
            let news = turn.news(id);
            news.started.push(task_id);
            news.replaced += usize::from(news.replaced < unhealthy as usize);
        }
        self.services.add_task(task);
        true
    }

    /// Zones of the revision that exist now, each with a subnet that has room.
    pub(crate) fn usable_zones(&self, revision: &Revision) -> BTreeMap<&str, &str> {
        let mut zones = BTreeMap::new();
        for name in &revision.subnets {
            let Some(subnet) = self.subnets.get(name) else { continue };
            let zone = subnet.spec.zone.as_str();
            if !self.lost_zones.contains(zone) && subnet.has_room() {
                zones.entry(zone).or_insert(subnet.spec.name.as_str());
            }
        }
        zones
    }

    /// Tasks of the service per usable zone, empty zones included.
    pub(crate) fn zone_counts(&self, id: ServiceId) -> Vec<(String, u32)> {
        let Some(service) = self.services.get(&id) else { return Vec::new() };
        let Some(primary) = service.primary() else { return Vec::new() };
        let mut counts: BTreeMap<&str, u32> =
            self.usable_zones(&primary.revision).into_keys().map(|zone| (zone, 0)).collect();
        for task in service.tasks.values() {
            *counts.entry(&*task.zone).or_default() += 1;
        }
        counts.into_iter().map(|(zone, count)| (zone.to_owned(), count)).collect()
    }
}
