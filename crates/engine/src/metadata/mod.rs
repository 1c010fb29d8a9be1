//! What a task may ask about itself: metadata, stats, its role's credentials, its protection from
//! scale-in (ECS-META-*, ECS-PROT-*).
//!
//! Two sockets serve it. Containers with a network of their own ask 169.254.170.2, where the source
//! address says who asks. Plain processes ask the AWS endpoint under the same paths, where nothing
//! but the id in the path does.
//!
//! - what is asked: `route`; who may ask: `caller`; the main loop's part: `call`
//! - the answers, each a pure function: `task_document`, `network`, `credentials`, `protection`,
//!   `stats`
//! - reading what containers use, away from the main loop: `desk`, with `readings`
//! - the socket of 169.254.170.2: `listener`

mod call;
mod caller;
pub(crate) mod credentials;
mod desk;
mod listener;
mod network;
mod protection;
mod readings;
mod reply;
mod route;
mod stats;
mod task_document;
#[cfg(test)]
mod tests;
mod times;

pub(crate) use call::MetadataCall;
pub(crate) use desk::{Desk, Meter};
pub(crate) use listener::serve;
pub(crate) use route::Route;

use neargate_core::effect::TaskLaunch;
use neargate_core::metadata;

use crate::vault::Vault;

/// The variables that lead a container to all of this (ECS-META-1).
pub(crate) fn variables(
    vault: &Vault,
    base_url: &str,
    launch: &TaskLaunch,
    container: &str,
) -> impl Iterator<Item = (String, String)> {
    let known = metadata::variables(base_url, launch.task, container).into_iter();
    let role = credentials::variable(vault, base_url, launch.task, &launch.definition);
    known.chain(role).map(|(name, value)| (name.to_owned(), value))
}
