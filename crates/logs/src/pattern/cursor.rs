//! Walks through a pattern's text and knows where it is, for errors that say where.

use std::borrow::Cow;

/// A filter pattern that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter pattern '{pattern}': at character {}: {problem}", at + 1)]
pub struct PatternError {
    /// The whole pattern.
    pub pattern: String,
    /// Where, in characters from its start, counted from 0.
    pub at: usize,
    /// What is wrong there, and what would be right.
    pub problem: Cow<'static, str>,
}

/// A place in a pattern.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    pattern: &'a str,
    at: usize,
    /// Regular expressions met so far; a pattern may have two (CWL-PAT-4).
    pub(crate) regexes: usize,
    /// Parentheses that are open.
    pub(crate) depth: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(pattern: &'a str) -> Self {
        Self { pattern, at: 0, regexes: 0, depth: 0 }
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.pattern[self.at..]
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    /// Goes past that text, if it is here.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        let is_here = self.rest().starts_with(text);
        if is_here {
            self.at += text.len();
        }
        is_here
    }

    pub(crate) fn expect(
        &mut self,
        text: &str,
        otherwise: &'static str,
    ) -> Result<(), PatternError> {
        if self.take(text) { Ok(()) } else { Err(self.error(otherwise)) }
    }

    pub(crate) fn skip_blanks(&mut self) {
        self.take_while(char::is_whitespace);
    }

    pub(crate) fn take_while(&mut self, mut wanted: impl FnMut(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character| !wanted(character)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Something is wrong here.
    pub(crate) fn error(&self, problem: impl Into<Cow<'static, str>>) -> PatternError {
        self.error_at(self, problem)
    }

    /// Something is wrong where that cursor is.
    pub(crate) fn error_at(
        &self,
        place: &Cursor<'_>,
        problem: impl Into<Cow<'static, str>>,
    ) -> PatternError {
        PatternError {
            pattern: self.pattern.to_owned(),
            at: self.pattern[..place.at].chars().count(),
            problem: problem.into(),
        }
    }

    /// What stands between double quotes; `\"` and `\\` stand for the second character.
    pub(crate) fn quoted(&mut self) -> Result<String, PatternError> {
        let start = self.clone();
        self.expect("\"", "a double quote is expected")?;
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') if matches!(self.peek(), Some('"' | '\\')) => text.extend(self.next()),
                Some(character) => text.push(character),
                None => return Err(self.error_at(&start, "this double quote is not closed")),
            }
        }
    }
}
