//! The container backends, each test body through both: real containers made by real shims from a
//! layer with nothing but busybox. Needs root, loop devices, `busybox` (Debian: busybox-static),
//! `runc` and `mkfs.ext4` (e2fsprogs).

mod exec;
mod isolation;
mod lifecycle;
mod limits;
mod machine;
mod output;
mod recovery;
mod storage;
