//! What can go wrong with the platform's network, in words for whoever asked for it.

use std::io;
use std::net::Ipv4Addr;

use crate::range::Range;

/// A network could not be made as wished. Nothing of the wish stands then, or repeating it
/// completes it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel or the file system refused.
    #[error("{doing}")]
    Io {
        /// What was attempted, with its name.
        doing: String,
        /// Why it did not work.
        #[source]
        source: io::Error,
    },
    /// Two ranges would share addresses.
    #[error("{what} {name} has the range {range}, which overlaps {other} ({other_range})")]
    Overlap {
        /// `VPC` or `subnet`.
        what: &'static str,
        /// The one asked for.
        name: String,
        /// Its range.
        range: Range,
        /// The one that stands.
        other: String,
        /// Its range.
        other_range: Range,
    },
    /// A prefix length a VPC or subnet cannot have.
    #[error("{what} {name} has the prefix length {prefix}; it must be between 8 and 28")]
    Prefix {
        /// `VPC` or `subnet`.
        what: &'static str,
        /// Its name.
        name: String,
        /// The length asked for.
        prefix: u8,
    },
    /// A name that was never put.
    #[error("{what} {name} does not exist; put it first")]
    Unknown {
        /// `VPC`, `subnet` or `security group`.
        what: &'static str,
        /// The name asked for.
        name: String,
    },
    /// Something else depends on it.
    #[error("{what} {name} is in use by {user}")]
    InUse {
        /// `VPC`, `subnet` or `security group`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Who uses it.
        user: String,
    },
    /// A subnet outside its VPC, an address outside every subnet or one a subnet keeps for itself.
    #[error("{what} does not lie in {range}, or is reserved there")]
    Outside {
        /// What has the address or range.
        what: String,
        /// Where it would have to lie.
        range: Range,
    },
    /// Addresses in no subnet at all, or in subnets of several VPCs.
    #[error("the addresses of interface {name} must all lie in subnets of one VPC")]
    NoSubnet {
        /// The interface.
        name: String,
    },
    /// Two would have one address.
    #[error("address {address} already belongs to {holder}")]
    Taken {
        /// The address asked for.
        address: Ipv4Addr,
        /// Who has it.
        holder: String,
    },
    /// A task id that cannot be a file name.
    #[error("task id {0:?} must be 1 to 128 letters, digits, `-`, `_` or `.`, not `.` first")]
    TaskId(String),
    /// What a former run noted is not readable.
    #[error("{path} is not what this version writes; tear the network down and start again")]
    Record {
        /// The file.
        path: String,
        /// Where reading it failed.
        #[source]
        source: serde_json::Error,
    },
}

/// Says what was attempted when an operation fails.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { doing: what(), source })
    }
}
