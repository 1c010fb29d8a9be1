//! The control plane process: inputs in, effects out, one clock. Composition only, no policy.
//!
//! Where to look:
//! - what can start work: `event`; the loop that does it: `engine`
//! - what is durable, and when: `ledger`, `record`
//! - real time and platform time: `clock`
//! - the words to the command line: [`api`], over `control_socket`; what it shows: `views`, `inventory`
//! - the edge: `edge_link`, `edge_process`, `data_plane`; the tasks: `tasks`
//! - the AWS endpoint: `endpoint`, `endpoint_answer`; what tasks ask about themselves: `metadata`
//!
//! The engine may be killed at any time. The next one finds the platform in the journal, the tasks
//! on this machine, the edge at its socket, and goes on.

#![forbid(unsafe_code)]

pub mod api;
mod authority;
mod aws;
mod clock;
mod control_socket;
mod data_plane;
mod edge_link;
mod edge_process;
mod endpoint;
mod endpoint_answer;
mod engine;
#[cfg(test)]
mod engine_tests;
mod error;
mod event;
mod home;
mod inventory;
mod key_ring;
mod ledger;
mod log;
mod metadata;
mod options;
mod record;
mod retries;
mod rooms;
mod run;
mod service_reason;
mod service_url;
mod status;
mod take_down;
mod tasks;
mod vault;
mod views;

pub use error::EngineError;
pub use options::{AuthMode, DEFAULT_ACCOUNT, DEFAULT_PORT, DEFAULT_REGION, Options};
pub use run::run;
