//! Times as the agent writes them: RFC 3339 in UTC, fractions only where there are any.

use jiff::Timestamp;
use neargate_core::time::Time;

/// A platform time.
pub(super) fn of(time: Time) -> String {
    of_ms(time.0)
}

/// Milliseconds since the epoch.
pub(super) fn of_ms(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(of_ms(1_602_187_751_445), "2020-10-08T20:09:11.445Z");
        assert_eq!(of_ms(1_602_187_751_000), "2020-10-08T20:09:11Z");
        assert!(of_ms(u64::MAX).starts_with("9999-12-"));
    }
}
