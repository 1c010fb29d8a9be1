//! A socket whose small writes wait for the end of the worker's round. A round is what the worker
//! does between two looks at what has become ready; sending everything at its end, one after the
//! other, lets the processor run one kind of code at a time, wakes each receiver once for several
//! messages, and joins head and body of a message into one segment.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::client::Client;

/// Most bytes that wait at one socket; what is larger is written at once.
const MAX_WAITING: usize = 4 * 1024;

/// A socket, shared between its connection and the worker's [`Outbox`].
#[derive(Debug)]
pub(crate) struct Socket(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: RefCell<TcpStream>,
    /// Bytes accepted and not yet written.
    waiting: RefCell<BytesMut>,
    /// Listed in the outbox.
    listed: Cell<bool>,
    /// A write at the end of a round has failed.
    failed: Cell<bool>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(Rc::new(Shared {
            stream: RefCell::new(stream),
            waiting: RefCell::new(BytesMut::new()),
            listed: Cell::new(false),
            failed: Cell::new(false),
        }))
    }

    /// Takes the pieces, all or none, to write them at the end of the round. `client` is woken when
    /// that cannot be done then.
    pub(crate) fn defer(&self, pieces: &[io::IoSlice<'_>], client: &Rc<Client>) -> Option<usize> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut waiting = self.0.waiting.borrow_mut();
        if waiting.len() + length > MAX_WAITING || self.0.failed.get() {
            return None;
        }
        for piece in pieces {
            waiting.extend_from_slice(piece);
        }
        // What is left over from an earlier round waits for room in the kernel already.
        if !self.0.listed.get() && waiting.len() == length {
            self.0.listed.set(true);
            client.outbox.push(self.0.clone(), client.clone());
        }
        Some(length)
    }

    /// Whether accepted bytes are not yet written.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.0.waiting.borrow().is_empty()
    }

    /// Whether the end of this round takes care of what waits.
    pub(crate) fn is_listed(&self) -> bool {
        self.0.listed.get()
    }

    /// A write at the end of a round has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.failed.get()
    }

    /// Writes what waits, now.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut waiting = self.0.waiting.borrow_mut();
        while !waiting.is_empty() {
            if self.0.failed.get() {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let written = ready!(Pin::new(&mut *self.stream()).poll_write(cx, &waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            waiting.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes past the round, behind what waits.
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut *self.stream()).poll_write_vectored(cx, pieces)
    }

    /// Closes the writing side, behind what waits.
    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut *self.stream()).poll_shutdown(cx)
    }

    /// Reads some bytes; 0 is the end.
    pub(crate) fn poll_fill(
        &self,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        pin!(self.stream().read_buf(buf)).poll(cx)
    }

    /// Reads some bytes.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_read(cx, buf)
    }

    /// Whether the other side said nothing while the connection was idle. Costs no system call in
    /// the usual case: the reactor has already noted whether there is something to read.
    pub(crate) fn is_quiet(&self) -> bool {
        let stream = self.stream();
        match stream.poll_read_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => true,
            Poll::Ready(Err(_)) => false,
            Poll::Ready(Ok(())) => {
                let read = stream.try_read(&mut [0u8; 1]);
                matches!(read, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
            }
        }
    }

    fn stream(&self) -> std::cell::RefMut<'_, TcpStream> {
        self.0.stream.borrow_mut()
    }
}

impl Shared {
    /// Writes what can be written without waiting; whether the owner has something to do.
    fn write_out(&self) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            return false;
        }
        match self.stream.borrow().try_write(&waiting) {
            Ok(written) if written > 0 => waiting.advance(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => self.failed.set(true),
        }
        !waiting.is_empty()
    }
}

/// The sockets of a worker that have something to write at the end of the round.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    listed: RefCell<Vec<(Rc<Shared>, Rc<Client>)>>,
    waker: RefCell<Option<Waker>>,
}

impl Outbox {
    fn push(&self, socket: Rc<Shared>, client: Rc<Client>) {
        let mut listed = self.listed.borrow_mut();
        listed.push((socket, client));
        // The first of the round: the writer comes to stand behind the tasks that are ready now.
        if listed.len() == 1
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Writes at the end of every round, for ever.
    pub(crate) async fn run(&self) {
        let mut batch = Vec::new();
        poll_fn(|cx| {
            let mut waker = self.waker.borrow_mut();
            if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            drop(waker);
            std::mem::swap(&mut batch, &mut *self.listed.borrow_mut());
            for (socket, client) in batch.drain(..) {
                socket.listed.set(false);
                if socket.write_out() {
                    client.wake();
                }
            }
            Poll::<()>::Pending
        })
        .await;
    }
}
