//! What the kernel remembers of connections (ctnetlink): where a datagram was meant to go that a
//! rule has sent elsewhere. For TCP the socket itself can be asked; for UDP only this can.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::SockProtocol;

use crate::netlink::{Attributes, Request, Socket, attributes};
use crate::ruleset::UDP;

const SUBSYSTEM: u16 = libc::NFNL_SUBSYS_CTNETLINK as u16;
const GET: u16 = 1;
/// Bytes before the attributes of a message.
const HEADER: usize = 4;

const TUPLE_AS_SENT: u16 = 1;
const TUPLE_OF_ANSWERS: u16 = 2;
const TUPLE_ADDRESSES: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const SOURCE: u16 = 1;
const DESTINATION: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;

/// The connections of one network namespace.
#[derive(Debug)]
pub(crate) struct Connections(Socket);

impl Connections {
    /// Those of the calling thread's namespace, from now on and from anywhere.
    pub(crate) fn open() -> io::Result<Self> {
        Socket::open(SockProtocol::NetlinkNetFilter).map(Self)
    }

    /// Where datagrams from `from` that arrive at `at` were sent to; `None` when the kernel knows
    /// nothing of them.
    pub(crate) fn destination(
        &self,
        from: SocketAddrV4,
        at: SocketAddrV4,
    ) -> io::Result<Option<SocketAddrV4>> {
        let bodies = self.0.request(&question(from, at))?.tolerating(&[Errno::ENOENT])?;
        Ok(bodies.first().and_then(|body| destination_in(body)))
    }
}

/// An answer would go from `at` to `from`, which is how the kernel finds the connection.
fn question(from: SocketAddrV4, at: SocketAddrV4) -> Request {
    let mut request = Request::default();
    let header = [libc::AF_INET as u8, 0, 0, 0];
    request.message("where a datagram was sent to", SUBSYSTEM << 8 | GET, 0, &header, |body| {
        body.nest(TUPLE_OF_ANSWERS, |tuple| put_tuple(tuple, at, from));
    });
    request
}

fn put_tuple(tuple: &mut Attributes<'_>, from: SocketAddrV4, to: SocketAddrV4) {
    tuple.nest(TUPLE_ADDRESSES, |addresses| {
        addresses.put(SOURCE, &from.ip().octets());
        addresses.put(DESTINATION, &to.ip().octets());
    });
    tuple.nest(TUPLE_PROTOCOL, |protocol| {
        protocol.put(PROTOCOL_NUMBER, &[UDP]);
        protocol.put(SOURCE_PORT, &from.port().to_be_bytes());
        protocol.put(DESTINATION_PORT, &to.port().to_be_bytes());
    });
}

fn destination_in(body: &[u8]) -> Option<SocketAddrV4> {
    let within = |bytes: &'_ [u8], wanted: u16| {
        attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value.to_vec())
    };
    let tuple = within(body.get(HEADER..)?, TUPLE_AS_SENT)?;
    let address = within(&within(&tuple, TUPLE_ADDRESSES)?, DESTINATION)?;
    let port = within(&within(&tuple, TUPLE_PROTOCOL)?, DESTINATION_PORT)?;
    let address: [u8; 4] = address.try_into().ok()?;
    let port: [u8; 2] = port.try_into().ok()?;
    Some(SocketAddrV4::new(Ipv4Addr::from(address), u16::from_be_bytes(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_found_and_half_an_answer_is_none() {
        let (from, to) =
            ("10.0.1.4:5000".parse().expect("from"), "192.0.2.1:53".parse().expect("to"));
        let mut answer = Request::default();
        answer.message("an answer", 0, 0, &[libc::AF_INET as u8, 0, 0, 0], |body| {
            body.nest(TUPLE_AS_SENT, |tuple| put_tuple(tuple, from, to));
        });
        let body = &answer.bytes()[16..];
        assert_eq!(destination_in(body), Some(to));
        for length in 0..body.len() {
            assert_eq!(destination_in(&body[..length]), None, "{length} bytes");
        }
    }
}
