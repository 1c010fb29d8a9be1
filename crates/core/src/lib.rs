//! The platform as a value.

pub mod discovery;
pub mod effect;
pub mod event;
pub mod id;
pub mod input;
pub mod load_balancer;
pub mod network;
pub mod service;
pub mod target_health;
pub mod task_definition;
pub mod time;
