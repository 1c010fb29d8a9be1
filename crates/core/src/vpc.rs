//! The network as users describe it: VPCs, subnets, security groups, and the load balancers'
//! addresses. Published whole whenever it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::commands::not_found;
use crate::deployment::Revision;
use crate::effect::{Effect, Interface, Network};
use crate::load_balancer::LoadBalancerSpec;
use crate::network::{Peer, SecurityGroupSpec, Subnet, SubnetSpec, VpcSpec};
use crate::platform::{LoadBalancer, Platform, Rejection, ServiceStatus};
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
        let held = self.tasks_hold(&spec.name);
        match self.subnets.get_mut(&spec.name) {
            Some(subnet) if !moves => subnet.spec = spec.clone(),
            Some(subnet) => {
                if held {
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
                self.make_way(spec, turn)?;
                self.found_subnet(spec, turn);
            }
            None => {
                self.make_way(spec, turn)?;
                self.found_subnet(spec, turn);
            }
        }
        turn.dirty_network = true;
        Ok(())
    }

    /// Whether tasks hold addresses of the subnet.
    pub(crate) fn tasks_hold(&self, subnet: &str) -> bool {
        let of_balancers =
            self.load_balancers.values().filter(|b| b.addresses.contains_key(subnet));
        self.subnets.get(subnet).is_some_and(|s| s.held() as usize > of_balancers.count())
    }

    pub(crate) fn delete_vpc(&mut self, name: &str, turn: &mut Turn) -> Result<(), Rejection> {
        if !self.vpcs.contains_key(name) {
            return Err(not_found("VPC", name));
        }
        let subnet = self.subnets.values().find(|s| s.spec.vpc == name);
        let subnet = subnet.map(|s| format!("subnet {}", s.spec.name));
        let group = self.security_groups.values().find(|g| g.vpc == name);
        if let Some(held) = subnet.or(group.map(|g| format!("security group {}", g.name))) {
            let message = format!("VPC {name} cannot be deleted while it has {held}");
            return Err(Rejection::Invalid(message));
        }
        self.vpcs.remove(name);
        turn.dirty_network = true;
        Ok(())
    }

    pub(crate) fn delete_subnet(&mut self, name: &str, turn: &mut Turn) -> Result<(), Rejection> {
        let Some(subnet) = self.subnets.get(name) else {
            return Err(not_found("subnet", name));
        };
        let mut balancers = self.load_balancers.values();
        let balancer = balancers.find(|b| b.addresses.contains_key(name));
        let user = self.service_with(|revision| revision.subnets.iter().any(|s| s == name));
        let user = balancer.map(|b| format!("load balancer {}", b.spec.name)).or(user);
        if let Some(user) = user.or((!subnet.is_idle()).then(|| "a task".to_owned())) {
            let message = format!("subnet {name} cannot be deleted while {user} is in it");
            return Err(Rejection::Invalid(message));
        }
        self.subnets.remove(name);
        turn.dirty_network = true;
        Ok(())
    }

    pub(crate) fn delete_security_group(
        &mut self,
        name: &str,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        if !self.security_groups.contains_key(name) {
            return Err(not_found("security group", name));
        }
        let has = |groups: &[String]| groups.iter().any(|g| g == name);
        let balancer = self.load_balancers.values().find(|b| has(&b.spec.security_groups));
        let balancer = balancer.map(|b| format!("load balancer {}", b.spec.name));
        let member = balancer.or(self.service_with(|revision| has(&revision.security_groups)));
        if let Some(member) = member {
            return Err(Rejection::Invalid(format!(
                "security group {name} cannot be deleted while {member} is a member of it"
            )));
        }
        let refers = |group: &&SecurityGroupSpec| {
            let mut peers = group.ingress.iter().chain(&group.egress).map(|r| &r.peer);
            group.name != name && peers.any(|p| matches!(p, Peer::Group(peer) if peer == name))
        };
        if let Some(other) = self.security_groups.values().find(refers) {
            return Err(Rejection::Invalid(format!(
                "security group {name} cannot be deleted while a rule of {} refers to it",
                other.name
            )));
        }
        self.security_groups.remove(name);
        turn.dirty_network = true;
        Ok(())
    }

    /// A service that is not gone and has such a revision, or tasks of one.
    fn service_with(&self, is_such: impl Fn(&Revision) -> bool) -> Option<String> {
        let services = self.services.values().filter(|s| s.status != ServiceStatus::Inactive);
        services
            .filter(|service| {
                let deployed = service.deployments.iter().map(|d| &d.revision);
                let mut running = service.tasks.values().map(|t| &t.revision);
                deployed.into_iter().any(|r| is_such(r)) || running.any(|r| is_such(r))
            })
            .map(|service| format!("service {}", service.spec.name))
            .next()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Command, Input};
    use crate::network::{Internet, Protocol, SecurityRule};
    use crate::platform::Identity;

    fn group(name: &str, peer: Option<&str>) -> Command {
        let rule = peer.map(|peer| SecurityRule {
            protocol: Protocol::All,
            ports: None,
            peer: Peer::Group(peer.to_owned()),
        });
        Command::PutSecurityGroup(SecurityGroupSpec {
            name: name.into(),
            vpc: "v".into(),
            ingress: rule.into_iter().collect(),
            egress: Vec::new(),
        })
    }

    fn step(platform: &mut Platform, commands: Vec<Command>) -> Result<(), Rejection> {
        platform.step(Time(0), &Input::Commands(commands)).result
    }

    /// What is in use stays, and says who uses it; in the order of a destroy everything goes.
    #[test]
    fn parts_of_a_network_go_once_nothing_uses_them() {
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        let mut platform = Platform::new(identity, 1);
        let base = Ipv4Addr::new(10, 0, 0, 0);
        let subnet = SubnetSpec {
            name: "a".into(),
            vpc: "v".into(),
            internet: Internet::None,
            zone: "z".into(),
            base,
            prefix: 24,
        };
        let balancer = LoadBalancerSpec {
            name: "lb".into(),
            internet_facing: true,
            subnets: vec!["a".into()],
            security_groups: vec!["members".into()],
            idle_timeout_ms: 60_000,
            tags: BTreeMap::new(),
        };
        let made = vec![
            Command::PutVpc(VpcSpec { name: "v".into(), base, prefix: 16 }),
            Command::PutSubnet(subnet),
            group("members", Some("members")),
            group("peers", Some("members")),
            Command::PutLoadBalancer(balancer),
        ];
        assert_eq!(step(&mut platform, made), Ok(()));
        let vpc = || Command::DeleteVpc { name: "v".into() };
        let subnet = || Command::DeleteSubnet { name: "a".into() };
        let of = |name: &str| Command::DeleteSecurityGroup { name: name.into() };
        let mut refused = |command| match step(&mut platform, vec![command]) {
            Err(Rejection::Invalid(why)) => why,
            other => panic!("not refused: {other:?}"),
        };
        assert!(refused(vpc()).ends_with("while it has subnet a"));
        assert!(refused(subnet()).ends_with("while load balancer lb is in it"));
        assert!(refused(of("members")).ends_with("while load balancer lb is a member of it"));
        let gone = Command::DeleteLoadBalancer { name: "lb".into() };
        assert_eq!(step(&mut platform, vec![gone]), Ok(()));
        let why = step(&mut platform, vec![of("members")]).expect_err("a rule refers to it");
        assert!(why.to_string().ends_with("while a rule of peers refers to it"));
        let rest = vec![of("peers"), of("members"), subnet(), vpc()];
        assert_eq!(step(&mut platform, rest), Ok(()));
        let network = platform.network();
        assert!(network.vpcs.is_empty() && network.subnets.is_empty());
        assert!(step(&mut platform, vec![vpc()]).is_err());
    }
}
