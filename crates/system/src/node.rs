//! The description as a tree that remembers where in the file each value stands.

use std::fmt;

/// Line and column of the file, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// Where a message about this value points: the value itself, or for a block mapping or list
    /// the key it belongs to.
    pub(crate) at: Position,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `null` as a word, or just nothing.
    Null {
        written: bool,
    },
    Bool(bool),
    /// A whole number, and how it was written.
    Int(i128, String),
    /// A number with a fraction or exponent, as it was written.
    Float(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value` of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Position,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn empty_map(at: Position) -> Node {
        Node { value: Value::Map(Vec::new()), at }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A scalar as the user wrote it: `1.10` stays `1.10`.
    pub(crate) fn written(&self) -> Option<String> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(_, written) | Value::Float(written) | Value::Text(written) => {
                Some(written.clone())
            }
            Value::Null { .. } | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Takes the entry out of the mapping.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Entry> {
        let Value::Map(entries) = &mut self.value else { return None };
        let index = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(index))
    }

    /// Sets the entry of the mapping, in its old place if it had one.
    pub(crate) fn set(&mut self, entry: Entry) {
        let Value::Map(entries) = &mut self.value else { return };
        match entries.iter_mut().find(|old| old.key == entry.key) {
            Some(old) => *old = entry,
            None => entries.push(entry),
        }
    }

    /// Lays `over` on top of this tree: mappings are merged key by key, everything else (lists
    /// too) is replaced. A `null` stays until [`Node::drop_nulls`], so that it also takes away
    /// what a layer further down says.
    pub(crate) fn overlay(&mut self, over: &Node) {
        let (Value::Map(_), Value::Map(above)) = (&self.value, &over.value) else {
            *self = over.clone();
            return;
        };
        for entry in above {
            let Value::Map(entries) = &mut self.value else { return };
            match entries.iter_mut().find(|old| old.key == entry.key) {
                Some(old) => {
                    old.value.overlay(&entry.value);
                    old.at = entry.at;
                }
                None => entries.push(entry.clone()),
            }
        }
    }

    /// Once all layers are laid, a key without a value is no key.
    pub(crate) fn drop_nulls(&mut self) {
        match &mut self.value {
            Value::Map(entries) => {
                entries.retain(|entry| !matches!(entry.value.value, Value::Null { .. }));
                entries.iter_mut().for_each(|entry| entry.value.drop_nulls());
            }
            Value::List(items) => items.iter_mut().for_each(Node::drop_nulls),
            _ => {}
        }
    }

    /// Where the value at that path stands; where its nearest ancestor does when it is absent.
    pub(crate) fn position(&self, path: &[&str]) -> Position {
        let mut node = self;
        for step in path {
            let next = match &node.value {
                Value::Map(_) => node.get(step),
                Value::List(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.at
    }

    /// The tree without positions.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null { .. } => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value, written) => i64::try_from(*value)
                .map(Json::from)
                .or_else(|_| u64::try_from(*value).map(Json::from))
                .unwrap_or_else(|_| Json::String(written.clone())),
            Value::Float(written) => written
                .parse::<f64>()
                .ok()
                .and_then(serde_json::Number::from_f64)
                .map_or_else(|| Json::String(written.clone()), Json::Number),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect())
            }
        }
    }
}

/// What the value is, in the words of the messages.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::diagnostics::shown;
        match self {
            Value::Null { .. } => f.write_str("nothing"),
            Value::Bool(value) => write!(f, "the boolean {value}"),
            Value::Int(_, written) | Value::Float(written) => {
                write!(f, "the number {}", shown(written))
            }
            Value::Text(text) => write!(f, "the text {}", shown(text)),
            Value::List(_) => f.write_str("a list"),
            Value::Map(_) => f.write_str("a mapping"),
        }
    }
}

/// `services.api.containers[0].cpu`.
pub(crate) fn path_text(path: &[&str]) -> String {
    let mut out = String::new();
    for step in path {
        if !out.is_empty() && !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit()) {
            out.push('[');
            out.push_str(step);
            out.push(']');
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.extend(step.chars().take(80).map(|c| if c.is_control() { '?' } else { c }));
        }
    }
    out
}
