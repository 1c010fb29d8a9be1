//! VPCs: subnets and the addresses tasks get from them, security groups.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A VPC: a network of its own. Subnets of different VPCs do not reach each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcSpec {
    /// Unique name, e.g. `production`.
    pub name: String,
    /// First address of the range.
    pub base: Ipv4Addr,
    /// Prefix length, 8 to 28.
    pub prefix: u8,
}

/// How a subnet reaches addresses outside its VPC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Internet {
    /// Not at all.
    #[default]
    None,
    /// Through a NAT gateway of a public subnet.
    Nat,
    /// Through the internet gateway: a public subnet. Only what has a public address gets out.
    Gateway,
}

/// A subnet: one zone, one range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetSpec {
    /// Unique name, e.g. `production-private-a`.
    pub name: String,
    /// Name of its VPC.
    pub vpc: String,
    /// Its route to the outside.
    pub internet: Internet,
    /// Availability zone, e.g. `us-east-1a`.
    pub zone: String,
    /// First address of the range.
    pub base: Ipv4Addr,
    /// Prefix length, 8 to 28.
    pub prefix: u8,
}

impl SubnetSpec {
    fn size(&self) -> u32 {
        size(self.prefix)
    }
}

fn size(prefix: u8) -> u32 {
    1 << (32 - u32::from(prefix.clamp(8, 28)))
}

/// Prefix length of a range that stands in for a subnet's own.
const STAND_IN_PREFIX: u8 = 24;

/// A security group: who may connect to its members, and where its members may connect to.
/// Answers of an allowed connection always pass. A member of several groups may do what any of
/// them allows. Without groups nothing passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupSpec {
    /// Unique name, e.g. `production-tasks`.
    pub name: String,
    /// Name of its VPC.
    pub vpc: String,
    /// Connections let in.
    pub ingress: Vec<SecurityRule>,
    /// Connections let out.
    pub egress: Vec<SecurityRule>,
}

/// Traffic that a security group lets through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityRule {
    /// Which protocol.
    pub protocol: Protocol,
    /// First and last port of the side connected to; `None` is all. Only for TCP and UDP.
    pub ports: Option<(u16, u16)>,
    /// The other side.
    pub peer: Peer,
}

/// A protocol as security group rules know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// Every protocol (`-1`).
    All,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, every type.
    Icmp,
}

/// The other side of a security group rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// Addresses of a range: its first one and the prefix length.
    Range(Ipv4Addr, u8),
    /// Whatever is a member of the security group of that name.
    Group(String),
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
    used: Offsets,
    /// Where its addresses are instead, when those of the range are not this machine's to give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stand_in: Option<Ipv4Addr>,
}

/// Distances from the base, one bit each: a service's tasks are all over the range, and looking
/// one up must not cost a walk through a tree.
#[derive(Clone, Debug, Default)]
struct Offsets {
    words: Vec<u64>,
    count: u32,
}

impl Offsets {
    /// Returns whether it was not there.
    fn insert(&mut self, offset: u32) -> bool {
        let (word, bit) = ((offset / 64) as usize, 1 << (offset % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let added = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u32::from(added);
        added
    }

    fn remove(&mut self, offset: u32) {
        let bit = 1 << (offset % 64);
        if let Some(word) = self.words.get_mut((offset / 64) as usize)
            && *word & bit != 0
        {
            *word &= !bit;
            self.count -= 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        let bits = |word: u64| (0..64).filter(move |bit| word & (1 << bit) != 0);
        (0..)
            .step_by(64)
            .zip(&self.words)
            .flat_map(move |(at, word)| bits(*word).map(move |b| at + b))
    }
}

impl PartialEq for Offsets {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// As the ascending list.
impl Serialize for Offsets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Offsets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut offsets = Self::default();
        for offset in Vec::<u32>::deserialize(deserializer)? {
            offsets.insert(offset);
        }
        Ok(offsets)
    }
}

impl Subnet {
    /// An empty subnet.
    #[must_use]
    pub fn new(spec: SubnetSpec) -> Self {
        let (name, zone) = (Arc::from(&*spec.name), Arc::from(&*spec.zone));
        Self { spec, name, zone, next: RESERVED_LOW, used: Offsets::default(), stand_in: None }
    }

    /// An empty subnet whose addresses come from the /24 that begins here.
    pub(crate) fn elsewhere(spec: SubnetSpec, stand_in: Option<Ipv4Addr>) -> Self {
        Self { stand_in, ..Self::new(spec) }
    }

    /// Where its addresses come from: first address and prefix length. The range of its
    /// description, unless the platform has loopback addresses only.
    #[must_use]
    pub fn range(&self) -> (Ipv4Addr, u8) {
        match self.stand_in {
            Some(base) => (base, self.spec.prefix.max(STAND_IN_PREFIX)),
            None => (self.spec.base, self.spec.prefix),
        }
    }

    /// How many addresses nobody holds, by its description.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.spec.size().saturating_sub(RESERVED_LOW + RESERVED_HIGH + self.held())
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
        self.used.count == 0
    }

    /// How many addresses tasks hold.
    #[must_use]
    pub fn held(&self) -> u32 {
        self.used.count
    }

    /// Whether an address is free.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.held() < size(self.range().1) - RESERVED_LOW - RESERVED_HIGH
    }

    /// Hands out an address. Goes round the range before it uses one again, so that a stale
    /// connection or DNS answer for a stopped task meets nobody rather than somebody else.
    pub fn allocate(&mut self) -> Option<Ipv4Addr> {
        if !self.has_room() {
            return None;
        }
        let (base, prefix) = self.range();
        let end = size(prefix) - RESERVED_HIGH;
        loop {
            let offset = self.next;
            self.next = if offset + 1 >= end { RESERVED_LOW } else { offset + 1 };
            if self.used.insert(offset) {
                return Some(Ipv4Addr::from(u32::from(base) + offset));
            }
        }
    }

    /// Takes an address back.
    pub fn release(&mut self, address: Ipv4Addr) {
        self.used.remove(u32::from(address).wrapping_sub(u32::from(self.range().0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(prefix: u8) -> Subnet {
        let spec = SubnetSpec {
            name: "a".into(),
            vpc: "v".into(),
            internet: Internet::None,
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

    /// Held addresses are saved as a list; reading it back gives the same subnet.
    #[test]
    fn a_saved_subnet_is_read_back() {
        let mut subnet = subnet(24);
        let all: Vec<_> = (0..130).filter_map(|_| subnet.allocate()).collect();
        all[2..].iter().for_each(|address| subnet.release(*address));
        subnet.release(all[5]);
        let saved = serde_json::to_value(&subnet).expect("a subnet is JSON");
        assert_eq!(saved["used"], serde_json::json!([4, 5]));
        let mut read: Subnet = serde_json::from_value(saved).expect("readable");
        assert_eq!((read.held(), &read), (2, &subnet));
        assert_eq!(read.allocate(), subnet.allocate());
    }
}
