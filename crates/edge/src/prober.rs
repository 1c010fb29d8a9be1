//! Health probes of one target: a request in time, an outcome each, one after the other. What the
//! outcomes mean is decided by `neargate_core::target_health`.

use std::time::Duration;

use neargate_core::load_balancer::{TargetAddress, TargetHealthCheck};
use neargate_core::target_health::{Matcher, ProbeOutcome, TargetState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::connect::Sources;

/// However fast the pace, a target gets this long between two probes.
const MIN_INTERVAL: Duration = Duration::from_millis(20);
/// Between the probes that look for the first success of a new target: first and longest pause.
const QUICK_FIRST: Duration = Duration::from_millis(25);
const QUICK_LAST: Duration = Duration::from_millis(250);
/// Most of an answer that is read for its status.
const MAX_ANSWER: usize = 32 * 1024;

/// When the next probe is due and whether its failure counts. Pure: instants come from outside.
#[derive(Debug)]
struct Schedule {
    interval: Duration,
    next_regular: Instant,
    quick: Duration,
}

impl Schedule {
    /// The regular cadence starts one interval after registration; the probe at registration only
    /// looks for a target that is up already.
    fn new(now: Instant, interval_ms: u64, pace: u32) -> Self {
        let interval = Duration::from_millis(interval_ms / u64::from(pace.max(1)));
        let interval = interval.max(MIN_INTERVAL);
        Self { interval, next_regular: now + interval, quick: QUICK_FIRST }
    }

    /// A probe starts now; whether its failure counts.
    fn start(&mut self, now: Instant) -> bool {
        let regular = now >= self.next_regular;
        if regular {
            self.next_regular = now + self.interval;
        }
        regular
    }

    /// When to probe next.
    fn next(&mut self, now: Instant, state: TargetState) -> Instant {
        if state != TargetState::Initial {
            return self.next_regular;
        }
        let at = (now + self.quick).min(self.next_regular);
        self.quick = (self.quick * 2).min(QUICK_LAST);
        at
    }
}

/// What a probe sends and accepts.
#[derive(Debug)]
struct Probe {
    address: TargetAddress,
    sources: Sources,
    request: Vec<u8>,
    matcher: Matcher,
    timeout: Duration,
}

impl Probe {
    fn new(target: TargetAddress, sources: Sources, check: &TargetHealthCheck) -> Self {
        let address = TargetAddress { ip: target.ip, port: check.port.unwrap_or(target.port) };
        let matcher = Matcher::parse(&check.matcher).or_else(|error| {
            tracing::warn!(%error, %target, "probing for 200 instead");
            Matcher::parse("200")
        });
        // ALB-HC-3. A path is checked where it is entered; spaces and line ends would make it two
        // requests.
        let path: String =
            check.path.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
        let slash = if path.starts_with('/') { "" } else { "/" };
        let request = format!(
            "GET {slash}{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             User-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n"
        );
        Self {
            address,
            sources,
            request: request.into_bytes(),
            matcher: matcher.unwrap_or_else(|_| unreachable!("200 is a valid matcher")),
            timeout: Duration::from_millis(check.timeout_ms.max(1)),
        }
    }

    async fn run(&self) -> ProbeOutcome {
        match tokio::time::timeout(self.timeout, self.ask()).await {
            Err(_) => ProbeOutcome::TimedOut,
            Ok(None) => ProbeOutcome::Failed,
            Ok(Some(code)) if self.matcher.accepts(code) => ProbeOutcome::Passed,
            Ok(Some(code)) => ProbeOutcome::WrongCode(code),
        }
    }

    /// The status of the answer.
    async fn ask(&self) -> Option<u16> {
        let mut stream = self.sources.connect(self.address).await.ok()?;
        stream.write_all(&self.request).await.ok()?;
        let mut answer = Vec::with_capacity(1024);
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 128];
            let mut response = httparse::Response::new(&mut headers);
            match response.parse(&answer).ok()? {
                httparse::Status::Complete(_) => {
                    let code = response.code?;
                    if code >= 200 {
                        return Some(code);
                    }
                    return None;
                }
                httparse::Status::Partial if answer.len() > MAX_ANSWER => return None,
                httparse::Status::Partial => {}
            }
            if stream.read_buf(&mut answer).await.ok()? == 0 {
                return None;
            }
        }
    }
}

/// Probes a target for as long as `report` wants to hear about it. `report` takes the outcome and
/// whether its failure counts, and gives the state that follows.
pub(crate) async fn run(
    target: TargetAddress,
    sources: Sources,
    check: TargetHealthCheck,
    pace: u32,
    mut report: impl FnMut(ProbeOutcome, bool) -> Option<TargetState>,
) {
    let probe = Probe::new(target, sources, &check);
    let mut schedule = Schedule::new(Instant::now(), check.interval_ms, pace);
    loop {
        let counts = schedule.start(Instant::now());
        let outcome = probe.run().await;
        let Some(state) = report(outcome, counts) else { return };
        tokio::time::sleep_until(schedule.next(Instant::now(), state)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_probes_until_the_first_success_never_delay_the_regular_ones() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut schedule = Schedule::new(start, 30_000, 100);
        assert!(!schedule.start(at(0)), "the probe at registration does not count");
        let mut now = schedule.next(at(0), TargetState::Initial);
        assert_eq!(now, at(25));
        let mut counted = Vec::new();
        while now < at(1_000) {
            if schedule.start(now) {
                counted.push(now);
            }
            now = schedule.next(now, TargetState::Initial);
        }
        assert_eq!(counted, [at(300), at(600), at(900)]);
        assert_eq!(schedule.next(now, TargetState::Healthy), at(1_200));
    }

    #[test]
    fn a_probe_that_takes_longer_than_the_interval_is_followed_at_once_by_one_that_counts() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 5_000, 50);
        assert!(!schedule.start(start));
        let late = start + Duration::from_secs(2);
        let next = schedule.next(late, TargetState::Initial);
        assert!(next <= late);
        assert!(schedule.start(late));
        assert_eq!(schedule.next(late, TargetState::Unhealthy), late + Duration::from_millis(100));
    }

    #[test]
    fn the_pace_shortens_the_interval_to_a_limit() {
        let now = Instant::now();
        assert_eq!(Schedule::new(now, 30_000, 20).interval, Duration::from_millis(1_500));
        assert_eq!(Schedule::new(now, 5_000, 10_000).interval, MIN_INTERVAL);
    }

    #[test]
    fn alb_hc_3_the_request() {
        let target = TargetAddress { ip: [127, 0, 0, 9].into(), port: 8080 };
        let check = TargetHealthCheck { path: "/health\r\nX: y".into(), ..Default::default() };
        let request =
            String::from_utf8(Probe::new(target, Sources::default(), &check).request).unwrap();
        assert!(request.starts_with("GET /healthX:y HTTP/1.1\r\nHost: 127.0.0.9:8080\r\n"));
        assert!(request.contains("User-Agent: ELB-HealthChecker/2.0\r\n"));
        assert!(request.contains("Connection: close\r\n"));
    }
}
