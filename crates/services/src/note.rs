//! What a client said that the platform does not act on, kept with the platform and read back.
//!
//! A note belongs to one ARN and is one JSON object. Only members that the core has no place for
//! go in; what the core carries is read from the core, so that a change by another way is seen.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_wire::read_json;
use serde_json::Value;

/// The note on an ARN; an empty object when there is none.
pub(crate) fn read(platform: &Platform, arn: &str) -> Value {
    platform
        .note(arn)
        .and_then(|text| read_json(text).ok())
        .unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

/// Writes the note on an ARN; an empty one is none.
pub(crate) fn write(arn: &str, note: &Value) -> Command {
    let empty = note.as_object().is_none_or(serde_json::Map::is_empty);
    Command::Annotate { subject: arn.to_owned(), note: (!empty).then(|| note.to_string()) }
}

/// Forgets the note on an ARN.
pub(crate) fn forget(arn: &str) -> Command {
    Command::Annotate { subject: arn.to_owned(), note: None }
}

/// The named members of an input, as they were sent.
pub(crate) fn members(input: &Value, names: &[&str]) -> Value {
    let mut note = serde_json::Map::new();
    for name in names {
        if let Some(value) = input.get(*name).filter(|v| !v.is_null()) {
            note.insert((*name).to_owned(), value.clone());
        }
    }
    Value::Object(note)
}

/// Copies every member of `news` over the note's.
pub(crate) fn merge(note: &mut Value, news: &Value) {
    if let (Some(note), Some(news)) = (note.as_object_mut(), news.as_object()) {
        note.extend(news.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
}
