//! Makes tasks real: the `container` driver, which runs images in namespaces and control groups on
//! the platform's own network, and the `process` driver, which runs an image's entry point as a
//! plain process on the task's own loopback address.
//!
//! [`Runtime`] carries out what the platform wishes and reports what happens; it decides nothing.
//! Every wish may be made twice: the second time only the report is repeated. Each container has a
//! shim ([`shim`]), a process of its own that outlives the engine, so that tasks live on when the
//! engine is killed and [`Runtime::recover`] finds them again. An exit code nobody saw is unknown,
//! never 0.
//!
//! What the `process` driver does not do: limit CPU and memory, separate file systems and users
//! (`workingDirectory`, `user`, `readonlyRootFilesystem`, `ephemeralStorage` are without effect).
//! What the `container` driver does not do: run without root. `ephemeralStorage` is enforced for
//! tasks that say it, with `mkfs.ext4` and loop devices; the 20 GiB of all others are not, nor does
//! the image count, which tasks share.

#![deny(unsafe_code)]

mod capabilities;
mod cgroup;
mod container;
mod driver;
mod error;
mod estate;
mod images;
mod layout;
mod logs;
mod oci_spec;
mod process;
mod raw;
mod rootfs;
mod runtime;
mod sandbox;
mod seccomp;
pub mod shim;
mod storage;
mod usage;
mod users;
mod watch;

pub use driver::{Choice, Driver, UnknownDriver, choose, examine};
pub use error::Error;
pub use estate::clear_ground;
pub use images::{ImageReference, ImageSource, InvalidReference, OWN_BINARY};
pub use logs::{container_directory, log_path, log_store};
pub use neargate_vpc::LINK_LOCAL_RESOLVER;
pub use runtime::{Observer, Runtime, RuntimeOptions, Secrets};
pub use seccomp::oci_profile;
pub use usage::{Interface, Meter, Throttling, Traffic, Usage};
