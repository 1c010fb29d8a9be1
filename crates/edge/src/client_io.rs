//! The client's socket under hyper: notes progress, and puts ALB's error page in the place of the
//! bare answer hyper gives to a request it cannot parse (ALB-ERR-1, ALB-ERR-6).

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::answer;
use crate::client::{Client, Phase};
use crate::socket::Socket;

/// A client's socket.
#[derive(Debug)]
pub(crate) struct ClientIo {
    socket: Socket,
    client: Rc<Client>,
    /// The page that replaces hyper's answer, and how much of it is written.
    page: Option<(Vec<u8>, usize)>,
}

impl ClientIo {
    pub(crate) fn new(stream: TcpStream, client: Rc<Client>) -> Self {
        Self { socket: Socket::new(stream), client, page: None }
    }

    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }

    /// Bytes written while no request is being answered are hyper's refusal of what it read.
    fn is_refusal(&self) -> bool {
        matches!(self.client.phase(), Phase::Idle | Phase::Head)
    }

    fn poll_write_page(&mut self, cx: &mut Context<'_>, refusal: &[u8]) -> Poll<io::Result<usize>> {
        let (page, written) =
            self.page.get_or_insert_with(|| (answer::raw_error(refusal_status(refusal)), 0));
        while *written < page.len() {
            let rest = [io::IoSlice::new(&page[*written..])];
            *written += ready!(self.socket.poll_write(cx, &rest))?;
        }
        Poll::Ready(Ok(refusal.len()))
    }

    fn poll_write_pieces(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_refusal() {
            let first = pieces.iter().find(|piece| !piece.is_empty()).map_or(&[][..], |p| p);
            return self.poll_write_page(cx, first);
        }
        let written = match self.socket.defer(pieces, &self.client) {
            Some(length) => length,
            None => ready!(self.socket.poll_write(cx, pieces))?,
        };
        if written > 0 {
            self.client.progress();
        }
        Poll::Ready(Ok(written))
    }
}

/// ALB has no 431; too large headers are a 400.
fn refusal_status(refusal: &[u8]) -> u16 {
    match refusal.get(9..12) {
        Some(b"414") => 414,
        _ => 400,
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.socket.poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.client.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_pieces(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_pieces(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.socket.is_listed() {
            ready!(self.socket.poll_flush(cx))?;
        }
        self.client.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_shutdown(cx)
    }
}
