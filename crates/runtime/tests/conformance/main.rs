//! The same demands on every driver: plain processes, containers of our own making, containers by
//! runc. Real shims, real processes, a home and a network of its own for each test.
//!
//! Needs root, loop devices, and Debian's `busybox-static`, `runc` and `e2fsprogs`; so it is built with the feature
//! `root-tests` only. A privilege that is missing then is a failure that names it.

mod leaks;
mod life;
mod machine;
mod promises;
mod re_adoption;
mod rig;
mod settings;
mod storage;
