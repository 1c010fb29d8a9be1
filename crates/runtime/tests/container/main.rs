//! The container backends, each test body through both: real containers made by real shims from a
//! layer with nothing but busybox. Needs root, `busybox` (Debian: busybox-static) and `runc`.

mod exec;
mod isolation;
mod lifecycle;
mod limits;
mod machine;
mod output;
mod recovery;
