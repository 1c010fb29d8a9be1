//! Tells the engine, if one listens, that a container's files have changed.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use crate::layout::{ContainerSpec, short_path};

/// How soon a ring that found the engine too busy is tried again.
const RETRY_MS: u64 = 20;

pub(super) struct Doorbell {
    socket: PathBuf,
    message: Vec<u8>,
    unheard: bool,
}

impl Doorbell {
    pub(super) fn new(spec: &ContainerSpec) -> Self {
        let message = format!("{}/{}", spec.task, spec.container).into_bytes();
        Self { socket: spec.socket.clone(), message, unheard: false }
    }

    /// Rings. With no engine there nothing is lost: one that starts looks at every container.
    pub(super) fn ring(&mut self) {
        self.unheard = matches!(self.send(), Err(e) if e.kind() == io::ErrorKind::WouldBlock);
    }

    /// Rings once more if the engine was too busy to take the last ring.
    pub(super) fn ring_again(&mut self) {
        if self.unheard {
            self.ring();
        }
    }

    /// When to call [`Self::ring_again`], in milliseconds from now.
    pub(super) fn retry_ms(&self) -> Option<u64> {
        self.unheard.then_some(RETRY_MS)
    }

    fn send(&self) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let (path, _keeps_it_valid) = short_path(&self.socket)?;
        socket.connect(path)?;
        socket.send(&self.message)?;
        Ok(())
    }
}
