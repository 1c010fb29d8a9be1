//! The load balancer data plane.

pub mod control;
