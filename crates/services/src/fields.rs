//! Reading members of an input, and writing times. The wire has checked types and required
//! members; a member of another type reads as absent.

use neargate_core::time::Time;
use serde_json::{Value, json};

/// A text member; empty counts as absent, as the services themselves treat it.
pub(crate) fn text<'a>(input: &'a Value, member: &str) -> Option<&'a str> {
    input.get(member).and_then(Value::as_str).filter(|s| !s.is_empty())
}

/// A text member owned.
pub(crate) fn owned(input: &Value, member: &str) -> Option<String> {
    text(input, member).map(str::to_owned)
}

/// A number that is not negative.
pub(crate) fn number(input: &Value, member: &str) -> Option<u64> {
    input.get(member).and_then(Value::as_u64)
}

/// A number that fits 32 bits.
pub(crate) fn small(input: &Value, member: &str) -> Option<u32> {
    number(input, member).and_then(|n| u32::try_from(n).ok())
}

/// A port.
pub(crate) fn port(input: &Value, member: &str) -> Option<u16> {
    number(input, member).and_then(|n| u16::try_from(n).ok())
}

/// A flag.
pub(crate) fn flag(input: &Value, member: &str) -> Option<bool> {
    input.get(member).and_then(Value::as_bool)
}

/// The elements of a list member; none when absent.
pub(crate) fn list<'a>(input: &'a Value, member: &str) -> &'a [Value] {
    input.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of a list member.
pub(crate) fn texts<'a>(input: &'a Value, member: &str) -> Vec<&'a str> {
    list(input, member).iter().filter_map(Value::as_str).collect()
}

/// Whether the member was sent at all.
pub(crate) fn sent(input: &Value, member: &str) -> bool {
    input.get(member).is_some_and(|v| !v.is_null())
}

/// Whether `include` asks for tags.
pub(crate) fn wants_tags(input: &Value) -> bool {
    texts(input, "include").contains(&"TAGS")
}

/// A timestamp: seconds since the epoch with three decimals.
pub(crate) fn time(time: Time) -> Value {
    json!(time.0 as f64 / 1000.0)
}

/// Sets a member when there is a value for it.
pub(crate) fn set(object: &mut Value, member: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object[member] = value.into();
    }
}
