//! The NAT gateway for UDP: questions and their answers, with an end to everything.
//!
//! All datagrams on their way out arrive at one socket. The kernel is asked for each where it was
//! meant to go, because it forgets in its own time and may by then have given the same sender's
//! port to another destination. Each pair of sender and destination is a flow, with a socket of its
//! own outside that hears from the destination only, until nothing has come for a while.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::{ACCEPT_PAUSE, DATAGRAMS};
use crate::conntrack::Connections;
use crate::netns::NetNs;

/// Flows at one time, each with a file descriptor.
const FLOWS_MAX: usize = 4096;
/// Of one task, so that it does not take everybody's.
const FLOWS_PER_TASK: usize = 512;
/// A flow without more than a question and an answer ends after this, as the kernel's does.
const BRIEF: Duration = Duration::from_secs(30);
/// And one on which the task has gone on after an answer, after this.
const LASTING: Duration = Duration::from_secs(120);
/// Of a datagram.
const SIZE_MAX: usize = 65_536;

/// Sender and destination.
type Key = (SocketAddrV4, SocketAddrV4);
type Flows = Arc<Mutex<HashMap<Key, Flow>>>;

/// The gateway's socket, inside the platform's namespace.
#[derive(Debug)]
pub struct Datagrams {
    socket: std::net::UdpSocket,
    connections: Connections,
}

/// When flows end.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Without more than a question and an answer.
    pub brief: Duration,
    /// With more than that.
    pub lasting: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { brief: BRIEF, lasting: LASTING }
    }
}

struct Flow {
    outside: Arc<UdpSocket>,
    answered: bool,
    lasting: bool,
    last: Instant,
}

/// Makes it. The resolver's address must be there.
///
/// # Errors
/// A gateway is there already (`AddrInUse`); the namespace cannot be entered.
pub fn listen(platform: &NetNs) -> io::Result<Datagrams> {
    platform.run(|| {
        let socket = std::net::UdpSocket::bind(DATAGRAMS)?;
        socket.set_nonblocking(true)?;
        Ok(Datagrams { socket, connections: Connections::open()? })
    })?
}

/// Carries datagrams until dropped. `open` makes a socket outside, connected to the destination.
///
/// # Errors
/// The socket itself is broken.
pub async fn serve(
    datagrams: Datagrams,
    patience: Patience,
    open: impl Fn(SocketAddrV4) -> io::Result<std::net::UdpSocket>,
) -> io::Result<Infallible> {
    let inside = Arc::new(UdpSocket::from_std(datagrams.socket)?);
    let flows = Flows::default();
    let mut buffer = vec![0; SIZE_MAX];
    loop {
        let (length, from) = match inside.recv_from(&mut buffer).await {
            Ok((length, SocketAddr::V4(from))) => (length, from),
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "the NAT gateway cannot receive for the moment");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let to = match datagrams.connections.destination(from, DATAGRAMS) {
            // Sent here and nowhere else: from somebody who has no way out.
            Ok(Some(to)) if to != DATAGRAMS => to,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "a datagram to the NAT gateway tells no destination");
                continue;
            }
        };
        match outside(&flows, (from, to), &open) {
            Ok((socket, is_new)) => {
                if is_new {
                    let (flows, inside) = (Arc::clone(&flows), Arc::clone(&inside));
                    tokio::spawn(answers(flows, (from, to), Arc::clone(&socket), inside, patience));
                }
                if let Err(error) = socket.send(&buffer[..length]).await {
                    tracing::debug!(%to, %error, "the NAT gateway reaches nobody");
                }
            }
            Err(error) => tracing::debug!(%from, %to, %error, "the NAT gateway drops a datagram"),
        }
    }
}

fn lock(flows: &Flows) -> MutexGuard<'_, HashMap<Key, Flow>> {
    flows.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The flow's socket, and whether it is a new one.
fn outside(
    flows: &Flows,
    key: Key,
    open: impl Fn(SocketAddrV4) -> io::Result<std::net::UdpSocket>,
) -> io::Result<(Arc<UdpSocket>, bool)> {
    let mut flows = lock(flows);
    if let Some(flow) = flows.get_mut(&key) {
        flow.lasting |= flow.answered;
        flow.last = Instant::now();
        return Ok((Arc::clone(&flow.outside), false));
    }
    has_room(&flows, *key.0.ip())?;
    let outside = Arc::new(UdpSocket::from_std(open(key.1)?)?);
    let flow = Flow {
        outside: Arc::clone(&outside),
        answered: false,
        lasting: false,
        last: Instant::now(),
    };
    flows.insert(key, flow);
    Ok((outside, true))
}

fn has_room(flows: &HashMap<Key, Flow>, task: Ipv4Addr) -> io::Result<()> {
    // Counted only when there are enough of them for one task to have too many.
    let of_task = || flows.keys().filter(|(from, _)| *from.ip() == task).count();
    if flows.len() >= FLOWS_MAX || (flows.len() >= FLOWS_PER_TASK && of_task() >= FLOWS_PER_TASK) {
        return Err(io::Error::other("too many flows"));
    }
    Ok(())
}

/// Brings back what comes, until nothing has for a while.
async fn answers(
    flows: Flows,
    key: Key,
    outside: Arc<UdpSocket>,
    inside: Arc<UdpSocket>,
    patience: Patience,
) {
    let mut buffer = vec![0; SIZE_MAX];
    while let Some(end) = end_of(&flows, key, patience) {
        match timeout_at(end, outside.recv(&mut buffer)).await {
            // Perhaps the task has sent more meanwhile.
            Err(_) => {}
            Ok(Ok(length)) => {
                if let Some(flow) = lock(&flows).get_mut(&key) {
                    flow.answered = true;
                    flow.last = Instant::now();
                }
                if let Err(error) = inside.send_to(&buffer[..length], key.0).await {
                    tracing::debug!(to = %key.0, %error, "an answer does not reach its task");
                }
            }
            Ok(Err(error)) => {
                tracing::debug!(to = %key.1, %error, "the NAT gateway is refused");
                lock(&flows).remove(&key);
                return;
            }
        }
    }
}

/// When the flow ends as things are; a flow whose time has come is no more.
fn end_of(flows: &Flows, key: Key, patience: Patience) -> Option<Instant> {
    let mut flows = lock(flows);
    let flow = flows.get(&key)?;
    let end = flow.last + if flow.lasting { patience.lasting } else { patience.brief };
    if end <= Instant::now() {
        flows.remove(&key);
        return None;
    }
    Some(end)
}
