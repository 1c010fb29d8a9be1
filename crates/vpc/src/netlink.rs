//! The kernel's netlink protocol, as much of it as links, routes and nf_tables need.
//!
//! Encoding is plain bytes in a [`Request`]; a [`Socket`] carries requests to the network namespace
//! it was opened in, whoever uses it and from wherever. The kernel carries out a request before
//! `send` returns, so everything here is synchronous: send, then read what already lies there.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt,
};

const HEADER: usize = 16;
const ALIGNMENT: usize = 4;
const NESTED: u16 = libc::NLA_F_NESTED as u16;
/// The kernel never makes a reply datagram larger than 32 KiB, except when it quotes a request.
const REPLY_BUFFER: usize = 64 * 1024;
/// Room for a batch with the thousand rules AWS allows an interface, and for large peer sets.
const SEND_BUFFER: usize = 4 * 1024 * 1024;

/// One or more messages for the kernel, sent as one datagram.
#[derive(Default)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    labels: Vec<&'static str>,
}

impl Request {
    /// Appends a message. `label` says in errors what it was for.
    pub(crate) fn message(
        &mut self,
        label: &'static str,
        kind: u16,
        flags: i32,
        header: &[u8],
        body: impl FnOnce(&mut Attributes<'_>),
    ) {
        self.labels.push(label);
        let start = self.bytes.len();
        let flags = flags as u16 | libc::NLM_F_REQUEST as u16;
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&(self.labels.len() as u32).to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(header);
        body(&mut Attributes { bytes: &mut self.bytes });
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    fn label(&self, sequence: u32) -> &'static str {
        self.labels.get((sequence as usize).wrapping_sub(1)).copied().unwrap_or("request")
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Where a message's attributes go.
pub(crate) struct Attributes<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Attributes<'_> {
    /// Appends a fixed part, for attributes whose value begins with a header of its own.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        pad(self.bytes);
    }

    /// Appends an attribute.
    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        let length = (4 + value.len()) as u16;
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.raw(value);
    }

    /// Appends a number in the machine's byte order, as rtnetlink wants it.
    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// Appends a number in network byte order, as nf_tables wants it.
    pub(crate) fn be32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Appends a name, with the zero byte that ends it.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes);
    }

    /// Appends an attribute made of attributes.
    pub(crate) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.bytes.len();
        self.put(kind | NESTED, &[]);
        body(&mut Attributes { bytes: self.bytes });
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}

/// The attributes in `bytes`, by kind.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        let kind = u16_at(rest, 2)? & !NESTED;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The number at `offset` in the machine's byte order.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(offset..offset + 2)?.try_into().ok()?))
}

/// The number at `offset` in the machine's byte order.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

/// The number at `offset` in the machine's byte order.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

/// The kernel refused a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the message was for.
    pub(crate) label: &'static str,
    /// Why.
    pub(crate) errno: Errno,
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        let kind = io::Error::from(refusal.errno).kind();
        Self::new(kind, format!("the kernel refused {}: {}", refusal.label, refusal.errno.desc()))
    }
}

/// What came back for a request.
#[derive(Default)]
pub(crate) struct Reply {
    /// Messages it refused.
    pub(crate) refusals: Vec<Refusal>,
    /// Bodies of what it answered, without netlink header.
    pub(crate) bodies: Vec<Vec<u8>>,
}

impl Reply {
    /// Fails on the first refusal whose reason is not among `tolerated`.
    pub(crate) fn tolerating(self, tolerated: &[Errno]) -> io::Result<Vec<Vec<u8>>> {
        match self.refusals.iter().find(|refusal| !tolerated.contains(&refusal.errno)) {
            Some(refusal) => Err((*refusal).into()),
            None => Ok(self.bodies),
        }
    }
}

/// A netlink socket. It belongs to the network namespace of the thread that opened it, for good.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// A socket to the calling thread's network namespace.
    pub(crate) fn open(protocol: SockProtocol) -> io::Result<Self> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        // Beyond the system's limit only with privilege; without it large rule sets do not fit,
        // which `send` then says.
        if setsockopt(&fd, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
            setsockopt(&fd, sockopt::SndBuf, &SEND_BUFFER)?;
        }
        Ok(Self(fd))
    }

    /// Has the kernel carry out a request and collects its answers.
    pub(crate) fn request(&self, request: &Request) -> io::Result<Reply> {
        let fd = self.0.as_raw_fd();
        loop {
            match send(fd, &request.bytes, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(_) => break,
            }
        }
        let mut reply = Reply::default();
        let mut buffer = vec![0; REPLY_BUFFER];
        loop {
            match recv(fd, &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => read_datagram(&buffer[..length], request, &mut reply),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(reply),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

fn read_datagram(datagram: &[u8], request: &Request, reply: &mut Reply) {
    let mut rest = datagram;
    while let (Some(length), Some(kind), Some(sequence)) =
        (u32_at(rest, 0), u16_at(rest, 4), u32_at(rest, 8))
    {
        // A quoted request may be longer than the buffer; the error number stands before it.
        let end = (length as usize).clamp(HEADER, rest.len().max(HEADER));
        let Some(body) = rest.get(HEADER..end) else { return };
        match i32::from(kind) {
            libc::NLMSG_ERROR => {
                let code = u32_at(body, 0).map_or(0, |code| (code as i32).wrapping_neg());
                if code != 0 {
                    let (label, errno) = (request.label(sequence), Errno::from_raw(code));
                    reply.refusals.push(Refusal { label, errno });
                }
            }
            libc::NLMSG_DONE | libc::NLMSG_NOOP => {}
            _ => reply.bodies.push(body.to_vec()),
        }
        rest = rest.get(end.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_carry_length_sequence_and_padded_attributes() {
        let mut request = Request::default();
        request.message("first", 7, 0, &[1, 2, 3, 4], |body| {
            body.text(3, "ab");
            body.nest(9, |inner| inner.be32(1, 5));
        });
        request.message("second", 8, 0x400, &[], |_| {});
        let bytes = request.bytes();
        assert_eq!(u32_at(bytes, 0), Some(40));
        assert_eq!(u16_at(bytes, 4), Some(7));
        assert_eq!(bytes[20..28], [7, 0, 3, 0, b'a', b'b', 0, 0]);
        assert_eq!(bytes[28..40], [12, 0, 9, 0x80, 8, 0, 1, 0, 0, 0, 0, 5]);
        assert_eq!(u32_at(bytes, 40), Some(16));
        assert_eq!(u16_at(bytes, 46), Some(0x401));
        assert_eq!(u32_at(bytes, 48), Some(2));
        let read: Vec<_> = attributes(&bytes[20..40]).collect();
        assert_eq!(read, [(3, &b"ab\0"[..]), (9, &bytes[32..40])]);
    }

    #[test]
    fn a_refusal_names_the_message_it_is_for() {
        let mut request = Request::default();
        request.message("first", 7, 0, &[], |_| {});
        request.message("second", 7, 0, &[], |_| {});
        let mut datagram = Vec::new();
        for (sequence, code) in [(1u32, 0i32), (2, -17)] {
            datagram.extend_from_slice(&36u32.to_ne_bytes());
            datagram.extend_from_slice(&(libc::NLMSG_ERROR as u16).to_ne_bytes());
            datagram.extend_from_slice(&[0; 2]);
            datagram.extend_from_slice(&sequence.to_ne_bytes());
            datagram.extend_from_slice(&[0; 4]);
            datagram.extend_from_slice(&code.to_ne_bytes());
            datagram.extend_from_slice(&[0; 16]);
        }
        let mut reply = Reply::default();
        read_datagram(&datagram, &request, &mut reply);
        assert_eq!(reply.refusals, [Refusal { label: "second", errno: Errno::EEXIST }]);
        let error = reply.tolerating(&[]).expect_err("refused");
        assert_eq!(error.to_string(), "the kernel refused second: File exists");
    }

    #[test]
    fn broken_replies_end_the_reading_instead_of_the_program() {
        let request = Request::default();
        for length in 0..64usize {
            for claimed in [0u32, 1, 15, 16, 17, 4000] {
                let mut datagram = vec![2; length];
                if length >= 4 {
                    datagram[..4].copy_from_slice(&claimed.to_ne_bytes());
                }
                read_datagram(&datagram, &request, &mut Reply::default());
                attributes(&datagram).for_each(drop);
            }
        }
    }
}
