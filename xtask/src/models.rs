//! The service models that `wire` is driven by: taken from the installed botocore package, pruned
//! to the operations of a table, without the documentation.
//!
//! They are committed, so that building needs no Python; `--check` requires that making them again
//! changes nothing. What is kept is named below, key by key: what a later botocore adds does not
//! come in by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

/// Folders with a table of operations. Only the first is part of the product.
const FOLDERS: [&str; 2] = ["crates/wire/models", "crates/wire/tests/models"];
const TABLE: &str = "operations.txt";
/// The Rust file that takes the product's models in.
const EMBEDDED: &str = "crates/wire/src/embedded.rs";

const METADATA: &[&str] = &[
    "apiVersion",
    "awsQueryCompatible",
    "endpointPrefix",
    "jsonVersion",
    "protocol",
    "protocols",
    "serviceId",
    "signingName",
    "targetPrefix",
    "xmlNamespace",
];
const OPERATION: &[&str] = &["endpoint", "errors", "http", "input", "output"];
const SHAPE: &[&str] = &[
    "document",
    "enum",
    "error",
    "event",
    "eventstream",
    "exception",
    "fault",
    "flattened",
    "key",
    "locationName",
    "max",
    "member",
    "members",
    "min",
    "pattern",
    "payload",
    "required",
    "sensitive",
    "streaming",
    "timestampFormat",
    "type",
    "union",
    "value",
    "xmlNamespace",
];
const MEMBER: &[&str] = &[
    "flattened",
    "location",
    "locationName",
    "queryName",
    "shape",
    "streaming",
    "timestampFormat",
    "xmlAttribute",
    "xmlNamespace",
];

/// Begins an option that gives an exception the error code its model lacks.
const CODE_OPTION: &str = "code:";

/// Reads the models with botocore's own loader, which knows its folders, versions and compression.
const READ: &str = "
import sys, json
try:
    import botocore, botocore.loaders
except ImportError:
    sys.exit(3)
loader = botocore.loaders.Loader()
models = {name: loader.load_service_model(name, 'service-2') for name in sys.argv[1:]}
json.dump({'version': botocore.__version__, 'models': models}, sys.stdout)
";
const NO_BOTOCORE: i32 = 3;

/// What to do with the models.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail when the committed files differ from what would be made.
    #[arg(long)]
    check: bool,
}

/// One block of a table.
#[derive(Debug, PartialEq)]
struct Wanted {
    options: BTreeMap<String, String>,
    operations: BTreeSet<String>,
}

/// Makes or checks every file.
#[allow(clippy::print_stdout)] // The result is for the one who called it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has a parent")?;
    let mut tables = Vec::new();
    for folder in FOLDERS {
        let path = root.join(folder).join(TABLE);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read the table {}", path.display()))?;
        let table = table(&text).with_context(|| format!("in {}", path.display()))?;
        tables.push((root.join(folder), table));
    }
    let names: BTreeSet<&str> =
        tables.iter().flat_map(|(_, table)| table.keys()).map(String::as_str).collect();
    let Some(source) = read(&names)? else {
        println!("models: SKIPPED, python3 with botocore is not installed (pip install botocore)");
        ensure!(arguments.check, "models cannot be made without botocore");
        return Ok(());
    };
    let version = source["version"].as_str().context("botocore has a version")?;
    let mut files = BTreeMap::new();
    for (index, (folder, table)) in tables.iter().enumerate() {
        let mut made = Vec::new();
        for (name, wanted) in table {
            let model = prune(name, &source["models"][name], wanted, version)
                .with_context(|| format!("the model of {name}"))?;
            files.insert(folder.join(format!("{name}.json")), print(&model)?);
            made.push((name.as_str(), model));
        }
        if index == 0 {
            files.insert(root.join(EMBEDDED), embedded(&made));
        }
    }
    let mut stray = Vec::new();
    for (folder, _) in &tables {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "json") && !files.contains_key(&path) {
                stray.push(path);
            }
        }
    }
    if arguments.check { compare(&files, &stray, version) } else { write(&files, &stray, version) }
}

#[allow(clippy::print_stdout)] // The result is for the one who called it.
fn compare(files: &BTreeMap<PathBuf, String>, stray: &[PathBuf], version: &str) -> Result<()> {
    let mut different: Vec<&PathBuf> = stray.iter().collect();
    for (path, text) in files {
        if fs::read_to_string(path).ok().as_deref() != Some(text) {
            different.push(path);
        }
    }
    if !different.is_empty() {
        let list: String = different.iter().map(|p| format!("\n  {}", p.display())).collect();
        bail!(
            "these are not what botocore {version} gives; run `cargo run -p xtask -- models` and \
             commit the result:{list}"
        );
    }
    println!("models: {} files are what botocore {version} gives", files.len());
    Ok(())
}

#[allow(clippy::print_stdout)] // The result is for the one who called it.
fn write(files: &BTreeMap<PathBuf, String>, stray: &[PathBuf], version: &str) -> Result<()> {
    for (path, text) in files {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    for path in stray {
        fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    println!("models: {} files made from botocore {version}", files.len());
    Ok(())
}

/// Reads a table; the form is told at its head.
fn table(text: &str) -> Result<BTreeMap<String, Wanted>> {
    let mut table: BTreeMap<String, Wanted> = BTreeMap::new();
    let mut current = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut operations = line;
        if !line.starts_with(char::is_whitespace) && !line.is_empty() {
            // Options may hold a colon, but none with a blank or the end after it.
            let at = line.find(": ").or(line.strip_suffix(':').map(str::len));
            let at =
                at.with_context(|| format!("`{line}` is neither `service: ...` nor indented"))?;
            let (head, rest) = (&line[..at], &line[at + 1..]);
            operations = rest;
            let mut words = head.split_whitespace();
            let name = words.next().with_context(|| format!("`{line}` names no service"))?;
            let mut options = BTreeMap::new();
            for word in words {
                let option = word.split_once('=').filter(|(key, _)| {
                    matches!(*key, "errors" | "hosts" | "validation")
                        || key.starts_with(CODE_OPTION)
                });
                let Some((key, value)) = option else {
                    bail!(
                        "`{word}` is no option; known are errors=bare, hosts=path, validation=CODE \
                         and code:SHAPE=CODE"
                    );
                };
                options.insert(key.to_owned(), value.to_owned());
            }
            let wanted = Wanted { options, operations: BTreeSet::new() };
            ensure!(table.insert(name.to_owned(), wanted).is_none(), "{name} stands there twice");
            current = Some(name.to_owned());
        }
        for operation in operations.split_whitespace() {
            let wanted = current.as_ref().and_then(|name| table.get_mut(name));
            let wanted = wanted.with_context(|| format!("{operation} belongs to no service"))?;
            ensure!(wanted.operations.insert(operation.to_owned()), "{operation} is named twice");
        }
    }
    Ok(table)
}

/// The models as botocore has them, or nothing when there is no botocore.
fn read(names: &BTreeSet<&str>) -> Result<Option<Value>> {
    let Ok(output) = Command::new("python3").arg("-c").arg(READ).args(names).output() else {
        return Ok(None);
    };
    if output.status.code() == Some(NO_BOTOCORE) {
        return Ok(None);
    }
    ensure!(
        output.status.success(),
        "botocore cannot load the models: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(Some(serde_json::from_slice(&output.stdout).context("reading botocore's models")?))
}

fn prune(name: &str, model: &Value, wanted: &Wanted, version: &str) -> Result<Value> {
    let mut operations = Map::new();
    let mut reach = Vec::new();
    for operation in &wanted.operations {
        let original = model["operations"].get(operation);
        let original = original.with_context(|| format!("has no operation {operation}"))?;
        let kept = keep(original, OPERATION);
        for key in ["input", "output"] {
            reach.extend(kept.get(key).and_then(|io| io["shape"].as_str()).map(str::to_owned));
        }
        for error in kept.get("errors").and_then(Value::as_array).into_iter().flatten() {
            reach.extend(error["shape"].as_str().map(str::to_owned));
        }
        operations.insert(operation.clone(), without_documentation(&Value::Object(kept)));
    }
    let mut shapes = Map::new();
    while let Some(shape) = reach.pop() {
        if shapes.contains_key(&shape) {
            continue;
        }
        let original = model["shapes"].get(&shape).with_context(|| format!("has no {shape}"))?;
        let mut kept = keep(original, SHAPE);
        if let Some(Value::Object(members)) = kept.get_mut("members") {
            for member in members.values_mut() {
                *member = Value::Object(keep(member, MEMBER));
                reach.extend(member["shape"].as_str().map(str::to_owned));
            }
        }
        for key in ["member", "key", "value"] {
            if let Some(member) = kept.get_mut(key) {
                *member = Value::Object(keep(member, MEMBER));
                reach.extend(member["shape"].as_str().map(str::to_owned));
            }
        }
        shapes.insert(shape, Value::Object(kept));
    }
    let mut options = wanted.options.clone();
    for (option, code) in options.extract_if(.., |option, _| option.starts_with(CODE_OPTION)) {
        let shape = option.trim_start_matches(CODE_OPTION);
        let exception = shapes.get_mut(shape).and_then(Value::as_object_mut);
        let exception = exception.with_context(|| format!("has no reachable {shape}"))?;
        let error = exception.entry("error").or_insert_with(|| json!({}));
        error["code"] = Value::from(code);
    }
    let all = model["operations"].as_object().context("has no operations")?;
    let others: Vec<&String> = all.keys().filter(|o| !wanted.operations.contains(*o)).collect();
    Ok(json!({
        "metadata": keep(&model["metadata"], METADATA),
        "operations": operations,
        "options": options,
        // Named only, so that an answer can tell what AWS has from what nobody has.
        "others": others,
        "origin": { "package": "botocore", "version": version, "service": name },
        "shapes": shapes,
    }))
}

fn keep(object: &Value, keys: &[&str]) -> Map<String, Value> {
    let entries = object.as_object().into_iter().flatten();
    entries
        .filter(|(key, _)| keys.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Operations' own references (input, output, errors) carry documentation too.
fn without_documentation(value: &Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .iter()
            .filter(|(key, _)| *key != "documentation")
            .map(|(key, value)| (key.clone(), without_documentation(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_documentation).collect(),
        other => other.clone(),
    }
}

/// One operation or shape per line: small, and a difference is read as what it is.
fn print(model: &Value) -> Result<String> {
    let mut text = String::from("{\n");
    let sections = model.as_object().context("a model is an object")?;
    for (index, (section, value)) in sections.iter().enumerate() {
        let comma = if index + 1 == sections.len() { "" } else { "," };
        match value {
            Value::Object(entries) if matches!(section.as_str(), "operations" | "shapes") => {
                writeln!(text, "{}: {{", json!(section))?;
                for (index, (name, entry)) in entries.iter().enumerate() {
                    let comma = if index + 1 == entries.len() { "" } else { "," };
                    writeln!(text, "  {}: {entry}{comma}", json!(name))?;
                }
                writeln!(text, "}}{comma}")?;
            }
            _ => writeln!(text, "{}: {value}{comma}", json!(section))?,
        }
    }
    text.push_str("}\n");
    Ok(text)
}

/// What is needed to find a request's service without parsing any model.
fn embedded(models: &[(&str, Value)]) -> String {
    let mut text = String::from(
        "//! The models that are part of the product, with what finds a request's service before any\n\
         //! model is parsed. Made by `cargo run -p xtask -- models`: change the table, not this file.\n\
         \n\
         use crate::models::Source;\n\
         \n\
         /// Every service, by name.\n\
         pub(crate) const SOURCES: &[Source] = &[\n",
    );
    for (name, model) in models {
        let metadata = &model["metadata"];
        let signing = metadata["signingName"].as_str().or(metadata["endpointPrefix"].as_str());
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "    Source {{\n        name: {name:?},\n        signing_name: {:?},\n        \
             target_prefix: {:?},\n        api_version: {:?},\n        service_id: {:?},\n        \
             text: include_str!(\"../models/{name}.json\"),\n    }},\n",
            signing.unwrap_or(name),
            metadata["targetPrefix"].as_str().unwrap_or_default(),
            metadata["apiVersion"].as_str().unwrap_or_default(),
            metadata["serviceId"].as_str().unwrap_or_default(),
        );
    }
    text.push_str("];\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_services_options_and_operations() {
        let read =
            table("# head\n\ns3 errors=bare code:E=a.b: A B\n    C\n\nsts: D\n").expect("a table");
        let operations = |name: &str| read[name].operations.iter().cloned().collect::<String>();
        assert_eq!((operations("s3"), operations("sts")), ("ABC".to_owned(), "D".to_owned()));
        let options = &read["s3"].options;
        assert_eq!((options["errors"].as_str(), options["code:E"].as_str()), ("bare", "a.b"));
    }

    #[test]
    fn mistakes_in_a_table_are_told() {
        for text in ["ecs", "    A", "ecs: A A", "ecs: A\necs: B", "ecs colour=red: A"] {
            assert!(table(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_reachable_shapes_and_wanted_keys_stay() {
        let model = json!({
            "metadata": { "apiVersion": "1", "uid": "x" },
            "operations": {
                "Get": { "name": "Get", "documentation": "d", "http": { "method": "POST" },
                         "input": { "shape": "In" }, "errors": [{ "shape": "E", "documentation": "d" }] },
                "Put": { "input": { "shape": "Other" } },
            },
            "shapes": {
                "In": { "type": "structure", "documentation": "d",
                        "members": { "a": { "shape": "In", "documentation": "d" }, "b": { "shape": "S" } } },
                "S": { "type": "string", "deprecated": true },
                "E": { "type": "structure", "exception": true },
                "Other": { "type": "structure" },
            },
        });
        let wanted =
            Wanted { options: BTreeMap::new(), operations: BTreeSet::from(["Get".into()]) };
        let pruned = prune("x", &model, &wanted, "1.2.3").expect("pruned");
        let shapes: Vec<&String> = pruned["shapes"].as_object().expect("shapes").keys().collect();
        assert_eq!(shapes, ["E", "In", "S"]);
        let text = print(&pruned).expect("text");
        assert!(!text.contains("documentation") && !text.contains("deprecated"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), pruned);
    }
}
