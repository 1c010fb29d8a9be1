//! How tasks reach what is outside their VPC: the NAT gateway's sockets, on a thread of its own, so
//! that what tasks download holds up neither probes nor requests.

use std::io;
use std::sync::Arc;

use neargate_vpc::nat_gateway;
use neargate_vpc::nat_gateway::datagrams::{self, Patience};
use neargate_vpc::netns::{HostNamespace, NetNs};
use tokio::net::TcpListener;

/// Opens the gateway of the network this process is in. Without it tasks only lack a way out, so
/// whatever goes wrong is said and no more.
pub(crate) fn open(host: Arc<HostNamespace>) {
    let served = listen(host);
    if let Err(error) = served {
        tracing::error!(%error, "tasks cannot reach the outside: the NAT gateway does not start");
    }
}

fn listen(host: Arc<HostNamespace>) -> io::Result<()> {
    let platform = NetNs::current()?;
    let listener = nat_gateway::listen(&platform)?;
    let socket = datagrams::listen(&platform)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = move || {
        let Err(error) = runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            let open = |to| host.udp_socket(to);
            tokio::select! {
                ended = nat_gateway::serve(listener, |to| nat_gateway::dial(Arc::clone(&host), to)) => ended,
                ended = datagrams::serve(socket, Patience::default(), open) => ended,
            }
        });
        tracing::error!(%error, "the NAT gateway has ended");
    };
    std::thread::Builder::new().name("edge-nat".to_owned()).spawn(body)?;
    Ok(())
}
