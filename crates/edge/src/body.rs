//! The body of an answer on its way to the client: held whole when it came with the head, streamed
//! otherwise. The next piece is read from the target only when the client has room for it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::chunked::{ChunkedDecoder, Decoded};
use crate::client::Client;
use crate::exchange::Exchange;
use crate::response_head::BodyFraming;
use crate::target::InFlight;
use crate::worker::Local;

/// A body for a client.
#[derive(Debug)]
pub(crate) enum ProxyBody {
    /// Nothing.
    Empty,
    /// All of it.
    Full(Option<Bytes>),
    /// Still coming from the target.
    Stream(Box<StreamBody>),
}

impl ProxyBody {
    /// A body that is all here.
    pub(crate) fn full(bytes: Bytes) -> Self {
        ProxyBody::Full(Some(bytes))
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            ProxyBody::Empty => Poll::Ready(None),
            ProxyBody::Full(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            ProxyBody::Stream(stream) => {
                stream.poll_data(cx).map(|data| data.map(|data| data.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ProxyBody::Empty => true,
            ProxyBody::Full(bytes) => bytes.is_none(),
            ProxyBody::Stream(stream) => stream.open.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ProxyBody::Empty => SizeHint::with_exact(0),
            ProxyBody::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            ProxyBody::Stream(stream) => match stream.rest {
                Rest::Length(left) => SizeHint::with_exact(left),
                Rest::Chunked(_) | Rest::UntilClose => SizeHint::default(),
            },
        }
    }
}

#[derive(Debug)]
enum Rest {
    Length(u64),
    Chunked(ChunkedDecoder),
    UntilClose,
}

/// A body still coming from the target, with everything that ends when it does.
#[derive(Debug)]
pub(crate) struct StreamBody {
    /// `None` once the body is complete.
    open: Option<(Exchange, InFlight)>,
    rest: Rest,
    framing: BodyFraming,
    keep_alive: bool,
    client: Rc<Client>,
    local: Rc<Local>,
}

impl StreamBody {
    pub(crate) fn new(
        exchange: Exchange,
        flight: InFlight,
        framing: BodyFraming,
        keep_alive: bool,
        client: Rc<Client>,
        local: Rc<Local>,
    ) -> Self {
        let rest = match framing {
            BodyFraming::Empty => Rest::Length(0),
            BodyFraming::Length(length) => Rest::Length(length),
            BodyFraming::Chunked => Rest::Chunked(ChunkedDecoder::new()),
            BodyFraming::UntilClose => Rest::UntilClose,
        };
        Self { open: Some((exchange, flight)), rest, framing, keep_alive, client, local }
    }

    /// The target owes nothing more.
    fn finish(&mut self) {
        if let Some((exchange, flight)) = self.open.take() {
            exchange.finish(&self.local, self.framing, self.keep_alive);
            drop(flight);
            self.client.clear_target();
            self.client.answered();
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let fail = |kind: io::ErrorKind, text: &str| {
            Poll::Ready(Some(Err(io::Error::new(kind, text.to_owned()))))
        };
        let Some((exchange, _)) = &mut self.open else { return Poll::Ready(None) };
        if self.client.is_cut() {
            return fail(
                io::ErrorKind::ConnectionAborted,
                "the target's deregistration delay is over",
            );
        }
        if self.client.expired() {
            return fail(io::ErrorKind::TimedOut, "nothing moved for the idle timeout");
        }
        if !exchange.upload.is_complete() && exchange.send(cx, &self.client).is_err() {
            return fail(io::ErrorKind::ConnectionAborted, "the client's body is broken");
        }
        loop {
            let buf = &mut exchange.upstream.buf;
            match &mut self.rest {
                Rest::Length(left) if !buf.is_empty() => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
                    let data = buf.split_to(take).freeze();
                    *left -= take as u64;
                    if *left == 0 {
                        self.finish();
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Rest::UntilClose if !buf.is_empty() => {
                    return Poll::Ready(Some(Ok(buf.split().freeze())));
                }
                Rest::Chunked(decoder) => match decoder.decode(buf) {
                    Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(data))),
                    Ok(Decoded::NeedMore) => {}
                    Ok(Decoded::Done) => {
                        self.finish();
                        return Poll::Ready(None);
                    }
                    Err(_) => return fail(io::ErrorKind::InvalidData, "malformed chunk"),
                },
                Rest::Length(_) | Rest::UntilClose => {}
            }
            match exchange.upstream.poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) if matches!(self.rest, Rest::UntilClose) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(0)) => {
                    return fail(io::ErrorKind::UnexpectedEof, "the target's body ended early");
                }
                Poll::Ready(Ok(_)) => self.client.progress(),
                Poll::Ready(Err(e)) => return Poll::Ready(Some(Err(e))),
            }
        }
    }
}
