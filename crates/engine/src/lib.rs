//! Composition: inputs in, effects out, one clock.

pub mod api;
