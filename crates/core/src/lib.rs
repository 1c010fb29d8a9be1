//! The platform as a value: clusters, services, deployments, tasks, target groups, names.
//!
//! [`Platform::step`] takes one [`input::Input`] at one instant and answers with [`effect::Effect`]s.
//! Nothing here does I/O, reads a clock or starts a thread: time, ids and randomness are arguments
//! or part of the state. The same seed and inputs therefore give the same platform, byte for byte,
//! which is what recovery (snapshot + replay) and the simulator rest on.
//!
//! Where to look:
//! - what a service does next: [`rolling`] (pure), carried out by `service_scheduler`
//! - what a task does next: `task_lifecycle`; how it counts: `task_state`; where it is: [`tasks`]
//! - when a deployment fails: [`circuit_breaker`]; when starts slow down: [`throttle`]
//! - what runs without a service: [`run_task`]
//! - between which counts services are scaled, and what watches metrics: [`scaling`], [`alarm`]
//! - where a task goes: `placement`, [`capacity`], [`zone_rebalance`]
//! - what the edge and DNS are told: [`data_plane`]
//! - how a task finds out about itself: [`metadata`]
//! - what users can ask for: [`input::Command`], carried out by `commands`

pub mod alarm;
pub mod capacity;
pub mod circuit_breaker;
mod commands;
pub mod container_health;
pub mod data_plane;
pub mod deployment;
pub mod discovery;
pub mod effect;
pub mod event;
mod faults;
pub mod id;
pub mod input;
pub mod load_balancer;
pub mod log_group;
mod loopback;
pub mod metadata;
pub mod network;
mod notes;
mod placement;
pub mod platform;
mod queries;
pub mod rng;
pub mod rolling;
pub mod run_task;
pub mod scaling;
pub mod secrets;
pub mod service;
mod service_scheduler;
pub mod target_health;
pub mod task;
pub mod task_definition;
mod task_lifecycle;
mod task_state;
pub mod tasks;
pub mod throttle;
pub mod time;
mod turn;
mod vpc;
pub mod zone_rebalance;

pub use platform::{Identity, Outcome, Platform, Rejection};
