//! Holds the rules of ARCHITECTURE.md: which room may know which, and what must never be in one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every arrow between our crates, from the ground up. An arrow that is not here is a decision to
/// be taken, not a line to be added in passing.
const ARROWS: &[(&str, &[&str])] = &[
    ("neargate-core", &[]),
    ("neargate-store", &[]),
    ("neargate-names", &[]),
    ("neargate-logs", &[]),
    ("neargate-images", &[]),
    ("neargate-objects", &[]),
    ("neargate-wire", &[]),
    (
        "neargate-services",
        &["neargate-core", "neargate-wire", "neargate-logs", "neargate-images", "neargate-objects"],
    ),
    ("neargate-vpc", &["neargate-core"]),
    ("neargate-runtime", &["neargate-core", "neargate-images", "neargate-logs", "neargate-vpc"]),
    ("neargate-edge", &["neargate-core", "neargate-names", "neargate-vpc"]),
    ("neargate-system", &["neargate-core"]),
    (
        "neargate-engine",
        &[
            "neargate-core",
            "neargate-store",
            "neargate-runtime",
            "neargate-edge",
            "neargate-wire",
            "neargate-services",
            "neargate-images",
            "neargate-logs",
            "neargate-objects",
        ],
    ),
    ("neargate-sim", &["neargate-core"]),
    (
        "neargate-cli",
        &[
            "neargate-core",
            "neargate-logs",
            "neargate-names",
            "neargate-runtime",
            "neargate-edge",
            "neargate-system",
            "neargate-engine",
        ],
    ),
    ("xtask", &["neargate-core", "neargate-sim", "neargate-edge", "neargate-runtime"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").into()
}

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

#[test]
fn arrows_point_down() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        ARROWS.iter().map(|(from, to)| (*from, to.iter().copied().collect())).collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(ours, allowed.keys().copied().collect(), "every crate stands on the map");
    for package in packages {
        let name = package["name"].as_str().expect("name");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let to = dependency["name"].as_str().expect("name");
            let is_test_only = dependency["kind"] == "dev";
            if ours.contains(to) && !is_test_only {
                assert!(allowed[name].contains(to), "{name} must not depend on {to}");
            }
        }
    }
}

fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                if path.file_name().is_some_and(|n| n != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("source is UTF-8");
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "no sources below {below}");
    files
}

/// `core` is a value: no I/O, no clock, no thread, no randomness but its own.
#[test]
fn core_touches_nothing_outside_itself() {
    let banned = [
        "std::fs",
        "std::thread",
        "std::process",
        "std::env",
        "std::time",
        "TcpStream",
        "UdpSocket",
        "UnixStream",
        "SystemTime",
        "Instant::",
        "tokio",
        "tracing",
        "println!",
        "HashMap",
        "HashSet",
    ];
    for (path, text) in sources("crates/core/src") {
        for word in banned {
            assert!(!text.contains(word), "{} mentions {word}", path.display());
        }
    }
}

/// The store keeps bytes; it must not learn what an ECS service is.
#[test]
fn store_knows_no_ecs() {
    for (path, text) in sources("crates/store/src") {
        for word in ["neargate_core", "TaskDefinition", "ServiceSpec", "Deployment"] {
            assert!(!text.contains(word), "{} mentions {word}", path.display());
        }
    }
}

/// The wire is driven by models; a service's name in its code would be a special case.
#[test]
fn wire_knows_no_service() {
    for (path, text) in sources("crates/wire/src") {
        // The table of embedded models is generated and names them all.
        if path.ends_with("embedded.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["neargate_core", "DescribeServices", "CreateLoadBalancer", "elbv2"] {
            let code_lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
            assert!(
                !code_lines.clone().any(|l| l.contains(word)),
                "{} mentions {word}",
                path.display()
            );
        }
    }
}

/// A module opens with a sentence on what it is for.
#[test]
fn every_source_file_says_what_it_is_for() {
    for below in ["crates", "xtask/src"] {
        for (path, text) in sources(below) {
            let relative = path.strip_prefix(root()).expect("below the root").to_owned();
            assert!(text.starts_with("//!"), "{} has no //! head", relative.display());
        }
    }
}

/// Files stay small enough to be read in one go. The limit is for new files; lower it, never raise
/// it.
#[test]
fn files_stay_readable() {
    const MAX_LINES: usize = 800;
    for below in ["crates", "xtask/src"] {
        for (path, text) in sources(below) {
            let lines = text.lines().count();
            assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
        }
    }
}
