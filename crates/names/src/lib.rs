//! DNS for service discovery: `<service>.<namespace>` answers with the addresses of the tasks that
//! serve right now, in the way Cloud Map's private namespaces do (DISC-DNS-*).
//!
//! The data plane owns a [`Table`] and replaces names in it as the control plane publishes them;
//! [`serve`] answers from whatever the table holds at that moment. How a question is answered is a
//! pure function ([`answer`]); sockets are a thin rim around it. [`resolve`] is the other end: a
//! blocking resolver for programs that want one name from one server and nothing else. Names of
//! others are asked of an [`Upstream`], where there is one.

#![forbid(unsafe_code)]

mod answer;
mod forward;
mod resolve;
mod serve;
mod table;

pub use answer::{Transport, answer, respond};
pub use forward::{OpenSocket, Upstream, nameservers};
pub use resolve::{SrvTarget, resolve, resolve_srv};
pub use serve::serve;
pub use table::{Instance, InvalidName, NameRecords, Snapshot, Table};
