//! What became of the requests, added up.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::connection_pool::{Counts, Outcome};
use crate::http1::Url;

/// How many failures are listed; all are counted.
const ERRORS_MAX: usize = 20;

/// The result of a load run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Report {
    /// Requests begun.
    pub(crate) sent: u64,
    /// Complete answers with a 2xx status.
    pub(crate) ok: u64,
    /// All others.
    pub(crate) failed: u64,
    /// Complete answers by status.
    pub(crate) by_status: BTreeMap<String, u64>,
    /// The first 20 failures.
    pub(crate) errors: Vec<Failed>,
    /// From when a request was due to its complete answer; all requests.
    pub(crate) latency_ms: Latency,
    /// Good answers by the `revision` they name.
    pub(crate) by_revision: BTreeMap<String, u64>,
    /// Good answers by the `task` they name.
    pub(crate) by_task: BTreeMap<String, u64>,
    /// Requests sent again because a kept connection was closed in order before any answer.
    pub(crate) reconnects: u64,
    /// Connections opened.
    pub(crate) connections: u64,
    /// Requests per second asked for.
    pub(crate) rate: u32,
    /// How long it took.
    pub(crate) elapsed_ms: u64,
    /// The same by URL.
    pub(crate) urls: Vec<UrlReport>,
}

/// One failed request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failed {
    /// When it was due, from the start of the run.
    pub(crate) at_ms: u64,
    /// Where it went.
    pub(crate) url: String,
    /// What happened.
    pub(crate) error: String,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// The requests to one URL.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct UrlReport {
    pub(crate) url: String,
    pub(crate) sent: u64,
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    pub(crate) by_status: BTreeMap<String, u64>,
    pub(crate) by_revision: BTreeMap<String, u64>,
}

/// Adds outcomes up as they come.
pub(super) struct Recorder {
    report: Report,
    latencies_us: Vec<u64>,
}

impl Recorder {
    pub(super) fn new(urls: &[Url]) -> Recorder {
        let urls = urls
            .iter()
            .map(|url| UrlReport { url: url.to_string(), ..UrlReport::default() })
            .collect();
        Recorder { report: Report { urls, ..Report::default() }, latencies_us: Vec::new() }
    }

    /// One request, due at `at` from the start, is over after `latency`.
    pub(super) fn record(&mut self, url: usize, at: Duration, latency: Duration, outcome: Outcome) {
        let Recorder { report, latencies_us } = self;
        let Some(of_url) = report.urls.get_mut(url) else { return };
        report.sent += 1;
        of_url.sent += 1;
        latencies_us.push(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        let error = match outcome.result {
            Err(error) => error,
            Ok(answer) => {
                let status = answer.status.to_string();
                *report.by_status.entry(status.clone()).or_default() += 1;
                *of_url.by_status.entry(status).or_default() += 1;
                if (200..300).contains(&answer.status) {
                    report.ok += 1;
                    of_url.ok += 1;
                    if let Ok(body) = serde_json::from_slice::<serde_json::Value>(&answer.body) {
                        if let Some(revision) = body["revision"].as_str() {
                            *report.by_revision.entry(revision.to_owned()).or_default() += 1;
                            *of_url.by_revision.entry(revision.to_owned()).or_default() += 1;
                        }
                        if let Some(task) = body["task"].as_str() {
                            *report.by_task.entry(task.to_owned()).or_default() += 1;
                        }
                    }
                    return;
                }
                let body = String::from_utf8_lossy(&answer.body);
                let start: String = body.chars().take(200).collect();
                format!("status {}: {}", answer.status, start.trim())
            }
        };
        report.failed += 1;
        of_url.failed += 1;
        if report.errors.len() < ERRORS_MAX {
            let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
            report.errors.push(Failed { at_ms, url: of_url.url.clone(), error });
        }
    }

    /// The sums so far.
    pub(super) fn report(&self, elapsed: Duration, rate: u32, pools: &[Counts]) -> Report {
        let mut report = self.report.clone();
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        report.latency_ms = Latency {
            p50: percentile(&sorted, 50),
            p99: percentile(&sorted, 99),
            max: percentile(&sorted, 100),
        };
        report.reconnects = pools.iter().map(|counts| counts.reconnects).sum();
        report.connections = pools.iter().map(|counts| counts.connections).sum();
        report.rate = rate;
        report.elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        report.errors.sort_by_key(|error| error.at_ms);
        report
    }
}

/// Nearest rank, in milliseconds; 0 without any.
fn percentile(sorted_us: &[u64], percent: usize) -> f64 {
    let rank = (sorted_us.len() * percent).div_ceil(100);
    sorted_us.get(rank.saturating_sub(1)).map_or(0.0, |us| *us as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let sorted: Vec<u64> = (1..=200).map(|n| n * 1000).collect();
        let all = [50, 99, 100].map(|percent| percentile(&sorted, percent));
        assert_eq!(all, [100.0, 198.0, 200.0]);
        assert_eq!(percentile(&[], 50), 0.0);
        assert_eq!(percentile(&[7000], 1), 7.0);
    }
}
