//! Joins lines to events, as the awslogs driver does it with `awslogs-multiline-pattern` and
//! `awslogs-datetime-format` (ECS-TD-21): a line that matches begins a new event, the lines after it
//! belong to it. Pure: lines and time in, events out.
//!
//! As with that driver, every line of such an event keeps its newline, an event has the time of its
//! first line, and one that nothing follows comes out after five seconds.

use regex::bytes::{Regex, RegexBuilder};

use crate::error::Error;

/// An event that nothing follows comes out after this time, in milliseconds.
const AGE_MS_MAX: i64 = 5000;

/// What begins an event of several lines.
#[derive(Clone, Debug)]
pub struct Multiline {
    begins: Regex,
}

impl Multiline {
    /// `awslogs-multiline-pattern`: a regular expression that the first line of an event matches.
    ///
    /// # Errors
    /// [`Error::InvalidMultiline`] when it is none.
    pub fn pattern(pattern: &str) -> Result<Self, Error> {
        let built = RegexBuilder::new(pattern).size_limit(1 << 20).build();
        built.map(|begins| Self { begins }).map_err(|e| Error::InvalidMultiline {
            pattern: pattern.to_owned(),
            problem: e.to_string(),
        })
    }

    /// `awslogs-datetime-format`: a format of `strftime` that the first line of an event contains.
    ///
    /// # Errors
    /// [`Error::InvalidMultiline`] for a conversion that is not supported.
    pub fn datetime_format(format: &str) -> Result<Self, Error> {
        let mut pattern = String::new();
        let mut characters = format.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                pattern.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
                continue;
            }
            let conversion = characters.next();
            let Some(part) = conversion.and_then(conversion_pattern) else {
                let which = conversion.map_or_else(|| "%".to_owned(), |c| format!("%{c}"));
                return Err(Error::InvalidMultiline {
                    pattern: format.to_owned(),
                    problem: format!(
                        "'{which}' is not a conversion of awslogs-datetime-format; there are \
                         %a %A %b %B %d %f %H %I %j %L %m %M %p %S %w %y %Y %z %Z and %%"
                    ),
                });
            };
            pattern.push_str(part);
        }
        Self::pattern(&pattern)
    }
}

fn conversion_pattern(conversion: char) -> Option<&'static str> {
    Some(match conversion {
        'a' => "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)",
        'A' => "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)",
        'b' => "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
        'B' => {
            "(?:January|February|March|April|May|June|July|August|September|October|November\
             |December)"
        }
        'd' => "(?:0?[1-9]|[12][0-9]|3[01])",
        'f' => "[0-9]{6}",
        'H' => "(?:[01]?[0-9]|2[0-3])",
        'I' => "(?:0?[1-9]|1[0-2])",
        'j' => "(?:[0-2]?[0-9]?[0-9]|3[0-5][0-9]|36[0-6])",
        'L' => "[0-9]{3}",
        'm' => "(?:0?[1-9]|1[0-2])",
        'M' => "[0-5]?[0-9]",
        'p' => "(?:AM|PM|am|pm)",
        'S' => "(?:[0-5]?[0-9]|60)",
        'w' => "[0-6]",
        'y' => "[0-9]{2}",
        'Y' => "[0-9]{4}",
        'z' => "[+-][0-9]{4}",
        'Z' => "[A-Z]{1,4}T",
        '%' => "%",
        _ => return None,
    })
}

/// The lines of the event that is being collected.
#[derive(Debug)]
pub(crate) struct Joiner {
    multiline: Multiline,
    event: Vec<u8>,
    since_ms: i64,
    max: usize,
}

impl Joiner {
    /// Events become at most `max` bytes long.
    pub(crate) fn new(multiline: Multiline, max: usize) -> Self {
        Self { multiline, event: Vec::new(), since_ms: 0, max }
    }

    /// Takes a line and hands out the event, with its time, that it ends.
    pub(crate) fn line(&mut self, now_ms: i64, line: &[u8], event: impl FnOnce(i64, &[u8])) {
        let is_first = self.multiline.begins.is_match(line);
        let is_full = self.event.len() + line.len() + 1 > self.max;
        if (is_first || is_full) && !self.event.is_empty() {
            event(self.since_ms, &self.event);
            self.event.clear();
        }
        if self.event.is_empty() {
            self.since_ms = now_ms;
        }
        self.event.extend_from_slice(line);
        if self.event.len() < self.max {
            self.event.push(b'\n');
        }
    }

    /// When the event being collected comes out at the latest, milliseconds since 1970.
    pub(crate) fn deadline_ms(&self) -> Option<i64> {
        (!self.event.is_empty()).then_some(self.since_ms + AGE_MS_MAX)
    }

    /// Hands out the event being collected if it is old enough, or in any case.
    pub(crate) fn flush(&mut self, due_at: Option<i64>, event: impl FnOnce(i64, &[u8])) {
        let is_due = due_at.is_none_or(|now| {
            // A clock set back must not keep it forever.
            !(self.since_ms..self.since_ms + AGE_MS_MAX).contains(&now)
        });
        if is_due && !self.event.is_empty() {
            event(self.since_ms, &self.event);
            self.event.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(multiline: Multiline, lines: &[&str]) -> Vec<(i64, String)> {
        let mut joiner = Joiner::new(multiline, 40);
        let mut events = Vec::new();
        let mut take = |at: i64, event: &[u8]| {
            events.push((at, String::from_utf8_lossy(event).into_owned()));
        };
        for (i, line) in lines.iter().enumerate() {
            joiner.line(i as i64, line.as_bytes(), &mut take);
        }
        joiner.flush(None, &mut take);
        events
    }

    #[test]
    fn ecs_td_21_a_matching_line_begins_an_event() {
        let lines = ["before", "INFO a", "  at x", "  at y", "INFO b"];
        let events = events(Multiline::pattern("^INFO").unwrap(), &lines);
        let want = [(0, "before\n"), (1, "INFO a\n  at x\n  at y\n"), (4, "INFO b\n")];
        assert_eq!(events, want.map(|(at, text)| (at, text.to_owned())));
    }

    #[test]
    fn ecs_td_21_a_datetime_format_begins_an_event() {
        let format = Multiline::datetime_format("[%b %d, %Y %H:%M:%S]").unwrap();
        let lines = ["[May 01, 2017 19:00:01] A", "  more", "[May 01, 2017 19:00:04] B"];
        assert_eq!(events(format, &lines).len(), 2);
    }

    #[test]
    fn an_event_that_would_become_too_long_ends_before() {
        let lines = ["INFO 3456789012345678901234567890", "more than fits here"];
        assert_eq!(events(Multiline::pattern("^INFO").unwrap(), &lines).len(), 2);
    }

    #[test]
    fn an_event_that_nothing_follows_comes_out_after_five_seconds() {
        let mut joiner = Joiner::new(Multiline::pattern("^INFO").unwrap(), 40);
        joiner.line(1000, b"INFO a", |_, _| panic!("nothing is complete"));
        assert_eq!(joiner.deadline_ms(), Some(6000));
        joiner.flush(Some(5999), |_, _| panic!("too early"));
        let mut seen = 0;
        joiner.flush(Some(6000), |_, _| seen += 1);
        assert_eq!((seen, joiner.deadline_ms()), (1, None));
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let error = Multiline::pattern("(").unwrap_err().to_string();
        assert!(error.contains("'('"), "{error}");
        let error = Multiline::datetime_format("%Y-%Q").unwrap_err().to_string();
        assert!(error.contains("'%Q'"), "{error}");
    }
}
