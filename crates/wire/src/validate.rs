//! The constraints of the model: required members, lengths, ranges, enumerations, patterns.
//!
//! The words are AWS's own (ERR-WIRE-6); a path names members as AWS's validator does, with a small
//! first letter and list items counted from one: `tags.1.member.key`.

use serde_json::Value;

use crate::error::{Fault, Violation, Violations};
use crate::scalar::quoted;
use crate::shape::{Kind, Service, Shape, ShapeId};

/// Holds an input against its shape.
pub(crate) fn validate(service: &Service, shape: ShapeId, value: &Value) -> Result<(), Fault> {
    let mut check = Check { service, path: Vec::new(), found: Violations::default() };
    check.value(shape, value);
    if check.found.count == 0 { Ok(()) } else { Err(Fault::Validation(check.found)) }
}

struct Check<'a> {
    service: &'a Service,
    path: Vec<String>,
    found: Violations,
}

impl Check<'_> {
    fn violation(&mut self, value: Option<(&Shape, &Value)>, constraint: &str) {
        self.found.count += 1;
        if self.found.list.len() == Violations::SHOWN {
            return;
        }
        let shown = match value {
            None => "Value null".to_owned(),
            Some((shape, _)) if shape.sensitive => "Value".to_owned(),
            Some((_, Value::String(text))) => format!("Value {}", quoted(text)),
            Some((_, value)) => format!("Value {}", quoted(&value.to_string())),
        };
        let path = self.path.join(".");
        let text = format!("{shown} at '{path}' failed to satisfy constraint: {constraint}");
        self.found.list.push(Violation { text, missing: value.is_none() });
    }

    fn below(&mut self, name: String, shape: ShapeId, value: &Value) {
        self.path.push(name);
        if value.is_null() {
            self.violation(None, "Member must not be null");
        } else {
            self.value(shape, value);
        }
        self.path.pop();
    }

    fn value(&mut self, id: ShapeId, value: &Value) {
        let shape = &self.service[id];
        match (&shape.kind, value) {
            (Kind::Structure(structure), Value::Object(object)) => {
                for member in &structure.members {
                    if let Some(value) = object.get(&member.name) {
                        self.below(validator_name(&member.name), member.shape, value);
                    } else if structure.required.contains(&member.name) {
                        self.below(validator_name(&member.name), member.shape, &Value::Null);
                    }
                }
            }
            (Kind::List(member), Value::Array(items)) => {
                self.length(shape, value, items.len());
                for (index, item) in items.iter().enumerate() {
                    self.path.push((index + 1).to_string());
                    self.below("member".to_owned(), member.shape, item);
                    self.path.pop();
                }
            }
            (Kind::Map(key, member), Value::Object(entries)) => {
                self.length(shape, value, entries.len());
                for (name, value) in entries {
                    self.path.push(name.clone());
                    self.below("key".to_owned(), key.shape, &Value::from(name.as_str()));
                    self.below("member".to_owned(), member.shape, value);
                    self.path.pop();
                }
            }
            (Kind::String, Value::String(text)) => self.string(shape, value, text),
            (Kind::Blob, Value::String(text)) => self.length(shape, value, blob_length(text)),
            (Kind::Integer | Kind::Long | Kind::Float, Value::Number(number)) => {
                let number = number.as_f64().unwrap_or_default();
                let outside = |bound: Option<f64>, is: fn(&f64, &f64) -> bool| {
                    bound.filter(|bound| is(&number, bound))
                };
                if let Some(min) = outside(shape.min, f64::lt) {
                    let text = format!("Member must have value greater than or equal to {min}");
                    self.violation(Some((shape, value)), &text);
                }
                if let Some(max) = outside(shape.max, f64::gt) {
                    let text = format!("Member must have value less than or equal to {max}");
                    self.violation(Some((shape, value)), &text);
                }
            }
            // Decoding has made sure that kinds agree.
            _ => {}
        }
    }

    fn length(&mut self, shape: &Shape, value: &Value, length: usize) {
        let length = length as f64;
        if let Some(min) = shape.min.filter(|min| length < *min) {
            let text = format!("Member must have length greater than or equal to {min}");
            self.violation(Some((shape, value)), &text);
        }
        if let Some(max) = shape.max.filter(|max| length > *max) {
            let text = format!("Member must have length less than or equal to {max}");
            self.violation(Some((shape, value)), &text);
        }
    }

    fn string(&mut self, shape: &Shape, value: &Value, text: &str) {
        self.length(shape, value, text.chars().count());
        if !shape.enumeration.is_empty() && !shape.enumeration.iter().any(|e| e == text) {
            let set = shape.enumeration.join(", ");
            let text = format!("Member must satisfy enum value set: [{set}]");
            self.violation(Some((shape, value)), &text);
        }
        if let Some(pattern) = &shape.pattern
            && pattern.compiled().is_some_and(|regex| !regex.is_match(text))
        {
            let text = format!("Member must satisfy regular expression pattern: {}", pattern.text);
            self.violation(Some((shape, value)), &text);
        }
    }
}

fn validator_name(member: &str) -> String {
    let mut letters = member.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Bytes behind a base64 text that has been checked.
fn blob_length(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// What in an answer is not as the model has it: for tests of services, which would otherwise lose
/// a misspelt member without a sound.
pub(crate) fn answer_mistakes(service: &Service, shape: ShapeId, value: &Value) -> Vec<String> {
    let mut mistakes = Vec::new();
    compare(service, shape, value, "", &mut mistakes);
    mistakes
}

fn compare(service: &Service, id: ShapeId, value: &Value, path: &str, mistakes: &mut Vec<String>) {
    match (&service[id].kind, value) {
        (_, Value::Null) => {}
        (Kind::Structure(structure), _) if structure.document => {}
        (Kind::Structure(structure), Value::Object(object)) => {
            for (name, value) in object {
                let path = format!("{path}.{name}");
                match structure.member(name) {
                    Some(member) => compare(service, member.shape, value, &path, mistakes),
                    None => mistakes.push(format!("{path} is no member of {}", service[id].name)),
                }
            }
        }
        (Kind::List(member), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                compare(service, member.shape, item, &format!("{path}[{index}]"), mistakes);
            }
        }
        (Kind::Map(_, member), Value::Object(entries)) => {
            for (name, value) in entries {
                compare(service, member.shape, value, &format!("{path}.{name}"), mistakes);
            }
        }
        (Kind::String | Kind::Blob, Value::String(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Float | Kind::Timestamp, Value::Number(_)) => {}
        (Kind::Integer | Kind::Long, Value::Number(number)) if !number.is_f64() => {}
        (Kind::Blob, Value::Object(body)) if body.contains_key("files") => {}
        (_, other) => mistakes.push(format!("{path} is {other}, not a {}", service[id].name)),
    }
}
