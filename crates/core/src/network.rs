//! Subnets, and the addresses tasks get from them.

use std::net::Ipv4Addr;

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
    /// Prefix length, 16 to 28 as in a VPC.
    pub prefix: u8,
}
