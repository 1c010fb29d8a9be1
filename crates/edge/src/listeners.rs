//! Listening sockets: one per listener, bound by the control thread, accepted from by all workers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::Arc;

use arc_swap::ArcSwap;
use neargate_core::load_balancer::ListenerSpec;
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

/// Binds and listens; 0 lets the kernel choose a port. The error is one line for people.
pub(crate) fn bind(ip: Ipv4Addr, port: u16) -> Result<(TcpListener, u16), String> {
    let address = SocketAddrV4::new(ip, port);
    open(address).map_err(|error| explain(address, &error))
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
        let (_held, port) = bind(Ipv4Addr::LOCALHOST, 0).unwrap();
        let problem = bind(Ipv4Addr::LOCALHOST, port).unwrap_err();
        let expected = format!(
            "cannot listen on 127.0.0.1:{port}: the port is taken by process {} (",
            std::process::id()
        );
        assert!(problem.starts_with(&expected), "{problem}");
    }

    #[test]
    fn a_foreign_address_is_reported() {
        let problem = bind(Ipv4Addr::new(192, 0, 2, 1), 0).unwrap_err();
        assert!(problem.contains("does not have that address"), "{problem}");
    }
}
