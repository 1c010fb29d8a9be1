//! Page tokens: places in the order of events, and names in a listing, as opaque text.

use crate::error::Error;
use crate::merge::Key;

/// Latest time a token can tell, in milliseconds: 16 digits.
pub(crate) const TIME_MS_MAX: i64 = 9_999_999_999_999_999;

fn invalid(token: &str) -> Error {
    Error::InvalidToken { token: token.to_owned() }
}

/// Which way a token of GetLogEvents goes on (CWL-GET-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventToken {
    /// Events from the place on.
    Forward(Key),
    /// Events before the place.
    Backward(Key),
}

impl EventToken {
    pub(crate) fn encode(self) -> String {
        let (letter, key) = match self {
            Self::Forward(key) => ('f', key),
            Self::Backward(key) => ('b', key),
        };
        let time = key.timestamp_ms.clamp(0, TIME_MS_MAX);
        format!("{letter}/{time:016}{:020}{:020}", key.sequence, 0)
    }

    pub(crate) fn decode(token: &str) -> Result<Self, Error> {
        let (letter, digits) = token.split_once('/').ok_or_else(|| invalid(token))?;
        if digits.len() != 56 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid(token));
        }
        let timestamp_ms = digits[..16].parse().map_err(|_| invalid(token))?;
        let sequence = digits[16..36].parse().map_err(|_| invalid(token))?;
        let key = Key { timestamp_ms, stream: 0, sequence };
        match letter {
            "f" => Ok(Self::Forward(key)),
            "b" => Ok(Self::Backward(key)),
            _ => Err(invalid(token)),
        }
    }
}

/// Where FilterLogEvents goes on: behind this event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterToken {
    pub(crate) timestamp_ms: i64,
    pub(crate) sequence: u64,
    pub(crate) stream: String,
}

impl FilterToken {
    pub(crate) fn encode(&self) -> String {
        let place = format!("{:016}{:020}", self.timestamp_ms, self.sequence);
        place + &encode_name(&self.stream)
    }

    pub(crate) fn decode(token: &str) -> Result<Self, Error> {
        let (place, name) = token.split_at_checked(36).ok_or_else(|| invalid(token))?;
        let timestamp_ms = place[..16].parse().map_err(|_| invalid(token))?;
        let sequence = place[16..].parse().map_err(|_| invalid(token))?;
        Ok(Self { timestamp_ms, sequence, stream: decode_name(name)? })
    }
}

/// A name as a token of a listing.
pub(crate) fn encode_name(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn decode_name(token: &str) -> Result<String, Error> {
    if !token.is_ascii() || !token.len().is_multiple_of(2) {
        return Err(invalid(token));
    }
    let byte = |at: usize| u8::from_str_radix(&token[at..at + 2], 16);
    let bytes: Result<Vec<u8>, _> = (0..token.len()).step_by(2).map(byte).collect();
    bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| invalid(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        let key = Key { timestamp_ms: 1_700_000_000_123, stream: 0, sequence: 77 };
        for token in [EventToken::Forward(key), EventToken::Backward(key)] {
            assert_eq!(EventToken::decode(&token.encode()).unwrap(), token);
        }
        let token =
            FilterToken { timestamp_ms: 5, sequence: u64::MAX, stream: "web/ä/1".to_owned() };
        assert_eq!(FilterToken::decode(&token.encode()).unwrap(), token);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for bad in ["", "f/", "x/1", "f/12", &format!("f/{}", "ä".repeat(28)), "f"] {
            assert!(EventToken::decode(bad).is_err(), "{bad}");
        }
        for bad in ["", "zz", "0", "ä"] {
            assert!(FilterToken::decode(bad).is_err(), "{bad}");
        }
        assert!(decode_name("f").is_err() && decode_name("zz").is_err());
    }
}
