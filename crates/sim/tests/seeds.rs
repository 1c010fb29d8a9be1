//! The whole platform from one seed, many times over.

// The speed, and a replayed seed, are for whoever asks with `--nocapture`.
#![allow(clippy::print_stderr)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use neargate_sim::{Options, Report, simulate, trace};

const SEEDS: u64 = 1_200;

fn seed_from_environment() -> Option<u64> {
    std::env::var("NEARGATE_SIM_SEED").ok()?.parse().ok()
}

/// `NEARGATE_SIM_SEED=n` replays that seed, with its last events if it fails.
#[test]
fn one_seed() {
    let seed = seed_from_environment().unwrap_or(1);
    let report = trace(seed, &Options::of_seed(seed));
    assert!(report.failure.is_none(), "{report}");
    eprintln!("{report}");
}

#[test]
fn the_same_seed_gives_the_same_report() {
    for seed in [3, 5, 8] {
        let options = Options::of_seed(seed);
        assert_eq!(simulate(seed, &options), simulate(seed, &options));
    }
}

#[test]
fn many_seeds_are_safe_and_converge() {
    let first = std::env::var("NEARGATE_SIM_FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let count =
        std::env::var("NEARGATE_SIM_COUNT").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS);
    let started = Instant::now();
    let next = AtomicU64::new(first);
    let work = || {
        let mut reports = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return reports;
            }
            reports.push(simulate(seed, &Options::of_seed(seed)));
        }
    };
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut reports = work();
        reports.extend(other.join().unwrap_or_default());
        reports
    });
    assert_eq!(reports.len() as u64, count, "a simulation panicked");
    let mut failed: Vec<&Report> = reports.iter().filter(|r| r.failure.is_some()).collect();
    failed.sort_by_key(|report| report.seed);
    if let Some(first) = failed.first() {
        let seeds: Vec<String> = failed
            .iter()
            .take(40)
            .map(|r| format!("{}: {}", r.seed, r.failure.as_deref().unwrap_or_default()))
            .collect();
        panic!("{}\n{}", seeds.join("\n"), trace(first.seed, &first.options));
    }
    let hours = reports.iter().map(|r| r.virtual_ms).sum::<u64>() as f64 / 3_600_000.0;
    let seconds = started.elapsed().as_secs_f64();
    let inputs: u64 = reports.iter().map(|r| r.inputs).sum();
    let crashes: u32 = reports.iter().map(|r| r.engine_crashes).sum();
    let served: u64 = reports.iter().map(|r| r.requests_served).sum();
    let unserved: u64 = reports.iter().map(|r| r.requests_failed).sum();
    eprintln!(
        "{count} seeds in {seconds:.1} s: {hours:.0} simulated hours ({:.0} per second), {inputs} inputs, \
         {crashes} engine crashes, {served} requests served, {unserved} failed",
        hours / seconds
    );
}
