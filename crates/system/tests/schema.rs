//! The schema editors use is the one the loader checks against.

use std::fs;
use std::path::{Path, PathBuf};

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systems/neargate.schema.json")
}

/// `UPDATE_SCHEMA=1 cargo test -p neargate-system --test schema` writes it.
#[test]
fn the_committed_schema_is_current() {
    let schema = serde_json::to_string_pretty(neargate_system::json_schema()).expect("plain JSON");
    let schema = format!("{schema}\n");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(file(), &schema).expect("written");
    }
    let committed = fs::read_to_string(file()).unwrap_or_default();
    assert!(committed == schema, "systems/neargate.schema.json is stale: run with UPDATE_SCHEMA=1");
}

/// Every description names the schema in its first line, so that editors find it.
#[test]
fn every_system_names_the_schema() {
    let systems = file().parent().expect("a folder").to_path_buf();
    let mut found = 0;
    for entry in fs::read_dir(systems).expect("systems") {
        let description = entry.expect("an entry").path().join("neargate.yaml");
        let Ok(text) = fs::read_to_string(&description) else { continue };
        let first = text.lines().next();
        assert_eq!(
            first,
            Some("# yaml-language-server: $schema=../neargate.schema.json"),
            "{}",
            description.display()
        );
        found += 1;
    }
    assert!(found >= 4, "only {found} systems");
}

/// Every key has a help text: it is what an editor shows.
#[test]
fn every_key_is_explained() {
    fn visit(schema: &serde_json::Value, path: &str) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            assert!(property["description"].is_string(), "{path} has no description");
        }
    }
    let schema = neargate_system::json_schema();
    visit(schema, "");
    for (name, definition) in schema["$defs"].as_object().expect("definitions") {
        visit(definition, name);
    }
}
