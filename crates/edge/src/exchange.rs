//! One request and its answer on one connection to a target. Sending and reading go on at the same
//! time, because a target may answer before it has the whole request.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::StatusCode;

use crate::client::{Client, Phase};
use crate::response_head::{self, BodyFraming, InvalidHead, ResponseHead};
use crate::target::Target;
use crate::upload::{Upload, UploadError};
use crate::upstream::Upstream;
use crate::worker::Local;

/// ALB-ERR-4: a connection to a target must be there by then (real milliseconds).
const CONNECT_TIMEOUT_MS: u64 = 10_000;
/// How long a client that expects 100 Continue waits for a target that does not know it.
const CONTINUE_PATIENCE_MS: u64 = 1_000;
/// Interim answers (1xx) a target may send before the real one.
const MAX_INTERIM: u32 = 16;

/// Why there is no answer from the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The target refused the connection, or it could not be made.
    Connect,
    /// The target did not take the connection in time.
    ConnectTimeout,
    /// A kept connection turned out to be closed before anything came back: worth a new one.
    Stale,
    /// The target closed or reset the connection, answered nonsense, or its time is over.
    Broken,
    /// The target said nothing for the idle timeout.
    Silent,
    /// The client said nothing for the idle timeout while its body was awaited.
    ClientSilent,
    /// The client's body is malformed, or the client is gone.
    ClientBroken,
}

impl Failure {
    /// The balancer's answer (ALB-ERR-1, -2, -4).
    pub(crate) fn status(self) -> u16 {
        match self {
            Failure::Connect | Failure::Stale | Failure::Broken => 502,
            Failure::ConnectTimeout | Failure::Silent => 504,
            Failure::ClientSilent => 408,
            Failure::ClientBroken => 400,
        }
    }
}

/// A request on a connection.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) upstream: Box<Upstream>,
    pub(crate) upload: Upload,
    is_head: bool,
    interim: u32,
    heard: bool,
}

/// A connection to the target, within the time ALB gives it.
pub(crate) async fn connect(
    client: &Client,
    target: &Arc<Target>,
) -> Result<Box<Upstream>, Failure> {
    client.connecting(CONNECT_TIMEOUT_MS);
    let mut connecting = pin!(Upstream::connect(target));
    let result = poll_fn(|cx| {
        if client.is_cut() {
            return Poll::Ready(Err(Failure::Broken));
        }
        if client.expired() {
            return Poll::Ready(Err(Failure::ConnectTimeout));
        }
        connecting.as_mut().poll(cx).map_ok(Box::new).map_err(|e| match e.kind() {
            std::io::ErrorKind::TimedOut => Failure::ConnectTimeout,
            _ => Failure::Connect,
        })
    })
    .await;
    client.enter(Phase::Busy);
    result
}

impl Exchange {
    pub(crate) fn new(upstream: Box<Upstream>, upload: Upload, is_head: bool) -> Self {
        Self { upstream, upload, is_head, interim: 0, heard: false }
    }

    /// The connection is of no use: tries again on another one.
    pub(crate) fn replace(&mut self, upstream: Box<Upstream>) {
        self.upstream = upstream;
        self.upload.restart();
        self.heard = false;
    }

    /// Sends the request, waits for the head of the final answer.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        client: &Rc<Client>,
    ) -> Poll<Result<ResponseHead, Failure>> {
        if client.is_cut() {
            return Poll::Ready(Err(Failure::Broken));
        }
        if client.expired() {
            let waits = self.upload.waits_for_client();
            return Poll::Ready(Err(if waits { Failure::ClientSilent } else { Failure::Silent }));
        }
        if let Err(failure) = self.send(cx, client) {
            return Poll::Ready(Err(failure));
        }
        if !self.upload.is_head_sent() {
            return Poll::Pending;
        }
        loop {
            while !self.upstream.buf.is_empty() {
                match self.parse(client) {
                    Ok(None) => break,
                    Ok(Some(head)) if is_interim(head.status) => {
                        self.interim += 1;
                        if self.interim > MAX_INTERIM {
                            return Poll::Ready(Err(Failure::Broken));
                        }
                        if head.status == StatusCode::CONTINUE && self.upload.is_held() {
                            self.upload.release();
                            client.clear_alarm();
                            if let Err(failure) = self.send(cx, client) {
                                return Poll::Ready(Err(failure));
                            }
                        }
                    }
                    Ok(Some(head)) => return Poll::Ready(Ok(head)),
                    Err(invalid) => {
                        tracing::debug!(%invalid, "502");
                        return Poll::Ready(Err(Failure::Broken));
                    }
                }
            }
            match self.upstream.poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(read)) if read > 0 => {
                    self.heard = true;
                    client.progress();
                }
                Poll::Ready(_) => {
                    return Poll::Ready(Err(self.lost()));
                }
            }
        }
    }

    /// The connection is of no use; whether a new one may be tried.
    fn lost(&self) -> Failure {
        let stale = self.upstream.reused && !self.heard && self.upload.can_restart();
        if stale { Failure::Stale } else { Failure::Broken }
    }

    fn parse(&mut self, client: &Client) -> Result<Option<ResponseHead>, InvalidHead> {
        response_head::parse(&mut self.upstream.buf, self.is_head, &client.spare_headers)
    }

    /// Goes on sending. A target that stops listening may still have answered, so that alone is no
    /// failure: reading decides.
    pub(crate) fn send(
        &mut self,
        cx: &mut Context<'_>,
        client: &Rc<Client>,
    ) -> Result<(), Failure> {
        if self.upload.is_held() && client.alarm_rang() {
            client.clear_alarm();
            self.upload.release();
        }
        let before = self.upload.is_head_sent();
        match self.upload.poll_send(cx, &self.upstream.socket, client) {
            Poll::Ready(Err(UploadError::Client)) => return Err(Failure::ClientBroken),
            // Nothing of a body is on its way, so no answer can be either.
            Poll::Ready(Err(UploadError::Target)) if self.upload.can_restart() => {
                return Err(self.lost());
            }
            Poll::Ready(Err(UploadError::Target)) => self.upload.stop(),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if !before && self.upload.is_head_sent() && self.upload.is_held() {
            client.set_alarm(CONTINUE_PATIENCE_MS);
        }
        Ok(())
    }

    /// The answer is complete: the connection goes back to the pool if both sides are done with it.
    pub(crate) fn finish(mut self, local: &Rc<Local>, framing: BodyFraming, keep_alive: bool) {
        let reusable = keep_alive && framing != BodyFraming::UntilClose;
        let complete = self.upload.is_complete();
        local.give_scratch(self.upload.take_head());
        if reusable && complete {
            local.pool.borrow_mut().put(self.upstream, local.clock.now_ms());
        }
    }
}

fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}
