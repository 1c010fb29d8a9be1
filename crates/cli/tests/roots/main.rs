//! Two roads, one platform: what `terraform apply` makes of a system's root is what `neargate up`
//! makes of its description, serves, changes without a failed request, and goes without a trace.
//!
//! `NEARGATE_ROOTS=broxiva/prod,microservices` runs these environments, `all` every one there is,
//! nothing one of each system. `NEARGATE_ROOTS_JOBS=2` so many run side by side. With
//! `--nocapture` every step tells its wall time and how much of it had a request under way.
//!
//! Needs `terraform`, and the provider by `TF_CLI_CONFIG_FILE` or from a registry, so it is built
//! with the feature `client-tests` only.

mod changes;
#[path = "../support/endpoint.rs"]
mod endpoint;
mod equality;
mod facts;
mod serving;
mod system;
#[path = "../support/terraform.rs"]
mod terraform;
mod wire_time;

use std::sync::Mutex;

use system::Case;

/// The provider pauses most of the time, so systems run side by side.
const JOBS: usize = 3;

/// Progress, for whoever watches.
#[expect(clippy::print_stderr, reason = "the test runner shows it with --nocapture")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[test]
fn terraform_and_the_description_give_the_same_platform() {
    let wanted = std::env::var("NEARGATE_ROOTS").ok();
    let mut cases = Case::wanted(wanted.as_deref());
    assert!(!cases.is_empty(), "no environment {wanted:?}");
    // The first of the list is the last to be popped.
    cases.reverse();
    let waiting = Mutex::new(cases);
    // A function, so that the lock is not held while a case runs.
    let next = || waiting.lock().expect("unbroken").pop();
    let failures = Mutex::new(Vec::new());
    let jobs = std::env::var("NEARGATE_ROOTS_JOBS").ok().and_then(|n| n.parse().ok());
    std::thread::scope(|scope| {
        for _ in 0..jobs.unwrap_or(JOBS) {
            scope.spawn(|| {
                while let Some(case) = next() {
                    if let Err(why) = case.run() {
                        let why = format!("== {case}\n{why:#}");
                        say(&why);
                        failures.lock().expect("unbroken").push(why);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("unbroken");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// `NEARGATE_FACTS=broxiva/dev=state.json,broxiva/dev=plan.json` holds what `terraform show -json`
/// printed against the facts about that environment, so that facts can be written without an apply. The
/// N-th file of an environment is for its N-th section.
#[test]
#[ignore = "needs states and plans that somebody saved"]
fn facts_of_saved_states() {
    let wanted = std::env::var("NEARGATE_FACTS").expect("NEARGATE_FACTS");
    let mut seen = std::collections::BTreeMap::new();
    let mut failures = Vec::new();
    for (case, file) in wanted.split(',').filter_map(|wanted| wanted.split_once('=')) {
        let read = |path: &std::path::Path| {
            std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        let shown = serde_json::from_str(&read(file.as_ref())).expect("JSON");
        let world = facts::World::of(&shown).expect("a state or a plan");
        let sections = facts::sections(&read(&system::facts_file(case))).expect("well formed");
        let at = seen.entry(case).or_insert(0);
        let section = sections.get(*at).unwrap_or_else(|| panic!("{case} has no section {at}"));
        *at += 1;
        failures.extend(section.failures(&world).into_iter().map(|f| format!("{case} {f}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
