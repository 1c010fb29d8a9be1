//! Where a managed database or cache stands: the subnets of its group, their zones and VPC.

use neargate_core::Platform;

use crate::names;

/// A subnet as the groups of RDS and ElastiCache show it.
pub(crate) struct Place {
    pub(crate) subnet: String,
    pub(crate) zone: String,
    pub(crate) vpc: String,
}

/// Where these subnets are. One that the platform has not made stands in the zones in turn: a group
/// of records need not be on the platform's network.
pub(crate) fn places(platform: &Platform, subnets: &[&str]) -> Vec<Place> {
    let place = |(n, id): (usize, &&str)| {
        let name = names::subnet_name(platform, id);
        let found = platform.subnets().find(|s| Some(&s.spec.name) == name.as_ref());
        let (zone, vpc) = match found {
            Some(subnet) => (subnet.spec.zone.clone(), names::vpc_id(&subnet.spec.vpc)),
            None => (zone(platform, n), String::new()),
        };
        Place { subnet: (*id).to_owned(), zone, vpc }
    };
    subnets.iter().enumerate().map(place).collect()
}

/// The n-th zone of the region, from the first again after the third.
pub(crate) fn zone(platform: &Platform, n: usize) -> String {
    let letter = ['a', 'b', 'c'][n % 3];
    format!("{}{letter}", platform.identity().region)
}
