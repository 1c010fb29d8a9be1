//! End to end: the real binary, real processes, real traffic on loopback.
//!
//! Every test has a home, ports and addresses of its own and ends what it started.

mod auth;
mod aws;
mod bad_input;
mod breaker;
mod client;
mod discovery;
mod faults;
mod killed;
mod many_clients;
mod platform;
mod recovery;
mod rollout;
mod standalone;

/// How the tasks of these tests are made.
const DRIVER: &str = "process";
