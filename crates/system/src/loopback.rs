//! Addresses for the process driver: subnets mapped into 127.H.0.0/16, a /24 each.
//!
//! 127.H.0.x stays with Neargate itself (DNS and the like). A subnet gets the third byte of its
//! own range when that is free, so that 10.0.11.0/24 is easily found again as 127.H.11.0/24;
//! otherwise the next free one. Every environment's subnets are counted, also those that are not
//! brought up: what an environment's addresses are does not depend on which others run.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::system::{Environment, Subnet};

/// First address of each subnet by name; all are /24.
pub(crate) fn map(environments: &[Environment], second_byte: u8) -> BTreeMap<&str, Ipv4Addr> {
    let mut subnets: Vec<&Subnet> = Vec::new();
    for subnet in environments.iter().flat_map(|environment| &environment.network.subnets) {
        if !subnets.iter().any(|known| known.name == subnet.name) {
            subnets.push(subnet);
        }
    }
    let mut places: BTreeMap<&str, u8> = BTreeMap::new();
    let mut taken: BTreeSet<u8> = BTreeSet::from([0]);
    for subnet in &subnets {
        let wanted = subnet.cidr.0.octets()[2];
        if taken.insert(wanted) {
            places.insert(&subnet.name, wanted);
        }
    }
    for subnet in &subnets {
        if places.contains_key(subnet.name.as_str()) {
            continue;
        }
        let wanted = subnet.cidr.0.octets()[2];
        let free = (0..=u8::MAX).map(|step| wanted.wrapping_add(step)).find(|p| !taken.contains(p));
        // The description is refused when it has more subnets than places.
        let Some(place) = free else { continue };
        taken.insert(place);
        places.insert(&subnet.name, place);
    }
    places
        .into_iter()
        .map(|(name, place)| (name, Ipv4Addr::new(127, second_byte, place, 0)))
        .collect()
}
