//! The request on its way to the target: head, then body as it comes from the client. The next
//! piece is asked for only when the last one is written, so a slow target slows the client down
//! and nothing piles up here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use crate::client::Client;
use crate::request_head::Framing;

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
    body: Option<Incoming>,
    framing: Framing,
    /// Pieces not written yet: chunk size line, data, chunk end.
    pieces: [Bytes; 3],
    /// The body waits for the target's 100 Continue.
    held: bool,
    touched: bool,
    /// The target has closed its side: nothing more is sent.
    stopped: bool,
    waits_for_client: bool,
}

impl Upload {
    pub(crate) fn new(head: Vec<u8>, body: Incoming, framing: Framing, held: bool) -> Self {
        let has_body = framing != Framing::None && !body.is_end_stream();
        // An empty chunked body still has its end to be sent.
        let body = (has_body || framing == Framing::Chunked).then_some(body);
        Self {
            head,
            head_sent: 0,
            body,
            framing,
            pieces: [Bytes::new(), Bytes::new(), Bytes::new()],
            held,
            touched: false,
            stopped: false,
            waits_for_client: false,
        }
    }

    /// All of it was sent.
    pub(crate) fn is_complete(&self) -> bool {
        self.body.is_none()
            && self.head_sent == self.head.len()
            && self.pieces.iter().all(Bytes::is_empty)
            && !self.stopped
    }

    /// The head is out.
    pub(crate) fn is_head_sent(&self) -> bool {
        self.head_sent == self.head.len()
    }

    /// Nothing of the body was taken from the client, so it can be sent again.
    pub(crate) fn can_restart(&self) -> bool {
        !self.touched
    }

    /// Starts over on another connection.
    pub(crate) fn restart(&mut self) {
        self.head_sent = 0;
        self.stopped = false;
    }

    /// Whether the body waits for 100 Continue.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// The target wants the body, or has had long enough to say so.
    pub(crate) fn release(&mut self) {
        self.held = false;
    }

    /// Gives up on the rest.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        self.body = None;
    }

    /// Whether it is the client that keeps us waiting.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.waits_for_client
    }

    /// The head's buffer, to be used again.
    pub(crate) fn take_head(&mut self) -> Vec<u8> {
        self.head_sent = 0;
        std::mem::take(&mut self.head)
    }

    /// Sends what can be sent now; ready when there is nothing left to send or to wait for.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        client: &Client,
    ) -> Poll<Result<(), UploadError>> {
        while self.head_sent < self.head.len() {
            let rest = &self.head[self.head_sent..];
            match Pin::new(&mut *stream).poll_write(cx, rest) {
                Poll::Ready(Ok(written)) if written > 0 => self.head_sent += written,
                Poll::Ready(_) => return Poll::Ready(Err(UploadError::Target)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.held || self.stopped {
            return Poll::Ready(Ok(()));
        }
        loop {
            while self.pieces.iter().any(|piece| !piece.is_empty()) {
                match self.poll_write_pieces(cx, stream) {
                    Poll::Ready(Ok(())) => client.progress(),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(UploadError::Target)),
                    Poll::Pending => {
                        self.waits_for_client = false;
                        return Poll::Pending;
                    }
                }
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            self.touched = true;
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
                    if self.framing == Framing::Chunked {
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
        if self.framing == Framing::Chunked {
            self.pieces[0] = Bytes::from(format!("{:x}\r\n", data.len()));
            self.pieces[2] = Bytes::from_static(b"\r\n");
        }
        self.pieces[1] = data;
    }

    fn poll_write_pieces(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
    ) -> Poll<io::Result<()>> {
        let slices = self.pieces.each_ref().map(|piece| io::IoSlice::new(piece));
        let mut written = match Pin::new(stream).poll_write_vectored(cx, &slices) {
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
