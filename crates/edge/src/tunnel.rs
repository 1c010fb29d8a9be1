//! A WebSocket or any other upgraded connection: bytes both ways until one side is done, the idle
//! timeout passes, or the target's time is over.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};

use crate::client::{Client, Phase};
use crate::socket::Socket;
use crate::target::InFlight;
use crate::upstream::Upstream;

/// Most bytes held in each direction.
const BUFFER: usize = 16 * 1024;

/// The target's side of an accepted upgrade. Counts as a request in flight.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) upstream: Box<Upstream>,
    pub(crate) flight: InFlight,
}

/// One direction.
struct Flow {
    buf: BytesMut,
    ended: bool,
    shut: bool,
}

impl Flow {
    fn new(first: &[u8]) -> Self {
        Self { buf: BytesMut::from(first), ended: false, shut: false }
    }

    /// Moves what can be moved; ready when this direction is over.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &Socket,
        to: &Socket,
        client: &Client,
    ) -> Poll<io::Result<()>> {
        loop {
            while !self.buf.is_empty() {
                match to.poll_write(cx, &[io::IoSlice::new(&self.buf)]) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(written)) => {
                        self.buf.advance(written);
                        client.progress();
                    }
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.shut {
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                match to.poll_shutdown(cx) {
                    Poll::Ready(_) => self.shut = true,
                    Poll::Pending => return Poll::Pending,
                }
                continue;
            }
            self.buf.reserve(BUFFER);
            match from.poll_fill(cx, &mut self.buf) {
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Ok(_)) => client.progress(),
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Runs a tunnel to its end. `early` is what the client sent right behind its request. `over` is
/// asked on every wake-up whether the tunnel must end.
pub(crate) async fn run(
    client_side: &Socket,
    early: Bytes,
    tunnel: Tunnel,
    client: &Client,
    mut over: impl FnMut() -> bool,
) {
    let Tunnel { upstream, flight } = tunnel;
    client.enter(Phase::Busy);
    let mut up = Flow::new(&early);
    let mut down = Flow::new(&upstream.buf);
    let _ = poll_fn(|cx| {
        client.register(cx.waker());
        if client.is_cut() || client.expired() || over() {
            return Poll::Ready(Ok(()));
        }
        let up = up.poll(cx, client_side, &upstream.socket, client)?;
        let down = down.poll(cx, &upstream.socket, client_side, client)?;
        match (up, down) {
            (Poll::Ready(()), Poll::Ready(())) => Poll::Ready(io::Result::Ok(())),
            _ => Poll::Pending,
        }
    })
    .await;
    drop(flight);
    client.clear_target();
}
