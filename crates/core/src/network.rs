//! Subnets, and the addresses tasks get from them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A subnet: one zone, one range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetSpec {
    /// Unique name, e.g. `production-private-a`.
    pub name: String,
    /// Availability zone, e.g. `us-east-1a`.
    pub zone: String,
    /// First address of the range.
    pub base: Ipv4Addr,
    /// Prefix length, 8 to 28.
    pub prefix: u8,
}

impl SubnetSpec {
    fn size(&self) -> u32 {
        1 << (32 - u32::from(self.prefix.clamp(8, 28)))
    }
}

/// A VPC keeps the first four addresses of a subnet and the last one for itself.
const RESERVED_LOW: u32 = 4;
const RESERVED_HIGH: u32 = 1;

/// A subnet and who holds its addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subnet {
    /// As described.
    pub spec: SubnetSpec,
    /// Name and zone once more, to be shared by the tasks.
    name: Arc<str>,
    zone: Arc<str>,
    next: u32,
    used: BTreeSet<u32>,
}

impl Subnet {
    /// An empty subnet.
    #[must_use]
    pub fn new(spec: SubnetSpec) -> Self {
        let (name, zone) = (Arc::from(&*spec.name), Arc::from(&*spec.zone));
        Self { spec, name, zone, next: RESERVED_LOW, used: BTreeSet::new() }
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(crate) fn zone(&self) -> Arc<str> {
        Arc::clone(&self.zone)
    }

    /// Whether no task holds an address.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.used.is_empty()
    }

    /// How many addresses tasks hold.
    #[must_use]
    pub fn held(&self) -> u32 {
        self.used.len() as u32
    }

    /// Whether an address is free.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.held() < self.spec.size() - RESERVED_LOW - RESERVED_HIGH
    }

    /// Hands out an address. Goes round the range before it uses one again, so that a stale
    /// connection or DNS answer for a stopped task meets nobody rather than somebody else.
    pub fn allocate(&mut self) -> Option<Ipv4Addr> {
        if !self.has_room() {
            return None;
        }
        let end = self.spec.size() - RESERVED_HIGH;
        loop {
            let offset = self.next;
            self.next = if offset + 1 >= end { RESERVED_LOW } else { offset + 1 };
            if self.used.insert(offset) {
                return Some(Ipv4Addr::from(u32::from(self.spec.base) + offset));
            }
        }
    }

    /// Takes an address back.
    pub fn release(&mut self, address: Ipv4Addr) {
        self.used.remove(&u32::from(address).wrapping_sub(u32::from(self.spec.base)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(prefix: u8) -> Subnet {
        let spec = SubnetSpec {
            name: "a".into(),
            zone: "z-a".into(),
            base: Ipv4Addr::new(10, 0, 1, 0),
            prefix,
        };
        Subnet::new(spec)
    }

    #[test]
    fn addresses_are_unique_reserved_ones_are_kept_and_reuse_comes_late() {
        let mut subnet = subnet(28);
        let all: Vec<_> = std::iter::from_fn(|| subnet.allocate()).collect();
        assert_eq!(all.len(), 11);
        assert_eq!(all[0], Ipv4Addr::new(10, 0, 1, 4));
        assert_eq!(all[10], Ipv4Addr::new(10, 0, 1, 14));
        subnet.release(all[2]);
        subnet.release(all[0]);
        assert_eq!(subnet.allocate(), Some(all[0]));
        subnet.release(all[0]);
        assert_eq!(subnet.allocate(), Some(all[2]), "goes on round the range");
        assert_eq!(subnet.allocate(), Some(all[0]));
        assert_eq!(subnet.allocate(), None);
    }
}
