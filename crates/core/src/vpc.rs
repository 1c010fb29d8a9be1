//! The network as users describe it: VPCs, subnets, security groups, and the load balancers'
//! addresses. Published whole whenever it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::commands::not_found;
use crate::effect::{Effect, Interface, Network};
use crate::load_balancer::LoadBalancerSpec;
use crate::network::{SecurityGroupSpec, Subnet, SubnetSpec, VpcSpec};
use crate::platform::{LoadBalancer, Platform, Rejection};
use crate::time::Time;
use crate::turn::Turn;

impl Platform {
    pub(crate) fn put_vpc(&mut self, spec: &VpcSpec, turn: &mut Turn) -> Result<(), Rejection> {
        if self.vpcs.get(&spec.name) == Some(spec) {
            return Ok(());
        }
        let mut subnets = self.subnets.values().filter(|s| s.spec.vpc == spec.name);
        if let Some(subnet) = subnets.find(|s| !contains(spec, &s.spec)) {
            return Err(Rejection::Invalid(format!(
                "VPC {} cannot become {}/{}: its subnet {} is {}/{}",
                spec.name,
                spec.base,
                spec.prefix,
                subnet.spec.name,
                subnet.spec.base,
                subnet.spec.prefix
            )));
        }
        self.vpcs.insert(spec.name.clone(), spec.clone());
        turn.dirty_network = true;
        Ok(())
    }

    pub(crate) fn put_subnet(
        &mut self,
        spec: &SubnetSpec,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let known = self.subnets.get(&spec.name);
        if known.is_some_and(|subnet| subnet.spec == *spec) {
            return Ok(());
        }
        let Some(vpc) = self.vpcs.get(&spec.vpc) else {
            return Err(not_found("VPC", &spec.vpc));
        };
        if !contains(vpc, spec) {
            return Err(Rejection::Invalid(format!(
                "subnet {} {}/{} is outside its VPC {} {}/{}",
                spec.name, spec.base, spec.prefix, vpc.name, vpc.base, vpc.prefix
            )));
        }
        let moves = known.is_some_and(|subnet| {
            let place = |s: &SubnetSpec| (s.vpc.clone(), s.zone.clone(), s.base, s.prefix);
            place(&subnet.spec) != place(spec)
        });
        match self.subnets.get_mut(&spec.name) {
            Some(subnet) if !moves => subnet.spec = spec.clone(),
            Some(subnet) => {
                let of_balancers =
                    self.load_balancers.values().filter_map(|b| b.addresses.get(&spec.name));
                if subnet.held() as usize > of_balancers.count() {
                    return Err(Rejection::Invalid(format!(
                        "subnet {} cannot move from {} {}/{} to {} {}/{} while tasks hold \
                         addresses from it",
                        spec.name,
                        subnet.spec.zone,
                        subnet.spec.base,
                        subnet.spec.prefix,
                        spec.zone,
                        spec.base,
                        spec.prefix
                    )));
                }
                *subnet = Subnet::new(spec.clone());
                for balancer in self.load_balancers.values_mut() {
                    if let Some(address) = balancer.addresses.get_mut(&spec.name)
                        && let Some(new) = subnet.allocate()
                    {
                        *address = new;
                    }
                }
                turn.stale_sources = true;
            }
            None => {
                self.subnets.insert(spec.name.clone(), Subnet::new(spec.clone()));
            }
        }
        turn.dirty_network = true;
        Ok(())
    }

    pub(crate) fn put_security_group(
        &mut self,
        spec: &SecurityGroupSpec,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        if !self.vpcs.contains_key(&spec.vpc) {
            return Err(not_found("VPC", &spec.vpc));
        }
        if self.security_groups.get(&spec.name) != Some(spec) {
            self.security_groups.insert(spec.name.clone(), spec.clone());
            turn.dirty_network = true;
        }
        Ok(())
    }

    /// Creates or changes a load balancer: it gets an address in each of its subnets and gives
    /// back those of others.
    pub(crate) fn place_load_balancer(
        &mut self,
        spec: &LoadBalancerSpec,
        created_at: Time,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let old = self.load_balancers.get(&spec.name);
        for name in &spec.subnets {
            let Some(subnet) = self.subnets.get(name) else {
                return Err(not_found("subnet", name));
            };
            if !subnet.has_room() && !old.is_some_and(|b| b.addresses.contains_key(name)) {
                return Err(Rejection::Invalid(format!(
                    "subnet {name} has no free address for load balancer {}",
                    spec.name
                )));
            }
        }
        let mut balancer = match self.load_balancers.remove(&spec.name) {
            Some(old) => LoadBalancer { spec: spec.clone(), ..old },
            None => LoadBalancer {
                spec: spec.clone(),
                arn_id: self.rng.next_u64(),
                addresses: BTreeMap::new(),
                listeners: BTreeMap::new(),
                created_at,
            },
        };
        balancer.addresses.retain(|name, address| {
            let stays = spec.subnets.contains(name);
            if !stays && let Some(subnet) = self.subnets.get_mut(name) {
                subnet.release(*address);
            }
            stays
        });
        for name in &spec.subnets {
            if !balancer.addresses.contains_key(name)
                && let Some(address) = self.subnets.get_mut(name).and_then(Subnet::allocate)
            {
                balancer.addresses.insert(name.clone(), address);
            }
        }
        self.load_balancers.insert(spec.name.clone(), balancer);
        turn.dirty_network = true;
        turn.stale_sources = true;
        Ok(())
    }

    /// Takes a removed load balancer's addresses back.
    pub(crate) fn displace_load_balancer(&mut self, balancer: &LoadBalancer, turn: &mut Turn) {
        for (name, address) in &balancer.addresses {
            if let Some(subnet) = self.subnets.get_mut(name) {
                subnet.release(*address);
            }
        }
        turn.dirty_network = true;
        turn.stale_sources = true;
    }

    /// Finds out anew where requests to each target group come from: the addresses of the load
    /// balancers that forward to it.
    pub(crate) fn refresh_sources(&mut self, turn: &mut Turn) {
        if !std::mem::take(&mut turn.stale_sources) {
            return;
        }
        let mut sources: BTreeMap<&str, BTreeSet<Ipv4Addr>> = BTreeMap::new();
        for balancer in self.load_balancers.values() {
            for group in balancer.listeners.values().flat_map(|l| l.spec.target_groups()) {
                sources.entry(group).or_default().extend(balancer.addresses.values());
            }
        }
        for (name, group) in &mut self.target_groups {
            let new = sources.remove(name.as_str()).unwrap_or_default();
            if !new.iter().eq(&group.sources) {
                group.sources = new.into_iter().collect();
                turn.dirty_groups.insert(name.clone());
            }
        }
    }

    /// The whole network as of now.
    #[must_use]
    pub fn network(&self) -> Network {
        let interface = |balancer: &LoadBalancer| Interface {
            name: balancer.spec.name.clone(),
            addresses: balancer.addresses.clone(),
            security_groups: balancer.spec.security_groups.clone(),
        };
        Network {
            vpcs: self.vpcs.values().cloned().collect(),
            subnets: self.subnets.values().map(|subnet| subnet.spec.clone()).collect(),
            security_groups: self.security_groups.values().cloned().collect(),
            interfaces: self.load_balancers.values().map(interface).collect(),
        }
    }

    /// Before anything of the same step that needs it.
    pub(crate) fn publish_network(&mut self, turn: &mut Turn) {
        if std::mem::take(&mut turn.dirty_network) {
            turn.effects.insert(0, Effect::PublishNetwork(Arc::new(self.network())));
        }
    }
}

fn contains(vpc: &VpcSpec, subnet: &SubnetSpec) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(vpc.prefix)).unwrap_or(0);
    subnet.prefix >= vpc.prefix && u32::from(subnet.base) & mask == u32::from(vpc.base) & mask
}
