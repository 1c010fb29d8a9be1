//! What clients said about things and want to read back, although nothing here acts on it: log
//! options of another driver, a tag on a rule, a public address that a task never gets.
//!
//! The platform keeps the text and gives it no meaning, so that a client's second look shows what
//! it asked for, and that stays true over a crash like everything else.

use crate::platform::Platform;

impl Platform {
    pub(crate) fn annotate(&mut self, subject: &str, note: Option<&str>) {
        match note {
            Some(note) => self.notes.insert(subject.to_owned(), note.to_owned()),
            None => self.notes.remove(subject),
        };
    }

    /// What was said about the thing last.
    #[must_use]
    pub fn note(&self, subject: &str) -> Option<&str> {
        self.notes.get(subject).map(String::as_str)
    }
}
