//! The load client: requests at a fixed rate, open loop, every one of them accounted for.
//!
//! It judges the platform ("zero failed requests during a rolling deployment"), so it forgives
//! nothing: a request is good only when the whole answer came with a 2xx status. The one retry it
//! makes is the one every HTTP client makes, and it is counted.

mod connection_pool;
mod report;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::http1::Url;
use connection_pool::{Outcome, Pool};
use report::Recorder;
pub(crate) use report::Report;

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Requests go round robin over these.
    pub(crate) urls: Vec<Url>,
    /// Requests per second over all URLs.
    pub(crate) rate: u32,
    /// How long requests are begun.
    pub(crate) duration: Duration,
    /// Most connections per URL.
    pub(crate) connections: usize,
    /// Longest time to a complete answer.
    pub(crate) timeout: Duration,
}

/// Sends the requests and waits for every answer. SIGINT or SIGTERM ends it early.
pub(crate) fn run(options: &Options) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(send(options))
}

async fn send(options: &Options) -> anyhow::Result<Report> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let start = tokio::time::Instant::now();
    let pools: Vec<Arc<Pool>> = options
        .urls
        .iter()
        .map(|url| Arc::new(Pool::new(url.clone(), options.connections)))
        .collect();
    let recorder = Arc::new(Mutex::new(Recorder::new(&options.urls)));
    let mut in_flight = JoinSet::new();
    let total = (u128::from(options.rate) * options.duration.as_millis() / 1000) as u64;
    for number in 0..total {
        let due = start + Duration::from_secs_f64(number as f64 / f64::from(options.rate.max(1)));
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            _ = term.recv() => break,
            _ = interrupt.recv() => break,
        }
        let index = (number % pools.len().max(1) as u64) as usize;
        let Some(pool) = pools.get(index).cloned() else { break };
        let (recorder, timeout) = (recorder.clone(), options.timeout);
        in_flight.spawn(async move {
            let outcome = match tokio::time::timeout(timeout, pool.request()).await {
                Ok(outcome) => outcome,
                Err(_) => Outcome::failed(format!("no complete answer within {timeout:?}")),
            };
            // Latency counts from when the request was due, so that a stall is not hidden by the
            // requests it held up.
            let (at, latency) = (due - start, due.elapsed());
            if let Ok(mut recorder) = recorder.lock() {
                recorder.record(index, at, latency, outcome);
            }
        });
        while in_flight.try_join_next().is_some() {}
    }
    while in_flight.join_next().await.is_some() {}
    let elapsed = start.elapsed();
    let counts: Vec<_> = pools.iter().map(|pool| pool.counts()).collect();
    let recorder = recorder.lock().map_err(|_| anyhow::anyhow!("a request task panicked"))?;
    Ok(recorder.report(elapsed, options.rate, &counts))
}
