//! The NAT gateway: how tasks reach the world outside without the host being changed for it.
//!
//! The platform's namespace has no route to the outside and gets none. What a task with a way out
//! sends to an address outside is redirected to [`PORT`] there; [`serve`] accepts it, asks the
//! kernel where it was meant to go, connects to that from the host's namespace, and copies in both
//! directions. UDP goes a way of its own ([`datagrams`]); other protocols have none.

pub mod datagrams;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use crate::netns::{HostNamespace, NetNs};
use crate::security_group::LINK_LOCAL_RESOLVER;

/// Where redirected connections arrive in the platform's namespace, in which nothing else has
/// ports of its own.
pub const PORT: u16 = 15001;
/// Where redirected datagrams arrive. One address, so that answers leave from where the kernel
/// expects them.
pub const DATAGRAMS: SocketAddrV4 = SocketAddrV4::new(LINK_LOCAL_RESOLVER, PORT);

/// Connections at one time. More wait to be accepted. Each takes two file descriptors and two
/// buffers of 8 KiB.
const CONNECTIONS_MAX: usize = 4096;
/// An outside that vanished without a word is noticed after as long as AWS's NAT gateways keep an
/// idle connection.
const KEEPALIVE: Duration = Duration::from_secs(350);
/// A pause when the process is short of file descriptors or memory, so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The gateway's listener, inside the platform's namespace.
///
/// # Errors
/// A gateway listens already (`AddrInUse`); the namespace cannot be entered.
pub fn listen(platform: &NetNs) -> io::Result<TcpListener> {
    platform.run(|| {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    })?
}

/// Serves connections until dropped; those that stand go on then. `dial` connects to the outside.
/// When it fails, the task's connection is reset.
///
/// # Errors
/// The listener itself is broken.
pub async fn serve<D, F>(listener: tokio::net::TcpListener, dial: D) -> io::Result<Infallible>
where
    D: Fn(SocketAddrV4) -> F,
    F: Future<Output = io::Result<TcpStream>> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
        let task = match listener.accept().await {
            Ok((task, _)) => task,
            Err(error) if is_passing(&error) => {
                tracing::warn!(%error, "the NAT gateway cannot accept for the moment");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let destination = match original_destination(&task) {
            Ok(destination) => destination,
            Err(error) => {
                tracing::warn!(%error, "a connection to the NAT gateway tells no destination");
                reset(&task);
                continue;
            }
        };
        let outside = dial(destination);
        tokio::spawn(async move {
            carry(task, destination, outside).await;
            drop(permit);
        });
    }
}

async fn carry(
    mut task: TcpStream,
    destination: SocketAddrV4,
    outside: impl Future<Output = io::Result<TcpStream>>,
) {
    let mut outside = match outside.await {
        Ok(outside) => outside,
        Err(error) => {
            tracing::debug!(%destination, %error, "the NAT gateway reaches nobody");
            return reset(&task);
        }
    };
    for stream in [&task, &outside] {
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
        if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&keepalive) {
            tracing::debug!(%error, "a connection of the NAT gateway is not kept alive");
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection of the NAT gateway delays small packets");
        }
    }
    if tokio::io::copy_bidirectional(&mut task, &mut outside).await.is_err() {
        // What one side learned by a reset, the other shall not take for an orderly end.
        reset(&task);
        reset(&outside);
    }
}

/// Makes the coming close a reset.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a connection of the NAT gateway is closed instead of reset");
    }
}

fn original_destination(task: &TcpStream) -> io::Result<SocketAddrV4> {
    let destination = SockRef::from(task).original_dst_v4()?.as_socket_ipv4();
    destination.ok_or_else(|| io::Error::other("the destination is not an IPv4 address"))
}

fn is_passing(error: &io::Error) -> bool {
    let short = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    error.kind() == io::ErrorKind::ConnectionAborted
        || error.raw_os_error().is_some_and(|code| short.contains(&Errno::from_raw(code)))
}

/// Connects from the host's namespace: the `dial` of a gateway without further rules.
///
/// # Errors
/// As connecting does.
pub async fn dial(host: Arc<HostNamespace>, to: SocketAddrV4) -> io::Result<TcpStream> {
    let socket = host.tcp_socket(SocketAddr::V4(to))?;
    TcpSocket::from_std_stream(socket).connect(SocketAddr::V4(to)).await
}
