//! The judge of the AWS endpoint: Terraform with the real provider creates, reads, changes,
//! imports and destroys every resource type that the systems use.
//!
//! A folder below `cases/` is a case. `main.tf` holds its resources. Every `change-N.tfvars`, in
//! order, is a change that must come out as updates in place. `import.txt` says what an import
//! needs to know beyond the state's ids, `leaves.txt` what stays after a destroy, as on AWS.
//!
//! Needs `terraform`, and the provider by `TF_CLI_CONFIG_FILE` or from a registry, so it is built
//! with the feature `client-tests` only. `NEARGATE_TERRAFORM_CASES=network,ecs` runs these alone,
//! `NEARGATE_TERRAFORM_JOBS=2` so many side by side.

mod case;
#[path = "../support/endpoint.rs"]
mod endpoint;
mod killed;
mod serves;
#[path = "../support/terraform.rs"]
mod terraform;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use case::Case;

/// The provider pauses most of the time, so cases run side by side.
const JOBS: usize = 4;

/// Progress of a case, for whoever watches.
#[expect(clippy::print_stderr, reason = "the test runner shows it with --nocapture")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[test]
fn every_resource_type_is_made_read_changed_imported_and_destroyed() {
    let waiting = Mutex::new(cases());
    // A function, so that the lock is not held while a case runs.
    let next = || waiting.lock().expect("unbroken").pop();
    let failures = Mutex::new(Vec::new());
    let jobs = std::env::var("NEARGATE_TERRAFORM_JOBS").ok().and_then(|n| n.parse().ok());
    std::thread::scope(|scope| {
        for _ in 0..jobs.unwrap_or(JOBS) {
            scope.spawn(|| {
                while let Some(folder) = next() {
                    if let Err(why) = Case::read(&folder).and_then(|case| case.run()) {
                        let name = folder.file_name().unwrap_or_default().to_string_lossy();
                        failures.lock().expect("unbroken").push(format!("== {name}\n{why:#}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("unbroken");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The folders that were asked for, or all.
fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terraform/cases");
    let wanted = std::env::var("NEARGATE_TERRAFORM_CASES").ok();
    let wanted: Option<Vec<&str>> = wanted.as_deref().map(|names| names.split(',').collect());
    let entries = std::fs::read_dir(&root).expect("the folder of cases is readable");
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            wanted.as_ref().is_none_or(|wanted| wanted.contains(&&*name))
        })
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "no case {wanted:?} below {}", root.display());
    folders
}
