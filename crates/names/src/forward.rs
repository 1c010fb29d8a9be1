//! Questions about names that are not ours go to the resolvers this machine itself uses, as the
//! resolver of a VPC answers for public names (DISC-NS-9).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long one resolver is waited for before the next is asked (real time).
const PATIENCE: Duration = Duration::from_secs(3);
/// Largest answer taken.
const MAX_ANSWER: usize = 4096;
/// Where the identifier of a DNS message ends.
const ID: std::ops::Range<usize> = 0..2;
/// The code of an answer that refuses, in the fourth byte of the header.
const REFUSED: u8 = 5;
/// The code of an answer that failed.
const SERVER_FAILURE: u8 = 2;

/// Opens a UDP socket from which the resolvers can be reached.
pub type OpenSocket = Arc<dyn Fn() -> io::Result<std::net::UdpSocket> + Send + Sync>;

/// The resolvers that know all other names.
#[derive(Clone)]
pub struct Upstream {
    /// Asked in this order.
    pub servers: Vec<SocketAddr>,
    /// For each question a socket of its own, so that its port is one more thing to guess for
    /// whoever forges answers.
    pub open: OpenSocket,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("servers", &self.servers).finish_non_exhaustive()
    }
}

/// Whether our own answer says that the name is somebody else's.
pub(crate) fn is_elsewhere(answer: &[u8]) -> bool {
    answer.get(3).is_some_and(|byte| byte & 0x0f == REFUSED)
}

impl Upstream {
    /// What the resolvers say; `own` with the code for a failed lookup when none of them answers.
    pub(crate) async fn ask(&self, question: &[u8], mut own: Vec<u8>) -> Vec<u8> {
        for server in &self.servers {
            match timeout(PATIENCE, self.ask_one(*server, question)).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(error)) => tracing::debug!(%error, %server, "a resolver cannot be asked"),
                Err(_) => tracing::debug!(%server, "a resolver does not answer"),
            }
        }
        if let Some(byte) = own.get_mut(3) {
            *byte = (*byte & 0xf0) | SERVER_FAILURE;
        }
        own
    }

    async fn ask_one(&self, server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
        let socket = (self.open)()?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        // Connected: answers from elsewhere never get here.
        socket.connect(server).await?;
        socket.send(question).await?;
        let mut buffer = vec![0; MAX_ANSWER];
        loop {
            let length = socket.recv(&mut buffer).await?;
            if buffer.get(ID) == question.get(ID) && length >= ID.end {
                buffer.truncate(length);
                return Ok(buffer);
            }
        }
    }
}

/// The `nameserver` lines of a resolv.conf.
#[must_use]
pub fn nameservers(resolv_conf: &str) -> Vec<SocketAddr> {
    let lines = resolv_conf.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    lines.filter_map(|rest| rest.trim().parse().ok().map(|ip| SocketAddr::new(ip, 53))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_from_resolv_conf() {
        let text =
            "# a comment\nsearch lan\nnameserver 10.0.0.1\n nameserver\t::1 \nnameserver x\n";
        let expected: Vec<SocketAddr> =
            ["10.0.0.1:53", "[::1]:53"].map(|a| a.parse().expect("address")).to_vec();
        assert_eq!(nameservers(text), expected);
    }
}
