//! End to end: the real binary, real processes, real traffic on loopback.
//!
//! Every test has a home, ports and addresses of its own and ends what it started.

mod aws;
mod bad_input;
mod breaker;
mod discovery;
mod faults;
mod platform;
mod recovery;
mod rollout;

/// How the tasks of these tests are made.
const DRIVER: &str = "process";
