//! Addresses on a machine that has no network but loopback to give to tasks (process driver).
//!
//! Subnets keep the ranges they were described with; the addresses that tasks get from them are
//! those of a /24 of 127.H.0.0/16 that stands in for the range.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::network::{Subnet, SubnetSpec};
use crate::platform::{Platform, Rejection};
use crate::turn::Turn;

impl Platform {
    /// Makes a subnet, anew if need be: load balancers get other addresses, tasks hold none.
    pub(crate) fn found_subnet(&mut self, spec: &SubnetSpec, turn: &mut Turn) {
        self.subnets.remove(&spec.name);
        let mut subnet = Subnet::elsewhere(spec.clone(), self.stand_in(spec));
        for balancer in self.load_balancers.values_mut() {
            if let Some(address) = balancer.addresses.get_mut(&spec.name)
                && let Some(new) = subnet.allocate()
            {
                *address = new;
                turn.stale_sources = true;
            }
        }
        self.subnets.insert(spec.name.clone(), subnet);
        turn.dirty_network = true;
    }

    /// Where the addresses of such a subnet are when they cannot be its own: a /24 of
    /// 127.H.0.0/16 that no other subnet has, by its third byte if possible so that 10.0.11.0/24
    /// is easily found again as 127.H.11.0/24. 127.H.0.x stays with Neargate itself.
    fn stand_in(&self, spec: &SubnetSpec) -> Option<Ipv4Addr> {
        let second = self.loopback.filter(|_| !spec.base.is_loopback())?;
        let taken: BTreeSet<u8> = self
            .subnets
            .values()
            .map(|subnet| subnet.range().0.octets())
            .filter(|base| base[..2] == [127, second])
            .map(|base| base[2])
            .collect();
        let wanted = spec.base.octets()[2];
        let mut places = (0..=u8::MAX).map(|step| wanted.wrapping_add(step));
        let place = places.find(|place| *place != 0 && !taken.contains(place))?;
        Some(Ipv4Addr::new(127, second, place, 0))
    }

    pub(crate) fn set_loopback(&mut self, network: Option<u8>, turn: &mut Turn) {
        if std::mem::replace(&mut self.loopback, network) == network {
            return;
        }
        let specs: Vec<SubnetSpec> = self.subnets.values().map(|s| s.spec.clone()).collect();
        let idle = |platform: &Platform, spec: &SubnetSpec| !platform.tasks_hold(&spec.name);
        let (idle, _): (Vec<_>, Vec<_>) = specs.into_iter().partition(|spec| idle(self, spec));
        for spec in &idle {
            self.subnets.remove(&spec.name);
        }
        for spec in &idle {
            self.found_subnet(spec, turn);
        }
    }

    /// A subnet described with loopback addresses gets them: what stands in for another subnet's
    /// range there goes elsewhere.
    pub(crate) fn make_way(&mut self, spec: &SubnetSpec, turn: &mut Turn) -> Result<(), Rejection> {
        if !spec.base.is_loopback() {
            return Ok(());
        }
        let third = |address: Ipv4Addr| u32::from(address) >> 8;
        let mut others = self.subnets.values().filter(|s| s.spec.name != spec.name);
        let stands_there =
            |s: &&Subnet| !s.spec.base.is_loopback() && third(s.range().0) == third(spec.base);
        let Some(other) = others.find(stands_there) else {
            return Ok(());
        };
        let other = other.spec.clone();
        if self.tasks_hold(&other.name) {
            return Err(Rejection::Invalid(format!(
                "subnet {} cannot be {}/{}: tasks of subnet {} hold addresses from it",
                spec.name, spec.base, spec.prefix, other.name
            )));
        }
        // With this one in the way for a moment, it finds another place.
        let known = self.subnets.insert(spec.name.clone(), Subnet::new(spec.clone()));
        self.found_subnet(&other, turn);
        match known {
            Some(known) => drop(self.subnets.insert(spec.name.clone(), known)),
            None => drop(self.subnets.remove(&spec.name)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Command, Input};
    use crate::network::{Internet, VpcSpec};
    use crate::platform::Identity;
    use crate::time::Time;

    fn vpc(name: &str, base: [u8; 4]) -> Command {
        Command::PutVpc(VpcSpec { name: name.into(), base: base.into(), prefix: 16 })
    }

    fn subnet(name: &str, vpc: &str, base: [u8; 4], prefix: u8) -> Command {
        Command::PutSubnet(SubnetSpec {
            name: name.into(),
            vpc: vpc.into(),
            internet: Internet::None,
            zone: "us-east-1a".into(),
            base: base.into(),
            prefix,
        })
    }

    fn platform(commands: Vec<Command>) -> Platform {
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        let mut platform = Platform::new(identity, 1);
        take(&mut platform, commands);
        platform
    }

    fn take(platform: &mut Platform, commands: Vec<Command>) {
        assert_eq!(platform.step(Time(0), &Input::Commands(commands)).result, Ok(()));
    }

    fn range(platform: &Platform, name: &str) -> String {
        let (base, prefix) = platform.subnet(name).expect("there").range();
        format!("{base}/{prefix}")
    }

    #[test]
    fn ranges_are_kept_and_addresses_come_from_a_place_of_their_own() {
        let mut platform = platform(vec![
            Command::SetLoopback { network: Some(77) },
            vpc("one", [10, 0, 0, 0]),
            vpc("two", [10, 1, 0, 0]),
            subnet("a", "one", [10, 0, 11, 0], 24),
            subnet("b", "two", [10, 1, 11, 0], 20),
            subnet("c", "one", [10, 0, 0, 0], 28),
        ]);
        let ranges = |p: &Platform| ["a", "b", "c"].map(|name| range(p, name));
        assert_eq!(ranges(&platform), ["127.77.11.0/24", "127.77.12.0/24", "127.77.1.0/28"]);
        let described = &platform.subnet("b").expect("there").spec;
        assert_eq!((described.base, described.prefix), ([10, 1, 11, 0].into(), 20));
        let first = platform.subnets.get_mut("b").and_then(Subnet::allocate);
        assert_eq!(first, Some([127, 77, 12, 4].into()));
        // Held addresses stay where they are.
        take(&mut platform, vec![Command::SetLoopback { network: Some(78) }]);
        assert_eq!(ranges(&platform), ["127.78.11.0/24", "127.77.12.0/24", "127.78.1.0/28"]);
        platform.subnets.get_mut("b").expect("there").release([127, 77, 12, 4].into());
        take(&mut platform, vec![Command::SetLoopback { network: None }]);
        assert_eq!(ranges(&platform), ["10.0.11.0/24", "10.1.11.0/20", "10.0.0.0/28"]);
    }

    #[test]
    fn a_subnet_described_with_loopback_addresses_comes_first() {
        let mut platform = platform(vec![
            Command::SetLoopback { network: Some(77) },
            vpc("one", [10, 0, 0, 0]),
            vpc("local", [127, 77, 0, 0]),
            subnet("a", "one", [10, 0, 1, 0], 24),
            subnet("local-a", "local", [127, 77, 1, 0], 24),
        ]);
        assert_eq!(range(&platform, "local-a"), "127.77.1.0/24");
        assert_eq!(range(&platform, "a"), "127.77.2.0/24");
        assert!(platform.subnets.get_mut("a").and_then(Subnet::allocate).is_some());
        let taken = subnet("local-b", "local", [127, 77, 2, 0], 24);
        assert!(platform.step(Time(1), &Input::Commands(vec![taken])).result.is_err());
    }
}
