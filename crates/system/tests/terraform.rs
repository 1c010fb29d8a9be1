//! The roots of the systems are what their descriptions say, and what cannot be said is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use neargate_system::terraform_root;

fn systems() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systems");
    let entries = fs::read_dir(folder).expect("systems");
    let mut systems: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("neargate.yaml").is_file())
        .collect();
    systems.sort();
    systems
}

/// BB-1, CP-1, SM-1, BX-1, MT-32: each system's root comes of its description.
/// `cargo run -- terraform systems/<name>` writes it.
#[test]
fn the_committed_roots_are_what_the_descriptions_say() {
    let systems = systems();
    assert_eq!(systems.len(), 5);
    for system in systems {
        let root = terraform_root(&system, None).expect("it can be written");
        for (name, text) in &root {
            let file = system.join("terraform").join(name);
            let committed = fs::read_to_string(&file).unwrap_or_default();
            assert!(committed == *text, "{} is stale: run neargate terraform", file.display());
        }
        let known = files(&system.join("terraform"), Path::new(""));
        let strangers: Vec<&String> = known.iter().filter(|f| !root.contains_key(*f)).collect();
        assert!(strangers.is_empty(), "{}: nobody writes {strangers:?}", system.display());
    }
}

fn files(folder: &Path, below: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = below.join(entry.file_name());
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        match entry.path().is_dir() {
            true if !hidden => found.extend(files(&entry.path(), &name)),
            false if !hidden => found.push(name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    found
}

/// A description with something put in the place of one line.
fn refused(change: impl FnOnce(String) -> String) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(systems()[2].join("neargate.yaml")).expect("a description");
    fs::write(folder.path().join("neargate.yaml"), change(text)).expect("written");
    let problems = terraform_root(folder.path(), None).expect_err("it is refused");
    let problem = problems.problems().first().expect("a problem").clone();
    let line = problem.position.map_or(0, |(line, _)| line);
    let text = fs::read_to_string(folder.path().join("neargate.yaml")).expect("a description");
    let line = text.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default().trim();
    format!("{}\n{line}", problem.message)
}

#[test]
fn what_the_modules_cannot_say_is_refused_with_its_line() {
    let said = refused(|text| {
        text.replacen("    cpu: 256\n", "    cpu: 256\n    workingDirectory: /srv\n", 1)
    });
    assert!(said.contains("the modules have no working directory"), "{said}");
    assert!(said.ends_with("workingDirectory: /srv"), "{said}");

    let said = refused(|text| text.replace("sets: variables.zone", "sets: variables.zones"));
    assert!(said.contains("input `zone` sets `variables.zones`, which has no value"), "{said}");

    let said =
        refused(|text| text.replace(":OPENAI_API_KEY::\"", ":OPENAI_API_KEY:AWSPREVIOUS:\""));
    assert!(said.contains("by their current version"), "{said}");
}

#[test]
fn one_environment_alone_and_none_that_is_not_there() {
    let broxiva = systems().into_iter().find(|s| s.ends_with("broxiva")).expect("broxiva");
    let root: BTreeMap<String, String> = terraform_root(&broxiva, Some("prod")).expect("written");
    assert!(root.contains_key("environments/prod.tfvars"));
    assert!(!root.contains_key("environments/dev.tfvars"));
    let problems = terraform_root(&broxiva, Some("production")).expect_err("refused");
    let message = problems.to_string();
    assert!(
        message.contains("no environment `production`; expected dev, staging or prod"),
        "{message}"
    );
}

/// What a description leaves out has a value in the root: the README's example says little.
#[test]
fn the_readmes_example_becomes_a_root() {
    let readme = include_str!("../../../README.md");
    let example = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = example.expect("the README has an example");
    let folder = tempfile::tempdir().expect("a folder");
    let runnable = example.replace("{ binary: ./target/release/web }", "{ standIn: true }");
    fs::write(folder.path().join("neargate.yaml"), runnable).expect("written");
    let root = terraform_root(folder.path(), None).expect("it can be written");
    let balancer = root["environments.tf"].split("  load_balancer = {").nth(1).expect("a balancer");
    assert!(balancer.contains("security_groups  = []"), "{balancer}");
    assert!(!root.contains_key("workers.tf") && !root.contains_key("database.tf"));
}
