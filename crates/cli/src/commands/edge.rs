//! `neargate edge`: the data plane process, started by the engine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::cli::Global;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct Edge {
    /// Unix socket to listen on for the engine [default: edge.sock in the home]
    #[arg(long, value_name = "PATH")]
    control_socket: Option<PathBuf>,
    /// Platform seconds per real second
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pace: u32,
    /// Address that answers discovery names, UDP and TCP
    #[arg(long, value_name = "IP:PORT")]
    dns: Option<SocketAddr>,
    /// Address the listeners bind
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST)]
    listen: Ipv4Addr,
    /// Pin of the network namespace to live in
    #[arg(long, value_name = "PATH")]
    network: Option<PathBuf>,
    /// Worker threads [default: one per core, at most 4]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

impl Edge {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let control_socket = match &self.control_socket {
            Some(path) => path.clone(),
            None => global.home()?.edge_socket(),
        };
        let mut options = neargate_edge::Options::new(control_socket);
        options.pace = self.pace;
        options.dns = self.dns;
        options.listen = self.listen;
        options.network.clone_from(&self.network);
        options.workers = self.workers;
        neargate_edge::run(&options)?;
        Ok(())
    }
}
