//! The platform's network on Linux: VPCs, subnets, a network interface per task, security groups,
//! and a way out.
//!
//! Each platform has one network namespace. In it every subnet is a bridge that has the subnet's
//! gateway address; a task's interface is a veth pair from that bridge into the task's own
//! namespace. Security groups are packet filters inside the tasks' namespaces, so nothing that is
//! shared needs to be trusted, and the host's own addresses, routes, forwarding and packet filters
//! stay as they are.
//!
//! - [`Vpc`]: what is wished for, made so; found again after a crash; [`tear_down`] leaves nothing.
//! - [`netns`]: doing things in other namespaces, sockets of the host's for who moved out of it.
//! - [`nat_gateway`]: the way out, in user space.
//! - [`task_ruleset`], [`platform_ruleset`]: what the security groups amount to (pure).
//!
//! The kernel is spoken to in its own protocol (`netlink`, `link`, `nft`), without programs or C
//! libraries to install first.

#![forbid(unsafe_code)]

mod conntrack;
mod eni;
mod error;
mod layout;
mod link;
mod namespace;
pub mod nat_gateway;
mod netlink;
pub mod netns;
mod nft;
mod perimeter;
mod ports;
mod probe;
mod range;
mod ruleset;
mod security_group;
mod state;
mod tear_down;
mod vpc;
mod wish;

pub use eni::{Eni, mac_address};
pub use error::Error;
pub use link::InterfaceStats;
pub use perimeter::platform_ruleset;
pub use probe::Missing;
pub use range::Range;
pub use ruleset::{Addresses, Chain, Hook, Rule, Ruleset, Side, Test, Verdict};
pub use security_group::{LINK_LOCAL_RESOLVER, METADATA, resolver, task_ruleset};
pub use tear_down::tear_down;
pub use vpc::Vpc;
pub use wish::{Interface, Wish};
