//! A blocking resolver that asks one server for one name: all that the stand-in service and the
//! tests need, on any thread, without an async runtime.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

/// How often a lost datagram is sent again within the time-out.
const TRIES: u32 = 3;

/// What a SRV record points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrvTarget {
    /// Name of the instance.
    pub target: String,
    /// Its address, where the answer carried it.
    pub address: Option<Ipv4Addr>,
    /// Its port.
    pub port: u16,
}

/// The addresses behind `name`, in the order the server chose; empty when the name exists without
/// any.
///
/// # Errors
/// `NotFound` when the name does not exist, `ConnectionRefused` when the server does not answer
/// for that zone, `TimedOut` when nothing came within `timeout`, `InvalidInput` for what is not a
/// DNS name, `InvalidData` for an answer that cannot be read.
pub fn resolve(server: SocketAddr, name: &str, timeout: Duration) -> io::Result<Vec<Ipv4Addr>> {
    let response = ask(server, name, RecordType::A, timeout)?;
    Ok(response
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(address.0),
            _ => None,
        })
        .collect())
}

/// The SRV targets behind `name`, with their addresses where the answer carried them.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_srv(
    server: SocketAddr,
    name: &str,
    timeout: Duration,
) -> io::Result<Vec<SrvTarget>> {
    let response = ask(server, name, RecordType::SRV, timeout)?;
    let address_of = |target: &Name| {
        response.additionals.iter().find_map(|record| match &record.data {
            RData::A(address) if record.name == *target => Some(address.0),
            _ => None,
        })
    };
    Ok(response
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(SrvTarget {
                target: srv.target.to_ascii().trim_end_matches('.').to_owned(),
                address: address_of(&srv.target),
                port: srv.port,
            }),
            _ => None,
        })
        .collect())
}

fn ask(server: SocketAddr, name: &str, kind: RecordType, timeout: Duration) -> io::Result<Message> {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    let mut asked = Name::from_ascii(name).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is not a DNS name: {error}"))
    })?;
    asked.set_fqdn(true);
    query.add_query(Query::query(asked, kind));
    let request = query.to_vec().map_err(io::Error::other)?;
    let deadline = Instant::now() + timeout;

    let mut response = over_udp(server, &query, &request, timeout, deadline)
        .map_err(|error| explain(error, server, name))?;
    if response.truncation {
        response = over_tcp(server, &query, &request, deadline)
            .map_err(|error| explain(error, server, name))?;
    }
    match response.response_code {
        ResponseCode::NoError => Ok(response),
        ResponseCode::NXDomain => {
            Err(io::Error::new(io::ErrorKind::NotFound, format!("no such name: {name}")))
        }
        ResponseCode::Refused => Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            format!("DNS server {server} does not answer for {name}"),
        )),
        code => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("DNS server {server} answered {code} for {name}"),
        )),
    }
}

fn over_udp(
    server: SocketAddr,
    query: &Message,
    request: &[u8],
    timeout: Duration,
    deadline: Instant,
) -> io::Result<Message> {
    let local: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local)?;
    socket.connect(server)?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    for _ in 0..TRIES {
        socket.send(request)?;
        let resend = (Instant::now() + timeout / TRIES).min(deadline);
        loop {
            let left = resend.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    if let Some(response) = matching(query, &buffer[..length]) {
                        return Ok(response);
                    }
                }
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn over_tcp(
    server: SocketAddr,
    query: &Message,
    request: &[u8],
    deadline: Instant,
) -> io::Result<Message> {
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(left) }
    };
    let mut stream = TcpStream::connect_timeout(&server, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    let length = u16::try_from(request.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), request].concat())?;
    stream.set_read_timeout(Some(left()?))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut response = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.set_read_timeout(Some(left()?))?;
    stream.read_exact(&mut response)?;
    matching(query, &response).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "the answer is not one to our question")
    })
}

/// The message, if it answers this query.
fn matching(query: &Message, bytes: &[u8]) -> Option<Message> {
    let response = Message::from_vec(bytes).ok()?;
    let ours = response.id == query.id
        && response.message_type == MessageType::Response
        && response.queries == query.queries;
    ours.then_some(response)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

fn explain(error: io::Error, server: SocketAddr, name: &str) -> io::Error {
    let kind = if is_timeout(&error) { io::ErrorKind::TimedOut } else { error.kind() };
    let what = if kind == io::ErrorKind::TimedOut {
        "no answer in time".into()
    } else {
        error.to_string()
    };
    io::Error::new(kind, format!("asking DNS server {server} for {name}: {what}"))
}
