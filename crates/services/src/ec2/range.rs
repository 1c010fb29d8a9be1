//! Ranges of IPv4 addresses as clients write them.

use std::net::Ipv4Addr;

use super::invalid;
use crate::error::AwsError;

/// First address and prefix length. Bits below the prefix are dropped, as EC2 does.
pub(super) fn parse(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let prefix: u8 = prefix.parse().ok().filter(|p| *p <= 32)?;
    let address: Ipv4Addr = address.parse().ok()?;
    Some((Ipv4Addr::from(u32::from(address) & mask(prefix)), prefix))
}

/// The same, or the refusal.
pub(super) fn read(text: &str) -> Result<(Ipv4Addr, u8), AwsError> {
    parse(text).ok_or_else(|| {
        invalid(format!(
            "Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        ))
    })
}

pub(super) fn show((base, prefix): (Ipv4Addr, u8)) -> String {
    format!("{base}/{prefix}")
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

/// Whether two ranges have an address in common.
pub(super) fn overlap(a: (Ipv4Addr, u8), b: (Ipv4Addr, u8)) -> bool {
    let mask = mask(a.1.min(b.1));
    u32::from(a.0) & mask == u32::from(b.0) & mask
}

/// Whether the second is a part of the first.
pub(super) fn contains(outer: (Ipv4Addr, u8), inner: (Ipv4Addr, u8)) -> bool {
    inner.1 >= outer.1 && overlap(outer, inner)
}
