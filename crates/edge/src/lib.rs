//! The load balancer data plane: a process that takes clients' requests to the tasks that serve
//! them, probes those tasks, and answers discovery names.
//!
//! It lives on its own. The engine tells it what to do over a Unix socket ([`control`]); with the
//! engine gone it goes on with what it was told last: requests are routed, targets are probed, sick
//! ones are taken out.
//!
//! One control thread owns every decision (`plane`); a few worker threads serve requests
//! (`worker`) and share with it only immutable routing tables and atomic counters. A change is
//! acknowledged when every worker has answered after it was published, so nothing the engine does
//! next can meet a request that was routed by the state before.

#![forbid(unsafe_code)]

mod answer;
mod body;
mod chunked;
mod client;
mod client_io;
mod clock;
mod connect;
pub mod control;
mod engine_link;
mod exchange;
mod groups;
mod listeners;
mod pattern;
mod plane;
pub mod port_holder;
mod prober;
mod proxy;
mod redirect;
mod request_check;
mod request_head;
mod response_head;
mod run;
mod socket;
mod table;
mod target;
mod trace_id;
mod tunnel;
mod upload;
mod upstream;
mod way_out;
mod worker;

pub use run::{EdgeError, Options, run, run_until};
