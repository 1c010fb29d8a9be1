//! Connections to targets, and each worker's pool of idle ones.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;

use crate::socket::Socket;
use crate::target::{OpenConnection, Target};

/// Room made before each read of a head or a small body.
const READ_SIZE: usize = 8 * 1024;
/// Room once a body has proved to be large.
const LARGE_READ_SIZE: usize = 64 * 1024;
/// Idle connections a worker keeps per target.
const MAX_IDLE_PER_TARGET: usize = 256;
/// Idle connections are closed after this long (ALB-HDR-7: targets keep alive longer than 60 s).
const IDLE_TIMEOUT_MS: u64 = 55_000;

/// A connection to a target.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) socket: Socket,
    /// What was read and not yet used.
    pub(crate) buf: BytesMut,
    /// It has carried a request before.
    pub(crate) reused: bool,
    read_size: usize,
    open: OpenConnection,
}

impl Upstream {
    /// A new connection. Counted as open from the first attempt.
    pub(crate) async fn connect(target: &Arc<Target>) -> io::Result<Self> {
        let open = OpenConnection::new(target);
        let stream = target.sources.connect(target.address).await?;
        Ok(Self {
            socket: Socket::new(stream),
            buf: BytesMut::new(),
            reused: false,
            read_size: READ_SIZE,
            open,
        })
    }

    /// Reads some bytes; 0 is the end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buf.capacity() - self.buf.len() < self.read_size {
            self.buf.reserve(self.read_size);
        }
        let poll = self.socket.poll_fill(cx, &mut self.buf);
        if matches!(poll, Poll::Ready(Ok(n)) if n >= READ_SIZE) {
            self.read_size = LARGE_READ_SIZE;
        }
        poll
    }
}

/// Idle connections of one worker, by target.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: HashMap<usize, Vec<Idle>, PointerHash>,
}

#[derive(Debug)]
struct Idle {
    upstream: Box<Upstream>,
    since_ms: u64,
}

fn key(target: &Arc<Target>) -> usize {
    Arc::as_ptr(target) as usize
}

impl Pool {
    /// The connection used last that is still good.
    pub(crate) fn take(&mut self, target: &Arc<Target>) -> Option<Box<Upstream>> {
        let idle = self.idle.get_mut(&key(target))?;
        while let Some(entry) = idle.pop() {
            if entry.upstream.socket.is_quiet() {
                return Some(entry.upstream);
            }
        }
        None
    }

    /// Keeps a connection for later, unless its target is draining.
    pub(crate) fn put(&mut self, mut upstream: Box<Upstream>, now_ms: u64) {
        let clean = upstream.buf.is_empty() && !upstream.socket.has_waiting();
        if upstream.open.target().is_draining() || !clean {
            return;
        }
        upstream.reused = true;
        upstream.read_size = READ_SIZE;
        let idle = self.idle.entry(key(upstream.open.target())).or_default();
        if idle.len() < MAX_IDLE_PER_TARGET {
            idle.push(Idle { upstream, since_ms: now_ms });
        }
    }

    /// Closes the idle connections to this target.
    pub(crate) fn purge(&mut self, target: &Arc<Target>) {
        self.idle.remove(&key(target));
    }

    /// Closes what has been idle for long, or was closed by the target.
    pub(crate) fn sweep(&mut self, now_ms: u64) {
        self.idle.retain(|_, idle| {
            idle.retain(|entry| {
                now_ms.saturating_sub(entry.since_ms) < IDLE_TIMEOUT_MS
                    && entry.upstream.socket.is_quiet()
            });
            !idle.is_empty()
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.idle.is_empty()
    }

    /// Closes all of them.
    pub(crate) fn clear(&mut self) {
        self.idle.clear();
    }
}

/// Addresses of allocations need no defence against collisions, only spreading.
#[derive(Clone, Copy, Debug, Default)]
struct PointerHash;

impl std::hash::BuildHasher for PointerHash {
    type Hasher = PointerHasher;
    fn build_hasher(&self) -> PointerHasher {
        PointerHasher(0)
    }
}

struct PointerHasher(u64);

impl std::hash::Hasher for PointerHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    fn write_usize(&mut self, value: usize) {
        self.0 = (value as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}
