//! `neargate load`

use std::time::Duration;

use clap::Args;

use crate::failure::Failure;
use crate::http1::Url;
use crate::load::{Options, Report, run};
use crate::out;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  neargate load http://127.0.0.1:8080/test/user --rate 200 --duration 10
  neargate load URL1 URL2 --json        round robin over several URLs
Exit code 1 when any request failed.")]
pub(crate) struct Load {
    /// Where requests go, in turn
    #[arg(required = true)]
    urls: Vec<Url>,
    /// Requests per second, over all URLs
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Seconds during which requests are begun
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    duration: f64,
    /// Most connections per URL
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Seconds after which a request without a complete answer has failed
    #[arg(long, default_value_t = 30.0, value_parser = seconds)]
    timeout: f64,
    /// Print the whole report as JSON
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e6).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number of seconds".to_owned()),
    }
}

impl Load {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let report = run(&Options {
            urls: self.urls.clone(),
            rate: self.rate,
            duration: Duration::from_secs_f64(self.duration),
            connections: self.connections,
            timeout: Duration::from_secs_f64(self.timeout),
        })?;
        match self.json {
            true => out::json(&report)?,
            false => out::data(&text(&report))?,
        }
        match report.failed {
            0 => Ok(()),
            failed => Err(Failure::new(format!("{failed} of {} requests failed", report.sent))),
        }
    }
}

/// The report for people.
fn text(report: &Report) -> String {
    let list = |counts: &std::collections::BTreeMap<String, u64>| {
        counts.iter().map(|(key, n)| format!("{key}: {n}")).collect::<Vec<_>>().join(", ")
    };
    let mut text = format!(
        "sent {}, ok {}, failed {}, reconnects {}, connections {}\n\
         latency p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms\n\
         status    {}\nrevisions {}\ntasks     {}\n",
        report.sent,
        report.ok,
        report.failed,
        report.reconnects,
        report.connections,
        report.latency_ms.p50,
        report.latency_ms.p99,
        report.latency_ms.max,
        list(&report.by_status),
        list(&report.by_revision),
        report.by_task.len(),
    );
    for error in &report.errors {
        text.push_str(&format!("at {} ms {}: {}\n", error.at_ms, error.url, error.error));
    }
    text
}
