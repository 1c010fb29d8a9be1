//! Opening a connection to a target, from one of the load balancer's own addresses: the target's
//! security groups let those in, and the target sees whom it serves.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use neargate_core::load_balancer::TargetAddress;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::IpBindAddressNoPort;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

/// The addresses to connect from, in turn; none leaves it to the system. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    addresses: ArcSwap<Vec<Ipv4Addr>>,
    next: AtomicUsize,
}

impl Sources {
    pub(crate) fn set(&self, addresses: Vec<Ipv4Addr>) {
        self.0.addresses.store(Arc::new(addresses));
    }

    fn next(&self) -> Option<Ipv4Addr> {
        let addresses = self.0.addresses.load();
        let turn = self.0.next.fetch_add(1, Ordering::Relaxed);
        addresses.get(turn.checked_rem(addresses.len())?).copied()
    }

    /// A new connection to the target.
    pub(crate) async fn connect(&self, target: TargetAddress) -> io::Result<TcpStream> {
        let address = SocketAddr::V4(SocketAddrV4::new(target.ip, target.port));
        let stream = match self.next() {
            None => TcpStream::connect(address).await?,
            Some(source) => {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
                // The port is chosen when the other end is known, so that every target has the
                // whole range of ports.
                setsockopt(&socket, IpBindAddressNoPort, &true)?;
                socket.bind(&SocketAddrV4::new(source, 0).into())?;
                socket.set_nonblocking(true)?;
                TcpSocket::from_std_stream(socket.into()).connect(address).await?
            }
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
