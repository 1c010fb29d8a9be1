//! Crash-safe journal and snapshots of opaque bytes.
//!
//! [`Store::append`] returns once its entries would survive a power cut; opening the store gives
//! back the newest snapshot and every entry acknowledged after it, in order. What the bytes mean
//! is none of this crate's business.
//!
//! On disk, in one directory:
//!
//! - `segment-<n>`: a header, then batches (one per `append`), each under a checksum that also
//!   covers its place, so that a stray copy of a batch elsewhere is not taken for one;
//! - `snapshot-<n>`: the state before the first entry of segment `n`;
//! - `lock`: held while the store is open, with the holder's process id.
//!
//! A batch is written only after the one before it is durable. So a broken batch with nothing
//! valid behind it is a write that a crash cut short: nobody was told it succeeded, and it is cut
//! off. A broken batch with a valid one behind it was acknowledged and has been damaged since: that
//! is reported with file and offset, never skipped.

#![forbid(unsafe_code)]

mod disk;
mod error;
mod frame;
mod store;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod simulated_disk;

pub use error::Error;
pub use store::{Recovered, Store};
