//! One environment's description: base, environment, defaults, templates and variables laid over
//! each other, every value still knowing its line.
//!
//! Order, the later winning: the file, the environment's part of it (both as whole trees); then
//! for each service `defaults`, its template, the service; then `${...}`. So an environment that
//! changes `defaults.cpu` changes only services that give no `cpu` themselves.

use std::collections::BTreeMap;

use crate::diagnostics::{Problems, shown};
use crate::node::{Entry, Node, Position, Value, path_text};
use crate::suggest;

/// Keys of a service that a container inherits from it.
const INHERITED: [&str; 19] = [
    "image",
    "port",
    "ports",
    "essential",
    "entryPoint",
    "command",
    "environment",
    "secrets",
    "dependsOn",
    "healthCheck",
    "startTimeout",
    "stopTimeout",
    "logs",
    "restartPolicy",
    "nofile",
    "user",
    "initProcessEnabled",
    "workingDirectory",
    "readonlyRootFilesystem",
];
/// Longest text a variable may stand for, in bytes.
const LONGEST_VARIABLE: usize = 256;
/// Bytes that filling in variables may produce per environment.
const LARGEST_FILLED: usize = 16 * 1024 * 1024;
/// Bytes that repeating defaults and templates for every service may produce.
const LARGEST_LAYERED: usize = 32 * 1024 * 1024;

/// What the file says that no environment can change.
pub(crate) struct Fixed<'a> {
    pub(crate) system: &'a str,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
}

/// The description as `environment` has it. `over` is its part of the file.
pub(crate) fn environment(
    root: &Node,
    environment: &str,
    over: Option<&Node>,
    fixed: &Fixed<'_>,
    problems: &mut Problems,
) -> Option<Node> {
    let mut base = root.clone();
    base.remove("environments");
    base.remove("defaultEnvironments");
    base.remove("inputs");
    if let Some(over) = over {
        let mut over = over.clone();
        unknown_overrides(&base, environment, &mut over, problems);
        base.overlay(&over);
    }
    let mut say = |at: Position, path: &[&str], message: &str, hint: Option<String>| {
        problems.settle(at, &path_text(path), message, hint, Some(environment));
    };

    let defaults = base.remove("defaults").map(|entry| entry.value);
    let templates = base.remove("templates").map(|entry| entry.value);
    let variables = base.remove("variables").map(|entry| entry.value);
    let mut services = base.get("services").cloned().unwrap_or_else(|| Node::empty_map(base.at));
    base.drop_nulls();
    if let Value::Map(entries) = &mut services.value {
        entries.retain(|entry| !matches!(entry.value.value, Value::Null { .. }));
    }
    let repeated = defaults.as_ref().map_or(0, weight) + templates.as_ref().map_or(0, weight);
    if repeated.saturating_mul(services.entries().len()) > LARGEST_LAYERED {
        let message = "defaults and templates are too large to be repeated for every service";
        say(services.at, &["services"], message, None);
        return None;
    }

    let mut names = BTreeMap::from([
        ("system".to_owned(), fixed.system.to_owned()),
        ("region".to_owned(), fixed.region.to_owned()),
        ("account".to_owned(), fixed.account.to_owned()),
        ("environment".to_owned(), environment.to_owned()),
    ]);
    let mut filled = LARGEST_FILLED;
    fill_variables(variables.as_ref(), &mut names, &mut filled, &mut say);

    let mut resolved = Vec::new();
    for entry in services.entries() {
        let mut service = defaults.clone().unwrap_or_else(|| Node::empty_map(entry.at));
        service.remove("template");
        if let Some(name) = entry.value.get("template") {
            let template = name.text().and_then(|n| templates.as_ref().and_then(|t| t.get(n)));
            match template {
                Some(template) => service.overlay(template),
                None => {
                    let known = || templates.iter().flat_map(Node::entries).map(|e| e.key.as_str());
                    let given = name.text().unwrap_or_default();
                    let message = format!(
                        "there is no template {}; expected {}",
                        shown(given),
                        suggest::one_of(known())
                    );
                    let hint = suggest::closest(given, known());
                    let hint = hint.map(|name| format!("did you mean {}?", shown(name)));
                    say(name.at, &["services", &entry.key, "template"], &message, hint);
                }
            }
        }
        service.overlay(&entry.value);
        service.at = entry.at;
        inherit(&mut service);
        service.drop_nulls();
        names.insert("service".to_owned(), entry.key.clone());
        let mut path = vec!["services", entry.key.as_str()];
        fill_node(&mut service, &names, &mut filled, &mut path, &mut say);
        resolved.push(Entry { key: entry.key.clone(), at: entry.at, value: service });
    }
    names.remove("service");

    if let Value::Map(entries) = &mut base.value {
        for entry in entries {
            if entry.key == "services" {
                entry.value.value = Value::Map(std::mem::take(&mut resolved));
                continue;
            }
            let key = entry.key.clone();
            if key == "images" {
                fill_keys(&mut entry.value, &["images"], &names, &mut filled, &mut say);
            }
            if let ("resources", Value::Map(kinds)) = (key.as_str(), &mut entry.value.value)
                && let Some(kind) = kinds.iter_mut().find(|kind| kind.key == "parameters")
            {
                let path = ["resources", "parameters"];
                fill_keys(&mut kind.value, &path, &names, &mut filled, &mut say);
            }
            fill_node(&mut entry.value, &names, &mut filled, &mut vec![&key], &mut say);
        }
    }
    texts(&mut base, &["tags"]);
    if let Value::Map(entries) = &mut base.value {
        for entry in entries.iter_mut().filter(|e| e.key == "loadBalancers") {
            each_value(&mut entry.value, |balancer| texts(balancer, &["tags"]));
        }
        for entry in entries.iter_mut().filter(|e| e.key == "services") {
            each_value(&mut entry.value, |service| {
                texts(service, &["tags", "environment", "secrets"]);
                if let Value::Map(keys) = &mut service.value {
                    for key in keys.iter_mut().filter(|k| k.key == "containers") {
                        each_value(&mut key.value, |c| texts(c, &["environment", "secrets"]));
                    }
                }
            });
        }
    }
    Some(base)
}

/// An environment changes services and templates; it does not bring its own.
fn unknown_overrides(base: &Node, environment: &str, over: &mut Node, problems: &mut Problems) {
    let Value::Map(sections) = &mut over.value else { return };
    for Entry { key: section, value, .. } in sections {
        let Value::Map(entries) = &mut value.value else { continue };
        if !matches!(section.as_str(), "services" | "templates") {
            continue;
        }
        let known = || base.get(section).map(Node::entries).unwrap_or_default().iter();
        entries.retain(|entry| {
            if known().any(|k| k.key == entry.key) {
                return true;
            }
            let names = || known().map(|k| k.key.as_str());
            let path = path_text(&["environments", environment, section, &entry.key]);
            let message = format!(
                "overrides nothing; expected a key of `{section}`: {}",
                suggest::one_of(names())
            );
            let hint = suggest::closest(&entry.key, names())
                .map(|name| format!("did you mean {}?", shown(name)));
            problems.add(entry.at, &path, &message, hint, None);
            false
        });
    }
}

/// Puts what the service says about containers under each of its containers.
fn inherit(service: &mut Node) {
    let mut common = Node::empty_map(service.at);
    for key in INHERITED {
        if let Some(entry) = service.entry(key) {
            common.set(entry.clone());
        }
    }
    let Value::Map(entries) = &mut service.value else { return };
    for entry in entries.iter_mut().filter(|entry| entry.key == "containers") {
        each_value(&mut entry.value, |container| {
            let mut merged = common.clone();
            merged.overlay(container);
            merged.at = container.at;
            *container = merged;
        });
    }
}

fn each_value(node: &mut Node, mut change: impl FnMut(&mut Node)) {
    if let Value::Map(entries) = &mut node.value {
        entries.iter_mut().for_each(|entry| change(&mut entry.value));
    }
}

/// In these mappings every value is a text, as it was written.
fn texts(node: &mut Node, keys: &[&str]) {
    let Value::Map(entries) = &mut node.value else { return };
    for entry in entries.iter_mut().filter(|entry| keys.contains(&entry.key.as_str())) {
        each_value(&mut entry.value, |value| {
            if let Some(written) = value.written() {
                value.value = Value::Text(written);
            }
        });
    }
}

/// Rough size in bytes.
fn weight(node: &Node) -> usize {
    64 + match &node.value {
        Value::Null { .. } | Value::Bool(_) => 0,
        Value::Int(_, text) | Value::Float(text) | Value::Text(text) => text.len(),
        Value::List(items) => items.iter().map(weight).sum(),
        Value::Map(entries) => entries.iter().map(|e| e.key.len() + weight(&e.value)).sum(),
    }
}

type Say<'s> = dyn FnMut(Position, &[&str], &str, Option<String>) + 's;

fn fill_node(
    node: &mut Node,
    names: &BTreeMap<String, String>,
    left: &mut usize,
    path: &mut Vec<&str>,
    say: &mut Say<'_>,
) {
    let at = node.at;
    match &mut node.value {
        Value::Text(text) if text.contains("${") => match fill(text, names, left) {
            Ok(filled) => *text = filled,
            Err((message, hint)) => say(at, path, &message, hint),
        },
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let mut path = path.clone();
                path.push(crate::structure::index(index));
                fill_node(item, names, left, &mut path, say);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                let mut path = path.clone();
                path.push(&entry.key);
                fill_node(&mut entry.value, names, left, &mut path, say);
            }
        }
        _ => {}
    }
}

/// Variables may stand in each other; `names` gets those that can be filled in.
fn fill_variables(
    variables: Option<&Node>,
    names: &mut BTreeMap<String, String>,
    left: &mut usize,
    say: &mut Say<'_>,
) {
    let mut waiting = Vec::new();
    for entry in variables.into_iter().flat_map(Node::entries) {
        if names.contains_key(&entry.key) || entry.key == "service" {
            let message = "is always there and cannot be set; expected another name";
            say(entry.at, &["variables", &entry.key], message, None);
        } else if let Some(text) = entry.value.written() {
            waiting.push((entry, text));
        }
    }
    loop {
        let before = waiting.len();
        let own: Vec<&str> = waiting.iter().map(|(entry, _)| entry.key.as_str()).collect();
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.iter().partition(|(_, text)| !own.iter().any(|name| mentions(text, name)));
        for (entry, text) in ready {
            let path = ["variables", entry.key.as_str()];
            match fill(text, names, left) {
                Ok(text) if text.len() <= LONGEST_VARIABLE => {
                    names.insert(entry.key.clone(), text);
                }
                Ok(_) => {
                    let message = format!("is too long; expected at most {LONGEST_VARIABLE} bytes");
                    say(entry.value.at, &path, &message, None);
                }
                Err((message, hint)) => say(entry.value.at, &path, &message, hint),
            }
        }
        waiting = rest.into_iter().cloned().collect();
        if waiting.is_empty() || waiting.len() == before {
            break;
        }
    }
    for (entry, _) in waiting {
        let message = "stands in itself, or in a variable that stands in it";
        say(entry.value.at, &["variables", &entry.key], message, None);
    }
}

/// Whether `${name}` stands in the text.
fn mentions(text: &str, name: &str) -> bool {
    pieces(text).iter().any(|piece| matches!(*piece, Piece::Name(found) if found == name))
}

fn fill_keys(
    node: &mut Node,
    path: &[&str],
    names: &BTreeMap<String, String>,
    left: &mut usize,
    say: &mut Say<'_>,
) {
    let Value::Map(entries) = &mut node.value else { return };
    for entry in entries {
        match fill(&entry.key, names, left) {
            Ok(key) => entry.key = key,
            Err((message, hint)) => {
                let mut path = path.to_vec();
                path.push(&entry.key);
                say(entry.at, &path, &message, hint);
            }
        }
    }
}

/// A part of a text that may hold variables.
pub(crate) enum Piece<'t> {
    /// As it stands; `$${` is a plain `${` already.
    Plain(&'t str),
    /// The name in `${name}`.
    Name(&'t str),
    /// `${` without its end.
    Unclosed,
}

/// The parts of a text, in order.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, after) = (&rest[..start], &rest[start + 2..]);
        if let Some(plain) = before.strip_suffix('$') {
            pieces.extend([Piece::Plain(plain), Piece::Plain("${")]);
            rest = after;
            continue;
        }
        pieces.push(Piece::Plain(before));
        let Some((name, behind)) = after.split_once('}') else {
            pieces.push(Piece::Unclosed);
            return pieces;
        };
        pieces.push(Piece::Name(name));
        rest = behind;
    }
    pieces.push(Piece::Plain(rest));
    pieces
}

/// Replaces `${name}`, and `$${` by `${`.
fn fill(
    text: &str,
    names: &BTreeMap<String, String>,
    left: &mut usize,
) -> Result<String, (String, Option<String>)> {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        let name = match piece {
            Piece::Plain(plain) => {
                out.push_str(plain);
                continue;
            }
            Piece::Name(name) => name,
            Piece::Unclosed => {
                let hint = "write `$${` for a plain `${`".to_owned();
                return Err(("`${` is never closed; expected `${name}`".to_owned(), Some(hint)));
            }
        };
        let Some(value) = names.get(name) else {
            let known = || names.keys().map(String::as_str);
            let message = format!(
                "there is no variable {}; expected {}",
                shown(name),
                suggest::one_of(known())
            );
            let hint = suggest::closest(name, known()).map_or_else(
                || "write `$${` for a plain `${`".to_owned(),
                |near| format!("did you mean `${{{near}}}`?"),
            );
            return Err((message, Some(hint)));
        };
        out.push_str(value);
        *left = left.saturating_sub(value.len());
        if *left == 0 {
            return Err(("variables blow the description up beyond all use".to_owned(), None));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let names = BTreeMap::from([("environment".to_owned(), "dev".to_owned())]);
        fill(text, &names, &mut 1000).map_err(|(message, _)| message)
    }

    #[test]
    fn variables_are_filled_in_and_dollars_can_be_written() {
        assert_eq!(filled("/${environment}/x-${environment}").as_deref(), Ok("/dev/x-dev"));
        assert!(mentions("a${b}${c}", "c") && !mentions("$${c} ${cc} ${c", "c"));
        assert_eq!(filled("$HOME $${HOME} $").as_deref(), Ok("$HOME ${HOME} $"));
        assert_eq!(filled("$${a}$$${${environment}").as_deref(), Ok("${a}$${dev"));
        assert!(filled("${env}").is_err_and(|m| m.contains("no variable `env`")));
        assert!(filled("${environment").is_err_and(|m| m.contains("never closed")));
    }
}
