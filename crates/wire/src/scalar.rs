//! Single values as text: numbers, truth values, blobs and the three forms of a time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Number, Value};

use crate::shape::{Kind, Shape, TimestampFormat};

/// A text of a query, header or XML element as the value its shape says.
///
/// # Errors
/// What is wrong, for the sender.
pub(crate) fn from_text(
    shape: &Shape,
    format: TimestampFormat,
    text: &str,
) -> Result<Value, String> {
    let trimmed = text.trim();
    match &shape.kind {
        Kind::String => Ok(Value::from(text)),
        Kind::Blob => {
            let bytes = BASE64.decode(trimmed).map_err(|_| "Invalid Base64".to_owned())?;
            Ok(Value::from(BASE64.encode(bytes)))
        }
        Kind::Boolean => match trimmed {
            "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
            other => Err(format!("{} can not be converted to a Boolean", quoted(other))),
        },
        Kind::Integer => trimmed
            .parse::<i32>()
            .map(Value::from)
            .map_err(|_| format!("{} can not be converted to an Integer", quoted(trimmed))),
        Kind::Long => trimmed
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| format!("{} can not be converted to a Long", quoted(trimmed))),
        Kind::Float => trimmed
            .parse::<f64>()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| format!("{} can not be converted to a Double", quoted(trimmed))),
        Kind::Timestamp => parse_time(format, trimmed)
            .ok_or_else(|| format!("timestamp {} must follow {}", quoted(trimmed), name(format))),
        Kind::Structure(_) => Err("Unexpected text where a structure is expected".to_owned()),
        Kind::List(_) => Err("Unexpected text where a list is expected".to_owned()),
        Kind::Map(..) => Err("Unexpected text where a map is expected".to_owned()),
    }
}

/// Quoted in an answer, and not longer than an answer should be.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 64;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("'{}...'", &text[..end]),
        None => format!("'{text}'"),
    }
}

/// A value as text of a header or XML element. Structures and lists have none.
pub(crate) fn to_text(shape: &Shape, format: TimestampFormat, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) if matches!(shape.kind, Kind::Timestamp) => {
            Some(format_time(format, number.as_f64()?))
        }
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn name(format: TimestampFormat) -> &'static str {
    match format {
        TimestampFormat::Iso8601 => "ISO8601",
        TimestampFormat::HttpDate => "RFC 822",
        TimestampFormat::EpochSeconds => "seconds since 1970",
    }
}

/// Epoch seconds of a text. ISO 8601 may lack zone (then UTC) and time (then midnight).
fn parse_time(format: TimestampFormat, text: &str) -> Option<Value> {
    let timestamp = match format {
        TimestampFormat::EpochSeconds => {
            return Number::from_f64(text.parse().ok()?).map(Value::Number);
        }
        TimestampFormat::HttpDate => {
            jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
        }
        TimestampFormat::Iso8601 => text.parse::<Timestamp>().ok().or_else(|| {
            let civil = text.parse::<jiff::civil::DateTime>().ok()?;
            civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        }),
    };
    seconds(timestamp?.as_millisecond())
}

/// Seconds with at most three decimals; whole seconds stay whole.
pub(crate) fn seconds(milliseconds: i64) -> Option<Value> {
    if milliseconds % 1000 == 0 {
        return Some(Value::from(milliseconds / 1000));
    }
    Number::from_f64(milliseconds as f64 / 1000.0).map(Value::Number)
}

/// Times that no calendar has become the epoch: an answer must be readable.
pub(crate) fn format_time(format: TimestampFormat, seconds: f64) -> String {
    if format == TimestampFormat::EpochSeconds {
        return seconds.to_string();
    }
    let milliseconds = (seconds * 1000.0).round() as i64;
    let timestamp = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    let pattern = match format {
        TimestampFormat::HttpDate => "%a, %d %b %Y %H:%M:%S GMT",
        _ if timestamp.as_millisecond() % 1000 == 0 => "%Y-%m-%dT%H:%M:%SZ",
        _ => "%Y-%m-%dT%H:%M:%S.%3fZ",
    };
    timestamp.to_zoned(TimeZone::UTC).strftime(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ERR-WIRE-5.
    #[test]
    fn times_in_three_forms() {
        let cases = [
            (TimestampFormat::Iso8601, "2015-08-30T12:36:00Z", 1_440_938_160.0),
            (TimestampFormat::Iso8601, "2015-08-30T12:36:00.250Z", 1_440_938_160.25),
            (TimestampFormat::HttpDate, "Sun, 30 Aug 2015 12:36:00 GMT", 1_440_938_160.0),
            (TimestampFormat::EpochSeconds, "1440938160.5", 1_440_938_160.5),
        ];
        for (format, text, seconds) in cases {
            assert_eq!(format_time(format, seconds), text);
            assert_eq!(parse_time(format, text).and_then(|v| v.as_f64()), Some(seconds), "{text}");
        }
        let loose = ["2015-08-30T14:36:00+02:00", "2015-08-30T12:36:00"];
        for text in loose {
            let parsed = parse_time(TimestampFormat::Iso8601, text);
            assert_eq!(parsed, Some(Value::from(1_440_938_160)), "{text}");
        }
        assert_eq!(parse_time(TimestampFormat::Iso8601, "yesterday"), None);
        assert_eq!(format_time(TimestampFormat::Iso8601, 1e300), "1970-01-01T00:00:00Z");
    }
}
