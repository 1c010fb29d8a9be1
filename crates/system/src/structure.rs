//! Keys, types, choices and ranges: the tree against the JSON Schema.

use serde_json::{Map, Value as Json};

use crate::diagnostics::{Problems, shown};
use crate::node::{Entry, Node, Position, Value, path_text};
use crate::schema::json_schema;
use crate::suggest;

/// Reports everything about the tree that the schema forbids. `false` if what is left cannot be
/// read on with a use: after a wrong type or an unknown key, further messages would be guesses.
pub(crate) fn check(root: &Node, problems: &mut Problems) -> bool {
    let mut check = Check { problems, readable: true };
    let schema = json_schema();
    check.node(root, schema, &mut Vec::new());
    check.readable
}

struct Check<'p> {
    problems: &'p mut Problems,
    readable: bool,
}

impl<'t> Check<'_> {
    fn say(&mut self, at: Position, path: &[&str], message: &str, hint: Option<String>) {
        self.problems.settle(at, &path_text(path), message, hint, None);
    }

    fn stop(&mut self, at: Position, path: &[&str], message: &str, hint: Option<String>) {
        self.readable = false;
        self.say(at, path, message, hint);
    }

    fn node(&mut self, node: &'t Node, schema: &Json, path: &mut Vec<&'t str>) {
        let alternatives = alternatives(schema);
        if let Value::Null { written } = node.value {
            // A written `null` takes away what a lower layer says; without one it is an oversight.
            let layered = match path.first() {
                Some(&"environments") => path.len() > 2,
                Some(&"services" | &"templates") => path.len() > 2,
                _ => false,
            };
            if !(written && layered) {
                let message = format!("has no value; expected {}", kinds(&alternatives));
                let hint =
                    layered.then(|| "write `null` to take away what is inherited".to_owned());
                self.stop(node.at, path, &message, hint);
            }
            return;
        }
        let Some(schema) = alternatives.iter().find(|s| accepts(s, &node.value)) else {
            let message = format!("expected {}, found {}", kinds(&alternatives), node.value);
            let quoted = matches!(node.value, Value::Bool(_) | Value::Int(..) | Value::Float(_))
                && kinds(&alternatives) == "a text";
            let hint = quoted.then(|| "put it in quotes".to_owned()).or_else(|| number(node));
            return self.stop(node.at, path, &message, hint);
        };
        match &node.value {
            Value::Map(entries) => self.map(node, entries, schema, path),
            Value::List(items) => self.list(node, items, schema, path),
            Value::Int(value, written) => self.range(node, *value, written, schema, path),
            Value::Text(text) => self.choice(node, text, &alternatives, path),
            Value::Null { .. } | Value::Bool(_) | Value::Float(_) => {}
        }
    }

    fn map(
        &mut self,
        node: &'t Node,
        entries: &'t [Entry],
        schema: &Map<String, Json>,
        path: &mut Vec<&'t str>,
    ) {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
        let others = schema.get("additionalProperties").filter(|s| s.is_object());
        for entry in entries {
            path.push(&entry.key);
            match properties.get(&entry.key).or(others) {
                Some(schema) => self.node(&entry.value, schema, path),
                None => {
                    let known = || properties.keys().map(String::as_str);
                    let expected = suggest::nearest(&entry.key, known());
                    let message = format!("unknown key; expected {expected}");
                    let hint = suggest::closest(&entry.key, known())
                        .map(|key| format!("did you mean {}?", shown(key)));
                    self.stop(entry.at, path, &message, hint);
                }
            }
            path.pop();
        }
        for key in schema.get("required").and_then(Json::as_array).into_iter().flatten() {
            let Some(key) = key.as_str() else { continue };
            if node.get(key).is_none() {
                self.stop(node.at, path, &format!("{} is missing", shown(key)), None);
            }
        }
    }

    fn list(
        &mut self,
        node: &'t Node,
        items: &'t [Node],
        schema: &Map<String, Json>,
        path: &mut Vec<&'t str>,
    ) {
        if let Some(most) = schema.get("maxItems").and_then(Json::as_u64)
            && items.len() as u64 > most
        {
            let message = format!("has {} entries; expected at most {most}", items.len());
            self.say(node.at, path, &message, None);
        }
        let Some(schema) = schema.get("items") else { return };
        for (index, item) in items.iter().enumerate() {
            path.push(self::index(index));
            self.node(item, schema, path);
            path.pop();
        }
    }

    fn range(
        &mut self,
        node: &Node,
        value: i128,
        written: &str,
        schema: &Map<String, Json>,
        path: &[&str],
    ) {
        let bound = |key: &str| schema.get(key).and_then(Json::as_i64).map(i128::from);
        let (low, high) = (bound("minimum"), bound("maximum"));
        let message = match (low, high) {
            (Some(low), Some(high)) if value < low || value > high => {
                format!("{} is out of range; expected {low} to {high}", shown(written))
            }
            (Some(low), None) if value < low => {
                format!("{} is too small; expected {low} or more", shown(written))
            }
            (None, Some(high)) if value > high => {
                format!("{} is too large; expected at most {high}", shown(written))
            }
            _ if i32::try_from(value).is_err() && schema.contains_key("format") => {
                format!("{} is too large", shown(written))
            }
            _ => return,
        };
        // A negative or enormous number does not fit the type; others can be read on with.
        if value < 0 || i32::try_from(value).is_err() {
            self.readable = false;
        }
        self.say(node.at, path, &message, None);
    }

    fn choice(&mut self, node: &Node, text: &str, schemas: &[&Map<String, Json>], path: &[&str]) {
        let mut allowed = Vec::new();
        for schema in schemas {
            let values = schema.get("enum").and_then(Json::as_array);
            allowed.extend(values.into_iter().flatten().filter_map(Json::as_str));
            allowed.extend(schema.get("const").and_then(Json::as_str));
        }
        if allowed.is_empty() || allowed.contains(&text) {
            return;
        }
        let hint = suggest::closest(text, allowed.iter().copied())
            .map(|value| format!("did you mean {}?", shown(value)));
        let expected = suggest::one_of(allowed);
        self.stop(
            node.at,
            path,
            &format!("unknown value {}; expected {expected}", shown(text)),
            hint,
        );
    }
}

/// A number in quotes where a number belongs.
fn number(node: &Node) -> Option<String> {
    let text = node.text()?;
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if number {
        Some("write the number without quotes".to_owned())
    } else if text.contains("${") {
        Some("variables are filled into texts only; let an environment override the key".to_owned())
    } else if ["yes", "no", "on", "off"].contains(&text.to_lowercase().as_str()) {
        Some("write `true` or `false`".to_owned())
    } else {
        None
    }
}

/// The schema itself, or what it offers to choose from, without references and `null`.
fn alternatives(schema: &Json) -> Vec<&Map<String, Json>> {
    let mut found = Vec::new();
    let mut open = vec![schema];
    // A schema refers to at most a few others; the bound keeps a loop from hanging.
    for _ in 0..64 {
        let Some(Json::Object(schema)) = open.pop() else { break };
        if let Some(name) = schema.get("$ref").and_then(Json::as_str) {
            let target = name.strip_prefix('#').and_then(|pointer| json_schema().pointer(pointer));
            open.extend(target);
        } else if let Some(Json::Array(several)) = schema.get("anyOf").or(schema.get("oneOf")) {
            open.extend(several.iter().rev());
        } else if schema.get("type").and_then(Json::as_str) != Some("null") {
            found.push(schema);
        }
    }
    found
}

fn types(schema: &Map<String, Json>) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

fn accepts(schema: &Map<String, Json>, value: &Value) -> bool {
    types(schema).into_iter().any(|name| match value {
        Value::Null { .. } => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Int(..) => name == "integer" || name == "number",
        Value::Float(_) => name == "number",
        Value::Text(_) => name == "string",
        Value::List(_) => name == "array",
        Value::Map(_) => name == "object",
    })
}

/// What the alternatives allow, in words.
fn kinds(schemas: &[&Map<String, Json>]) -> String {
    let names: Vec<&str> = schemas.iter().flat_map(|schema| types(schema)).collect();
    let has = |name: &str| names.contains(&name);
    let mut words = Vec::new();
    if has("string") {
        words.push("a text");
    }
    if has("number") {
        words.push("a number");
    } else if has("integer") {
        words.push("a whole number");
    }
    if has("boolean") {
        words.push("true or false");
    }
    if has("array") {
        words.push("a list");
    }
    if has("object") {
        words.push("a mapping (`key: value` lines)");
    }
    suggest::one_of(words)
}

/// Path steps for list entries; nobody reads a message about the hundredth.
const INDEXES: [&str; 40] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
    "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "32",
    "33", "34", "35", "36", "37", "38", "39",
];

/// The path step of a list entry.
pub(crate) fn index(at: usize) -> &'static str {
    INDEXES.get(at).copied().unwrap_or("...")
}
