//! Kept connections to one URL.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::http1::{self, Answer, ExchangeError, Url};

/// What became of one request.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The complete answer, or why there is none.
    pub(super) result: Result<Answer, String>,
}

impl Outcome {
    pub(super) fn failed(why: String) -> Outcome {
        Outcome { result: Err(why) }
    }
}

/// What happened to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Requests sent again because a kept connection was closed in order before any answer.
    pub(super) reconnects: u64,
    /// Connections opened.
    pub(super) connections: u64,
}

/// At most so many connections, the most recently used one first.
pub(super) struct Pool {
    url: Url,
    request: Vec<u8>,
    free: Semaphore,
    idle: Mutex<Vec<TcpStream>>,
    reconnects: AtomicU64,
    connections: AtomicU64,
}

impl Pool {
    pub(super) fn new(url: Url, connections: usize) -> Pool {
        Pool {
            request: url.get_request(),
            url,
            free: Semaphore::new(connections.max(1)),
            idle: Mutex::new(Vec::new()),
            reconnects: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            reconnects: self.reconnects.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }

    /// Sends one request, waiting for a free connection first.
    pub(super) async fn request(&self) -> Outcome {
        let Ok(_permit) = self.free.acquire().await else {
            return Outcome::failed("the pool is closed".to_owned());
        };
        Outcome { result: self.exchange().await }
    }

    async fn exchange(&self) -> Result<Answer, String> {
        if let Some(mut stream) = self.take_idle() {
            match http1::exchange(&mut stream, &self.request).await {
                Err(ExchangeError::ClosedBeforeAnswer) => {
                    self.reconnects.fetch_add(1, Ordering::Relaxed);
                }
                other => return self.finish(stream, other),
            }
        }
        let mut stream = TcpStream::connect((self.url.host.as_str(), self.url.port))
            .await
            .map_err(|error| format!("cannot connect: {error}"))?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let outcome = http1::exchange(&mut stream, &self.request).await;
        self.finish(stream, outcome)
    }

    fn take_idle(&self) -> Option<TcpStream> {
        self.idle.lock().ok()?.pop()
    }

    fn finish(
        &self,
        stream: TcpStream,
        outcome: Result<Answer, ExchangeError>,
    ) -> Result<Answer, String> {
        let answer = outcome.map_err(|error| error.to_string())?;
        if answer.reusable
            && let Ok(mut idle) = self.idle.lock()
        {
            idle.push(stream);
        }
        Ok(answer)
    }
}
