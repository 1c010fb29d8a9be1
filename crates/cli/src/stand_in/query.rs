//! What a request asks the stand-in to do, in its query parameters.

use std::time::Duration;

/// The parameters a request may carry, on any path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Keep one core busy this long before answering.
    pub(super) burn: Option<Duration>,
    /// Hold so many MiB ...
    pub(super) hold_mib: Option<usize>,
    /// ... for so long (one second unless given); the answer does not wait for it.
    pub(super) hold: Option<Duration>,
    /// Answer this late.
    pub(super) sleep: Option<Duration>,
    /// Answer with this status.
    pub(super) status: Option<u16>,
    /// Exit at once with this code, without an answer.
    pub(super) exit: Option<i32>,
    /// From now on the health check fails (`false`) or passes (`true`).
    pub(super) healthy: Option<bool>,
    /// Call this URL and return what came.
    pub(super) call: Option<String>,
    /// Answer in so many chunks ...
    pub(super) stream_chunks: Option<u32>,
    /// ... so far apart.
    pub(super) stream_gap: Option<Duration>,
}

/// A parameter holds something unusable; answered with 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}={value}` is not usable: expected {expected}")]
pub(super) struct InvalidParameter {
    name: String,
    value: String,
    expected: &'static str,
}

impl Wishes {
    /// Reads the query; parameters it does not know are the application's own.
    pub(super) fn read(query: &str) -> Result<Wishes, InvalidParameter> {
        let mut wishes = Wishes::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            let invalid = |expected| InvalidParameter {
                name: name.to_owned(),
                value: value.clone(),
                expected,
            };
            let millis = || {
                let parsed = value.parse().map(Duration::from_millis);
                parsed.map(Some).map_err(|_| invalid("a number of milliseconds"))
            };
            match name {
                "burn_ms" => wishes.burn = millis()?,
                "hold_ms" => wishes.hold = millis()?,
                "sleep_ms" => wishes.sleep = millis()?,
                "stream_ms" => wishes.stream_gap = millis()?,
                "hold_mib" => {
                    let parsed = value.parse().ok().filter(|mib| *mib <= 1 << 20);
                    wishes.hold_mib = Some(parsed.ok_or_else(|| invalid("a number of MiB"))?);
                }
                "stream_chunks" => {
                    wishes.stream_chunks =
                        Some(value.parse().map_err(|_| invalid("a number of chunks"))?);
                }
                "status" => {
                    let status = value.parse().ok().filter(|s| (200..600).contains(s));
                    wishes.status = Some(status.ok_or_else(|| invalid("a status 200 to 599"))?);
                }
                "exit" => {
                    let code: u8 = value.parse().map_err(|_| invalid("an exit code 0 to 255"))?;
                    wishes.exit = Some(i32::from(code));
                }
                "health" => {
                    wishes.healthy = Some(match value.as_str() {
                        "ok" => true,
                        "fail" => false,
                        _ => return Err(invalid("`ok` or `fail`")),
                    });
                }
                "call" => wishes.call = Some(value),
                _ => {}
            }
        }
        Ok(wishes)
    }
}

/// Undoes percent-encoding and `+`; what is not valid stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (b'+', _) => {
                decoded.push(b' ');
                at += 1;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters_are_read_and_others_left_alone() {
        let wishes =
            Wishes::read("page=2&burn_ms=5&status=503&call=http%3A%2F%2Fa.b%3A1%2Fc&health=fail")
                .unwrap();
        assert_eq!(wishes.burn, Some(Duration::from_millis(5)));
        assert_eq!(wishes.status, Some(503));
        assert_eq!(wishes.call.as_deref(), Some("http://a.b:1/c"));
        assert_eq!(wishes.healthy, Some(false));
        assert_eq!(Wishes::read("").unwrap(), Wishes::default());
    }

    #[test]
    fn unusable_values_are_refused() {
        for query in ["burn_ms=x", "status=42", "exit=-1", "health=maybe", "hold_mib=99999999"] {
            assert!(Wishes::read(query).is_err(), "{query}");
        }
    }

    #[test]
    fn decoding_survives_anything() {
        assert_eq!(decode("a%20b+c"), "a b c");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%é%4"), "%zz%é%4");
    }
}
