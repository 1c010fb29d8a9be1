//! How things look to people. Nothing here decides or does anything.

pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod views;

/// Terminal colours; empty when they are not wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Colours(pub(crate) bool);

impl Colours {
    fn paint(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn busy(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// One of six colours, the same for the same text.
    pub(crate) fn tag(self, text: &str) -> String {
        let sum =
            text.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        self.paint(["36", "35", "34", "33", "32", "31"][(sum % 6) as usize], text)
    }
}

/// The start of a task id, long enough to tell tasks apart and to be typed.
pub(crate) fn short_id(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// `2026-11-20 19:13:45` in UTC.
pub(crate) fn time(ms: u64) -> String {
    let timestamp =
        i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(
        || ms.to_string(),
        |timestamp| timestamp.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}
