//! Everything but the tasks that was put: VPCs, subnets, security groups, interfaces.
//!
//! A value with the rules of what may be put beside what. It is kept in a file, so that a network
//! found again after a crash has its rules before anybody repeats their wishes, and repeating them
//! changes nothing for running tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use neargate_core::network::{Internet, SecurityGroupSpec, SubnetSpec, VpcSpec};
use serde::{Deserialize, Serialize};

use crate::eni::Eni;
use crate::error::Error;
use crate::range::Range;

/// Addresses of the platform itself in its VPC, with security groups: a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// At most one per subnet for a load balancer, but any number is fine.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Its security groups.
    pub groups: Vec<String>,
}

/// What was put, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// VPCs.
    pub vpcs: BTreeMap<String, VpcSpec>,
    /// Subnets.
    pub subnets: BTreeMap<String, SubnetSpec>,
    /// Security groups.
    pub groups: BTreeMap<String, SecurityGroupSpec>,
    /// Interfaces of the platform itself.
    pub interfaces: BTreeMap<String, Interface>,
    /// Addresses of services every task may use.
    pub service_addresses: BTreeSet<Ipv4Addr>,
}

/// A VPC's range.
pub(crate) fn vpc_range(spec: &VpcSpec) -> Range {
    Range::new(spec.base, spec.prefix)
}

/// A subnet's range.
pub(crate) fn subnet_range(spec: &SubnetSpec) -> Range {
    Range::new(spec.base, spec.prefix)
}

/// A subnet's gateway: its first address after the base.
pub(crate) fn gateway(spec: &SubnetSpec) -> Ipv4Addr {
    subnet_range(spec).nth(1)
}

fn check_prefix(what: &'static str, name: &str, prefix: u8) -> Result<(), Error> {
    match (8..=28).contains(&prefix) {
        true => Ok(()),
        false => Err(Error::Prefix { what, name: name.into(), prefix }),
    }
}

fn check_apart<'a>(
    what: &'static str,
    name: &str,
    range: Range,
    others: impl Iterator<Item = (&'a String, Range)>,
) -> Result<(), Error> {
    for (other, other_range) in others.filter(|(other, _)| *other != name) {
        if range.intersection(other_range).is_some() {
            let (name, other) = (name.into(), other.clone());
            return Err(Error::Overlap { what, name, range, other, other_range });
        }
    }
    Ok(())
}

fn unknown(what: &'static str, name: &str) -> Error {
    Error::Unknown { what, name: name.into() }
}

fn in_use(what: &'static str, name: &str, user: String) -> Error {
    Error::InUse { what, name: name.into(), user }
}

impl Wish {
    pub(crate) fn put_vpc(&mut self, spec: VpcSpec) -> Result<(), Error> {
        check_prefix("VPC", &spec.name, spec.prefix)?;
        let range = vpc_range(&spec);
        let others = self.vpcs.iter().map(|(name, vpc)| (name, vpc_range(vpc)));
        check_apart("VPC", &spec.name, range, others)?;
        let mut subnets = self.subnets.values().filter(|subnet| subnet.vpc == spec.name);
        if let Some(left_out) =
            subnets.find(|s| subnet_range(s).intersection(range) != Some(subnet_range(s)))
        {
            return Err(in_use("VPC", &spec.name, format!("subnet {}", left_out.name)));
        }
        self.vpcs.insert(spec.name.clone(), spec);
        Ok(())
    }

    pub(crate) fn remove_vpc(&mut self, name: &str) -> Result<(), Error> {
        if let Some(subnet) = self.subnets.values().find(|subnet| subnet.vpc == name) {
            return Err(in_use("VPC", name, format!("subnet {}", subnet.name)));
        }
        self.vpcs.remove(name);
        Ok(())
    }

    pub(crate) fn put_subnet(&mut self, spec: SubnetSpec) -> Result<(), Error> {
        check_prefix("subnet", &spec.name, spec.prefix)?;
        let vpc = vpc_range(self.vpc(&spec.vpc)?);
        let range = subnet_range(&spec);
        if vpc.intersection(range) != Some(range) {
            return Err(Error::Outside {
                what: format!("subnet {} ({range})", spec.name),
                range: vpc,
            });
        }
        let others = self.subnets.iter().map(|(name, subnet)| (name, subnet_range(subnet)));
        check_apart("subnet", &spec.name, range, others)?;
        self.subnets.insert(spec.name.clone(), spec);
        Ok(())
    }

    /// Refuses when a task or an interface has an address of the subnet.
    pub(crate) fn check_idle<'a>(
        &self,
        subnet: &SubnetSpec,
        mut tasks: impl Iterator<Item = &'a Eni>,
    ) -> Result<(), Error> {
        let range = subnet_range(subnet);
        if let Some(eni) = tasks.find(|eni| eni.subnet == subnet.name) {
            return Err(in_use("subnet", &subnet.name, format!("task {}", eni.task)));
        }
        let holds = |interface: &Interface| interface.addresses.iter().any(|a| range.contains(*a));
        match self.interfaces.iter().find(|(_, interface)| holds(interface)) {
            Some((name, _)) => Err(in_use("subnet", &subnet.name, format!("interface {name}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn put_group(&mut self, spec: SecurityGroupSpec) -> Result<(), Error> {
        self.vpc(&spec.vpc)?;
        self.groups.insert(spec.name.clone(), spec);
        Ok(())
    }

    /// Refuses when the group has a member.
    pub(crate) fn check_unused<'a>(
        &self,
        group: &str,
        mut tasks: impl Iterator<Item = &'a Eni>,
    ) -> Result<(), Error> {
        let is_of = |groups: &[String]| groups.iter().any(|name| name == group);
        if let Some(eni) = tasks.find(|eni| is_of(&eni.groups)) {
            return Err(in_use("security group", group, format!("task {}", eni.task)));
        }
        match self.interfaces.iter().find(|(_, interface)| is_of(&interface.groups)) {
            Some((user, _)) => Err(in_use("security group", group, format!("interface {user}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn put_interface<'a>(
        &mut self,
        name: &str,
        interface: Interface,
        mut tasks: impl Iterator<Item = &'a Eni>,
    ) -> Result<(), Error> {
        let vpcs: Option<BTreeSet<_>> = (interface.addresses.iter())
            .map(|address| self.subnet_of(*address).map(|subnet| subnet.vpc.as_str()))
            .collect();
        match vpcs.as_ref().map(|vpcs| (vpcs.len(), vpcs.first())) {
            Some((1, Some(vpc))) => self.check_groups(&interface.groups, vpc)?,
            // No addresses: nothing to be reached, nothing to be said about its groups.
            Some((0, _)) => {}
            _ => return Err(Error::NoSubnet { name: name.into() }),
        }
        if let Some(eni) = tasks.find(|eni| interface.addresses.contains(&eni.address)) {
            let holder = format!("task {}", eni.task);
            return Err(Error::Taken { address: eni.address, holder });
        }
        for address in &interface.addresses {
            self.check_unreserved(*address, name)?;
        }
        self.interfaces.insert(name.into(), interface);
        Ok(())
    }

    /// Whether this interface may be attached beside the others.
    pub(crate) fn check_eni<'a>(
        &self,
        eni: &Eni,
        mut tasks: impl Iterator<Item = &'a Eni>,
    ) -> Result<(), Error> {
        let subnet = self.subnet(&eni.subnet)?;
        let range = subnet_range(subnet);
        self.check_groups(&eni.groups, &subnet.vpc)?;
        if !range.contains(eni.address) {
            return Err(Error::Outside { what: format!("address {}", eni.address), range });
        }
        self.check_unreserved(eni.address, "")?;
        let same = |other: &&Eni| other.address == eni.address && other.task != eni.task;
        match tasks.find(same) {
            Some(other) => {
                let holder = format!("task {}", other.task);
                Err(Error::Taken { address: eni.address, holder })
            }
            None => Ok(()),
        }
    }

    /// Whether an address may become a service's.
    pub(crate) fn check_free<'a>(
        &self,
        address: Ipv4Addr,
        tasks: &mut impl Iterator<Item = &'a Eni>,
    ) -> Result<(), Error> {
        let interface = self.interfaces.iter().find(|(_, i)| i.addresses.contains(&address));
        let holder = match (tasks.find(|eni| eni.address == address), interface) {
            (Some(eni), _) => format!("task {}", eni.task),
            (None, Some((name, _))) => format!("interface {name}"),
            (None, None) => return Ok(()),
        };
        Err(Error::Taken { address, holder })
    }

    /// Refuses the subnet's own addresses and those of interfaces other than `except`.
    fn check_unreserved(&self, address: Ipv4Addr, except: &str) -> Result<(), Error> {
        if let Some(subnet) = self.subnet_of(address) {
            let range = subnet_range(subnet);
            if [range.base(), range.nth(1), range.last()].contains(&address) {
                return Err(Error::Outside { what: format!("address {address}"), range });
            }
        }
        let mut others = self.interfaces.iter().filter(|(name, _)| *name != except);
        if let Some((name, _)) = others.find(|(_, i)| i.addresses.contains(&address)) {
            return Err(Error::Taken { address, holder: format!("interface {name}") });
        }
        match self.service_addresses.contains(&address) {
            true => Err(Error::Taken { address, holder: "a service of the platform".into() }),
            false => Ok(()),
        }
    }

    fn check_groups(&self, groups: &[String], vpc: &str) -> Result<(), Error> {
        let is_there =
            |name: &&String| self.groups.get(*name).is_some_and(|group| group.vpc == vpc);
        match groups.iter().find(|name| !is_there(name)) {
            Some(name) => Err(unknown("security group", &format!("{name} in VPC {vpc}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn vpc(&self, name: &str) -> Result<&VpcSpec, Error> {
        self.vpcs.get(name).ok_or_else(|| unknown("VPC", name))
    }

    pub(crate) fn subnet(&self, name: &str) -> Result<&SubnetSpec, Error> {
        self.subnets.get(name).ok_or_else(|| unknown("subnet", name))
    }

    /// The subnet an address is from.
    pub(crate) fn subnet_of(&self, address: Ipv4Addr) -> Option<&SubnetSpec> {
        self.subnets.values().find(|subnet| subnet_range(subnet).contains(address))
    }

    /// The VPC an address is from.
    pub(crate) fn vpc_of(&self, address: Ipv4Addr) -> Option<&VpcSpec> {
        self.vpcs.values().find(|vpc| vpc_range(vpc).contains(address))
    }

    /// Whether the task reaches the outside because of its own public address.
    pub(crate) fn is_public(&self, eni: &Eni) -> bool {
        let subnet = self.subnets.get(&eni.subnet);
        eni.public_ip && subnet.is_some_and(|subnet| subnet.internet == Internet::Gateway)
    }
}
