//! Ranges of IPv4 addresses, as VPCs, subnets and security group rules name them.

use std::fmt;
use std::net::Ipv4Addr;

/// A range of addresses in CIDR form. Bits of the base beyond the prefix are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    base: u32,
    prefix: u8,
}

impl Range {
    /// Every address.
    pub const ANYWHERE: Self = Self { base: 0, prefix: 0 };
    /// 169.254.0.0/16: never routed.
    pub const LINK_LOCAL: Self = Self { base: 0xa9fe_0000, prefix: 16 };
    /// 127.0.0.0/8.
    pub const LOOPBACK: Self = Self { base: 0x7f00_0000, prefix: 8 };
    /// 224.0.0.0/4.
    pub const MULTICAST: Self = Self { base: 0xe000_0000, prefix: 4 };

    /// The range of `prefix` bits (at most 32) that contains `address`.
    #[must_use]
    pub fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(32);
        Self { base: u32::from(address) & mask(prefix), prefix }
    }

    /// The range of one address.
    #[must_use]
    pub fn single(address: Ipv4Addr) -> Self {
        Self::new(address, 32)
    }

    /// First address.
    #[must_use]
    pub fn base(self) -> Ipv4Addr {
        self.base.into()
    }

    /// Prefix length in bits.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// The prefix as a mask.
    #[must_use]
    pub fn mask(self) -> Ipv4Addr {
        mask(self.prefix).into()
    }

    /// Last address.
    #[must_use]
    pub fn last(self) -> Ipv4Addr {
        (self.base | !mask(self.prefix)).into()
    }

    /// The `n`th address after the base: 1 is a subnet's gateway, 2 a VPC's resolver.
    #[must_use]
    pub fn nth(self, n: u32) -> Ipv4Addr {
        self.base.wrapping_add(n).into()
    }

    /// Whether the address is in the range.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.prefix) == self.base
    }

    /// What both ranges share: the smaller one, or nothing.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (wide, narrow) =
            if self.prefix <= other.prefix { (self, other) } else { (other, self) };
        wide.contains(narrow.base()).then_some(narrow)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            32 => write!(f, "{}", self.base()),
            prefix => write!(f, "{}/{prefix}", self.base()),
        }
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_is_in_the_intersection_when_it_is_in_both(
            a: u32, b: u32, x: u32, p in 0u8..=32, q in 0u8..=32,
        ) {
            let (left, right) = (Range::new(a.into(), p), Range::new(b.into(), q));
            // Near one of them, or it would hardly ever be in any.
            let address = Ipv4Addr::from(u32::from(left.base()) | (x & !mask(p)));
            let shared = left.intersection(right);
            prop_assert_eq!(shared, right.intersection(left));
            prop_assert_eq!(
                shared.is_some_and(|s| s.contains(address)),
                left.contains(address) && right.contains(address)
            );
        }
    }

    #[test]
    fn ends_and_words_of_a_range() {
        let range = Range::new(Ipv4Addr::new(10, 0, 1, 77), 24);
        assert_eq!(range.to_string(), "10.0.1.0/24");
        assert_eq!(range.last(), Ipv4Addr::new(10, 0, 1, 255));
        assert_eq!(range.nth(1), Ipv4Addr::new(10, 0, 1, 1));
        assert_eq!(Range::ANYWHERE.to_string(), "0.0.0.0/0");
        assert!(Range::ANYWHERE.contains(Ipv4Addr::BROADCAST));
        assert_eq!(Range::single(Ipv4Addr::LOCALHOST).to_string(), "127.0.0.1");
        assert!(Range::LINK_LOCAL.contains(Ipv4Addr::new(169, 254, 170, 2)));
        assert!(Range::LOOPBACK.contains(Ipv4Addr::LOCALHOST));
        assert!(Range::MULTICAST.contains(Ipv4Addr::new(239, 1, 1, 1)));
    }
}
