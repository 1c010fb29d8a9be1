//! A task's network interface: what is asked for, and the names that follow from its address.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::link::Mac;
use crate::range::Range;

/// Longest task id: a file name with room for an extension.
const TASK_ID_MAX: usize = 128;

/// The elastic network interface of one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eni {
    /// The task's id; also the file name of its namespace.
    pub task: String,
    /// The subnet its address is from.
    pub subnet: String,
    /// Its private address.
    pub address: Ipv4Addr,
    /// Its security groups.
    pub groups: Vec<String>,
    /// Whether it was given a public address: in a subnet behind an internet gateway, only then
    /// does it get out.
    pub public_ip: bool,
}

/// The hardware address that goes with an address, as the task's metadata tells it. An address
/// always has the same one, so a neighbour's memory of a former task leads to the next.
#[must_use]
pub fn mac_address(address: Ipv4Addr) -> String {
    mac(address).map(|byte| format!("{byte:02x}")).join(":")
}

/// Locally administered, as those in a VPC are.
pub(crate) fn mac(address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    [0x02, 0x4e, a, b, c, d]
}

/// What the names of the platform's links begin with.
pub(crate) const PORT_PREFIX: &str = "eni";
pub(crate) const BRIDGE_PREFIX: &str = "sub";

/// Name of a task's bridge port. Interface names have at most 15 characters.
pub(crate) fn port_name(address: Ipv4Addr) -> String {
    format!("{PORT_PREFIX}{:08x}", u32::from(address))
}

/// Name of a subnet's bridge. It tells the range, so a subnet with another range is another bridge.
pub(crate) fn bridge_name(range: Range) -> String {
    format!("{BRIDGE_PREFIX}{:08x}{:02}", u32::from(range.base()), range.prefix())
}

/// Refuses ids that would leave the directory or hide in it.
pub(crate) fn check_task_id(id: &str) -> Result<(), Error> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_named = !id.is_empty() && id.len() <= TASK_ID_MAX && !id.starts_with('.');
    match is_named && id.chars().all(is_fine) {
        true => Ok(()),
        false => Err(Error::TaskId(id.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_the_address_and_fit_into_fifteen_characters() {
        let last = Ipv4Addr::BROADCAST;
        assert_eq!(mac_address(Ipv4Addr::new(10, 0, 1, 255)), "02:4e:0a:00:01:ff");
        assert_eq!(port_name(last), "eniffffffff");
        assert_eq!(bridge_name(Range::new(Ipv4Addr::new(10, 0, 1, 0), 24)), "sub0a00010024");
        assert!(port_name(last).len() <= 15 && bridge_name(Range::single(last)).len() <= 15);
    }

    #[test]
    fn task_ids_stay_in_their_directory() {
        for id in ["0123456789abcdef", "a.b_c-d", &"x".repeat(128)] {
            check_task_id(id).expect(id);
        }
        for id in ["", ".", "..", ".json", "a/b", "a\0b", "a b", "ä", &"x".repeat(129)] {
            check_task_id(id).expect_err(id);
        }
    }
}
