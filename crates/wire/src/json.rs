//! JSON bodies: read strictly, made into the model's names and kinds, and written again.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::Fault;
use crate::scalar;
use crate::shape::{Kind, Member, Service, ShapeId, TimestampFormat};

/// Reads any JSON that stands in a text. Not generic, as `serde_json::from_str` is: what reads is
/// compiled here, and optimized like this crate, not like that of whoever calls it.
///
/// # Errors
/// When it is no JSON; says where and why.
pub fn read_json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// Reads a body: one value, each key once, no deeper than `depth`.
pub(crate) fn parse(body: &[u8], depth: usize) -> Result<Value, Fault> {
    let malformed = |error: serde_json::Error| Fault::Malformed(format!("Invalid JSON: {error}"));
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Strict { depth }.deserialize(&mut reader).map_err(malformed)?;
    reader.end().map_err(malformed)?;
    Ok(value)
}

/// A reader of any value that refuses what `serde_json::Value` lets pass.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(seed)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(seed)?;
            if object.contains_key(&key) {
                let key = scalar::quoted(&key);
                return Err(A::Error::custom(format_args!("the key {key} stands there twice")));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// Holds a value against a shape: members under their model names, numbers of the right kind.
/// Unknown members are left out, as AWS does; nulls in structures too.
pub(crate) fn decode(service: &Service, shape: ShapeId, value: Value) -> Result<Value, Fault> {
    let shape = &service[shape];
    match (&shape.kind, value) {
        (Kind::Structure(structure), value) if structure.document => Ok(value),
        (Kind::Structure(structure), Value::Object(mut object)) => {
            let mut members = Map::new();
            for member in &structure.members {
                // REST members that travel elsewhere are not taken from the body.
                if member.location.is_some() {
                    continue;
                }
                match object.remove(member.wire_name()) {
                    None | Some(Value::Null) => {}
                    Some(value) => {
                        let value = decode_member(service, member, value)?;
                        members.insert(member.name.clone(), value);
                    }
                }
            }
            Ok(Value::Object(members))
        }
        (Kind::List(member), Value::Array(items)) => {
            let items = items.into_iter().map(|item| match item {
                // Validation tells where it is.
                Value::Null => Ok(Value::Null),
                item => decode_member(service, member, item),
            });
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        (Kind::Map(_, member), Value::Object(entries)) => {
            let entries = entries.into_iter().map(|(key, value)| match value {
                Value::Null => Ok((key, Value::Null)),
                value => Ok((key, decode_member(service, member, value)?)),
            });
            entries.collect::<Result<_, _>>().map(Value::Object)
        }
        (Kind::String, value @ Value::String(_)) | (Kind::Boolean, value @ Value::Bool(_)) => {
            Ok(value)
        }
        (Kind::Blob, Value::String(text)) => match BASE64.decode(&text) {
            Ok(_) => Ok(Value::String(text)),
            Err(_) => Err(Fault::Malformed("Invalid Base64".to_owned())),
        },
        (Kind::Integer, Value::Number(number)) => {
            let whole = whole(&number).filter(|n| i32::try_from(*n).is_ok());
            whole.map(Value::from).ok_or_else(|| mismatch(&Value::Number(number), &shape.kind))
        }
        (Kind::Long, Value::Number(number)) => {
            let whole = whole(&number);
            whole.map(Value::from).ok_or_else(|| mismatch(&Value::Number(number), &shape.kind))
        }
        (Kind::Float | Kind::Timestamp, value @ Value::Number(_)) => Ok(value),
        // How JSON writes what has no number.
        (Kind::Float, Value::String(text))
            if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") =>
        {
            Ok(Value::String(text))
        }
        (kind, value) => Err(mismatch(&value, kind)),
    }
}

fn decode_member(service: &Service, member: &Member, value: Value) -> Result<Value, Fault> {
    // In restJson a time may be modelled as text.
    match (service.timestamp_format(member), &value) {
        (
            Some(format @ (TimestampFormat::Iso8601 | TimestampFormat::HttpDate)),
            Value::String(text),
        ) if matches!(service[member.shape].kind, Kind::Timestamp) => {
            scalar::from_text(&service[member.shape], format, text).map_err(Fault::Malformed)
        }
        _ => decode(service, member.shape, value),
    }
}

/// A whole number, also one written as 1.0.
fn whole(number: &Number) -> Option<i64> {
    /// Above it not every whole number is a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() <= EXACT && !number.is_u64()).then_some(float as i64)
    })
}

/// The words of AWS's own JSON reader.
fn mismatch(value: &Value, kind: &Kind) -> Fault {
    let wanted = match kind {
        Kind::String => "a String",
        Kind::Boolean => "a Boolean",
        Kind::Integer => "an Integer",
        Kind::Long => "a Long",
        Kind::Float => "a Double",
        Kind::Blob => "a Blob",
        Kind::Timestamp => "a Timestamp",
        Kind::Structure(_) | Kind::Map(..) => "a structure or map",
        Kind::List(_) => "a list",
    };
    Fault::Malformed(match value {
        Value::Object(_) => "Start of structure or map found where not expected.".to_owned(),
        Value::Array(_) => "Start of list found where not expected".to_owned(),
        Value::String(_) => format!("STRING_VALUE can not be converted to {wanted}"),
        Value::Number(_) => format!("NUMBER_VALUE can not be converted to {wanted}"),
        Value::Bool(true) => format!("TRUE_VALUE can not be converted to {wanted}"),
        Value::Bool(false) => format!("FALSE_VALUE can not be converted to {wanted}"),
        Value::Null => format!("NULL_VALUE can not be converted to {wanted}"),
    })
}

/// The answer as the protocol names and writes it. Nulls and members the model does not have are
/// left out; `Wire::check_answer` finds those.
pub(crate) fn encode(service: &Service, shape: ShapeId, value: Value) -> Value {
    match (&service[shape].kind, value) {
        (Kind::Structure(structure), Value::Object(mut object)) if !structure.document => {
            let mut members = Map::new();
            for member in &structure.members {
                if member.location.is_some() {
                    continue;
                }
                match object.remove(&member.name) {
                    None | Some(Value::Null) => {}
                    Some(value) => {
                        let value = encode_member(service, member, value);
                        members.insert(member.wire_name().to_owned(), value);
                    }
                }
            }
            Value::Object(members)
        }
        (Kind::List(member), Value::Array(items)) => {
            let items = items.into_iter().filter(|item| !item.is_null());
            items.map(|item| encode_member(service, member, item)).collect()
        }
        (Kind::Map(_, member), Value::Object(entries)) => {
            let entries = entries.into_iter().filter(|(_, value)| !value.is_null());
            entries.map(|(key, value)| (key, encode_member(service, member, value))).collect()
        }
        (_, value) => value,
    }
}

fn encode_member(service: &Service, member: &Member, value: Value) -> Value {
    let shape = &service[member.shape];
    match (&shape.kind, service.timestamp_format(member)) {
        (Kind::Timestamp, Some(format)) if format != TimestampFormat::EpochSeconds => {
            scalar::to_text(shape, format, &value).map_or(Value::Null, Value::String)
        }
        _ => encode(service, member.shape, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &[u8]) -> String {
        match parse(body, 8) {
            Err(Fault::Malformed(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bodies_are_read_strictly() {
        assert!(refused(br#"{"a":1,"a":2}"#).contains("'a' stands there twice"));
        assert!(refused("[".repeat(9).as_bytes()).contains("deep"));
        assert!(refused(b"[[[[[[[[[]]]]]]]]]").contains("deep"));
        assert!(parse(b"[[[[[[[[]]]]]]]]", 8).is_ok());
        refused(b"{");
        refused(b"{} {}");
        refused(b"1e999");
        refused(b"\"\xff\"");
        refused(b"");
    }

    #[test]
    fn whole_numbers_are_whole() {
        let read = |text: &str| whole(&serde_json::from_str(text).expect("a number"));
        assert_eq!(read("3.0"), Some(3));
        assert_eq!(read("-3"), Some(-3));
        for text in ["3.5", "18446744073709551615", "1e40"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
