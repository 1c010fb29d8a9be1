//! End to end once more, with containers in a network of their own: what holds for plain processes
//! holds for them. Needs root, so it is built with the feature `root-tests` only.

#[path = "../e2e/breaker.rs"]
mod breaker;
mod busybox_image;
#[path = "../e2e/discovery.rs"]
mod discovery;
#[path = "../e2e/faults.rs"]
mod faults;
mod foreign_images;
#[path = "../e2e/killed.rs"]
mod killed;
mod no_trace;
#[path = "../e2e/platform.rs"]
mod platform;
#[path = "../e2e/recovery.rs"]
mod recovery;
#[path = "../e2e/rollout.rs"]
mod rollout;
mod without_root;

/// How the tasks of these tests are made.
const DRIVER: &str = "container";
