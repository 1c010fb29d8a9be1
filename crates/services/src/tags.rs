//! Tags: lists of pairs on the wire, a map inside. ECS spells the members small, all others large.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::fields;

/// How a service spells a tag's members.
#[derive(Clone, Copy)]
pub(crate) struct Spelling {
    pub(crate) key: &'static str,
    pub(crate) value: &'static str,
}

/// `key`, `value`.
pub(crate) const SMALL: Spelling = Spelling { key: "key", value: "value" };
/// `Key`, `Value`.
pub(crate) const LARGE: Spelling = Spelling { key: "Key", value: "Value" };

/// A list of pairs as a map.
pub(crate) fn read(list: &[Value], spelling: Spelling) -> BTreeMap<String, String> {
    let pair = |tag: &Value| {
        let value = tag.get(spelling.value).and_then(Value::as_str).unwrap_or_default();
        Some((fields::owned(tag, spelling.key)?, value.to_owned()))
    };
    list.iter().filter_map(pair).collect()
}

/// A map as a list of pairs.
pub(crate) fn write(tags: &BTreeMap<String, String>, spelling: Spelling) -> Value {
    let Spelling { key, value } = spelling;
    tags.iter().map(|(k, v)| json!({ key: k, value: v })).collect()
}

/// The `tags` member of a note as a map.
pub(crate) fn noted(note: &Value) -> BTreeMap<String, String> {
    let empty = Map::new();
    let tags = note.get("tags").and_then(Value::as_object).unwrap_or(&empty);
    tags.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

/// Puts tags into a note; none are no member.
pub(crate) fn note(note: &mut Value, tags: &BTreeMap<String, String>) {
    if let Some(note) = note.as_object_mut() {
        match tags.is_empty() {
            true => drop(note.remove("tags")),
            false => drop(note.insert("tags".to_owned(), json!(tags))),
        }
    }
}

/// Adds tags to a note, each in place of one with the same key. Answers how many there are then.
pub(crate) fn add(note: &mut Value, new: BTreeMap<String, String>) -> usize {
    let mut own = noted(note);
    own.extend(new);
    self::note(note, &own);
    own.len()
}

/// Takes the tags with these keys from a note.
pub(crate) fn remove(note: &mut Value, keys: &[&str]) {
    let mut own = noted(note);
    own.retain(|key, _| !keys.contains(&key.as_str()));
    self::note(note, &own);
}

/// Tags as some operations take them: one object.
pub(crate) fn of_map(sent: Option<&Value>) -> BTreeMap<String, String> {
    let members = sent.and_then(Value::as_object).into_iter().flatten();
    members.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

/// The tags of a record as a list of pairs.
pub(crate) fn listed(record: &Value, spelling: Spelling) -> Value {
    write(&noted(record), spelling)
}

/// A record without its tags: what most answers show of it.
pub(crate) fn without(mut record: Value) -> Value {
    note(&mut record, &BTreeMap::new());
    record
}
