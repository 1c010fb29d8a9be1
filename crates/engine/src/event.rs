//! Everything that can start work in the engine. Whatever is not in this list cannot happen.

use std::sync::mpsc::{Receiver, SyncSender};

use neargate_core::input::Observation;
use neargate_edge::control::{FromEdge, ToEdge};

use crate::api::{Request, Response};
use crate::aws::AwsCall;
use crate::metadata::MetadataCall;

/// One thing that happened outside the main loop.
#[derive(Debug)]
pub(crate) enum Event {
    /// A task's driver reports.
    Observed(Observation),
    /// Somebody asks.
    Request(Request, Reply),
    /// A client of the AWS endpoint asks.
    Aws(AwsCall),
    /// A task asks about itself.
    Metadata(MetadataCall),
    /// A test suite wants an empty platform; answered like a command.
    Reset(Reply),
    /// An edge answers on its socket.
    EdgeConnected(EdgeConnection),
    /// The edge of that connection reports.
    EdgeSaid(u64, FromEdge),
    /// That connection is over.
    EdgeLost(u64),
    /// The edge has ended after it was told to.
    EdgeGone,
    /// A signal: stop the engine, leave everything else running.
    Stop,
}

/// A connection to an edge.
#[derive(Debug)]
pub(crate) struct EdgeConnection {
    /// Distinguishes this connection from earlier ones.
    pub(crate) number: u64,
    /// The edge's process id.
    pub(crate) pid: u32,
    /// What is to be told to it. Bounded; an edge that does not read loses the connection.
    pub(crate) outbox: SyncSender<ToEdge>,
}

/// Where an answer goes.
#[derive(Debug)]
pub(crate) struct Reply {
    to: tokio::sync::oneshot::Sender<Response>,
    /// Disconnected once the answer has been handed to the system.
    written: Receiver<()>,
}

/// The asking side of a [`Reply`].
pub(crate) struct Answer {
    /// The answer itself.
    pub(crate) response: tokio::sync::oneshot::Receiver<Response>,
    /// To be dropped once the answer has been handed on.
    pub(crate) written: SyncSender<()>,
}

impl Reply {
    /// Both sides.
    pub(crate) fn pair() -> (Reply, Answer) {
        let (to, response) = tokio::sync::oneshot::channel();
        let (written, on_written) = std::sync::mpsc::sync_channel(0);
        (Reply { to, written: on_written }, Answer { response, written })
    }

    /// Answers. Whoever asked may have gone; that is their affair.
    pub(crate) fn send(self, response: Response) {
        let _gone = self.to.send(response);
    }

    /// Answers and waits until the answer is on its way, for the last answers of a process.
    pub(crate) fn send_and_wait(self, response: Response, timeout: std::time::Duration) {
        if self.to.send(response).is_ok() {
            let _disconnected = self.written.recv_timeout(timeout);
        }
    }
}
