//! The request on its way to the target: head, then body as it comes from the client. The next
//! piece is asked for only when the last one is written, so a slow target slows the client down
//! and nothing piles up here.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Incoming};

use crate::client::Client;
use crate::request_check::Framing;
use crate::socket::Socket;

/// Why the request could not be sent.
#[derive(Debug)]
pub(crate) enum UploadError {
    /// The target does not take it.
    Target,
    /// The client's body is broken, or the client is gone.
    Client,
}

/// A request being sent.
#[derive(Debug)]
pub(crate) struct Upload {
    head: Vec<u8>,
    head_sent: usize,
    /// The target has closed its side: nothing more is sent.
    stopped: bool,
    /// Some of the body was taken from the client.
    touched: bool,
    /// `None` without a body, and once all of it is sent. Apart, because most requests have none
    /// and what is moved around for each request should be small.
    body: Option<Box<Sending>>,
}

/// A request body being sent.
#[derive(Debug)]
struct Sending {
    /// `None` once the client has sent all of it.
    body: Option<Incoming>,
    chunked: bool,
    /// Pieces not written yet: chunk size line, data, chunk end.
    pieces: [Bytes; 3],
    /// Waits for the target's 100 Continue.
    held: bool,
    waits_for_client: bool,
}

impl Upload {
    pub(crate) fn new(head: Vec<u8>, body: Incoming, framing: Framing, held: bool) -> Self {
        let chunked = framing == Framing::Chunked;
        // An empty chunked body still has its end to be sent.
        let has_body = chunked || (framing != Framing::None && !body.is_end_stream());
        let body = has_body.then(|| {
            Box::new(Sending {
                body: Some(body),
                chunked,
                pieces: Default::default(),
                held,
                waits_for_client: false,
            })
        });
        Self { head, head_sent: 0, stopped: false, touched: false, body }
    }

    /// All of it was sent.
    pub(crate) fn is_complete(&self) -> bool {
        self.body.is_none() && self.is_head_sent() && !self.stopped
    }

    /// The head is out.
    pub(crate) fn is_head_sent(&self) -> bool {
        self.head_sent == self.head.len()
    }

    /// Nothing of the body was taken from the client, so it can be sent again.
    pub(crate) fn can_restart(&self) -> bool {
        !self.stopped && !self.touched
    }

    /// Starts over on another connection.
    pub(crate) fn restart(&mut self) {
        self.head_sent = 0;
    }

    /// Whether the body waits for 100 Continue.
    pub(crate) fn is_held(&self) -> bool {
        self.body.as_ref().is_some_and(|sending| sending.held)
    }

    /// The target wants the body, or has had long enough to say so.
    pub(crate) fn release(&mut self) {
        if let Some(sending) = &mut self.body {
            sending.held = false;
        }
    }

    /// Gives up on the rest.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        self.body = None;
    }

    /// Whether it is the client that keeps us waiting.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.body.as_ref().is_some_and(|sending| sending.waits_for_client)
    }

    /// The head's buffer, to be used again.
    pub(crate) fn take_head(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.head)
    }

    /// Sends what can be sent now; ready when there is nothing left to send or to wait for.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        socket: &Socket,
        client: &Rc<Client>,
    ) -> Poll<Result<(), UploadError>> {
        if socket.has_failed() {
            return Poll::Ready(Err(UploadError::Target));
        }
        if !socket.is_listed()
            && socket.poll_flush(cx).map_err(|_| UploadError::Target)?.is_pending()
        {
            return Poll::Pending;
        }
        while self.head_sent < self.head.len() {
            let rest = [io::IoSlice::new(&self.head[self.head_sent..])];
            match send(cx, socket, &rest, client) {
                Poll::Ready(Ok(written)) if written > 0 => self.head_sent += written,
                Poll::Ready(_) => return Poll::Ready(Err(UploadError::Target)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let Some(sending) = &mut self.body else { return Poll::Ready(Ok(())) };
        if sending.held {
            return Poll::Ready(Ok(()));
        }
        self.touched = true;
        let poll = sending.poll(cx, socket, client);
        if matches!(poll, Poll::Ready(Ok(()))) {
            self.body = None;
        }
        poll
    }
}

/// With the round if it is small, at once if it is large.
fn send(
    cx: &mut Context<'_>,
    socket: &Socket,
    pieces: &[io::IoSlice<'_>],
    client: &Rc<Client>,
) -> Poll<io::Result<usize>> {
    match socket.defer(pieces, client) {
        Some(length) => Poll::Ready(Ok(length)),
        None => socket.poll_write(cx, pieces),
    }
}

impl Sending {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        socket: &Socket,
        client: &Rc<Client>,
    ) -> Poll<Result<(), UploadError>> {
        loop {
            while self.pieces.iter().any(|piece| !piece.is_empty()) {
                match self.poll_write_pieces(cx, socket, client) {
                    Poll::Ready(Ok(())) => client.progress(),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(UploadError::Target)),
                    Poll::Pending => {
                        self.waits_for_client = false;
                        return Poll::Pending;
                    }
                }
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => {
                    self.waits_for_client = true;
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are not passed on.
                    if let Ok(data) = frame.into_data() {
                        self.queue(data);
                    }
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(UploadError::Client)),
                Poll::Ready(None) => {
                    self.body = None;
                    self.waits_for_client = false;
                    if self.chunked {
                        self.pieces[0] = Bytes::from_static(b"0\r\n\r\n");
                    }
                }
            }
        }
    }

    fn queue(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        if self.chunked {
            self.pieces[0] = Bytes::from(format!("{:x}\r\n", data.len()));
            self.pieces[2] = Bytes::from_static(b"\r\n");
        }
        self.pieces[1] = data;
    }

    fn poll_write_pieces(
        &mut self,
        cx: &mut Context<'_>,
        socket: &Socket,
        client: &Rc<Client>,
    ) -> Poll<io::Result<()>> {
        let slices = self.pieces.each_ref().map(|piece| io::IoSlice::new(piece));
        let mut written = match send(cx, socket, &slices, client) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
            Poll::Pending => return Poll::Pending,
        };
        for piece in &mut self.pieces {
            let taken = written.min(piece.len());
            written -= taken;
            let _ = piece.split_to(taken);
        }
        Poll::Ready(Ok(()))
    }
}
