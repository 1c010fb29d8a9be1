//! The production core on virtual time.
//!
//! Nothing here decides what a service, a task or a target does next: those rules live in
//! `neargate-core` and run unchanged. This crate models what the core talks to (tasks, the load
//! balancer, the engine process with its journal) and what can go wrong with it, from one seed.
//!
//! Where to look:
//! - the modelled world: `world`, made of `machine` (tasks), `edge` (load balancer) and `engine`
//!   (journal, crash, recovery)
//! - one seed, random system, random faults: [`simulate`]; what must never happen: `safety`
//! - scripts with committed transcripts: [`script::run`]
//! - inputs of a large rollout, for the benchmark: [`rollout::journal`]

#![forbid(unsafe_code)]

mod behaviour;
mod edge;
mod engine;
mod event_queue;
mod machine;
mod operations;
pub mod rollout;
mod safety;
pub mod script;
mod simulation;
mod system;
mod world;

pub use simulation::{Options, Report, simulate, trace};
