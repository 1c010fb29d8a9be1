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

/// A time as text, for services that have no timestamps: `2024-02-29T12:34:56.000Z`.
pub(crate) fn iso(time: Time) -> String {
    let (day, in_day) = (time.0 / 86_400_000, time.0 % 86_400_000);
    // Days since 1 March of the year 0, in cycles of 400 years; a year begins in March, so that a
    // leap day comes last.
    let days = day + 719_468;
    let (cycle, in_cycle) = (days / 146_097, days % 146_097);
    let year = (in_cycle - in_cycle / 1460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
    let in_year = in_cycle - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (400 * cycle + year, month + 3),
        _ => (400 * cycle + year + 1, month - 9),
    };
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Sets a member when there is a value for it.
pub(crate) fn set(object: &mut Value, member: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object[member] = value.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_as_text() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_210_096_000, "2024-02-29T12:34:56.000Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_102_444_799_000, "2099-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(iso(Time(ms)), text);
        }
    }
}
