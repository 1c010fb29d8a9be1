//! From a description to what the platform is told.

use std::collections::{BTreeMap, BTreeSet};

use neargate_core::input::Command;
use neargate_core::load_balancer::{ListenerSpec, LoadBalancerSpec};
use neargate_core::network::{Internet, SubnetSpec, VpcSpec};
use neargate_core::service::ServiceName;
use neargate_core::task_definition::TaskDefinition;

use crate::resolve::network::{default_group, default_group_name};
use crate::system::{Environment, LoadBalancer, Nat, Service, System};

/// The label that says which system a service belongs to.
pub const SYSTEM_TAG: &str = "neargate:system";
/// The label that says which of its environments.
pub const ENVIRONMENT_TAG: &str = "neargate:environment";

/// How this machine differs from AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandOptions {
    /// Let the machine choose the port of every listener, instead of the described `hostPort`.
    pub ephemeral_ports: bool,
}

/// What a platform has that may belong to a system, each with its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Existing {
    /// Services that are not going already.
    pub services: Vec<(ServiceName, BTreeMap<String, String>)>,
    /// Scalable targets with the names of their policies.
    pub targets: Vec<(ServiceName, Vec<String>, BTreeMap<String, String>)>,
    /// Alarms by name.
    pub alarms: Vec<(String, BTreeMap<String, String>)>,
}

impl System {
    /// What brings these environments up, in an order in which everything exists before it is
    /// referred to. The same description, names and options give the same commands. Names that
    /// the system does not have are ignored.
    ///
    /// A load balancer that several environments share comes with the rules and target groups of
    /// all of them, so that bringing one up takes nothing away from the others.
    #[must_use]
    pub fn commands(&self, environments: &[&str], options: &CommandOptions) -> Vec<Command> {
        let selected: Vec<&Environment> =
            self.environments.iter().filter(|e| environments.contains(&e.name.as_str())).collect();
        let mut commands = Vec::new();
        let mut seen = BTreeSet::new();
        for environment in &selected {
            if seen.insert(("cluster", environment.cluster.as_str())) {
                commands.push(Command::PutCluster { name: environment.cluster.clone() });
            }
        }
        let networks = selected.iter().map(|environment| &environment.network);
        for network in networks.clone() {
            if seen.insert(("vpc", network.name.as_str())) {
                let (base, prefix) = network.cidr;
                let name = network.name.clone();
                commands.push(Command::PutVpc(VpcSpec { name, base, prefix }));
            }
        }
        for network in networks.clone() {
            for subnet in &network.subnets {
                if !seen.insert(("subnet", subnet.name.as_str())) {
                    continue;
                }
                commands.push(Command::PutSubnet(SubnetSpec {
                    name: subnet.name.clone(),
                    vpc: network.name.clone(),
                    internet: match (subnet.public, network.nat) {
                        (true, _) => Internet::Gateway,
                        (false, Nat::Single | Nat::PerZone) if !subnet.isolated => Internet::Nat,
                        (false, _) => Internet::None,
                    },
                    zone: subnet.zone.clone(),
                    base: subnet.cidr.0,
                    prefix: subnet.cidr.1,
                }));
            }
        }
        for network in networks {
            for group in &network.security_groups {
                if seen.insert(("security group", group.name.as_str())) {
                    commands.push(Command::PutSecurityGroup(group.clone()));
                }
            }
            // Of every VPC, unless the description gives its own.
            let name = default_group_name(&network.name);
            let mut services = self.environments.iter().flat_map(|e| &e.services);
            let default = default_group(
                &network.name,
                services.any(|s| s.spec.security_groups.contains(&name)),
            );
            let described = network.security_groups.iter().any(|g| g.name == default.name);
            if !described && seen.insert(("default group", network.name.as_str())) {
                commands.push(Command::PutSecurityGroup(default));
            }
        }
        let balancers = self.balancers(&selected);
        commands
            .extend(balancers.iter().map(|(spec, _)| Command::PutLoadBalancer((*spec).clone())));
        // Environments that share a load balancer with a selected one bring their target groups.
        let names: BTreeSet<&str> = balancers.iter().map(|(spec, _)| spec.name.as_str()).collect();
        for environment in &self.environments {
            let shares =
                environment.load_balancers.iter().any(|b| names.contains(b.spec.name.as_str()));
            if shares || environments.contains(&environment.name.as_str()) {
                let groups = environment.services.iter().filter_map(|s| s.target_group.clone());
                commands.extend(groups.map(Command::PutTargetGroup));
            }
        }
        for listener in balancers.into_iter().flat_map(|(_, listeners)| listeners) {
            let host_port = if options.ephemeral_ports { 0 } else { listener.host_port };
            commands.push(Command::PutListener(ListenerSpec { host_port, ..listener }));
        }
        for environment in &selected {
            let names = environment.services.iter().filter_map(|s| s.discovery.clone());
            commands.extend(names.map(Command::PutDiscoveryService));
        }
        for group in selected.iter().flat_map(|e| &e.services).flat_map(|s| &s.log_groups) {
            if seen.insert(("log group", group.name.as_str())) {
                commands.push(Command::PutLogGroup(group.clone()));
            }
        }
        for environment in &selected {
            for service in &environment.services {
                let definition = self.labelled_definition(environment, service);
                commands.push(Command::PutTaskDefinition(Box::new(definition)));
            }
        }
        for environment in &selected {
            for service in &environment.services {
                let mut spec = service.spec.clone();
                spec.tags.extend(self.own_tags(environment));
                commands.push(Command::PutService(Box::new(spec)));
            }
        }
        for environment in &selected {
            for scaling in environment.services.iter().filter_map(|s| s.scaling.as_ref()) {
                let mut target = scaling.target.clone();
                target.tags.extend(self.own_tags(environment));
                commands.push(Command::PutScalableTarget(target));
                let policies = scaling.policies.iter().cloned().map(Box::new);
                commands.extend(policies.map(Command::PutScalingPolicy));
            }
        }
        for (number, environment) in selected.iter().enumerate() {
            let later = &selected[number + 1..];
            let last = |balancer: &&LoadBalancer| {
                let mut others = later.iter().flat_map(|e| &e.load_balancers);
                !others.any(|other| other.spec.name == balancer.spec.name)
            };
            let watched = environment.load_balancers.iter().filter(last);
            let alarms = environment.services.iter().flat_map(|service| &service.alarms);
            for alarm in alarms.chain(watched.flat_map(|balancer| &balancer.alarms)) {
                let mut alarm = alarm.clone();
                alarm.tags.extend(self.own_tags(environment));
                commands.push(Command::PutAlarm(Box::new(alarm)));
            }
        }
        commands
    }

    /// What takes away that which belongs to these environments of this system but that `commands`,
    /// which bring them up, do not put any more. It goes before them: a policy may have got another
    /// name, and two cannot track the same metric.
    #[must_use]
    pub fn obsolete(
        &self,
        existing: &Existing,
        commands: &[Command],
        environments: &[&str],
    ) -> Vec<Command> {
        let own = |tags: &BTreeMap<String, String>| {
            tags.get(SYSTEM_TAG) == Some(&self.name)
                && tags.get(ENVIRONMENT_TAG).is_some_and(|e| environments.contains(&e.as_str()))
        };
        let mut targets = BTreeSet::new();
        let mut policies = BTreeSet::new();
        let mut alarms = BTreeSet::new();
        for command in commands {
            match command {
                Command::PutScalableTarget(spec) => drop(targets.insert(&spec.service)),
                Command::PutScalingPolicy(spec) => {
                    policies.insert((&spec.service, spec.name.as_str()));
                }
                Command::PutAlarm(spec) => drop(alarms.insert(spec.name.as_str())),
                _ => {}
            }
        }
        let mut gone = Vec::new();
        for (service, names, _) in existing.targets.iter().filter(|(.., tags)| own(tags)) {
            if !targets.contains(service) {
                gone.push(Command::DeleteScalableTarget { service: service.clone() });
                continue;
            }
            let others = names.iter().filter(|name| !policies.contains(&(service, name.as_str())));
            gone.extend(others.map(|name| Command::DeleteScalingPolicy {
                service: service.clone(),
                name: name.clone(),
            }));
        }
        for (name, tags) in &existing.alarms {
            if own(tags) && !alarms.contains(name.as_str()) {
                gone.push(Command::DeleteAlarm { name: name.clone() });
            }
        }
        let described: BTreeSet<&ServiceName> = self
            .environments
            .iter()
            .flat_map(|environment| &environment.services)
            .map(|service| &service.spec.name)
            .collect();
        for (service, tags) in &existing.services {
            if own(tags) && !described.contains(service) {
                gone.push(Command::DeleteService { service: service.clone(), force: true });
            }
        }
        gone
    }

    /// Load balancers of the selected environments, each listener with the rules of every
    /// environment that shares it.
    fn balancers<'s>(
        &'s self,
        selected: &[&'s Environment],
    ) -> Vec<(&'s LoadBalancerSpec, Vec<ListenerSpec>)> {
        let mut found: Vec<(&LoadBalancerSpec, Vec<ListenerSpec>)> = Vec::new();
        for balancer in selected.iter().flat_map(|environment| &environment.load_balancers) {
            if found.iter().any(|(spec, _)| spec.name == balancer.spec.name) {
                continue;
            }
            let sharing: Vec<&LoadBalancer> = self
                .environments
                .iter()
                .flat_map(|environment| &environment.load_balancers)
                .filter(|other| other.spec.name == balancer.spec.name)
                .collect();
            let mut listeners = balancer.listeners.clone();
            for listener in &mut listeners {
                let all = sharing.iter().flat_map(|b| &b.listeners);
                let same = all.filter(|other| other.port == listener.port);
                listener.rules = same.flat_map(|other| other.rules.iter().cloned()).collect();
                listener.rules.sort_by_key(|rule| rule.priority);
            }
            found.push((&balancer.spec, listeners));
        }
        found
    }

    fn own_tags(&self, environment: &Environment) -> [(String, String); 2] {
        [
            (SYSTEM_TAG.to_owned(), self.name.clone()),
            (ENVIRONMENT_TAG.to_owned(), environment.name.clone()),
        ]
    }

    /// The definition with its labels.
    fn labelled_definition(&self, environment: &Environment, service: &Service) -> TaskDefinition {
        let mut definition = service.task_definition.clone();
        definition.tags.extend(self.own_tags(environment));
        definition
    }
}
