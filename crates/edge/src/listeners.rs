//! Listening sockets: one per listener, bound by the control thread, accepted from by all workers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::sync::Arc;

use arc_swap::ArcSwap;
use neargate_core::load_balancer::ListenerSpec;
use neargate_names::Upstream;
use neargate_vpc::netns::HostNamespace;
use socket2::{Domain, Protocol, Socket, Type};

use crate::groups::OwnedTask;
use crate::port_holder;
use crate::table::Table;
use crate::worker::ListenerId;

/// Connections the kernel keeps for us until a worker takes them.
const BACKLOG: i32 = 1024;

/// A listener and its socket.
#[derive(Debug)]
pub(crate) struct ListenerEntry {
    pub(crate) spec: ListenerSpec,
    pub(crate) table: Arc<ArcSwap<Table>>,
    /// The socket in use, and its port on this machine.
    pub(crate) bound: Option<(ListenerId, u16)>,
    /// Why the wanted port could not be bound, as last reported.
    pub(crate) failure: Option<String>,
    /// Tries again while the wanted port is not bound.
    pub(crate) retry: Option<OwnedTask>,
}

impl ListenerEntry {
    /// Whether the socket is the wanted one. A listener that may have any port keeps the one it has.
    pub(crate) fn is_settled(&self) -> bool {
        let wanted = self.spec.host_port;
        self.bound.is_some_and(|(_, port)| wanted == 0 || wanted == port)
    }
}

/// Where clients on this machine find the listeners.
#[derive(Debug)]
pub(crate) struct Doorstep {
    /// Address they bind.
    pub(crate) ip: Ipv4Addr,
    /// The machine's own network, when the edge itself is in the platform's.
    pub(crate) host: Option<Arc<HostNamespace>>,
}

impl Doorstep {
    /// The resolvers of the machine, for an edge that answers names in the platform's network.
    pub(crate) fn upstream(&self) -> Option<Upstream> {
        let host = Arc::clone(self.host.as_ref()?);
        let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let servers = neargate_names::nameservers(&text);
        let open = move || host.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
        let servers = servers.into_iter().filter(SocketAddr::is_ipv4).collect();
        Some(Upstream { servers, open: Arc::new(open) })
    }

    /// Binds and listens; 0 lets the kernel choose a port. The error is one line for people.
    pub(crate) fn bind(&self, port: u16) -> Result<(TcpListener, u16), String> {
        let address = SocketAddrV4::new(self.ip, port);
        let bind = || open(address).map_err(|error| explain(address, &error));
        match &self.host {
            None => bind(),
            Some(host) => host.run(bind).map_err(|error| {
                format!("cannot listen on {address}: entering the machine's network: {error}")
            })?,
        }
    }
}

fn open(address: SocketAddrV4) -> io::Result<(TcpListener, u16)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // A restarted edge must not wait for connections of its predecessor to time out. On Linux this
    // does not let two listeners share a port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::V4(address).into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

fn explain(address: SocketAddrV4, error: &io::Error) -> String {
    let cause = match error.kind() {
        io::ErrorKind::AddrInUse => match port_holder::find(*address.ip(), address.port()) {
            Some(holder) => {
                format!("the port is taken by process {} ({})", holder.pid, holder.name)
            }
            None => "the port is taken".to_owned(),
        },
        io::ErrorKind::PermissionDenied => {
            "no permission; ports below 1024 need a privilege, use a higher port".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => error.to_string(),
    };
    format!("cannot listen on {address}: {cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_reported_with_its_holder() {
        let doorstep = Doorstep { ip: Ipv4Addr::LOCALHOST, host: None };
        let (_held, port) = doorstep.bind(0).unwrap();
        let problem = doorstep.bind(port).unwrap_err();
        let expected = format!(
            "cannot listen on 127.0.0.1:{port}: the port is taken by process {} (",
            std::process::id()
        );
        assert!(problem.starts_with(&expected), "{problem}");
    }

    #[test]
    fn a_foreign_address_is_reported() {
        let doorstep = Doorstep { ip: Ipv4Addr::new(192, 0, 2, 1), host: None };
        let problem = doorstep.bind(0).unwrap_err();
        assert!(problem.contains("does not have that address"), "{problem}");
    }
}
